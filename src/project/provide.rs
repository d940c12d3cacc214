//! Artifacts for all macro packages of a workspace, whichever of its commands is run: from the store,
//! or packed now.

use super::authors::merged;
use super::graph::{Graph, Package, PackageIdx};
use super::outcome::{Outcome, Treated};
use super::packing::{self, tidy};
use super::{shared, Choice, Request};
use crate::artifact;
use crate::base::error::Result;
use crate::base::report::Report;
use crate::cache::{Key, Store};
use crate::cache::{Locked, Wanted};
use crate::pack::compile::batch::Project;
use crate::pack::Variables;
use crate::policy;
use std::collections::{BTreeMap, BTreeSet};

/// A macro package with what was decided.
#[derive(Clone, Debug)]
pub struct Provided {
    pub treated: Treated,
    /// The artifact that takes its place.
    pub key: Option<Key>,
}

/// Decides on every macro that the build needs; on those in directories only with `members`. What is
/// built from source brings its dependencies, and so perhaps further macros.
pub fn provide(
    graph: &Graph,
    request: &Request,
    (choice, members): (&Choice, bool),
    store: &Store,
    report: &dyn Report,
) -> Result<BTreeMap<PackageIdx, Provided>> {
    // Shims that the workspace has already are judged as they are.
    policy::require(&graph.policed(), report)?;
    let choice = choice.with(graph)?;
    let policy = policy::of(&graph.policed())?.map(|(policy, _)| policy);
    let mut decided: BTreeMap<PackageIdx, Provided> = BTreeMap::new();
    let mut n_packed = 0;
    loop {
        let is_source = |at: PackageIdx| {
            let outcome = decided.get(&at).map(|provided| &provided.treated.outcome);
            matches!(outcome, Some(Outcome::Source(_)))
        };
        let macros = graph.needed(|at| !is_source(graph.units[at].package)).macros;
        let needed: BTreeSet<PackageIdx> =
            macros.iter().map(|at| graph.units[*at].package).collect();
        let open: Vec<PackageIdx> =
            needed.iter().copied().filter(|at| !decided.contains_key(at)).collect();
        if open.is_empty() {
            decided.retain(|package, _| needed.contains(package));
            break;
        }
        let mut missing: Vec<(PackageIdx, Wanted)> = Vec::new();
        for at in open {
            let package = &graph.packages[at];
            let wanted = merged(graph, at);
            match unpacked(package, &choice, policy.as_ref(), members) {
                Some(outcome) => {
                    let treated = treated(&wanted, outcome);
                    decided.insert(at, Provided { treated, key: None });
                }
                None => missing.push((at, wanted)),
            }
        }
        let wanted: Vec<Wanted> = missing.iter().map(|(_, wanted)| wanted.clone()).collect();
        let project = Project {
            directory: &request.directory,
            lockfile: &graph.lockfile,
            offline: request.is_offline(),
        };
        let signatures = |name: &str| policy.as_ref().map_or(1, |policy| policy.signatures(name));
        let variables = Variables::of(project.directory);
        let fetched = shared::fetch(&wanted, project.offline, &signatures, &variables, store)?;
        fetched.note.iter().for_each(|note| report.step(note));
        let done = packing::pack(&wanted, &project, store, report)?.into_iter();
        let done: BTreeMap<Key, (Key, Outcome)> =
            done.map(|done| (done.asked, (done.key, done.outcome))).collect();
        for (at, wanted) in missing {
            let (key, outcome) = done[&Key::of(&wanted)?].clone();
            n_packed += usize::from(outcome == Outcome::Packed);
            let provided = match outcome {
                Outcome::Source(_) => Provided { treated: treated(&wanted, outcome), key: None },
                _ => permitted(policy.as_ref(), &wanted, key, outcome, store)?,
            };
            decided.insert(at, provided);
        }
    }
    if n_packed > 0 {
        tidy(store)?;
    }
    Ok(decided)
}

/// What is done with a package that is not to be packed; none if it is.
fn unpacked(
    package: &Package,
    choice: &Choice,
    policy: Option<&policy::Policy>,
    members: bool,
) -> Option<Outcome> {
    let refusal = choice.refusal(&package.name).or_else(|| {
        let denied = policy.is_some_and(|policy| policy.refusal(&package.name).is_some());
        denied.then_some("the policy does not permit to precompile it")
    });
    match refusal {
        _ if package.is_shim => Some(Outcome::Shim),
        Some(reason) => Some(Outcome::Source(reason.to_owned())),
        None if package.source.is_none() && !members => {
            Some(Outcome::Source("it is in a directory".into()))
        }
        None => None,
    }
}

/// An artifact that the workspace's policy does not permit is not used.
fn permitted(
    policy: Option<&policy::Policy>,
    wanted: &Wanted,
    key: Key,
    outcome: Outcome,
    store: &Store,
) -> Result<Provided> {
    let problems = match policy {
        Some(policy) => {
            policy::problems(policy, &key.name, &artifact::read(&stored(store, &key)?)?.manifest)
        }
        None => Vec::new(),
    };
    if problems.is_empty() {
        return Ok(Provided { treated: treated(wanted, outcome), key: Some(key) });
    }
    let reason = format!("by the policy: {}", problems.join("; "));
    Ok(Provided { treated: treated(wanted, Outcome::Source(reason)), key: None })
}

fn treated(wanted: &Wanted, outcome: Outcome) -> Treated {
    let Locked { name, version, features, .. } = &wanted.package;
    Treated { name: name.clone(), version: version.clone(), features: features.clone(), outcome }
}

/// An artifact that was found in the store, or put there.
pub fn stored(store: &Store, key: &Key) -> Result<Vec<u8>> {
    store.whole(key)
}
