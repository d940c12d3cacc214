//! The rare operations on memory and tables.

use super::super::image::{bulk, Insn};
use super::super::instance::Fault;
use super::super::kernel::{Init, DROP};
use super::{Engine, FRAME, FUEL};

impl Engine {
    /// Pays for what was done: what traps, or cannot grow, costs nothing.
    pub fn burn(&mut self, cost: u32) -> Result<(), Fault> {
        if self.fuel < cost as u64 {
            return Err(Fault::Limit(FUEL));
        }
        self.fuel -= cost as u64;
        Ok(())
    }

    /// Runs one instruction `BULK`: operands from its window on, the result into its first slot.
    pub fn bulk(&mut self, i: &Insn, frame: &mut [u64; FRAME]) -> Result<(), Fault> {
        let window = i.a as usize;
        let (p, q, r) = (frame[window], frame[window + 1], frame[window + 2]);
        let b = i.b as u32;
        let n_elems = self.image.n_elems as u32;
        match i.x {
            bulk::MEMORY_SIZE => frame[window] = self.memory.pages() as u64,
            bulk::MEMORY_GROW => {
                let before = self.memory.pages();
                let grown = tri!(self.memory.grow(p as u32, self.image.memory_max as u32));
                frame[window] = if grown { before as u64 } else { 0xffff_ffff };
            }
            bulk::MEMORY_INIT => {
                let (to, from, len) = (p as u32, q as u32, r as u32);
                tri!(self.init(&Init {
                    segment: n_elems + b,
                    table: 0,
                    to: to,
                    from: from,
                    len: len
                }));
                tri!(self.burn(r as u32 >> 6));
            }
            // SAFETY: there is such a segment, which was checked.
            bulk::DATA_DROP => return unsafe { self.image.ask(DROP, (n_elems + b) as usize) },
            bulk::ELEM_DROP => return unsafe { self.image.ask(DROP, b as usize) },
            _ => tri!(self.table(i, frame)),
        }
        Ok(())
    }
}
