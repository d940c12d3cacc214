//! Packing a list of packages on any number of machines, which meet only in a shared store.
//!
//! Whoever takes a package up says so by an object that can be made once; while it works, it changes another one now and
//! then. Where that stops, the next one takes over. What came of it is an object as well, so that a job that is
//! started again has nothing to do for what is done, and anybody can write the report.

mod claims;
mod list;
mod report;

use super::outcome::Outcome;
use super::packing;
use super::shared;
use super::{Graph, Request};
use crate::base::error::{Class, Error, Result};
use crate::base::report::Report;
use crate::base::scratch::{self, Scratch};
use crate::cache::remote::Pushed;
use crate::cache::sign::Private;
use crate::cache::{Key, Store, Wanted};
use crate::pack::{Project, Variables};
use claims::{Claims, Turn, Work};
use list::Item;
pub use list::{shard_of_environment, List};
pub use report::{html, Done, Made};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What a job is asked to do.
pub struct Job<'a> {
    pub list: &'a List,
    pub shard: super::all::Shard,
    /// Who has not been heard of for this long is dead.
    pub lease: Duration,
    /// Packages that have failed before are tried again.
    pub retry: bool,
    pub offline: bool,
    /// Where cargo's configuration is looked for.
    pub directory: PathBuf,
}

/// Works until everything on the list is done, by this job or by another: what came of each, in the list's order.
pub fn pack_list(job: &Job, store: &Store, report: &dyn Report) -> Result<Vec<Done>> {
    let remotes = store.required_remotes()?;
    remotes.settings().require_write()?;
    remotes.take_time();
    let signer = Private::of_environment()?;
    let items = job.list.items();
    let mine = job.shard.of(0..items.len());
    let others = (0..items.len()).filter(|at| !mine.contains(at));
    // Jobs that help others do not all begin with the same package.
    let mut others: Vec<usize> = others.collect();
    let n = others.len().max(1);
    others.rotate_left(job.shard.k * n / job.shard.n % n);
    let mut open: Vec<usize> = mine.iter().copied().chain(others).collect();
    let mut done: BTreeMap<usize, Done> = BTreeMap::new();
    let mut claims = Claims::new(remotes, job.list, job.shard, job.lease, job.retry);
    while !open.is_empty() {
        let mut still_open = Vec::new();
        let mut is_idle = true;
        for at in open {
            match claims.turn(at, &items[at])? {
                Turn::Done(found) => drop(done.insert(at, found)),
                Turn::Other => still_open.push(at),
                Turn::Ours(claim) => {
                    is_idle = false;
                    report.step(&format!("packing {}", items[at]));
                    let _beating = claims.beat(&claim)?;
                    let made = one(&items[at], job, store, &signer, report);
                    if let (Err(error), _) = &made {
                        if error.class() == Class::Toolchain {
                            // It is this machine that cannot, not the package: another job takes it over.
                            return Err(error.again());
                        }
                    }
                    done.insert(at, claims.finish(&claim, &items[at], made)?);
                }
            }
        }
        open = still_open;
        if is_idle && !open.is_empty() {
            report.step(&format!("waiting for other jobs, which work on {}", open.len()));
            std::thread::sleep((job.lease / 5).min(Duration::from_secs(10)));
        }
    }
    Ok(done.into_values().collect())
}

fn one(item: &Item, job: &Job, store: &Store, signer: &Private, report: &dyn Report) -> Work {
    let start = Instant::now();
    let made = macros_of(item, job, store).and_then(|(project, wanted)| {
        let directory = project.path().to_owned();
        let lockfile = std::fs::read_to_string(directory.join("Cargo.lock")).unwrap_or_default();
        let project = Project { directory: &directory, lockfile: &lockfile, offline: job.offline };
        pack_and_push(&wanted, &project, store, signer, report)
    });
    (made, start.elapsed())
}

/// A project that depends on the package alone, and the macros to pack of it: the package, if it is one, else all that
/// it needs.
fn macros_of(item: &Item, job: &Job, store: &Store) -> Result<(Scratch, Vec<Wanted>)> {
    let project = Scratch::inside(&job.directory)?;
    item.write_project(project.path())?;
    let arguments: &[std::ffi::OsString] = if job.offline { &["--offline".into()] } else { &[] };
    let request = Request::of("build", arguments, project.path());
    let graph = Graph::load(&request, store.cache())?;
    let macros = graph.needed(|_| true).macros;
    let all = macros.into_iter().map(|at| graph.wanted(at));
    let all: Vec<Wanted> = all.filter(|wanted| wanted.package.source.is_some()).collect();
    let own = all.iter().filter(|wanted| wanted.package.name == item.name).cloned();
    let own: Vec<Wanted> = own.collect();
    let wanted = if own.is_empty() { all } else { own };
    if wanted.is_empty() {
        let message = format!("{} is no macro package, and needs none", item.name);
        return Err(Error::new(Class::Package, message));
    }
    Ok((project, wanted))
}

fn pack_and_push(
    wanted: &[Wanted],
    project: &Project,
    store: &Store,
    signer: &Private,
    report: &dyn Report,
) -> Result<Vec<Made>> {
    let remotes = store.required_remotes()?;
    let variables = Variables::of(project.directory);
    shared::fetch(wanted, project.offline, &|_| 1, &variables, store)?;
    let mut made = Vec::new();
    for done in packing::pack(wanted, project, store, report)? {
        let outcome = match done.outcome {
            Outcome::Source(reason) => {
                return Err(Error::new(Class::Package, reason));
            }
            Outcome::Packed => push(&done.key, store, signer)?,
            // It may have been packed here before there was a shared store.
            _ if remotes.has(&done.key)? => "known",
            _ => push(&done.key, store, signer)?,
        };
        made.push(Made {
            name: done.key.name.clone(),
            version: done.key.version.clone(),
            features: done.key.features.clone(),
            id: done.key.id(),
            outcome: outcome.to_owned(),
        });
    }
    Ok(made)
}

fn push(key: &Key, store: &Store, signer: &Private) -> Result<&'static str> {
    Ok(match store.push(key, signer)? {
        Pushed::New => "packed",
        Pushed::Signed | Pushed::Known => "known",
    })
}

/// Writes `report.json` and `report.html`.
pub fn write_report(done: &[Done], folder: &Path) -> Result<()> {
    let json = serde_json::to_vec_pretty(done).expect("only texts and numbers");
    scratch::replace(&folder.join("report.json"), &json)?;
    scratch::replace(&folder.join("report.html"), html(done).as_bytes())
}
