//! Blocks of zeroed memory, from the system: a page is taken when it is first touched.
//!
//! An allocator that the compiler brings along writes zeros to the whole block, which for the
//! stack alone costs more than an expansion. The system calls are made directly: the runtime has no
//! dependency, and a block `extern` would not be legal in every edition.

use std::arch::asm;

use super::instance::Fault;

const MMAP: usize = 9;
const MUNMAP: usize = 11;
const MREMAP: usize = 25;
pub const READ: usize = 1;
pub const WRITE: usize = 2;
/// MAP_PRIVATE, MAP_ANONYMOUS, MAP_NORESERVE
const FLAGS: usize = 0x4022;
const MAY_MOVE: usize = 1;

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

fn whole(bytes: usize) -> usize {
    (bytes + 4096) & !4095
}

fn taken(result: isize, bytes: usize) -> Result<Pages, Fault> {
    if result < 0 {
        return Err(Fault::Limit("the machine has no memory left for the macro"));
    }
    Ok(Pages { base: result as usize, bytes: bytes })
}

impl Pages {
    pub fn new(bytes: usize) -> Result<Pages, Fault> {
        // SAFETY: a new mapping; `drop` unmaps it.
        let result = unsafe { call(MMAP, [0, whole(bytes), READ | WRITE, FLAGS, !0]) };
        taken(result, bytes)
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
        let result =
            unsafe { call(MREMAP, [self.base, whole(self.bytes), whole(bytes), MAY_MOVE, 0]) };
        let grown = taken(result, bytes)?;
        self.base = 0;
        *self = grown;
        Ok(())
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        if self.base != 0 {
            // SAFETY: the mapping is owned, and nobody uses it any more.
            unsafe { call(MUNMAP, [self.base, whole(self.bytes), 0, 0, 0]) };
        }
    }
}
