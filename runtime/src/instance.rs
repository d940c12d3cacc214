//! An instance of a module: what the embedding creates, calls and throws away.

use std::any::Any;
use std::fmt::{self, Display, Write};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::str;

use super::engine::Engine;
use super::memory::Memory;

/// What an instance may use. Whatever exceeds it is a [`Fault::Limit`].
#[cfg_attr(not(proc_macro), derive(Clone, Copy))]
pub struct Limits {
    pub memory_bytes_max: u32,
    /// Calls and backward branches of one call, with what bulk operations cost (docs/image.md).
    pub fuel: u64,
    /// Nested calls.
    pub depth_max: u32,
    /// Tokens of one expansion's output.
    pub tokens_max: u32,
    /// Files that are open at one time; none is larger than the memory may be.
    pub files_max: u32,
}

impl Limits {
    /// No macro that we know comes near them.
    pub const DEFAULT: Limits = Limits {
        memory_bytes_max: 1 << 30,
        fuel: 1_000_000_000,
        depth_max: 100_000,
        tokens_max: 1 << 24,
        files_max: 256,
    };

    /// All of them, `n` times as large.
    pub fn times(&self, n: u32) -> Limits {
        Limits {
            memory_bytes_max: Self::product(self.memory_bytes_max, n, u32::MAX),
            fuel: if self.fuel > u64::MAX / n as u64 { u64::MAX } else { self.fuel * n as u64 },
            depth_max: Self::product(self.depth_max, n, 1 << 24),
            tokens_max: Self::product(self.tokens_max, n, 1 << 28),
            files_max: Self::product(self.files_max, n, u32::MAX),
        }
    }

    fn product(limit: u32, n: u32, most: u32) -> u32 {
        let product = limit as u64 * n as u64;
        if product < most as u64 {
            product as u32
        } else {
            most
        }
    }
}

#[cfg(not(proc_macro))]
impl Default for Limits {
    fn default() -> Limits {
        Limits::DEFAULT
    }
}

/// The traps of the wasm specification, by the numbers that the kernel has for them.
#[cfg_attr(not(proc_macro), derive(Clone, Copy, Debug, PartialEq, Eq))]
#[repr(u32)]
pub enum Trap {
    Unreachable = 1,
    MemoryOutOfBounds,
    TableOutOfBounds,
    UndefinedElement,
    UninitializedElement,
    IndirectCallTypeMismatch,
    IntegerOverflow,
    IntegerDivideByZero,
    InvalidConversionToInteger,
}

impl Trap {
    fn text(&self) -> &'static str {
        match *self {
            Trap::Unreachable => "unreachable",
            Trap::MemoryOutOfBounds => "out of bounds memory access",
            Trap::TableOutOfBounds => "out of bounds table access",
            Trap::UndefinedElement => "undefined element",
            Trap::UninitializedElement => "uninitialized element",
            Trap::IndirectCallTypeMismatch => "indirect call type mismatch",
            Trap::IntegerOverflow => "integer overflow",
            Trap::IntegerDivideByZero => "integer divide by zero",
            Trap::InvalidConversionToInteger => "invalid conversion to integer",
        }
    }
}

#[cfg(not(proc_macro))]
impl Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// Why a call did not return.
#[cfg_attr(not(proc_macro), derive(Debug))]
pub enum Fault {
    Trap(Trap),
    /// The guest called `proc_exit`.
    Exit(u32),
    /// The guest panicked; the message is the panic's own.
    Panic(String),
    Limit(&'static str),
    /// A capability was refused.
    Denied(String),
    /// The embedded module is not what precast wrote.
    Damaged(String),
}

impl Fault {
    /// Says what is wrong.
    pub fn tell(&self, message: &mut String) {
        message.push_str(match *self {
            Fault::Trap(_) => "the macro trapped: ",
            Fault::Exit(_) => "the macro exited with status ",
            Fault::Damaged(_) => "the embedded module is damaged: ",
            _ => "",
        });
        message.push_str(match *self {
            Fault::Trap(ref trap) => trap.text(),
            Fault::Exit(ref status) => return show(message, status),
            Fault::Limit(what) => what,
            Fault::Panic(ref what) | Fault::Denied(ref what) | Fault::Damaged(ref what) => what,
        });
        if let Fault::Trap(Trap::MemoryOutOfBounds) = *self {
            message.push_str(": its stack may be exhausted");
        }
    }
}

#[cfg(not(proc_macro))]
impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut message = String::new();
        self.tell(&mut message);
        f.write_str(&message)
    }
}

/// Texts in one, and whether two are the same: what std has for it are units of code of their own.
pub fn joined(parts: &[&str]) -> String {
    let mut text = String::new();
    append(&mut text, parts);
    text
}

pub fn append(text: &mut String, parts: &[&str]) {
    let mut i = 0;
    while i < parts.len() {
        text.push_str(parts[i]);
        i += 1;
    }
}

pub fn owned(text: &str) -> String {
    joined(&[text])
}

/// What `fmt` writes to. `String` is one as well, but what a consumer compiles of it is thrice that.
struct Text<'a>(&'a mut String);

impl<'a> Write for Text<'a> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.0.push_str(part);
        Ok(())
    }

    /// The one that is given takes five functions.
    fn write_char(&mut self, c: char) -> fmt::Result {
        let c = c as u32;
        let mut bytes =
            [c as u8, (c >> 6 & 63 | 128) as u8, (c >> 12 & 63 | 128) as u8, (c >> 18 | 240) as u8];
        let mut n = 1;
        if c >= 128 {
            bytes[0] = (c & 63 | 128) as u8;
            n = 4;
            if c < 1 << 11 {
                bytes[1] = (c >> 6 | 192) as u8;
                n = 2;
            } else if c < 1 << 16 {
                bytes[2] = (c >> 12 | 224) as u8;
                n = 3;
            }
        }
        while n > 0 {
            n -= 1;
            // SAFETY: in the end a character is there.
            unsafe { self.0.as_mut_vec().push(bytes[n]) };
        }
        Ok(())
    }

    fn write_fmt(&mut self, parts: fmt::Arguments<'_>) -> fmt::Result {
        fmt::write(self, parts)
    }
}

/// Writes what `format_args!` stands for.
pub fn print(text: &mut String, parts: fmt::Arguments<'_>) {
    let _ = fmt::write(&mut Text(text), parts);
}

/// Writes `{}` of a value: one `format_args!` for all of them.
pub fn show(text: &mut String, value: &dyn Display) {
    print(text, format_args!("{}", value));
}

pub fn shown(value: &dyn Display) -> String {
    let mut text = String::new();
    show(&mut text, value);
    text
}

/// `format!`, of which consumers would compile more.
pub fn formatted(parts: fmt::Arguments<'_>) -> String {
    let mut text = String::new();
    print(&mut text, parts);
    text
}

/// What bytes say; nothing if they are no text.
pub fn utf8(bytes: &[u8]) -> &str {
    match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => "",
    }
}

/// A part of a text. What std has for it is four functions for each kind of range.
pub fn part(text: &str, start: usize, end: usize) -> &str {
    utf8(&text.as_bytes()[start..end])
}

/// What stands before the first space.
pub fn first_word(text: &str) -> &str {
    let mut end = 0;
    while end < text.len() && text.as_bytes()[end] != b' ' {
        end += 1;
    }
    part(text, 0, end)
}

pub fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// Whether a text has a word in it. Not `str::contains`: every consumer would compile its searchers.
pub fn holds(text: &[u8], word: &[u8]) -> bool {
    let mut at = 0;
    while at + word.len() <= text.len() {
        if text[at] == word[0] && same(&text[at..at + word.len()], word) {
            return true;
        }
        at += 1;
    }
    false
}

/// Calls `f`; what it panics with. One for all: every consumer compiles four functions of std's for
/// each closure that is caught.
pub fn guard(f: &mut dyn FnMut()) -> Option<Box<dyn Any + Send>> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(()) => None,
        Err(payload) => Some(payload),
    }
}

/// Where host calls go. `call` is a `calls::Number`.
pub trait Host {
    fn call(&mut self, call: u32, args: &[u64], memory: &mut Memory) -> Result<u64, Fault>;
}

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
