//! Blocks and output for the text, which is the same on every system: from Linux, or as a `System` says.

use super::{copy, Image};

#[path = "linux.rs"]
mod linux;
#[path = "system.rs"]
mod system;

pub use self::linux::{ask, call, number, READ, WRITE};
pub use self::system::System;

/// What is at this address; nothing at 0, which stands for Linux.
#[inline(always)]
pub unsafe fn system(address: usize) -> Option<&'static System> {
    match address {
        0 => None,
        address => Some(&*(address as *const System)),
    }
}

#[inline(never)]
pub unsafe fn take(image: &Image, bytes: usize) -> usize {
    match system(image.system) {
        Some(system) => (system.take)(bytes),
        None => linux::take(image, bytes),
    }
}

pub unsafe fn grow(image: &Image, to: usize) -> usize {
    let system = match system(image.system) {
        Some(system) => system,
        None => return linux::grow(image, to),
    };
    let block = (system.take)(to);
    if block != 0 {
        copy(image.memory, block, image.memory_bytes);
        (system.give)(image.memory, image.memory_block);
    }
    block
}

#[inline(never)]
pub unsafe fn give(image: &Image, base: usize, bytes: usize) {
    match system(image.system) {
        Some(_) if base == 0 => (),
        Some(system) => (system.give)(base, bytes),
        None => linux::give(image, base, bytes),
    }
}

pub unsafe fn print(address: usize, fd: usize, at: usize, bytes: usize) -> usize {
    match system(address) {
        Some(system) => (system.print)(fd, at, bytes),
        None => linux::print(0, fd, at, bytes),
    }
}
