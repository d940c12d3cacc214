//! Memory and output from macOS, for the kernel's text.

use std::io;

#[macro_use]
#[path = "foreign.rs"]
mod foreign;
#[path = "output.rs"]
mod output;
#[path = "system.rs"]
mod system;

use self::system::System;

foreign! { @ _; "System" "C"
    static mach_task_self_: u32;
    fn mmap(at: usize, bytes: usize, protection: i32, flags: i32, file: i32, from: i64) -> usize;
    fn munmap(at: usize, bytes: usize) -> i32;
    fn mprotect(at: usize, bytes: usize, protection: i32) -> i32;
    fn mach_vm_remap(
        task: u32,
        at: &mut u64,
        bytes: u64,
        mask: u64,
        flags: i32,
        source: u32,
        from: u64,
        copy: i32,
        protection: &mut i32,
        most: &mut i32,
        inheritance: u32,
    ) -> i32;
}

const READ_WRITE: i32 = 3;
const READ_RUN: i32 = 5;
/// MAP_PRIVATE, MAP_ANON
const FLAGS: i32 = 0x1002;
/// VM_FLAGS_ANYWHERE
const ANYWHERE: i32 = 1;
/// VM_INHERIT_NONE
const ALONE: u32 = 2;

static SYSTEM: System =
    System { take: take, give: give, map: map, unmap: give, commit: commit, print: print };

pub fn address() -> usize {
    &SYSTEM as *const System as usize
}

called! {
    fn take(bytes: usize) -> usize {
        // SAFETY: nothing is given to it.
        match unsafe { mmap(0, bytes, READ_WRITE, FLAGS, -1, 0) } {
            // MAP_FAILED
            address if address == !0 => 0,
            address => address,
        }
    }
}

called! {
    fn give(at: usize, bytes: usize) {
        // SAFETY: the kernel took it, and uses it no more.
        unsafe { munmap(at, bytes) };
    }
}

// The second mapping shows the first one's pages.
called! {
    fn map(bytes: usize, writable: &mut usize, executable: &mut usize) -> usize {
        *writable = take(bytes);
        if *writable == 0 {
            return error();
        }
        let (mut at, mut protection, mut most) = (0, 0, 0);
        // SAFETY: the kernel has no other memory there.
        unsafe {
            let task = mach_task_self_;
            let result = mach_vm_remap(
                task,
                &mut at,
                bytes as u64,
                0,
                ANYWHERE,
                task,
                *writable as u64,
                0,
                &mut protection,
                &mut most,
                ALONE,
            );
            if result != 0 {
                return result as usize;
            }
            *executable = at as usize;
            match mprotect(*executable, bytes, READ_RUN) {
                0 => 0,
                _ => error(),
            }
        }
    }
}

fn error() -> usize {
    match io::Error::last_os_error().raw_os_error() {
        Some(error) if error > 0 => error as usize,
        _ => 1,
    }
}

// Pages are taken when they are written.
called! {
    fn commit(_: usize, _: usize, _: usize) -> usize {
        1
    }
}

called! {
    fn print(fd: usize, at: usize, bytes: usize) -> usize {
        // SAFETY: the bytes are there.
        unsafe { output::print(0, fd, at, bytes) }
    }
}
