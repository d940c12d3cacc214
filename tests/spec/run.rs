//! Runs one file of the spec tests.

use std::cell::Cell;
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

type Lower = fn(&[u8]) -> precast::Result<Vec<u8>>;

thread_local! {
    /// How this thread's tests are lowered.
    pub static LOWER: Cell<Lower> = const { Cell::new(lower::lower) };
}

/// What a directive comes to, if it does not fail.
enum Done {
    Passed,
    Skipped,
    Text,
}

/// The results of a call.
type Called = Result<Vec<u64>, Fault>;

type Checked = Result<Done, String>;

/// The instance that a name stands for; without one, of a module that is not run.
type Known = Option<usize>;

#[derive(Default)]
struct Script {
    instances: Vec<Instance>,
    named: HashMap<String, Known>,
    current: Known,
    /// The module that came last, and those that have a name, for the modules that import them.
    wasm: Vec<u8>,
    named_wasm: HashMap<String, Vec<u8>>,
    registered: alone::Registered,
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
        let result = catch_unwind(AssertUnwindSafe(|| script.directive(directive)));
        match (
            result.unwrap_or_else(|panic| Err(format!("panic: {}", message(&*panic)))),
            skip(line),
        ) {
            (Ok(Done::Skipped), _) | (Err(_), Some(_)) => outcome.count.skipped += 1,
            (_, Some(reason)) => {
                outcome.failures.push(format!("{name}:{line}: passes, but is skipped: {reason}"))
            }
            (Ok(Done::Passed), None) => outcome.count.passed += 1,
            (Ok(Done::Text), None) => outcome.count.text += 1,
            (Err(e), None) => outcome.failures.push(format!("{name}:{line}: {e}")),
        }
    }
    outcome
}

fn message(panic: &dyn std::any::Any) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default()
}

impl Script {
    fn directive(&mut self, directive: WastDirective<'_>) -> Checked {
        match directive {
            WastDirective::Module(module) => self.module(module),
            WastDirective::Register { module, name, .. } => {
                self.find(module)?;
                let wasm = module.map_or(&self.wasm, |id| &self.named_wasm[id.name()]);
                self.registered.insert(name.to_owned(), wasm.clone());
                Ok(Done::Passed)
            }
            WastDirective::Invoke(invoke) => match self.invoke(&invoke)? {
                None => Ok(Done::Skipped),
                Some(Ok(_)) => Ok(Done::Passed),
                Some(Err(fault)) => Err(fault.to_string()),
            },
            WastDirective::AssertReturn { exec, results, .. } => self.returns(exec, &results),
            WastDirective::AssertTrap { exec, message, .. } => self.traps(exec, message),
            WastDirective::AssertExhaustion { call, .. } => match self.invoke(&call)? {
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
            WastDirective::AssertUnlinkable { module, message, .. } => {
                unlinkable(module, message, &self.registered)
            }
            other => Err(format!("a directive that is not known here: {other:?}")),
        }
    }

    fn module(&mut self, mut module: QuoteWat<'_>) -> Checked {
        let name = module.name().map(|id| id.name().to_owned());
        self.wasm = module.encode().map_err(|e| e.to_string())?;
        self.current = None;
        let made = match instantiate(&self.wasm, &self.registered) {
            Ok(Ok(instance)) => {
                self.instances.push(instance);
                self.current = Some(self.instances.len() - 1);
                Ok(Done::Passed)
            }
            Ok(Err(fault)) => Err(fault.to_string()),
            Err(e) => Err(e),
        };
        if let Some(name) = name {
            self.named.insert(name.clone(), self.current);
            self.named_wasm.insert(name, self.wasm.clone());
        }
        made
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

    /// Calls an export; `None`: the module is not run.
    fn invoke(&mut self, invoke: &WastInvoke<'_>) -> Result<Option<Called>, String> {
        let Some(known) = self.find(invoke.module)? else { return Ok(None) };
        let args = invoke.args.iter().map(arg).collect::<Result<Vec<_>, _>>()?;
        call(&mut self.instances[known], invoke.name, &args).map(Some)
    }

    fn execute(&mut self, exec: WastExecute<'_>) -> Result<Option<Called>, String> {
        match exec {
            WastExecute::Invoke(invoke) => self.invoke(&invoke),
            WastExecute::Get { module, global, .. } => {
                let Some(known) = self.find(module)? else { return Ok(None) };
                call(&mut self.instances[known], &alone::global(global), &[]).map(Some)
            }
            WastExecute::Wat(mut wat) => {
                let wasm = wat.encode().map_err(|e| e.to_string())?;
                let made = instantiate(&wasm, &self.registered)?;
                Ok(Some(made.map(|_| Vec::new())))
            }
        }
    }

    fn returns(&mut self, exec: WastExecute<'_>, expected: &[WastRet<'_>]) -> Checked {
        let results = match self.execute(exec)? {
            None => return Ok(Done::Skipped),
            Some(results) => results.map_err(|fault| fault.to_string())?,
        };
        if results.len() != expected.len() {
            return Err(format!("{} results, not {}", results.len(), expected.len()));
        }
        for (value, expected) in results.iter().zip(expected) {
            let WastRet::Core(expected) = expected else { return Err("not a core value".into()) };
            if !equal(*value, expected)? {
                return Err(format!("{value:#x} is not {expected:?}"));
            }
        }
        Ok(Done::Passed)
    }

    fn traps(&mut self, exec: WastExecute<'_>, message: &str) -> Checked {
        match self.execute(exec)? {
            None => Ok(Done::Skipped),
            Some(Err(Fault::Trap(trap))) if message.starts_with(&trap.to_string()) => {
                Ok(Done::Passed)
            }
            Some(other) => Err(format!("no trap `{message}` but {}", show(&other))),
        }
    }
}

fn show(result: &Called) -> String {
    match result {
        Ok(values) => format!("{values:x?}"),
        Err(fault) => fault.to_string(),
    }
}

fn call(instance: &mut Instance, name: &str, args: &[u64]) -> Result<Called, String> {
    let func = instance.export(name).ok_or_else(|| format!("there is no export {name:?}"))?;
    let called = instance.call(func, args, &mut NoHost);
    Ok(called.map(|_| instance.results(func).to_vec()))
}

/// The outer error is lowering's.
fn instantiate(
    wasm: &[u8],
    registered: &alone::Registered,
) -> Result<Result<Instance, Fault>, String> {
    let rewritten = alone::rewrite(wasm, registered);
    let image = LOWER.get()(rewritten.as_deref().unwrap_or(wasm)).map_err(|e| e.to_string())?;
    let embedded = lower::compress(&image).map_err(|e| e.to_string())?;
    Ok(start(embedded.leak()))
}

fn start(embedded: &'static [u8]) -> Result<Instance, Fault> {
    let mut instance = Instance::new(embedded, Limits::default())?;
    if let Some(start) = instance.start() {
        instance.call(start, &[], &mut NoHost)?;
    }
    Ok(instance)
}

fn refused(module: &mut QuoteWat<'_>, message: &str, malformed: bool) -> Checked {
    let wasm = match module.encode() {
        Ok(wasm) => wasm,
        Err(_) if malformed => return Ok(Done::Text),
        Err(e) => return Err(e.to_string()),
    };
    match lower::lower(&wasm) {
        Ok(_) => Err(format!("is lowered, but is wrong: {message}")),
        Err(e) if e.to_string().starts_with("the module is not valid") => Ok(Done::Passed),
        Err(e) => Err(format!("is refused for another reason: {e}")),
    }
}

fn unlinkable(mut module: Wat<'_>, message: &str, registered: &alone::Registered) -> Checked {
    let wasm = module.encode().map_err(|e| e.to_string())?;
    match instantiate(&wasm, registered) {
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
