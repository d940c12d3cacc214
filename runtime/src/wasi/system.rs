//! Clocks, arguments, events and sockets: the same everywhere, or not there.

use super::super::calls;
use super::super::instance::{Fault, Trap};
use super::super::memory::Memory;
use super::{Args, Wasi, INVAL, NOSYS, NOW, N_VECTORS_MAX};

impl Wasi {
    pub fn system(&mut self, call: u32, a: &Args, memory: &mut Memory) -> Result<u64, Fault> {
        match calls::number(call) {
            calls::ARGS_GET | calls::SCHED_YIELD => Ok(0),
            calls::ARGS_SIZES_GET => {
                tri!(memory.write_u32(a.word(0), 0));
                tri!(memory.write_u32(a.word(1), 0));
                Ok(0)
            }
            calls::CLOCK_RES_GET => {
                tri!(memory.write_u64(a.word(1), 1));
                Ok(0)
            }
            calls::CLOCK_TIME_GET => {
                tri!(memory.write_u64(a.word(2), NOW));
                Ok(0)
            }
            calls::POLL_ONEOFF => poll_oneoff(a, memory),
            calls::PROC_RAISE => Err(Fault::Trap(Trap::Unreachable)),
            _ => Ok(NOSYS),
        }
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
