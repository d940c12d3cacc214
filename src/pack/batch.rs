//! The macro packages of a project, with the versions of its `Cargo.lock` and the features that cargo
//! unified.

use super::{Features, Packed, PackOptions, Report};
use crate::error::Result;
use crate::store::Cache;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use serde::{Deserialize, Serialize};

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
    /// Exactly those that cargo enabled.
    pub features: BTreeSet<String>,
}

/// A macro package with everything that is linked into it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    pub package: Locked,
    /// Normal dependencies, also of dependencies.
    pub dependencies: Vec<Locked>,
    /// Macros that these and the package use.
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

/// Where the packages are used.
pub struct Project<'a> {
    /// Where cargo looks for its configuration.
    pub directory: &'a Path,
    /// The text of its `Cargo.lock`.
    pub lockfile: &'a str,
    pub offline: bool,
}

/// Packs them in their order; one that fails does not fail the others.
pub fn pack_wanted(
    wanted: &[Wanted],
    project: &Project,
    cache: &Cache,
    report: &dyn Report,
) -> Result<Vec<Result<Packed>>> {
    Ok(wanted.iter().map(|wanted| {
        let package = &wanted.package;
        let found = super::resolve::of_graph(
            &package.name,
            &package.version,
            package.checksum.as_deref(),
            &package.directory,
            project.lockfile,
            project.directory,
        )?;
        let options = PackOptions {
            features: Features {
                names: package.features.iter().cloned().collect(),
                no_default: true,
                ..Features::default()
            },
            offline: project.offline,
            ..PackOptions::default()
        };
        super::artifact(&found, &options, cache, report)
    }).collect())
}
