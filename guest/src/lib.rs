//! `proc_macro` for macros that run inside wasm.
//!
//! It has the stable interface of rustc 1.96's crate of that name, and of the unstable one
//! `proc_macro_span`, for which proc-macro2's build script probes: at run time that is only there if
//! the shim was compiled to have it, and elsewhere answers as proc-macro2 does on stable. Tokens are
//! records in the layout of docs/token-abi.md: what the host wrote is read in place, what the macro
//! makes is left in place. Nothing here depends on anything but std.

// What std does when it has caught a panic, which is not stable; `unwind.rs` does it here.
#![feature(rt, update_panic_count)]
// wasi-libc's `errno` is one.
#![feature(thread_local)]
#![allow(internal_features)]
// Whoever packs may deny warnings; the crate is compiled for wasm alone.
#![allow(clippy::all)]

mod abi;
mod arena;
mod entry;
mod errno;
mod hasher;
mod heap;
mod libc;
mod libm;
mod literal;
mod locate;
mod own;
mod process;
mod random;
mod remember;
mod span;
mod state;
mod stored;
mod stream;
mod surroundings;
mod trace;
mod tree;
mod unwind;

pub use literal::Literal;
pub use span::Span;
pub use stream::{LexError, TokenStream};
pub use tree::{Delimiter, Group, Ident, Punct, Spacing, TokenTree};

/// Whether the interface works here: it does, a module is only ever run to expand a macro.
pub fn is_available() -> bool {
    true
}

/// Public implementation details of `TokenStream`.
pub mod token_stream {
    pub use crate::stream::IntoIter;
}

/// What the staged macro crate and its `std` call; no part of the interface.
#[doc(hidden)]
pub mod __precast {
    pub use crate::entry::{attribute, bang, derive};

    // What stands in the place of std's own in `std.rs`.
    pub use crate::hasher::DefaultHasher;
    pub use crate::process::Command;
    pub use crate::surroundings::{
        available_parallelism, consts, current_exe, home_dir, id, temp_dir, vars, vars_os,
    };
    pub use crate::unwind::{catch_unwind, resume_unwind, set_hook, take_hook};
}
