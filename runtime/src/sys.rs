//! The files and the clock that remembered expansions and the ledger need, by means of std. Where the kernel asks Linux, `sys/linux.rs`
//! stands for this file.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::mem::{self, ManuallyDrop};

/// Nanoseconds, since no matter when.
#[cfg(target_os = "linux")]
pub fn now() -> u64 {
    match std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
        Ok(time) => time.as_secs() * 1_000_000_000 + time.subsec_nanos() as u64,
        Err(_) => 0,
    }
}

/// A file that is read once, from its beginning, and appended to. In a shim it stays open: what drops a file or an
/// error would be compiled as well.
pub struct Growing {
    file: ManuallyDrop<Option<File>>,
}

impl Growing {
    pub const NONE: Growing = Growing { file: ManuallyDrop::new(None) };

    /// Opens it, and makes it if it is not there; its length, which is 0 if that fails. The path ends with a NUL.
    pub fn open(&mut self, path: &str) -> usize {
        let path = path.trim_end_matches('\0');
        match OpenOptions::new().read(true).append(true).create(true).open(path) {
            Ok(file) => {
                let len = match file.metadata() {
                    Ok(metadata) => metadata.len() as usize,
                    Err(_) => 0,
                };
                self.file = ManuallyDrop::new(Some(file));
                len
            }
            Err(error) => {
                mem::forget(error);
                0
            }
        }
    }

    pub fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// Whether all these bytes could be read.
    pub fn read(&mut self, bytes: &mut [u8]) -> bool {
        match *self.file {
            Some(ref mut file) => file.read_exact(bytes).is_ok(),
            None => false,
        }
    }

    /// One write: what is not written whole is not used.
    pub fn append(&mut self, bytes: &[u8]) {
        if let Some(ref mut file) = *self.file {
            mem::forget(file.write(bytes));
        }
    }
}

#[cfg(not(proc_macro))]
impl Drop for Growing {
    fn drop(&mut self) {
        // SAFETY: it is not used again.
        unsafe { ManuallyDrop::drop(&mut self.file) };
    }
}
