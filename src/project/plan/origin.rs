//! Where a package comes from, by its directory alone.

use super::kept::Origin;
use crate::base::files::{self, hash_of};
use crate::cache::{kinds, program, Store};
use serde_json::Value;
use std::path::Path;

/// The source and the checksum of a package that no plan knows.
pub fn origin_of(directory: &Path, store: &Store) -> Origin {
    let vendored = std::fs::read(directory.join(files::DIRECTORY_SOURCE)).ok();
    let vendored: Option<Value> = vendored.and_then(|text| serde_json::from_slice(&text).ok());
    let checksum = match vendored {
        Some(value) => value["package"].as_str().map(str::to_owned),
        None => of_download(directory, store),
    };
    (checksum.as_ref().map(|_| "registry".to_owned()), checksum)
}

/// The checksum of the file that cargo has unpacked: `registry/src/NAME/PACKAGE` comes from
/// `registry/cache/NAME/PACKAGE.crate`.
fn of_download(directory: &Path, store: &Store) -> Option<String> {
    let registry = directory.parent()?;
    let sources = registry.parent().filter(|sources| sources.ends_with("registry/src"))?;
    let name = format!("{}.crate", directory.file_name()?.to_str()?);
    let file = sources.with_file_name("cache").join(registry.file_name()?).join(name);
    let mark = program::mark(&file)?;
    let key = &hash_of(&[mark])[..32];
    if let Some(known) = store.cache().kept(kinds::PROGRAM, key) {
        return Some(known);
    }
    let checksum = files::sha256(&std::fs::read(&file).ok()?);
    store.cache().keep(kinds::PROGRAM, key, &checksum);
    Some(checksum)
}
