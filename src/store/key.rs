//! What an artifact was made of: the name of its entry.

use crate::error::{Class, Context, Result};
use crate::pack::batch::{Locked, Wanted};
use crate::pack::stage::{self, hash_of};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    pub name: String,
    pub version: String,
    /// Of the package's file in its registry; of its sources where it has none.
    pub checksum: String,
    /// All that were enabled.
    pub features: BTreeSet<String>,
    /// Each package that is linked in, and each macro that it uses: name, version, checksum and features.
    pub dependencies: BTreeSet<String>,
    /// The system whose `cfg`s and build scripts the macro has seen, as natively.
    pub host: String,
    /// The version of precast.
    pub precast: String,
    /// A hash of how this version packs.
    pub recipe: String,
    /// Variables that were read while it was compiled, with their values; few macros have any.
    #[serde(default, skip_serializing_if = "Environment::is_empty")]
    pub environment: Environment,
}

/// Names and values; none stands for a variable that is not set.
pub type Environment = BTreeMap<String, Option<String>>;

impl Key {
    /// The entry in which a macro package is found that was compiled from exactly this, and read no variables.
    pub fn of(wanted: &Wanted) -> Result<Key> {
        let Locked { name, version, features, .. } = &wanted.package;
        let text = |package: &Locked| -> Result<String> {
            let features: Vec<&str> = package.features.iter().map(String::as_str).collect();
            let checksum = identity(package)?;
            Ok(format!("{} {} {checksum} {}", package.name, package.version, features.join(",")))
        };
        Ok(Key {
            name: name.clone(),
            version: version.clone(),
            checksum: identity(&wanted.package)?,
            features: features.clone(),
            dependencies: wanted
                .dependencies
                .iter()
                .chain(&wanted.macros)
                .map(text)
                .collect::<Result<_>>()?,
            host: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
            precast: env!("CARGO_PKG_VERSION").to_owned(),
            recipe: crate::pack::artifact_recipe().to_owned(),
            environment: Environment::new(),
        })
    }

    /// The same with variables that were read.
    pub fn with(&self, environment: Environment) -> Key {
        Key { environment, ..self.clone() }
    }

    /// The entry's name.
    pub fn id(&self) -> String {
        hash_of(&[self.write()])[..32].to_owned()
    }

    /// `serde_derive 1.0.229`
    pub fn label(&self) -> String {
        format!("{} {}", self.name, self.version)
    }

    pub(super) fn write(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("a key has only string keys")
    }

    pub(super) fn read(text: &[u8]) -> Result<Key> {
        serde_json::from_slice(text).class(Class::Verify, "not the key of an entry")
    }
}

/// What stands for the package's sources: the registry's checksum, the repository's revision, or a hash
/// of its files.
fn identity(package: &Locked) -> Result<String> {
    match (&package.checksum, &package.source) {
        (Some(checksum), _) => Ok(checksum.clone()),
        (None, Some(source)) => Ok(hash_of(&[source])),
        (None, None) => Ok(stage::hash_of_files(&stage::read(&package.directory)?)),
    }
}
