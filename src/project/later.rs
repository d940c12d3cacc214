//! Packing after a build: jobs in the store, and one process that works on them while nobody waits.
//!
//! A job is a file. Whoever adds one starts the process, which ends at once if there is one already. A
//! job leaves the queue when it has been worked on, whatever came of it: the next build that misses its
//! macros puts them there again.

use super::lazy::{ahead, is_own};
use super::outcome::{first_lines, Outcome};
use super::plan;
use super::shared;
use crate::artifact;
use crate::base::error::{Class, Context, Error, Result};
use crate::base::files;
use crate::base::files::hash_of;
use crate::base::lock::Lock;
use crate::base::report::Report;
use crate::base::scratch;
use crate::cache::Wanted;
use crate::cache::{Key, Store};
use crate::pack::artifact_recipe;
use crate::pack::compile::batch::{self, Project};
use crate::pack::Variables;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

/// Where jobs are, in the store.
pub(crate) const KIND: &str = "queue";

/// The argument with which the process is started.
const ARGUMENT: &str = "--pack-later";
/// The same for one job.
const ARGUMENT_OF_JOB: &str = "--pack-job";

/// Variables that are the job's, whoever works on it.
const PLACES: [&str; 9] = [
    "CARGO",
    "CARGO_HOME",
    "HOME",
    "PATH",
    "PRECAST_RUSTC",
    "RUSTC",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "XDG_CACHE_HOME",
];

/// Locks: that of the one process, and that of whoever packs.
const WORKER: &str = "worker";
const PACKING: &str = "packing";

const PROGRESS: &str = "progress.json";
const FAILURE: &str = "failure.json";

/// Variables of a running cargo that mean nothing to another one, besides those of a crate.
const OF_CARGO: [&str; 4] = ["CARGO_MAKEFLAGS", "MAKEFLAGS", "MFLAGS", "PRECAST_PLAN"];

#[derive(Serialize, Deserialize)]
struct Job {
    wanted: Vec<Wanted>,
    directory: PathBuf,
    lockfile: String,
    is_offline: bool,
    /// By how many trusted keys it must be signed, if a shared store has it.
    signatures: usize,
    /// By what cargo finds packages and compilers, and what the packages are known to read.
    environment: BTreeMap<String, Option<String>>,
}

/// What is being packed, and what is still to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// A process works on the queue.
    pub is_running: bool,
    /// What it does now.
    pub step: Option<String>,
    /// Packages of which it works on now, and of jobs behind them.
    pub packages: Vec<String>,
    /// Why packing failed last, for a reason that may be gone by now.
    pub failure: Option<String>,
}

#[derive(Default, Serialize, Deserialize)]
struct Progress {
    step: String,
}

/// Puts macros into the queue.
pub fn add(wanted: &[Wanted], project: &Project, signatures: usize, store: &Store) -> Result<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    let variables = Variables::of(project.directory);
    let mut environment = variables.values(PLACES.map(str::to_owned));
    for wanted in wanted {
        let read = store.read(&Key::of(wanted)?).into_iter().flatten();
        environment.extend(variables.values(read));
    }
    let job = Job {
        wanted: wanted.to_vec(),
        directory: project.directory.to_owned(),
        lockfile: project.lockfile.to_owned(),
        is_offline: project.offline,
        signatures,
        environment,
    };
    let text = serde_json::to_string(&job).expect("a job has only string keys");
    let name = format!("{}.json", &hash_of(&[&text])[..32]);
    scratch::replace(&folder(store).join("jobs").join(name), text.as_bytes())
}

/// Starts the process that works on the queue, at the lowest priority; it stays when this one ends.
/// With `after`, a file that cargo has locked, it waits until cargo has finished.
pub fn start(store: &Store, after: Option<&Path>) -> Result<()> {
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let nice = |program: &Path| {
        let mut command = Command::new("nice");
        command.args(["-n", "19"]).arg(program);
        command
    };
    let spawn = |mut command: Command| {
        command.arg(ARGUMENT).args(after).env("PRECAST_CACHE_DIR", store.directory());
        command.current_dir(store.directory());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if is_own(&text) || OF_CARGO.contains(&&*text) {
                command.env_remove(&name);
            }
        }
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        #[cfg(windows)]
        {
            /// Without a console, and behind all others.
            const DETACHED_AND_IDLE: u32 = 0x0000_0008 | 0x0000_0040;
            std::os::windows::process::CommandExt::creation_flags(&mut command, DETACHED_AND_IDLE);
        }
        command.spawn()
    };
    let started = match cfg!(unix) {
        true => spawn(nice(&program)).or_else(|_| spawn(Command::new(&program))),
        false => spawn(Command::new(&program)),
    };
    started.map(drop).at("start", &program)
}

/// Whether this is the process that [`start`] started; then this never returns. Call it first in `main`.
pub fn run() {
    let mut arguments = std::env::args_os().skip(1);
    let Some(word) = arguments.next() else { return };
    let file = arguments.next().map(PathBuf::from);
    let done = match word.to_str() {
        Some(ARGUMENT) => {
            if let Some(Ok(file)) = file.map(File::open) {
                // Where it cannot be locked, nobody else locks it.
                let _ = Lock::alone(file, || ());
            }
            Store::open(None).and_then(|store| work(&store))
        }
        Some(ARGUMENT_OF_JOB) => {
            Store::open(None).and_then(|store| one(&file.unwrap_or_default(), &store))
        }
        _ => return,
    };
    std::process::exit(i32::from(done.is_err()));
}

fn work(store: &Store) -> Result<()> {
    loop {
        let Some(_worker) = store.cache().try_lock(KIND, WORKER) else { return Ok(()) };
        while let Some((file, job)) = jobs(store).into_iter().next() {
            let program = std::env::current_exe().context("cannot find this program's own file")?;
            let mut command = Command::new(&program);
            command.arg(ARGUMENT_OF_JOB).arg(&file);
            for (name, value) in &job.environment {
                match value {
                    Some(value) => command.env(name, value),
                    None => command.env_remove(name),
                };
            }
            let status = command.status().at("start", &program);
            let _ = std::fs::remove_file(&file);
            let _ = std::fs::remove_file(folder(store).join(PROGRESS));
            status?;
        }
        plan::tidy(store)?;
        drop(_worker);
        // Somebody may have added a job between the last look and the end of the lock.
        if jobs(store).is_empty() {
            return Ok(());
        }
    }
}

fn one(file: &Path, store: &Store) -> Result<()> {
    let text = std::fs::read(file).at("read", file)?;
    let job: Job = serde_json::from_slice(&text).at("read", file)?;
    let report = |text: &str| note(store, PROGRESS, &Progress { step: text.to_owned() });
    let project =
        Project { directory: &job.directory, lockfile: &job.lockfile, offline: job.is_offline };
    let variables = Variables::of(&job.directory);
    shared::fetch(&job.wanted, job.is_offline, &|_| job.signatures, &variables, store)?;
    match pack(&job.wanted, &project, store, &report) {
        Ok(done) => {
            let _ = std::fs::remove_file(folder(store).join(FAILURE));
            let n = done.len();
            for (at, done) in done.iter().enumerate() {
                report(&format!("compiling the shims of this build; {at} of {n} are done"));
                ahead::compile(&done.asked, &done.key, store);
            }
        }
        Err(error) => note(store, FAILURE, &described(&error)),
    }
    Ok(())
}

fn described(error: &Error) -> String {
    match error.help_text() {
        Some(help) => format!("{}\nhelp: {help}", first_lines(error)),
        None => first_lines(error),
    }
}

/// A note for [`status`], which nobody needs.
fn note(store: &Store, name: &str, value: &impl Serialize) {
    let text = serde_json::to_vec(value).expect("texts are JSON");
    let _ = scratch::replace(&folder(store).join(name), &text);
}

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
    let _packing = store.cache().lock(KIND, PACKING, report)?;
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

pub fn status(store: &Store) -> Status {
    let read = |name: &str| std::fs::read(folder(store).join(name)).ok();
    let progress: Option<Progress> =
        read(PROGRESS).and_then(|text| serde_json::from_slice(&text).ok());
    let jobs = jobs(store);
    let labels = |job: &Job| -> Vec<String> {
        job.wanted.iter().map(|w| format!("{} {}", w.package.name, w.package.version)).collect()
    };
    let is_running = store.cache().try_lock(KIND, WORKER).is_none();
    Status {
        is_running,
        step: progress.filter(|_| is_running).map(|progress| progress.step),
        packages: jobs.iter().flat_map(|(_, job)| labels(job)).collect(),
        failure: read(FAILURE).and_then(|text| serde_json::from_slice(&text).ok()),
    }
}

/// Returns when nothing is left to pack. Starts the process if it ended before that.
pub fn wait(store: &Store, mut report: impl FnMut(&Status)) -> Result<Status> {
    const PAUSE: Duration = Duration::from_millis(200);
    loop {
        let status = status(store);
        report(&status);
        if status.packages.is_empty() {
            return Ok(status);
        }
        if !status.is_running {
            start(store, None)?;
        }
        std::thread::sleep(PAUSE);
    }
}

/// The jobs that can be read, the oldest first. Others are removed.
fn jobs(store: &Store) -> Vec<(PathBuf, Job)> {
    let entries = std::fs::read_dir(folder(store).join("jobs")).into_iter().flatten().flatten();
    let mut found: Vec<(SystemTime, PathBuf, Job)> = Vec::new();
    for path in entries.map(|entry| entry.path()).filter(|path| path.is_file()) {
        let age = path.metadata().and_then(|metadata| metadata.modified());
        let job = std::fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok());
        match (age, job) {
            (Ok(age), Some(job)) => found.push((age, path, job)),
            _ => drop(std::fs::remove_file(&path)),
        }
    }
    found.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    found.into_iter().map(|(_, path, job)| (path, job)).collect()
}

fn folder(store: &Store) -> PathBuf {
    store.directory().join(KIND)
}
