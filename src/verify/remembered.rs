//! What came of building an artifact's sources again, for who asks later.
//!
//! It is kept in the user's cache by the artifact's identity, its manifest's hash. Only an artifact whose parts have
//! the hashes of that manifest is noted: another's parts say nothing of it.

use super::Check;
use crate::artifact::manifest::{identity, Manifest};
use crate::artifact::Artifact;
use crate::base::error::Result;
use crate::cache::{kinds, Cache};
use serde::{Deserialize, Serialize};

/// The last outcome on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rebuilt {
    /// The version of precast that built.
    pub precast: String,
    /// What is not as the sources give it.
    pub differences: Vec<String>,
}

/// Notes the outcome of these checks.
pub(super) fn note(artifact: &Artifact, checks: &[Check]) -> Result<()> {
    if !artifact.damaged()?.is_empty() {
        return Ok(());
    }
    let differences = checks.iter().flat_map(|check| check.differences.iter().cloned());
    let rebuilt = Rebuilt {
        precast: env!("CARGO_PKG_VERSION").to_owned(),
        differences: differences.collect(),
    };
    let text = serde_json::to_string(&rebuilt).expect("it has only texts");
    Cache::open(None)?.keep(kinds::REBUILT, &key(&artifact.manifest), &text);
    Ok(())
}

/// The last outcome, if this machine has rebuilt it.
pub fn rebuilt(manifest: &Manifest, cache: &Cache) -> Option<Rebuilt> {
    serde_json::from_str(&cache.kept(kinds::REBUILT, &key(manifest))?).ok()
}

fn key(manifest: &Manifest) -> String {
    identity(manifest)[..32].to_owned()
}
