//! Blocks of zeros from the allocator, and output: where the system is not asked directly.

use std::alloc::{alloc_zeroed, dealloc, realloc, Layout};
use std::io::{self, Write};
use std::ptr;
use std::slice;

unsafe fn layout(bytes: usize) -> Layout {
    // The kernel asks for less than a quarter of what can be addressed.
    Layout::from_size_align_unchecked(bytes, 64)
}

/// A new block; 0 if there is no memory.
pub unsafe fn take(bytes: usize) -> usize {
    alloc_zeroed(layout(bytes)) as usize
}

/// Makes a block larger; it may move. 0 if there is no memory: then it is as it was.
pub unsafe fn grow(base: usize, bytes: usize, to: usize) -> usize {
    let grown = realloc(base as *mut u8, layout(bytes), to);
    if !grown.is_null() {
        ptr::write_bytes(grown.add(bytes), 0, to - bytes);
    }
    grown as usize
}

/// Gives a block back, if there is one.
pub unsafe fn give(base: usize, bytes: usize) {
    if base != 0 {
        dealloc(base as *mut u8, layout(bytes));
    }
}

/// Writes to standard output or error; 0, or 1 if that fails.
pub unsafe fn print(fd: usize, at: usize, bytes: usize) -> usize {
    let bytes = slice::from_raw_parts(at as *const u8, bytes);
    let done = if fd == 1 {
        let mut out = io::stdout();
        out.write_all(bytes).is_ok() && out.flush().is_ok()
    } else {
        io::stderr().write_all(bytes).is_ok()
    };
    !done as usize
}
