//! The guest's linear memory: one zeroed block, every access by address checked.
//!
//! It never hands out a pointer that outlives a call, and it never grows beyond its limit.

use std::cell::Cell;
use std::ptr;
use std::slice;

use super::instance::{Fault, Trap};
use super::pages::Pages;

pub const PAGE_BYTES: u64 = 65536;
/// Bytes after the last addressable one, so that an empty memory has a block as well.
const SLACK: usize = 64;

#[repr(C, packed)]
struct Four(u32);
#[repr(C, packed)]
pub struct Eight(pub u64);

pub struct Memory {
    /// At least `len + SLACK` bytes; all from `len` on are zero.
    pages: Pages,
    base: *mut u8,
    len: usize,
    limit: u64,
    /// What accesses from outside the module have cost, in 64ths of fuel.
    pub work: Cell<u64>,
}

// SAFETY: the block is owned and reached only through this value.
unsafe impl Send for Memory {}

impl Memory {
    /// Without a block: empty, and not to be grown.
    ///
    /// `limit`: bytes beyond which it does not grow.
    pub fn none(limit: u64) -> Memory {
        Memory {
            base: ptr::null_mut(),
            pages: Pages::none(),
            len: 0,
            limit: limit,
            work: Cell::new(0),
        }
    }

    /// Takes the block.
    pub fn take(&mut self, pages: u32) -> Result<(), Fault> {
        let bytes = pages as u64 * PAGE_BYTES;
        if bytes > self.limit || bytes > usize::MAX as u64 / 4 {
            return Err(Fault::Limit("the macro needs more memory than its limit `memory`"));
        }
        tri!(self.pages.take(bytes as usize + SLACK));
        self.base = self.pages.base();
        self.len = bytes as usize;
        Ok(())
    }

    pub fn pages(&self) -> u32 {
        (self.len as u64 / PAGE_BYTES) as u32
    }

    /// Length in bytes: a multiple of the page size, at most 2^32.
    pub fn bytes(&self) -> u64 {
        self.len as u64
    }

    /// Start of the block, valid for `bytes()` until the memory grows or is dropped.
    pub fn base(&self) -> *mut u8 {
        self.base
    }

    /// Adds pages; `Ok(false)` if the result would exceed `max` pages.
    pub fn grow(&mut self, pages: u32, max: u32) -> Result<bool, Fault> {
        let bytes = self.len as u64 + pages as u64 * PAGE_BYTES;
        if bytes > max as u64 * PAGE_BYTES || bytes > usize::MAX as u64 / 4 {
            return Ok(false);
        }
        if bytes > self.limit {
            return Err(Fault::Limit("the macro uses more memory than its limit `memory`"));
        }
        if bytes as usize + SLACK > self.pages.bytes() {
            // Twice as much: what is not touched costs nothing, and moving it does.
            let mut capacity = self.len * 2;
            if capacity < bytes as usize {
                capacity = bytes as usize;
            }
            tri!(self.pages.grow(capacity + SLACK));
            self.base = self.pages.base();
        }
        self.len = bytes as usize;
        Ok(true)
    }

    fn check(&self, addr: u32, len: u32) -> Result<(), Fault> {
        if addr as u64 + len as u64 > self.len as u64 {
            return Err(Fault::Trap(Trap::MemoryOutOfBounds));
        }
        self.work.set(self.work.get() + 64 + len as u64);
        Ok(())
    }

    pub fn read(&self, addr: u32, len: u32) -> Result<&[u8], Fault> {
        tri!(self.check(addr, len));
        // SAFETY: checked to lie inside the block, which lives as long as the borrow.
        Ok(unsafe { slice::from_raw_parts(self.base.add(addr as usize), len as usize) })
    }

    pub fn write(&mut self, addr: u32, bytes: &[u8]) -> Result<(), Fault> {
        if bytes.len() as u64 > u32::MAX as u64 {
            return Err(Fault::Trap(Trap::MemoryOutOfBounds));
        }
        tri!(self.check(addr, bytes.len() as u32));
        // SAFETY: checked to lie inside the block; `bytes` cannot overlap what we hold by `&mut`.
        unsafe {
            ptr::copy_nonoverlapping(bytes.as_ptr(), self.base.add(addr as usize), bytes.len())
        };
        Ok(())
    }

    pub fn read_u32(&self, addr: u32) -> Result<u32, Fault> {
        tri!(self.check(addr, 4));
        // SAFETY: checked to lie inside the block; the type needs no alignment.
        Ok(u32::from_le(unsafe { (*(self.base.add(addr as usize) as *const Four)).0 }))
    }

    pub fn read_u64(&self, addr: u32) -> Result<u64, Fault> {
        tri!(self.check(addr, 8));
        // SAFETY: as above.
        Ok(u64::from_le(unsafe { (*(self.base.add(addr as usize) as *const Eight)).0 }))
    }

    pub fn write_u32(&mut self, addr: u32, value: u32) -> Result<(), Fault> {
        tri!(self.check(addr, 4));
        // SAFETY: as above.
        unsafe { (*(self.base.add(addr as usize) as *mut Four)).0 = value.to_le() };
        Ok(())
    }

    pub fn write_u64(&mut self, addr: u32, value: u64) -> Result<(), Fault> {
        tri!(self.check(addr, 8));
        // SAFETY: as above.
        unsafe { (*(self.base.add(addr as usize) as *mut Eight)).0 = value.to_le() };
        Ok(())
    }

    /// `memory.copy`: the ranges may overlap.
    pub fn copy_within(&mut self, to: u32, from: u32, len: u32) -> Result<(), Fault> {
        tri!(self.check(to, len));
        tri!(self.check(from, len));
        // SAFETY: both ranges were checked to lie inside the block.
        unsafe {
            ptr::copy(self.base.add(from as usize), self.base.add(to as usize), len as usize)
        };
        Ok(())
    }

    /// `memory.fill`
    pub fn fill(&mut self, to: u32, byte: u8, len: u32) -> Result<(), Fault> {
        tri!(self.check(to, len));
        // SAFETY: the range was checked to lie inside the block.
        unsafe { ptr::write_bytes(self.base.add(to as usize), byte, len as usize) };
        Ok(())
    }
}
