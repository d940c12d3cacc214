//! Makes a module again from what an artifact records: its sources, lock file, features, compiler.
//!
//! Nothing that an earlier pack compiled is used but the standard library and the guest, which the
//! cache checks: every crate is compiled again, in a directory that did not exist before.

use crate::artifact::manifest::{Linked, Manifest, Source};
use crate::artifact::Artifact;
use crate::base::error::{Class, Context, Error, Result};
use crate::base::files::Tree;
use crate::base::report::Report;
use crate::cache::Cache;
use crate::cache::Locked;
use crate::pack::compile::batch::{Builder, Request, Task};
use crate::pack::compile::wrapper;
use crate::pack::compiler::{guest, toolchain};
use crate::pack::finish::finish;
use crate::pack::made::Made;
use crate::pack::options::{Features, PackOptions};
use crate::pack::source::lock::Lock;
use crate::pack::source::resolve::{self, Package};
use crate::pack::Variables;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What the sources give now.
pub struct Rebuilt {
    pub wasm: Vec<u8>,
    pub manifest: Manifest,
    pub licenses: Tree,
}

/// Compiles the artifact's own sources, with the features that its manifest records or with others.
/// `shared` holds what several rebuilds of one command have in common; it begins empty. Cargo runs
/// there: the configuration of the user's directory may replace the registry by the very packages
/// that are to be verified.
pub fn rebuild(
    artifact: &Artifact,
    features: Option<&Features>,
    shared: &Path,
    offline: bool,
    report: &dyn Report,
) -> Result<Rebuilt> {
    wrapper::program()?;
    let directory = std::env::current_dir().context("the current directory is gone")?;
    let (recorded, with_assertions) = Features::recorded(&artifact.manifest.features);
    let package = package(artifact, &directory)?;
    let cache = Cache::open(None)?;
    let toolchain = toolchain::recorded(&artifact.manifest.toolchain, &directory, &cache, report)?;
    let guest = guest::build(&toolchain, &cache, report)?;
    let request = Request {
        lock: Lock::parse(package.lockfile.as_deref().unwrap_or_default())?,
        // With other features, others may be enabled in what is linked.
        linked: features.is_none().then(|| linked(artifact)),
        edited: BTreeMap::new(),
        package,
        options: PackOptions::default(),
    };
    let package = &request.package;
    report.step(&format!("compiling {} {} again", package.name, package.version));
    let builder = Builder {
        toolchain: &toolchain,
        directory: shared,
        offline,
        variables: &Variables::of(shared).with(&artifact.manifest.environment),
        cache: &cache,
    };
    let shared = shared.join(&toolchain.key);
    let unfit = || {
        let message = "the recorded Cargo.lock does not fit the sources: cargo changes it";
        Error::new(Class::Verify, message)
    };
    if request.lock.find(&package.name, &package.version, None).is_none() {
        return Err(unfit());
    }
    let make = |features: &Features| -> Result<Made> {
        let task = Task::new(&request, features)?;
        let (built, lockfile) = builder.alone(task, &shared, &guest, report)?;
        if lockfile.is_none_or(|lockfile| lockfile.as_bytes() != artifact.lockfile) {
            return Err(unfit());
        }
        let lockfile = String::from_utf8_lossy(&artifact.lockfile);
        let profile = &artifact.manifest.profile;
        finish(package, &built, features, &toolchain, &lockfile, profile, cache.root())
    };
    let features = features.unwrap_or(&recorded);
    let mut made = make(features)?;
    if with_assertions {
        made = make(&features.with_assertions(made.asserted).unwrap_or_default())?;
    }
    Ok(Rebuilt { wasm: made.wasm, manifest: made.manifest, licenses: made.licenses })
}

/// What the manifest tells of the linked packages.
fn linked(artifact: &Artifact) -> Vec<Locked> {
    let one = |linked: &Linked| Locked {
        name: linked.name.clone(),
        version: linked.version.clone(),
        source: None,
        checksum: linked.checksum.clone(),
        directory: PathBuf::new(),
        features: linked.features.iter().cloned().collect(),
    };
    artifact.manifest.linked.iter().map(one).collect()
}

/// The files of a package as the registry has it now; `shared` as above.
pub fn published(
    artifact: &Artifact,
    shared: &Path,
    offline: bool,
    report: &dyn Report,
) -> Result<(Source, Tree)> {
    let package = &artifact.manifest.package;
    let spec = format!("{}@={}", package.name, package.version);
    report.step(&format!("looking for {} {} in the registry", package.name, package.version));
    let found = resolve::resolve(&spec, shared, offline)?;
    Ok((found.source, found.files))
}

fn package(artifact: &Artifact, directory: &Path) -> Result<Package> {
    let manifest = &artifact.manifest;
    let text = |bytes: &[u8], what: &str| {
        let text = String::from_utf8(bytes.to_vec());
        text.class(Class::Verify, format!("{what} is not UTF-8"))
    };
    let own = |linked: &&Linked| linked.name == manifest.package.name;
    if let Some(local) =
        manifest.linked.iter().filter(|linked| !own(linked)).find(|l| l.checksum.is_none())
    {
        let message = format!(
            "{} {} came from a directory or a git address, which the artifact does not contain",
            local.name, local.version
        );
        let error = Error::new(Class::Verify, message);
        return Err(error.help("pack it again from the same directories, and compare the digests"));
    }
    let missing = || Error::new(Class::Verify, "the sources have no Cargo.toml");
    Ok(Package {
        name: manifest.package.name.clone(),
        version: manifest.package.version.clone(),
        source: manifest.package.source.clone(),
        files: artifact.source.clone(),
        directory: directory.to_owned(),
        manifest: text(artifact.source.get("Cargo.toml").ok_or_else(missing)?, "Cargo.toml")?,
        lockfile: Some(text(&artifact.lockfile, "Cargo.lock")?),
        is_locked: true,
    })
}
