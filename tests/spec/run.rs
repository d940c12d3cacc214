//! Runs one file of the spec tests.

use std::collections::HashMap;
use std::fmt;
use std::panic::{catch_unwind, AssertUnwindSafe};

use precast::lower;
use precast::runtime::instance::{Fault, Host, Instance, Limits};
use precast::runtime::memory::Memory;
use wast::core::{NanPattern, WastArgCore, WastRetCore};
use wast::lexer::Lexer;
use wast::parser::{parse, ParseBuffer};
use wast::token::Id;
use wast::{QuoteWat, Wast, WastArg, WastDirective, WastExecute, WastInvoke, WastRet, Wat};

use super::alone;

#[derive(Default)]
pub struct Count {
    pub passed: usize,
    /// Assertions about modules that are not run.
    pub skipped: usize,
    /// Texts which the text parser already refuses: they say nothing about us.
    pub text: usize,
}

impl Count {
    pub fn add(&mut self, other: &Count) {
        self.passed += other.passed;
        self.skipped += other.skipped;
        self.text += other.text;
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:6} passed, {:4} not run, {:4} refused as text",
            self.passed, self.skipped, self.text
        )
    }
}

pub struct Outcome {
    pub count: Count,
    pub failures: Vec<String>,
}

/// What a directive comes to, if it does not fail.
enum Done {
    Passed,
    Skipped,
    Text,
}

type Checked = Result<Done, String>;

/// The instance that a name stands for; without one, of a module that is not run.
type Known = Option<usize>;

#[derive(Default)]
struct Script {
    instances: Vec<Instance>,
    named: HashMap<String, Known>,
    current: Known,
}

struct NoHost;

impl Host for NoHost {
    fn call(&mut self, call: u32, _: &[u64], _: &mut Memory) -> Result<u64, Fault> {
        Err(Fault::Denied(format!("host call {call}")))
    }
}

pub fn file(
    name: &str,
    text: &str,
    skip: &mut dyn FnMut(usize) -> Option<&'static str>,
) -> Outcome {
    let mut outcome = Outcome { count: Count::default(), failures: Vec::new() };
    let mut lexer = Lexer::new(text);
    lexer.allow_confusing_unicode(true);
    let buffer = ParseBuffer::new_with_lexer(lexer).expect("the file is a script");
    let wast = parse::<Wast>(&buffer).expect("the file is a script");
    let mut script = Script::default();
    for directive in wast.directives {
        let line = directive.span().linecol_in(text).0 + 1;
        let result = catch_unwind(AssertUnwindSafe(|| script.directive(directive, skip(line))));
        match result.unwrap_or_else(|panic| Err(format!("panic: {}", message(&*panic)))) {
            Ok(Done::Passed) => outcome.count.passed += 1,
            Ok(Done::Skipped) => outcome.count.skipped += 1,
            Ok(Done::Text) => outcome.count.text += 1,
            Err(e) => outcome.failures.push(format!("{name}:{line}: {e}")),
        }
    }
    outcome
}

fn message(panic: &dyn std::any::Any) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default()
}

impl Script {
    fn directive(&mut self, directive: WastDirective<'_>, skip: Option<&str>) -> Checked {
        match directive {
            WastDirective::Module(module) => self.module(module, skip),
            WastDirective::Register { module, name, .. } => {
                let known = self.find(module)?;
                self.named.insert(format!("registered {name}"), known);
                Ok(Done::Passed)
            }
            WastDirective::Invoke(invoke) => match self.invoke(&invoke, 0)? {
                None => Ok(Done::Skipped),
                Some(Ok(_)) => Ok(Done::Passed),
                Some(Err(fault)) => Err(fault.to_string()),
            },
            WastDirective::AssertReturn { exec, results, .. } => self.returns(exec, &results),
            WastDirective::AssertTrap { exec, message, .. } => self.traps(exec, message, skip),
            WastDirective::AssertExhaustion { call, .. } => match self.invoke(&call, 0)? {
                None => Ok(Done::Skipped),
                Some(Err(Fault::Limit(what))) if what.contains("recursion") => Ok(Done::Passed),
                Some(other) => Err(format!("no exhaustion but {}", show(&other))),
            },
            WastDirective::AssertInvalid { mut module, message, .. } => {
                refused(&mut module, message, false)
            }
            WastDirective::AssertMalformed { mut module, message, .. } => {
                refused(&mut module, message, true)
            }
            WastDirective::AssertUnlinkable { module, message, .. } => unlinkable(module, message),
            other => Err(format!("a directive that is not known here: {other:?}")),
        }
    }

    fn module(&mut self, mut module: QuoteWat<'_>, skip: Option<&str>) -> Checked {
        let name = module.name().map(|id| id.name().to_owned());
        let wasm = module.encode().map_err(|e| e.to_string())?;
        let (known, done) = match (instantiate(&wasm), skip) {
            (Ok(Ok(_)), Some(reason)) => return Err(format!("runs, but is skipped: {reason}")),
            (Ok(Ok(instance)), None) => {
                self.instances.push(instance);
                (Some(self.instances.len() - 1), Ok(Done::Passed))
            }
            (_, Some(_)) => (None, Ok(Done::Skipped)),
            (Ok(Err(fault)), None) => (None, Err(fault.to_string())),
            (Err(e), None) => (None, Err(e)),
        };
        self.current = known;
        if let Some(name) = name {
            self.named.insert(name, known);
        }
        done
    }

    fn find(&self, module: Option<Id<'_>>) -> Result<Known, String> {
        match module {
            None => Ok(self.current),
            Some(id) => {
                let known = self.named.get(id.name());
                known.copied().ok_or_else(|| format!("no module is called {}", id.name()))
            }
        }
    }

    /// Calls an export and gives as many results as asked for; `None`: the module is not run.
    #[allow(clippy::type_complexity)]
    fn invoke(
        &mut self,
        invoke: &WastInvoke<'_>,
        n_results: usize,
    ) -> Result<Option<Result<Vec<u64>, Fault>>, String> {
        let Some(known) = self.find(invoke.module)? else { return Ok(None) };
        let args = invoke.args.iter().map(arg).collect::<Result<Vec<_>, _>>()?;
        let instance = &mut self.instances[known];
        if n_results < 2 {
            let result = call(instance, invoke.name, &args)?;
            return Ok(Some(result.map(|value| vec![value])));
        }
        if let Err(fault) = call(instance, &alone::keeper(invoke.name), &args)? {
            return Ok(Some(Err(fault)));
        }
        let mut results = Vec::new();
        for at in 0..n_results {
            results.push(
                call(instance, &alone::kept(invoke.name, at), &[])?.map_err(|e| e.to_string())?,
            );
        }
        Ok(Some(Ok(results)))
    }

    fn execute(
        &mut self,
        exec: WastExecute<'_>,
        n_results: usize,
    ) -> Result<Option<Result<Vec<u64>, Fault>>, String> {
        match exec {
            WastExecute::Invoke(invoke) => self.invoke(&invoke, n_results),
            WastExecute::Get { module, global, .. } => {
                let Some(known) = self.find(module)? else { return Ok(None) };
                let value = call(&mut self.instances[known], &alone::global(global), &[])?;
                Ok(Some(value.map(|value| vec![value])))
            }
            WastExecute::Wat(mut wat) => {
                let wasm = wat.encode().map_err(|e| e.to_string())?;
                instantiate(&wasm).map(|result| Some(result.map(|_| Vec::new())))
            }
        }
    }

    fn returns(&mut self, exec: WastExecute<'_>, expected: &[WastRet<'_>]) -> Checked {
        let results = match self.execute(exec, expected.len())? {
            None => return Ok(Done::Skipped),
            Some(results) => results.map_err(|fault| fault.to_string())?,
        };
        for (value, expected) in results.iter().zip(expected) {
            let WastRet::Core(expected) = expected else { return Err("not a core value".into()) };
            if !equal(*value, expected)? {
                return Err(format!("{value:#x} is not {expected:?}"));
            }
        }
        Ok(Done::Passed)
    }

    fn traps(&mut self, exec: WastExecute<'_>, message: &str, skip: Option<&str>) -> Checked {
        match (self.execute(exec, 0), skip) {
            (Err(_), Some(_)) => Ok(Done::Skipped),
            (result, None) => match result? {
                None => Ok(Done::Skipped),
                Some(Err(Fault::Trap(trap))) if message.starts_with(&trap.to_string()) => {
                    Ok(Done::Passed)
                }
                Some(other) => Err(format!("no trap `{message}` but {}", show(&other))),
            },
            (Ok(_), Some(reason)) => Err(format!("runs, but is skipped: {reason}")),
        }
    }
}

fn show(result: &Result<Vec<u64>, Fault>) -> String {
    match result {
        Ok(values) => format!("{values:x?}"),
        Err(fault) => fault.to_string(),
    }
}

fn call(instance: &mut Instance, name: &str, args: &[u64]) -> Result<Result<u64, Fault>, String> {
    let func = instance.export(name).ok_or_else(|| format!("there is no export {name:?}"))?;
    Ok(instance.call(func, args, &mut NoHost))
}

fn limits() -> Limits {
    Limits { fuel: 200_000_000, ..Limits::default() }
}

/// The outer error is lowering's.
fn instantiate(wasm: &[u8]) -> Result<Result<Instance, Fault>, String> {
    let rewritten = alone::rewrite(wasm);
    let wasm = rewritten.as_deref().unwrap_or(wasm);
    let image = lower::lower(wasm).map_err(|e| e.to_string())?;
    let embedded = lower::compress(&image).map_err(|e| e.to_string())?;
    Ok(Instance::new(embedded.leak(), limits()))
}

fn refused(module: &mut QuoteWat<'_>, message: &str, malformed: bool) -> Checked {
    let wasm = match module.encode() {
        Ok(wasm) => wasm,
        Err(_) if malformed => return Ok(Done::Text),
        Err(e) => return Err(e.to_string()),
    };
    match lower::lower(&wasm) {
        Ok(_) => Err(format!("is lowered, but is wrong: {message}")),
        Err(_) => Ok(Done::Passed),
    }
}

fn unlinkable(mut module: Wat<'_>, message: &str) -> Checked {
    let wasm = module.encode().map_err(|e| e.to_string())?;
    match instantiate(&wasm) {
        Err(e) if e.contains("import") => Ok(Done::Passed),
        Err(e) => Err(format!("the error does not speak of an import: {e}")),
        Ok(_) => Err(format!("is lowered, but does not link: {message}")),
    }
}

fn arg(arg: &WastArg<'_>) -> Result<u64, String> {
    let WastArg::Core(arg) = arg else { return Err("not a core value".into()) };
    Ok(match arg {
        WastArgCore::I32(v) => *v as u32 as u64,
        WastArgCore::I64(v) => *v as u64,
        WastArgCore::F32(v) => v.bits as u64,
        WastArgCore::F64(v) => v.bits,
        WastArgCore::RefNull(_) => 0,
        // A reference that is not null is a number plus one.
        WastArgCore::RefExtern(v) => *v as u64 + 1,
        other => return Err(format!("an argument that is not known here: {other:?}")),
    })
}

/// The upper half of a 32-bit value is not looked at: slots need not keep it clean.
fn equal(value: u64, expected: &WastRetCore<'_>) -> Result<bool, String> {
    const F32_QUIET: u32 = 0x7fc0_0000;
    const F64_QUIET: u64 = 0x7ff8_0000_0000_0000;
    Ok(match expected {
        WastRetCore::I32(v) => value as i32 == *v,
        WastRetCore::I64(v) => value as i64 == *v,
        WastRetCore::F32(NanPattern::CanonicalNan) => value as u32 & 0x7fff_ffff == F32_QUIET,
        WastRetCore::F32(NanPattern::ArithmeticNan) => value as u32 & F32_QUIET == F32_QUIET,
        WastRetCore::F32(NanPattern::Value(v)) => value as u32 == v.bits,
        WastRetCore::F64(NanPattern::CanonicalNan) => value & (u64::MAX >> 1) == F64_QUIET,
        WastRetCore::F64(NanPattern::ArithmeticNan) => value & F64_QUIET == F64_QUIET,
        WastRetCore::F64(NanPattern::Value(v)) => value == v.bits,
        WastRetCore::RefNull(_) => value == 0,
        WastRetCore::RefExtern(Some(v)) => value == *v as u64 + 1,
        WastRetCore::RefExtern(None) | WastRetCore::RefFunc(_) => value != 0,
        other => return Err(format!("a result that is not known here: {other:?}")),
    })
}
