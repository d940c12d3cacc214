//! Tier 1: machine code, made function by function when first called.
//!
//! Compiling is copying: a record of code per instruction (`jit/x86_64.rs`, `jit/aarch64.rs`), its
//! fields set, and in the same pass every rule of the format checked. Nothing is run of a function
//! that breaks one. Calls are calls, slots stay in memory, and whatever is rare (host calls, tables, floating
//! point) is run by the kernel (`kernel/machine.rs`), which asks the embedding. No panic crosses generated code, and no
//! unwinding: traps and faults leave through one stub, which drops the generated code's own stack.

#[cfg_attr(target_arch = "x86_64", path = "jit/x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "jit/aarch64.rs")]
mod code;

use super::super::fault::Fault;
#[cfg(not(proc_macro))]
use super::super::kernel::PREPARE;
use super::super::kernel::{Image, RUN};
use super::Engine;

/// This tier keeps nothing in an engine: the image has it.
pub type Tier = ();
pub const NEW: Tier = ();

impl Engine {
    /// What the kernel wants of the text, whose one copy is inlined here.
    #[inline(never)]
    pub fn give(image: &mut Image) {
        image.text = code::text() as usize;
        image.stubs = code::STUBS;
        image.begin = code::BEGIN;
        image.far = code::FAR as usize;
        image.reach = code::REACH;
    }

    /// Before a run that is not inside another.
    pub fn rewind(&mut self) {}

    /// Compiles function `func` unless that was done.
    #[cfg(not(proc_macro))]
    pub fn prepare(&mut self, func: u32) -> Result<(), Fault> {
        // SAFETY: nothing more is wanted.
        unsafe { self.image.ask(PREPARE, func as usize) }
    }

    /// Runs function `func` in the frame at slot `base`: arguments and results are its first slots.
    pub fn run_at(&mut self, func: u32, base: usize) -> Result<(), Fault> {
        self.image.base = base;
        let image = &mut self.image as *mut Image as usize;
        // SAFETY: the embedding is there to answer.
        unsafe {
            let status = Image::run(RUN, image, func as usize);
            self.result(status)
        }
    }
}
