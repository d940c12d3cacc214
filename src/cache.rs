//! The user's store: artifacts by what they were made of, shared by all projects, and the cache
//! that packing keeps its work in.
//!
//! Any number of processes use it at once. An entry is written in a temporary place and renamed; a
//! reader checks its hashes and takes damage for absence. Everything can be made again.

mod archive;
mod clean;
pub mod entries;
pub(crate) mod entry;
#[cfg_attr(not(feature = "remote"), allow(dead_code))]
mod exchange;
pub(crate) mod expansions;
pub(crate) mod key;
pub mod kinds;
#[cfg_attr(not(feature = "remote"), allow(dead_code))]
pub(crate) mod lean;
pub(crate) mod program;
#[cfg(feature = "remote")]
pub mod remote;
pub mod settings;
mod shared;
#[cfg_attr(not(feature = "remote"), allow(dead_code))]
pub mod sign;
pub mod similar;
#[cfg(not(feature = "remote"))]
pub mod without_remote;

use crate::artifact::manifest::{Capabilities, Manifest};
use crate::artifact::Tree;
use crate::base::error::{Class, Error, Result};
use crate::base::files;
use crate::base::files::hash_of;
use crate::base::report::Report;
use crate::embed;
pub use entries::Cache;
use entries::Lock;
use entry::{About, Entry, Held, KEY_FILE};
use kinds::{ARTIFACT, READ, REFUSED, SHIM};
use remote::Remotes;
use serde_json::Value;
use settings::Settings;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;
#[cfg(not(feature = "remote"))]
pub use without_remote as remote;

pub use archive::Carried;
pub use clean::{limit, Cleaned, LIMIT_VARIABLE};
pub use key::{Environment, Key, Locked, Wanted};
pub use shared::Signed;

fn key_in(workspace: &Path, (name, version): (&str, &str), settings: &Value) -> String {
    let workspace = workspace.to_string_lossy();
    let grants = settings["grants"].to_string();
    format!("{name}-{version}-{}", &hash_of(&[&*workspace, &grants])[..32])
}

/// Names the shim of an artifact with what is granted to it.
fn shim_name(id: &str, about: &About, grants: &Capabilities) -> String {
    let grants = format!("{grants:?}");
    format!("{id}-{}", &hash_of(&[embed::recipe(), &about.manifest, &grants])[..16])
}

#[derive(Clone)]
pub struct Store {
    cache: Cache,
    /// Opened when they are asked for the first time.
    remotes: Arc<OnceLock<Option<Remotes>>>,
    settings: Arc<OnceLock<Settings>>,
}

/// A shim in the store, which nobody removes while it is used.
pub(crate) struct Shim {
    /// Stands for all that it was made of.
    pub(crate) id: String,
    pub(crate) folder: PathBuf,
    _used: Option<Lock>,
}

/// An artifact in the store.
#[derive(Clone, Debug)]
pub struct Item {
    pub id: String,
    /// None if the entry is damaged.
    pub key: Option<Key>,
    pub bytes: u64,
    pub used: SystemTime,
}

impl Store {
    /// The store in `root`, else in `PRECAST_CACHE_DIR`, else in the user's cache directory.
    pub fn open(root: Option<&Path>) -> Result<Store> {
        Ok(Store { cache: Cache::open(root)?, remotes: Arc::default(), settings: Arc::default() })
    }

    /// The same with these shared stores, whatever the user's settings are.
    pub fn open_with(root: Option<&Path>, settings: Settings) -> Result<Store> {
        let store = Store::open(root)?;
        // It was made just now.
        let _ = store.settings.set(settings.clone());
        let _ = store.remotes.set(Remotes::open(settings)?);
        Ok(store)
    }

    pub fn directory(&self) -> &Path {
        self.cache.root()
    }

    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The key of the artifact that holds where variables have these values: what a package reads is known
    /// from when it was packed before. If there is none, the key that stands for all.
    pub fn find(&self, key: Key, value: &dyn Fn(&str) -> Option<String>) -> Key {
        if self.has(&key) {
            return key;
        }
        let sets = self.read(&key).into_iter();
        let with = |names: BTreeSet<String>| {
            key.with(names.into_iter().map(|name| (name.clone(), value(&name))).collect())
        };
        sets.map(with).find(|key| self.has(key)).unwrap_or(key)
    }

    /// Variables that a package was seen to read, in each set of those that one compilation read.
    pub fn read(&self, key: &Key) -> BTreeSet<BTreeSet<String>> {
        let text = self.cache.kept(READ, &key.with(Environment::new()).id());
        text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
    }

    /// The bytes of a whole artifact.
    pub fn get(&self, key: &Key) -> Option<Vec<u8>> {
        match self.entry(&key.id())?.held {
            Held::Whole(bytes) => Some(bytes),
            Held::Lean(_) => None,
        }
    }

    /// The manifest of an artifact; an error if that is damaged.
    pub fn manifest(&self, key: &Key) -> Result<Manifest> {
        let damaged = || Error::new(Class::Verify, "it is damaged");
        Ok(self.entry(&key.id()).ok_or_else(damaged)?.artifact()?.manifest)
    }

    /// What is known of an entry without reading its artifact.
    pub(crate) fn about(&self, id: &str) -> Option<About> {
        let file = self.cache.path(ARTIFACT, id).join(entry::about_file());
        About::read(&std::fs::read(file).ok()?)
    }

    /// Whether the artifact is there, undamaged or not. It counts as used.
    pub fn has(&self, key: &Key) -> bool {
        self.cache.has(ARTIFACT, &key.id())
    }

    /// Keeps an artifact that was made on this machine, or that its user has vouched for.
    pub fn put(&self, key: &Key, artifact: &[u8]) -> Result<()> {
        self.put_files(key, &entry::whole(key, artifact, None))
    }

    fn put_files(&self, key: &Key, tree: &Tree) -> Result<()> {
        self.cache.put(ARTIFACT, &key.id(), |entry| {
            tree.iter().try_for_each(|(path, body)| files::put(&entry.join(path), body))
        })?;
        self.note_read(key, key.environment.keys().cloned().collect());
        Ok(())
    }

    /// The same by the entry's name.
    pub fn has_entry(&self, id: &str) -> bool {
        self.cache.has(ARTIFACT, id)
    }

    /// The artifact's file.
    pub fn file(&self, key: &Key) -> Option<PathBuf> {
        let file = self.cache.path(ARTIFACT, &key.id()).join(entry::file(key));
        file.is_file().then_some(file)
    }

    /// The shim of an artifact, with what the workspace grants to it. None if the artifact is not there, or damaged.
    pub(crate) fn shim(&self, key: &Key, grants: &Capabilities) -> Result<Option<Shim>> {
        let Some(about) = self.about(&key.id()) else { return Ok(None) };
        let name = shim_name(&key.id(), &about, grants);
        let silent = |_: &str| {};
        loop {
            // In a store that cannot be written, nobody removes or replaces it either.
            let used = self.cache.share(SHIM, &name, &silent).ok();
            if self.cache.has(SHIM, &name) {
                let folder = self.cache.path(SHIM, &name);
                return Ok(Some(Shim { id: name, folder, _used: used }));
            }
            drop(used);
            let _made = self.cache.lock(SHIM, &name, &silent)?;
            if self.cache.has(SHIM, &name) {
                continue;
            }
            let Some(artifact) = self.entry(&key.id()).and_then(|entry| entry.artifact().ok())
            else {
                // The next build packs it again.
                self.cache.remove(ARTIFACT, &key.id())?;
                return Ok(None);
            };
            let files = embed::embed_with(&artifact, grants)?;
            self.cache.put(SHIM, &name, |entry| {
                files.iter().try_for_each(|(path, body)| files::put(&entry.join(path), body))
            })?;
        }
    }

    /// The shim's name, which tells whether a compiled one is still that of this entry. None if the entry is gone.
    pub(crate) fn shim_name(&self, id: &str, grants: &Capabilities) -> Option<String> {
        Some(shim_name(id, &self.about(id)?, grants))
    }

    /// Waits until nobody else makes this artifact.
    pub fn lock(&self, key: &Key, report: &dyn Report) -> Result<Lock> {
        self.cache.lock(ARTIFACT, &key.id(), report)
    }

    /// Why an attempt to pack a package failed. What may be otherwise the next time is not kept.
    pub fn refusal(&self, attempt: &str) -> Option<String> {
        self.cache.kept(REFUSED, attempt)
    }

    pub fn refuse(&self, attempt: &str, reason: &str) {
        self.cache.keep(REFUSED, attempt, reason);
    }

    /// Why a package's macros cannot do their work in a workspace with these settings.
    pub(crate) fn refusal_in(
        &self,
        workspace: &Path,
        package: (&str, &str),
        settings: &Value,
    ) -> Option<String> {
        self.cache.kept(REFUSED, &key_in(workspace, package, settings))
    }

    pub(crate) fn refuse_in(
        &self,
        workspace: &Path,
        (name, version): (&str, &str),
        settings: &Value,
        reason: &str,
    ) {
        self.cache.keep(REFUSED, &key_in(workspace, (name, version), settings), reason);
    }

    /// All artifacts, by name and version.
    pub fn list(&self) -> Vec<Item> {
        let entries = self.cache.entries(ARTIFACT).into_iter();
        let item = |entry: entries::Entry| {
            let file = self.cache.path(ARTIFACT, &entry.key).join(KEY_FILE);
            let key = std::fs::read(file).ok().and_then(|text| Key::read(&text).ok());
            let key = key.filter(|key| key.id() == entry.key);
            Item { id: entry.key, key, bytes: entry.bytes, used: entry.used }
        };
        let mut items: Vec<Item> = entries.filter(|entry| !entry.is_scratch()).map(item).collect();
        items.sort_by(|a, b| (&a.key, &a.id).cmp(&(&b.key, &b.id)));
        items
    }

    /// Reads an artifact to the last byte. The error says what is wrong with it.
    pub fn check(&self, item: &Item) -> Result<()> {
        let damaged = || Error::new(Class::Verify, "the entry's files are not those written");
        let entry = self.entry(&item.id).ok_or_else(damaged)?;
        let key = entry.key.clone();
        entry::check(&key, &entry.artifact()?.manifest)
    }

    /// How many entries there are that builds add to.
    pub fn n_kept(&self) -> usize {
        kinds::OF_BUILDS.iter().map(|kind| self.cache.keys(kind).len()).sum()
    }

    /// Removes an artifact, as when it is damaged.
    pub fn remove(&self, item: &Item) -> Result<()> {
        self.cache.remove(ARTIFACT, &item.id)
    }

    pub(crate) fn entry(&self, id: &str) -> Option<Entry> {
        Entry::of(id, self.cache.read(ARTIFACT, id)?)
    }
}
