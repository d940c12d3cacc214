//! Compiles the shim with the active rustc and reads from the library which macros it exports.
//!
//! A shim is compiled as it is, an artifact as it embeds. Nothing of either is run.

use super::Check;
use crate::artifact::manifest::{is_own, Kind};
use crate::artifact::{Artifact, Tree};
use crate::base::cargo;
use crate::base::error::{Class, Context, Error, Result};
use crate::base::scratch::Scratch;
use crate::embed;
use crate::inspect::native::{self, Declared};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

pub(super) fn check(artifact: &Artifact, files: Option<&Tree>) -> Result<Check> {
    let scratch = Scratch::new()?;
    let shim = scratch.path().join("shim");
    match files {
        Some(files) => embed::write_dir(files, &shim)?,
        None => embed::write_dir(&embed::embed(artifact)?, &shim)?,
    }
    let file = native::dylib_name(&artifact.manifest.package.crate_name);
    let library = scratch.path().join(&file);
    let mut all = Vec::new();
    for set in artifact.each_set() {
        compile(&set, &shim, &library)?;
        let bytes = std::fs::read(&library).at("read", &library)?;
        let found = native::declared(&bytes).ok_or_else(|| {
            Error::new(Class::Other, format!("cannot read which macros {file} exports"))
        })?;
        all.extend(differences(&set, &found));
    }
    Ok(Check::new("the compiled shim exports the macros in the manifest", all))
}

fn compile(artifact: &Artifact, shim: &Path, library: &Path) -> Result<()> {
    let manifest = std::fs::read_to_string(shim.join("Cargo.toml")).at("read", shim)?;
    let manifest: toml_edit::DocumentMut =
        manifest.parse().class(Class::Verify, "cannot read the shim's Cargo.toml")?;
    let edition = manifest.get("package").and_then(|item| item.get("edition")?.as_str());
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = Command::new(rustc);
    command.args(["--crate-type", "proc-macro", "--edition", edition.unwrap_or("2015")]);
    command.args(["--crate-name", &artifact.manifest.package.crate_name, "--cap-lints", "allow"]);
    for feature in artifact.manifest.features.iter().filter(|feature| is_own(feature)) {
        command.arg("--cfg").arg(format!("feature={feature:?}"));
    }
    command.arg("-o").arg(library).arg(shim.join("src/lib.rs"));
    cargo::compile(command, "the shim does not compile")
}

fn differences(artifact: &Artifact, found: &[Declared]) -> Vec<String> {
    let expected = artifact.manifest.macros.iter().map(|item| Declared {
        name: item.name.clone(),
        helpers: if item.kind == Kind::Derive { item.helpers.clone() } else { Vec::new() },
    });
    let expected: BTreeSet<Declared> = expected.collect();
    let found: BTreeSet<Declared> = found.iter().cloned().collect();
    let missing = expected.difference(&found).map(|item| format!("{item} is not exported"));
    let extra = found.difference(&expected).map(|item| format!("{item} is exported as well"));
    missing.chain(extra).collect()
}
