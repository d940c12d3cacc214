//! The one error type of the library: what failed, where, and how to fix it.

use std::any::Any;
use std::fmt;
use std::path::Path;

pub type Result<T> = std::result::Result<T, Error>;

/// Classes of failure. Each is an exit code of the command line; the table is part of `--help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum Class {
    /// Something else went wrong (a file cannot be written, a bug of ours).
    Other = 1,
    /// The command line or an input is not what the command takes.
    Usage = 2,
    /// A check found a difference: damaged, forged or out-of-date files.
    Verify = 3,
    /// The package cannot be packed: not a macro crate, unsupported code, its build fails.
    Package = 4,
    /// The wasm toolchain is missing or broken.
    Toolchain = 5,
    /// The macro itself failed: panic, trap, limit or refused capability.
    Macro = 6,
    /// The user interrupted the command.
    Interrupted = 130,
}

impl Class {
    /// Every class with what `--help` says of it.
    pub const ALL: [(Class, &'static str); 7] = [
        (Class::Other, "something else went wrong: a file cannot be written, a bug of precast"),
        (Class::Usage, "the command line or an input is not what the command takes"),
        (Class::Verify, "a check found a difference: damaged, forged or out-of-date files"),
        (Class::Package, "the package cannot be packed: no macro crate, its build fails"),
        (Class::Toolchain, "the wasm toolchain is missing or broken"),
        (Class::Macro, "the macro itself failed: panic, trap, limit or refused capability"),
        (Class::Interrupted, "interrupted"),
    ];

    /// The exit code.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// One word, for `--json`.
    pub fn name(self) -> &'static str {
        match self {
            Class::Other => "other",
            Class::Usage => "usage",
            Class::Verify => "verify",
            Class::Package => "package",
            Class::Toolchain => "toolchain",
            Class::Macro => "macro",
            Class::Interrupted => "interrupted",
        }
    }
}

/// An error with its class, the chain of contexts (outermost first) and a hint that says how to fix it.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    class: Class,
    messages: Vec<String>,
    help: Option<String>,
}

impl Error {
    pub fn new(class: Class, message: impl Into<String>) -> Self {
        Error(Box::new(Inner { class, messages: vec![message.into()], help: None }))
    }

    /// Says what the user can do about it. The innermost help wins.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.0.help.get_or_insert_with(|| help.into());
        self
    }

    /// Puts an outer context before the message: "failed to lower function 12".
    #[must_use]
    pub fn context(mut self, message: impl Into<String>) -> Self {
        self.0.messages.insert(0, message.into());
        self
    }

    /// The same once more, for another who has it in common.
    #[must_use]
    #[doc(hidden)]
    pub fn again(&self) -> Error {
        let Inner { class, messages, help } = &*self.0;
        Error(Box::new(Inner { class: *class, messages: messages.clone(), help: help.clone() }))
    }

    pub fn class(&self) -> Class {
        self.0.class
    }

    pub fn help_text(&self) -> Option<&str> {
        self.0.help.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.messages.join(": "))
    }
}

impl std::error::Error for Error {}

/// Adds a context to any error; an [`Error`] keeps its class and help, a foreign one gets a class.
pub trait Context<T> {
    fn context(self, message: impl Into<String>) -> Result<T>;
    fn class(self, class: Class, message: impl Into<String>) -> Result<T>;
    fn at(self, verb: &str, path: &Path) -> Result<T>;
}

impl<T, E: fmt::Display + 'static> Context<T> for std::result::Result<T, E> {
    fn context(self, message: impl Into<String>) -> Result<T> {
        self.class(Class::Other, message)
    }

    fn class(self, class: Class, message: impl Into<String>) -> Result<T> {
        self.map_err(|e| {
            let text = e.to_string();
            let ours = (Box::new(e) as Box<dyn Any>).downcast::<Error>();
            ours.map_or_else(|_| Error::new(class, text), |ours| *ours).context(message)
        })
    }

    fn at(self, verb: &str, path: &Path) -> Result<T> {
        self.context(format!("cannot {verb} {}", path.display()))
    }
}
