//! Options of packing, and its results.

use super::source::resolve::Package;
use crate::artifact::manifest::{self, Capabilities, Manifest};
use crate::artifact::Artifact;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;

/// What to pack, and how.
#[derive(Clone, Debug, Default)]
pub struct PackOptions {
    /// Package directories, or `name[@version]` of the registry.
    pub specs: Vec<String>,
    /// Where `NAME-VERSION.precast` and `NAME-VERSION/` are written.
    pub out: PathBuf,
    /// Features of the packages.
    pub features: Features,
    /// More feature sets, each compiled to a module of its own in the same artifact.
    pub sets: Vec<Features>,
    /// What the macros may read beside what every macro may.
    pub grants: Capabilities,
    /// Rust source with uses of the macros: the code that they run comes first in the module.
    pub profile: Vec<String>,
    /// Use only what cargo has downloaded before.
    pub offline: bool,
    /// The cache's directory; none is the user's own, or `PRECAST_CACHE_DIR`.
    pub cache: Option<PathBuf>,
}

/// Which features of the package to enable, as cargo's options say it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Features {
    /// `--features`.
    pub names: Vec<String>,
    /// `--no-default-features`.
    pub no_default: bool,
    /// `--all-features`.
    pub all: bool,
    /// Packages, as `name@version`, that are compiled with debug assertions; cargo knows no such option.
    pub asserted: Vec<String>,
}

/// A package that was packed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// The artifact's file.
    pub artifact: PathBuf,
    /// The shim crate's directory.
    pub shim: PathBuf,
    /// What the artifact says of itself.
    pub manifest: Manifest,
    /// SHA-256 of the artifact's file.
    pub sha256: String,
    /// Size of the artifact's file.
    pub artifact_bytes: usize,
    /// Size of its module.
    pub wasm_bytes: usize,
    /// Size of the compressed image, which consumers embed.
    pub image_bytes: usize,
    /// The module came from the cache.
    pub cached: bool,
    /// No lock file chose the versions of its dependencies: they are the newest.
    pub is_newest: bool,
    /// How long it took.
    pub time: Duration,
    /// What the author should know.
    pub notes: Vec<String>,
}

impl Features {
    /// Those that are meant for one of the packages: a name like `NAME/FEATURE` is for that one,
    /// unless it is for a dependency, and any other name for all.
    pub(crate) fn of(&self, package: &Package, all: &[Package]) -> Features {
        let meant = |name: &String| match name.split_once('/') {
            Some((to, feature)) if to == package.name => Some(feature.to_owned()),
            Some((to, _)) if all.iter().any(|other| other.name == to) => None,
            _ => Some(name.clone()),
        };
        Features { names: self.names.iter().filter_map(meant).collect(), ..self.clone() }
    }

    /// The same with debug assertions, where that is another module.
    pub(crate) fn with_assertions(&self, asserted: Vec<String>) -> Option<Features> {
        let differs = self.asserted.is_empty() && !asserted.is_empty();
        differs.then(|| Features { asserted, ..self.clone() })
    }

    /// Those that a manifest records; whether debug assertions were on is the other part.
    pub(crate) fn recorded(features: &[String]) -> (Features, bool) {
        let (names, with_assertions) = manifest::parts_of(features);
        let names = names.into_iter().map(str::to_owned).collect();
        (Features { names, no_default: true, ..Features::default() }, with_assertions)
    }
}

/// An artifact in memory, and its file's bytes.
#[derive(Debug)]
#[non_exhaustive]
pub struct Packed {
    /// The artifact.
    pub artifact: Artifact,
    /// Its file.
    pub bytes: Vec<u8>,
    /// Its modules came from the cache.
    pub cached: bool,
    /// What the author should know.
    pub notes: Vec<String>,
}
