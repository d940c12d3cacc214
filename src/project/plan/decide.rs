//! Decides on each macro of a graph.

use super::kept::{identity, label, Options, Plan};
use crate::base::cargo;
use crate::base::error::Result;
use crate::base::files::DIRECTORY_SOURCE;
use crate::cache::key::edited;
use crate::cache::{program, Key, Store, Wanted};
use crate::pack::artifact_recipe;
use crate::pack::Variables;
use crate::policy::{self, Policy};
use crate::project::authors;
use crate::project::choice::Choice;
use crate::project::graph::{Graph, Kind, Needed, Package, Unit, UnitIdx};
use crate::project::missing::Missing;
use crate::project::outcome::{Outcome, Treated};
use crate::project::{shared, Request};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What is done with the macro of one unit.
#[derive(Clone, Debug)]
pub(in crate::project) enum Decision {
    /// It is a shim already.
    Shim,
    Stored(Key),
    /// Another key with other versions of dependencies, in the place of the first one.
    Similar(Key, Key),
    Missing(Box<Wanted>, Key),
    /// Compiled from source; the reason, if the user should know.
    Source(Option<String>),
}

impl Decision {
    /// A packed macro is there.
    pub(in crate::project) fn is_ready(&self) -> bool {
        matches!(self, Decision::Shim | Decision::Stored(_) | Decision::Similar(..))
    }
}

pub(in crate::project) type Decided = BTreeMap<UnitIdx, Decision>;

/// Decides on the macros of a graph.
pub(super) struct Decider<'a> {
    graph: &'a Graph,
    choice: Choice,
    policy: Option<Policy>,
    options: &'a Options,
    store: &'a Store,
    pub variables: Variables,
    /// Entries with other versions of dependencies will do as well.
    pub similar: Cell<bool>,
}

/// What a build would do now with the macro of each unit, as far as this machine's store goes. Nobody is asked,
/// nothing is packed.
pub(in crate::project) fn survey(
    graph: &Graph,
    request: &Request,
    options: &Options,
    store: &Store,
) -> Result<Decided> {
    let decider = Decider::new(graph, request, options, store)?;
    decider.similar.set(store.takes_similar());
    decider.all()
}

impl<'a> Decider<'a> {
    pub fn new(
        graph: &'a Graph,
        request: &Request,
        options: &'a Options,
        store: &'a Store,
    ) -> Result<Decider<'a>> {
        Ok(Decider {
            choice: options.choice.with(graph)?,
            policy: policy::of(&graph.policed())?.map(|(policy, _)| policy),
            graph,
            options,
            store,
            variables: Variables::of(&request.directory),
            similar: Cell::new(false),
        })
    }
}

impl Decider<'_> {
    pub fn all(&self) -> Result<Decided> {
        let units = self.graph.units.iter().enumerate();
        let macros = units.filter(|(_, unit)| unit.kind == Kind::Macro);
        macros.map(|(at, _)| Ok((at, self.one(at)?))).collect()
    }

    fn one(&self, at: UnitIdx) -> Result<Decision> {
        let package = &self.graph.packages[self.graph.units[at].package];
        if package.is_shim {
            return Ok(Decision::Shim);
        }
        if self.options.from_source {
            return Ok(Decision::Source(None));
        }
        if package.source.is_none() && !self.options.members {
            return Ok(Decision::Source(None));
        }
        if let Some(reason) = self.choice.refusal(&package.name) {
            return Ok(Decision::Source(Some(reason.to_owned())));
        }
        if self.policy.as_ref().is_some_and(|policy| policy.refusal(&package.name).is_some()) {
            let reason = "the policy does not permit to precompile it";
            return Ok(Decision::Source(Some(reason.to_owned())));
        }
        if let Some(reason) = self.refused_here(package) {
            return Ok(Decision::Source(Some(reason)));
        }
        let wanted = self.graph.wanted(at);
        let key = Key::of(&wanted)?;
        let key = self.store.find(key, &|name| self.variables.value(name));
        let signatures = self.signatures()(&key.name);
        if self.store.has(&key) && self.store.keeps(&key.id(), signatures) {
            return Ok(match self.problems(&key)? {
                problems if problems.is_empty() => Decision::Stored(key),
                problems => {
                    Decision::Source(Some(format!("by the policy: {}", problems.join("; "))))
                }
            });
        }
        if let Some(similar) = self.like(&wanted, &key)? {
            return Ok(Decision::Similar(key, similar));
        }
        if let Some(reason) = self.store.refusal(&key.attempt(artifact_recipe())) {
            return Ok(Decision::Source(Some(reason)));
        }
        Ok(Decision::Missing(Box::new(wanted), key))
    }

    /// The key of an entry with other versions of dependencies, if such a one may be used.
    fn like(&self, wanted: &Wanted, key: &Key) -> Result<Option<Key>> {
        if !self.similar.get() {
            return Ok(None);
        }
        let requirements = shared::Requirements::of(wanted);
        let value = |name: &str| self.variables.value(name);
        let Some(found) = self.store.similar(key, &requirements.permits(), &value) else {
            return Ok(None);
        };
        let is_kept = self.store.keeps(&found.id(), self.signatures()(&key.name));
        Ok((is_kept && self.problems(&found)?.is_empty()).then_some(found))
    }

    /// By how many trusted keys a package's artifact must be signed, if it comes from elsewhere.
    pub fn signatures(&self) -> impl Fn(&str) -> usize + '_ {
        |name| self.policy.as_ref().map_or(1, |policy| policy.signatures(name))
    }

    /// Why a build of this workspace has failed with the packed macro.
    fn refused_here(&self, package: &Package) -> Option<String> {
        let label = (package.name.as_str(), package.version.as_str());
        self.store.refusal_in(&self.graph.root, label, &self.graph.settings)
    }

    /// What the policy has against an artifact.
    fn problems(&self, key: &Key) -> Result<Vec<String>> {
        let Some(policy) = &self.policy else { return Ok(Vec::new()) };
        match self.store.manifest(key) {
            Ok(manifest) => Ok(policy::problems(policy, &key.name, &manifest)),
            Err(error) => Ok(vec![error.to_string()]),
        }
    }

    pub fn plan(
        &self,
        request: &Request,
        missing: Missing,
        decided: Decided,
        (packed, fetched): (&BTreeSet<String>, &BTreeSet<String>),
    ) -> Plan {
        let graph = self.graph;
        let needed = graph.needed(|at| decided.get(&at).is_some_and(Decision::is_ready));
        let labels = |units: &mut dyn Iterator<Item = &Unit>| -> BTreeSet<String> {
            units.map(|unit| self.label(unit)).collect()
        };
        let is_needed: BTreeSet<String> =
            labels(&mut needed.units.iter().map(|at| &graph.units[*at]));
        let all = labels(
            &mut graph
                .units
                .iter()
                .filter(|unit| unit.is_for_host && graph.packages[unit.package].source.is_some()),
        );
        let package = |package: &Package| {
            (package.directory.clone(), (package.source.clone(), package.checksum.clone()))
        };
        let denied = decided.keys().filter_map(|at| {
            let package = &graph.packages[graph.units[*at].package];
            let by_policy = self.policy.as_ref().and_then(|policy| policy.refusal(&package.name));
            let reason = by_policy.map(str::to_owned).or_else(|| self.refused_here(package))?;
            Some((package.name.clone(), reason))
        });
        let found = decided.values().filter_map(|decision| match decision {
            Decision::Stored(key) | Decision::Similar(_, key) => {
                Some((key.id(), self.signatures()(&key.name)))
            }
            _ => None,
        });
        let found: BTreeMap<String, usize> = found.collect();
        let keys = decided.values().filter_map(|decision| match decision {
            Decision::Stored(key) | Decision::Similar(_, key) | Decision::Missing(_, key) => {
                Some(key)
            }
            Decision::Shim | Decision::Source(_) => None,
        });
        let read = keys.flat_map(|key| self.store.read(key)).flatten();
        let environment = self.variables.values(read);
        Plan {
            root: graph.root.clone(),
            missing,
            macros: treated(graph, &needed, &decided, missing, (packed, fetched)),
            wanted: wanted(graph, &decided),
            options: Options { choice: self.choice.clone(), ..self.options.clone() },
            directory: request.directory.clone(),
            is_offline: request.is_offline(),
            lockfile: graph.lockfile.clone(),
            settings: graph.settings.clone(),
            places: graph
                .packages
                .iter()
                .map(|p| (identity(&p.name, &p.version, p.source.as_deref()), p.directory.clone()))
                .collect(),
            origins: graph.packages.iter().map(package).collect(),
            put_off: all.difference(&is_needed).cloned().collect(),
            needed: is_needed,
            denied: denied.collect(),
            permitted: self.policy.as_ref().map(|_| found.keys().cloned().collect()),
            found,
            similar: decided
                .values()
                .filter_map(|decision| match decision {
                    Decision::Similar(key, similar) => Some((key.id(), similar.clone())),
                    _ => None,
                })
                .collect(),
            signatures: self.policy.as_ref().map_or(1, Policy::most_signatures),
            note: None,
            environment,
            authors: authors::of(graph),
            targets: request.target_dir.iter().chain(&graph.targets).cloned().collect(),
            stamps: stamps(graph, &request.directory, self.store),
        }
    }

    fn label(&self, unit: &Unit) -> String {
        let package = &self.graph.packages[unit.package];
        let profile = (unit.profile.0.as_str(), unit.profile.1.as_str());
        label(&package.name, &package.version, &unit.features, profile)
    }
}

/// What no store has, of the macros that the build would use if it were there.
pub(super) fn wanted(graph: &Graph, decided: &Decided) -> Vec<Wanted> {
    let is_source = |at| matches!(decided.get(&at), Some(Decision::Source(_)) | None);
    let mut found: BTreeMap<String, Wanted> = BTreeMap::new();
    for at in graph.needed(|at| !is_source(at)).macros {
        if let Some(Decision::Missing(wanted, key)) = decided.get(&at) {
            found.insert(key.id(), (**wanted).clone());
        }
    }
    found.into_values().collect()
}

fn treated(
    graph: &Graph,
    needed: &Needed,
    decided: &Decided,
    missing: Missing,
    (packed, fetched): (&BTreeSet<String>, &BTreeSet<String>),
) -> Vec<Treated> {
    let mut macros = Vec::new();
    for at in &needed.macros {
        let unit = &graph.units[*at];
        let package = &graph.packages[unit.package];
        let outcome = match &decided[at] {
            Decision::Shim => Outcome::Shim,
            Decision::Stored(key) if packed.contains(&key.id()) => Outcome::Packed,
            Decision::Stored(key) if fetched.contains(&key.id()) => Outcome::Fetched,
            Decision::Stored(_) => Outcome::Stored,
            Decision::Similar(..) => Outcome::Similar,
            Decision::Missing(..) if missing == Missing::Later => Outcome::Later,
            Decision::Missing(..) => Outcome::Source("no store has it".into()),
            Decision::Source(Some(reason)) => Outcome::Source(reason.clone()),
            Decision::Source(None) => continue,
        };
        macros.push(Treated {
            name: package.name.clone(),
            version: package.version.clone(),
            features: unit.features.clone(),
            outcome,
        });
    }
    macros.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    macros.dedup();
    macros
}

/// The files that decide on the graph, as they are now.
fn stamps(graph: &Graph, directory: &Path, store: &Store) -> BTreeMap<PathBuf, Option<String>> {
    let mut files = graph.manifests.clone();
    files.extend(["Cargo.toml", "Cargo.lock", policy::FILE].map(|name| graph.root.join(name)));
    files.extend(cargo::configuration_places(directory));
    files.extend(store.trusting());
    for package in &graph.packages {
        // Of what cannot be read, cargo tells.
        let edited = edited(&package.directory, package.source.as_deref()).ok().flatten();
        let names = edited.into_iter().flatten().map(|(name, _)| name);
        let names = names.chain([DIRECTORY_SOURCE.to_owned()]);
        files.extend(names.map(|name| package.directory.join(name)));
    }
    files.into_iter().map(|file| (file.clone(), program::mark(&file))).collect()
}
