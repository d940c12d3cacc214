//! `cargo precast vendor`.

use crate::console::Console;
use crate::workspace::Workspace;
use clap::Args;
use precast::base::error::Result;
use precast::base::text::counted;
use precast::cache::Store;
use precast::project::{self, vendor};
use serde_json::json;
use std::path::PathBuf;

/// Copy all dependencies into a folder, as `cargo vendor` does, with the macros precompiled
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The folder to write; an older one of the same kind is replaced
    #[arg(value_name = "DIR", default_value = "vendor")]
    folder: PathBuf,

    #[command(flatten)]
    workspace: Workspace,
}

pub(crate) fn run(options: &Options, console: &Console) -> Result<()> {
    let Options { folder, workspace } = options;
    let (choice, request) = (workspace.choice(), workspace.request()?);
    let store = Store::open(None)?;
    let vendored =
        vendor::vendor(&request, folder, &choice, &store, &|text: &str| console.step(text))?;
    console.clear();
    project::summary(&vendored.macros).iter().for_each(|line| console.summary(line));
    console.news(&format!(
        "{} in {}; put this into .cargo/config.toml to use them:",
        counted(vendored.n_packages, "package"),
        folder.display()
    ));
    let value = json!({
        "directory": vendored.directory,
        "packages": vendored.n_packages,
        "macros": vendored.macros,
        "config": vendored.config,
    });
    console.result(&value, || vendored.config.clone());
    Ok(())
}
