//! Pushes, signs and revokes. Objects are written once: a conflict is an error that names both objects.

use super::backend::{Backend, Created};
use super::object::{self, Object};
use super::Remotes;
use crate::artifact::manifest::Manifest;
use crate::artifact::Artifact;
use crate::base::error::{Class, Context, Error, Result};
use crate::cache::exchange::{Pushed, Shared};
use crate::cache::key::{Environment, Key};
use crate::cache::lean::{self, Lean};
use crate::cache::sign::{statement, Envelope, Private, Revoked};

impl Remotes {
    /// Puts a whole artifact into the first store, signed.
    pub(crate) fn push(&self, key: &Key, artifact: &Artifact, signer: &Private) -> Result<Pushed> {
        self.settings.require_write()?;
        let (bytes, rest) = lean::split(artifact)?;
        let lean = Lean::read(bytes)?;
        let payload = statement::write(key, &lean.digests);
        let envelope = Envelope::sign(statement::TYPE, &payload, signer);
        let store = self.first();
        self.run(async {
            if let Some(known) = there(store, key).await? {
                return known.sign(store, key, &lean, &envelope, signer).await;
            }
            store.create(&object::key_name(key), key.write()).await?;
            // Whoever sees the lean part can fetch the rest.
            store.create(&object::rest_name(key, &lean.digests.manifest), rest).await?;
            if !key.environment.is_empty() {
                let names = key.environment.keys().cloned().collect();
                let asked = key.with(Environment::new());
                store.create(&object::lean_name(&asked), Object::Reads(names).write()).await?;
            }
            let object = Object::Artifact(envelope.clone(), lean.bytes.clone()).write();
            match store.create(&object::lean_name(key), object).await? {
                Created::New => Ok(Pushed::New),
                Created::Exists => match there(store, key).await? {
                    Some(known) => known.sign(store, key, &lean, &envelope, signer).await,
                    None => Err(Error::new(
                        Class::Other,
                        format!("{} says that it has {}, and does not", store.url, key.label()),
                    )),
                },
            }
        })
    }

    /// Whether the first store has something under this key.
    pub(crate) fn has(&self, key: &Key) -> Result<bool> {
        self.run(async { Ok(there(self.first(), key).await?.is_some()) })
    }

    /// The whole artifact under a key, whoever has signed it, with the envelopes that are there. None if no store has it.
    pub(crate) fn whole(&self, key: &Key) -> Result<Option<(Artifact, Lean)>> {
        self.run(async {
            for store in &self.stores {
                let Some(There { lean, .. }) = there(store, key).await? else { continue };
                let Some(rest) = rest(store, key, &lean).await? else { continue };
                let again = Lean::read(lean.bytes.clone())?;
                return Ok(Some((lean.with_rest(&rest)?, again)));
            }
            Ok(None)
        })
    }

    /// The rest of an artifact whose lean part is known.
    pub(crate) fn rest(&self, key: &Key, lean: Lean) -> Result<Artifact> {
        let rest = self.run(async {
            let mut failed = None;
            for store in &self.stores {
                match rest(store, key, &lean).await {
                    Ok(Some(rest)) => return Ok(rest),
                    Ok(None) => {}
                    Err(error) => failed = Some(error),
                }
            }
            Err(failed.unwrap_or_else(|| {
                let message = format!("no shared store has the sources of {}", key.label());
                Error::new(Class::Other, message).help("push it again from where it was packed")
            }))
        })?;
        lean.with_rest(&rest)
    }

    /// Adds a signature to what the first store has under a key.
    pub(crate) fn attest(&self, key: &Key, lean: &Lean, signer: &Private) -> Result<Pushed> {
        self.settings.require_write()?;
        let payload = statement::write(key, &lean.digests);
        let envelope = Envelope::sign(statement::TYPE, &payload, signer);
        let store = self.first();
        self.run(async {
            match there(store, key).await? {
                Some(known) => known.sign(store, key, lean, &envelope, signer).await,
                None => {
                    let message = format!("{} has no {}", store.url, key.label());
                    Err(Error::new(Class::Usage, message).help("push it first"))
                }
            }
        })
    }

    /// Revokes keys and entries by this key's own list, which is signed anew with today's date.
    pub fn revoke(&self, more: Revoked, signer: &Private) -> Result<Revoked> {
        self.settings.require_write()?;
        let (store, key) = (self.first(), signer.public());
        let name = Revoked::name(&key);
        self.run(async {
            let mut list = match store.get(&name, object::SMALL_MAX).await? {
                Some(text) => Revoked::read(&text, &key)
                    .context(format!("{}: {name} cannot be extended", store.url))?,
                None => Revoked::default(),
            };
            list.extend(more);
            store.replace(&name, list.clone().sign(signer)).await?;
            Ok(list)
        })
    }

    /// A small object of the first store, beside its artifacts.
    pub(crate) fn read_note(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.run(self.first().get(name, object::SMALL_MAX))
    }

    /// Makes one, unless it is there: whether it was made.
    pub(crate) fn write_note_once(&self, name: &str, bytes: Vec<u8>) -> Result<bool> {
        self.settings.require_write()?;
        Ok(self.run(self.first().create(name, bytes))? == Created::New)
    }

    pub(crate) fn write_note(&self, name: &str, bytes: Vec<u8>) -> Result<()> {
        self.settings.require_write()?;
        self.run(self.first().replace(name, bytes))
    }

    /// All artifacts of all stores, by name.
    pub fn list(&self) -> Result<Vec<Shared>> {
        let mut all = Vec::new();
        for store in &self.stores {
            for (name, bytes) in self.run(store.list(object::ROOT))? {
                let Some((package, version, id)) = object::parse(&name) else { continue };
                let [name, version, id] = [package, version, id].map(str::to_owned);
                all.push(Shared { store: store.url.clone(), name, version, id, bytes });
            }
        }
        Ok(all)
    }

    /// The key of what a store lists; none for an entry that tells only which variables are read.
    pub fn key_of(&self, shared: &Shared) -> Result<Option<Key>> {
        let store = self.stores.iter().find(|store| store.url == shared.store);
        let Some(store) = store else { return Ok(None) };
        let Shared { name, version, id, .. } = shared;
        let name = format!("{}/{name}/{version}/{id}.lean", object::ROOT);
        let Some(bytes) = self.run(store.get(&name, object::BYTES_MAX))? else { return Ok(None) };
        match Object::read(bytes)? {
            Object::Artifact(envelope, _) => statement::key_of(&envelope).map(Some),
            Object::Reads(_) => Ok(None),
        }
    }
}

/// What a store has under a key already.
struct There {
    envelope: Envelope,
    lean: Lean,
}

async fn there(store: &Backend, key: &Key) -> Result<Option<There>> {
    let name = object::lean_name(key);
    let Some(bytes) = store.get(&name, object::BYTES_MAX).await? else { return Ok(None) };
    let place = || format!("{}: {name}", store.url);
    match Object::read(bytes).context(place())? {
        Object::Artifact(envelope, lean) => {
            Ok(Some(There { envelope, lean: Lean::read(lean).context(place())? }))
        }
        Object::Reads(_) => Ok(None),
    }
}

async fn rest(store: &Backend, key: &Key, lean: &Lean) -> Result<Option<Vec<u8>>> {
    store.get(&object::rest_name(key, &lean.digests.manifest), object::BYTES_MAX).await
}

impl There {
    /// Adds this signature, unless it is there; an error if another artifact is.
    async fn sign(
        self,
        store: &Backend,
        key: &Key,
        ours: &Lean,
        envelope: &Envelope,
        signer: &Private,
    ) -> Result<Pushed> {
        if self.lean.digests != ours.digests {
            return Err(conflict(store, key, &self.lean, ours));
        }
        let public = signer.public();
        if !self.envelope.signers(std::slice::from_ref(&public)).is_empty() {
            return Ok(Pushed::Known);
        }
        let name = object::signature_name(key, public.id());
        Ok(match store.create(&name, envelope.write()).await? {
            Created::New => Pushed::Signed,
            Created::Exists => Pushed::Known,
        })
    }
}

fn conflict(store: &Backend, key: &Key, theirs: &Lean, ours: &Lean) -> Error {
    let told = |lean: &Lean| {
        let Manifest { precast, toolchain, .. } = &lean.artifact.manifest;
        let (manifest, rustc) = (&lean.digests.manifest[..16], &toolchain.rustc);
        format!("{manifest} (precast {precast}, rustc {rustc})")
    };
    let message = format!(
        "{} has another artifact for {}: its manifest has the SHA-256 {}, ours {}",
        store.url,
        key.label(),
        told(theirs),
        told(ours)
    );
    Error::new(Class::Verify, message)
        .help("what a store has is never replaced: `cargo precast store pull` takes it instead of packing")
}
