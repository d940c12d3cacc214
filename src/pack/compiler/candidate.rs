//! The states of a compiler: found, with the sources for a missing standard library, and ready for wasm.

use std::path::PathBuf;

/// A compiler that was found, before it is known to be of use.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub rustc: PathBuf,
    /// It is neither the active one nor the system's.
    pub is_other: bool,
    /// What `rustc -vV` prints.
    pub verbose: String,
    pub release: semver::Version,
    pub sysroot: PathBuf,
}

/// Sources and C library to build a sysroot with.
#[derive(Clone, Debug)]
pub struct Sources {
    pub library: PathBuf,
    pub wasi_libc: PathBuf,
}

/// A compiler that is ready for the wasm target.
#[derive(Clone, Debug)]
pub struct Toolchain {
    pub rustc: PathBuf,
    /// The cargo that belongs to it, if that is not the active one.
    pub cargo: Option<PathBuf>,
    /// `1.96.0`
    pub release: String,
    pub commit: Option<String>,
    /// `22.1.2`
    pub llvm: Option<String>,
    /// The locally built sysroot, if the compiler has no standard library for the target.
    pub sysroot: Option<PathBuf>,
    /// What the manifest says of the standard library.
    pub std: String,
    pub linker: Linker,
    /// Where the compiler's own sources are, if they are installed, and how its library names them.
    pub remap: Vec<(PathBuf, String)>,
    /// Stands for all that above in the keys of the cache.
    pub key: String,
    /// This machine, as the compiler names it.
    pub host: String,
}

#[derive(Clone, Debug)]
pub struct Linker {
    pub path: PathBuf,
    /// `LLD 22.1.2`
    pub version: String,
}
