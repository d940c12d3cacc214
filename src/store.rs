//! The user's store: artifacts by what they were made of, shared by all projects, and the cache
//! that packing keeps its work in.
//!
//! Any number of processes use it at once. An entry is written in a temporary place and renamed; a
//! reader checks its hashes and takes damage for absence. Everything can be made again.

mod archive;
pub mod cache;
mod clean;
mod key;

use crate::artifact;
use crate::error::{Class, Context, Error, Result};
use crate::manifest::Source;
use crate::overlay::compiled;
use crate::pack::Report;
use cache::{Cache, Lock};
use std::path::Path;
use std::time::{Duration, SystemTime};

pub use archive::Carried;
pub use clean::{limit, Cleaned, LIMIT_VARIABLE};
pub use key::Key;

const ARTIFACT: &str = "artifact";
const REFUSED: &str = "refused";
const KEY_FILE: &str = "key.json";
const REASON_FILE: &str = "reason.txt";

/// A package that could not be packed is tried again after this time.
const REFUSED_FOR: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Clone, Debug)]
pub struct Store {
    cache: Cache,
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
        Ok(Store { cache: Cache::open(root)? })
    }

    pub fn directory(&self) -> &Path {
        self.cache.root()
    }

    pub(crate) fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The bytes of an artifact.
    pub fn get(&self, key: &Key) -> Option<Vec<u8>> {
        let (found, bytes) = self.entry(&key.id())?;
        (found == *key).then_some(bytes)
    }

    /// Whether the artifact is there, undamaged or not. It counts as used.
    pub fn has(&self, key: &Key) -> bool {
        self.cache.has(ARTIFACT, &key.id())
    }

    /// The same as [`Store::get`], whatever toolchain it was packed with; the one used last.
    pub fn get_from_any_toolchain(&self, key: &Key) -> Option<(Key, Vec<u8>)> {
        let mut items = self.list();
        items.sort_by_key(|item| std::cmp::Reverse(item.used));
        let same = |item: &Item| item.key.clone().filter(|found| found.is_alike(key));
        items.iter().filter_map(same).find_map(|found| Some((found.clone(), self.get(&found)?)))
    }

    pub fn put(&self, key: &Key, artifact: &[u8]) -> Result<()> {
        let name = format!("{}-{}.precast", key.name, key.version);
        self.cache.put(ARTIFACT, &key.id(), |entry| {
            let file = entry.join(KEY_FILE);
            std::fs::write(&file, key.write()).at("write", &file)?;
            std::fs::write(entry.join(&name), artifact).at("write", &entry.join(&name))
        })?;
        Ok(())
    }

    /// Waits until nobody else makes this artifact.
    pub fn lock(&self, key: &Key, report: &dyn Report) -> Result<Lock> {
        self.cache.lock(ARTIFACT, &key.id(), report)
    }

    /// Why packing failed lately, so that not every build tries again.
    pub fn refusal(&self, key: &Key) -> Option<String> {
        let entry = self.cache.path(REFUSED, &key.id());
        let since = entry.join(REASON_FILE).metadata().ok()?.modified().ok()?;
        let is_recent = since.elapsed().is_ok_and(|age| age < REFUSED_FOR);
        let files = self.cache.read(REFUSED, &key.id()).filter(|_| is_recent)?;
        String::from_utf8(files.get(REASON_FILE)?.clone()).ok()
    }

    pub fn refuse(&self, key: &Key, reason: &str) -> Result<()> {
        self.cache.put(REFUSED, &key.id(), |entry| {
            let file = entry.join(REASON_FILE);
            std::fs::write(&file, reason).at("write", &file)
        })?;
        Ok(())
    }

    /// All artifacts, by name and version.
    pub fn list(&self) -> Vec<Item> {
        let entries = self.cache.entries(ARTIFACT).into_iter();
        let item = |entry: cache::Entry| {
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
        let (key, bytes) = self.entry(&item.id).ok_or_else(damaged)?;
        check(&key, &bytes)
    }

    /// How many shims are kept compiled, whatever for.
    pub fn n_compiled(&self) -> usize {
        self.cache.keys(compiled::KIND).len()
    }

    /// Removes an artifact, as when it is damaged.
    pub fn remove(&self, item: &Item) -> Result<()> {
        self.cache.remove(ARTIFACT, &item.id)
    }

    fn entry(&self, id: &str) -> Option<(Key, Vec<u8>)> {
        let mut files = self.cache.read(ARTIFACT, id)?;
        let key = Key::read(&files.remove(KEY_FILE)?).ok()?;
        (key.id() == id && files.len() == 1).then_some((key, files.into_values().next()?))
    }
}

/// Whether the artifact is undamaged and the one that the key tells of.
fn check(key: &Key, bytes: &[u8]) -> Result<()> {
    let manifest = artifact::read(bytes)?.manifest;
    let package = &manifest.package;
    let checksum = match &package.source {
        Source::Registry { checksum } => checksum == &key.checksum,
        Source::Path { .. } => true,
    };
    let same = package.name == key.name && package.version == key.version && checksum;
    if same && manifest.features.iter().eq(&key.features) {
        return Ok(());
    }
    Err(Error::new(Class::Verify, format!("the artifact is not that of {}", key.label())))
}
