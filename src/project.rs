//! Precompiled macros for a project that does not know of them.
//!
//! Cargo runs us in the compiler's place (`lazy`), by a plan that is made of its unit graph before it
//! starts (`graph`, `plan`). What no store has is packed after the build (`later`). No file of the project
//! changes; `on` writes three lines of configuration (`switch`), `vendor` a folder of packages.

pub mod after;
pub mod all;
mod authors;
mod choice;
mod graph;
pub mod later;
pub mod lazy;
mod lock;
pub mod many;
pub mod metadata;
mod missing;
mod outcome;
mod packing;
mod plan;
mod provide;
pub mod records;
mod request;
pub mod same_package;
mod script;
pub mod shared;
pub mod sources;
pub mod switch;
mod variables;
pub mod vendor;

use crate::base::error::Result;
use crate::base::report::Report;
use crate::cache::{entries, Key, Store};
use crate::pack::Variables;
use std::path::{Path, PathBuf};
use std::process::Command;

pub use choice::Choice;
pub use graph::{
    target_directory, Graph, Kind as UnitKind, Package, PackageIdx, UnitIdx, UNREADABLE,
};
pub use missing::Missing;
pub use outcome::{summary, Outcome, Treated};
pub use plan::{Options, Plan};
pub use request::{n_options, take, Request};

/// A command of cargo's that is ready to run.
pub struct Prepared {
    pub cargo: Command,
    pub plan: Plan,
}

/// Makes the plan for cargo's command, and the command that follows it.
pub fn prepare(
    request: &Request,
    options: &Options,
    store: &Store,
    report: &dyn Report,
) -> Result<Prepared> {
    let (key, plan) = Plan::ready(request, options, store, report)?;
    let mut cargo = request.cargo();
    let inner = switch::inner_wrapper(&request.directory);
    cargo.env(lazy::VARIABLE, inner.as_deref().unwrap_or(lazy::ON));
    if let Some(rustdoc) = switch::real_rustdoc(&request.directory) {
        cargo.env(lazy::REAL_RUSTDOC, rustdoc);
    }
    cargo.env(plan::VARIABLE, key);
    if std::env::var_os(entries::VARIABLE).is_some() {
        // Cargo runs compilers in other directories.
        cargo.env(entries::VARIABLE, store.directory());
    }
    // Their own variables come before all other places, and would come before ours.
    for tool in ["RUSTC_WRAPPER", "RUSTDOC"] {
        cargo.env_remove(tool).env(format!("CARGO_BUILD_{tool}"), program()?);
    }
    Ok(Prepared { cargo, plan })
}

/// The artifacts in the store that a build of this graph would use.
pub fn stored(graph: &Graph, store: &Store) -> Result<Vec<PathBuf>> {
    let variables = Variables::of(&graph.root);
    let mut files = Vec::new();
    for at in graph.needed(|_| true).macros {
        if graph.packages[graph.units[at].package].source.is_some() {
            let key = Key::of(&graph.wanted(at))?;
            let key = store.find(key, &|name| variables.value(name));
            if store.has(&key) {
                store.whole(&key)?;
            }
            files.extend(store.file(&key));
        }
    }
    files.sort_unstable();
    files.dedup();
    Ok(files)
}

/// After cargo has finished: what was missing is packed while nobody waits. With `after`, a file that cargo
/// has locked, that begins when cargo lets go of it.
pub fn finish(plan: &Plan, after: Option<&Path>, store: &Store) -> Result<()> {
    if plan.missing == Missing::Later && !plan.wanted.is_empty() {
        later::add(&plan.wanted, &plan.project(), plan.signatures(), store)?;
        later::start(store, after)?;
    }
    Ok(())
}

fn program() -> Result<PathBuf> {
    crate::pack::compile::wrapper::program()
}
