//! Packs many macros at once: those of a project, with exactly the versions and features that its
//! build has.
//!
//! Macros that agree about every package they share are compiled by one cargo build, as members of
//! one workspace. Beside them stands a package that is never compiled: it depends on everything with
//! the features that are wanted, so that feature unification gives those and no others. A module
//! leaves the build as soon as it is linked, and is finished on a thread of its own meanwhile.
//! A module does not depend on what it was built together with.

mod task;
mod workspace;

use crate::base::error::{Context, Error, Result};
use crate::base::files::hash_of;
use crate::base::report::Report;
use crate::cache::{kinds, Cache, Wanted};
use crate::lower;
use crate::pack::compile::build::Built;
use crate::pack::compile::environment::{self, Variables};
use crate::pack::compile::wrapper;
use crate::pack::compiler::guest::{self, Guest};
use crate::pack::compiler::toolchain::{self, Toolchain};
use crate::pack::finish::{assemble, finish, portable};
use crate::pack::made::{load, store, Compiled, Made};
use crate::pack::module::exports;
use crate::pack::options::{Features, Packed};
use crate::pack::recipe::recipe_of_builds;
use crate::pack::source::lock::{Id, Lock};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{mpsc, Condvar, Mutex, PoisonError};
pub use task::Project;
pub(crate) use task::{Request, Task};
pub(crate) use workspace::Builder;
use workspace::{groups, Build, Group, PINS};

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
        assemble_all(&requests, made, &mut slots);
        slots.into_iter().map(|slot| slot.expect("every request has its result")).collect()
    }

    /// Makes the modules of all tasks: the results in order.
    fn compile(&self, tasks: &[Task], report: &dyn Report) -> Vec<Result<Compiled>> {
        let mut results: Vec<Option<Result<Compiled>>> = tasks.iter().map(|_| None).collect();
        let gate = Gate { free: Mutex::new(n_threads()), freed: Condvar::new() };
        let build_key = build_key(self.toolchain, tasks);
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
            let failed = self.build(tasks, &open, &build_key, &start, report);
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

    /// Builds the open tasks, and starts the work on each module that is there. Returns who failed.
    fn build(
        &self,
        tasks: &[Task],
        open: &[usize],
        build_key: &str,
        start: &dyn Fn(usize, Work),
        report: &dyn Report,
    ) -> Result<Vec<(usize, Error)>> {
        let mut failed = Vec::new();
        if open.is_empty() {
            return Ok(failed);
        }
        let _used = self.cache.share(kinds::BUILD, build_key, report)?;
        let guest = guest::build(self.toolchain, self.cache, report)?;
        let mut open = groups(tasks, open);
        let mut n_done = tasks.len() - open.iter().map(|group| group.tasks.len()).sum::<usize>();
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
            let place = Place { build_key, guest: &guest, n_done };
            failed.extend(self.group(tasks, &group, &place, report, &mut done)?);
            n_done += group.tasks.len() - alone.len();
            open.splice(0..0, alone);
        }
        Ok(failed)
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

/// Names a place where cargo builds: what it keeps there for a package is for these files of it.
fn build_key(toolchain: &Toolchain, tasks: &[Task]) -> String {
    let key = recipe_of_builds(toolchain);
    let edited: BTreeMap<&String, &String> = tasks.iter().flat_map(|task| task.edited).collect();
    if edited.is_empty() {
        return key;
    }
    let parts: Vec<&String> = edited.into_iter().flat_map(|(label, hash)| [label, hash]).collect();
    hash_of(&[&[&key], &parts[..]].concat())[..16].to_owned()
}

/// Makes the artifacts of all requests that have not failed.
fn assemble_all(
    requests: &[(usize, Request)],
    made: Vec<Vec<Compiled>>,
    slots: &mut [Option<Result<Packed>>],
) {
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
}

struct Place<'a> {
    build_key: &'a str,
    guest: &'a Guest,
    /// How many packages are done already.
    n_done: usize,
}

/// Canonical wasm with its image.
fn lowered(made: Made) -> Result<Compiled> {
    let image = lower::compress(&lower::lower(&made.wasm)?)?;
    Ok(Compiled { made, image })
}

fn n_threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
