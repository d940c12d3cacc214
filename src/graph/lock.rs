//! Checksums out of a `Cargo.lock`.

use crate::error::{Class, Context, Result};
use std::collections::BTreeMap;
use toml_edit::DocumentMut;

/// By name, version and source.
pub type Checksums = BTreeMap<(String, String, String), String>;

pub fn checksums(lockfile: &str) -> Result<Checksums> {
    let document: DocumentMut = lockfile.parse().class(Class::Usage, "cannot read Cargo.lock")?;
    let packages = document.get("package").and_then(|item| item.as_array_of_tables());
    let mut checksums = Checksums::new();
    for package in packages.into_iter().flat_map(|packages| packages.iter()) {
        let text = |key: &str| package.get(key).and_then(|item| item.as_str()).map(str::to_owned);
        let key = (text("name"), text("version"), text("source"));
        if let ((Some(name), Some(version), Some(source)), Some(checksum)) = (key, text("checksum"))
        {
            checksums.insert((name, version, source), checksum);
        }
    }
    Ok(checksums)
}
