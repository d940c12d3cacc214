//! What an overlay or a vendor folder consists of: an entry for each package of the lock file.

use super::config::{self, Layout, Override};
use super::directory::{Content, Entry};
use super::provide::{self, Provided};
use super::relocate;
use crate::error::{Class, Error, Result};
use crate::graph::{Graph, Package, PackageIdx, Request};
use crate::pack::stage;
use crate::store::Store;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Links, in this place, for who builds here; copies for who wants to keep and move the folder.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form<'a> {
    Links(&'a Path),
    Copies,
}

pub struct Plan {
    sources: BTreeMap<String, Vec<Entry>>,
    overrides: Vec<Override>,
}

impl Plan {
    pub fn of(
        graph: &Graph,
        provided: &BTreeMap<PackageIdx, Provided>,
        store: &Store,
        form: Form,
    ) -> Result<Plan> {
        let mut plan = Plan { sources: BTreeMap::new(), overrides: Vec::new() };
        // Copies are true files anyway.
        let readers = match form {
            Form::Links(place) => provide::readers(graph, provided, store, place)?,
            Form::Copies => BTreeSet::new(),
        };
        let is_read =
            |at: PackageIdx| !readers.is_empty() && !graph.below(at).is_disjoint(&readers);
        for (at, package) in graph.packages.iter().enumerate() {
            let shim = provided.get(&at).and_then(|provided| provided.key.as_ref());
            let entry = match shim {
                Some(key) => provide::entry(package, key, store, readers.contains(&at)),
                None => original(package, form, is_read(at)),
            };
            if let Some(source) = &package.source {
                let source = config::without_revision(source).to_owned();
                plan.sources.entry(source).or_default().push(entry);
            } else if shim.is_some() {
                let is_named = !package.is_member && !package.is_patch;
                let directory = is_named.then(|| package.directory.clone());
                plan.overrides.push(Override { entry, name: package.name.clone(), directory });
            }
        }
        Ok(plan)
    }

    pub fn config(&self, layout: Layout, request: &Request) -> String {
        let names = config::names(&request.directory, self.sources.keys());
        config::write(layout, self.sources.keys(), &names, &self.overrides)
    }

    /// The entries of each folder.
    pub fn folders(&self, layout: Layout) -> Result<BTreeMap<PathBuf, Vec<&Entry>>> {
        let mut folders: BTreeMap<PathBuf, Vec<&Entry>> = BTreeMap::new();
        for (source, entries) in &self.sources {
            folders.entry(layout.folder(source)).or_default().extend(entries);
        }
        let overrides = self.overrides.iter().map(|found| &found.entry);
        folders.entry(layout.overrides()).or_default().extend(overrides);
        for entries in folders.values() {
            let mut names = BTreeSet::new();
            if let Some(twice) = entries.iter().find(|entry| !names.insert(&entry.name)) {
                let message = format!("two sources have a package {}", twice.name);
                return Err(Error::new(Class::Usage, message)
                    .help("one folder cannot hold both, as with `cargo vendor`"));
            }
        }
        Ok(folders)
    }
}

/// The package as cargo has it. With `is_read`, macros may open files of it.
fn original(package: &Package, form: Form, is_read: bool) -> Entry {
    let is_git = package.is_git();
    let is_copied = form == Form::Copies;
    let directory = package.directory.clone();
    let content = move || {
        let manifest = if is_git { relocate::manifest(&directory)? } else { None };
        if is_copied {
            return Ok(Content::Files(files(&directory, manifest, is_git)?));
        }
        Ok(Content::Links { directory: directory.clone(), manifest, is_deep: is_read })
    };
    Entry {
        name: format!("{}-{}", package.name, package.version),
        checksum: package.checksum.clone(),
        origin: (!is_copied).then(|| {
            let links = if is_read { "files of " } else { "" };
            format!("{links}{}", package.directory.display())
        }),
        is_hashed: is_copied,
        content: Box::new(content),
    }
}

fn files(directory: &Path, manifest: Option<String>, is_git: bool) -> Result<stage::Files> {
    let mut files = match is_git {
        true => stage::read(directory)?,
        false => stage::read_published(directory)?,
    };
    files.retain(|path, _| path != ".cargo-ok" && path != ".cargo-checksum.json");
    if let Some(manifest) = manifest {
        files.insert("Cargo.toml".into(), manifest.into_bytes());
    }
    Ok(files)
}
