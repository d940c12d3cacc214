//! Packs procedural-macro crates into sandboxed, reproducible shims.
//!
//! The path of the data is the list of modules below, from top to bottom.
//!
//! What this documentation shows is the public API, by semantic versioning; tests/api/public.txt lists it. What it
//! hides is the program's own, and changes with any version.
#![warn(missing_docs)]

pub mod artifact;
#[doc(hidden)]
pub mod author;
#[doc(hidden)]
pub mod base;
#[doc(hidden)]
pub mod cache;
pub mod embed;
pub mod expand;
#[doc(hidden)]
pub mod front;
pub mod inspect;
#[doc(hidden)]
pub mod lower;
pub mod pack;
#[doc(hidden)]
pub mod policy;
#[doc(hidden)]
pub mod project;
#[doc(hidden)]
pub mod report;
#[doc(hidden)]
pub mod serve;
#[doc(hidden)]
pub mod tokens;
pub mod verify;

/// The library has every part of the runtime; a shim has those that its module can use.
macro_rules! part {
    ($name:ident { $($with:item)* } { $($without:item)* }) => {
        $($with)*
    };
}

/// The runtime that is vendored into every shim, mounted here for `expand`, `verify` and the tests.
#[path = "../runtime/src/lib.rs"]
#[doc(hidden)]
pub mod runtime;

pub use base::error::{Class, Error, Result};
pub use base::report::Report;
pub use pack::pack;
