//! An instance of a module: what the embedding creates, calls and throws away.

use super::engine::Engine;
pub use super::engine::Host;
pub use super::fault::{Fault, Limits, Trap};
use super::memory::Memory;
use super::text::owned;

pub struct Instance {
    engine: Engine,
    limits: Limits,
}

impl Instance {
    /// `embedded`: what `lower::compress` wrote.
    pub fn new(embedded: &'static [u8], limits: Limits) -> Result<Instance, Fault> {
        let engine = tri!(Engine::new(embedded, &limits));
        Ok(Instance { engine: engine, limits: limits })
    }

    /// The function exported under `name`.
    pub fn export(&mut self, name: &str) -> Option<u32> {
        self.engine.export(name)
    }

    /// The function to call before any other, if the module has one.
    #[cfg(not(proc_macro))]
    pub fn start(&self) -> Option<u32> {
        self.engine.start()
    }

    /// Calls an export; the first result, or 0. After a fault the instance's state is what the
    /// guest left: throw it away unless that is what you want to look at.
    pub fn call(
        &mut self,
        export_func: u32,
        args: &[u64],
        host: &mut dyn Host,
    ) -> Result<u64, Fault> {
        let results = match self.engine.params(export_func) {
            Some((params, results)) if params == args.len() => results,
            _ => return Err(Fault::Damaged(owned("an export has another type than expected"))),
        };
        let mut i = 0;
        while i < args.len() {
            self.engine.slots()[i] = args[i];
            i += 1;
        }
        tri!(self.engine.run(export_func, &self.limits, host));
        Ok(if results > 0 { self.engine.slots()[0] } else { 0 })
    }

    /// All results of the last call, which must have returned.
    #[cfg(not(proc_macro))]
    pub fn results(&mut self, export_func: u32) -> &[u64] {
        let n = self.engine.params(export_func).map_or(0, |counts| counts.1);
        &self.engine.slots()[..n]
    }

    /// Adds where a call that failed was.
    pub fn trace(&mut self, names: &[u8], most: usize, text: &mut String) {
        self.engine.trace(names, most, text);
    }

    pub fn memory(&mut self) -> &mut Memory {
        self.engine.memory()
    }

    /// The values of the globals.
    #[cfg(not(proc_macro))]
    pub fn globals(&self) -> &[u64] {
        self.engine.globals()
    }

    /// The functions that were called, in the order of their first calls.
    #[cfg(not(proc_macro))]
    pub fn called(&self) -> &[u32] {
        self.engine.called()
    }

    /// Decodes and checks the whole module, which otherwise happens function by function.
    #[cfg(not(proc_macro))]
    pub fn check_all(&mut self) -> Result<(), Fault> {
        self.engine.check_all()
    }
}
