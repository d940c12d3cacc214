//! Blocks of zeros from the allocator: where the system is not asked directly.

use std::alloc::{alloc_zeroed, dealloc, realloc, Layout};
use std::ptr;

use super::Image;

#[path = "output.rs"]
mod output;

pub use self::output::print;

unsafe fn layout(bytes: usize) -> Layout {
    // The kernel asks for less than a quarter of what can be addressed.
    Layout::from_size_align_unchecked(bytes, 64)
}

/// A new block; 0 if there is no memory.
pub unsafe fn take(_: &Image, bytes: usize) -> usize {
    alloc_zeroed(layout(bytes)) as usize
}

/// Makes the memory's block larger; it may move. 0 if there is no memory: then it is as it was.
pub unsafe fn grow(image: &Image, to: usize) -> usize {
    let (base, bytes) = (image.memory, image.memory_block);
    let grown = realloc(base as *mut u8, layout(bytes), to);
    if !grown.is_null() {
        ptr::write_bytes(grown.add(bytes), 0, to - bytes);
    }
    grown as usize
}

/// There is no Linux to ask.
pub unsafe fn ask(_: &[usize; 6]) -> isize {
    -1
}

/// Gives a block back, if there is one.
pub unsafe fn give(_: &Image, base: usize, bytes: usize) {
    if base != 0 {
        dealloc(base as *mut u8, layout(bytes));
    }
}
