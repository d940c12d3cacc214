//! The key of a store entry: everything that an artifact was made of.

use crate::base::error::{Class, Context, Result};
use crate::base::files::{self, hash_of, Tree};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Raised when what older versions of precast have packed must not be used any more, though its ABI is known:
/// a change of how modules are packed that changes what macros do.
/// 1 (December 2026): the first.
pub const GENERATION: u32 = 1;

/// Says what went in and how the module is spoken to. Neither the version of precast nor the compiler that packed
/// it is part of it: an upgrade keeps its store.
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
    /// The token ABI that the module speaks.
    pub abi: u32,
    /// See [`GENERATION`].
    pub generation: u32,
    /// Variables that were read while it was compiled, with their values; few macros have any.
    #[serde(default, skip_serializing_if = "Environment::is_empty")]
    pub environment: Environment,
    /// Packages of directories that may hold other files than their checksums stand for, as `NAME VERSION`, with a
    /// hash of their files.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub edited: BTreeMap<String, String>,
}

/// Names and values; none stands for a variable that is not set.
pub type Environment = BTreeMap<String, Option<String>>;

impl Key {
    /// The same with variables that were read.
    pub fn with(&self, environment: Environment) -> Key {
        Key { environment, ..self.clone() }
    }

    /// The entry's name.
    pub fn id(&self) -> String {
        hash_of(&[self.write()])[..32].to_owned()
    }

    /// Names what a program with this recipe made of it, beside the artifact: another program may do better.
    pub(crate) fn attempt(&self, recipe: &str) -> String {
        hash_of(&[self.id().as_str(), recipe])[..32].to_owned()
    }

    /// `serde_derive 1.0.229`
    pub fn label(&self) -> String {
        format!("{} {}", self.name, self.version)
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("a key has only string keys")
    }

    pub(crate) fn read(text: &[u8]) -> Result<Key> {
        serde_json::from_slice(text).class(Class::Verify, "not the key of an entry")
    }
}

/// A package as a project's build compiles it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Locked {
    pub name: String,
    pub version: String,
    /// As in `Cargo.lock`; none for a package in a directory.
    pub source: Option<String>,
    pub checksum: Option<String>,
    /// Where cargo has its files.
    pub directory: PathBuf,
    /// All that cargo enabled, and no others.
    pub features: BTreeSet<String>,
}

/// A macro package with everything linked into it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Wanted {
    pub package: Locked,
    /// Normal dependencies, and theirs.
    pub dependencies: Vec<Locked>,
    /// Macros that the package and these use.
    pub macros: Vec<Locked>,
}

impl Wanted {
    /// Puts the lists into their one order.
    pub fn sort(&mut self) {
        for list in [&mut self.dependencies, &mut self.macros] {
            list.sort_unstable();
            list.dedup();
        }
    }
}

/// The package's files where nothing else vouches for them: it lies in a directory source, as `cargo vendor` makes
/// them, whose list of files is empty (distributions patch packages so), or that has no checksum.
pub(crate) fn edited(directory: &Path, source: Option<&str>) -> Result<Option<Tree>> {
    let Some(source) = source else { return Ok(None) };
    let Ok(text) = std::fs::read(directory.join(files::DIRECTORY_SOURCE)) else {
        return Ok(None);
    };
    let listed: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
    let has_files = listed["files"].as_object().is_some_and(|files| !files.is_empty());
    if has_files && (listed["package"].is_string() || source.starts_with("git+")) {
        return Ok(None);
    }
    files::read_published(directory).map(Some)
}

/// Those of such packages, by `NAME VERSION`, with a hash of their files.
pub(crate) fn all_edited<'a>(
    packages: impl Iterator<Item = &'a Locked>,
) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for one in packages {
        if let Some(files) = edited(&one.directory, one.source.as_deref())? {
            found.insert(format!("{} {}", one.name, one.version), files::hash_of_files(&files));
        }
    }
    Ok(found)
}

/// What stands for the package's sources: the registry's checksum, the repository's revision, or a hash
/// of its files.
pub(crate) fn identity(package: &Locked) -> Result<String> {
    match (&package.checksum, &package.source) {
        (Some(checksum), _) => Ok(checksum.clone()),
        (None, Some(source)) => Ok(hash_of(&[source])),
        (None, None) => Ok(files::hash_of_files(&files::read(&package.directory)?)),
    }
}
