//! The files and the clock that remembered expansions and the ledger need. The kernel makes the system calls: what
//! std has for them is a thirtieth of all that a consumer compiles of a shim.

use super::kernel::Image;

/// The numbers of system calls.
#[cfg(target_arch = "x86_64")]
mod number {
    pub const LSEEK: usize = 8;
    pub const PREAD64: usize = 17;
    pub const CLOCK_GETTIME: usize = 228;
    pub const OPENAT: usize = 257;
}
#[cfg(target_arch = "aarch64")]
mod number {
    pub const OPENAT: usize = 56;
    pub const LSEEK: usize = 62;
    pub const PREAD64: usize = 67;
    pub const CLOCK_GETTIME: usize = 113;
}
/// AT_FDCWD
const HERE: usize = !99;
/// O_RDWR, O_CREAT, O_APPEND, O_CLOEXEC
const FLAGS: usize = 0o2_002_102;
const MODE: usize = 0o666;
const END: usize = 2;
const MONOTONIC: usize = 1;

/// Nanoseconds, since no matter when.
pub fn now() -> u64 {
    let mut time = [0u64; 2];
    // SAFETY: the system writes two words there.
    unsafe {
        Image::ask_linux([number::CLOCK_GETTIME, MONOTONIC, time.as_mut_ptr() as usize, 0, 0, 0])
    };
    time[0] * 1_000_000_000 + time[1]
}

/// A file that is read once, from its beginning, and appended to. In a shim it stays open.
pub struct Growing {
    file: i32,
}

impl Growing {
    pub const NONE: Growing = Growing { file: -1 };

    /// Opens it, and makes it if it is not there; its length, which is 0 if that fails. The path ends with a NUL.
    pub fn open(&mut self, path: &str) -> usize {
        let path = path.as_ptr() as usize;
        // SAFETY: the system reads the path; the rest are numbers.
        let len = unsafe {
            self.file = Image::ask_linux([number::OPENAT, HERE, path, FLAGS, MODE, 0]);
            Image::ask_linux([number::LSEEK, self.file as usize, 0, END, 0, 0])
        };
        if len > 0 {
            len as usize
        } else {
            0
        }
    }

    pub fn is_open(&self) -> bool {
        self.file > 2
    }

    /// Whether all these bytes could be read.
    pub fn read(&self, bytes: &mut [u8]) -> bool {
        let (at, len) = (bytes.as_mut_ptr() as usize, bytes.len());
        // SAFETY: the system writes there, no more than that. Of a file it reads all at once.
        let read =
            unsafe { Image::ask_linux([number::PREAD64, self.file as usize, at, len, 0, 0]) };
        read >= 0 && read as usize == len
    }

    pub fn append(&self, bytes: &[u8]) {
        // What cannot be written is not remembered.
        let _ = Image::print(self.file as u32, bytes);
    }
}

#[cfg(not(proc_macro))]
impl Drop for Growing {
    fn drop(&mut self) {
        use std::os::unix::io::FromRawFd;
        if self.is_open() {
            // SAFETY: nobody else has it.
            drop(unsafe { std::fs::File::from_raw_fd(self.file) });
        }
    }
}
