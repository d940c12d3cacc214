//! Fetches from shared stores what the build of a project misses, in one round.

use super::{Graph, Request};
use crate::artifact;
use crate::base::error::{Class, Error, Result};
use crate::base::report::Report;
use crate::base::scratch::{self, Scratch};
use crate::cache::entry;
use crate::cache::remote::{Asked, Fetched, Pushed};
use crate::cache::sign::Private;
use crate::cache::similar::Permits;
use crate::cache::{Environment, Key, Store, Wanted};
use crate::pack::Variables;
use crate::policy::{self, Policy};
use crate::verify;
use semver::{Version, VersionReq};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use toml_edit::{DocumentMut, Item};

/// Brings into the user's store what shared ones have of these, each signed by as many trusted keys as its package
/// needs. What is there and no longer trusted is removed. With `offline`, nobody is asked.
pub(crate) fn fetch(
    wanted: &[Wanted],
    offline: bool,
    signatures: &dyn Fn(&str) -> usize,
    variables: &Variables,
    store: &Store,
) -> Result<Fetched> {
    let value = |name: &str| variables.value(name);
    let takes_similar = store.takes_similar();
    let requirements: Vec<Requirements> = wanted.iter().map(Requirements::of).collect();
    let permits: Vec<_> = requirements.iter().map(|known| known.permits()).collect();
    let mut asked = Vec::new();
    for (wanted, permits) in wanted.iter().zip(&permits) {
        let key = Key::of(wanted)?;
        let signatures = signatures(&key.name);
        let similar = takes_similar.then_some(permits as &Permits);
        if !store.keeps(&store.find(key.clone(), &value).id(), signatures) {
            asked.push(Asked { key, signatures, value: &value, similar });
        }
    }
    Ok(if offline { Fetched::default() } else { store.fetch(&asked) })
}

/// What a package's manifest asks of the versions of its dependencies.
pub(super) struct Requirements(BTreeMap<String, Vec<VersionReq>>);

impl Requirements {
    /// Those of the manifest as cargo has it; none if it cannot be read.
    pub(super) fn of(wanted: &Wanted) -> Requirements {
        let text = std::fs::read_to_string(wanted.package.directory.join("Cargo.toml"));
        let manifest = text.ok().and_then(|text| text.parse::<DocumentMut>().ok());
        let mut found = BTreeMap::new();
        if let Some(manifest) = manifest {
            let targets = manifest.get("target").and_then(|item| item.as_table_like());
            let targets = targets.into_iter().flat_map(|table| table.iter());
            let tables = targets.map(|(_, item)| item).chain([manifest.as_item()]);
            for dependencies in tables.filter_map(|item| item.get("dependencies")?.as_table_like())
            {
                for (name, item) in dependencies.iter() {
                    add_requirement(&mut found, name, item);
                }
            }
        }
        Requirements(found)
    }

    /// Whether a dependency may have this version. Of those that only other packages name, cargo's own rule is enough,
    /// which is asked before.
    pub(super) fn permits(&self) -> impl Fn(&str, &Version) -> bool + '_ {
        |name, version| match self.0.get(name) {
            Some(requirements) => requirements.iter().any(|known| known.matches(version)),
            None => true,
        }
    }
}

fn add_requirement(found: &mut BTreeMap<String, Vec<VersionReq>>, name: &str, item: &Item) {
    let text = |key: &str| item.get(key).and_then(|value| value.as_str());
    let version = item.as_str().or_else(|| text("version")).unwrap_or("*");
    let requirement = VersionReq::parse(version).unwrap_or_default();
    found.entry(text("package").unwrap_or(name).to_owned()).or_default().push(requirement);
}

/// The macro packages of a workspace.
pub struct Macros {
    wanted: Vec<Wanted>,
    policy: Option<Policy>,
    variables: Variables,
}

impl Macros {
    /// All that commands in a directory need: a plain build, and one of all members with their tests.
    pub fn of(directory: &Path, store: &Store) -> Result<Macros> {
        let (mut wanted, mut policy) = (BTreeSet::new(), None);
        for request in [Request::of("build", &[], directory), Request::workspace(&[], directory)] {
            let graph = Graph::load(&request, store.cache())?;
            policy = policy::of(&graph.policed())?.map(|(policy, _)| policy);
            for at in graph.needed(|_| true).macros {
                let package = &graph.packages[graph.units[at].package];
                if package.source.is_some() && !package.is_shim {
                    wanted.insert(graph.wanted(at));
                }
            }
        }
        let wanted = wanted.into_iter().collect();
        Ok(Macros { wanted, policy, variables: Variables::of(directory) })
    }

    /// What the store has of them, and the names of what it has not.
    pub fn held(&self, store: &Store) -> Result<(Vec<Key>, Vec<String>)> {
        let (mut held, mut missing) = (Vec::new(), Vec::new());
        for wanted in &self.wanted {
            let key = store.find(Key::of(wanted)?, &|name| self.variables.value(name));
            match store.has(&key) {
                true => held.push(key),
                false => missing.push(key.label()),
            }
        }
        Ok((held, missing))
    }

    /// Takes over what shared stores have of them, as far as the workspace's policy permits.
    pub fn pull(&self, store: &Store) -> Result<Fetched> {
        let policy = self.policy.as_ref();
        let signatures = |name: &str| policy.map_or(1, |policy| policy.signatures(name));
        fetch(&self.wanted, false, &signatures, &self.variables, store)
    }
}

/// Takes over all that shared stores have of these packages, whatever for.
pub fn pull(names: &[String], store: &Store) -> Result<Fetched> {
    let remotes = store.required_remotes()?;
    let mut keys = BTreeSet::new();
    for shared in remotes.list()?.iter().filter(|shared| names.contains(&shared.name)) {
        keys.extend(remotes.key_of(shared)?);
    }
    for name in names {
        if !keys.iter().any(|key| key.name == *name) {
            let error = Error::new(Class::Usage, format!("no shared store has {name}"));
            return Err(error.help("`cargo precast store list --remote` shows what they have"));
        }
    }
    let mut fetched = Fetched::default();
    for key in keys.iter().filter(|key| !store.keeps(&key.id(), 1)) {
        let value = |name: &str| key.environment.get(name).cloned().flatten();
        let asked = key.with(Environment::new());
        let more =
            store.fetch(&[Asked { key: asked, signatures: 1, value: &value, similar: None }]);
        fetched.ids.extend(more.ids);
        fetched.note = fetched.note.or(more.note);
    }
    Ok(fetched)
}

/// Builds an artifact of a shared store again and, if that gives the same module, signs it as well.
pub fn attest(
    key: &Key,
    signer: &Private,
    offline: bool,
    store: &Store,
    report: &dyn Report,
) -> Result<Pushed> {
    let remotes = store.required_remotes()?;
    let (artifact, lean) = remotes.whole(key)?.ok_or_else(|| {
        let message = format!("no shared store has {}", key.label());
        Error::new(Class::Usage, message).help("push it first")
    })?;
    entry::check(key, &artifact.manifest)?;
    let scratch = Scratch::new()?;
    let file = scratch.path().join(format!("{}.precast", key.label().replace(' ', "-")));
    scratch::replace(&file, &artifact::write(&artifact)?)?;
    let options = verify::Options { rebuild: true, offline, ..Default::default() };
    let verdicts = verify::all(&file, options, report)?;
    let mut checks = verdicts.iter().flat_map(|verdict| &verdict.checks);
    if let Some(difference) = checks.find_map(|check| check.differences.first()) {
        let message = format!("{} was not signed: {difference}", key.label());
        return Err(Error::new(Class::Verify, message));
    }
    remotes.attest(key, &lean, signer)
}
