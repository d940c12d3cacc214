//! The applications' sources: a fixture's, or a package as it was published.

use super::OURS;
use crate::run::{capture, cargo, clear, root, scratch, write, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A fresh copy of the application's files in `place`.
pub fn prepare(name: &str, place: &Path) -> Result {
    clear(place)?;
    if name == OURS {
        return copy(&root().join("fixtures").join(name), place);
    }
    copy(&published(name)?, place)?;
    // Below our own workspace, it must be known as another one.
    let manifest = place.join("Cargo.toml");
    let text = std::fs::read_to_string(&manifest).map_err(|e| e.to_string())?;
    if text.lines().any(|line| line.starts_with("[workspace")) {
        return Ok(());
    }
    write(&manifest, &format!("{text}\n[workspace]\n"))
}

/// The package's files. `cargo metadata` leaves packages without a library out, `cargo vendor` does
/// not.
pub fn published(name: &str) -> Result<PathBuf> {
    let (name, version) = name.split_once('@').ok_or("an application has a version")?;
    let asking = scratch("apps").join("asking");
    clear(&asking)?;
    let manifest = format!(
        "[package]\nname = \"asking\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\
         [dependencies]\n{name} = \"={version}\"\n[workspace]\n"
    );
    write(&asking.join("Cargo.toml"), &manifest)?;
    write(&asking.join("src/lib.rs"), "")?;
    let mut vendor = cargo();
    capture(vendor.current_dir(&asking).args(["vendor", "--versioned-dirs", "--quiet", "vendor"]))?;
    Ok(asking.join("vendor").join(format!("{name}-{version}")))
}

pub fn copy(from: &Path, to: &Path) -> Result {
    for (path, body) in files(from)? {
        // Cargo's marks of what it has unpacked.
        if !matches!(path.to_str(), Some(".cargo-ok" | ".cargo-checksum.json")) {
            let target = to.join(path);
            let parent = target.parent().expect("a file has a folder");
            let failed = |e: std::io::Error| format!("cannot write {}: {e}", target.display());
            std::fs::create_dir_all(parent).map_err(failed)?;
            std::fs::write(&target, body).map_err(failed)?;
        }
    }
    Ok(())
}

/// Every file, by its path inside.
pub fn files(place: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut open = vec![place.to_owned()];
    while let Some(folder) = open.pop() {
        let failed = |e: std::io::Error| format!("cannot read {}: {e}", folder.display());
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.is_dir() {
                open.push(path);
            } else {
                let inside = path.strip_prefix(place).expect("the walk stays inside");
                found.insert(inside.to_owned(), std::fs::read(&path).map_err(failed)?);
            }
        }
    }
    Ok(found)
}
