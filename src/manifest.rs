//! `manifest.json`: everything a consumer can know about an artifact without running it.
//!
//! The schema is written once, here; docs/artifact.md explains it. Maps are ordered, so that equal
//! manifests are equal bytes.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of this schema. A reader refuses any other.
pub const SCHEMA: u32 = 1;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub schema: u32,
    /// Version of precast that packed this.
    pub precast: String,
    pub package: Package,
    pub macros: Vec<Macro>,
    /// Features of the package that were enabled, sorted, `default` included where it was.
    pub features: Vec<String>,
    pub toolchain: Toolchain,
    pub capabilities: Capabilities,
    /// Version of the token ABI (docs/token-abi.md).
    pub abi: u32,
    /// Version of the image format (docs/image.md).
    pub image: u32,
    /// SHA-256 in lower-case hex of every other member of the artifact, by member name.
    pub sha256: BTreeMap<String, String>,
    /// Every package linked into the module.
    pub linked: Vec<Linked>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    pub name: String,
    pub version: String,
    /// Name of the library target: the crate name consumers write, e.g. `serde_derive`.
    pub crate_name: String,
    pub source: Source,
}

/// Where the packed sources come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Source {
    /// A package of the default registry; `checksum` is the SHA-256 of its `.crate` file.
    Registry { checksum: String },
    /// A directory; `checksum` is the SHA-256 of the artifact's source archive.
    Path { checksum: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Derive,
    Attribute,
    Bang,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Macro {
    pub kind: Kind,
    /// The name users write: `Serialize`, `main`, `paste`.
    pub name: String,
    /// The Rust function, and the module's export: `derive_serialize`.
    pub function: String,
    /// Helper attributes of a derive, in the order of its declaration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub helpers: Vec<String>,
    /// Outer attributes worth repeating on the shim's function, each as source text
    /// (`#[doc = " …"]`, `#[deprecated]`, `#[doc(hidden)]`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Toolchain {
    /// `1.96.0`
    pub rustc: String,
    /// Commit hash where the compiler tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// `wasm32-wasip1`
    pub target: String,
    /// The codegen flags in the order they are given.
    pub flags: Vec<String>,
}

/// What the macro may read. All else is refused at run time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Names of environment variables; a trailing `*` matches any ending.
    pub env: Vec<String>,
    /// Directories that may be read, `$NAME` standing for that environment variable.
    pub read: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Linked {
    pub name: String,
    pub version: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
}
