//! Removes from target directories what the plan would not make.

use super::kept::{label, Plan, LOCKS};
use crate::base::lock::Lock;
use crate::cache::{Locked, Store};
use crate::project::lazy::record;
use std::fs::File;
use std::path::{Path, PathBuf};

impl Plan {
    /// Removes what cargo finds fresh in the target directories though it is not what this plan would
    /// make: shims of packages that are to be compiled from source, or of other artifacts, and empty
    /// libraries that others need by now, which cargo compiles faster than we one after another.
    /// A target directory in which another cargo builds is left as it is.
    pub(in crate::project) fn sweep(&self, store: &Store) {
        for target in &self.targets {
            let Some(_locks) = locks(target) else { continue };
            for folder in folders(target) {
                for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                    let path = entry.path();
                    if path.extension().is_some_and(|end| end == record::EXTENSION) {
                        self.sweep_one(&path, store);
                    }
                }
            }
        }
    }

    fn sweep_one(&self, file: &Path, store: &Store) {
        let Some(record) = record::of(file) else { return };
        let is_stale = match (&record.shim, &record.command) {
            (Some(shim), _) => {
                self.refusal(&record.package).is_some() || !self.is_current(&record, shim, store)
            }
            (None, Some(command)) => command.profile().is_some_and(|(opt_level, debuginfo)| {
                let Locked { name, version, features, .. } = &record.package;
                self.needed.contains(&label(name, version, features, (&opt_level, &debuginfo)))
            }),
            (None, None) => false,
        };
        if is_stale {
            let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            // What cannot be removed stays right, only slower or older.
            let _ = std::fs::remove_file(file);
            for end in ["rlib", "rmeta", std::env::consts::DLL_EXTENSION] {
                let _ = std::fs::remove_file(file.with_file_name(format!("{name}.{end}")));
            }
        }
    }

    /// Whether this shim would still be given for its package.
    fn is_current(&self, record: &record::Record, shim: &str, store: &Store) -> bool {
        let Ok(grants) = self.grants(&record.package.name) else { return true };
        let id = shim.split('-').next().unwrap_or(shim);
        store.shim_name(id, &grants).is_none_or(|current| shim == current)
            && self.permitted.as_ref().is_none_or(|permitted| permitted.contains(id))
    }
}

/// The folders in a folder.
fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

/// Locks the target directory as cargo does when it builds. None if somebody builds in it.
fn locks(target: &Path) -> Option<Vec<Lock>> {
    let folders = below(target).into_iter();
    let folders: Vec<PathBuf> =
        folders.flat_map(|folder| below(&folder).into_iter().chain([folder])).collect();
    let files = folders.iter().flat_map(|folder| LOCKS.map(|name| folder.join(name)));
    let mut locks = Vec::new();
    for file in files.filter(|file| file.is_file()) {
        locks.push(Lock::now(File::open(file).ok()?)?);
    }
    Some(locks)
}

/// Directories of a target directory in which libraries lie.
pub(in crate::project) fn folders(target: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in below(target) {
        let nested = below(&folder);
        for folder in std::iter::once(&folder).chain(&nested) {
            let deps = folder.join("deps");
            match deps.is_dir() {
                true => found.push(deps),
                // The newer layout: `build/PACKAGE/HASH/out`.
                false if folder.file_name().is_some_and(|name| name == "build") => {
                    let units = below(folder).into_iter().flat_map(|package| below(&package));
                    found.extend(units.map(|unit| unit.join("out")).filter(|out| out.is_dir()));
                }
                false => {}
            }
        }
    }
    found
}
