//! A finished module, and how the cache keeps it.

use crate::artifact::manifest::{self, Manifest};
use crate::base::error::{Class, Context, Error, Result};
use crate::base::files::{self, Tree};
use std::path::Path;

/// A module and what is known of it.
pub(crate) struct Made {
    pub(crate) manifest: Manifest,
    pub(crate) wasm: Vec<u8>,
    pub(crate) lockfile: String,
    pub(crate) licenses: Tree,
    /// Of the features: what a module with debug assertions must have besides.
    pub(crate) asserted: Vec<String>,
    pub(crate) cached: bool,
    pub(crate) notes: Vec<String>,
}

/// A module with its compressed image.
pub(crate) struct Compiled {
    pub(crate) made: Made,
    pub(crate) image: Vec<u8>,
}

const MODULE: &str = "module.wasm";
const MANIFEST: &str = "manifest.json";
const LICENSES: &str = "licenses";
const NOTES: &str = "notes.json";
const ASSERTED: &str = "asserted.json";

pub(crate) fn store(made: &Made, entry: &Path) -> Result<()> {
    files::put(&entry.join(MODULE), &made.wasm)?;
    files::put(&entry.join(MANIFEST), &manifest::write(&made.manifest))?;
    for (name, texts) in [(NOTES, &made.notes), (ASSERTED, &made.asserted)] {
        let json = serde_json::to_vec(texts).expect("a list of texts is valid JSON");
        files::put(&entry.join(name), &json)?;
    }
    for (path, body) in &made.licenses {
        files::put(&entry.join(LICENSES).join(path), body)?;
    }
    Ok(())
}

pub(crate) fn load(mut files: Tree, lockfile: &str) -> Result<Made> {
    let mut take = |name: &str| {
        let missing = || Error::new(Class::Other, format!("the cache entry has no {name}"));
        files.remove(name).ok_or_else(missing)
    };
    let (wasm, text, notes, asserted) =
        (take(MODULE)?, take(MANIFEST)?, take(NOTES)?, take(ASSERTED)?);
    let license = |(path, body): (String, Vec<u8>)| {
        Some((path.strip_prefix(LICENSES)?.strip_prefix('/')?.to_owned(), body))
    };
    Ok(Made {
        manifest: manifest::read(&text)?,
        wasm,
        lockfile: lockfile.to_owned(),
        licenses: files.into_iter().filter_map(license).collect(),
        asserted: serde_json::from_slice(&asserted).context("damaged names")?,
        cached: true,
        notes: serde_json::from_slice(&notes).context("damaged notes")?,
    })
}
