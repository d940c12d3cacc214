//! Many artifacts at once: one parallel round, at most until the deadline, and nothing is believed that no trusted
//! key has signed for the very key that was asked for.

use super::backend::Backend;
use super::object::{self, Object};
use super::Remotes;
use crate::base::error::Error;
use crate::base::text::counted;
use crate::cache::entry;
use crate::cache::exchange::{Asked, Found, Round};
use crate::cache::key::{Environment, Key};
use crate::cache::lean::Lean;
use crate::cache::sign::{statement, Envelope, Public, Revoked, Trust};
use crate::cache::similar;
use futures_util::stream::{self, StreamExt};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// Requests at one time.
const PARALLEL: usize = 32;

/// A store that has failed this often is not asked again.
const FAILURES_MAX: usize = 3;

/// Keys that are looked at for one that is like another.
const SIMILAR_MAX: usize = 64;

/// Names in a note.
const NAMES_MAX: usize = 3;

/// What has gone wrong in a round.
#[derive(Default)]
struct Troubles {
    /// How often, and what first, by store.
    failed: BTreeMap<String, (usize, String)>,
    unsigned: BTreeSet<String>,
    odd: BTreeMap<String, String>,
}

impl Remotes {
    /// Asks the stores, in their order, for each of these that was not asked for before.
    pub(crate) fn look_up(&self, asked: &[Asked<'_>], known: &Revoked) -> Round {
        let trust = match Trust::of(&self.settings, known.clone()) {
            Ok(trust) if !trust.keys().is_empty() => trust,
            Ok(_) => {
                let note =
                    "the shared store was not asked, for this machine trusts no key: name one in \
                            PRECAST_TRUSTED_KEYS, or under `trusted` in the user's configuration";
                return Round { note: Some(note.into()), ..Round::default() };
            }
            Err(error) => return Round { note: Some(error.to_string()), ..Round::default() },
        };
        let fresh: Vec<&Asked> = {
            let mut state = self.state();
            asked.iter().filter(|asked| state.asked.insert(asked.key.id())).collect()
        };
        if fresh.is_empty() {
            return Round::default();
        }
        self.timed(|end| self.run(self.round(&fresh, &trust, end)))
    }

    async fn round(&self, asked: &[&Asked<'_>], trust: &Trust, end: Instant) -> Round {
        let work = Work {
            stores: &self.stores,
            trust,
            troubles: RefCell::default(),
            reads: RefCell::default(),
        };
        let mut round = Round::default();
        let mut n_done = 0;
        let end = tokio::time::Instant::from_std(end);
        let is_late = {
            let lists: Vec<_> = trust.keys().iter().map(|key| self.list_of(key)).collect();
            let lists = stream::iter(lists)
                .buffer_unordered(PARALLEL)
                .map(|list| Answer::List(list.map(Box::new)));
            let found: Vec<_> = asked.iter().map(|asked| work.one(asked)).collect();
            let found = stream::iter(found).buffer_unordered(PARALLEL).map(Answer::Object);
            let mut answers = std::pin::pin!(stream::select(lists, found));
            loop {
                match tokio::time::timeout_at(end, answers.next()).await {
                    Ok(Some(Answer::List(list))) => round.lists.extend(list.map(|list| *list)),
                    Ok(Some(Answer::Object(found))) => {
                        n_done += 1;
                        round.found.extend(found.map(|found| *found));
                    }
                    Ok(None) => break false,
                    Err(_) => break true,
                }
            }
        };
        round.reads = work.reads.into_inner();
        let mut troubles = work.troubles.into_inner();
        let judged = self.judge(&mut round, trust, &mut troubles);
        let is_late = tokio::time::timeout_at(end, judged).await.is_err() || is_late;
        let late = is_late.then_some((n_done, asked.len()));
        round.note = self.note(&troubles, late);
        round
    }

    async fn list_of(&self, key: &Public) -> Option<(Public, Vec<u8>)> {
        let mut newest: Option<(u64, Vec<u8>)> = None;
        for store in &self.stores {
            // Who cannot be reached is told of by those who look for artifacts there.
            let Ok(Some(text)) = store.get(&Revoked::name(key), object::SMALL_MAX).await else {
                continue;
            };
            let Ok(list) = Revoked::read(&text, key) else { continue };
            if newest.as_ref().is_none_or(|(date, _)| *date < list.date) {
                newest = Some((list.date, text));
            }
        }
        newest.map(|(_, text)| (key.clone(), text))
    }

    /// Leaves out what the lists of this very round revoke, unless it has other signatures.
    async fn judge(&self, round: &mut Round, trust: &Trust, troubles: &mut Troubles) {
        let mut revoked = trust.revoked().clone();
        for (key, text) in &round.lists {
            revoked.extend(Revoked::read(text, key).unwrap_or_default());
        }
        if revoked == *trust.revoked() {
            return;
        }
        // The keys could be read before.
        let trust = Trust::of(&self.settings, revoked).unwrap_or_default();
        for mut found in std::mem::take(&mut round.found) {
            if let Some(store) = self.stores.iter().find(|store| store.url == found.store) {
                sign_more(store, &mut found, &trust).await;
            }
            match is_signed(&found, &trust) {
                true => round.found.push(found),
                false => drop(troubles.unsigned.insert(found.key.label())),
            }
        }
    }

    fn note(&self, troubles: &Troubles, late: Option<(usize, usize)>) -> Option<String> {
        let mut parts: Vec<String> = Vec::new();
        if let Some((n_done, n)) = late {
            let seconds = self.settings.deadline.as_secs_f64();
            let urls =
                self.stores.iter().map(|store| store.url.as_str()).collect::<Vec<_>>().join(", ");
            parts.push(format!("{urls} answered {n_done} of {n} lookups within {seconds} s"));
        }
        for (n, error) in troubles.failed.values() {
            let more = if *n > 1 { " (and more of the kind)" } else { "" };
            parts.push(format!("{error}{more}"));
        }
        if !troubles.unsigned.is_empty() {
            let names = some(troubles.unsigned.iter());
            let n = counted(troubles.unsigned.len(), "artifact");
            parts.push(format!("{n} not signed by enough keys that this machine trusts ({names})"));
        }
        if let Some((label, error)) = troubles.odd.iter().next() {
            let n = counted(troubles.odd.len(), "object");
            parts.push(format!("{n} not what a store holds ({label}: {error})"));
        }
        (!parts.is_empty()).then(|| format!("not used of the shared store: {}", parts.join("; ")))
    }
}

/// One round, while it goes on.
struct Work<'a> {
    stores: &'a [Backend],
    trust: &'a Trust,
    troubles: RefCell<Troubles>,
    reads: RefCell<Vec<(Key, BTreeSet<String>)>>,
}

impl Work<'_> {
    /// One artifact, from the first store that has it signed; else one like it, if that will do.
    async fn one(&self, asked: &Asked<'_>) -> Option<Box<Found>> {
        for store in self.stores {
            if let Some(found) = self.of(store, asked).await {
                return Some(found);
            }
        }
        let permits = asked.similar?;
        for store in self.stores {
            // What cannot be listed has nothing of the kind.
            let names = store.list(&object::folder(&asked.key)).await.unwrap_or_default();
            let names = names.iter().map(|(name, _)| name).filter(|name| object::is_key(name));
            let mut keys = Vec::new();
            for name in names.take(SIMILAR_MAX) {
                let text = store.get(name, object::SMALL_MAX).await;
                keys.extend(text.ok().flatten().and_then(|text| Key::read(&text).ok()));
            }
            let holds =
                |key: &Key| key.environment.iter().all(|(n, known)| (asked.value)(n) == *known);
            let keys = keys.into_iter().filter(holds);
            let Some(key) = similar::best(&asked.key, keys, permits) else { continue };
            let key = key.with(Environment::new());
            if let Some(found) = self.of(store, &Asked { key, similar: None, ..*asked }).await {
                return Some(found);
            }
        }
        None
    }

    /// What one store has of it.
    async fn of(&self, store: &Backend, asked: &Asked<'_>) -> Option<Box<Found>> {
        let Work { trust, troubles, reads, .. } = self;
        let n_failed = troubles.borrow().failed.get(&store.url).map_or(0, |(n, _)| *n);
        if n_failed >= FAILURES_MAX {
            return None;
        }
        match fetch(store, asked, reads).await {
            Err(Failure::Store(error)) => {
                let mut troubles = troubles.borrow_mut();
                let known = troubles.failed.entry(store.url.clone());
                known.or_insert_with(|| (0, error.to_string())).0 += 1;
            }
            Err(Failure::Object(error)) => {
                troubles.borrow_mut().odd.insert(asked.key.label(), error.to_string());
            }
            Ok(None) => {}
            Ok(Some(mut found)) => {
                sign_more(store, &mut found, trust).await;
                if is_signed(&found, trust) {
                    return Some(Box::new(found));
                }
                troubles.borrow_mut().unsigned.insert(found.key.label());
            }
        }
        None
    }
}

enum Answer {
    List(Option<Box<(Public, Vec<u8>)>>),
    Object(Option<Box<Found>>),
}

enum Failure {
    Store(Error),
    /// The store answers, with something else.
    Object(Error),
}

/// An artifact that says it is the one that was asked for, signed by whomever.
async fn fetch(
    store: &Backend,
    asked: &Asked<'_>,
    reads: &RefCell<Vec<(Key, BTreeSet<String>)>>,
) -> Result<Option<Found>, Failure> {
    let mut key = asked.key.clone();
    let get = |name: String| async move {
        store.get(&name, object::BYTES_MAX).await.map_err(Failure::Store)
    };
    let Some(bytes) = get(object::lean_name(&key)).await? else { return Ok(None) };
    let mut object = Object::read(bytes).map_err(Failure::Object)?;
    if let Object::Reads(names) = object {
        reads.borrow_mut().push((key.clone(), names.clone()));
        let values: Environment =
            names.into_iter().map(|n| (n.clone(), (asked.value)(&n))).collect();
        key = key.with(values);
        let Some(bytes) = get(object::lean_name(&key)).await? else { return Ok(None) };
        object = Object::read(bytes).map_err(Failure::Object)?;
    }
    let Object::Artifact(envelope, lean) = object else { return Ok(None) };
    let lean = Lean::read(lean).map_err(Failure::Object)?;
    entry::check(&key, &lean.artifact.manifest).map_err(Failure::Object)?;
    let (store, signatures) = (store.url.clone(), asked.signatures.max(1));
    Ok(Some(Found { key, store, lean, envelopes: vec![envelope], signatures }))
}

/// Fetches the signatures that stand by themselves, if those with the artifact are not enough.
async fn sign_more(store: &Backend, found: &mut Found, trust: &Trust) {
    let known = signers(found, trust);
    if known.len() >= found.signatures {
        return;
    }
    let missing: Vec<&Public> =
        trust.keys().iter().filter(|key| !known.contains(key.id())).collect();
    let names = missing.iter().map(|key| object::signature_name(&found.key, key.id()));
    let gets = names.map(|name| async move { store.get(&name, object::SMALL_MAX).await });
    // A signature that cannot be fetched is none.
    let texts = futures_util::future::join_all(gets).await.into_iter().flatten().flatten();
    found.envelopes.extend(texts.filter_map(|text| Envelope::read(&text).ok()));
}

fn signers(found: &Found, trust: &Trust) -> BTreeSet<String> {
    let payload = statement::write(&found.key, &found.lean.digests);
    trust.signers(&found.key.id(), &payload, &found.envelopes)
}

fn is_signed(found: &Found, trust: &Trust) -> bool {
    signers(found, trust).len() >= found.signatures
}

fn some<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    let n_more = names.len().saturating_sub(NAMES_MAX);
    let mut text = names.take(NAMES_MAX).cloned().collect::<Vec<_>>().join(", ");
    if n_more > 0 {
        text += &format!(" and {n_more} more");
    }
    text
}
