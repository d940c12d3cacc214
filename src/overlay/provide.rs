//! Artifacts for the macros of a graph: from the store, or packed now and then stored.

use super::config::{self, Layout};
use super::directory::{self, Content, Entry};
use super::{first_lines, relocate, Choice, Outcome, Treated};
use crate::artifact;
use crate::embed;
use crate::error::{Class, Error, Result};
use crate::graph::{Graph, Needed, Package, PackageIdx, Request};
use crate::pack::resolve::{self, Package as Found};
use crate::pack::stage::{self, hash_of};
use crate::pack::{self, toolchain, Features, PackOptions, Report};
use crate::policy::{self, Policy};
use crate::store::{self, Key, Store};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What the decisions depend on.
pub(crate) struct Context<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) choice: &'a Choice,
    pub(crate) store: &'a Store,
    pub(crate) request: &'a Request,
    pub(crate) report: &'a dyn Report,
    /// What the workspace permits of precompiled macros.
    pub(crate) policy: Option<Policy>,
    /// The overlay that is there, if it is one of links.
    pub(crate) place: Option<&'a Path>,
}

/// A macro package with what was decided.
#[derive(Clone, Debug)]
pub(crate) struct Provided {
    pub(crate) features: BTreeSet<String>,
    pub(crate) outcome: Outcome,
    /// The artifact that takes its place.
    pub(crate) key: Option<Key>,
}

impl Provided {
    pub(crate) fn shown(&self, graph: &Graph, package: PackageIdx) -> Treated {
        let Package { name, version, .. } = &graph.packages[package];
        Treated {
            name: name.clone(),
            version: version.clone(),
            features: self.features.clone(),
            outcome: self.outcome.clone(),
        }
    }
}

/// Decides on every macro that the build needs. What is built from source brings its dependencies,
/// and so perhaps further macros.
pub(crate) fn provide(context: &Context) -> Result<BTreeMap<PackageIdx, Provided>> {
    let decided = decide(context)?;
    if decided.values().any(|provided| provided.outcome == Outcome::Packed) {
        context.store.clean(store::limit(None)?)?;
    }
    Ok(decided)
}

fn decide(context: &Context) -> Result<BTreeMap<PackageIdx, Provided>> {
    let mut decided: BTreeMap<PackageIdx, Provided> = BTreeMap::new();
    // Asked for once, and only if there is a macro to look for.
    let mut toolchain: Option<Result<String>> = None;
    loop {
        let is_source = |package: &PackageIdx| {
            decided
                .get(package)
                .is_some_and(|provided| matches!(provided.outcome, Outcome::Source(_)))
        };
        let needed: Needed = context.graph.needed(|package| !is_source(&package));
        let is_open = |(package, features): &(&PackageIdx, &BTreeSet<String>)| {
            decided.get(*package).is_none_or(|provided| provided.features != **features)
        };
        let open: Vec<_> = needed.iter().filter(is_open).collect();
        if open.is_empty() {
            decided.retain(|package, _| needed.contains_key(package));
            return Ok(decided);
        }
        let mut found = Vec::new();
        for (package, features) in open {
            let provided = one(context, *package, features, &mut toolchain)?;
            found.push((*package, permitted(context, provided)?));
        }
        decided.extend(found);
    }
}

/// An artifact that the workspace's policy does not permit is not used.
fn permitted(context: &Context, provided: Provided) -> Result<Provided> {
    let (Some(policy), Some(key)) = (&context.policy, &provided.key) else { return Ok(provided) };
    let manifest = artifact::read(&stored(context.store, key)?)?.manifest;
    let problems = policy::problems(policy, &key.name, &manifest);
    if problems.is_empty() {
        return Ok(provided);
    }
    let reason = format!("by the policy: {}", problems.join("; "));
    Ok(Provided { outcome: Outcome::Source(reason), key: None, ..provided })
}

/// The macros whose artifacts can open files.
pub(crate) fn readers(
    graph: &Graph,
    provided: &BTreeMap<PackageIdx, Provided>,
    store: &Store,
    place: &Path,
) -> Result<BTreeSet<PackageIdx>> {
    let mut readers = BTreeSet::new();
    for (package, provided) in provided {
        let Some(key) = &provided.key else { continue };
        let opens_files = match written(&graph.packages[*package], key, place) {
            Some(known) => known,
            None => embed::opens_files(&artifact::read(&stored(store, key)?)?)?,
        };
        if opens_files {
            readers.insert(*package);
        }
    }
    Ok(readers)
}

/// Whether the macro can open files, by the shim that was written into `place` from this artifact.
/// None if there is no such shim.
fn written(package: &Package, key: &Key, place: &Path) -> Option<bool> {
    let layout = Layout::Sources(place);
    let folder = match &package.source {
        Some(source) => layout.folder(config::without_revision(source)),
        None => layout.overrides(),
    };
    let found = directory::origin(&folder.join(package.shim_name(key)))?;
    [false, true].into_iter().find(|opens_files| found == origin(key, *opens_files))
}

/// What a shim's entry says of where it is from.
fn origin(key: &Key, opens_files: bool) -> String {
    format!("{}{}", key.id(), if opens_files { ", opens files" } else { "" })
}

/// An artifact that was found in the store, or put there.
pub(crate) fn stored(store: &Store, key: &Key) -> Result<Vec<u8>> {
    let gone = || Error::new(Class::Other, format!("{} left the store", key.label()));
    store.get(key).ok_or_else(gone)
}

fn one(
    context: &Context,
    at: PackageIdx,
    features: &BTreeSet<String>,
    toolchain: &mut Option<Result<String>>,
) -> Result<Provided> {
    let package = &context.graph.packages[at];
    let done = |outcome, key| Ok(Provided { features: features.clone(), outcome, key });
    if package.is_shim {
        return done(Outcome::Shim, None);
    }
    if let Some(reason) = refusal(context, at) {
        return done(Outcome::Source(reason), None);
    }
    let directory = &context.request.directory;
    let toolchain =
        toolchain.get_or_insert_with(|| toolchain::identity(directory, context.store.cache()));
    let found = match package.source.is_none().then(|| found(context, package)) {
        // Cargo may well build what cannot be packed.
        Some(Err(error)) if error.class() == Class::Package => {
            return done(Outcome::Source(first_lines(&error)), None);
        }
        found => found.transpose()?,
    };
    let provided = with(context, at, features, toolchain, found.as_ref())?;
    let is_source = |provided: &Provided| matches!(provided.outcome, Outcome::Source(_));
    if !is_source(&provided) {
        return Ok(provided);
    }
    // It may count on what others enable, without which cargo never compiles it.
    let whole = context.graph.whole(at, features);
    if whole == *features {
        return Ok(provided);
    }
    let second = with(context, at, &whole, toolchain, found.as_ref())?;
    match is_source(&second) {
        true => Ok(provided),
        false => Ok(Provided { features: features.clone(), ..second }),
    }
}

/// The artifact with these features, if it is or can be packed.
fn with(
    context: &Context,
    at: PackageIdx,
    features: &BTreeSet<String>,
    toolchain: &Result<String>,
    found: Option<&Found>,
) -> Result<Provided> {
    let package = &context.graph.packages[at];
    let done = |outcome, key| Ok(Provided { features: features.clone(), outcome, key });
    let key = Key {
        name: package.name.clone(),
        version: package.version.clone(),
        checksum: checksum(context, at, found)?,
        features: features.clone(),
        precast: env!("CARGO_PKG_VERSION").to_owned(),
        recipe: pack::artifact_recipe().to_owned(),
        toolchain: toolchain.as_ref().map_or_else(|_| String::new(), String::clone),
    };
    // A shim that is there was checked when it was written; the policy wants to read the artifact.
    let is_written = || {
        let place = context.place.filter(|_| context.policy.is_none());
        place.is_some_and(|place| written(package, &key, place).is_some())
    };
    if is_written() && context.store.has(&key) || context.store.get(&key).is_some() {
        return done(Outcome::Stored, Some(key));
    }
    // Without a wasm toolchain, what another machine packed is as good.
    if let Err(error) = toolchain {
        return match context.store.get_from_any_toolchain(&key) {
            Some((key, _)) => done(Outcome::Stored, Some(key)),
            None => Err(again(error).context(format!("cannot pack {}", package.label()))),
        };
    }
    let _lock = context.store.lock(&key, context.report)?;
    if context.store.get(&key).is_some() {
        return done(Outcome::Stored, Some(key));
    }
    if let Some(reason) = context.store.refusal(&key) {
        return done(Outcome::Source(reason), None);
    }
    match packed(context, package, features, found) {
        Ok(bytes) => {
            context.store.put(&key, &bytes)?;
            done(Outcome::Packed, Some(key))
        }
        Err(error) if error.class() == Class::Package => {
            let reason = first_lines(&error);
            context.store.refuse(&key, &reason)?;
            done(Outcome::Source(reason), None)
        }
        Err(error) => Err(error.context(format!("cannot pack {}", package.label()))),
    }
}

/// An error once more, which was kept.
fn again(error: &Error) -> Error {
    let copy = Error::new(error.class(), error.to_string());
    match error.help_text() {
        Some(help) => copy.help(help),
        None => copy,
    }
}

/// Why the package is left as it is, though it could be packed.
fn refusal(context: &Context, at: PackageIdx) -> Option<String> {
    let graph = context.graph;
    let package = &graph.packages[at];
    if let Some(reason) = context.choice.refusal(&package.name) {
        return Some(reason.to_owned());
    }
    if context.policy.as_ref().is_some_and(|policy| policy.refusal(&package.name).is_some()) {
        return Some("the policy does not permit to precompile it".to_owned());
    }
    if package.source.is_some() {
        return None;
    }
    if context.request.is_lasting {
        return Some("cargo alone could not pack it again when its files change".to_owned());
    }
    if graph.is_root(at) {
        return Some("it is one of the packages that are built".to_owned());
    }
    // Cargo overrides packages in directories by name alone.
    let same = |other: &Package| other.name == package.name && other.version != package.version;
    graph.packages.iter().any(same).then(|| "another package has its name".to_owned())
}

fn found(context: &Context, package: &Package) -> Result<Found> {
    resolve::of_graph(
        &package.name,
        &package.version,
        package.checksum.as_deref(),
        &package.directory,
        &context.graph.lockfile,
        &context.request.directory,
    )
}

/// What stands for the package's sources: the registry's checksum, the repository's revision, or a
/// hash of its files and of the packages in directories that it uses.
fn checksum(context: &Context, at: PackageIdx, found: Option<&Found>) -> Result<String> {
    let package = &context.graph.packages[at];
    if let Some(checksum) = &package.checksum {
        return Ok(checksum.clone());
    }
    if let Some(source) = &package.source {
        return Ok(hash_of(&[source]));
    }
    let mut parts: Vec<Vec<u8>> = Vec::new();
    let mut add = |files: &stage::Files| {
        for (path, body) in files {
            parts.extend([path.as_bytes().to_vec(), body.clone()]);
        }
    };
    found.into_iter().for_each(|found| add(&found.files));
    for below in context.graph.below(at) {
        let package = &context.graph.packages[below];
        if package.source.is_none() && below != at {
            add(&stage::read(&package.directory)?);
        }
    }
    Ok(hash_of(&parts))
}

fn packed(
    context: &Context,
    package: &Package,
    features: &BTreeSet<String>,
    known: Option<&Found>,
) -> Result<Vec<u8>> {
    let found = match known {
        Some(found) => Cow::Borrowed(found),
        None => Cow::Owned(found(context, package)?),
    };
    // A macro that includes what its build script writes can mean something else with each compiler.
    if artifact::includes_out_dir(&found.files) {
        let message = "its build script writes code for the compiler that is used";
        return Err(Error::new(Class::Package, message));
    }
    let features = features.iter().cloned().collect();
    let options = PackOptions {
        features: Features { names: features, no_default: true, ..Features::default() },
        offline: context.request.is_offline(),
        ..PackOptions::default()
    };
    Ok(pack::artifact(&found, &options, context.store.cache(), context.report)?.bytes)
}

/// The shim as an entry of a directory source.
pub(crate) fn entry(package: &Package, key: &Key, store: &Store, opens_files: bool) -> Entry {
    let (store, key, package) = (store.clone(), key.clone(), package.clone());
    Entry {
        name: package.shim_name(&key),
        checksum: package.checksum.clone(),
        origin: Some(origin(&key, opens_files)),
        is_hashed: false,
        content: Box::new(move || {
            let gone = || {
                let message = format!("{} is no longer in the store", key.label());
                Error::new(Class::Other, message).help("run the command again")
            };
            let artifact = artifact::read(&store.get(&key).ok_or_else(gone)?)?;
            let mut files = embed::embed(&artifact)?;
            if package.checksum.is_none() {
                let manifest = files.get_mut("Cargo.toml").expect("every shim has a manifest");
                let text = String::from_utf8_lossy(manifest).into_owned();
                *manifest = relocate::shim(&text, &package.directory)?.into_bytes();
            }
            Ok(Content::Files(files))
        }),
    }
}
