//! A package with one set of features, as it is staged: what gives one module.

use crate::artifact::manifest::Source;
use crate::base::error::{Class, Context, Error, Result};
use crate::cache::key::all_edited;
use crate::cache::{Locked, Wanted};
use crate::pack::compile::build::Built;
use crate::pack::options::{Features, PackOptions};
use crate::pack::recipe::module_key;
use crate::pack::source::dependency::Dependency;
use crate::pack::source::exact;
use crate::pack::source::lock::{Id, Lock};
use crate::pack::source::resolve::{self, Package};
use crate::pack::source::stage;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use toml_edit::{Array, DocumentMut, Item, TableLike, Value};

/// The project that the packages are compiled for.
#[derive(Clone, Copy, Debug)]
pub struct Project<'a> {
    /// Where cargo's configuration is looked for.
    pub directory: &'a Path,
    /// The text of its `Cargo.lock`.
    pub lockfile: &'a str,
    pub offline: bool,
}

/// A package to pack, with all that decides what it becomes.
pub(crate) struct Request {
    pub(crate) package: Package,
    /// Its versions; what it does not use may stand there as well.
    pub(crate) lock: Lock,
    /// What a project links into it; none where cargo's own choice of features is wanted.
    pub(crate) linked: Option<Vec<Locked>>,
    /// Of what it uses: packages with other files than their checksums stand for. Cargo would take the one for the
    /// other.
    pub(crate) edited: BTreeMap<String, String>,
    /// Features, sets, grants and profile.
    pub(crate) options: PackOptions,
}

impl Request {
    pub(super) fn of(wanted: &Wanted, project: &Project, lock: &Lock) -> Result<Request> {
        let Locked { name, version, source, checksum, directory, features } = &wanted.package;
        let known = lock.find(name, version, source.as_deref());
        let checksum = checksum.as_deref().or_else(|| lock.checksum(known?));
        let package = resolve::of_graph(
            name,
            version,
            checksum,
            directory,
            project.lockfile,
            project.directory,
        )?;
        let names = features.iter().cloned().collect();
        let features = Features { names, no_default: true, ..Features::default() };
        Ok(Request {
            package,
            lock: lock.clone(),
            linked: Some(wanted.dependencies.clone()),
            edited: all_edited(wanted.dependencies.iter().chain(&wanted.macros))?,
            options: PackOptions { features, ..PackOptions::default() },
        })
    }

    /// Where a package of a registry is from, if a project says it.
    fn source(&self) -> Option<&str> {
        let own = self.lock.ids().find(|id| {
            id.name == self.package.name
                && id.version == self.package.version
                && id.registry().is_some()
        });
        own?.source.as_deref()
    }
}

/// A package with one set of features: what gives one module.
pub(crate) struct Task<'a> {
    pub(super) package: &'a Package,
    pub(crate) features: Features,
    pub(super) profile: &'a [String],
    /// The manifest to stage.
    pub(super) manifest: String,
    /// `[patch]` of its workspace.
    pub(super) patch: Option<Item>,
    /// What is enabled: `default` or not, and by name.
    pub(super) enabled: (bool, Vec<String>),
    /// The versions of this package alone.
    pub(crate) lock: Lock,
    /// By id, what a project links into it.
    pub(super) linked: Option<BTreeMap<Id, &'a Locked>>,
    pub(super) edited: &'a BTreeMap<String, String>,
    pub(super) library: String,
}

impl<'a> Task<'a> {
    pub(crate) fn new(request: &'a Request, features: &Features) -> Result<Task<'a>> {
        let Request { package, lock, options, .. } = request;
        let source = match package.source {
            Source::Registry { .. } => request.source(),
            Source::Path { .. } | Source::Module { .. } => None,
        };
        let root = lock.find(&package.name, &package.version, source).ok_or_else(|| {
            let label = label(package);
            Error::new(Class::Usage, format!("the lock file does not name {label}"))
        })?;
        let linked: Option<BTreeMap<Id, &Locked>> = request.linked.as_ref().map(|linked| {
            let id = |one: &Locked| {
                let found = lock.find(&one.name, &one.version, one.source.as_deref()).cloned();
                found.unwrap_or(Id {
                    name: one.name.clone(),
                    version: one.version.clone(),
                    source: one.source.clone(),
                })
            };
            linked.iter().map(|one| (id(one), one)).collect()
        });
        let directory = |id: &Id| Some(linked.as_ref()?.get(id)?.directory.clone());
        let staged = stage::manifest(&package.manifest)?;
        let (staged, direct) = exact::exact(&staged, root, lock, &directory)?;
        let mut document: DocumentMut =
            staged.parse().class(Class::Package, "cannot read Cargo.toml")?;
        document.remove("workspace");
        let patch = document.remove("patch");
        let names = features.names.iter().flat_map(|names| names.split([',', ' ']));
        let mut names: Vec<String> =
            names.filter(|name| !name.is_empty()).map(str::to_owned).collect();
        if features.all {
            names.extend(all_features(&document));
        }
        // Features of dependencies, which nobody can enable from outside.
        names.retain(|name| !enable_inside(&mut document, name));
        exact::only(&mut document, !features.no_default, &names);
        let library = document.get("lib").and_then(|lib| lib.get("name")?.as_str());
        let library = library.unwrap_or(&package.name).replace('-', "_");
        let enabled = (!features.no_default, names);
        Ok(Task {
            package,
            features: features.clone(),
            profile: &options.profile,
            manifest: document.to_string(),
            patch,
            enabled,
            lock: lock.alone(root, &direct),
            linked,
            edited: &request.edited,
            library,
        })
    }

    pub(super) fn id(&self) -> Id {
        Id { name: self.package.name.clone(), version: self.package.version.clone(), source: None }
    }

    /// Something that it is made of lies in a directory, and may change.
    pub(super) fn has_paths(&self) -> bool {
        let own = self.id();
        self.lock.ids().any(|id| id.source.is_none() && *id != own)
    }

    pub(super) fn key(&self, build_key: &str) -> String {
        let linked = self.linked.iter().flatten();
        let linked: Vec<String> = linked
            .map(|(id, locked)| format!("{id:?} {:?} {:?}", locked.checksum, locked.features))
            .chain(self.edited.iter().map(|(label, hash)| format!("{label} {hash}")))
            .collect();
        let parts = [self.manifest.clone(), self.lock.text(), format!("{:?}", self.enabled)];
        let asserted = format!("{:?}", self.features);
        let parts: Vec<&str> = parts.iter().chain(&linked).map(String::as_str).collect();
        module_key(self.package, &[&parts[..], &[build_key, &asserted]].concat(), self.profile)
    }

    /// The packages among the compiled ones that are linked into this one, or none if they are not
    /// those that the project has: what another member of the workspace enabled may be among them.
    fn linked_of(
        &self,
        compiled: &BTreeSet<Dependency>,
        is_alone: bool,
    ) -> Option<BTreeSet<Dependency>> {
        let Some(wanted) = &self.linked else { return Some(compiled.clone()) };
        let known = |dependency: &&Dependency| self.lock.ids().any(|id| dependency.is(id));
        let found = compiled.iter().filter(known);
        if is_alone {
            return Some(found.cloned().collect());
        }
        let mut linked = BTreeSet::new();
        for dependency in found {
            let locked = wanted.iter().find(|(id, _)| dependency.is(id)).map(|(_, locked)| locked);
            // Cargo enabled more for wasm, or needs a package for wasm alone: for whom is not said.
            if !locked.is_some_and(|locked| dependency.features.iter().eq(&locked.features)) {
                return None;
            }
            linked.insert(dependency.clone());
        }
        Some(linked)
    }
}

impl Task<'_> {
    /// What of a build is this package's own: the packages linked into it, and what was heard of them and of
    /// the macros and build scripts that it uses. None if the packages are not those of the project.
    pub(super) fn own(&self, built: Built, is_alone: bool) -> Option<Built> {
        let linked = self.linked_of(&built.linked, is_alone)?;
        let mut heard = built.heard;
        heard.retain(|heard| heard.is_of(&self.id(), &linked, &self.lock));
        Some(Built { linked, heard, ..built })
    }
}

pub(super) fn label(package: &Package) -> String {
    format!("{} {}", package.name, package.version)
}

/// Every feature, those included that optional dependencies make.
fn all_features(document: &DocumentMut) -> Vec<String> {
    let features = document.get("features").and_then(Item::as_table_like);
    let features: Vec<(&str, &Item)> =
        features.into_iter().flat_map(|table| table.iter()).collect();
    let mut names: Vec<String> = features.iter().map(|(name, _)| (*name).to_owned()).collect();
    let lists = features.iter().filter_map(|(_, item)| item.as_array()).flatten();
    let texts: Vec<&str> = lists.filter_map(Value::as_str).collect();
    for (key, item) in dependencies(document) {
        let is_optional = item.get("optional").and_then(Item::as_bool) == Some(true);
        let is_hidden = texts.contains(&format!("dep:{key}").as_str());
        if is_optional && !is_hidden && !names.iter().any(|name| name == key) {
            names.push(key.to_owned());
        }
    }
    names
}

fn dependencies(document: &DocumentMut) -> Vec<(&str, &Item)> {
    let targets = document.get("target").and_then(Item::as_table_like);
    let targets = targets.into_iter().flat_map(|table| table.iter().map(|(_, item)| item));
    let tables = [document.as_item()].into_iter().chain(targets);
    let list = tables.filter_map(|table| table.get("dependencies")?.as_table_like());
    list.flat_map(|table| table.iter()).collect()
}

/// Enables `DEPENDENCY/FEATURE` where the dependency is named. False for any other feature.
fn enable_inside(document: &mut DocumentMut, name: &str) -> bool {
    let Some((key, feature)) = name.split_once('/') else { return false };
    let enable = |table: &mut dyn TableLike| {
        let item = table.get_mut("dependencies").and_then(|item| item.get_mut(key));
        let Some(item) = item.and_then(Item::as_table_like_mut) else { return };
        item.remove("optional");
        let list = item.entry("features").or_insert(Item::Value(Value::Array(Array::new())));
        if let Some(list) = list.as_array_mut() {
            list.push(feature);
        }
    };
    enable(document.as_table_mut());
    if let Some(targets) = document.get_mut("target").and_then(Item::as_table_like_mut) {
        for (_, target) in targets.iter_mut() {
            target.as_table_like_mut().into_iter().for_each(enable);
        }
    }
    true
}
