//! Makes a module again from what an artifact records: its sources, lock file, features, compiler.
//!
//! Nothing that an earlier pack compiled is used but the standard library and the guest, which the
//! cache checks: every crate is compiled again, in a directory that did not exist before.

use super::cache::Cache;
use super::resolve::{self, Package};
use super::stage::Files;
use super::{assertions, build, finish, guest, stage, toolchain, wrapper, Features, Report};
use crate::artifact::Artifact;
use crate::error::{Class, Context, Error, Result};
use crate::manifest::{Linked, Manifest, Source};
use crate::scratch::Scratch;
use std::path::Path;

/// What the sources give now.
pub struct Rebuilt {
    pub wasm: Vec<u8>,
    pub manifest: Manifest,
    pub licenses: Files,
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
    let scratch = Scratch::inside(shared)?;
    let staged = scratch.path().join(format!("{}-{}", package.name, package.version));
    stage::write(&package, &staged)?;
    report.step(&format!("compiling {} {} again", package.name, package.version));
    let mut job = build::Job {
        toolchain: &toolchain,
        guest: &guest,
        staged: &staged,
        directory: shared,
        shared: &shared.join(&toolchain.key),
        features: features.unwrap_or(&recorded),
        environment: &artifact.manifest.environment,
        offline,
    };
    let asserting;
    if with_assertions {
        asserting = job.features.with_assertions(assertions::concerned(&job)?).unwrap_or_default();
        job.features = &asserting;
    }
    let built = build::build(&job, report)?;
    let lockfile = staged.join("Cargo.lock");
    let lockfile = std::fs::read(&lockfile).at("read", &lockfile)?;
    if lockfile != artifact.lockfile {
        let message = "the recorded Cargo.lock does not fit the sources: cargo changes it";
        return Err(Error::new(Class::Verify, message));
    }
    let lockfile = String::from_utf8_lossy(&lockfile);
    let made = finish(&package, &built, &job, &lockfile, &artifact.manifest.profile, &cache)?;
    Ok(Rebuilt { wasm: made.wasm, manifest: made.manifest, licenses: made.licenses })
}

/// The files of a package as the registry has it now; `shared` as above.
pub fn published(
    artifact: &Artifact,
    shared: &Path,
    offline: bool,
    report: &dyn Report,
) -> Result<(Source, Files)> {
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
