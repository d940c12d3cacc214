//! Packs procedural-macro crates into sandboxed, reproducible shims.
//!
//! The path of the data is the list of modules below, from top to bottom.

pub mod artifact;
pub mod author;
pub mod base;
pub mod cache;
pub mod embed;
pub mod expand;
pub mod front;
pub mod inspect;
pub mod lower;
pub mod pack;
pub mod policy;
pub mod project;
pub mod report;
pub mod serve;
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
pub mod runtime;

pub use base::error::{Error, Result};
pub use pack::pack;
