//! Packs macros and puts them into the store. One process of a machine packs at a time.

use super::outcome::{first_lines, Outcome};
use crate::artifact;
use crate::base::error::{Class, Result};
use crate::base::files;
use crate::base::report::Report;
use crate::cache::{self, kinds, Key, Store, Wanted};
use crate::pack::artifact_recipe;
use crate::pack::compile::batch::{self, Project};
use crate::pack::Variables;

/// The lock of whoever packs.
const PACKING: &str = "packing";

/// A macro that was to be packed.
pub struct Done {
    /// What it was to be made of.
    pub asked: Key,
    /// The key of its artifact, with the variables that it has read.
    pub key: Key,
    pub outcome: Outcome,
}

/// Packs macros and puts them into the store. What the package itself makes impossible is remembered;
/// anything else is an error, after all others have been packed.
pub fn pack(
    wanted: &[Wanted],
    project: &Project,
    store: &Store,
    report: &dyn Report,
) -> Result<Vec<Done>> {
    let variables = Variables::of(project.directory);
    let _packing = store.cache().lock(kinds::QUEUE, PACKING, report)?;
    let mut done = Vec::new();
    let (mut keys, mut open) = (Vec::new(), Vec::new());
    let refused = |key: Key, reason: String| Done {
        asked: key.clone(),
        key,
        outcome: Outcome::Source(reason),
    };
    for wanted in wanted {
        let asked = Key::of(wanted)?;
        let key = store.find(asked.clone(), &|name| variables.value(name));
        if store.has(&key) {
            done.push(Done { asked, key, outcome: Outcome::Stored });
        } else if let Some(reason) = store.refusal(&asked.attempt(artifact_recipe())) {
            done.push(refused(asked, reason));
        } else if let Some(reason) = impossible(wanted)? {
            store.refuse(&asked.attempt(artifact_recipe()), &reason);
            done.push(refused(asked, reason));
        } else {
            keys.push(asked);
            open.push(wanted.clone());
        }
    }
    let mut failed = None;
    let packed = match open.is_empty() {
        true => Vec::new(),
        false => batch::pack_wanted(&open, project, store.cache(), report)?,
    };
    for (asked, packed) in keys.into_iter().zip(packed) {
        match packed {
            Ok(packed) => {
                let key = asked.with(packed.artifact.manifest.environment);
                store.put(&key, &packed.bytes)?;
                done.push(Done { asked, key, outcome: Outcome::Packed });
            }
            Err(error) if error.class() == Class::Package => {
                let reason = first_lines(&error);
                store.refuse(&asked.attempt(artifact_recipe()), &reason);
                done.push(refused(asked, reason));
            }
            Err(error) => {
                let label = asked.label();
                failed.get_or_insert_with(|| error.context(format!("cannot pack {label}")));
            }
        }
    }
    match failed {
        Some(error) => Err(error),
        None => Ok(done),
    }
}

/// Why a package cannot be packed, as far as its files tell.
fn impossible(wanted: &Wanted) -> Result<Option<String>> {
    let files = files::read(&wanted.package.directory)?;
    // It can mean something else with each compiler.
    let reason = "its build script writes code for the compiler that is used";
    Ok(artifact::includes_out_dir(&files).then(|| reason.to_owned()))
}

/// Brings the store below its limit after something was put into it.
pub fn tidy(store: &Store) -> Result<()> {
    store.clean(cache::limit(None)?).map(drop)
}
