//! What a vendor folder consists of: an entry for each package of the lock file.

use super::config;
use super::directory::Entry;
use super::relocate;
use crate::artifact::{self, Tree};
use crate::base::error::{Class, Error, Result};
use crate::base::files::{self, DIRECTORY_SOURCE};
use crate::cache::{Key, Store};
use crate::embed;
use crate::project::provide::{stored, Provided};
use crate::project::{Graph, Package, PackageIdx, Request};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

pub struct Plan<'a> {
    sources: BTreeSet<String>,
    pub entries: Vec<Entry<'a>>,
}

impl<'a> Plan<'a> {
    pub fn of(
        graph: &'a Graph,
        provided: &'a BTreeMap<PackageIdx, Provided>,
        store: &'a Store,
    ) -> Result<Plan<'a>> {
        let mut plan = Plan { sources: BTreeSet::new(), entries: Vec::new() };
        let mut names = BTreeSet::new();
        for (at, package) in graph.packages.iter().enumerate() {
            let Some(source) = &package.source else { continue };
            plan.sources.insert(config::without_revision(source).to_owned());
            let shim = provided.get(&at).and_then(|provided| provided.key.as_ref());
            let name = match shim {
                Some(key) => package.shim_name(key),
                None => format!("{}-{}", package.name, package.version),
            };
            if !names.insert(name.clone()) {
                let message = format!("two sources have a package {name}");
                return Err(Error::new(Class::Usage, message)
                    .help("one folder cannot hold both, as with `cargo vendor`"));
            }
            plan.entries.push(Entry {
                name,
                checksum: package.checksum.clone(),
                content: match shim {
                    Some(key) => Box::new(move || embedded(package, key, store)),
                    None => Box::new(move || original(package)),
                },
            });
        }
        Ok(plan)
    }

    /// The configuration for cargo to use the folder.
    pub fn config(&self, folder: &Path, request: &Request) -> String {
        let names = config::names(&request.directory, self.sources.iter());
        config::write(folder, self.sources.iter(), &names)
    }
}

impl Package {
    /// A directory's name for a shim of this package: another shim has another name, by which
    /// cargo knows that it must be built again.
    fn shim_name(&self, key: &Key) -> String {
        let suffix = files::hash_of(&[key.id().as_str(), embed::recipe()]);
        format!("{}-{}-{}", self.name, self.version, &suffix[..8])
    }
}

/// The package as cargo has it.
fn original(package: &Package) -> Result<Tree> {
    let directory = &package.directory;
    let manifest = if package.is_git() { relocate::manifest(directory)? } else { None };
    let mut files = match package.is_git() {
        true => files::read(directory)?,
        false => files::read_published(directory)?,
    };
    files.retain(|path, _| path != ".cargo-ok" && path != DIRECTORY_SOURCE);
    if let Some(manifest) = manifest {
        files.insert("Cargo.toml".into(), manifest.into_bytes());
    }
    Ok(files)
}

fn embedded(package: &Package, key: &Key, store: &Store) -> Result<Tree> {
    let artifact = artifact::read(&stored(store, key)?)?;
    let mut files = embed::embed(&artifact)?;
    if package.checksum.is_none() {
        let manifest = files.get_mut("Cargo.toml").expect("every shim has a manifest");
        let text = String::from_utf8_lossy(manifest).into_owned();
        *manifest = relocate::shim(&text, &package.directory)?.into_bytes();
    }
    Ok(files)
}
