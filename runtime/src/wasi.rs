//! `wasi_snapshot_preview1`, as far as the grants go.
//!
//! What a macro prints reaches the compiler's own output. Clock and randomness are constants. Variables,
//! files and the rest are parts of their own, for most macros use none. All else gives an error number.

use std::path::Path;

use super::calls;
use super::engine::Host;
use super::fault::{Fault, Limits};
use super::kernel::Image;
use super::memory::Memory;
use super::text::{holds, joined, owned, utf8};

part! {
    environ {
        mod environ;
        use self::environ::Environ;
    }
    {
        pub struct Environ;

        impl Environ {
            fn new(_: &'static [&'static str]) -> Environ {
                Environ
            }

            pub fn asked(&mut self, _: &str, _: &mut Vec<Refused>) {}

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
        pub struct Files {
            #[cfg(precast_track)]
            pub reads: Vec<std::path::PathBuf>,
        }

        impl Files {
            fn new(_: &'static Grants, _: &Limits) -> Files {
                Files {
                    #[cfg(precast_track)]
                    reads: Vec::new(),
                }
            }

            fn begin(&mut self) {}

            pub fn trace(&mut self) {}

            pub fn is_traced(&self) -> bool {
                false
            }

            pub fn is_told(&mut self) -> bool {
                true
            }

            fn refused(&self) -> &[Refused] {
                &[]
            }

            fn call(&mut self, _: u32, _: &Args, _: &mut Memory) -> Result<u64, Fault> {
                Ok(BADF)
            }
        }
    }
}

part! {
    system {
        mod system;
    }
    {
        impl Wasi {
            fn system(&mut self, _: u32, _: &Args, _: &mut Memory) -> Result<u64, Fault> {
                Ok(NOSYS)
            }
        }
    }
}

part! {
    about {
        mod about;
        pub use self::about::{about, About};
    }
    {
    }
}

part! {
    own {
        /// The text with the directory of the package's own files, where it has what stands for that in the
        /// module: the compiler and the user know only the first.
        pub fn placed(own: Option<(&'static str, &'static str)>, text: &str) -> Option<String> {
            let (label, shim) = own?;
            let mark = joined(&[SOURCE, label]);
            if !holds(text.as_bytes(), mark.as_bytes()) {
                return None;
            }
            let source = joined(&[shim, "/source"]);
            let is_kept = Path::new(&source).join("Cargo.toml_").exists();
            let dir = if is_kept { source } else { owned(shim) };
            // It may become a part of Rust code.
            Some(text.replace(&mark, &dir.replace('\\', "/")))
        }
    }
    {
        #[inline(always)]
        pub fn placed(_: Option<(&'static str, &'static str)>, _: &str) -> Option<String> {
            None
        }
    }
}

part! {
    place {
        mod refusal;
        pub use self::refusal::{bytes, warn};

        impl Wasi {
            /// An expansion begins.
            pub fn begin(&mut self) {
                self.files.begin();
                self.refused.clear();
            }

            /// What no macro may have, in words.
            pub fn refuse(&mut self, what: &str) {
                refusal::add(&mut self.refused, 3, what, "");
            }

            /// What was refused in this expansion, for users: all of it, or what no expansion before was.
            pub fn help(&mut self, name: &str, all: bool) -> Option<String> {
                let mut text = String::new();
                refusal::tell(&mut text, name, self.files.refused(), &mut self.told, all);
                refusal::tell(&mut text, name, &self.refused, &mut self.told, all);
                if text.is_empty() {
                    None
                } else {
                    Some(text)
                }
            }
        }
    }
    {
        pub fn warn(_: &str) {}

        impl Wasi {
            pub fn begin(&mut self) {}

            pub fn refuse(&mut self, _: &str) {}

            pub fn help(&mut self, _: &str, _: bool) -> Option<String> {
                None
            }
        }
    }
}

const BADF: u64 = 8;
const ACCES: u64 = 2;
const INVAL: u64 = 28;
const IO: u64 = 29;
const NOSYS: u64 = 52;

/// As many vectors or events as one call may have: the work of a call is bounded.
const N_VECTORS_MAX: u32 = 1024;

/// 2020-01-01, in nanoseconds since 1970.
const NOW: u64 = 1_577_836_800_000_000_000;

/// A grant to read the manifests in the directories above the crate's: one of them is its workspace's.
pub const MANIFESTS: &str = "Cargo.toml above $CARGO_MANIFEST_DIR";

/// A grant to read below the root of the workspace that the crate is a member of.
pub const WORKSPACE: &str = "workspace of $CARGO_MANIFEST_DIR";

/// What stands in a module for the directories of the packages that it was compiled from, and behind it
/// `NAME-VERSION`; the same for what their build scripts wrote.
pub const SOURCE: &str = "/precast/source/";
#[cfg(not(proc_macro))]
pub const OUT: &str = "/precast/out/";

/// What a macro may ask for; the shim states it (docs/artifact.md).
pub struct Grants {
    /// Names of environment variables; a trailing `*` matches any ending.
    pub env: &'static [&'static str],
    /// Directories, [`WORKSPACE`] or [`MANIFESTS`]; a leading `$NAME` stands for that environment variable,
    /// and a relative one starts at the workspace's root.
    pub read: &'static [&'static str],
    /// Directories that may be written, in the same form.
    pub write: &'static [&'static str],
    /// The directory of the shim, in which the package's own files are: `NAME-VERSION` and that.
    pub own: Option<(&'static str, &'static str)>,
}

/// What a macro asked for and may not have: 0 a variable, 1 to read, 2 to write, 3 another thing.
pub struct Refused {
    pub kind: u8,
    pub shown: String,
    /// What to grant; empty if nothing can.
    pub grant: String,
}

pub struct Wasi {
    pub environ: Environ,
    pub files: Files,
    random: u64,
    /// Whether the macro has asked for more than arguments, variables, the time and files that are traced, since this
    /// was false.
    pub asked: bool,
    /// Variables, and what no macro may have, that this one asked for in this expansion and did not get.
    pub refused: Vec<Refused>,
    /// What was refused, and reported to the user.
    told: Vec<Refused>,
    pub own: Option<(&'static str, &'static str)>,
    #[cfg(not(proc_macro))]
    pub muted: bool,
    /// What the macro writes to standard error, if it is to be kept instead.
    #[cfg(not(proc_macro))]
    pub kept: Option<Vec<u8>>,
}

impl Wasi {
    pub fn new(grants: &'static Grants, limits: &Limits) -> Wasi {
        Wasi {
            environ: Environ::new(grants.env),
            files: Files::new(grants, limits),
            random: 0,
            asked: false,
            refused: Vec::new(),
            told: Vec::new(),
            own: grants.own,
            #[cfg(not(proc_macro))]
            muted: false,
            #[cfg(not(proc_macro))]
            kept: None,
        }
    }

    fn fd_write(&mut self, a: &Args, memory: &mut Memory) -> Result<u64, Fault> {
        let (fd, vectors, n) = (a.word(0), a.word(1), a.word(2));
        #[cfg(not(proc_macro))]
        let fd = if KEPT.load(std::sync::atomic::Ordering::Relaxed) { 2 } else { fd };
        if n > N_VECTORS_MAX {
            return Ok(INVAL);
        }
        let mut total = 0u32;
        let mut i = 0;
        while i < n {
            let from = tri!(memory.read_u32(vectors.wrapping_add(i * 8)));
            let len = tri!(memory.read_u32(vectors.wrapping_add(i * 8 + 4)));
            let bytes = tri!(memory.read(from, len));
            let done = match fd {
                #[cfg(not(proc_macro))]
                1 | 2 if self.muted => true,
                #[cfg(not(proc_macro))]
                2 if self.kept.is_some() => keep(&mut self.kept, bytes),
                1 | 2 => match placed(self.own, utf8(bytes)) {
                    Some(text) => Image::print(fd, text.as_bytes()),
                    None => Image::print(fd, bytes),
                },
                _ => return Ok(BADF),
            };
            if !done {
                return Ok(IO);
            }
            total = total.wrapping_add(len);
            i += 1;
        }
        tri!(memory.write_u32(a.word(3), total));
        Ok(0)
    }

    /// Always the same sequence.
    fn random_get(&mut self, a: &Args, memory: &mut Memory) -> Result<u64, Fault> {
        let mut i = 0;
        while i < a.word(1) {
            self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.random;
            z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            tri!(memory.write(a.word(0).wrapping_add(i), &[(z >> 56) as u8]));
            i += 1;
        }
        Ok(0)
    }
}

/// Whether standard output is somebody else's.
#[cfg(not(proc_macro))]
static KEPT: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// From now on macros print to standard error.
#[cfg(not(proc_macro))]
pub fn keep_output() {
    KEPT.store(true, std::sync::atomic::Ordering::Relaxed);
}

impl Host for Wasi {
    fn call(&mut self, call: u32, args: &[u64], memory: &mut Memory) -> Result<u64, Fault> {
        let a = &Args(args);
        let is_traced = is_file(call) && a.word(0) > 2 && self.files.is_traced();
        if call > calls::CLOCK_TIME_GET as u32 && !is_traced {
            self.asked = true;
        }
        match calls::number(call) {
            calls::FD_WRITE if a.word(0) < 3 => self.fd_write(a, memory),
            calls::RANDOM_GET => self.random_get(a, memory),
            calls::PROC_EXIT => Err(Fault::Exit(a.word(0))),
            calls::ENVIRON_GET | calls::ENVIRON_SIZES_GET => self.environ.call(call, a, memory),
            _ if is_file(call) => self.files.call(call, a, memory),
            _ => self.system(call, a, memory),
        }
    }
}

/// Of more than so many bytes nothing is kept.
#[cfg(not(proc_macro))]
const KEPT_BYTES_MAX: usize = 16 << 20;

#[cfg(not(proc_macro))]
fn keep(kept: &mut Option<Vec<u8>>, bytes: &[u8]) -> bool {
    match kept {
        Some(kept) if kept.len() + bytes.len() <= KEPT_BYTES_MAX => {
            kept.extend_from_slice(bytes);
            true
        }
        _ => false,
    }
}

fn is_file(call: u32) -> bool {
    call >= calls::FD_ADVISE as u32 && call <= calls::PATH_UNLINK_FILE as u32
}

/// The arguments of a call; one that is missing is 0.
pub struct Args<'a>(pub &'a [u64]);

impl<'a> Args<'a> {
    pub fn long(&self, i: usize) -> u64 {
        if i < self.0.len() {
            self.0[i]
        } else {
            0
        }
    }

    pub fn word(&self, i: usize) -> u32 {
        self.long(i) as u32
    }
}
