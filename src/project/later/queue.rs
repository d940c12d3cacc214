//! The queue: each job is a file, and whoever adds one starts the process that works on them.

use crate::base::error::{Context, Result};
use crate::base::files::hash_of;
use crate::base::scratch;
use crate::cache::{kinds, Key, Store, Wanted};
use crate::pack::compile::batch::Project;
use crate::pack::Variables;
use crate::project::script::is_own;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

/// The argument with which the process is started.
pub(super) const ARGUMENT: &str = "--pack-later";

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

/// The lock of the one process.
pub(super) const WORKER: &str = "worker";

/// What the process does now, and why packing failed last.
pub(super) const PROGRESS: &str = "progress.json";
pub(super) const FAILURE: &str = "failure.json";

/// Variables of a running cargo that mean nothing to another one, besides those of a crate.
const OF_CARGO: [&str; 4] = ["CARGO_MAKEFLAGS", "MAKEFLAGS", "MFLAGS", "PRECAST_PLAN"];

#[derive(Serialize, Deserialize)]
pub(super) struct Job {
    pub wanted: Vec<Wanted>,
    pub directory: PathBuf,
    pub lockfile: String,
    pub is_offline: bool,
    /// By how many trusted keys it must be signed, if a shared store has it.
    pub signatures: usize,
    /// By what cargo finds packages and compilers, and what the packages are known to read.
    pub environment: BTreeMap<String, Option<String>>,
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
pub(super) struct Progress {
    pub step: String,
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

pub fn status(store: &Store) -> Status {
    let read = |name: &str| std::fs::read(folder(store).join(name)).ok();
    let progress: Option<Progress> =
        read(PROGRESS).and_then(|text| serde_json::from_slice(&text).ok());
    let jobs = jobs(store);
    let labels = |job: &Job| -> Vec<String> {
        job.wanted.iter().map(|w| format!("{} {}", w.package.name, w.package.version)).collect()
    };
    let is_running = store.cache().try_lock(kinds::QUEUE, WORKER).is_none();
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
pub(super) fn jobs(store: &Store) -> Vec<(PathBuf, Job)> {
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

pub(super) fn folder(store: &Store) -> PathBuf {
    store.directory().join(kinds::QUEUE)
}
