//! Blocks of zeros from the system: a page is taken when it is first touched. And output.
//!
//! An allocator that the compiler brings along writes zeros to the whole block, which for the
//! stack alone costs more than an expansion. The system calls are made directly: the runtime has no
//! dependency, and a block `extern` would not be legal in every edition.

use std::arch::asm;

use super::Image;

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

fn whole(bytes: usize) -> usize {
    (bytes + 4096) & !4095
}

fn address(result: isize) -> usize {
    if result < 0 {
        return 0;
    }
    result as usize
}

/// A new block; 0 if there is no memory.
pub unsafe fn take(_: &Image, bytes: usize) -> usize {
    address(call(number::MMAP, [0, whole(bytes), READ | WRITE, FLAGS, !0]))
}

/// Makes the memory's block larger; it may move. 0 if there is no memory: then it is as it was.
pub unsafe fn grow(image: &Image, to: usize) -> usize {
    let (base, bytes) = (image.memory, image.memory_block);
    address(call(number::MREMAP, [base, whole(bytes), whole(to), MAY_MOVE, 0]))
}

/// Gives a block back, if there is one.
pub unsafe fn give(_: &Image, base: usize, bytes: usize) {
    if base != 0 {
        call(number::MUNMAP, [base, whole(bytes), 0, 0, 0]);
    }
}

/// Writes to standard output or error; 0, or 1 if that fails.
pub unsafe fn print(_: usize, fd: usize, at: usize, bytes: usize) -> usize {
    let mut done = 0;
    while done < bytes {
        // The system reads these bytes, and nothing else.
        let written = call(number::WRITE, [fd, at + done, bytes - done, 0, 0]);
        if written > 0 {
            done += written as usize;
        } else if written != -INTERRUPTED {
            return 1;
        }
    }
    0
}

/// A system call of the embedding's.
pub unsafe fn ask(given: &[usize; 6]) -> isize {
    call(given[0], [given[1], given[2], given[3], given[4], given[5]])
}

/// Lets the processor see code that was written.
#[inline(always)]
#[cfg(target_arch = "aarch64")]
pub fn publish(writable: usize, executable: usize, bytes: usize) {
    // SAFETY: both ranges are mapped, and show the same bytes.
    unsafe {
        asm!(
            "mrs {sizes}, ctr_el0",
            "ubfx {line}, {sizes}, #16, #4",
            "mov {step}, #4",
            "lsl {step}, {step}, {line}",
            "sub {line}, {step}, #1",
            "bic {from}, {from}, {line}",
            "2:",
            "dc cvau, {from}",
            "add {from}, {from}, {step}",
            "cmp {from}, {stop}",
            "b.lo 2b",
            "dsb ish",
            "and {line}, {sizes}, #15",
            "mov {step}, #4",
            "lsl {step}, {step}, {line}",
            "sub {line}, {step}, #1",
            "bic {code}, {code}, {line}",
            "2:",
            "ic ivau, {code}",
            "add {code}, {code}, {step}",
            "cmp {code}, {end}",
            "b.lo 2b",
            "dsb ish",
            "isb",
            sizes = out(reg) _,
            line = out(reg) _,
            step = out(reg) _,
            from = inout(reg) writable => _,
            code = inout(reg) executable => _,
            stop = in(reg) writable + bytes,
            end = in(reg) executable + bytes,
            options(nostack),
        );
    }
}
