//! All macro packages of a workspace as one document for programs (docs/metadata.md).
//!
//! It says what a build would do now, and why, by the same decisions as a plan; nobody is asked for what this
//! machine's store has not, nothing is packed, and no macro runs.

mod document;
mod package;

use super::graph::{Graph, Kind};
use super::plan::{self, folders};
use super::{records, Missing, Options, Request};
use crate::base::error::Result;
use crate::cache::Store;
use crate::policy;
pub use document::{Duplicate, Metadata, VERSION};
use package::Reader;
use std::collections::{BTreeMap, BTreeSet};

/// Describes the workspace as a build with these options would find it.
pub fn of(request: &Request, options: &Options, store: &Store) -> Result<Metadata> {
    of_graph(&Graph::load(request, store.cache())?, request, options, store)
}

/// The same of a graph that was loaded before.
pub fn of_graph(
    graph: &Graph,
    request: &Request,
    options: &Options,
    store: &Store,
) -> Result<Metadata> {
    let missing = Missing::chosen(options.missing.as_deref(), &graph.settings)?;
    let decided = plan::survey(graph, request, options, store)?;
    let (policy, place) = policy::of(&graph.policed())?.unzip();
    let targets: Vec<_> = request.target_dir.iter().chain(&graph.targets).cloned().collect();
    let folders: Vec<_> = targets.iter().flat_map(|target| folders(target)).collect();
    let needed = graph.needed(|at| decided.get(&at).is_some_and(plan::Decision::is_ready)).units;
    let reader = Reader {
        graph,
        store,
        needed,
        missing,
        policy: policy.as_ref(),
        keys: records::keys(&folders),
    };
    let mut packages = Vec::new();
    for (at, unit) in graph.units.iter().enumerate() {
        if let (Kind::Macro, Some(decision)) = (unit.kind, decided.get(&at)) {
            packages.push(reader.package(at, decision)?);
        }
    }
    packages.sort_by(|a, b| a.order().cmp(&b.order()));
    // One package may have units that differ in nothing that is told of here.
    packages.dedup_by(|other, one| one.absorb(other));
    Ok(Metadata {
        version: VERSION,
        precast: env!("CARGO_PKG_VERSION").to_owned(),
        workspace_root: graph.root.clone(),
        target_directories: targets,
        missing,
        policy: place,
        duplicates: duplicates(&packages),
        packages,
    })
}

/// Macros of one kind and name that several packages have. Two versions of one package are no such thing.
fn duplicates(packages: &[document::Package]) -> Vec<Duplicate> {
    let mut named: BTreeMap<(String, &str), BTreeSet<&str>> = BTreeMap::new();
    for package in packages {
        for item in &package.macros {
            let kind = serde_json::to_string(&item.kind).unwrap_or_default();
            named.entry((kind, &item.name)).or_default().insert(&package.name);
        }
    }
    let several = named.into_iter().filter(|(_, packages)| packages.len() > 1);
    let duplicate = |((kind, name), packages): ((String, &str), BTreeSet<&str>)| Duplicate {
        kind: kind.trim_matches('"').to_owned(),
        name: name.to_owned(),
        packages: packages.into_iter().map(str::to_owned).collect(),
    };
    several.map(duplicate).collect()
}
