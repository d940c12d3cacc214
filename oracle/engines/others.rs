//! wasmtime with both of its compilers, and wasmi: each as it is by default, but that wasmi
//! translates functions when they are first called, and wasmtime compiles in one thread.

use crate::record::Step;
use crate::replay::{Guest, Replay};
use precast::runtime::calls::{ATTEMPT, CALLS};
use std::convert::Infallible;
use wasm_encoder::reencode::{utils, Error, Reencode};
use wasm_encoder::{ExportKind, ExportSection, Module};

/// The table, which the module keeps to itself, under a name.
const TABLE: &str = "precast_table";

/// The binary encoding of the type.
const I64: u8 = 0x7e;

/// The module with its table exported: for `attempt`, which our engine does itself.
pub fn open(wasm: &[u8]) -> Vec<u8> {
    struct Open;
    impl Reencode for Open {
        type Error = Infallible;

        fn parse_export_section(
            &mut self,
            exports: &mut ExportSection,
            section: wasmparser::ExportSectionReader<'_>,
        ) -> Result<(), Error> {
            utils::parse_export_section(self, exports, section)?;
            exports.export(TABLE, ExportKind::Table, 0);
            Ok(())
        }
    }
    let mut module = Module::new();
    let parser = wasmparser::Parser::new(0);
    Open.parse_core_module(&mut module, parser, wasm).expect("a valid module");
    module.finish()
}

fn number(module: &str, name: &str) -> u32 {
    let at = CALLS.iter().position(|call| call.module == module && call.name == name);
    at.unwrap_or_else(|| panic!("{module}.{name} is no host call")) as u32
}

macro_rules! engine {
    ($name:ident, $api:ident, $new:expr, $instantiate:ident, $function:expr) => {
        pub mod $name {
            use super::{number, Guest, Replay, Step, ATTEMPT, CALLS, I64, TABLE};
            use $api::{
                Caller, Config, Engine, Func, Instance, Linker, Memory, Module, Store, Val,
            };

            pub struct Theirs {
                store: Store<Replay>,
                instance: Instance,
                memory: Memory,
            }

            impl Theirs {
                pub fn new(wasm: &[u8], config: &Config) -> Box<dyn Guest> {
                    let new: fn(&Config) -> Engine = $new;
                    let engine = new(config);
                    let module = Module::new(&engine, wasm).expect("a valid module");
                    let mut linker: Linker<Replay> = Linker::new(&engine);
                    for import in module.imports() {
                        let call = number(import.module(), import.name());
                        let ty = import.ty().func().expect("it imports functions").clone();
                        let host = move |mut caller: Caller<'_, Replay>,
                                         args: &[Val],
                                         results: &mut [Val]| {
                            let result = match call == ATTEMPT as u32 {
                                true => attempt(&mut caller, args),
                                false => answer(&mut caller, call, args),
                            };
                            if let Some(slot) = results.first_mut() {
                                *slot = match CALLS[call as usize].results == [I64] {
                                    true => Val::I64(result as i64),
                                    false => Val::I32(result as i32),
                                };
                            }
                            Ok(())
                        };
                        let defined = linker.func_new(import.module(), import.name(), ty, host);
                        defined.expect("each import has a name of its own");
                    }
                    let mut store = Store::new(&engine, Replay::default());
                    let instance = linker.$instantiate(&mut store, &module);
                    let instance = instance.expect("all is imported");
                    let memory = instance.get_memory(&mut store, "memory");
                    let memory = memory.expect("it exports its memory");
                    Box::new(Theirs { store, instance, memory })
                }
            }

            impl Guest for Theirs {
                fn write(&mut self, at: u32, bytes: &[u8]) {
                    self.memory.write(&mut self.store, at as usize, bytes).expect("as recorded");
                }

                fn call(&mut self, step: &'static Step) -> u32 {
                    self.store.data_mut().events = step.events.iter();
                    let func = self.instance.get_func(&mut self.store, &step.export);
                    let args: Vec<Val> =
                        step.args.iter().map(|&arg| Val::I32(arg as i32)).collect();
                    let mut results = [Val::I32(0)];
                    let func = func.expect("as recorded");
                    func.call(&mut self.store, &args, &mut results).expect("as recorded");
                    word(&results[0]) as u32
                }
            }

            fn answer(caller: &mut Caller<'_, Replay>, call: u32, args: &[Val]) -> u64 {
                let args: Vec<u64> = args.iter().map(word).collect();
                let memory = caller.get_export("memory").and_then(|export| export.into_memory());
                let memory = memory.expect("it exports its memory");
                let mut replay = std::mem::take(caller.data_mut());
                let result = replay.call(call, &args, |at, bytes| {
                    memory.write(&mut *caller, at as usize, bytes).expect("as recorded");
                });
                *caller.data_mut() = replay;
                result
            }

            /// Calls the function that the second argument names; no panic was recorded.
            fn attempt(caller: &mut Caller<'_, Replay>, args: &[Val]) -> u64 {
                let table = caller.get_export(TABLE).and_then(|export| export.into_table());
                let found = table.expect("it was exported").get(&mut *caller, word(&args[1]));
                let function: fn(_) -> Option<Func> = $function;
                let func = found.and_then(function).expect("a function of the table");
                func.call(&mut *caller, &args[..1], &mut []).expect("as recorded");
                0
            }

            /// As our engine has it in a slot.
            fn word(val: &Val) -> u64 {
                match val {
                    Val::I32(v) => *v as u32 as u64,
                    Val::I64(v) => *v as u64,
                    _ => panic!("host calls have integers only"),
                }
            }
        }
    };
}

engine!(
    compiled,
    wasmtime,
    |config| Engine::new(config).expect("a valid configuration"),
    instantiate,
    |found: wasmtime::Ref| found.as_func().flatten().copied()
);
engine!(
    interpreted,
    wasmi,
    |config| Engine::new(config),
    instantiate_and_start,
    |found: wasmi::Ref| match found {
        wasmi::Ref::Func(func) => func.val().copied(),
        _ => None,
    }
);
