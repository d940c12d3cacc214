//! Directory sources: a folder of packages, each with a `.cargo-checksum.json`.

use crate::artifact::Tree;
use crate::base::error::{Context, Result};
use crate::base::files::{self, DIRECTORY_SOURCE};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

/// A package of a directory source.
pub struct Entry<'a> {
    /// The folder's name.
    pub name: String,
    /// What `Cargo.lock` says of the package; none for a git repository.
    pub checksum: Option<String>,
    /// Makes the files, which is costly.
    pub content: Box<dyn Fn() -> Result<Tree> + 'a>,
}

/// Writes the entries into a new directory.
pub fn write(source: &Path, entries: &[Entry]) -> Result<()> {
    std::fs::create_dir_all(source).at("create", source)?;
    for entry in entries {
        let folder = source.join(&entry.name);
        let mut hashes = BTreeMap::new();
        for (path, body) in &(entry.content)()? {
            files::put(&folder.join(path), body)?;
            hashes.insert(path.clone(), files::sha256(body));
        }
        let value = json!({ "files": hashes, "package": entry.checksum });
        files::put(&folder.join(DIRECTORY_SOURCE), value.to_string().as_bytes())?;
    }
    Ok(())
}
