//! What is signed of an artifact: that this one belongs under that key.
//!
//! It is an in-toto statement. Its subjects are the manifest's exact bytes, which have the hashes of all parts, and
//! the archive of what builds use; its predicate is the key: name, version, checksum, features, dependencies, ABI,
//! and the variables that were read. So a good artifact cannot be served for another key, nor with other sources.

use super::Envelope;
use crate::base::error::{Class, Context, Result};
use crate::cache::key::Key;
use crate::cache::lean::Digests;
use serde_json::{json, Value};

/// The media type of in-toto's statements.
pub(crate) const TYPE: &str = "application/vnd.in-toto+json";

const PREDICATE: &str = "pkg:cargo/precast#docs/stores.md";

/// The one text for this key and these parts. Nobody parses it: who has the key and the parts writes it again, and
/// compares.
pub(crate) fn write(key: &Key, digests: &Digests) -> Vec<u8> {
    let subject =
        |name: &str, sha256: &str| json!({ "name": name, "digest": { "sha256": sha256 } });
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            subject("manifest.json", &digests.manifest),
            subject("lean.tar", &digests.archive),
        ],
        "predicateType": PREDICATE,
        "predicate": { "key": key },
    });
    serde_json::to_vec(&statement).expect("a statement has only string keys")
}

/// The key that a statement names, for who lists a store; nothing of it is to be believed.
pub(crate) fn key_of(envelope: &Envelope) -> Result<Key> {
    let value: Value = serde_json::from_slice(&envelope.payload(TYPE)?)
        .class(Class::Verify, "not a statement about an artifact")?;
    serde_json::from_value(value["predicate"]["key"].clone())
        .class(Class::Verify, "not a statement about an artifact")
}
