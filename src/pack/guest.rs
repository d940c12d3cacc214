//! The guest: the `proc_macro` crate inside wasm, compiled once per toolchain.
//!
//! Its sources travel inside this program, since cargo leaves nested packages out of a `.crate`.

use super::cache::Cache;
use super::stage::hash_of;
use super::toolchain::{Toolchain, TARGET};
use super::{cargo, Report};
use crate::error::{Class, Context, Error, Result};
use std::path::PathBuf;
use std::process::Command;

/// Every file of `guest/src`; a test checks that none is missing.
const FILES: &[(&str, &str)] = &[
    ("abi.rs", include_str!("../../guest/src/abi.rs")),
    ("arena.rs", include_str!("../../guest/src/arena.rs")),
    ("entry.rs", include_str!("../../guest/src/entry.rs")),
    ("errno.rs", include_str!("../../guest/src/errno.rs")),
    ("hasher.rs", include_str!("../../guest/src/hasher.rs")),
    ("heap.rs", include_str!("../../guest/src/heap.rs")),
    ("lib.rs", include_str!("../../guest/src/lib.rs")),
    ("libc.rs", include_str!("../../guest/src/libc.rs")),
    ("libm.rs", include_str!("../../guest/src/libm.rs")),
    ("literal.rs", include_str!("../../guest/src/literal.rs")),
    ("locate.rs", include_str!("../../guest/src/locate.rs")),
    ("process.rs", include_str!("../../guest/src/process.rs")),
    ("span.rs", include_str!("../../guest/src/span.rs")),
    ("stream.rs", include_str!("../../guest/src/stream.rs")),
    ("surroundings.rs", include_str!("../../guest/src/surroundings.rs")),
    ("tree.rs", include_str!("../../guest/src/tree.rs")),
    ("unwind.rs", include_str!("../../guest/src/unwind.rs")),
];

/// A hash of the guest's sources, and of how they are compiled.
pub fn key() -> String {
    let files = FILES.iter().flat_map(|(path, text)| [*path, *text]);
    let parts: Vec<&str> = files.chain([include_str!("guest.rs")]).collect();
    hash_of(&parts)[..16].to_owned()
}

/// The guest's rlib.
pub fn build(toolchain: &Toolchain, cache: &Cache, report: &dyn Report) -> Result<PathBuf> {
    let key = &hash_of(&[key(), toolchain.key.clone()])[..16];
    let _lock = cache.lock("guest", key, report)?;
    const NAME: &str = "libproc_macro.rlib";
    if let Some(entry) = cache.get("guest", key)? {
        return Ok(entry.join(NAME));
    }
    report.step("compiling the guest");
    let entry = cache.put("guest", key, |entry| {
        let sources = entry.join("src");
        for (path, text) in FILES {
            let path = sources.join(path);
            let folder = path.parent().expect("a joined path has a parent");
            std::fs::create_dir_all(folder).at("create", folder)?;
            std::fs::write(&path, text).at("write", &path)?;
        }
        let mut rustc = Command::new(&toolchain.rustc);
        // The library tells where it was compiled: there, the path is remapped.
        rustc.current_dir(&sources);
        // Some of what it uses of std is unstable; no other crate is compiled with this.
        rustc.env("RUSTC_BOOTSTRAP", "1");
        rustc
            .args(["--crate-name", "proc_macro", "--crate-type", "rlib", "--edition", "2021"])
            .args(["--target", TARGET, "--cap-lints", "allow", "-Cmetadata=precast-guest"])
            .args(["-Copt-level=3", "-Ccodegen-units=1", "-Cpanic=abort"])
            .arg(format!("--remap-path-prefix={}=/precast-guest", sources.display()))
            .arg("-o")
            .arg(entry.join(NAME))
            .arg(sources.join("lib.rs"));
        if let Some(sysroot) = &toolchain.sysroot {
            rustc.arg("--sysroot").arg(sysroot);
        }
        let output = cargo::run(rustc, |_| {})?;
        if output.success {
            return Ok(());
        }
        let message = format!("rustc {} cannot compile the guest", toolchain.release);
        let error = Error::new(Class::Toolchain, format!("{message}:\n{}", output.stderr.trim()));
        Err(error.help("use another compiler: PRECAST_RUSTC=/path/to/rustc"))
    })?;
    Ok(entry.join(NAME))
}

#[cfg(test)]
mod tests {
    use super::FILES;

    #[test]
    fn every_file_of_the_guest_is_embedded() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("guest/src");
        let files = crate::pack::stage::read(&folder).unwrap();
        let listed: Vec<&str> = FILES.iter().map(|(path, _)| *path).collect();
        assert_eq!(files.keys().collect::<Vec<_>>(), listed);
    }
}
