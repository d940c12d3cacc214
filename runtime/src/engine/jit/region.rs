//! Memory for code: one block of pages, mapped twice, so that none is ever both writable and
//! executable.

use super::super::super::instance::Fault;
use super::super::super::pages::{call, READ, WRITE};

const MMAP: usize = 9;
const MPROTECT: usize = 10;
const MUNMAP: usize = 11;
const MREMAP: usize = 25;
const EXEC: usize = 4;
/// MAP_SHARED, MAP_ANONYMOUS, MAP_NORESERVE
const FLAGS: usize = 0x4021;
const MAY_MOVE: usize = 1;
const BYTES_MAX: usize = 1 << 30;

pub struct Region {
    pub writable: usize,
    pub executable: usize,
    pub bytes: usize,
}

impl Region {
    /// Reserves address space; pages are taken when they are written.
    pub fn new(bytes: usize) -> Result<Region, Fault> {
        let bytes = (bytes + 4095) & !4095;
        if bytes > BYTES_MAX {
            return Err(Fault::Limit("the macro has more code than its limit"));
        }
        // SAFETY: new mappings; whatever succeeded is unmapped by `drop`.
        unsafe {
            let writable = call(MMAP, [0, bytes, READ | WRITE, FLAGS, !0]);
            if writable < 0 {
                return Err(refused(writable));
            }
            let mut region = Region { writable: writable as usize, executable: 0, bytes: bytes };
            // Of shared memory, an old size of 0 asks for a second mapping.
            let executable = call(MREMAP, [region.writable, 0, bytes, MAY_MOVE, 0]);
            if executable < 0 {
                return Err(refused(executable));
            }
            region.executable = executable as usize;
            let protected = call(MPROTECT, [region.executable, bytes, READ | EXEC, 0, 0]);
            if protected < 0 {
                return Err(refused(protected));
            }
            Ok(region)
        }
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
            call(MUNMAP, [self.writable, self.bytes, 0, 0, 0]);
            if self.executable != 0 {
                call(MUNMAP, [self.executable, self.bytes, 0, 0, 0]);
            }
        }
    }
}
