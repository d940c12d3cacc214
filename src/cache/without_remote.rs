//! Shared stores in a program that was built without the feature `remote`: there are none.

use super::exchange::Round;
pub use super::exchange::{Asked, Fetched, Pushed, Shared};
use super::key::Key;
use super::lean::Lean;
use super::settings::Settings;
use super::sign::{Private, Revoked};
use crate::artifact::Artifact;
use crate::base::error::{Class, Error, Result};

/// There is none.
pub enum Remotes {}

impl Remotes {
    pub fn open(settings: Settings) -> Result<Option<Remotes>> {
        if settings.urls.is_empty() {
            return Ok(None);
        }
        let message =
            "this precast was built without the feature `remote`: shared stores are not asked";
        Err(Error::new(Class::Usage, message)
            .help("`cargo install precast` builds it with all features"))
    }

    pub fn settings(&self) -> &Settings {
        match *self {}
    }

    pub fn take_time(&self) {
        match *self {}
    }

    pub(crate) fn look_up(&self, _: &[Asked<'_>], _: &Revoked) -> Round {
        match *self {}
    }

    pub(crate) fn push(&self, _: &Key, _: &Artifact, _: &Private) -> Result<Pushed> {
        match *self {}
    }

    pub(crate) fn whole(&self, _: &Key) -> Result<Option<(Artifact, Lean)>> {
        match *self {}
    }

    pub(crate) fn rest(&self, _: &Key, _: Lean) -> Result<Artifact> {
        match *self {}
    }

    pub(crate) fn attest(&self, _: &Key, _: &Lean, _: &Private) -> Result<Pushed> {
        match *self {}
    }

    pub fn revoke(&self, _: Revoked, _: &Private) -> Result<Revoked> {
        match *self {}
    }

    pub(crate) fn has(&self, _: &Key) -> Result<bool> {
        match *self {}
    }

    pub(crate) fn read_note(&self, _: &str) -> Result<Option<Vec<u8>>> {
        match *self {}
    }

    pub(crate) fn write_note_once(&self, _: &str, _: Vec<u8>) -> Result<bool> {
        match *self {}
    }

    pub(crate) fn write_note(&self, _: &str, _: Vec<u8>) -> Result<()> {
        match *self {}
    }

    pub fn list(&self) -> Result<Vec<Shared>> {
        match *self {}
    }

    pub fn key_of(&self, _: &Shared) -> Result<Option<Key>> {
        match *self {}
    }
}
