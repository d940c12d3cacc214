//! `wasi_snapshot_preview1`, as far as the grants go.
//!
//! What a macro prints reaches the compiler's own output. Clock and randomness are constants. Variables
//! and files are parts of their own, for most macros read neither. All else gives an error number.

use std::io;
use std::io::Write;

use super::calls;
use super::instance::{Fault, Host, Limits, Trap};
use super::memory::Memory;

part! {
    environ {
        mod environ;
        use self::environ::Environ;
    }
    {
        struct Environ;

        impl Environ {
            fn new(_: &'static [&'static str]) -> Environ {
                Environ
            }

            fn call(&mut self, _: u32, _: &Args, _: &mut Memory) -> Result<u64, Fault> {
                Ok(NOSYS)
            }
        }
    }
}

part! {
    files {
        mod files;
        use self::files::Files;
    }
    {
        pub struct Files;

        impl Files {
            fn new(_: &'static [&'static str], _: &Limits) -> Files {
                Files
            }

            pub fn begin(&mut self) {}

            pub fn help(&self, _: &str) -> Option<String> {
                None
            }

            fn call(&mut self, _: u32, _: &Args, _: &mut Memory) -> Result<u64, Fault> {
                Ok(BADF)
            }
        }
    }
}

const BADF: u64 = 8;
const INVAL: u64 = 28;
const IO: u64 = 29;
const NOSYS: u64 = 52;

/// As many vectors or events as one call may have: the work of a call is bounded.
const N_VECTORS_MAX: u32 = 1024;

/// 2020-01-01, in nanoseconds since 1970.
const NOW: u64 = 1_577_836_800_000_000_000;

/// What a macro may read; the shim states it (docs/artifact.md).
pub struct Grants {
    /// Names of environment variables; a trailing `*` matches any ending.
    pub env: &'static [&'static str],
    /// Directories; a leading `$NAME` stands for that environment variable.
    pub read: &'static [&'static str],
}

pub struct Wasi {
    environ: Environ,
    pub files: Files,
    random: u64,
    #[cfg(not(proc_macro))]
    pub muted: bool,
}

impl Wasi {
    pub fn new(grants: &'static Grants, limits: &Limits) -> Wasi {
        Wasi {
            environ: Environ::new(grants.env),
            files: Files::new(grants.read, limits),
            random: 0,
            #[cfg(not(proc_macro))]
            muted: false,
        }
    }

    fn fd_write(&mut self, a: &Args, memory: &mut Memory) -> Result<u64, Fault> {
        let mut total = 0u32;
        if a.word(2) > N_VECTORS_MAX {
            return Ok(INVAL);
        }
        for i in 0..a.word(2) {
            let from = memory.read_u32(a.word(1).wrapping_add(i * 8))?;
            let len = memory.read_u32(a.word(1).wrapping_add(i * 8 + 4))?;
            let bytes = memory.read(from, len)?;
            let done = match a.word(0) {
                #[cfg(not(proc_macro))]
                1 | 2 if self.muted => Ok(()),
                1 => io::stdout().write_all(bytes),
                2 => io::stderr().write_all(bytes),
                _ => return Ok(BADF),
            };
            if done.is_err() {
                return Ok(IO);
            }
            total = total.wrapping_add(len);
        }
        memory.write_u32(a.word(3), total)?;
        Ok(0)
    }

    /// Always the same sequence.
    fn random_get(&mut self, a: &Args, memory: &mut Memory) -> Result<u64, Fault> {
        for i in 0..a.word(1) {
            self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.random;
            z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            memory.write(a.word(0).wrapping_add(i), &[(z >> 56) as u8])?;
        }
        Ok(0)
    }

    /// Whatever is waited for has happened: the clock stands still.
    fn poll_oneoff(&mut self, a: &Args, memory: &mut Memory) -> Result<u64, Fault> {
        if a.word(2) > N_VECTORS_MAX {
            return Ok(INVAL);
        }
        for i in 0..a.word(2) {
            let userdata = memory.read_u64(a.word(0).wrapping_add(i.wrapping_mul(48)))?;
            let event = a.word(1).wrapping_add(i.wrapping_mul(32));
            memory.fill(event, 0, 32)?;
            memory.write_u64(event, userdata)?;
        }
        memory.write_u32(a.word(3), a.word(2))?;
        Ok(0)
    }
}

impl Host for Wasi {
    fn call(&mut self, call: u32, args: &[u64], memory: &mut Memory) -> Result<u64, Fault> {
        let a = &Args(args);
        match call {
            calls::ARGS_GET => Ok(0),
            calls::ARGS_SIZES_GET => {
                memory.write_u32(a.word(0), 0)?;
                memory.write_u32(a.word(1), 0)?;
                Ok(0)
            }
            calls::ENVIRON_GET | calls::ENVIRON_SIZES_GET => self.environ.call(call, a, memory),
            calls::CLOCK_RES_GET => {
                memory.write_u64(a.word(1), 1)?;
                Ok(0)
            }
            calls::CLOCK_TIME_GET => {
                memory.write_u64(a.word(2), NOW)?;
                Ok(0)
            }
            calls::FD_WRITE => self.fd_write(a, memory),
            calls::POLL_ONEOFF => self.poll_oneoff(a, memory),
            calls::PROC_EXIT => Err(Fault::Exit(a.word(0))),
            calls::PROC_RAISE => Err(Fault::Trap(Trap::Unreachable)),
            calls::SCHED_YIELD => Ok(0),
            calls::RANDOM_GET => self.random_get(a, memory),
            calls::SOCK_ACCEPT | calls::SOCK_RECV | calls::SOCK_SEND | calls::SOCK_SHUTDOWN => {
                Ok(NOSYS)
            }
            _ => self.files.call(call, a, memory),
        }
    }
}

/// The arguments of a call; one that is missing is 0.
pub struct Args<'a>(&'a [u64]);

impl<'a> Args<'a> {
    fn long(&self, i: usize) -> u64 {
        if i < self.0.len() {
            self.0[i]
        } else {
            0
        }
    }

    fn word(&self, i: usize) -> u32 {
        self.long(i) as u32
    }
}
