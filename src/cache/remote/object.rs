//! An artifact as a shared store has it.
//!
//! | name | what it is |
//! |---|---|
//! | `v1/NAME/VERSION/ID.lean` | one line, the signed envelope; then the lean part |
//! | `v1/NAME/VERSION/ID.MANIFEST.rest` | the rest of the artifact whose manifest has this hash |
//! | `v1/NAME/VERSION/ID.key` | the key |
//! | `v1/NAME/VERSION/ID.SIGNER.sig` | one more signed envelope, by another key |
//! | `revoked/SIGNER.json` | what this key has revoked |
//!
//! Where an artifact has read variables, the entry that stands for all of their values says only which they are. All
//! but lists of revocations are written once.

use crate::base::error::{Class, Error, Result};
use crate::cache::key::Key;
use crate::cache::sign::Envelope;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

pub(super) const ROOT: &str = "v1";

const LEAN: &str = ".lean";
const KEY: &str = ".key";

/// No object may be larger.
pub(super) const BYTES_MAX: usize = 128 << 20;
/// The same of signatures and lists.
pub(super) const SMALL_MAX: usize = 1 << 20;

/// Where all objects of a key are.
fn stem(key: &Key) -> String {
    // A `+` is a blank to some servers.
    let version = key.version.replace('+', "_");
    format!("{ROOT}/{}/{version}/{}", key.name, key.id())
}

pub(super) fn lean_name(key: &Key) -> String {
    stem(key) + LEAN
}

/// The key by itself, for who looks for entries like another one.
pub(super) fn key_name(key: &Key) -> String {
    stem(key) + KEY
}

/// The folder of all entries of a package's version.
pub(super) fn folder(key: &Key) -> String {
    format!("{ROOT}/{}/{}", key.name, key.version.replace('+', "_"))
}

pub(super) fn is_key(name: &str) -> bool {
    name.ends_with(KEY)
}

pub(super) fn rest_name(key: &Key, manifest: &str) -> String {
    format!("{}.{}.rest", stem(key), &manifest[..16])
}

pub(super) fn signature_name(key: &Key, signer: &str) -> String {
    format!("{}.{signer}.sig", stem(key))
}

/// Name, version and entry that an object's name tells, if it is a lean part.
pub(super) fn parse(name: &str) -> Option<(&str, &str, &str)> {
    let mut parts = name.strip_prefix(ROOT)?.strip_prefix('/')?.split('/');
    let (package, version, file) = (parts.next()?, parts.next()?, parts.next()?);
    Some((package, version, file.strip_suffix(LEAN)?)).filter(|_| parts.next().is_none())
}

/// What [`lean_name`] names.
pub(super) enum Object {
    Artifact(Envelope, Vec<u8>),
    /// The variables that this package reads when it is compiled.
    Reads(BTreeSet<String>),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reads {
    reads: BTreeSet<String>,
}

impl Object {
    pub(super) fn read(mut bytes: Vec<u8>) -> Result<Object> {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let end = end.ok_or_else(|| Error::new(Class::Verify, "not an object of a store"))?;
        if let Ok(Reads { reads }) = serde_json::from_slice(&bytes[..end]) {
            return Ok(Object::Reads(reads));
        }
        let envelope = Envelope::read(&bytes[..end])?;
        Ok(Object::Artifact(envelope, bytes.split_off(end + 1)))
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let (mut bytes, rest) = match self {
            Object::Artifact(envelope, lean) => (envelope.write(), lean.as_slice()),
            Object::Reads(reads) => {
                let reads = Reads { reads: reads.clone() };
                (serde_json::to_vec(&reads).expect("only texts"), &[][..])
            }
        };
        bytes.push(b'\n');
        bytes.extend_from_slice(rest);
        bytes
    }
}
