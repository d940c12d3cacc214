//! Macro packages of a build that have work to do when it is over: those with the library `precast-macro`.

use super::graph::{Graph, Kind, PackageIdx};
use crate::cache::{Locked, Wanted};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The library's name.
const LIBRARY: &str = "precast-macro";

/// A package whose macros may leave records.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Author {
    /// To be packed, if it is not in the store.
    Source(Box<Wanted>),
    /// It is a shim already, in this directory.
    Shim(PathBuf),
}

/// In the order of their names. All features that any unit of a package has are taken.
pub fn of(graph: &Graph) -> Vec<Author> {
    let macros = graph.needed(|_| false).macros;
    let packages: BTreeSet<PackageIdx> = macros.iter().map(|at| graph.units[*at].package).collect();
    let mut found: BTreeMap<(&str, &str, PackageIdx), Author> = BTreeMap::new();
    for index in packages {
        let package = &graph.packages[index];
        let key = (package.name.as_str(), package.version.as_str(), index);
        if package.is_shim {
            found.insert(key, Author::Shim(package.directory.clone()));
            continue;
        }
        let wanted = merged(graph, index);
        if wanted.dependencies.iter().any(|dependency| dependency.name == LIBRARY) {
            found.insert(key, Author::Source(Box::new(wanted)));
        }
    }
    found.into_values().collect()
}

/// One package for all units that are compiled of it, with the features of all.
pub(super) fn merged(graph: &Graph, package: PackageIdx) -> Wanted {
    let units = graph.units.iter().enumerate();
    let of_it = units.filter(|(_, unit)| unit.package == package && unit.kind == Kind::Macro);
    let all: BTreeSet<usize> = of_it.map(|(at, _)| at).collect();
    let mut all = all.into_iter().map(|at| graph.wanted(at));
    let mut merged = all.next().expect("a macro is needed in some unit");
    for other in all {
        merged.package.features.extend(other.package.features);
        merge(&mut merged.dependencies, other.dependencies);
        merge(&mut merged.macros, other.macros);
    }
    merged.sort();
    merged
}

fn merge(into: &mut Vec<Locked>, from: Vec<Locked>) {
    for package in from {
        let same = |known: &&mut Locked| known.directory == package.directory;
        match into.iter_mut().find(same) {
            Some(known) => known.features.extend(package.features),
            None => into.push(package),
        }
    }
}
