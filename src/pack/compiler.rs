//! Compilers: a rustc for wasm, its standard library, and the `proc_macro` that macros link against.

pub(crate) mod candidate;
pub(crate) mod guest;
pub(crate) mod sysroot;
pub(crate) mod toolchain;
pub(crate) mod wrapping;
