//! Directory sources: a folder of packages, each with a `.cargo-checksum.json`.

use crate::artifact::{self, Tree};
use crate::error::{Context, Result};
use crate::scratch::{self, Scratch};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const CHECKSUM: &str = ".cargo-checksum.json";

/// Files that cargo puts beside a package's own.
const LEFT: [&str; 4] = [CHECKSUM, ".cargo-ok", ".git", "target"];

/// A package of a directory source.
pub struct Entry {
    /// The folder's name.
    pub name: String,
    /// What `Cargo.lock` says of the package; none for a git repository.
    pub checksum: Option<String>,
    /// What the entry is made from: another origin is another entry.
    pub origin: Option<String>,
    /// Cargo is to check each file, which must not be a link.
    pub is_hashed: bool,
    /// Makes the content, which is costly.
    pub content: Box<dyn Fn() -> Result<Content>>,
}

pub enum Content {
    /// Links to everything in a directory; the manifest, if there is one here, instead.
    Links {
        directory: PathBuf,
        manifest: Option<String>,
        /// Whether files are what the links are to, and not directories: a macro may read only what is
        /// truly in the package.
        is_deep: bool,
    },
    Files(Tree),
}

impl Entry {
    fn checksum_file(&self, hashes: &BTreeMap<String, String>) -> Vec<u8> {
        let mut value = json!({ "files": hashes, "package": self.checksum });
        if let Some(origin) = &self.origin {
            value["precast"] = origin.as_str().into();
        }
        value.to_string().into_bytes()
    }

    fn is_ready(&self, source: &Path) -> bool {
        let folder = source.join(&self.name);
        let recorded = std::fs::read(folder.join(CHECKSUM));
        // A link may point to what cargo has removed meanwhile.
        recorded.is_ok_and(|found| found == self.checksum_file(&BTreeMap::new()))
            && folder.join("Cargo.toml").is_file()
    }

    fn write(&self, source: &Path) -> Result<()> {
        let folder = source.join(&self.name);
        let scratch = Scratch::beside(source)?;
        let new = scratch.path().join("new");
        std::fs::create_dir_all(&new).at("create", &new)?;
        let mut hashes = BTreeMap::new();
        match (self.content)()? {
            Content::Links { directory, manifest, is_deep } => {
                link(&directory, &new, manifest.as_deref(), is_deep)?;
            }
            Content::Files(files) => {
                for (path, body) in &files {
                    crate::pack::stage::put(&new.join(path), body)?;
                    if self.is_hashed {
                        hashes.insert(path.clone(), artifact::sha256(body));
                    }
                }
            }
        }
        let file = new.join(CHECKSUM);
        std::fs::write(&file, self.checksum_file(&hashes)).at("write", &file)?;
        remove(&folder)?;
        std::fs::rename(&new, &folder).at("create", &folder)
    }
}

/// What a written entry was made from.
pub fn origin(folder: &Path) -> Option<String> {
    let text = std::fs::read(folder.join(CHECKSUM)).ok()?;
    let value: serde_json::Value = serde_json::from_slice(&text).ok()?;
    value["precast"].as_str().map(str::to_owned)
}

/// Whether the directory has exactly these entries.
pub fn is_ready(source: &Path, entries: &[&Entry]) -> bool {
    present(source).iter().eq(wanted(entries).iter())
        && entries.iter().all(|entry| entry.is_ready(source))
}

/// Writes the entries that are missing or different, and removes all others.
pub fn write(source: &Path, entries: &[&Entry]) -> Result<()> {
    std::fs::create_dir_all(source).at("create", source)?;
    let wanted = wanted(entries);
    for name in present(source).difference(&wanted) {
        remove(&source.join(name))?;
    }
    for entry in entries.iter().filter(|entry| !entry.is_ready(source)) {
        entry.write(source)?;
    }
    Ok(())
}

fn wanted(entries: &[&Entry]) -> BTreeSet<String> {
    entries.iter().map(|entry| entry.name.clone()).collect()
}

fn present(source: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(source).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Removes an entry. Temporary directories in its source would be taken for packages.
fn remove(folder: &Path) -> Result<()> {
    let source = folder.parent().expect("an entry lies in its source");
    scratch::remove(folder, source, "remove")
}

fn link(from: &Path, to: &Path, manifest: Option<&str>, is_deep: bool) -> Result<()> {
    for entry in std::fs::read_dir(from).at("read", from)? {
        let entry = entry.at("read", from)?;
        let name = entry.file_name();
        let is_left = LEFT.iter().any(|left| name == *left);
        let is_written = manifest.is_some() && name == "Cargo.toml";
        if !is_left && !is_written {
            let make = if is_deep { hard_links } else { symlink };
            make(&entry.path(), &to.join(&name)).at("link", &entry.path())?;
        }
    }
    if let Some(manifest) = manifest {
        let file = to.join("Cargo.toml");
        std::fs::write(&file, manifest).at("write", &file)?;
    }
    Ok(())
}

/// The same files again, or copies where the file system cannot have that.
fn hard_links(from: &Path, to: &Path) -> std::io::Result<()> {
    if from.is_dir() {
        std::fs::create_dir(to)?;
        return std::fs::read_dir(from)?.try_for_each(|entry| {
            let entry = entry?;
            hard_links(&entry.path(), &to.join(entry.file_name()))
        });
    }
    // A link to a link would lead out of the package again.
    match from.is_symlink() || std::fs::hard_link(from, to).is_err() {
        true => std::fs::copy(from, to).map(drop),
        false => Ok(()),
    }
}

#[cfg(unix)]
pub fn symlink(from: &Path, to: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(from, to)
}

#[cfg(windows)]
pub fn symlink(from: &Path, to: &Path) -> std::io::Result<()> {
    match from.is_dir() {
        true => std::os::windows::fs::symlink_dir(from, to),
        false => std::os::windows::fs::symlink_file(from, to),
    }
}

/// Writes a file in one step, unless it has these bytes.
pub fn replace(file: &Path, bytes: &[u8]) -> Result<()> {
    if std::fs::read(file).is_ok_and(|found| found == bytes) {
        return Ok(());
    }
    let scratch = Scratch::beside(file)?;
    let new = scratch.path().join("new");
    std::fs::write(&new, bytes).at("write", &new)?;
    std::fs::rename(&new, file).at("write", file)
}
