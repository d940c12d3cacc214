//! Memory for code: one block of pages, mapped twice, so that none is ever both writable and
//! executable.

use super::super::super::instance::Fault;
use super::super::super::pages::{call, number, READ, WRITE};
use super::code::REACH;

const EXEC: usize = 4;

pub struct Region {
    pub writable: usize,
    pub executable: usize,
    pub bytes: usize,
}

impl Region {
    /// Reserves address space; pages are taken when they are written.
    pub fn new(bytes: usize) -> Result<Region, Fault> {
        let bytes = if bytes > REACH { REACH } else { (bytes + 4095) & !4095 };
        let mut region = Region { writable: 0, executable: 0, bytes: bytes };
        // SAFETY: new mappings; whatever succeeded is unmapped by `drop`.
        let result = unsafe { region.map() };
        if result < 0 {
            return Err(refused(result));
        }
        Ok(region)
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn map(&mut self) -> isize {
        // MAP_SHARED, MAP_ANONYMOUS, MAP_NORESERVE
        let writable = call(number::MMAP, [0, self.bytes, READ | WRITE, 0x4021, !0]);
        if writable < 0 {
            return writable;
        }
        self.writable = writable as usize;
        // MREMAP_MAYMOVE: of shared memory, an old size of 0 asks for a second mapping.
        let executable = call(number::MREMAP, [self.writable, 0, self.bytes, 1, 0]);
        if executable < 0 {
            return executable;
        }
        self.executable = executable as usize;
        call(number::MPROTECT, [self.executable, self.bytes, READ | EXEC, 0, 0])
    }

    /// By a file without a name, for emulators know no second mapping of anything else.
    #[cfg(target_arch = "aarch64")]
    unsafe fn map(&mut self) -> isize {
        // MFD_CLOEXEC
        let file = call(number::MEMFD_CREATE, [b"precast\0".as_ptr() as usize, 1, 0, 0, 0]);
        if file < 0 {
            return file;
        }
        let mut result = call(number::FTRUNCATE, [file as usize, self.bytes, 0, 0, 0]);
        if result >= 0 {
            result = self.map_file(file as usize);
        }
        call(number::CLOSE, [file as usize, 0, 0, 0, 0]);
        result
    }

    #[cfg(target_arch = "aarch64")]
    unsafe fn map_file(&mut self, file: usize) -> isize {
        // MAP_SHARED, MAP_NORESERVE
        let writable = call(number::MMAP, [0, self.bytes, READ | WRITE, 0x4001, file]);
        if writable < 0 {
            return writable;
        }
        self.writable = writable as usize;
        let executable = call(number::MMAP, [0, self.bytes, READ | EXEC, 0x4001, file]);
        if executable > 0 {
            self.executable = executable as usize;
        }
        executable
    }
}

fn refused(error: isize) -> Fault {
    Fault::Denied(text!(
        "this system gives no memory for machine code (error {}); \
         set RUSTFLAGS='--cfg precast_portable' to do without",
        -error
    ))
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: both are owned, and nobody runs or writes code any more.
        unsafe {
            if self.writable != 0 {
                call(number::MUNMAP, [self.writable, self.bytes, 0, 0, 0]);
            }
            if self.executable != 0 {
                call(number::MUNMAP, [self.executable, self.bytes, 0, 0, 0]);
            }
        }
    }
}
