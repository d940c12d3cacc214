//! What an artifact was made of: the name of its entry.

use crate::error::{Class, Context, Result};
use crate::pack::stage::hash_of;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    pub name: String,
    pub version: String,
    /// Of the package's file in its registry; of its sources where it has none.
    pub checksum: String,
    /// All that were enabled.
    pub features: BTreeSet<String>,
    /// The version of precast.
    pub precast: String,
    /// A hash of how this version packs.
    pub recipe: String,
    /// Stands for the wasm toolchain; empty if the machine has none.
    pub toolchain: String,
}

impl Key {
    /// The entry's name.
    pub fn id(&self) -> String {
        hash_of(&[self.write()])[..32].to_owned()
    }

    /// `serde_derive 1.0.229`
    pub fn label(&self) -> String {
        format!("{} {}", self.name, self.version)
    }

    /// Differs in nothing but the toolchain.
    pub fn is_alike(&self, other: &Key) -> bool {
        Key { toolchain: String::new(), ..self.clone() }
            == Key { toolchain: String::new(), ..other.clone() }
    }

    pub(super) fn write(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("a key has only string keys")
    }

    pub(super) fn read(text: &[u8]) -> Result<Key> {
        serde_json::from_slice(text).class(Class::Verify, "not the key of an entry")
    }
}
