//! The runtime of a shim.

pub mod calls;
pub mod engine;
pub mod image;
pub mod inflate;
pub mod instance;
pub mod memory;
