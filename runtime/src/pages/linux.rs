//! Blocks of zeroed memory, from the system: a page is taken when it is first touched. And output,
//! without what std has between.
//!
//! An allocator that the compiler brings along writes zeros to the whole block, which for the
//! stack alone costs more than an expansion. The system calls are made directly: the runtime has no
//! dependency, and a block `extern` would not be legal in every edition.

use std::arch::asm;

use super::instance::Fault;

/// The numbers of system calls.
#[cfg(target_arch = "x86_64")]
pub mod number {
    pub const WRITE: usize = 1;
    pub const MMAP: usize = 9;
    pub const MPROTECT: usize = 10;
    pub const MUNMAP: usize = 11;
    pub const MREMAP: usize = 25;
}
#[cfg(target_arch = "aarch64")]
pub mod number {
    pub const FTRUNCATE: usize = 46;
    pub const CLOSE: usize = 57;
    pub const WRITE: usize = 64;
    pub const MUNMAP: usize = 215;
    pub const MREMAP: usize = 216;
    pub const MMAP: usize = 222;
    pub const MEMFD_CREATE: usize = 279;
}
pub const READ: usize = 1;
pub const WRITE: usize = 2;
/// MAP_PRIVATE, MAP_ANONYMOUS, MAP_NORESERVE
const FLAGS: usize = 0x4022;
const MAY_MOVE: usize = 1;
/// EINTR
const INTERRUPTED: isize = 4;

pub struct Pages {
    base: usize,
    bytes: usize,
}

/// A system call; errors are in `-4095..0`.
///
/// # Safety
/// Whatever the call says.
pub unsafe fn call(number: usize, args: [usize; 5]) -> isize {
    let result: isize;
    #[cfg(target_arch = "aarch64")]
    asm!(
        "svc #0",
        in("x8") number,
        inlateout("x0") args[0] as isize => result,
        in("x1") args[1],
        in("x2") args[2],
        in("x3") args[3],
        in("x4") args[4],
        in("x5") 0,
        options(nostack),
    );
    #[cfg(target_arch = "x86_64")]
    asm!(
        "syscall",
        inlateout("rax") number as isize => result,
        in("rdi") args[0],
        in("rsi") args[1],
        in("rdx") args[2],
        in("r10") args[3],
        in("r8") args[4],
        in("r9") 0,
        lateout("rcx") _,
        lateout("r11") _,
        options(nostack),
    );
    result
}

/// Writes to standard output or error; false if that fails.
pub fn print(fd: u32, bytes: &[u8]) -> bool {
    let mut done = 0;
    while done < bytes.len() {
        let at = bytes.as_ptr() as usize + done;
        // SAFETY: the system reads these bytes, and nothing else.
        let written = unsafe { call(number::WRITE, [fd as usize, at, bytes.len() - done, 0, 0]) };
        if written > 0 {
            done += written as usize;
        } else if written != -INTERRUPTED {
            return false;
        }
    }
    true
}

fn whole(bytes: usize) -> usize {
    (bytes + 4096) & !4095
}

impl Pages {
    /// None yet: there is nothing to be read.
    pub const fn none() -> Pages {
        Pages { base: 0, bytes: 0 }
    }

    /// Takes the first block.
    pub fn take(&mut self, bytes: usize) -> Result<(), Fault> {
        // SAFETY: a new mapping; `drop` unmaps it.
        let result = unsafe { call(number::MMAP, [0, whole(bytes), READ | WRITE, FLAGS, !0]) };
        self.set(result, bytes)
    }

    fn set(&mut self, result: isize, bytes: usize) -> Result<(), Fault> {
        if result < 0 {
            return Err(Fault::Limit("the machine has no memory left for the macro"));
        }
        self.base = result as usize;
        self.bytes = bytes;
        Ok(())
    }

    /// Valid until the block grows or is dropped.
    pub fn base(&self) -> *mut u8 {
        self.base as *mut u8
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Makes it larger; it may move.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Fault> {
        // SAFETY: the mapping is owned, and its address is not used any more if it moves.
        let result = unsafe {
            call(number::MREMAP, [self.base, whole(self.bytes), whole(bytes), MAY_MOVE, 0])
        };
        self.set(result, bytes)
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        if self.base != 0 {
            // SAFETY: the mapping is owned, and nobody uses it any more.
            unsafe { call(number::MUNMAP, [self.base, whole(self.bytes), 0, 0, 0]) };
        }
    }
}
