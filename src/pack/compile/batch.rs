//! Packs many macros at once: those of a project, with exactly the versions and features that its
//! build has.
//!
//! Macros that agree about every package they share are compiled by one cargo build, as members of
//! one workspace. Beside them stands a package that is never compiled: it depends on everything with
//! the features that are wanted, so that feature unification gives those and no others. A module
//! leaves the build as soon as it is linked, and is finished on a thread of its own meanwhile.
//! A module does not depend on what it was built together with.

use crate::artifact::manifest::Source;
use crate::base::error::{Class, Context, Error, Result};
use crate::base::files;
use crate::base::report::Report;
use crate::cache::{kinds, Cache, Locked, Wanted};
use crate::lower;
use crate::pack::compile::build::{self, Built, Failed, Job, Member};
use crate::pack::compile::environment::{self, Variables};
use crate::pack::compile::script;
use crate::pack::compile::unified::{unified, Asked, Unified};
use crate::pack::compile::wrapper;
use crate::pack::compiler::guest::{self, Guest};
use crate::pack::compiler::toolchain::{self, Toolchain};
use crate::pack::finish::{assemble, finish, portable};
use crate::pack::made::{load, store, Compiled, Made};
use crate::pack::module::exports;
use crate::pack::options::{Features, PackOptions, Packed};
use crate::pack::recipe::{module_key, recipe_of_builds};
use crate::pack::source::dependency::Dependency;
use crate::pack::source::exact;
use crate::pack::source::lock::{Id, Lock};
use crate::pack::source::native;
use crate::pack::source::resolve::{self, Package};
use crate::pack::source::stage;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{mpsc, Condvar, Mutex, PoisonError};
use toml_edit::{Array, DocumentMut, Item, Table, TableLike, Value};

/// The package whose features are unified with those of all others.
const PINS: &str = "precast-pins";

/// The project that the packages are compiled for.
#[derive(Clone, Copy, Debug)]
pub struct Project<'a> {
    /// Where cargo's configuration is looked for.
    pub directory: &'a Path,
    /// The text of its `Cargo.lock`.
    pub lockfile: &'a str,
    pub offline: bool,
}

/// Packs macros as a project's build compiles them: the results in the order of `wanted`. That one
/// fails is its own result; an error of the whole is one of the machine.
pub fn pack_wanted(
    wanted: &[Wanted],
    project: &Project,
    cache: &Cache,
    report: &dyn Report,
) -> Result<Vec<Result<Packed>>> {
    wrapper::program()?;
    let toolchain = toolchain::find(project.directory, cache, report)?;
    let lock = Lock::parse(project.lockfile)?;
    let asked = wanted.iter().map(|wanted| Request::of(wanted, project, &lock)).collect();
    let builder = Builder {
        toolchain: &toolchain,
        directory: project.directory,
        offline: project.offline,
        variables: &Variables::of(project.directory),
        cache,
    };
    Ok(builder.pack(asked, report))
}

/// A package to pack, with all that decides what it becomes.
pub(crate) struct Request {
    pub(crate) package: Package,
    /// Its versions; what it does not use may stand there as well.
    pub(crate) lock: Lock,
    /// What a project links into it; none where cargo's own choice of features is wanted.
    pub(crate) linked: Option<Vec<Locked>>,
    /// Features, sets, grants and profile.
    pub(crate) options: PackOptions,
}

impl Request {
    fn of(wanted: &Wanted, project: &Project, lock: &Lock) -> Result<Request> {
        let Locked { name, version, source, checksum, directory, features } = &wanted.package;
        let known = lock.find(name, version, source.as_deref());
        let checksum = checksum.as_deref().or_else(|| lock.checksum(known?));
        let package = resolve::of_graph(
            name,
            version,
            checksum,
            directory,
            project.lockfile,
            project.directory,
        )?;
        let names = features.iter().cloned().collect();
        let features = Features { names, no_default: true, ..Features::default() };
        Ok(Request {
            package,
            lock: lock.clone(),
            linked: Some(wanted.dependencies.clone()),
            options: PackOptions { features, ..PackOptions::default() },
        })
    }
}

/// What all builds of one command have in common.
pub(crate) struct Builder<'a> {
    pub(crate) toolchain: &'a Toolchain,
    /// Where cargo's configuration is looked for.
    pub(crate) directory: &'a Path,
    pub(crate) offline: bool,
    pub(crate) variables: &'a Variables,
    pub(crate) cache: &'a Cache,
}

/// A package with one set of features: what gives one module.
pub(crate) struct Task<'a> {
    package: &'a Package,
    pub(crate) features: Features,
    profile: &'a [String],
    /// The manifest to stage.
    manifest: String,
    /// `[patch]` of its workspace.
    patch: Option<Item>,
    /// What is enabled: `default` or not, and by name.
    enabled: (bool, Vec<String>),
    /// The versions of this package alone.
    pub(crate) lock: Lock,
    /// By id, what a project links into it.
    linked: Option<BTreeMap<Id, &'a Locked>>,
    library: String,
}

impl<'a> Task<'a> {
    pub(crate) fn new(request: &'a Request, features: &Features) -> Result<Task<'a>> {
        let Request { package, lock, options, .. } = request;
        let source = match package.source {
            Source::Registry { .. } => request.source(),
            Source::Path { .. } | Source::Module { .. } => None,
        };
        let root = lock.find(&package.name, &package.version, source).ok_or_else(|| {
            let label = label(package);
            Error::new(Class::Usage, format!("the lock file does not name {label}"))
        })?;
        let linked: Option<BTreeMap<Id, &Locked>> = request.linked.as_ref().map(|linked| {
            let id = |one: &Locked| {
                let found = lock.find(&one.name, &one.version, one.source.as_deref()).cloned();
                found.unwrap_or(Id {
                    name: one.name.clone(),
                    version: one.version.clone(),
                    source: one.source.clone(),
                })
            };
            linked.iter().map(|one| (id(one), one)).collect()
        });
        let directory = |id: &Id| Some(linked.as_ref()?.get(id)?.directory.clone());
        let staged = stage::manifest(&package.manifest)?;
        let (staged, direct) = exact::exact(&staged, root, lock, &directory)?;
        let mut document: DocumentMut =
            staged.parse().class(Class::Package, "cannot read Cargo.toml")?;
        document.remove("workspace");
        let patch = document.remove("patch");
        let names = features.names.iter().flat_map(|names| names.split([',', ' ']));
        let mut names: Vec<String> =
            names.filter(|name| !name.is_empty()).map(str::to_owned).collect();
        if features.all {
            names.extend(all_features(&document));
        }
        // Features of dependencies, which nobody can enable from outside.
        names.retain(|name| !enable_inside(&mut document, name));
        exact::only(&mut document, !features.no_default, &names);
        let library = document.get("lib").and_then(|lib| lib.get("name")?.as_str());
        let library = library.unwrap_or(&package.name).replace('-', "_");
        let enabled = (!features.no_default, names);
        Ok(Task {
            package,
            features: features.clone(),
            profile: &options.profile,
            manifest: document.to_string(),
            patch,
            enabled,
            lock: lock.alone(root, &direct),
            linked,
            library,
        })
    }

    fn id(&self) -> Id {
        Id { name: self.package.name.clone(), version: self.package.version.clone(), source: None }
    }

    /// Something that it is made of lies in a directory, and may change.
    fn has_paths(&self) -> bool {
        let own = self.id();
        self.lock.ids().any(|id| id.source.is_none() && *id != own)
    }

    fn key(&self, build_key: &str) -> String {
        let linked = self.linked.iter().flatten();
        let linked: Vec<String> = linked
            .map(|(id, locked)| format!("{id:?} {:?} {:?}", locked.checksum, locked.features))
            .collect();
        let parts = [self.manifest.clone(), self.lock.text(), format!("{:?}", self.enabled)];
        let asserted = format!("{:?}", self.features);
        let parts: Vec<&str> = parts.iter().chain(&linked).map(String::as_str).collect();
        module_key(self.package, &[&parts[..], &[build_key, &asserted]].concat(), self.profile)
    }

    /// The packages among the compiled ones that are linked into this one, or none if they are not
    /// those that the project has: what another member of the workspace enabled may be among them.
    fn linked_of(
        &self,
        compiled: &BTreeSet<Dependency>,
        is_alone: bool,
    ) -> Option<BTreeSet<Dependency>> {
        let Some(wanted) = &self.linked else { return Some(compiled.clone()) };
        let known = |dependency: &&Dependency| self.lock.ids().any(|id| dependency.is(id));
        let found = compiled.iter().filter(known);
        if is_alone {
            return Some(found.cloned().collect());
        }
        let mut linked = BTreeSet::new();
        for dependency in found {
            let locked = wanted.iter().find(|(id, _)| dependency.is(id)).map(|(_, locked)| locked);
            // Cargo enabled more for wasm, or needs a package for wasm alone: for whom is not said.
            if !locked.is_some_and(|locked| dependency.features.iter().eq(&locked.features)) {
                return None;
            }
            linked.insert(dependency.clone());
        }
        Some(linked)
    }
}

impl Task<'_> {
    /// What of a build is this package's own: the packages linked into it, and what was heard of them and of
    /// the macros and build scripts that it uses. None if the packages are not those of the project.
    fn own(&self, built: Built, is_alone: bool) -> Option<Built> {
        let linked = self.linked_of(&built.linked, is_alone)?;
        let mut heard = built.heard;
        heard.retain(|heard| heard.is_of(&self.id(), &linked, &self.lock));
        Some(Built { linked, heard, ..built })
    }
}

impl Request {
    /// Where a package of a registry is from, if a project says it.
    fn source(&self) -> Option<&str> {
        let own = self.lock.ids().find(|id| {
            id.name == self.package.name
                && id.version == self.package.version
                && id.registry().is_some()
        });
        own?.source.as_deref()
    }
}

fn label(package: &Package) -> String {
    format!("{} {}", package.name, package.version)
}

/// Every feature, those included that optional dependencies make.
fn all_features(document: &DocumentMut) -> Vec<String> {
    let features = document.get("features").and_then(Item::as_table_like);
    let features: Vec<(&str, &Item)> =
        features.into_iter().flat_map(|table| table.iter()).collect();
    let mut names: Vec<String> = features.iter().map(|(name, _)| (*name).to_owned()).collect();
    let lists = features.iter().filter_map(|(_, item)| item.as_array()).flatten();
    let texts: Vec<&str> = lists.filter_map(Value::as_str).collect();
    for (key, item) in dependencies(document) {
        let is_optional = item.get("optional").and_then(Item::as_bool) == Some(true);
        let is_hidden = texts.contains(&format!("dep:{key}").as_str());
        if is_optional && !is_hidden && !names.iter().any(|name| name == key) {
            names.push(key.to_owned());
        }
    }
    names
}

fn dependencies(document: &DocumentMut) -> Vec<(&str, &Item)> {
    let targets = document.get("target").and_then(Item::as_table_like);
    let targets = targets.into_iter().flat_map(|table| table.iter().map(|(_, item)| item));
    let tables = [document.as_item()].into_iter().chain(targets);
    let list = tables.filter_map(|table| table.get("dependencies")?.as_table_like());
    list.flat_map(|table| table.iter()).collect()
}

/// Enables `DEPENDENCY/FEATURE` where the dependency is named. False for any other feature.
fn enable_inside(document: &mut DocumentMut, name: &str) -> bool {
    let Some((key, feature)) = name.split_once('/') else { return false };
    let enable = |table: &mut dyn TableLike| {
        let item = table.get_mut("dependencies").and_then(|item| item.get_mut(key));
        let Some(item) = item.and_then(Item::as_table_like_mut) else { return };
        item.remove("optional");
        let list = item.entry("features").or_insert(Item::Value(Value::Array(Array::new())));
        if let Some(list) = list.as_array_mut() {
            list.push(feature);
        }
    };
    enable(document.as_table_mut());
    if let Some(targets) = document.get_mut("target").and_then(Item::as_table_like_mut) {
        for (_, target) in targets.iter_mut() {
            target.as_table_like_mut().into_iter().for_each(enable);
        }
    }
    true
}

/// Tasks that one cargo build compiles.
struct Group {
    tasks: Vec<usize>,
    lock: Lock,
}

/// Puts each task into the first group where everybody agrees with it.
fn groups(tasks: &[Task], open: &[usize]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for &at in open {
        let task = &tasks[at];
        let fits = |group: &&mut Group| {
            let agrees = |other: &usize| agree(task, &tasks[*other]);
            group.tasks.iter().all(agrees) && group.lock.agrees(&task.lock)
        };
        match groups.iter_mut().find(fits) {
            Some(group) => {
                group.tasks.push(at);
                group.lock.merge(&task.lock);
            }
            None => groups.push(Group { tasks: vec![at], lock: task.lock.clone() }),
        }
    }
    groups
}

/// Whether both can be compiled together without changing each other.
fn agree(one: &Task, other: &Task) -> bool {
    let (Some(linked), Some(others)) = (&one.linked, &other.linked) else { return false };
    one.features.asserted.is_empty()
        && other.features.asserted.is_empty()
        && one.package.name != other.package.name
        && one.library != other.library
        && linked.iter().all(|(id, locked)| {
            others.get(id).is_none_or(|other| other.features == locked.features)
        })
}

/// What is left to do when a module is there.
enum Work {
    Lower(Box<Made>),
    Finish(Built),
}

/// Lets so many threads work at once.
struct Gate {
    free: Mutex<usize>,
    freed: Condvar,
}

impl Gate {
    fn pass<T>(&self, work: impl FnOnce() -> T) -> T {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let free = self.freed.wait_while(free, |free| *free == 0);
        *free.unwrap_or_else(PoisonError::into_inner) -= 1;
        let done = work();
        *self.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.freed.notify_one();
        done
    }
}

impl Builder<'_> {
    /// Packs everything: the results in order.
    pub(crate) fn pack(
        &self,
        asked: Vec<Result<Request>>,
        report: &dyn Report,
    ) -> Vec<Result<Packed>> {
        let mut slots: Vec<Option<Result<Packed>>> = Vec::new();
        let mut requests: Vec<(usize, Request)> = Vec::new();
        for (at, asked) in asked.into_iter().enumerate() {
            let failed = match asked {
                Ok(request) => {
                    requests.push((at, request));
                    None
                }
                Err(error) => Some(Err(error)),
            };
            slots.push(failed);
        }
        // Of each request the sets in order, the first one being that of the package's own features.
        let mut made: Vec<Vec<Compiled>> = requests.iter().map(|_| Vec::new()).collect();
        // Some packages have no macro by default (derive_more-impl): the first set that has some is the base.
        let mut barren: Vec<Option<Error>> = requests.iter().map(|_| None).collect();
        let mut open: Vec<(usize, Features)> = Vec::new();
        for (at, (_, request)) in requests.iter().enumerate() {
            open.push((at, request.options.features.clone()));
            open.extend(request.options.sets.iter().map(|set| (at, set.clone())));
        }
        while !open.is_empty() {
            let (mut tasks, mut owners) = (Vec::new(), Vec::new());
            for (at, features) in std::mem::take(&mut open) {
                let (slot, request) = &requests[at];
                match Task::new(request, &features) {
                    Ok(task) => {
                        tasks.push(task);
                        owners.push(at);
                    }
                    Err(error) => drop(slots[*slot].get_or_insert(Err(error))),
                }
            }
            let results = self.compile(&tasks, report);
            for ((at, task), result) in owners.into_iter().zip(&tasks).zip(results) {
                let slot = &mut slots[requests[at].0];
                match result {
                    Ok(compiled) => {
                        let asserted = compiled.made.asserted.clone();
                        open.extend(task.features.with_assertions(asserted).map(|set| (at, set)));
                        made[at].push(compiled);
                    }
                    Err(error) if exports::are_none(&error) && made[at].is_empty() => {
                        barren[at] = Some(error);
                    }
                    Err(error) => drop(slot.get_or_insert(Err(error))),
                }
            }
            open.retain(|(at, _)| slots[requests[*at].0].is_none());
        }
        for ((slot, _), (made, barren)) in requests.iter().zip(made.iter().zip(barren)) {
            if let (true, Some(error)) = (made.is_empty(), barren) {
                slots[*slot].get_or_insert(Err(error));
            }
        }
        let gate = Gate { free: Mutex::new(n_threads()), freed: Condvar::new() };
        std::thread::scope(|scope| {
            let mut working = Vec::new();
            for ((slot, request), made) in requests.iter().zip(made) {
                let gate = &gate;
                if slots[*slot].is_none() {
                    let work = move || assemble(&request.package, &request.options, made);
                    working.push((*slot, scope.spawn(move || gate.pass(work))));
                }
            }
            for (slot, thread) in working {
                slots[slot] = Some(thread.join().unwrap_or_else(|panic| {
                    std::panic::resume_unwind(panic);
                }));
            }
        });
        slots.into_iter().map(|slot| slot.expect("every request has its result")).collect()
    }

    /// Makes the modules of all tasks: the results in order.
    fn compile(&self, tasks: &[Task], report: &dyn Report) -> Vec<Result<Compiled>> {
        let mut results: Vec<Option<Result<Compiled>>> = tasks.iter().map(|_| None).collect();
        let gate = Gate { free: Mutex::new(n_threads()), freed: Condvar::new() };
        let build_key = recipe_of_builds(self.toolchain);
        let keys: Vec<String> = tasks.iter().map(|task| task.key(&build_key)).collect();
        let failed = std::thread::scope(|scope| {
            let (sender, receiver) = mpsc::channel();
            let (gate, keys) = (&gate, &keys);
            let start = |at: usize, work: Work| {
                let sender = sender.clone();
                scope.spawn(move || {
                    let done = gate.pass(|| match work {
                        Work::Lower(made) => lowered(*made),
                        Work::Finish(built) => {
                            lowered(self.finished(&tasks[at], &built, &keys[at])?)
                        }
                    });
                    // Whoever asked has failed meanwhile if nobody listens.
                    let _ = sender.send((at, done));
                });
            };
            let mut open = Vec::new();
            for (at, task) in tasks.iter().enumerate() {
                // What is in a directory may have changed; cargo knows.
                let kept = (!task.has_paths()).then(|| self.cached(&keys[at], task)).flatten();
                match kept {
                    Some(made) => start(at, Work::Lower(Box::new(made))),
                    None => open.push(at),
                }
            }
            let run = || -> Result<Vec<(usize, Error)>> {
                let mut failed = Vec::new();
                if open.is_empty() {
                    return Ok(failed);
                }
                let _used = self.cache.share(kinds::BUILD, &build_key, report)?;
                let guest = guest::build(self.toolchain, self.cache, report)?;
                let mut open = groups(tasks, &open);
                let mut n_done =
                    tasks.len() - open.iter().map(|group| group.tasks.len()).sum::<usize>();
                while !open.is_empty() {
                    let group = open.remove(0);
                    let mut alone = Vec::new();
                    let mut done = |at: usize, built: Built| {
                        let task = &tasks[at];
                        let is_alone = group.tasks.len() == 1;
                        match task.own(built, is_alone) {
                            Some(built) => start(at, Work::Finish(built)),
                            None => {
                                alone.push(Group { tasks: vec![at], lock: task.lock.clone() });
                            }
                        }
                    };
                    let place = Place { build_key: &build_key, guest: &guest, n_done };
                    failed.extend(self.group(tasks, &group, &place, report, &mut done)?);
                    n_done += group.tasks.len() - alone.len();
                    open.splice(0..0, alone);
                }
                Ok(failed)
            };
            let failed = run();
            drop(sender);
            let n_waiting = |results: &[Option<Result<Compiled>>]| {
                results.iter().filter(|one| one.is_none()).count()
            };
            let n_failed = failed.as_ref().map_or(0, Vec::len);
            while let Ok((at, result)) = receiver.recv() {
                results[at] = Some(result);
                match n_waiting(&results).saturating_sub(n_failed) {
                    0 => {}
                    n => report.step(&format!("lowering; {n} of {} to be done", tasks.len())),
                }
            }
            failed
        });
        match failed {
            Ok(failed) => failed.into_iter().for_each(|(at, error)| results[at] = Some(Err(error))),
            Err(error) => {
                for result in results.iter_mut().filter(|result| result.is_none()) {
                    *result = Some(Err(error.again()));
                }
            }
        }
        results.into_iter().map(|result| result.expect("each task is done or failed")).collect()
    }

    /// The module that is kept for these inputs and the present environment: the last one that was made, or
    /// one with the values that the last one's variables have now.
    fn cached(&self, key: &str, task: &Task) -> Option<Made> {
        let at = |key: &str| {
            // Who replaces or removes the entry meanwhile makes it missing, never different.
            load(self.cache.read(kinds::MODULE, key)?, &task.lock.text()).ok()
        };
        let holds =
            |made: &Made| made.manifest.environment_holds(|name| self.variables.value(name));
        let last = at(key)?;
        if holds(&last) {
            return Some(last);
        }
        let now = self.variables.values(last.manifest.environment.into_keys());
        at(&environment::key(key, &now)).filter(holds)
    }

    fn finished(&self, task: &Task, built: &Built, key: &str) -> Result<Made> {
        let lockfile = task.lock.text();
        let package = task.package;
        let root = self.cache.root();
        portable(&built.wasm, root)?;
        let made =
            finish(package, built, &task.features, self.toolchain, &lockfile, task.profile, root)?;
        let values = environment::key(key, &made.manifest.environment);
        for key in BTreeSet::from([key, &values]) {
            self.cache.put(kinds::MODULE, key, |entry| store(&made, entry))?;
        }
        Ok(made)
    }

    /// Builds a group, and tells of each module when it is there. Returns who failed.
    fn group(
        &self,
        tasks: &[Task],
        group: &Group,
        place: &Place,
        report: &dyn Report,
        done: &mut dyn FnMut(usize, Built),
    ) -> Result<Vec<(usize, Error)>> {
        let shared = self.cache.path(kinds::BUILD, place.build_key);
        // One build at a time with one toolchain: members have fixed places, which module's paths show.
        let _building =
            self.cache.lock(kinds::BUILD, &format!("{}-target", place.build_key), report)?;
        let build = Build { tasks, group, shared: &shared, guest: place.guest };
        build.run(self, tasks.len(), place.n_done, report, done)
    }
}

impl Builder<'_> {
    /// Builds one task in a place of its own: what it gave, and the lock file as cargo left it; none if
    /// cargo had to add something.
    pub(crate) fn alone(
        &self,
        task: Task,
        shared: &Path,
        guest: &Guest,
        report: &dyn Report,
    ) -> Result<(Built, Option<String>)> {
        let mut found = None;
        let group = Group { tasks: vec![0], lock: task.lock.clone() };
        let tasks = [task];
        let build = Build { tasks: &tasks, group: &group, shared, guest };
        let failed = build.run(self, 1, 0, report, &mut |_, built| found = Some(built))?;
        if let Some((_, error)) = failed.into_iter().next() {
            return Err(error);
        }
        let [task] = &tasks;
        let built = found.expect("what did not fail has a module");
        let built = task.own(built, true).expect("alone, it has what it has");
        let left = shared.join("staged/Cargo.lock");
        let left = Lock::parse(&std::fs::read_to_string(&left).at("read", &left)?)?;
        let is_known = |id: &Id| id.name == PINS || task.lock.ids().any(|known| known == id);
        let lockfile = left.ids().all(is_known).then(|| task.lock.text());
        Ok((built, lockfile))
    }
}

struct Place<'a> {
    build_key: &'a str,
    guest: &'a Guest,
    /// How many packages are done already.
    n_done: usize,
}

/// A group in its place.
pub(crate) struct Build<'a> {
    tasks: &'a [Task<'a>],
    group: &'a Group,
    shared: &'a Path,
    guest: &'a Guest,
}

impl Build<'_> {
    fn run(
        &self,
        builder: &Builder,
        n_tasks: usize,
        n_done: usize,
        report: &dyn Report,
        done: &mut dyn FnMut(usize, Built),
    ) -> Result<Vec<(usize, Error)>> {
        let staged = self.shared.join("staged");
        let members = self.stage(builder, &staged)?;
        let mut n_made = n_done;
        let names: Vec<String> = self.tasks().map(|task| label(task.package)).collect();
        report.step(&format!("compiling {}", names.join(", ")));
        let asserted = self.tasks().flat_map(|task| task.features.asserted.iter().cloned());
        let mut job = Job {
            toolchain: builder.toolchain,
            guest: self.guest,
            staged: &staged,
            members: &members,
            directory: builder.directory,
            shared: self.shared,
            asserted: &asserted.collect::<Vec<_>>(),
            variables: builder.variables,
            // With all versions known, nobody need be asked.
            offline: true,
        };
        let n_crates = self.n_crates();
        let mut progress = build::Progress::new(&names, n_crates);
        let mut seen = BTreeSet::new();
        let mut failed = None;
        for offline in [true, builder.offline] {
            job.offline = offline;
            let found = build::build(&job, &mut |event| match event {
                build::Event::Compiled(name) => {
                    report.step(&progress.text(name, n_made, n_tasks));
                }
                build::Event::Module(at, built) => {
                    if seen.insert(at) {
                        n_made += 1;
                        done(self.group.tasks[at], built);
                    }
                }
            })?;
            let is_missing = found.as_ref().is_some_and(Failed::is_offline);
            failed = found;
            if !is_missing || builder.offline {
                break;
            }
        }
        let missing = (0..members.len()).filter(|at| !seen.contains(at));
        Ok(missing.map(|at| (self.group.tasks[at], self.error(at, failed.as_ref()))).collect())
    }

    fn tasks(&self) -> impl Iterator<Item = &Task<'_>> {
        self.group.tasks.iter().map(|at| &self.tasks[*at])
    }

    /// How many crates cargo compiles, about.
    fn n_crates(&self) -> usize {
        let linked = self.tasks().filter_map(|task| task.linked.as_ref());
        let linked: BTreeSet<&Id> = linked.flat_map(|linked| linked.keys()).collect();
        let known = self.tasks().all(|task| task.linked.is_some());
        if known {
            linked.len() + self.group.tasks.len()
        } else {
            self.group.lock.ids().count()
        }
    }

    /// Why a member has no module.
    fn error(&self, at: usize, failed: Option<&Failed>) -> Error {
        let task = &self.tasks[self.group.tasks[at]];
        match failed {
            None => Error::new(
                Class::Package,
                "the build made no wasm module; is this a proc-macro crate?",
            ),
            Some(failed) => failed.error(&|name, version| {
                let same = |id: &Id| id.name == name && version.is_none_or(|v| v == id.version);
                task.lock.ids().any(same)
            }),
        }
    }

    /// Writes the workspace.
    fn stage(&self, builder: &Builder, staged: &Path) -> Result<Vec<Member>> {
        if staged.exists() {
            std::fs::remove_dir_all(staged).at("empty", staged)?;
        }
        let mut members = Vec::new();
        let mut names = vec![PINS.to_owned()];
        for task in self.tasks() {
            let name = format!("{}-{}", task.package.name, task.package.version);
            let directory = staged.join(&name);
            stage::write_files(task.package, &directory)?;
            let mut manifest = task.manifest.clone();
            if native::has_targets(&manifest) {
                let cfgs = script::host_cfgs(&builder.toolchain.rustc)?;
                manifest = native::native(&manifest, &builder.toolchain.host, &cfgs)?;
            }
            files::put(&directory.join("Cargo.toml"), manifest.as_bytes())?;
            names.push(name);
            members.push(Member { directory });
        }
        files::put(&staged.join("Cargo.toml"), self.root(&names)?.as_bytes())?;
        files::put(&staged.join("Cargo.lock"), self.group.lock.text().as_bytes())?;
        let pins = staged.join(PINS);
        files::put(&pins.join("main.rs"), b"fn main() {}\n")?;
        let pins = pins.join("Cargo.toml");
        if self.tasks().any(|task| task.linked.is_none()) {
            files::put(&pins, self.pins(&members, "build-dependencies", &[]).as_bytes())?;
            let Builder { toolchain, directory, offline, .. } = *builder;
            let asked = Asked { toolchain, directory, staged, member: PINS, offline };
            let unified = unified(&asked, &self.group.lock)?;
            files::put(&pins, self.pins(&members, "dependencies", &unified).as_bytes())?;
        } else {
            files::put(&pins, self.pins(&members, "dependencies", &[]).as_bytes())?;
        }
        Ok(members)
    }

    fn root(&self, names: &[String]) -> Result<String> {
        let mut root = DocumentMut::new();
        root["workspace"]["resolver"] = toml_edit::value("2");
        root["workspace"]["members"] = toml_edit::value(Array::from_iter(names));
        for task in self.tasks() {
            let Some(linked) = &task.linked else {
                if let Some(patch) = &task.patch {
                    root.insert("patch", patch.clone());
                }
                continue;
            };
            for (registry, id) in task.lock.patches() {
                let directory = linked.get(id).map(|locked| locked.directory.clone());
                let Some(patch) = exact::patch(id, directory) else { continue };
                let patches = root.entry("patch").or_insert(Item::Table(Table::new()));
                let table = patches.as_table_like_mut().expect("it was made one");
                let table = table.entry(registry).or_insert(Item::Table(Table::new()));
                table[&format!("{}-{}", id.name, id.version)] = toml_edit::value(patch);
            }
        }
        Ok(root.to_string())
    }

    /// The manifest of the package that chooses features: for wasm, and for what macros use of other
    /// macros while they are compiled. Members are dependencies of this kind; others have the features that
    /// the project has, or these.
    fn pins(&self, members: &[Member], kind: &str, unified: &[Unified]) -> String {
        let mut pins: DocumentMut = format!(
            "[package]\nname = \"{PINS}\"\nversion = \"0.0.0\"\nedition = \"2021\"\nbuild = false\n\
             [[bin]]\nname = \"{PINS}\"\npath = \"main.rs\"\n[dependencies]\n[build-dependencies]\n"
        )
        .parse()
        .expect("it is TOML");
        let linked = self.tasks().filter_map(|task| task.linked.as_ref()).flatten();
        let linked: BTreeMap<&Id, &&Locked> = linked.collect();
        let of_project = linked.into_iter().map(|(id, locked)| {
            let features: Vec<String> = locked.features.iter().cloned().collect();
            exact::dependency(id, Some(locked.directory.clone()), &features)
        });
        let of_unified = unified.iter().map(|one| {
            let Unified { id, directory, features } = one;
            exact::dependency(id, directory.clone(), features)
        });
        for (at, pin) in of_project.chain(of_unified).enumerate() {
            for kind in ["dependencies", "build-dependencies"] {
                pins[kind][&format!("p{at}")] = toml_edit::value(pin.clone().unwrap_or_default());
            }
        }
        for (at, (task, member)) in self.tasks().zip(members).enumerate() {
            let (default, names) = &task.enabled;
            let pin = exact::dependency(&task.id(), Some(member.directory.clone()), names);
            let mut pin = pin.unwrap_or_default();
            pin.insert("default-features", (*default).into());
            pins[kind][&format!("m{at}")] = toml_edit::value(pin);
        }
        pins.to_string()
    }
}

/// Canonical wasm with its image.
fn lowered(made: Made) -> Result<Compiled> {
    let image = lower::compress(&lower::lower(&made.wasm)?)?;
    Ok(Compiled { made, image })
}

fn n_threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
