//! The host call `attempt`: a run inside the run that makes it, which a panic ends.

use super::super::instance::{Fault, Host, Trap};
use super::{Engine, DEPTH};

/// Nested calls of `attempt`: each takes a part of the compiler's own stack.
const GUARDS: u32 = 64;

impl Engine {
    /// Calls a function of the first table with one argument; whether it panicked.
    pub fn attempt(&mut self, index: u32, base: usize, host: &mut dyn Host) -> Result<u64, Fault> {
        let mut func = 0;
        if self.tables.len() > 0 && (index as usize) < self.tables[0].items.len() {
            func = self.tables[0].items[index as usize] as u32;
        }
        let func = func.wrapping_sub(1);
        match self.params(func) {
            Some((1, 0)) => (),
            _ => return Err(Fault::Trap(Trap::IndirectCallTypeMismatch)),
        }
        if self.guards == GUARDS {
            return Err(Fault::Limit(DEPTH));
        }
        self.guards += 1;
        let result = self.guarded(func, base, host);
        self.guards -= 1;
        match result {
            Ok(()) => Ok(0),
            Err(Fault::Panic(_)) => Ok(1),
            Err(fault) => Err(fault),
        }
    }
}
