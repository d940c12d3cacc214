//! The guest's linear memory: one block of the kernel's, every access by address checked.

use std::ptr;
use std::slice;

use super::fault::{Fault, Trap};
use super::kernel::Image;

const OUTSIDE: Fault = Fault::Trap(Trap::MemoryOutOfBounds);

#[repr(C, packed)]
struct Four(u32);
#[repr(C, packed)]
pub struct Eight(pub u64);

/// What the embedding sees of an image's memory, which the kernel owns.
pub struct Memory {
    base: *mut u8,
    len: usize,
    /// Counts what accesses from outside the module cost, in 64ths of fuel.
    work: *mut u64,
}

// A shim sends none, and what implements `Send` would be looked through for it.
// SAFETY: the memory is reached only through what owns this value.
#[cfg(not(proc_macro))]
unsafe impl Send for Memory {}

impl Memory {
    /// Nothing yet.
    pub const fn none() -> Memory {
        Memory { base: ptr::null_mut(), len: 0, work: ptr::null_mut() }
    }

    /// Shows `len` bytes at `base`, until the memory grows or is given back.
    ///
    /// # Safety
    /// They are there so long, as is the counter, and nobody else uses them while this is borrowed.
    pub unsafe fn see(&mut self, base: usize, len: usize, work: *mut u64) {
        self.base = base as *mut u8;
        self.len = len;
        self.work = work;
    }

    /// Length in bytes: a multiple of the page size, at most 2^32.
    pub fn bytes(&self) -> u64 {
        self.len as u64
    }

    #[cfg(not(proc_macro))]
    pub fn pages(&self) -> u32 {
        (self.len >> 16) as u32
    }

    /// Start of the memory.
    pub fn base(&self) -> *mut u8 {
        self.base
    }

    /// Whether these bytes are there; counts them.
    fn has(&self, addr: u32, len: u32) -> bool {
        if addr as u64 + len as u64 > self.len as u64 {
            return false;
        }
        // SAFETY: the counter is there while this is used.
        let work = unsafe { &mut *self.work };
        *work += 64 + len as u64;
        true
    }

    pub fn read(&self, addr: u32, len: u32) -> Result<&[u8], Fault> {
        if !self.has(addr, len) {
            return Err(OUTSIDE);
        }
        // SAFETY: checked to lie inside the block, which lives as long as the borrow.
        Ok(unsafe { slice::from_raw_parts(self.base.add(addr as usize), len as usize) })
    }

    /// To be written.
    pub fn range(&mut self, addr: u32, len: u32) -> Result<&mut [u8], Fault> {
        let bytes = tri!(self.read(addr, len));
        // SAFETY: they are in the block, which nobody else uses while this is borrowed.
        Ok(unsafe { slice::from_raw_parts_mut(bytes.as_ptr() as *mut u8, bytes.len()) })
    }

    pub fn write(&mut self, addr: u32, bytes: &[u8]) -> Result<(), Fault> {
        if bytes.len() as u64 > u32::MAX as u64 || !self.has(addr, bytes.len() as u32) {
            return Err(OUTSIDE);
        }
        // SAFETY: checked to lie inside the block; `bytes` cannot overlap what we hold by `&mut`.
        unsafe {
            Image::copy(bytes.as_ptr() as usize, self.base as usize + addr as usize, bytes.len())
        };
        Ok(())
    }

    pub fn read_u32(&self, addr: u32) -> Result<u32, Fault> {
        if !self.has(addr, 4) {
            return Err(OUTSIDE);
        }
        // SAFETY: checked to lie inside the block; the type needs no alignment.
        Ok(u32::from_le(unsafe { (*(self.base.add(addr as usize) as *const Four)).0 }))
    }

    pub fn read_u64(&self, addr: u32) -> Result<u64, Fault> {
        if !self.has(addr, 8) {
            return Err(OUTSIDE);
        }
        // SAFETY: as above.
        Ok(u64::from_le(unsafe { (*(self.base.add(addr as usize) as *const Eight)).0 }))
    }

    pub fn write_u32(&mut self, addr: u32, value: u32) -> Result<(), Fault> {
        if !self.has(addr, 4) {
            return Err(OUTSIDE);
        }
        // SAFETY: as above.
        unsafe { (*(self.base.add(addr as usize) as *mut Four)).0 = value.to_le() };
        Ok(())
    }

    pub fn write_u64(&mut self, addr: u32, value: u64) -> Result<(), Fault> {
        if !self.has(addr, 8) {
            return Err(OUTSIDE);
        }
        // SAFETY: as above.
        unsafe { (*(self.base.add(addr as usize) as *mut Eight)).0 = value.to_le() };
        Ok(())
    }
}
