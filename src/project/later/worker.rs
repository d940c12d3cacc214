//! The process that works on the queue while nobody waits.

use super::queue::{folder, jobs, Job, Progress, ARGUMENT, FAILURE, PROGRESS, WORKER};
use crate::base::error::{Context, Error, Result};
use crate::base::lock::Lock;
use crate::base::scratch;
use crate::cache::{kinds, Store};
use crate::pack::compile::batch::Project;
use crate::pack::Variables;
use crate::project::lazy::ahead;
use crate::project::outcome::first_lines;
use crate::project::packing::{pack, tidy};
use crate::project::shared;
use serde::Serialize;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The argument with which the process starts itself for one job.
const ARGUMENT_OF_JOB: &str = "--pack-job";

/// Whether this is the process that [`super::start`] started; then this never returns. Call it first in `main`.
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
        let Some(_worker) = store.cache().try_lock(kinds::QUEUE, WORKER) else { return Ok(()) };
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
        tidy(store)?;
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

/// A note for [`super::status`], which nobody needs.
fn note(store: &Store, name: &str, value: &impl Serialize) {
    let text = serde_json::to_vec(value).expect("texts are JSON");
    let _ = scratch::replace(&folder(store).join(name), &text);
}
