//! precast's side.

use precast::lower;
use precast::runtime::instance::{Fault, Host, Instance, Limits};
use precast::runtime::memory::Memory;

use super::{census, Outcome};

pub struct Ours(Instance);

struct NoHost;

impl Host for NoHost {
    fn call(&mut self, call: u32, _: &[u64], _: &mut Memory) -> Result<u64, Fault> {
        Err(Fault::Denied(format!("host call {call}")))
    }
}

pub fn limits() -> Limits {
    Limits { fuel: 50_000_000, ..Limits::default() }
}

/// The embedded form.
pub fn image(wasm: &[u8]) -> Result<Vec<u8>, String> {
    let image = lower::lower(wasm).map_err(|e| e.to_string())?;
    census::count(&image);
    lower::compress(&image).map_err(|e| e.to_string())
}

/// The same for the life of the test.
pub fn embed(wasm: &[u8]) -> Result<&'static [u8], String> {
    image(wasm).map(|image| &*image.leak())
}

fn outcome(fault: Fault) -> Outcome {
    match fault {
        Fault::Trap(trap) => Outcome::Trap(trap),
        other => Outcome::Limit(other.to_string()),
    }
}

impl Ours {
    /// Instantiates, start function included.
    pub fn new(embedded: &'static [u8]) -> Result<Ours, Outcome> {
        let mut instance = Instance::new(embedded, limits()).map_err(outcome)?;
        if let Some(start) = instance.start() {
            instance.call(start, &[], &mut NoHost).map_err(outcome)?;
        }
        Ok(Ours(instance))
    }

    pub fn call(&mut self, name: &str, args: &[u64]) -> Outcome {
        let func = self.find(name);
        self.call_func(func, args)
    }

    /// The exported function; looking it up takes longer than calling it.
    pub fn find(&mut self, name: &str) -> u32 {
        self.0.export(name).unwrap_or_else(|| panic!("there is no export {name:?}"))
    }

    pub fn call_func(&mut self, func: u32, args: &[u64]) -> Outcome {
        match self.0.call(func, args, &mut NoHost) {
            Ok(_) => Outcome::Values(self.0.results(func).to_vec()),
            Err(fault) => outcome(fault),
        }
    }

    pub fn memory(&mut self) -> Vec<u8> {
        let memory = self.0.memory();
        let len = memory.bytes() as u32;
        memory.read(0, len).expect("it is that long").to_vec()
    }
}
