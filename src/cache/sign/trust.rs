//! Which keys this machine trusts. A project can name packages and ask for more signatures, never for fewer.

use super::{statement, Envelope, Public, Revoked};
use crate::base::error::Result;
use crate::cache::settings::Settings;
use std::collections::BTreeSet;

#[derive(Clone, Debug, Default)]
pub struct Trust {
    keys: Vec<Public>,
    revoked: Revoked,
}

impl Trust {
    /// The keys that the settings name, without those that are revoked.
    pub fn of(settings: &Settings, revoked: Revoked) -> Result<Trust> {
        let mut keys: Vec<Public> = Vec::new();
        for text in &settings.trusted {
            let key = Public::parse(text)?;
            if !keys.contains(&key) && !revoked.keys.contains(key.id()) {
                keys.push(key);
            }
        }
        Ok(Trust { keys, revoked })
    }

    pub fn keys(&self) -> &[Public] {
        &self.keys
    }

    pub fn revoked(&self) -> &Revoked {
        &self.revoked
    }

    /// The names of the trusted keys that have signed this very payload in one of the envelopes; none if the
    /// entry itself is revoked.
    pub fn signers(&self, id: &str, payload: &[u8], envelopes: &[Envelope]) -> BTreeSet<String> {
        if self.revoked.entries.contains(id) {
            return BTreeSet::new();
        }
        let of_it = envelopes.iter().filter(|envelope| {
            envelope.payload(statement::TYPE).is_ok_and(|signed| signed == payload)
        });
        of_it.flat_map(|envelope| envelope.signers(&self.keys)).map(|k| k.id().to_owned()).collect()
    }
}
