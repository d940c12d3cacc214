//! The form of the document; docs/metadata.schema.json says the same to programs.

use crate::artifact::manifest::{Capabilities, Kind, Limits, Linked, Toolchain};
use crate::project::Missing;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Raised when a field comes to mean something else, or goes. New fields may come at any time.
///
/// 1 (December 2026): the first.
pub const VERSION: u32 = 1;

#[derive(Debug, Serialize)]
pub struct Metadata {
    pub version: u32,
    /// Version of the program that has written this.
    pub precast: String,
    pub workspace_root: PathBuf,
    pub target_directories: Vec<PathBuf>,
    /// What a build does with macros that no store has.
    pub missing: Missing,
    /// The place of the workspace's policy, if it has one.
    pub policy: Option<String>,
    /// By name, version and features.
    pub packages: Vec<Package>,
    pub duplicates: Vec<Duplicate>,
}

/// A macro package as one build of it: with one set of features.
#[derive(Debug, PartialEq, Serialize)]
pub struct Package {
    pub name: String,
    pub version: String,
    /// As in `Cargo.lock`; none for a package in a directory.
    pub source: Option<String>,
    pub checksum: Option<String>,
    pub manifest_path: PathBuf,
    /// The crate's name.
    pub crate_name: String,
    pub edition: String,
    pub features: BTreeSet<String>,
    /// `NAME VERSION` of packages that depend on it.
    pub used_by: BTreeSet<String>,
    pub build: Build,
    pub macros: Vec<Macro>,
    pub macros_from: From,
    pub capabilities: Granted,
    /// Of one expansion, where they are below the runtime's.
    pub limits: Option<Limits>,
    /// What the policy has against it; none without an artifact.
    pub problems: Option<Vec<String>>,
    pub artifact: Option<Artifact>,
    pub signature: Signature,
    pub rebuild: Rebuild,
    pub records: Records,
}

/// What the next build compiles in the package's place.
#[derive(Debug, PartialEq, Serialize)]
pub struct Build {
    pub from: Compiled,
    pub why: Why,
    /// The same in words.
    pub reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compiled {
    Packed,
    Source,
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// The package is a shim.
    Shim,
    /// The store has it.
    Stored,
    /// The store has it with other versions of its dependencies.
    Similar,
    /// No store has it.
    Missing,
    /// Somebody does not want it packed, or it cannot be.
    Refused,
    /// Only packed macros need it.
    Unneeded,
}

#[derive(Debug, PartialEq, Serialize)]
pub struct Macro {
    pub kind: Kind,
    pub name: String,
    pub function: String,
    pub helpers: Vec<String>,
    /// Markdown.
    pub documentation: String,
    pub hidden: bool,
    pub deprecated: Option<String>,
}

/// Where the list of macros is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum From {
    Artifact,
    /// The root file of the crate: what other macros declare is not among them.
    Source,
}

#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Granted {
    /// What the artifact's manifest says; none without an artifact.
    pub manifest: Option<Capabilities>,
    /// What the workspace grants besides.
    pub granted: Capabilities,
}

#[derive(Debug, PartialEq, Serialize)]
pub struct Artifact {
    /// The `.precast` file, or the shim's directory; none where the store has only what builds use.
    pub path: Option<PathBuf>,
    /// The store's entry.
    pub entry: Option<String>,
    /// Of the manifest: what a policy pins.
    pub sha256: String,
    pub precast: String,
    pub abi: u32,
    pub image: u32,
    /// None for a module that was built elsewhere.
    pub toolchain: Option<Toolchain>,
    pub feature_sets: Vec<Vec<String>>,
    pub linked: Vec<Linked>,
}

#[derive(Debug, PartialEq, Serialize)]
pub struct Signature {
    pub state: Vouched,
    /// The shared store that it was fetched from.
    pub store: Option<String>,
    /// Names of trusted keys.
    pub signers: BTreeSet<String>,
    /// How many of them are needed for what comes from elsewhere.
    pub required: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Vouched {
    /// Fetched, and signed.
    Signed,
    /// Made on this machine, or imported by its user.
    Local,
    /// The workspace has it among its files.
    InTree,
    /// There is no artifact.
    None,
}

#[derive(Debug, PartialEq, Serialize)]
pub struct Rebuild {
    pub state: Rebuilt,
    /// The version of precast that rebuilt it.
    pub precast: Option<String>,
    pub differences: Vec<String>,
    /// Whether the policy asks for it.
    pub required: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rebuilt {
    Same,
    Different,
    /// Nobody has rebuilt it on this machine.
    Unknown,
    /// There is no artifact.
    None,
}

#[derive(Debug, PartialEq, Serialize)]
pub struct Records {
    /// Keys of the records that builds of this workspace have left.
    pub keys: BTreeSet<String>,
    /// Whether it has functions that run after a build.
    pub post_process: bool,
    pub fingerprint: bool,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Duplicate {
    pub kind: String,
    pub name: String,
    pub packages: Vec<String>,
}

impl Package {
    pub(super) fn order(&self) -> (&str, &str, &BTreeSet<String>, &PathBuf) {
        (&self.name, &self.version, &self.features, &self.manifest_path)
    }

    /// Takes over who uses the other, if that is all in which they differ.
    pub(super) fn absorb(&mut self, other: &mut Package) -> bool {
        let users = std::mem::replace(&mut other.used_by, self.used_by.clone());
        if self != other {
            other.used_by = users;
            return false;
        }
        self.used_by.extend(users);
        true
    }
}
