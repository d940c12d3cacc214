//! Artifact or shim -> verdict: every check, and every difference by its name.
//!
//! Offline, and without trust in anything that is checked: what can be made again from the module
//! is made again and compared.

pub(crate) mod module;
mod shim;

use crate::artifact::Artifact;
use crate::embed;
use crate::error::Result;
use crate::input::{self, Input};
use crate::lower;
use crate::manifest::Source;
use serde::Serialize;
use std::path::Path;

/// The outcome of all checks.
#[derive(Debug, Serialize)]
pub struct Verdict {
    /// The version of precast that packed it.
    pub precast: String,
    pub checks: Vec<Check>,
}

/// One check; it holds where there is no difference.
#[derive(Debug, Serialize)]
pub struct Check {
    pub what: &'static str,
    pub differences: Vec<String>,
}

/// Checks the artifact's file, the shim's directory or its `.crate` file. An error means that there
/// is nothing to check; everything else is in the verdict.
pub fn verify(path: &Path) -> Result<Verdict> {
    Ok(match input::read(path)? {
        Input::Artifact(artifact) => {
            let checks = parts(&artifact)?;
            Verdict { precast: artifact.manifest.precast, checks }
        }
        Input::Shim(files) => {
            let artifact = embed::extract(&files)
                .map_err(|error| error.context(path.display().to_string()))?;
            let mut checks = parts(&artifact)?;
            let differences = shim::differences(&artifact, &files)?;
            checks.push(Check { what: "the crate is what this precast embeds", differences });
            Verdict { precast: artifact.manifest.precast, checks }
        }
    })
}

fn parts(artifact: &Artifact) -> Result<Vec<Check>> {
    let mut checks = vec![
        Check { what: "every part has the hash in the manifest", differences: hashes(artifact)? },
        Check { what: "the module is valid wasm", differences: module::invalid(&artifact.wasm) },
    ];
    if checks[1].differences.is_empty() {
        let facts = module::read(&artifact.wasm)?;
        let macros = &artifact.manifest.macros;
        checks.push(Check {
            what: "the module imports only what the runtime grants",
            differences: facts.forbidden_imports(),
        });
        checks.push(Check {
            what: "the module exports the macros in the manifest",
            differences: facts.wrong_macros(macros),
        });
    }
    checks.push(Check {
        what: "the image is what this precast lowers the module to",
        differences: image(artifact),
    });
    Ok(checks)
}

fn hashes(artifact: &Artifact) -> Result<Vec<String>> {
    let found = artifact.hashes()?;
    let mut differences: Vec<String> = artifact
        .damaged()?
        .into_iter()
        .map(|part| format!("{part} does not have its SHA-256"))
        .collect();
    if let Source::Path { checksum } = &artifact.manifest.package.source {
        if *checksum != found["source.tar"] {
            differences.push("the source's checksum is not that of source.tar".into());
        }
    }
    Ok(differences)
}

fn image(artifact: &Artifact) -> Vec<String> {
    let fresh = match lower::lower(&artifact.wasm).and_then(|image| lower::compress(&image)) {
        Ok(fresh) => fresh,
        Err(error) => return vec![format!("the module cannot be lowered: {error}")],
    };
    let common = fresh.iter().zip(&artifact.image).take_while(|(fresh, found)| fresh == found);
    match common.count() {
        equal if equal == fresh.len() && equal == artifact.image.len() => Vec::new(),
        offset => vec![format!("image.bin differs from a fresh lowering, first at byte {offset}")],
    }
}
