//! Builds: cargo compiles packages for wasm, with precast as its rustc wrapper.

pub mod batch;
pub(crate) mod build;
pub(crate) mod environment;
pub(crate) mod script;
pub(crate) mod unified;
pub mod wrapper;
