//! Blocks of zeroed memory, from the allocator: where the system is not asked directly.

use std::alloc::{alloc_zeroed, dealloc, Layout};
use std::ptr;

use super::instance::Fault;

pub struct Pages {
    base: *mut u8,
    bytes: usize,
}

// SAFETY: the block is owned and reached only through this value.
unsafe impl Send for Pages {}

fn layout(bytes: usize) -> Result<Layout, Fault> {
    match Layout::from_size_align(bytes.max(1), 64) {
        Ok(layout) => Ok(layout),
        Err(_) => Err(Fault::Limit("the macro needs more memory than this machine can address")),
    }
}

impl Pages {
    pub fn new(bytes: usize) -> Result<Pages, Fault> {
        let layout = layout(bytes)?;
        // SAFETY: the layout has a size.
        let base = unsafe { alloc_zeroed(layout) };
        if base.is_null() {
            return Err(Fault::Limit("the machine has no memory left for the macro"));
        }
        Ok(Pages { base: base, bytes: bytes })
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
        let grown = Pages::new(bytes)?;
        // SAFETY: both blocks are owned, differ, and hold as many bytes.
        unsafe { ptr::copy_nonoverlapping(self.base, grown.base, self.bytes.min(bytes)) };
        *self = grown;
        Ok(())
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        if let Ok(layout) = layout(self.bytes) {
            // SAFETY: allocated with this layout, and dropped once.
            unsafe { dealloc(self.base, layout) };
        }
    }
}
