//! What is to be done with each macro of a build, and which libraries only precompiled macros need.
//!
//! It is made of the unit graph before cargo starts, and kept until something changes that it was made
//! of. A plan that is wrong about libraries costs time; what a macro was compiled from is seen again when
//! cargo compiles it.

use super::authors::{self, Author};
use super::choice::Choice;
use super::graph::{Graph, Needed, Package, Unit, UnitIdx};
use super::lazy::record;
use super::missing::{self, Missing};
use super::outcome::{Outcome, Treated};
use super::{packing, shared, Request};
use crate::artifact::manifest::Capabilities;
use crate::base::cargo;
use crate::base::error::Result;
use crate::base::files;
use crate::base::files::hash_of;
use crate::base::lock::Lock;
use crate::base::report::Report;
use crate::cache::program;
use crate::cache::{kinds, Environment, Key, Locked, Store, Wanted};
use crate::pack::artifact_recipe;
use crate::pack::compile::batch::Project;
use crate::pack::Variables;
use crate::policy::{self, Policy};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Names the plan for the compilers that cargo starts.
pub const VARIABLE: &str = "PRECAST_PLAN";

/// Starts of names of variables that cargo, rustc or we read.
const VARIABLES: [&str; 4] = ["CARGO", "RUST", "PRECAST", "CI"];

/// Why macros are compiled from source of which no build tells.
pub(super) const FROM_SOURCE: &str = "`--from-source`";
pub(super) const IN_DIRECTORY: &str = "it is in a directory; `--members` packs it";

/// Files that cargo locks while it builds, in the directory of a profile.
const LOCKS: [&str; 2] = [".cargo-lock", ".cargo-build-lock"];

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
    options: Options,
    /// Where cargo looks for its configuration.
    directory: PathBuf,
    is_offline: bool,
    lockfile: String,
    settings: Value,
    /// Sources and checksums of packages by their directories.
    origins: BTreeMap<PathBuf, Origin>,
    /// Where packages lie by what they are.
    places: BTreeMap<String, PathBuf>,
    /// Libraries that only precompiled macros need, and those that others need as well.
    put_off: BTreeSet<String>,
    needed: BTreeSet<String>,
    /// Packages that the policy does not permit, or that were refused what they need, with the reason.
    denied: BTreeMap<String, String>,
    /// With a policy, the artifacts that it permits.
    permitted: Option<BTreeSet<String>>,
    /// Entries of the store that the plan counts on, and how many trusted keys must have signed each.
    found: BTreeMap<String, usize>,
    /// Which of them stand in for which, with other versions of dependencies.
    similar: BTreeMap<String, Key>,
    /// The same of anything that may come later.
    signatures: usize,
    /// What the user should know of the shared stores.
    pub note: Option<String>,
    /// Variables that its macros are known to read.
    environment: Environment,
    /// Macro packages that may have work to do after the build.
    pub authors: Vec<Author>,
    /// Directories in which cargo builds.
    targets: Vec<PathBuf>,
    /// Files that the plan was made of.
    stamps: BTreeMap<PathBuf, Option<String>>,
}

/// A package's source and checksum, as `Cargo.lock` says them.
pub type Origin = (Option<String>, Option<String>);

/// What is done with the macro of one unit.
#[derive(Clone, Debug)]
pub(super) enum Decision {
    /// It is a shim already.
    Shim,
    Stored(Key),
    /// Another key with other versions of dependencies, in the place of the first one.
    Similar(Key, Key),
    Missing(Box<Wanted>, Key),
    /// Compiled from source; the reason, if the user should know.
    Source(Option<String>),
}

impl Decision {
    /// A packed macro is there.
    pub(super) fn is_ready(&self) -> bool {
        matches!(self, Decision::Shim | Decision::Stored(_) | Decision::Similar(..))
    }
}

impl Plan {
    /// The plan that was made for the same build, if it still holds; else a new one. Its key comes with it.
    pub fn ready(
        request: &Request,
        options: &Options,
        store: &Store,
        report: &dyn Report,
    ) -> Result<(String, Plan)> {
        let key = key(request, options, store);
        if let Some(plan) = Plan::kept(&key, store).filter(|plan| plan.holds(store)) {
            if plan.refuses() {
                plan.sweep(store);
            }
            return Ok((key, plan));
        }
        let plan = Plan::make(request, options, store, report)?;
        plan.sweep(store);
        // The next build has packed nothing.
        let mut kept = plan.clone();
        for treated in &mut kept.macros {
            if matches!(treated.outcome, Outcome::Packed | Outcome::Fetched) {
                treated.outcome = Outcome::Stored;
            }
        }
        kept.note = None;
        kept.keep(&key, store);
        Ok((key, plan))
    }

    /// The plan for any cargo command of a workspace, run without us. Nothing is packed for it now.
    pub fn lasting(request: &Request, store: &Store) -> Result<Plan> {
        let options = Options { is_lasting: true, ..Options::default() };
        let mut plan = Plan::make(request, &options, store, &|_: &str| {})?;
        let name = missing::VARIABLE.to_owned();
        plan.environment.insert(name.clone(), std::env::var(name).ok());
        Ok(plan)
    }

    /// Some packages may not be precompiled that another plan precompiles.
    fn refuses(&self) -> bool {
        let is_denied = self.permitted.is_some() || !self.denied.is_empty();
        self.options.from_source || is_denied || self.options.choice.is_made()
    }

    /// Packs what is missing if the user wants it now.
    fn make(
        request: &Request,
        options: &Options,
        store: &Store,
        report: &dyn Report,
    ) -> Result<Plan> {
        let graph = Graph::load(request, store.cache())?;
        let missing = match Missing::chosen(options.missing.as_deref(), &graph.settings)? {
            Missing::Pack if options.is_lasting => Missing::Later,
            chosen => chosen,
        };
        // Shims that the workspace has already are judged as they are.
        policy::require(&graph.policed(), report)?;
        let decider = Decider::new(&graph, request, options, store)?;
        let mut decided = decider.all()?;
        let asked = wanted(&graph, &decided);
        let (offline, signatures) = (request.is_offline(), decider.signatures());
        let fetched = shared::fetch(&asked, offline, &signatures, &decider.variables, store)?;
        decider.similar.set(store.takes_similar());
        if !fetched.ids.is_empty() || decider.similar.get() {
            decided = decider.all()?;
        }
        let (mut packed, mut tried) = (BTreeSet::new(), BTreeSet::new());
        loop {
            let mut wanted = wanted(&graph, &decided);
            // What is packed and not found has read other values than those that we know of.
            wanted.retain(|wanted| tried.insert(wanted.clone()));
            if missing != Missing::Pack || wanted.is_empty() {
                break;
            }
            let project = Project {
                directory: &request.directory,
                lockfile: &graph.lockfile,
                offline: request.is_offline(),
            };
            for done in packing::pack(&wanted, &project, store, report)? {
                if done.outcome == Outcome::Packed {
                    packed.insert(done.key.id());
                }
            }
            decided = decider.all()?;
        }
        let plan = decider.plan(request, missing, decided, (&packed, &fetched.ids));
        Ok(Plan { note: fetched.note, ..plan })
    }

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
    pub(super) fn targets(&self) -> &[PathBuf] {
        &self.targets
    }

    /// Where the workspace lets a package write after the build, if it says so.
    pub(super) fn out(&self, package: &str) -> Option<&Value> {
        self.settings.get("out")?.get(package)
    }

    /// Removes what cargo finds fresh in the target directories though it is not what this plan would
    /// make: shims of packages that are to be compiled from source, or of other artifacts, and empty
    /// libraries that others need by now, which cargo compiles faster than we one after another.
    /// A target directory in which another cargo builds is left as it is.
    pub(super) fn sweep(&self, store: &Store) {
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
pub(super) fn folders(target: &Path) -> Vec<PathBuf> {
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

/// Decides on the macros of a graph.
struct Decider<'a> {
    graph: &'a Graph,
    choice: Choice,
    policy: Option<Policy>,
    options: &'a Options,
    store: &'a Store,
    variables: Variables,
    /// Entries with other versions of dependencies will do as well.
    similar: Cell<bool>,
}

type Decided = BTreeMap<UnitIdx, Decision>;

/// What a build would do now with the macro of each unit, as far as this machine's store goes. Nobody is asked,
/// nothing is packed.
pub(super) fn survey(
    graph: &Graph,
    request: &Request,
    options: &Options,
    store: &Store,
) -> Result<Decided> {
    let decider = Decider::new(graph, request, options, store)?;
    decider.similar.set(store.takes_similar());
    decider.all()
}

impl<'a> Decider<'a> {
    fn new(
        graph: &'a Graph,
        request: &Request,
        options: &'a Options,
        store: &'a Store,
    ) -> Result<Decider<'a>> {
        Ok(Decider {
            choice: options.choice.with(graph)?,
            policy: policy::of(&graph.policed())?.map(|(policy, _)| policy),
            graph,
            options,
            store,
            variables: Variables::of(&request.directory),
            similar: Cell::new(false),
        })
    }
}

impl Decider<'_> {
    fn all(&self) -> Result<Decided> {
        let units = self.graph.units.iter().enumerate();
        let macros = units.filter(|(_, unit)| unit.kind == super::graph::Kind::Macro);
        macros.map(|(at, _)| Ok((at, self.one(at)?))).collect()
    }

    fn one(&self, at: UnitIdx) -> Result<Decision> {
        let package = &self.graph.packages[self.graph.units[at].package];
        if package.is_shim {
            return Ok(Decision::Shim);
        }
        if self.options.from_source {
            return Ok(Decision::Source(None));
        }
        if package.source.is_none() && !self.options.members {
            return Ok(Decision::Source(None));
        }
        if let Some(reason) = self.choice.refusal(&package.name) {
            return Ok(Decision::Source(Some(reason.to_owned())));
        }
        if self.policy.as_ref().is_some_and(|policy| policy.refusal(&package.name).is_some()) {
            let reason = "the policy does not permit to precompile it";
            return Ok(Decision::Source(Some(reason.to_owned())));
        }
        if let Some(reason) = self.refused_here(package) {
            return Ok(Decision::Source(Some(reason)));
        }
        let wanted = self.graph.wanted(at);
        let key = Key::of(&wanted)?;
        let key = self.store.find(key, &|name| self.variables.value(name));
        let signatures = self.signatures()(&key.name);
        if self.store.has(&key) && self.store.keeps(&key.id(), signatures) {
            return Ok(match self.problems(&key)? {
                problems if problems.is_empty() => Decision::Stored(key),
                problems => {
                    Decision::Source(Some(format!("by the policy: {}", problems.join("; "))))
                }
            });
        }
        if let Some(similar) = self.like(&wanted, &key)? {
            return Ok(Decision::Similar(key, similar));
        }
        if let Some(reason) = self.store.refusal(&key.attempt(artifact_recipe())) {
            return Ok(Decision::Source(Some(reason)));
        }
        Ok(Decision::Missing(Box::new(wanted), key))
    }

    /// The key of an entry with other versions of dependencies, if such a one may be used.
    fn like(&self, wanted: &Wanted, key: &Key) -> Result<Option<Key>> {
        if !self.similar.get() {
            return Ok(None);
        }
        let requirements = shared::Requirements::of(wanted);
        let value = |name: &str| self.variables.value(name);
        let Some(found) = self.store.similar(key, &requirements.permits(), &value) else {
            return Ok(None);
        };
        let is_kept = self.store.keeps(&found.id(), self.signatures()(&key.name));
        Ok((is_kept && self.problems(&found)?.is_empty()).then_some(found))
    }

    /// By how many trusted keys a package's artifact must be signed, if it comes from elsewhere.
    fn signatures(&self) -> impl Fn(&str) -> usize + '_ {
        |name| self.policy.as_ref().map_or(1, |policy| policy.signatures(name))
    }

    /// Why a build of this workspace has failed with the packed macro.
    fn refused_here(&self, package: &Package) -> Option<String> {
        let label = (package.name.as_str(), package.version.as_str());
        self.store.refusal_in(&self.graph.root, label, &self.graph.settings)
    }

    /// What the policy has against an artifact.
    fn problems(&self, key: &Key) -> Result<Vec<String>> {
        let Some(policy) = &self.policy else { return Ok(Vec::new()) };
        match self.store.manifest(key) {
            Ok(manifest) => Ok(policy::problems(policy, &key.name, &manifest)),
            Err(error) => Ok(vec![error.to_string()]),
        }
    }

    fn plan(
        &self,
        request: &Request,
        missing: Missing,
        decided: Decided,
        (packed, fetched): (&BTreeSet<String>, &BTreeSet<String>),
    ) -> Plan {
        let graph = self.graph;
        let needed = graph.needed(|at| decided.get(&at).is_some_and(Decision::is_ready));
        let labels = |units: &mut dyn Iterator<Item = &Unit>| -> BTreeSet<String> {
            units.map(|unit| self.label(unit)).collect()
        };
        let is_needed: BTreeSet<String> =
            labels(&mut needed.units.iter().map(|at| &graph.units[*at]));
        let all = labels(
            &mut graph
                .units
                .iter()
                .filter(|unit| unit.is_for_host && graph.packages[unit.package].source.is_some()),
        );
        let package = |package: &Package| {
            (package.directory.clone(), (package.source.clone(), package.checksum.clone()))
        };
        let denied = decided.keys().filter_map(|at| {
            let package = &graph.packages[graph.units[*at].package];
            let by_policy = self.policy.as_ref().and_then(|policy| policy.refusal(&package.name));
            let reason = by_policy.map(str::to_owned).or_else(|| self.refused_here(package))?;
            Some((package.name.clone(), reason))
        });
        let found = decided.values().filter_map(|decision| match decision {
            Decision::Stored(key) | Decision::Similar(_, key) => {
                Some((key.id(), self.signatures()(&key.name)))
            }
            _ => None,
        });
        let found: BTreeMap<String, usize> = found.collect();
        let keys = decided.values().filter_map(|decision| match decision {
            Decision::Stored(key) | Decision::Similar(_, key) | Decision::Missing(_, key) => {
                Some(key)
            }
            Decision::Shim | Decision::Source(_) => None,
        });
        let read = keys.flat_map(|key| self.store.read(key)).flatten();
        let environment = self.variables.values(read);
        Plan {
            root: graph.root.clone(),
            missing,
            macros: treated(graph, &needed, &decided, missing, (packed, fetched)),
            wanted: wanted(graph, &decided),
            options: Options { choice: self.choice.clone(), ..self.options.clone() },
            directory: request.directory.clone(),
            is_offline: request.is_offline(),
            lockfile: graph.lockfile.clone(),
            settings: graph.settings.clone(),
            places: graph
                .packages
                .iter()
                .map(|p| (identity(&p.name, &p.version, p.source.as_deref()), p.directory.clone()))
                .collect(),
            origins: graph.packages.iter().map(package).collect(),
            put_off: all.difference(&is_needed).cloned().collect(),
            needed: is_needed,
            denied: denied.collect(),
            permitted: self.policy.as_ref().map(|_| found.keys().cloned().collect()),
            found,
            similar: decided
                .values()
                .filter_map(|decision| match decision {
                    Decision::Similar(key, similar) => Some((key.id(), similar.clone())),
                    _ => None,
                })
                .collect(),
            signatures: self.policy.as_ref().map_or(1, Policy::most_signatures),
            note: None,
            environment,
            authors: authors::of(graph),
            targets: request.target_dir.iter().chain(&graph.targets).cloned().collect(),
            stamps: stamps(graph, &request.directory, self.store),
        }
    }

    fn label(&self, unit: &Unit) -> String {
        let package = &self.graph.packages[unit.package];
        let profile = (unit.profile.0.as_str(), unit.profile.1.as_str());
        label(&package.name, &package.version, &unit.features, profile)
    }
}

fn identity(name: &str, version: &str, source: Option<&str>) -> String {
    format!("{name} {version} {}", source.unwrap_or_default())
}

/// Stands for a library as cargo compiles it.
fn label(
    name: &str,
    version: &str,
    features: &BTreeSet<String>,
    (opt_level, debuginfo): (&str, &str),
) -> String {
    let features: Vec<&str> = features.iter().map(String::as_str).collect();
    format!("{name} {version} {opt_level} {debuginfo} {}", features.join(","))
}

/// What no store has, of the macros that the build would use if it were there.
fn wanted(graph: &Graph, decided: &Decided) -> Vec<Wanted> {
    let is_source = |at| matches!(decided.get(&at), Some(Decision::Source(_)) | None);
    let mut found: BTreeMap<String, Wanted> = BTreeMap::new();
    for at in graph.needed(|at| !is_source(at)).macros {
        if let Some(Decision::Missing(wanted, key)) = decided.get(&at) {
            found.insert(key.id(), (**wanted).clone());
        }
    }
    found.into_values().collect()
}

fn treated(
    graph: &Graph,
    needed: &Needed,
    decided: &Decided,
    missing: Missing,
    (packed, fetched): (&BTreeSet<String>, &BTreeSet<String>),
) -> Vec<Treated> {
    let mut macros = Vec::new();
    for at in &needed.macros {
        let unit = &graph.units[*at];
        let package = &graph.packages[unit.package];
        let outcome = match &decided[at] {
            Decision::Shim => Outcome::Shim,
            Decision::Stored(key) if packed.contains(&key.id()) => Outcome::Packed,
            Decision::Stored(key) if fetched.contains(&key.id()) => Outcome::Fetched,
            Decision::Stored(_) => Outcome::Stored,
            Decision::Similar(..) => Outcome::Similar,
            Decision::Missing(..) if missing == Missing::Later => Outcome::Later,
            Decision::Missing(..) => Outcome::Source("no store has it".into()),
            Decision::Source(Some(reason)) => Outcome::Source(reason.clone()),
            Decision::Source(None) => continue,
        };
        macros.push(Treated {
            name: package.name.clone(),
            version: package.version.clone(),
            features: unit.features.clone(),
            outcome,
        });
    }
    macros.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    macros.dedup();
    macros
}

/// The files that decide on the graph, as they are now.
fn stamps(graph: &Graph, directory: &Path, store: &Store) -> BTreeMap<PathBuf, Option<String>> {
    let mut files = graph.manifests.clone();
    files.extend(["Cargo.toml", "Cargo.lock", policy::FILE].map(|name| graph.root.join(name)));
    files.extend(cargo::configuration_places(directory));
    files.extend(store.trusting());
    files.into_iter().map(|file| (file.clone(), program::mark(&file))).collect()
}

/// Stands for the command line and all that cargo and we read of the environment.
fn key(request: &Request, options: &Options, store: &Store) -> String {
    let is_read = |name: &str| VARIABLES.iter().any(|start| name.starts_with(start));
    let mut variables: Vec<(String, String)> =
        std::env::vars().filter(|(name, _)| is_read(name)).collect();
    variables.sort_unstable();
    let own = std::env::current_exe().ok().and_then(|file| program::mark(&file));
    let parts = [
        request.described(),
        format!("{options:?} {own:?}"),
        format!("{variables:?}"),
        std::env::var("PATH").unwrap_or_default(),
        format!("{:?}", store.settings().ok()),
    ];
    hash_of(&parts)[..32].to_owned()
}

/// What is known of a package by its directory alone.
pub fn origin_of(directory: &Path, store: &Store) -> Origin {
    let vendored = std::fs::read(directory.join(".cargo-checksum.json")).ok();
    let vendored: Option<Value> = vendored.and_then(|text| serde_json::from_slice(&text).ok());
    let checksum = match vendored {
        Some(value) => value["package"].as_str().map(str::to_owned),
        None => of_download(directory, store),
    };
    (checksum.as_ref().map(|_| "registry".to_owned()), checksum)
}

/// The checksum of the file that cargo has unpacked: `registry/src/NAME/PACKAGE` comes from
/// `registry/cache/NAME/PACKAGE.crate`.
fn of_download(directory: &Path, store: &Store) -> Option<String> {
    let registry = directory.parent()?;
    let sources = registry.parent().filter(|sources| sources.ends_with("registry/src"))?;
    let name = format!("{}.crate", directory.file_name()?.to_str()?);
    let file = sources.with_file_name("cache").join(registry.file_name()?).join(name);
    let mark = program::mark(&file)?;
    let key = &hash_of(&[mark])[..32];
    if let Some(known) = store.cache().kept(kinds::PROGRAM, key) {
        return Some(known);
    }
    let checksum = files::sha256(&std::fs::read(&file).ok()?);
    store.cache().keep(kinds::PROGRAM, key, &checksum);
    Some(checksum)
}
