//! The kernel: what of the engine stands between an image and its first instruction. It decodes, checks and
//! applies what is embedded, and has machine code made of functions.
//!
//! It runs before the first expansion, where unoptimised Rust takes five times as long as the rest, and
//! every consumer would compile it. So on x86-64 it is the code that a compiler has made of
//! `kernel/portable.rs` and the files it uses, as text.

#[macro_use]
#[path = "kernel/layout.rs"]
mod layout;

tier! {
    #[cfg_attr(target_arch = "x86_64", path = "kernel/x86_64.rs")]
    #[cfg_attr(not(target_arch = "x86_64"), path = "kernel/portable.rs")]
    pub mod code;
    #[path = "kernel/portable.rs"]
    pub mod code;
}

/// The address of what the text asks for memory and output.
#[cfg(target_os = "linux")]
macro_rules! system {
    () => {
        0
    };
}
#[cfg(not(target_os = "linux"))]
macro_rules! system {
    () => {
        system::address()
    };
}
#[cfg(not(target_os = "linux"))]
tier! {
    #[cfg_attr(windows, path = "kernel/windows.rs")]
    #[cfg_attr(not(windows), path = "kernel/macos.rs")]
    mod system;
    mod system {
        pub fn address() -> usize {
            0
        }
    }
}

use std::mem;

use super::fault::{Fault, Trap};
use super::text::{owned, show};

pub use self::layout::*;

const BYTES: usize = mem::size_of::<Image>();

impl Image {
    /// The image of an embedded form, not read yet.
    pub fn new(embedded: &'static [u8]) -> Image {
        // SAFETY: zero is a number.
        let mut image: Image = unsafe { mem::transmute::<[u8; BYTES], Image>([0; BYTES]) };
        image.embedded = embedded.as_ptr() as usize;
        image.embedded_bytes = embedded.len();
        image.system = system!();
        image
    }

    /// Has the kernel do what the number says.
    ///
    /// # Safety
    /// What the number wants is given.
    pub unsafe fn ask(&mut self, what: usize, value: usize) -> Result<(), Fault> {
        match Image::run(what, self as *mut Image as usize, value) {
            0 => Ok(()),
            status => Err(self.fault(status)),
        }
    }

    /// Copies bytes to where they do not overlap.
    ///
    /// # Safety
    /// They are there, at both addresses.
    pub unsafe fn copy(from: usize, to: usize, bytes: usize) {
        let range = [from, to, bytes];
        Image::run(COPY, 0, range.as_ptr() as usize);
    }

    /// Writes to standard output or error; false if that fails.
    pub fn print(fd: u32, bytes: &[u8]) -> bool {
        let range = [fd as usize, bytes.as_ptr() as usize, bytes.len(), system!()];
        // SAFETY: the range is that of the bytes, and no image is wanted.
        unsafe { Image::run(PRINT, 0, range.as_ptr() as usize) == 0 }
    }

    /// A system call: its number, its arguments, its answer.
    ///
    /// # Safety
    /// Whatever the call says.
    #[cfg(target_os = "linux")]
    pub unsafe fn ask_linux(call: [usize; 6]) -> i32 {
        Image::run(ASK, 0, call.as_ptr() as usize) as i32
    }

    /// What a status other than 0 and `CALLER` means.
    pub fn fault(&self, status: u32) -> Fault {
        if status < FIRST {
            // SAFETY: the traps are numbered from 1 to 9.
            return Fault::Trap(unsafe { mem::transmute::<u32, Trap>(status) });
        }
        let fault = (status - FIRST) as usize;
        let message = FAULTS[fault];
        if fault < LIMITS {
            return Fault::Limit(message);
        }
        let bytes = message.as_bytes();
        if bytes[bytes.len() - 1] != b' ' {
            return Fault::Damaged(owned(message));
        }
        let mut message = owned(message);
        show(&mut message, &self.detail);
        if fault == LIMITS {
            return Fault::Denied(message);
        }
        Fault::Damaged(message)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // SAFETY: nothing is asked afterwards.
        let _ = unsafe { self.ask(CLOSE, 0) };
    }
}

/// The container's checksum of some bytes.
#[cfg(not(proc_macro))]
pub fn checksum(bytes: &[u8]) -> u32 {
    let mut image = Image::new(&[]);
    let range = [bytes.as_ptr() as usize, bytes.len()];
    // SAFETY: the range is that of the bytes.
    unsafe { Image::run(CHECKSUM, &mut image as *mut Image as usize, range.as_ptr() as usize) };
    image.detail as u32
}

/// Decodes one whole zstd frame, which must fill `out` exactly.
#[cfg(not(proc_macro))]
pub fn inflate(frame: &[u8], out: &mut [u8]) -> bool {
    // The kernel wants room before and behind the frame.
    let mut block = vec![0u64; (SCRATCH_BYTES + frame.len()) / 8 + 1];
    let (base, to) = (block.as_mut_ptr() as usize, out.as_mut_ptr() as usize);
    let range = [base, frame.as_ptr() as usize, frame.len(), to, out.len()];
    // SAFETY: the ranges are those of the slices, and the block is as large as the kernel wants it.
    unsafe { Image::run(INFLATE, 0, range.as_ptr() as usize) == 0 }
}
