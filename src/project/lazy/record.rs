//! What is known of a library that cargo has compiled through us: which package it is, what it was
//! compiled with, and, where its files are empty, the command that makes them.
//!
//! A record lies beside the library, under its name. Paths below the target directory are written with
//! a mark in the place of that directory, so that both can be moved.

use super::invocation::Invocation;
use crate::base::error::{Class, Error, Result};
use crate::base::scratch;
use crate::cache::{Locked, Wanted};
use crate::project::script;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Raised when a record's fields come to mean something else: an older one is no record.
/// 1 (November 2026): the first.
const VERSION: u32 = 1;

pub const EXTENSION: &str = "precast";

/// Stands for the target directory.
const TARGET_MARK: &str = "{precast:target}";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    version: u32,
    pub package: Locked,
    pub is_macro: bool,
    /// Files of the libraries that it uses.
    externs: Vec<String>,
    /// How to compile it, if that was put off.
    pub command: Option<Command>,
    /// The store's entry and what else a shim was made of, if it is one.
    pub shim: Option<String>,
}

/// A command that compiles a library.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    pub directory: PathBuf,
    /// The compiler, its wrappers before it, then the arguments.
    pub words: Vec<String>,
    /// What cargo sets for this crate alone. All other variables are those of who asks for it.
    pub variables: BTreeMap<String, String>,
}

impl Command {
    /// `opt-level` and `debuginfo`.
    pub fn profile(&self) -> Option<(String, String)> {
        let words: Vec<std::ffi::OsString> = self.words.iter().map(Into::into).collect();
        Invocation::of(&words).map(|found| (found.opt_level, found.debuginfo))
    }

    /// The package's files lie elsewhere by now.
    pub fn follow(&mut self, from: &Path, to: &Path) {
        let (Some(from), Some(to)) = (from.to_str(), to.to_str()) else { return };
        let texts = self.words.iter_mut().chain(self.variables.values_mut());
        texts.for_each(|text| *text = text.replace(from, to));
        if let Ok(below) = self.directory.strip_prefix(from) {
            self.directory = Path::new(to).join(below);
        }
    }

    /// The compiler with this environment, for the given arguments.
    pub fn start(&self, program: &str, args: &[String]) -> std::process::Command {
        let mut command = std::process::Command::new(program);
        command.args(args).current_dir(&self.directory);
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(script::is_own) {
                command.env_remove(&name);
            }
        }
        for name in script::variables() {
            command.env_remove(name);
        }
        command.envs(&self.variables);
        command
    }
}

/// The record's file for one of a library's files.
pub fn beside(file: &Path) -> PathBuf {
    file.with_extension(EXTENSION)
}

/// The record of a library, if it was compiled through us.
pub fn of(file: &Path) -> Option<Record> {
    let text = std::fs::read_to_string(beside(file)).ok()?;
    let target = target_of(file)?;
    let text = text.replace(TARGET_MARK, &inside_json(&target)?);
    let record: Record = serde_json::from_str(&text).ok()?;
    (record.version == VERSION).then_some(record)
}

impl Record {
    pub fn new(invocation: &Invocation, package: Locked) -> Record {
        let externs = invocation.externs.iter().map(|(_, file)| file.to_string_lossy().into());
        Record {
            version: VERSION,
            package,
            is_macro: invocation.is("proc-macro"),
            externs: externs.collect(),
            command: None,
            shim: None,
        }
    }

    /// Writes it for one of the library's files.
    pub fn write(&self, file: &Path) -> Result<()> {
        let odd = || Error::new(Class::Other, "the target directory is not UTF-8");
        let text = serde_json::to_string(self).expect("a record has only string keys");
        let target = target_of(file).and_then(|target| inside_json(&target)).ok_or_else(odd)?;
        scratch::replace(&beside(file), text.replace(&target, TARGET_MARK).as_bytes())
    }
}

/// A macro's package and all that it uses, from the records of the libraries. None if one of them
/// was compiled without us.
pub fn wanted(package: Locked, invocation: &Invocation) -> Option<Wanted> {
    let mut wanted = Wanted { package, dependencies: Vec::new(), macros: Vec::new() };
    let mut seen = BTreeSet::new();
    let mut open: Vec<PathBuf> = invocation.externs.iter().map(|(_, file)| file.clone()).collect();
    while let Some(file) = open.pop() {
        if !seen.insert(beside(&file)) {
            continue;
        }
        let record = of(&file)?;
        if record.is_macro {
            wanted.macros.push(record.package);
        } else {
            wanted.dependencies.push(record.package);
            open.extend(record.externs.iter().map(PathBuf::from));
        }
    }
    wanted.sort();
    Some(wanted)
}

/// The target directory in which a file of cargo's lies.
pub fn target_of(file: &Path) -> Option<PathBuf> {
    // The second is missing in a directory that somebody has made before cargo.
    let marks = [".rustc_info.json", "CACHEDIR.TAG"];
    let is_target = |folder: &&Path| marks.iter().any(|mark| folder.join(mark).is_file());
    file.ancestors().skip(1).find(is_target).map(Path::to_owned)
}

/// A path as it stands within a text of JSON.
fn inside_json(path: &Path) -> Option<String> {
    let text = serde_json::to_string(path.to_str()?).ok()?;
    Some(text[1..text.len() - 1].to_owned())
}
