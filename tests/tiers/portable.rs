//! The runtime's engine once more, with tier 0.

macro_rules! tier {
    ($jit:item $portable:item) => {
        $portable
    };
}

macro_rules! part {
    ($name:ident { $($with:item)* } { $($without:item)* }) => {
        $($with)*
    };
}

#[macro_use]
#[path = "../../runtime/src/macros.rs"]
mod macros;

#[path = "../../runtime/src/calls.rs"]
pub mod calls;
#[path = "../../runtime/src/engine.rs"]
pub mod engine;
#[path = "../../runtime/src/fault.rs"]
pub mod fault;
#[path = "../../runtime/src/image.rs"]
pub mod image;
#[path = "../../runtime/src/instance.rs"]
pub mod instance;
#[path = "../../runtime/src/kernel.rs"]
pub mod kernel;
#[path = "../../runtime/src/memory.rs"]
pub mod memory;
#[path = "../../runtime/src/text.rs"]
pub mod text;
