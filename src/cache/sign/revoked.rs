//! Revocations: a signed list with a date, one for each key that has ever revoked something. What any trusted key
//! has revoked is revoked.

use super::{Envelope, Private, Public};
use crate::base::error::{Class, Context, Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const TYPE: &str = "application/vnd.precast.revoked+json";

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoked {
    /// Names of keys.
    pub keys: BTreeSet<String>,
    /// Names of the store's entries.
    pub entries: BTreeSet<String>,
    /// Seconds since 1970: when it was signed.
    pub date: u64,
}

impl Revoked {
    /// The list's name in a store.
    pub fn name(key: &Public) -> String {
        format!("revoked/{}.json", key.id())
    }

    /// Signs the list as it is now.
    pub fn sign(mut self, key: &Private) -> Vec<u8> {
        self.date = now();
        let text = serde_json::to_vec(&self).expect("a list has only string keys");
        Envelope::sign(TYPE, &text, key).write()
    }

    /// Reads a list that this key has signed.
    pub fn read(text: &[u8], key: &Public) -> Result<Revoked> {
        let envelope = Envelope::read(text)?;
        let payload = envelope.payload(TYPE)?;
        if envelope.signers(std::slice::from_ref(key)).is_empty() {
            let message = format!("the list of revocations is not signed by {}", key.id());
            return Err(Error::new(Class::Verify, message));
        }
        serde_json::from_slice(&payload).class(Class::Verify, "not a list of revocations")
    }

    pub fn age(&self) -> Duration {
        Duration::from_secs(now().saturating_sub(self.date))
    }

    /// Takes in what another list says. The later date counts.
    pub fn extend(&mut self, other: Revoked) {
        self.keys.extend(other.keys);
        self.entries.extend(other.entries);
        self.date = self.date.max(other.date);
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
