//! Precompiled macros for a project that does not know of them: cargo's sources are replaced by
//! directories in which every macro package that the build needs is a shim.
//!
//! A directory source keeps `Cargo.lock` as it is, since each package in it says its own checksum.
//! All other packages are links to where cargo has unpacked them. Nothing outside of the overlay's
//! own directory is written.

mod all;
mod choice;
pub mod compiled;
mod config;
mod directory;
mod plan;
mod provide;
mod relocate;
mod switch;

use crate::error::{Context, Error, Result};
use crate::graph::{Graph, Package, PackageIdx, Request};
use crate::pack::stage::hash_of;
use crate::pack::Report;
use crate::policy;
use crate::store::Store;
use config::Layout;
use fs4::FileExt;
use plan::{Form, Plan};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

pub use all::{pack_all, Shard};
pub use choice::Choice;
use provide::{provide, Context as Providing, Provided};
pub(crate) use relocate::PLACE;
pub use switch::{is_on, off, on};

/// Files below the overlay's directory.
const CONFIG: &str = "config.toml";
const LOCK: &str = "lock";

/// An overlay that is ready for cargo.
pub struct Overlay {
    /// What to give cargo with `--config`; none if the workspace is switched on.
    pub config: Option<PathBuf>,
    /// Each macro package of the build, and what was done with it.
    pub macros: Vec<Treated>,
    /// Keeps others from changing the overlay while cargo reads it.
    pub lock: Option<Lock>,
}

pub struct Lock(#[allow(dead_code)] File);

#[derive(Clone, Debug, Serialize)]
pub struct Treated {
    pub name: String,
    pub version: String,
    pub features: BTreeSet<String>,
    #[serde(flatten)]
    pub outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", content = "reason", rename_all = "kebab-case")]
pub enum Outcome {
    /// Packed now.
    Packed,
    /// Taken from the store.
    Stored,
    /// It was a shim before.
    Shim,
    /// Left as it is, for this reason.
    Source(String),
}

/// Packs what the request needs and the store does not have, and writes the overlay.
pub fn prepare(
    request: &Request,
    choice: &Choice,
    store: &Store,
    report: &dyn Report,
) -> Result<Overlay> {
    let graph = Graph::load(request, store)?;
    if is_on(&graph.root, &request.directory) {
        policy::require(&graph, report)?;
        return Ok(Overlay { config: None, macros: Vec::new(), lock: None });
    }
    let target = request.target_dir.as_ref().unwrap_or(&graph.target);
    write(&graph, request, choice, store, &target.join("precast"), report)
}

/// The same for a given place.
fn write(
    graph: &Graph,
    request: &Request,
    choice: &Choice,
    store: &Store,
    place: &Path,
    report: &dyn Report,
) -> Result<Overlay> {
    let (provided, macros) = decide(graph, request, choice, store, Some(place), report)?;
    let plan = Plan::of(graph, &provided, store, Form::Links(place))?;
    let lock = Some(fill(&plan, request, place, report)?);
    Ok(Overlay { config: Some(place.join(CONFIG)), macros, lock })
}

/// Writes the packages themselves instead of links to them, for `vendor`, into a new directory
/// that will be called `shown`. Gives what became of the macros, and the configuration.
pub(crate) fn copies(
    graph: &Graph,
    request: &Request,
    choice: &Choice,
    store: &Store,
    (new, shown): (&Path, &Path),
    report: &dyn Report,
) -> Result<(Vec<Treated>, String)> {
    let (provided, macros) = decide(graph, request, choice, store, None, report)?;
    report.step("writing the packages");
    let plan = Plan::of(graph, &provided, store, Form::Copies)?;
    for (folder, entries) in plan.folders(Layout::Flat(new))? {
        directory::write(&folder, &entries)?;
    }
    Ok((macros, plan.config(Layout::Flat(shown), request)))
}

fn decide(
    graph: &Graph,
    request: &Request,
    choice: &Choice,
    store: &Store,
    place: Option<&Path>,
    report: &dyn Report,
) -> Result<(BTreeMap<PackageIdx, Provided>, Vec<Treated>)> {
    let choice = choice.with(graph)?;
    // Shims that the workspace has already are judged as they are.
    policy::require(graph, report)?;
    let policy = policy::of(graph)?.map(|(policy, _)| policy);
    let provided =
        provide(&Providing { graph, choice: &choice, store, request, report, policy, place })?;
    let macros = provided.iter().map(|(package, provided)| provided.shown(graph, *package));
    let macros = macros.collect();
    Ok((provided, macros))
}

/// Brings the overlay's directory to what is wanted, unless it is that already.
fn fill(plan: &Plan, request: &Request, place: &Path, report: &dyn Report) -> Result<Lock> {
    std::fs::create_dir_all(place).at("create", place)?;
    let file = place.join(LOCK);
    let lock = File::create(&file).at("create", &file)?;
    let config = plan.config(Layout::Sources(place), request);
    let folders = plan.folders(Layout::Sources(place))?;
    let is_ready = || {
        std::fs::read_to_string(place.join(CONFIG)).is_ok_and(|found| found == config)
            && folders.iter().all(|(folder, entries)| directory::is_ready(folder, entries))
    };
    FileExt::lock_shared(&lock).at("lock", &file)?;
    if is_ready() {
        return Ok(Lock(lock));
    }
    // Another cargo may be reading what is about to change.
    FileExt::unlock(&lock).at("unlock", &file)?;
    if FileExt::try_lock(&lock).is_err() {
        report.step("waiting for another build with this overlay");
        FileExt::lock(&lock).at("lock", &file)?;
    }
    for (folder, entries) in &folders {
        directory::write(folder, entries)?;
    }
    directory::replace(&place.join(CONFIG), config.as_bytes())?;
    FileExt::unlock(&lock).at("unlock", &file)?;
    FileExt::lock_shared(&lock).at("lock", &file)?;
    Ok(Lock(lock))
}

impl Package {
    /// A directory's name for a shim of this package: another shim has another name, by which
    /// cargo knows that it must be built again.
    pub(crate) fn shim_name(&self, key: &crate::store::Key) -> String {
        let suffix = hash_of(&[&key.id(), crate::embed::recipe()]);
        format!("{}-{}-{}", self.name, self.version, &suffix[..8])
    }
}

/// "8 macro packages precompiled (2 packed now), 1 built from source", and why.
pub fn summary(macros: &[Treated]) -> Vec<String> {
    let count = |wanted: fn(&Outcome) -> bool| {
        macros.iter().filter(|treated| wanted(&treated.outcome)).count()
    };
    let n_source = count(|outcome| matches!(outcome, Outcome::Source(_)));
    let n_packed = count(|outcome| *outcome == Outcome::Packed);
    let now = if n_packed > 0 { format!(" ({n_packed} packed now)") } else { String::new() };
    let mut lines = vec![format!(
        "{} macro packages precompiled{now}, {n_source} built from source",
        macros.len() - n_source
    )];
    for treated in macros {
        if let Outcome::Source(reason) = &treated.outcome {
            lines.push(format!(
                "{} {} is built from source: {reason}",
                treated.name, treated.version
            ));
        }
    }
    lines
}

fn first_lines(error: &Error) -> String {
    let text = error.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.iter().take(3).copied().collect::<Vec<_>>().join(" ")
}
