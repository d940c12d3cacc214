//! The host call `attempt`: a run inside the run that makes it, which a panic ends.

use super::super::fault::{Fault, Trap};
use super::Engine;

impl Engine {
    /// Calls a function of the first table with one argument; whether it panicked.
    pub fn attempt(&mut self, index: u32, base: usize) -> Result<u64, Fault> {
        let mut func = 0;
        if self.image.n_tables > 0 {
            // SAFETY: the kernel keeps the address and the length of each table.
            let [items, len] = unsafe { *(self.image.tables as *const [usize; 2]) };
            if (index as usize) < len {
                func = unsafe { *(items as *const u64).add(index as usize) } as u32;
            }
        }
        let func = func.wrapping_sub(1);
        match self.params(func) {
            Some((1, 0)) => (),
            _ => return Err(Fault::Trap(Trap::IndirectCallTypeMismatch)),
        }
        match self.guarded(func, base) {
            Ok(()) => Ok(0),
            Err(Fault::Panic(_)) => Ok(1),
            Err(fault) => Err(fault),
        }
    }
}
