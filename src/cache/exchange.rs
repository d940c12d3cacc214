//! Requests to shared stores, and their answers.

use super::key::Key;
use super::lean::Lean;
use super::sign::{Envelope, Public};
use super::similar::Permits;
use std::collections::BTreeSet;

/// What a lookup has brought into the user's store.
#[derive(Clone, Debug, Default)]
pub struct Fetched {
    /// Names of entries.
    pub ids: BTreeSet<String>,
    /// What the user should know, in one sentence.
    pub note: Option<String>,
}

/// What a command wants to have.
pub struct Asked<'a> {
    /// Without variables.
    pub key: Key,
    /// By how many trusted keys it must be signed.
    pub signatures: usize,
    /// The variables of whoever wants it.
    pub value: &'a dyn Fn(&str) -> Option<String>,
    /// Versions of dependencies that will do as well, if others than those of the key may be.
    pub similar: Option<&'a Permits<'a>>,
}

/// An artifact that trusted keys have signed.
pub(crate) struct Found {
    pub(crate) key: Key,
    pub(crate) store: String,
    pub(crate) lean: Lean,
    pub(crate) envelopes: Vec<Envelope>,
    pub(crate) signatures: usize,
}

/// What a round has brought.
#[derive(Default)]
pub(crate) struct Round {
    pub(crate) found: Vec<Found>,
    /// Lists of revocations, with their text as it was signed.
    pub(crate) lists: Vec<(Public, Vec<u8>)>,
    /// Variables that packages read.
    pub(crate) reads: Vec<(Key, BTreeSet<String>)>,
    /// What the user should know, if anything, in one sentence.
    pub(crate) note: Option<String>,
}

/// What a push did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    New,
    /// The same artifact was there; this key's signature as well.
    Known,
    /// The same artifact was there, and has one signature more now.
    Signed,
}

/// An artifact in a shared store, as its name tells.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Shared {
    pub store: String,
    pub name: String,
    pub version: String,
    pub id: String,
    pub bytes: u64,
}
