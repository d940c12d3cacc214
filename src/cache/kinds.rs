//! The kinds of cache entries. Each pass that makes a kind describes its content.

/// Artifacts.
pub(crate) const ARTIFACT: &str = "artifact";

/// Signatures of artifacts that were fetched.
pub(crate) const SIGNED: &str = "signed";

/// Lists of what trusted keys have revoked. They are small, and never removed: an older list must not come back.
pub(crate) const REVOKED: &str = "revoked";

/// Which variables a package has read when it was compiled.
pub(crate) const READ: &str = "read";

/// Why a package cannot be packed.
pub(crate) const REFUSED: &str = "refused";

/// What came of building an artifact's sources again.
pub(crate) const REBUILT: &str = "rebuilt";

/// Shims, written out for the compiler.
pub(crate) const SHIM: &str = "shim";

/// Libraries of shims and build scripts, as a compiler made them.
pub(crate) const COMPILED: &str = "compiled";

/// What the libraries of a workspace are put off for.
pub(crate) const PLAN: &str = "plan";

/// Finished modules.
pub(crate) const MODULE: &str = "module";

/// Jobs of packing, and the locks of who works on them.
pub(crate) const QUEUE: &str = "queue";

/// Target directories of packing.
pub(crate) const BUILD: &str = "build";

/// The `proc_macro` for wasm.
pub(crate) const GUEST: &str = "guest";

/// Standard libraries for wasm.
pub(crate) const SYSROOT: &str = "sysroot";

/// What programs said of themselves.
pub(crate) const PROGRAM: &str = "program";

/// All others: what may be removed when the cache is larger than its limit.
pub(crate) const ALL: [&str; 13] = [
    ARTIFACT, SIGNED, READ, REFUSED, REBUILT, SHIM, COMPILED, PLAN, MODULE, BUILD, GUEST, SYSROOT,
    PROGRAM,
];

/// What builds of projects add, and can make again at any time.
pub(crate) const OF_BUILDS: [&str; 2] = [COMPILED, PLAN];

/// What a running build reads without a lock of its own.
pub(crate) const READ_BY_BUILDS: [&str; 3] = [MODULE, GUEST, SYSROOT];
