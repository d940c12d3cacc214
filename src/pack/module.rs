//! Modules: from linked wasm to canonical wasm.

pub(crate) mod again;
pub(crate) mod backtrace;
pub(crate) mod exports;
pub(crate) mod imports;
pub(crate) mod parts;
pub(crate) mod shrink;
