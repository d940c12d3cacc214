//! Builds the standard library for the wasm target from a compiler's own sources, once.

use super::candidate::{Candidate, Sources};
use crate::artifact::module::TARGET;
use crate::base::cargo;
use crate::base::error::{Class, Context, Error, Result};
use crate::base::files::hash_of;
use crate::base::report::Report;
use crate::cache::{kinds, Cache};
use crate::pack::compiler::wrapping::{self, Config};
use rustc_build_sysroot::{BuildMode, SysrootBuilder, SysrootConfig};
use std::path::{Path, PathBuf};

/// Counts up when the recipe below changes.
const RECIPE: &str = "2";

/// The sysroot's path, for `rustc --sysroot`. It has the form of rustup's: wasi-libc is in
/// `self-contained`.
pub fn build(
    candidate: &Candidate,
    sources: &Sources,
    cache: &Cache,
    directory: &Path,
    report: &dyn Report,
) -> Result<PathBuf> {
    let libc = sources.wasi_libc.join("libc.a");
    let libc = std::fs::read(&libc).at("read", &libc)?;
    let key = &hash_of(&[RECIPE.as_bytes(), candidate.verbose.as_bytes(), &libc])[..16];
    let _lock = cache.lock(kinds::SYSROOT, key, report)?;
    if let Some(ready) = cache.get(kinds::SYSROOT, key)? {
        return Ok(ready);
    }
    report.step(&format!(
        "building the standard library for {TARGET} with rustc {} (once, about a minute)",
        candidate.release
    ));
    cache.put(kinds::SYSROOT, key, |entry| {
        let work = crate::base::scratch::Scratch::beside(entry)?;
        // A project's own vendor folder has nothing of the standard library's; its mirror may be
        // the only way to get that.
        if compile(candidate, sources, work.path(), work.path(), entry).is_err() {
            compile(candidate, sources, work.path(), directory, entry)?;
        }
        adopt(&sources.wasi_libc, entry)
    })
}

fn compile(
    candidate: &Candidate,
    sources: &Sources,
    work: &Path,
    directory: &Path,
    entry: &Path,
) -> Result<()> {
    let commit = candidate.commit().unwrap_or_else(|| candidate.release.to_string());
    let mut remap = vec![(sources.library.clone(), format!("/rustc/{commit}/library"))];
    let library = dunce::canonicalize(&sources.library).at("find", &sources.library)?;
    remap.push((library.clone(), format!("/rustc/{commit}/library")));
    let config = Config {
        target: TARGET.to_owned(),
        guest: None,
        sysroot: None,
        linker: PathBuf::from("rust-lld"),
        sources: work.to_owned(),
        remap,
        // The final link is one fat LTO, which wants everybody's bitcode.
        flags: vec!["-Cembed-bitcode=yes".into()],
    };
    let mut command = cargo::command(directory);
    wrapping::configure(&mut command, &config, work)?;
    command.env("RUSTC", &candidate.rustc).env("RUSTC_BOOTSTRAP", "1");
    let version = rustc_version::version_meta_for(&candidate.verbose)
        .class(Class::Toolchain, "cannot read the compiler's version")?;
    SysrootBuilder::new(entry, TARGET)
        .build_mode(BuildMode::Build)
        .sysroot_config(SysrootConfig::WithStd { std_features: Vec::new() })
        .rustc_version(version)
        .cargo(command)
        .build_from_source(&library)
        .map_err(|error| {
            let message = format!("cannot build the standard library for {TARGET}: {error:#}");
            Error::new(Class::Toolchain, message)
                .help(format!("`rustup target add {TARGET}` makes this build unnecessary"))
        })?;
    Ok(())
}

/// Copies wasi-libc to where a toolchain with the target has it.
fn adopt(wasi_libc: &Path, entry: &Path) -> Result<()> {
    let target = entry.join("lib/rustlib").join(TARGET).join("lib/self-contained");
    std::fs::create_dir_all(&target).at("create", &target)?;
    for name in ["libc.a", "crt1-command.o", "crt1-reactor.o"] {
        let from = wasi_libc.join(name);
        if from.exists() {
            std::fs::copy(&from, target.join(name)).at("copy", &from)?;
        }
    }
    Ok(())
}
