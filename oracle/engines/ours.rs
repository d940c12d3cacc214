//! Our two tiers.

use crate::record::Step;
use crate::replay::{Guest, Replay};

#[allow(dead_code, unused_imports, clippy::all)]
#[path = "../../tests/tiers/portable.rs"]
mod portable;

macro_rules! tier {
    ($name:ident, $($runtime:ident)::+) => {
        pub mod $name {
            use super::{Guest, Replay, Step};
            use $($runtime)::+::instance::{Fault, Host, Instance, Limits};
            use $($runtime)::+::memory::Memory;

            pub struct Ours {
                instance: Instance,
                host: Replay,
            }

            impl Host for Replay {
                fn call(
                    &mut self,
                    call: u32,
                    args: &[u64],
                    memory: &mut Memory,
                ) -> Result<u64, Fault> {
                    let write = |at, bytes: &[u8]| memory.write(at, bytes).expect("as recorded");
                    Ok(Replay::call(self, call, args, write))
                }
            }

            impl Ours {
                pub fn new(embedded: &'static [u8]) -> Box<dyn Guest> {
                    let instance = Instance::new(embedded, Limits::DEFAULT);
                    let instance = instance.unwrap_or_else(|fault| panic!("{fault}"));
                    Box::new(Ours { instance, host: Replay::default() })
                }
            }

            impl Guest for Ours {
                fn write(&mut self, at: u32, bytes: &[u8]) {
                    self.instance.memory().write(at, bytes).expect("as recorded");
                }

                fn call(&mut self, step: &'static Step) -> u32 {
                    self.host.events = step.events.iter();
                    let func = self.instance.export(&step.export).expect("as recorded");
                    let args: Vec<u64> = step.args.iter().map(|&arg| arg.into()).collect();
                    let result = self.instance.call(func, &args, &mut self.host);
                    result.unwrap_or_else(|fault| panic!("{fault}")) as u32
                }
            }
        }
    };
}

tier!(jit, precast::runtime);
tier!(interpreter, super::portable);
