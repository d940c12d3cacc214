//! Writes a shim to the disk in one step.

use super::names::MARK;
use crate::artifact::{Artifact, Tree};
use crate::base::error::{Class, Context, Error, Result};
use crate::base::scratch::Scratch;
use std::fs;
use std::path::Path;

/// The name of the artifact's file, without its ending, and of the shim's directory.
pub fn name(artifact: &Artifact) -> String {
    let package = &artifact.manifest.package;
    format!("{}-{}", package.name, package.version)
}

/// Writes the files to the directory `dir`, in one step. A shim that is there already is replaced,
/// or left alone where it is equal, so that cargo does not build it again; anything else stays.
pub fn write_dir(files: &Tree, dir: &Path) -> Result<()> {
    write(files, dir, &is_shim)
}

/// The same for other files that are known by their first line.
pub fn write_files(files: &Tree, dir: &Path) -> Result<()> {
    write(files, dir, &is_ours)
}

fn write(files: &Tree, dir: &Path, is_ours: &dyn Fn(&Path) -> bool) -> Result<()> {
    let occupied = fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
    if dir.exists() && !dir.is_dir() || occupied && !is_ours(dir) {
        let message = format!("{} exists and is not a shim", dir.display());
        return Err(
            Error::new(Class::Usage, message).help("remove it, or choose another place with -o")
        );
    }
    if occupied && is_equal(files, dir) {
        return Ok(());
    }
    let scratch = Scratch::beside(dir)?;
    let new = scratch.path().join("new");
    for (path, body) in files {
        let path = new.join(path);
        let parent = path.parent().expect("a path below `new` has a parent");
        fs::create_dir_all(parent).at("create", parent)?;
        fs::write(&path, body).at("write", &path)?;
    }
    let old = scratch.path().join("old");
    if occupied {
        fs::rename(dir, &old).at("replace", dir)?;
    }
    let done = fs::rename(&new, dir).at("create", dir);
    // Another process may have been faster, with the same shim.
    if done.is_err() && is_equal(files, dir) {
        return Ok(());
    }
    if done.is_err() && occupied {
        // Nothing better is left to do if this fails, too: the first error is the one to report.
        let _ = fs::rename(&old, dir);
    }
    done
}

fn is_ours(dir: &Path) -> bool {
    let root = fs::read_to_string(dir.join("src/lib.rs")).unwrap_or_default();
    root.starts_with(MARK)
}

fn is_shim(dir: &Path) -> bool {
    is_ours(dir) && dir.join("precast/manifest.json").is_file()
}

/// Whether all files are there. What cargo added (`target/`, `Cargo.lock`) does not count.
fn is_equal(files: &Tree, dir: &Path) -> bool {
    let same = |(path, body): (&String, &Vec<u8>)| {
        fs::read(dir.join(path)).is_ok_and(|found| found == *body)
    };
    files.iter().all(same)
        && count(&dir.join("src")) + count(&dir.join("precast")) + count(&dir.join("source")) + 1
            == files.len()
}

fn count(dir: &Path) -> usize {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { count(&entry.path()) } else { 1 }).sum()
}
