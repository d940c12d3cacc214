//! The plan as it is kept: what it says of packages, and whether it still holds.

use crate::artifact::manifest::Capabilities;
use crate::base::error::Result;
use crate::cache::{kinds, program, Environment, Key, Locked, Store, Wanted};
use crate::pack::artifact_recipe;
use crate::pack::compile::batch::Project;
use crate::pack::Variables;
use crate::project::authors::Author;
use crate::project::choice::Choice;
use crate::project::missing::Missing;
use crate::project::outcome::Treated;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Names the plan for the compilers that cargo starts.
pub const VARIABLE: &str = "PRECAST_PLAN";

/// Why macros are compiled from source of which no build tells.
pub const FROM_SOURCE: &str = "`--from-source`";

/// The same of members, and of other packages without a source.
pub const IN_DIRECTORY: &str = "it is in a directory; `--members` packs it";

/// Files that cargo locks while it builds, in the directory of a profile.
pub(super) const LOCKS: [&str; 2] = [".cargo-lock", ".cargo-build-lock"];

/// What the user says of all macros of a build.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Options {
    pub choice: Choice,
    /// Also macros of the workspace, and others in directories.
    pub members: bool,
    /// No macro is precompiled.
    pub from_source: bool,
    /// What `--missing` says.
    pub missing: Option<String>,
    /// Cargo runs without `cargo precast`, which `cargo precast on` has made possible: nobody waits for packing.
    pub is_lasting: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// The workspace's directory.
    pub root: PathBuf,
    pub missing: Missing,
    /// Each macro package of the build, and what is done with it.
    pub macros: Vec<Treated>,
    /// What no store has, and somebody could pack.
    pub wanted: Vec<Wanted>,
    pub(super) options: Options,
    /// Where cargo looks for its configuration.
    pub(super) directory: PathBuf,
    pub(super) is_offline: bool,
    pub(super) lockfile: String,
    pub(super) settings: Value,
    /// Sources and checksums of packages by their directories.
    pub(super) origins: BTreeMap<PathBuf, Origin>,
    /// Where packages lie by what they are.
    pub(super) places: BTreeMap<String, PathBuf>,
    /// Libraries that only precompiled macros need, and those that others need as well.
    pub(super) put_off: BTreeSet<String>,
    pub(super) needed: BTreeSet<String>,
    /// Packages that the policy does not permit, or that were refused what they need, with the reason.
    pub(super) denied: BTreeMap<String, String>,
    /// With a policy, the artifacts that it permits.
    pub(super) permitted: Option<BTreeSet<String>>,
    /// Entries of the store that the plan counts on, and how many trusted keys must have signed each.
    pub(super) found: BTreeMap<String, usize>,
    /// Which of them stand in for which, with other versions of dependencies.
    pub(super) similar: BTreeMap<String, Key>,
    /// The same of anything that may come later.
    pub(super) signatures: usize,
    /// What the user should know of the shared stores.
    pub note: Option<String>,
    /// Variables that its macros are known to read.
    pub(super) environment: Environment,
    /// Macro packages that may have work to do after the build.
    pub authors: Vec<Author>,
    /// Directories in which cargo builds.
    pub(super) targets: Vec<PathBuf>,
    /// Files that the plan was made of.
    pub(super) stamps: BTreeMap<PathBuf, Option<String>>,
}

/// A package's source and checksum, as `Cargo.lock` says them.
pub type Origin = (Option<String>, Option<String>);

impl Plan {
    pub fn kept(key: &str, store: &Store) -> Option<Plan> {
        serde_json::from_str(&store.cache().kept(kinds::PLAN, key)?).ok()
    }

    /// Where it cannot be written, the next build makes it again.
    pub fn keep(&self, key: &str, store: &Store) {
        let text = serde_json::to_string(self).expect("a plan has only string keys");
        store.cache().keep(kinds::PLAN, key, &text);
    }

    /// Whether nothing has changed that the plan was made of.
    pub fn holds(&self, store: &Store) -> bool {
        let variables = Variables::of(&self.directory);
        let is_missing = |wanted: &Wanted| match Key::of(wanted) {
            Ok(key) => {
                let is_refused = store.refusal(&key.attempt(artifact_recipe())).is_some();
                !is_refused && !store.has(&store.find(key, &|name| variables.value(name)))
            }
            Err(_) => false,
        };
        let is_same = |(name, value): (&String, &Option<String>)| variables.value(name) == *value;
        // Files in directories have no stamps: there may be many.
        !self.options.members
            && self.stamps.iter().all(|(file, found)| program::mark(file) == *found)
            && self.environment.iter().all(is_same)
            && self.found.iter().all(|(id, signatures)| store.keeps(id, *signatures))
            && self.wanted.iter().all(is_missing)
            // Somebody may have pushed it by now.
            && (self.wanted.is_empty() || self.is_offline || !store.is_shared())
    }

    /// A variable's value for what this plan's entries read, when cargo was started. None if that is not known, as where
    /// other cargos may have been started since.
    pub fn variable(&self, name: &str) -> Option<Option<String>> {
        self.environment.get(name).filter(|_| !self.options.is_lasting).cloned()
    }

    /// Cargo runs without `cargo precast`.
    pub fn is_lasting(&self) -> bool {
        self.options.is_lasting
    }

    /// Why the package's macros are compiled from source, whatever the store has.
    pub fn refusal(&self, package: &Locked) -> Option<&str> {
        if self.options.from_source {
            return Some(FROM_SOURCE);
        }
        if let Some(reason) = self.denied.get(&package.name) {
            return Some(reason);
        }
        if package.source.is_none() && !self.options.members {
            return Some(IN_DIRECTORY);
        }
        self.options.choice.refusal(&package.name)
    }

    /// Remembers that a macro cannot do its work in this workspace, until another grant stands there.
    pub fn refuse(&self, package: &Locked, reason: &str, store: &Store) {
        let Locked { name, version, .. } = package;
        store.refuse_in(&self.root, (name, version), &self.settings, reason);
        if let Ok(key) = std::env::var(VARIABLE) {
            // The next build makes another plan. Where the old one stays, it is as this one.
            let _ = store.cache().remove(kinds::PLAN, &key);
        }
    }

    /// Whether the policy permits the artifact.
    pub fn permits(&self, key: &Key) -> bool {
        self.permitted.as_ref().is_none_or(|permitted| permitted.contains(&key.id()))
    }

    /// Whether only precompiled macros need the library.
    pub fn puts_off(&self, package: &Locked, profile: (&str, &str)) -> bool {
        self.put_off.contains(&label(&package.name, &package.version, &package.features, profile))
    }

    pub fn origin(&self, directory: &Path) -> Option<Origin> {
        self.origins.get(directory).cloned()
    }

    /// Where the package lies in this build.
    pub fn place(&self, package: &Locked) -> Option<&Path> {
        let Locked { name, version, source, .. } = package;
        self.places.get(&identity(name, version, source.as_deref())).map(PathBuf::as_path)
    }

    pub fn project(&self) -> Project<'_> {
        Project { directory: &self.directory, lockfile: &self.lockfile, offline: self.is_offline }
    }

    /// A file that cargo locks while it builds.
    pub fn lock(&self) -> Option<PathBuf> {
        let places = self.targets.iter().flat_map(|target| {
            ["debug", "release"].map(|profile| target.join(profile).join(LOCKS[0]))
        });
        places.into_iter().find(|file| file.is_file())
    }

    /// The key of what is used in the place of this one: itself, unless other versions of its dependencies will do.
    pub fn stand_in(&self, key: Key) -> Key {
        self.similar.get(&key.id()).cloned().unwrap_or(key)
    }

    /// By how many trusted keys whatever comes from elsewhere must be signed.
    pub fn signatures(&self) -> usize {
        self.signatures
    }

    /// What the workspace grants to a package's macros besides what they may do anyway.
    pub fn grants(&self, name: &str) -> Result<Capabilities> {
        Capabilities::granted(&self.settings, name)
    }

    /// Cargo's target directories.
    pub(in crate::project) fn targets(&self) -> &[PathBuf] {
        &self.targets
    }

    /// Where the workspace lets a package write after the build, if it says so.
    pub(in crate::project) fn out(&self, package: &str) -> Option<&Value> {
        self.settings.get("out")?.get(package)
    }

    /// All packages of which it says so.
    pub(in crate::project) fn outs(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.settings.get("out").and_then(Value::as_object).into_iter().flatten()
    }
}

pub(super) fn identity(name: &str, version: &str, source: Option<&str>) -> String {
    format!("{name} {version} {}", source.unwrap_or_default())
}

/// Stands for a library as cargo compiles it.
pub(super) fn label(
    name: &str,
    version: &str,
    features: &BTreeSet<String>,
    (opt_level, debuginfo): (&str, &str),
) -> String {
    let features: Vec<&str> = features.iter().map(String::as_str).collect();
    format!("{name} {version} {opt_level} {debuginfo} {}", features.join(","))
}
