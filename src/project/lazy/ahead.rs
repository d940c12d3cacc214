//! Shims that are compiled before a build asks for them: when a macro was compiled from source because no
//! store had it, the command is noted, and whoever packs the macro compiles its shim by that command.

use super::invocation::Invocation;
use super::library;
use super::record::Command;
use super::shim;
use crate::artifact::manifest::Capabilities;
use crate::base::error::{Context as _, Result};
use crate::base::files::hash_of;
use crate::base::scratch::{self, Scratch};
use crate::cache::{Key, Store};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Where the notes are, in the store.
const FOLDER: &str = "ahead";

/// Notes of one macro: as many compilers, profiles and projects have their shims compiled ahead.
const N_MAX: usize = 8;

#[derive(Serialize, Deserialize)]
struct Note {
    command: Command,
    label: String,
    grants: Capabilities,
}

/// Notes how cargo compiles a macro. Where that cannot be written, the next build compiles its shim.
pub fn note(asked: &Key, invocation: &Invocation, grants: Capabilities, store: &Store) {
    let Ok(command) = library::command(invocation) else { return };
    let note = Note { command, label: asked.label().replace(' ', "-"), grants };
    let text = serde_json::to_string(&note).expect("a note has only string keys");
    if notes(asked, store).len() < N_MAX {
        let name = format!("{}-{}.json", asked.id(), &hash_of(&[&text])[..16]);
        let _ = scratch::replace(&folder(store).join(name), text.as_bytes());
    }
}

/// Compiles the shims of an artifact that has come into the store, by all notes of its macro.
pub fn compile(asked: &Key, key: &Key, store: &Store) {
    for file in notes(asked, store) {
        // What does not succeed is compiled by the build that needs it.
        let _ = one(&file, key, store);
        let _ = std::fs::remove_file(&file);
    }
}

fn one(file: &Path, key: &Key, store: &Store) -> Result<()> {
    let text = std::fs::read(file).at("read", file)?;
    let Note { command, label, grants } = serde_json::from_slice(&text).at("read", file)?;
    let words: Vec<OsString> = command.words.iter().map(OsString::from).collect();
    let (Some(invocation), Some(found)) = (Invocation::of(&words), store.shim(key, &grants)?)
    else {
        return Ok(());
    };
    let out = Scratch::new()?;
    let (invocation, id) = (invocation.at(out.path()), found.id.clone());
    let place = (found.folder.as_path(), label.as_str());
    shim::compile(&invocation, Some(&command), store, place, &[id], &key.environment)?;
    Ok(())
}

fn notes(asked: &Key, store: &Store) -> Vec<PathBuf> {
    let start = asked.id();
    let files = std::fs::read_dir(folder(store)).into_iter().flatten().flatten();
    let files = files.map(|entry| entry.path());
    let is_of = |file: &PathBuf| {
        file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&start))
    };
    files.filter(is_of).collect()
}

fn folder(store: &Store) -> PathBuf {
    store.directory().join(FOLDER)
}
