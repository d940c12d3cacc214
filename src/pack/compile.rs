//! Room of the builds: cargo compiles packages for wasm, with us in the compiler's place.

pub mod batch;
pub(crate) mod build;
pub(crate) mod environment;
pub(crate) mod script;
pub(crate) mod unified;
pub mod wrapper;
