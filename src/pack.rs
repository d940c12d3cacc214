//! From a macro crate's name to its artifact and shim. The rooms, and the passes in them, in the order of
//! the data:
//!
//! | room       | pass        | makes                                                                |
//! |------------|-------------|----------------------------------------------------------------------|
//! | `source`   | `resolve`   | of a SPEC, the package's files                                       |
//! |            | `inherit`   | of a manifest in a workspace, one that stands alone                  |
//! |            | `stage`     | of the package, one that compiles for wasm                           |
//! |            | `rewrite`   | of macro functions, exports                                          |
//! |            | `lock`      | of a lock file, that of one package                                  |
//! |            | `exact`     | of a manifest, one with the versions of a lock file                  |
//! | `compiler` | `toolchain` | of the machine, a compiler for wasm                                  |
//! |            | `sysroot`   | of the compiler's sources, the standard library where it is missing  |
//! |            | `guest`     | of our `proc_macro`, an rlib                                         |
//! | `compile`  | `batch`     | of many packages, workspaces that agree                              |
//! |            | `wrapper`   | of cargo's calls of the compiler, ours                               |
//! |            | `script`    | of cargo's calls of build scripts, native ones                       |
//! |            | `build`     | of a staged workspace, linked wasm                                   |
//! | `module`   | `parts`     | of linked wasm, its parts                                            |
//! |            | `backtrace` | of its parts, those without a printer of backtraces                  |
//! |            | `imports`   | of its imports, a verdict                                            |
//! |            | `exports`   | of its exports, the macros                                           |
//! |            | `shrink`    | of its parts, canonical wasm                                         |
//! | `profile`  |             | of samples, the order of its functions                               |
//! | `collect`  |             | of all that, manifest and licences                                   |
//! | `finish`   |             | of all that, the artifact                                            |
//!
//! What of the machine's environment went in is in `compile::environment`. The cache keeps modules as
//! `made` says, by the keys in `recipe`; `rebuild` does it all again for an artifact.

mod collect;
#[doc(hidden)]
pub mod compile;
pub(crate) mod compiler;
mod finish;
mod foreign;
mod made;
mod module;
mod options;
#[doc(hidden)]
pub mod profile;
mod rebuild;
pub(crate) mod recipe;
pub(crate) mod source;

pub(crate) use collect::{ENVIRONMENT, READABLE};
#[doc(hidden)]
pub use compile::batch::{pack_wanted, Project};
pub(crate) use compile::environment::Variables;
pub use compile::wrapper;
pub(crate) use foreign::of_module;
#[doc(hidden)]
pub use foreign::{pack_module, ModuleOptions};
pub use options::{Features, Outcome, PackOptions, Packed};
pub(crate) use rebuild::{published, rebuild, Rebuilt};
#[doc(hidden)]
pub use recipe::artifact_recipe;

use crate::base::cargo;
use crate::base::error::{Context, Result};
use crate::base::files::sha256;
use crate::base::report::Report;
use crate::base::scratch::{self, Scratch};
use crate::cache::Cache;
use crate::embed;
use compile::batch::{Builder, Request};
use compiler::toolchain;
use source::lock::Lock;
use source::resolve::{self, Package};
use source::stage;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

/// Packs every package that `options` names: artifacts and shims are on the disk when it returns.
///
/// The program must call [`wrapper::run`] first in its `main`, since cargo runs it for each crate.
pub fn pack(options: &PackOptions, report: &dyn Report) -> Result<Vec<Outcome>> {
    wrapper::program()?;
    let directory = std::env::current_dir().context("the current directory is gone")?;
    let cache = Cache::open(options.cache.as_deref())?;
    let mut packages = Vec::new();
    for spec in &options.specs {
        report.step(&format!("looking for {spec}"));
        packages.push(resolve::resolve(spec, &directory, options.offline)?);
    }
    let failed = |package: &Package| format!("cannot pack {} {}", package.name, package.version);
    let mut outcomes = Vec::new();
    for package in &packages {
        let start = Instant::now();
        let features = options.features.of(package, &packages);
        let sets = options.sets.iter().map(|set| set.of(package, &packages)).collect();
        let options = PackOptions { features, sets, ..options.clone() };
        let packed = artifact(package, &options, &cache, report).context(failed(package))?;
        let is_newest = package.lockfile.is_none();
        outcomes.push(Outcome { is_newest, ..written(packed, &options.out, start)? });
    }
    Ok(outcomes)
}

/// Writes artifact and shim.
fn written(packed: Packed, out: &Path, start: Instant) -> Result<Outcome> {
    let Packed { artifact, bytes, cached, notes } = packed;
    let shim = out.join(embed::name(&artifact));
    let file = out.join(format!("{}.precast", embed::name(&artifact)));
    embed::write_dir(&embed::embed(&artifact)?, &shim)?;
    scratch::replace(&file, &bytes)?;
    Ok(Outcome {
        artifact: file,
        shim,
        sha256: sha256(&bytes),
        artifact_bytes: bytes.len(),
        wasm_bytes: artifact.wasm.len(),
        image_bytes: artifact.image.len(),
        manifest: artifact.manifest,
        cached,
        is_newest: false,
        time: start.elapsed(),
        notes,
    })
}

/// Packs one package that was found before; nothing but the cache is written.
pub(crate) fn artifact(
    package: &Package,
    options: &PackOptions,
    cache: &Cache,
    report: &dyn Report,
) -> Result<Packed> {
    wrapper::program()?;
    let toolchain = toolchain::find(&package.directory, cache, report)?;
    let lock = match (&package.lockfile, package.is_locked) {
        (Some(lockfile), true) => Lock::parse(lockfile)?,
        _ => versions(package, options.offline)?,
    };
    let request = Request {
        package: package.clone(),
        lock,
        linked: None,
        edited: BTreeMap::new(),
        options: options.clone(),
    };
    let builder = Builder {
        toolchain: &toolchain,
        directory: &package.directory,
        offline: options.offline,
        variables: &Variables::of(&package.directory),
        cache,
    };
    builder.pack(vec![Ok(request)], report).pop().expect("one request has one result")
}

/// Chooses the versions of a package's dependencies: those of its author's lock file, else the newest.
fn versions(package: &Package, offline: bool) -> Result<Lock> {
    let scratch = Scratch::new()?;
    let staged = scratch.path().join("package");
    stage::write(package, &staged)?;
    let mut command = cargo::command(&package.directory);
    match package.lockfile {
        // Keeps the versions of the author's lock file, and drops what the macro does not need.
        Some(_) => command.args(["update", "--workspace"]),
        None => command.arg("generate-lockfile"),
    };
    command.arg("--manifest-path").arg(staged.join("Cargo.toml"));
    if offline {
        command.arg("--offline");
    }
    let output = cargo::run(command, |_| {})?;
    if !output.success {
        return Err(cargo::failure("cannot choose versions of its dependencies", &output.stderr));
    }
    let lockfile = staged.join("Cargo.lock");
    Lock::parse(&std::fs::read_to_string(&lockfile).at("read", &lockfile)?)
}
