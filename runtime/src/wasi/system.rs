//! Clocks, arguments, events and sockets: the same everywhere, or not there.

use std::env;

use super::super::calls;
use super::super::fault::{Fault, Trap};
use super::super::memory::Memory;
use super::{Args, Wasi, INVAL, NOSYS, NOW, N_VECTORS_MAX};

/// The clock that tells the date.
const REALTIME: u32 = 0;

impl Wasi {
    pub fn system(&mut self, call: u32, a: &Args, memory: &mut Memory) -> Result<u64, Fault> {
        match calls::number(call) {
            calls::SCHED_YIELD => Ok(0),
            calls::ARGS_GET => self.args_get(a, memory),
            calls::ARGS_SIZES_GET => {
                let (mut n, mut bytes) = (0, 0);
                for arg in self.arguments() {
                    n += 1;
                    bytes += arg.len() as u32 + 1;
                }
                tri!(memory.write_u32(a.word(0), n));
                tri!(memory.write_u32(a.word(1), bytes));
                Ok(0)
            }
            calls::CLOCK_RES_GET => {
                tri!(memory.write_u64(a.word(1), 1));
                Ok(0)
            }
            calls::CLOCK_TIME_GET => {
                // The other clocks only measure.
                if a.word(0) == REALTIME {
                    self.refuse("the time of day");
                }
                tri!(memory.write_u64(a.word(2), NOW));
                Ok(0)
            }
            calls::POLL_ONEOFF => poll_oneoff(a, memory),
            calls::PROC_RAISE => Err(Fault::Trap(Trap::Unreachable)),
            _ => Ok(NOSYS),
        }
    }

    /// The compiler's own; where no compiler runs there are none.
    fn arguments(&self) -> Vec<String> {
        let mut all = Vec::new();
        if cfg!(proc_macro) {
            for arg in env::args_os() {
                all.push(arg.to_string_lossy().into_owned());
            }
        }
        all
    }

    /// Texts behind one another, each with its address in a table.
    fn args_get(&self, a: &Args, memory: &mut Memory) -> Result<u64, Fault> {
        let (mut table, mut at) = (a.word(0), a.word(1));
        for arg in self.arguments() {
            tri!(memory.write_u32(table, at));
            tri!(memory.write(at, arg.as_bytes()));
            tri!(memory.write(at.wrapping_add(arg.len() as u32), &[0]));
            table = table.wrapping_add(4);
            at = at.wrapping_add(arg.len() as u32 + 1);
        }
        Ok(0)
    }
}

/// Whatever is waited for has happened: the clock stands still.
fn poll_oneoff(a: &Args, memory: &mut Memory) -> Result<u64, Fault> {
    let n = a.word(2);
    if n > N_VECTORS_MAX {
        return Ok(INVAL);
    }
    let mut i = 0;
    while i < n {
        let userdata = tri!(memory.read_u64(a.word(0).wrapping_add(i * 48)));
        let event = a.word(1).wrapping_add(i * 32);
        tri!(memory.write(event, &[0; 32]));
        tri!(memory.write_u64(event, userdata));
        i += 1;
    }
    tri!(memory.write_u32(a.word(3), n));
    Ok(0)
}
