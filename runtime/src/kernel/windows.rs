//! Memory and output from Windows, for the kernel's text.

use std::io;

#[macro_use]
#[path = "foreign.rs"]
mod foreign;
#[path = "output.rs"]
mod output;
#[path = "system.rs"]
mod system;

use self::system::System;

foreign! { @ _; "kernel32" "system"
    fn VirtualAlloc(at: usize, bytes: usize, kind: u32, protection: u32) -> usize;
    fn VirtualFree(at: usize, bytes: usize, kind: u32) -> i32;
    fn CreateFileMappingW(
        file: usize,
        security: usize,
        protection: u32,
        high: u32,
        low: u32,
        name: usize,
    ) -> usize;
    fn MapViewOfFile(file: usize, access: u32, high: u32, low: u32, bytes: usize) -> usize;
    fn UnmapViewOfFile(at: usize) -> i32;
    fn CloseHandle(file: usize) -> i32;
}

const COMMIT: u32 = 0x1000;
const RESERVE: u32 = 0x2000;
const RELEASE: u32 = 0x8000;
const READ_WRITE: u32 = 4;
const READ_RUN: u32 = 0x20;
/// PAGE_EXECUTE_READWRITE, SEC_RESERVE: what views may be at most, and that pages are asked for one by one.
const SECTION: u32 = 0x0400_0040;
const VIEW_WRITE: u32 = 2;
/// FILE_MAP_READ, FILE_MAP_EXECUTE
const VIEW_RUN: u32 = 0x24;

static SYSTEM: System =
    System { take: take, give: give, map: map, unmap: unmap, commit: commit, print: print };

pub fn address() -> usize {
    &SYSTEM as *const System as usize
}

called! {
    fn take(bytes: usize) -> usize {
        // SAFETY: nothing is given to it.
        unsafe { VirtualAlloc(0, bytes, RESERVE | COMMIT, READ_WRITE) }
    }
}

called! {
    fn give(at: usize, _: usize) {
        // SAFETY: the kernel took it, and uses it no more.
        unsafe { VirtualFree(at, 0, RELEASE) };
    }
}

// A section without a file, with two views, which keep it.
called! {
    fn map(bytes: usize, writable: &mut usize, executable: &mut usize) -> usize {
        // SAFETY: nothing is given to them but what they gave.
        unsafe {
            let file = CreateFileMappingW(!0, 0, SECTION, (bytes as u64 >> 32) as u32, bytes as u32, 0);
            if file != 0 {
                *writable = MapViewOfFile(file, VIEW_WRITE, 0, 0, 0);
                if *writable != 0 {
                    *executable = MapViewOfFile(file, VIEW_RUN, 0, 0, 0);
                }
            }
            let error = io::Error::last_os_error().raw_os_error();
            if file != 0 {
                CloseHandle(file);
            }
            match error {
                _ if *executable != 0 => 0,
                Some(error) if error > 0 => error as usize,
                _ => 1,
            }
        }
    }
}

called! {
    fn unmap(at: usize, _: usize) {
        // SAFETY: the kernel mapped it, and uses it no more.
        unsafe { UnmapViewOfFile(at) };
    }
}

called! {
    fn commit(writable: usize, executable: usize, bytes: usize) -> usize {
        // SAFETY: both are parts of views, and what is there already stays.
        unsafe {
            (VirtualAlloc(writable, bytes, COMMIT, READ_WRITE) != 0
                && VirtualAlloc(executable, bytes, COMMIT, READ_RUN) != 0) as usize
        }
    }
}

called! {
    fn print(fd: usize, at: usize, bytes: usize) -> usize {
        // SAFETY: the bytes are there.
        unsafe { output::print(0, fd, at, bytes) }
    }
}
