//! What an entry holds of an artifact: all of it, or its lean part; and what is known of it besides.

use super::key::Key;
use super::lean::{Digests, Lean};
use crate::artifact::manifest::{self, Manifest, Source};
use crate::artifact::{self, Artifact, Tree};
use crate::base::error::{Class, Error, Result};
use crate::base::files::sha256;
use serde::{Deserialize, Serialize};

pub(super) const KEY_FILE: &str = "key.json";
const ABOUT_FILE: &str = "about.json";

/// How a file ends that is a lean part.
const LEAN: &str = "lean";
/// The same of a whole artifact.
const WHOLE: &str = "precast";

/// What is known of an entry without reading its artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct About {
    /// SHA-256 of the manifest: a shim that was made of another artifact is not this one's.
    pub(crate) manifest: String,
    /// Where it was fetched from; none for what was packed or imported here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<Origin>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Origin {
    pub(crate) store: String,
    /// SHA-256 of the lean part's archive, which is signed.
    pub(crate) archive: String,
}

impl About {
    /// What was signed, if the entry was fetched.
    pub(crate) fn digests(&self) -> Option<Digests> {
        let archive = self.origin.as_ref()?.archive.clone();
        Some(Digests { manifest: self.manifest.clone(), archive })
    }

    pub(super) fn read(text: &[u8]) -> Option<About> {
        serde_json::from_slice(text).ok()
    }
}

/// The file of an artifact.
pub(super) fn file(key: &Key) -> String {
    format!("{}-{}.{WHOLE}", key.name, key.version)
}

/// The files of an entry with a whole artifact.
pub(super) fn whole(key: &Key, bytes: &[u8], origin: Option<Origin>) -> Tree {
    // What cannot be read is found out by whoever uses it.
    let text = artifact::manifest_text(bytes).unwrap_or_else(|_| bytes.to_vec());
    files(key, (&file(key), bytes), &About { manifest: sha256(&text), origin })
}

/// The files of an entry with a lean part.
pub(super) fn lean(key: &Key, lean: &Lean, store: &str) -> Tree {
    let Digests { manifest, archive } = lean.digests.clone();
    let origin = Some(Origin { store: store.to_owned(), archive });
    let name = format!("{}-{}.{LEAN}", key.name, key.version);
    files(key, (&name, &lean.bytes), &About { manifest, origin })
}

fn files(key: &Key, (name, body): (&str, &[u8]), about: &About) -> Tree {
    let about = serde_json::to_vec(about).expect("only texts");
    Tree::from([
        (KEY_FILE.into(), key.write()),
        (ABOUT_FILE.into(), about),
        (name.to_owned(), body.to_owned()),
    ])
}

/// An artifact as an entry has it.
pub(crate) enum Held {
    Whole(Vec<u8>),
    Lean(Vec<u8>),
}

/// An entry that was read.
pub(crate) struct Entry {
    pub(crate) key: Key,
    pub(crate) held: Held,
    pub(crate) about: About,
}

impl Entry {
    /// None if the files are not those of an entry with this name.
    pub(super) fn of(id: &str, mut files: Tree) -> Option<Entry> {
        let key = Key::read(&files.remove(KEY_FILE)?).ok().filter(|key| key.id() == id)?;
        let about = About::read(&files.remove(ABOUT_FILE)?)?;
        let (name, bytes) = files.pop_first().filter(|_| files.is_empty())?;
        let held = match name.rsplit_once('.')?.1 {
            WHOLE => Held::Whole(bytes),
            LEAN => Held::Lean(bytes),
            _ => return None,
        };
        Some(Entry { key, held, about })
    }

    /// The artifact, of which sources and licences may be missing; every part that is there is checked.
    pub(super) fn artifact(self) -> Result<Artifact> {
        match self.held {
            Held::Whole(bytes) => artifact::read(&bytes),
            Held::Lean(bytes) => Ok(Lean::read(bytes)?.artifact),
        }
    }
}

/// The text about an entry, where it lies.
pub(super) fn about_file() -> &'static str {
    ABOUT_FILE
}

/// Whether a manifest is that of an artifact under this key: all that the key says stands in it.
pub(crate) fn check(key: &Key, manifest: &Manifest) -> Result<()> {
    let package = &manifest.package;
    let checksum = match &package.source {
        Source::Registry { checksum } => checksum == &key.checksum,
        Source::Path { .. } | Source::Module { .. } => true,
    };
    let same = package.name == key.name
        && package.version == key.version
        && manifest.environment == key.environment
        && manifest.abi == key.abi
        && checksum
        && manifest.features.iter().eq(&key.features);
    let wrong = |what: String| {
        Err(Error::new(
            Class::Verify,
            format!("the artifact is not that of {}: {what}", key.label()),
        ))
    };
    if !same {
        return wrong("its manifest tells of another one".into());
    }
    let mut linked = manifest.linked.iter().chain(manifest.sets.iter().flat_map(|set| &set.linked));
    match linked.find(|linked| !is_named(key, linked)) {
        None => Ok(()),
        Some(linked) => wrong(format!("{} {} is linked into it", linked.name, linked.version)),
    }
}

/// Whether the key names the package among its dependencies.
fn is_named(key: &Key, linked: &manifest::Linked) -> bool {
    let start = match &linked.checksum {
        Some(checksum) => format!("{} {} {checksum} ", linked.name, linked.version),
        None => format!("{} {} ", linked.name, linked.version),
    };
    key.dependencies.iter().any(|dependency| dependency.starts_with(&start))
}
