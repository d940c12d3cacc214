//! The user's cache: everything in it can be made again, and everything in it is checked before it
//! is used.

use super::stage::hash_of;
use super::Report;
use crate::error::{Class, Context, Error, Result};
use fs4::FileExt;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Overrides the place of the cache.
pub const VARIABLE: &str = "PRECAST_CACHE_DIR";

/// File in a finished entry that lists the others.
const LISTING: &str = ".precast-entry.json";

/// Sizes and hashes of an entry's files by path.
type Listing = BTreeMap<String, (u64, String)>;

#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

/// Holds an entry for this process; released when dropped.
pub struct Lock(#[allow(dead_code)] File);

impl Cache {
    pub fn open(root: Option<&Path>) -> Result<Cache> {
        let root = match root {
            Some(root) => std::path::absolute(root).at("find", root)?,
            None => default_root()?,
        };
        std::fs::create_dir_all(&root).at("create", &root)?;
        let root = root.canonicalize().at("find", &root)?;
        if root.to_str().is_none() {
            let error = Error::new(Class::Usage, format!("{} is not UTF-8", root.display()));
            return Err(error.help(format!("set {VARIABLE} to another directory")));
        }
        Ok(Cache { root })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Waits until no other process works on the entry.
    pub fn lock(&self, kind: &str, key: &str, report: &dyn Report) -> Result<Lock> {
        let folder = self.root.join(kind);
        std::fs::create_dir_all(&folder).at("create", &folder)?;
        let path = folder.join(format!("{key}.lock"));
        let file = File::create(&path).at("create", &path)?;
        if FileExt::try_lock(&file).is_err() {
            report.step("waiting for another precast that uses the cache");
            FileExt::lock(&file).at("lock", &path)?;
        }
        Ok(Lock(file))
    }

    /// Where an entry lies, whether it exists or not.
    pub fn path(&self, kind: &str, key: &str) -> PathBuf {
        self.root.join(kind).join(key)
    }

    /// A finished, undamaged entry. A damaged one is removed.
    pub fn get(&self, kind: &str, key: &str) -> Result<Option<PathBuf>> {
        let path = self.path(kind, key);
        if !path.exists() {
            return Ok(None);
        }
        if intact(&path) {
            return Ok(Some(path));
        }
        std::fs::remove_dir_all(&path).at("remove the damaged cache entry", &path)?;
        Ok(None)
    }

    /// Makes an entry: `fill` writes into an empty directory, which then becomes the entry.
    pub fn put(
        &self,
        kind: &str,
        key: &str,
        fill: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let scratch = crate::scratch::Scratch::beside(&self.path(kind, key))?;
        let filled = scratch.path().join("entry");
        std::fs::create_dir_all(&filled).at("create", &filled)?;
        fill(&filled)?;
        let listing = serde_json::to_vec(&list(&filled)?).expect("a map of texts is valid JSON");
        let file = filled.join(LISTING);
        std::fs::write(&file, listing).at("write", &file)?;
        let path = self.path(kind, key);
        if path.exists() {
            std::fs::remove_dir_all(&path).at("remove", &path)?;
        }
        std::fs::rename(&filled, &path).at("create", &path)?;
        Ok(path)
    }
}

fn default_root() -> Result<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let base = if let Some(root) = variable(VARIABLE) {
        return std::path::absolute(&root).at("find", &root);
    } else if cfg!(windows) {
        variable("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        variable("HOME").map(|home| home.join("Library/Caches"))
    } else {
        variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")))
    };
    base.map(|base| base.join("precast")).ok_or_else(|| {
        let error = Error::new(Class::Usage, "the user has no cache directory");
        error.help(format!("set {VARIABLE} to a directory"))
    })
}

fn intact(entry: &Path) -> bool {
    let Ok(text) = std::fs::read(entry.join(LISTING)) else { return false };
    let Ok(listing) = serde_json::from_slice::<Listing>(&text) else { return false };
    list(entry).is_ok_and(|now| now == listing)
}

fn list(entry: &Path) -> Result<Listing> {
    let mut listing = Listing::new();
    for (path, body) in super::stage::read(entry)? {
        if path != LISTING {
            listing.insert(path, (body.len() as u64, hash_of(&[body])));
        }
    }
    Ok(listing)
}
