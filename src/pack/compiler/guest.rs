//! The guest: the `proc_macro` crate inside wasm, and what comes with it, compiled once per toolchain.
//!
//! Its sources travel inside this program, since cargo leaves nested packages out of a `.crate`.

use crate::artifact::module::TARGET;
use crate::base::cargo;
use crate::base::error::{Class, Error, Result};
use crate::base::files;
use crate::base::files::hash_of;
use crate::base::report::Report;
use crate::cache::{kinds, Cache};
use crate::pack::compiler::toolchain::Toolchain;
use crate::pack::source::rewrite::PREFIX;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Every file of `guest/src`; a test checks that none is missing.
const FILES: &[(&str, &str)] = &[
    ("abi.rs", include_str!("../../../guest/src/abi.rs")),
    ("arena.rs", include_str!("../../../guest/src/arena.rs")),
    ("entry.rs", include_str!("../../../guest/src/entry.rs")),
    ("errno.rs", include_str!("../../../guest/src/errno.rs")),
    ("hasher.rs", include_str!("../../../guest/src/hasher.rs")),
    ("heap.rs", include_str!("../../../guest/src/heap.rs")),
    ("lib.rs", include_str!("../../../guest/src/lib.rs")),
    ("libc.rs", include_str!("../../../guest/src/libc.rs")),
    ("libm.rs", include_str!("../../../guest/src/libm.rs")),
    ("literal.rs", include_str!("../../../guest/src/literal.rs")),
    ("locate.rs", include_str!("../../../guest/src/locate.rs")),
    ("own.rs", include_str!("../../../guest/src/own.rs")),
    ("process.rs", include_str!("../../../guest/src/process.rs")),
    ("random.rs", include_str!("../../../guest/src/random.rs")),
    ("remember.rs", include_str!("../../../guest/src/remember.rs")),
    ("span.rs", include_str!("../../../guest/src/span.rs")),
    ("state.rs", include_str!("../../../guest/src/state.rs")),
    ("stored.rs", include_str!("../../../guest/src/stored.rs")),
    ("stream.rs", include_str!("../../../guest/src/stream.rs")),
    ("surroundings.rs", include_str!("../../../guest/src/surroundings.rs")),
    ("trace.rs", include_str!("../../../guest/src/trace.rs")),
    ("tree.rs", include_str!("../../../guest/src/tree.rs")),
    ("unwind.rs", include_str!("../../../guest/src/unwind.rs")),
];

/// What every wasm crate gets as its `std`, with the guest's parts in it.
const STD: &str = include_str!("../../../guest/std.rs");
/// The attributes that declare macros, as a macro crate of this machine.
const ATTRIBUTES: &str = include_str!("../../../guest/attributes.rs");

/// The crates that stand in the place of the compiler's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guest {
    pub proc_macro: PathBuf,
    pub std: PathBuf,
    /// The same with std's own `DefaultHasher`, which a `RandomState` makes.
    pub std_plain: PathBuf,
    /// A macro library of this machine: [`PREFIX`] stands before its attributes.
    pub attributes: PathBuf,
}

impl Guest {
    fn inside(folder: &Path) -> Guest {
        let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
        Guest {
            proc_macro: folder.join("libproc_macro.rlib"),
            std: folder.join("libstd.rlib"),
            std_plain: folder.join("libstd_plain.rlib"),
            attributes: folder.join(format!("{prefix}{PREFIX}{suffix}")),
        }
    }

    /// Where the compiler finds them.
    pub fn folder(&self) -> &Path {
        self.proc_macro.parent().expect("the guest lies in the cache")
    }
}

/// A hash of the guest's sources, and of how they are compiled.
pub fn key() -> String {
    let mut parts: Vec<&str> = FILES.iter().flat_map(|(path, text)| [*path, *text]).collect();
    parts.extend([STD, ATTRIBUTES, include_str!("guest.rs")]);
    hash_of(&parts)[..16].to_owned()
}

/// Compiles what is not in the cache yet.
pub fn build(toolchain: &Toolchain, cache: &Cache, report: &dyn Report) -> Result<Guest> {
    let host = [std::env::consts::OS, std::env::consts::ARCH].concat();
    let key = &hash_of(&[key(), toolchain.key.clone(), host])[..16];
    let _lock = cache.lock(kinds::GUEST, key, report)?;
    if let Some(entry) = cache.get(kinds::GUEST, key)? {
        return Ok(Guest::inside(&entry));
    }
    report.step("compiling the guest");
    let entry = cache.put(kinds::GUEST, key, |entry| {
        let sources = entry.join("src");
        let others = [("std.rs", STD), ("attributes.rs", ATTRIBUTES)];
        for (path, text) in FILES.iter().chain(&others) {
            files::put(&sources.join(path), text.as_bytes())?;
        }
        let guest = Guest::inside(entry);
        let wasm = |name: &str, root: &str, library: &Path| {
            let mut rustc = compiler(toolchain, &sources);
            // Some of what the guest uses of std is unstable; no other crate is compiled with this.
            rustc.env("RUSTC_BOOTSTRAP", "1").args(["--crate-type", "rlib", "--target", TARGET]);
            rustc.args(["-Copt-level=3", "-Ccodegen-units=1", "-Cpanic=abort"]);
            rustc.args(["--crate-name", name]).arg("-o").arg(library).arg(sources.join(root));
            for (from, to) in &toolchain.remap {
                rustc.arg(format!("--remap-path-prefix={}={to}", from.display()));
            }
            if let Some(sysroot) = &toolchain.sysroot {
                rustc.arg("--sysroot").arg(sysroot);
            }
            rustc
        };
        let mut rustc = wasm("proc_macro", "lib.rs", &guest.proc_macro);
        rustc.arg("-Cmetadata=precast-guest");
        compile(rustc, toolchain)?;
        for (library, metadata, cfgs) in [
            (&guest.std, "precast-std", &[][..]),
            (&guest.std_plain, "precast-std-plain", &["--cfg", "plain_hasher"]),
        ] {
            let mut rustc = wasm("std", "std.rs", library);
            rustc.arg(format!("-Cmetadata={metadata}")).args(cfgs);
            rustc.arg("--extern").arg(format!("proc_macro={}", guest.proc_macro.display()));
            compile(rustc, toolchain)?;
        }
        let mut rustc = compiler(toolchain, &sources);
        rustc.args(["--crate-name", PREFIX, "--crate-type", "proc-macro", "-o"]);
        rustc.arg(&guest.attributes).arg(sources.join("attributes.rs"));
        compile(rustc, toolchain)
    })?;
    Ok(Guest::inside(&entry))
}

fn compiler(toolchain: &Toolchain, sources: &Path) -> Command {
    let mut rustc = Command::new(&toolchain.rustc);
    rustc.args(["--edition", "2021", "--cap-lints", "allow"]);
    // A library tells where it was compiled: there, the path is remapped.
    rustc.current_dir(sources);
    rustc.arg(format!("--remap-path-prefix={}=/precast-guest", sources.display()));
    if cfg!(windows) {
        rustc.args(files::remapped(sources, "/precast-guest").into_iter().flatten());
    }
    rustc
}

fn compile(rustc: Command, toolchain: &Toolchain) -> Result<()> {
    let output = cargo::run(rustc, |_| {})?;
    if output.success {
        return Ok(());
    }
    let message = format!("rustc {} cannot compile the guest", toolchain.release);
    let error = Error::new(Class::Toolchain, format!("{message}:\n{}", output.stderr.trim()));
    Err(error.help("use another compiler: PRECAST_RUSTC=/path/to/rustc"))
}

#[cfg(test)]
mod tests {
    use super::FILES;

    #[test]
    fn every_file_of_the_guest_is_embedded() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("guest/src");
        let files = crate::base::files::read(&folder).unwrap();
        let listed: Vec<&str> = FILES.iter().map(|(path, _)| *path).collect();
        assert_eq!(files.keys().collect::<Vec<_>>(), listed);
    }
}
