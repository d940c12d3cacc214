//! The user's cache: everything in it can be made again, and everything in it is checked before it
//! is used.

use crate::base::error::{Class, Context, Error, Result};
use crate::base::files;
use crate::base::files::{hash_of, Tree};
pub use crate::base::lock::Lock;
use crate::base::report::Report;
use crate::base::scratch::{self, Scratch};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Overrides the place of the cache.
pub const VARIABLE: &str = "PRECAST_CACHE_DIR";

/// File in a finished entry that lists the others.
const LISTING: &str = ".precast-entry.json";

const WAITING: &str = "waiting for another precast that uses the cache";

/// The file of an entry that is one text.
const TEXT: &str = "text";

/// Sizes and hashes of an entry's files by path.
type Listing = BTreeMap<String, (u64, String)>;

#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    pub fn open(root: Option<&Path>) -> Result<Cache> {
        let root = match root {
            Some(root) => std::path::absolute(root).at("find", root)?,
            None => default_root()?,
        };
        std::fs::create_dir_all(&root).map_err(|error| unwritable(&root, &error))?;
        let root = dunce::canonicalize(&root).at("find", &root)?;
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
        let (file, path) = self.lock_file(kind, key)?;
        let lock = Lock::alone(file, || report.step(WAITING)).at("lock", &path)?;
        touch(&path);
        Ok(lock)
    }

    /// Keeps the entry where it is, as others may at the same time; waits for who has its lock.
    pub fn share(&self, kind: &str, key: &str, report: &dyn Report) -> Result<Lock> {
        let (file, path) = self.lock_file(kind, key)?;
        let lock = Lock::shared(file, || report.step(WAITING)).at("lock", &path)?;
        touch(&path);
        Ok(lock)
    }

    fn lock_file(&self, kind: &str, key: &str) -> Result<(File, PathBuf)> {
        let folder = self.root.join(kind);
        std::fs::create_dir_all(&folder).map_err(|error| unwritable(&folder, &error))?;
        let path = folder.join(format!("{key}.lock"));
        Ok((File::create(&path).map_err(|error| unwritable(&path, &error))?, path))
    }

    /// The same if no other process has it now.
    pub fn try_lock(&self, kind: &str, key: &str) -> Option<Lock> {
        Lock::now(File::create(self.root.join(kind).join(format!("{key}.lock"))).ok()?)
    }

    /// Where an entry lies, whether it exists or not.
    pub fn path(&self, kind: &str, key: &str) -> PathBuf {
        self.root.join(kind).join(key)
    }

    /// A finished, undamaged entry. A damaged one is removed: only for who holds its lock.
    pub fn get(&self, kind: &str, key: &str) -> Result<Option<PathBuf>> {
        let path = self.path(kind, key);
        if !path.exists() {
            return Ok(None);
        }
        if intact(&path) {
            touch(&path.join(LISTING));
            return Ok(Some(path));
        }
        self.remove(kind, key)?;
        Ok(None)
    }

    /// The files of a finished, undamaged entry. Needs no lock: who replaces or removes the entry
    /// meanwhile makes it missing, never different.
    pub fn read(&self, kind: &str, key: &str) -> Option<Tree> {
        let path = self.path(kind, key);
        let mut files = files::read(&path).ok()?;
        let listing: Listing = serde_json::from_slice(&files.remove(LISTING)?).ok()?;
        if listing_of(&files) != listing {
            return None;
        }
        touch(&path.join(LISTING));
        Some(files)
    }

    /// Whether there is a finished entry, which counts as used. Its files are not read.
    pub fn has(&self, kind: &str, key: &str) -> bool {
        let listing = self.path(kind, key).join(LISTING);
        touch(&listing);
        listing.is_file()
    }

    /// A text that is kept under this key.
    pub fn kept(&self, kind: &str, key: &str) -> Option<String> {
        String::from_utf8(self.read(kind, key)?.remove(TEXT)?).ok()
    }

    /// Keeps a text that can be had again. Where the cache cannot be written, only time is lost.
    pub fn keep(&self, kind: &str, key: &str, text: &str) {
        let write = |entry: &Path| std::fs::write(entry.join(TEXT), text).at("write", entry);
        let _ = self.put(kind, key, write);
    }

    /// Removes an entry; nobody sees half of it.
    pub fn remove(&self, kind: &str, key: &str) -> Result<()> {
        let path = self.path(kind, key);
        scratch::remove(&path, &path, "remove the cache entry")
    }

    /// Makes an entry: `fill` writes into an empty directory, which then becomes the entry.
    pub fn put(
        &self,
        kind: &str,
        key: &str,
        fill: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let scratch = Scratch::beside(&self.path(kind, key))?;
        let filled = scratch.path().join("entry");
        std::fs::create_dir_all(&filled).at("create", &filled)?;
        fill(&filled)?;
        let listing = serde_json::to_vec(&list(&filled)?).expect("a map of texts is valid JSON");
        let file = filled.join(LISTING);
        std::fs::write(&file, listing).at("write", &file)?;
        let path = self.path(kind, key);
        // What is there is damaged, or made by somebody who was faster.
        self.remove(kind, key)?;
        match std::fs::rename(&filled, &path) {
            Err(error) if !intact(&path) => Err(error).at("create", &path),
            _ => Ok(path),
        }
    }

    /// Everything of one kind, also what nobody can use any more. Each file's size is asked for.
    pub fn entries(&self, kind: &str) -> Vec<Entry> {
        self.folders(kind).map(|folder| Entry::of(kind, &folder)).collect()
    }

    /// The keys of one kind's entries.
    pub fn keys(&self, kind: &str) -> Vec<String> {
        let names = self.folders(kind).filter_map(|folder| Some(folder.file_name()?.to_owned()));
        let names = names.map(|name| name.to_string_lossy().into_owned());
        names.filter(|key| !is_scratch(key)).collect()
    }

    fn folders(&self, kind: &str) -> impl Iterator<Item = PathBuf> {
        let found = std::fs::read_dir(self.root.join(kind)).into_iter().flatten().flatten();
        found.map(|entry| entry.path()).filter(|path| path.is_dir())
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> Error {
    let error = Error::new(Class::Other, format!("cannot create {}: {error}", path.display()));
    error.help(format!("the cache must be written: set {VARIABLE} to a directory where that works"))
}

/// A temporary directory, which its process removes unless it is killed.
fn is_scratch(key: &str) -> bool {
    key.starts_with(".precast-")
}

/// An entry, as far as its place tells.
#[derive(Clone, Debug)]
pub struct Entry {
    pub kind: String,
    pub key: String,
    pub bytes: u64,
    /// When it was last used.
    pub used: SystemTime,
}

impl Entry {
    fn of(kind: &str, path: &Path) -> Entry {
        let key = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // Directories that cargo builds in have no listing: they are used under their lock.
        let marks = [path.join(LISTING), path.with_file_name(format!("{key}.lock")), path.into()];
        let used = marks.iter().find_map(|mark| mark.metadata().ok()?.modified().ok());
        let used = used.unwrap_or(SystemTime::UNIX_EPOCH);
        Entry { kind: kind.to_owned(), bytes: bytes_below(path), key, used }
    }

    pub fn is_scratch(&self) -> bool {
        is_scratch(&self.key)
    }
}

fn bytes_below(path: &Path) -> u64 {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let bytes = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.map(bytes).sum()
}

/// Notes that the entry was used, where that can be written.
fn touch(file: &Path) {
    if let Ok(file) = File::options().append(true).open(file) {
        // A cache that cannot be written still answers.
        let _ = file.set_modified(SystemTime::now());
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
    let mut files = files::read(entry)?;
    files.remove(LISTING);
    Ok(listing_of(&files))
}

fn listing_of(files: &Tree) -> Listing {
    let item =
        |(path, body): (&String, &Vec<u8>)| (path.clone(), (body.len() as u64, hash_of(&[body])));
    files.iter().map(item).collect()
}
