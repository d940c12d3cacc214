//! `cargo vendor` with every macro package replaced by its shim.
//!
//! The folder is whole: nothing in it is a link, and nothing outside of it is needed for a build
//! with `--locked --offline`. Packages that only macros needed are kept, since `Cargo.lock` names
//! them, but no build compiles them.

mod config;
mod directory;
mod plan;
mod relocate;

use super::outcome::Treated;
use super::provide::provide;
use super::{Choice, Graph, Request};
use crate::base::error::{Class, Context, Error, Result};
use crate::base::files::DIRECTORY_SOURCE;
use crate::base::report::Report;
use crate::base::scratch::Scratch;
use crate::cache::Store;
use plan::Plan;
use std::path::{Path, PathBuf};

/// The file by which a folder is known as ours.
const MARK: &str = ".precast-vendor";

/// A vendor folder that was written.
#[derive(Clone, Debug)]
pub struct Vendored {
    pub directory: PathBuf,
    pub macros: Vec<Treated>,
    pub n_packages: usize,
    /// What to put into `.cargo/config.toml`.
    pub config: String,
}

/// Writes the folder in one step. An older one of ours, or of `cargo vendor`, is replaced; where
/// the sources come from it, the packages in it are what the new one is made of.
pub fn vendor(
    request: &Request,
    directory: &Path,
    choice: &Choice,
    store: &Store,
    report: &dyn Report,
) -> Result<Vendored> {
    let shown = directory;
    let directory = request.directory.join(directory);
    check_place(&directory)?;
    let graph = Graph::complete(request, store.cache())?;
    let before = graph.packages.iter().filter(|package| package.source.is_some());
    if let Some(package) = before.filter(|package| package.is_shim).find(|package| package.is_macro)
    {
        let message = format!("{} is a shim already", package.label());
        return Err(Error::new(Class::Usage, message).help(
            "run this with the original sources: without the configuration that names a folder of \
             shims, or after `cargo precast off`",
        ));
    }
    let scratch = Scratch::beside(&directory)?;
    let new = scratch.path().join("vendor");
    let provided = provide(&graph, request, (choice, false), store, report)?;
    report.step("writing the packages");
    let plan = Plan::of(&graph, &provided, store)?;
    directory::write(&new, &plan.entries)?;
    let config = plan.config(shown, request);
    drop(plan);
    std::fs::write(new.join(MARK), "").at("write", &new.join(MARK))?;
    let old = scratch.path().join("old");
    if directory.exists() {
        std::fs::rename(&directory, &old).at("replace", &directory)?;
    }
    std::fs::rename(&new, &directory).at("create", &directory)?;
    let n_packages = graph.packages.iter().filter(|package| package.source.is_some()).count();
    let macros = provided.into_values().map(|provided| provided.treated).collect();
    Ok(Vendored { directory, macros, n_packages, config })
}

/// Only a folder of packages is overwritten.
fn check_place(directory: &Path) -> Result<()> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let is_package = |path: &Path| path.join(DIRECTORY_SOURCE).is_file();
    let foreign = entries.map(|entry| entry.path()).find(|path| !is_package(path));
    match foreign {
        Some(path) if !directory.join(MARK).is_file() => {
            let message = format!("{} is not a folder of vendored packages", directory.display());
            let error = Error::new(Class::Usage, message);
            Err(error.help(format!("{} is in it; choose another place", path.display())))
        }
        _ => Ok(()),
    }
}
