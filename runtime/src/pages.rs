//! Blocks of zeroed memory from the allocator, and output: where the system is not asked directly.

use std::alloc::{alloc_zeroed, dealloc, Layout};
use std::io::{self, Write};
use std::ptr;

use super::instance::Fault;

pub struct Pages {
    base: *mut u8,
    bytes: usize,
}

// SAFETY: the block is owned and reached only through this value.
unsafe impl Send for Pages {}

/// Writes to standard output or error; false if that fails.
pub fn print(fd: u32, bytes: &[u8]) -> bool {
    if fd == 1 {
        let mut out = io::stdout();
        return out.write_all(bytes).is_ok() && out.flush().is_ok();
    }
    io::stderr().write_all(bytes).is_ok()
}

fn layout(bytes: usize) -> Result<Layout, Fault> {
    match Layout::from_size_align(bytes.max(1), 64) {
        Ok(layout) => Ok(layout),
        Err(_) => Err(Fault::Limit("the macro needs more memory than this machine can address")),
    }
}

impl Pages {
    /// None yet: there is nothing to be read.
    pub const fn none() -> Pages {
        Pages { base: ptr::null_mut(), bytes: 0 }
    }

    /// Takes the first block.
    pub fn take(&mut self, bytes: usize) -> Result<(), Fault> {
        let layout = tri!(layout(bytes));
        // SAFETY: the layout has a size.
        let base = unsafe { alloc_zeroed(layout) };
        if base.is_null() {
            return Err(Fault::Limit("the machine has no memory left for the macro"));
        }
        *self = Pages { base: base, bytes: bytes };
        Ok(())
    }

    /// Valid until the block grows or is dropped.
    pub fn base(&self) -> *mut u8 {
        self.base
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Makes it larger; it may move.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Fault> {
        let mut grown = Pages::none();
        tri!(grown.take(bytes));
        // SAFETY: both blocks are owned, differ, and hold as many bytes.
        unsafe { ptr::copy_nonoverlapping(self.base, grown.base, self.bytes.min(bytes)) };
        *self = grown;
        Ok(())
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        if self.base.is_null() {
            return;
        }
        if let Ok(layout) = layout(self.bytes) {
            // SAFETY: allocated with this layout, and dropped once.
            unsafe { dealloc(self.base, layout) };
        }
    }
}
