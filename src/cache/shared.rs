//! Between the user's store and the stores that several machines share: look-ups and uploads.
//!
//! Whoever looks something up here never fails for it. An entry that was fetched keeps its signatures, and is used as
//! long as they are those of keys that this machine trusts.

use super::entry::{self, Held, Origin};
use super::key::Key;
use super::kinds::{ARTIFACT, READ, REVOKED, SIGNED};
use super::lean::{Digests, Lean};
use super::remote::{Asked, Fetched, Pushed, Remotes};
use super::settings::Settings;
use super::sign::{statement, Envelope, Private, Public, Revoked, Trust};
use super::Store;
use crate::artifact::{self, Artifact};
use crate::base::error::{Class, Context, Error, Result};
use crate::base::files;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Who vouches for an entry that was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The store that it came from.
    pub store: String,
    /// Names of the keys that this machine trusts and that have signed it.
    pub signers: BTreeSet<String>,
}

impl Store {
    /// The user's shared stores, if there are any.
    pub fn remotes(&self) -> Result<Option<&Remotes>> {
        if let Some(remotes) = self.remotes.get() {
            return Ok(remotes.as_ref());
        }
        let opened = Remotes::open(self.settings()?.clone())?;
        Ok(self.remotes.get_or_init(|| opened).as_ref())
    }

    /// The user's settings.
    pub(crate) fn settings(&self) -> Result<&Settings> {
        if let Some(settings) = self.settings.get() {
            return Ok(settings);
        }
        let settings = Settings::of_user()?;
        Ok(self.settings.get_or_init(|| settings))
    }

    /// The same for a command that needs one.
    pub fn required_remotes(&self) -> Result<&Remotes> {
        self.remotes()?.ok_or_else(|| {
            let error = Error::new(Class::Usage, "no shared store is named");
            error.help("set PRECAST_STORE_URL, or `url` under [store] in the user's configuration")
        })
    }

    /// Takes over what shared stores have of these. Whatever goes wrong is a note.
    pub fn fetch(&self, asked: &[Asked<'_>]) -> Fetched {
        let remotes = match self.remotes() {
            Ok(Some(remotes)) => remotes,
            Ok(None) => return Fetched::default(),
            Err(error) => return Fetched { note: Some(error.to_string()), ..Fetched::default() },
        };
        if asked.is_empty() {
            return Fetched::default();
        }
        let known = self.revoked(remotes.settings());
        let round = remotes.look_up(asked, &known);
        let mut fetched = Fetched { note: round.note, ..Fetched::default() };
        for (key, text) in &round.lists {
            self.keep_list(key, text);
        }
        for (key, names) in round.reads {
            self.note_read(&key, names);
        }
        if let (false, Err(error)) = (round.found.is_empty(), self.trust(remotes.settings())) {
            fetched.note = Some(format!("not used of the shared store: {error}"));
            return fetched;
        }
        for found in round.found {
            let id = found.key.id();
            let files = entry::lean(&found.key, &found.lean, &found.store);
            let kept = self.keep_signatures(&id, &found.envelopes);
            match kept.and_then(|()| self.put_files(&found.key, &files)) {
                Ok(()) => drop(fetched.ids.insert(id)),
                Err(error) => {
                    fetched.note = Some(format!("cannot keep what the shared store has: {error}"));
                    break;
                }
            }
        }
        fetched
    }

    /// Whether there are shared stores to ask.
    pub fn is_shared(&self) -> bool {
        self.remotes().is_ok_and(|remotes| remotes.is_some())
    }

    /// Files that decide which keys are trusted.
    pub fn trusting(&self) -> Vec<PathBuf> {
        self.settings().map(|settings| settings.files()).unwrap_or_default()
    }

    /// Whether the entry is there and may be used. One that was fetched and that too few trusted keys have signed, or
    /// no more, is removed.
    pub fn keeps(&self, id: &str, signatures: usize) -> bool {
        match self.about(id).map(|about| about.digests()) {
            // Whoever reads it finds out what is wrong with it.
            None => self.has_entry(id),
            // It was not fetched, and needs no signature.
            Some(None) => self.has_entry(id),
            Some(Some(digests)) => self.trusts(id, &digests, signatures),
        }
    }

    fn trusts(&self, id: &str, digests: &Digests, signatures: usize) -> bool {
        // While nobody knows what is trusted, nothing is used, and nothing removed.
        let Ok(signers) = self.signers(id, digests) else { return false };
        if signers.len() >= signatures.max(1) {
            return self.has_entry(id);
        }
        // Where it cannot be removed, it is not used either.
        let _ = self.cache().remove(ARTIFACT, id);
        false
    }

    /// The names of the trusted keys that have signed the entry.
    fn signers(&self, id: &str, digests: &Digests) -> Result<BTreeSet<String>> {
        let trust = self.trust(self.settings()?)?;
        let file = self.cache().path(ARTIFACT, id).join(entry::KEY_FILE);
        let key = std::fs::read(file).ok().and_then(|text| Key::read(&text).ok());
        Ok(key.map_or(BTreeSet::new(), |key| {
            let payload = statement::write(&key, digests);
            trust.signers(id, &payload, &self.signatures(id))
        }))
    }

    /// Who has signed the entry; none for one that this machine has made, or its user vouched for.
    pub fn signed(&self, id: &str) -> Option<Signed> {
        let about = self.about(id)?;
        let digests = about.digests()?;
        let signers = self.signers(id, &digests).unwrap_or_default();
        Some(Signed { store: about.origin?.store, signers })
    }

    /// The whole artifact: what is missing of it is fetched.
    pub fn whole(&self, key: &Key) -> Result<Vec<u8>> {
        let gone = || {
            let message = format!("{} is no longer in the store", key.label());
            Error::new(Class::Other, message).help("run the command again")
        };
        let found = self.entry(&key.id()).ok_or_else(gone)?;
        let lean = match found.held {
            Held::Whole(bytes) => return Ok(bytes),
            Held::Lean(bytes) => Lean::read(bytes)?,
        };
        let archive = lean.digests.archive.clone();
        let context = || format!("cannot fetch the sources of {}", key.label());
        let remotes = self.required_remotes().context(context())?;
        let artifact = remotes.rest(key, lean).context(context())?;
        let bytes = artifact::write(&artifact)?;
        let store = found.about.origin.map(|origin| origin.store).unwrap_or_default();
        self.put_files(key, &entry::whole(key, &bytes, Some(Origin { store, archive })))?;
        Ok(bytes)
    }

    /// Puts an artifact of this store into the first shared one.
    pub fn push(&self, key: &Key, signer: &Private) -> Result<Pushed> {
        let artifact: Artifact = artifact::read(&self.whole(key)?)?;
        self.required_remotes()?.push(key, &artifact, signer)
    }

    /// The trusted keys of this machine. An error if a list of revocations is asked for, and none is new enough.
    pub fn trust(&self, settings: &Settings) -> Result<Trust> {
        let trust = Trust::of(settings, self.revoked(settings))?;
        let Some(age_max) = settings.revocations else { return Ok(trust) };
        let is_new =
            |key: &Public| self.revocations_of(key).is_some_and(|list| list.age() <= age_max);
        if trust.keys().iter().any(is_new) {
            return Ok(trust);
        }
        let days = age_max.as_secs() / (24 * 60 * 60);
        let message = format!("no list of revocations is younger than {days} days");
        Err(Error::new(Class::Verify, message).help(
            "`cargo precast store revoke`, without a name, signs the list anew where the key is",
        ))
    }

    /// Everything that trusted keys are known to have revoked.
    fn revoked(&self, settings: &Settings) -> Revoked {
        let mut all = Revoked::default();
        let keys = settings.trusted.iter().filter_map(|text| Public::parse(text).ok());
        keys.filter_map(|key| self.revocations_of(&key)).for_each(|list| all.extend(list));
        all
    }

    fn revocations_of(&self, key: &Public) -> Option<Revoked> {
        Revoked::read(self.cache().kept(REVOKED, key.id())?.as_bytes(), key).ok()
    }

    /// Keeps a list of revocations, unless a newer one is known.
    fn keep_list(&self, key: &Public, text: &[u8]) {
        let Ok(list) = Revoked::read(text, key) else { return };
        if self.revocations_of(key).is_none_or(|known| known.date < list.date) {
            self.cache().keep(REVOKED, key.id(), &String::from_utf8_lossy(text));
        }
    }

    fn keep_signatures(&self, id: &str, envelopes: &[Envelope]) -> Result<()> {
        let text = serde_json::to_vec(envelopes).expect("envelopes have only string keys");
        let put = |entry: &Path| files::put(&entry.join("text"), &text);
        self.cache().put(SIGNED, id, put).map(drop)
    }

    fn signatures(&self, id: &str) -> Vec<Envelope> {
        let text = self.cache().kept(SIGNED, id);
        text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
    }

    /// Notes which variables a package reads.
    pub(super) fn note_read(&self, key: &Key, names: BTreeSet<String>) {
        let mut read = self.read(key);
        if !names.is_empty() && read.insert(names) {
            let text = serde_json::to_string(&read).expect("a list of texts is valid JSON");
            self.cache().keep(READ, &key.with(Default::default()).id(), &text);
        }
    }
}
