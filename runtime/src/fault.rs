//! Why a call does not return, and the limits within which it must.

use std::any::Any;
use std::fmt::{self, Display};
use std::panic::{catch_unwind, AssertUnwindSafe};

use super::text::show;

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

/// Calls `f`; what it panics with. One for all: every consumer compiles four functions of std's for
/// each closure that is caught.
pub fn guard(f: &mut dyn FnMut()) -> Option<Box<dyn Any + Send>> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(()) => None,
        Err(payload) => Some(payload),
    }
}
