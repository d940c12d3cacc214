//! `cargo precast vendor`.

use crate::build::choice;
use crate::console::Console;
use clap::Args;
use precast::error::{Context, Result};
use precast::project::{self, vendor, Request};
use precast::store::Store;
use serde_json::json;
use std::ffi::OsString;
use std::path::PathBuf;

/// Copy all dependencies into a folder, as `cargo vendor` does, with the macros precompiled
#[derive(Args, Debug)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// The folder, by default `vendor`; then features, `--manifest-path` and the like as for cargo,
    /// `--only` and `--except NAMES`
    #[arg(value_name = "DIR", trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

pub(crate) fn run(options: &Options, console: &Console) -> Result<()> {
    let (choice, mut arguments) = choice(&options.arguments);
    let is_named = arguments.first().is_some_and(|word| !word.to_string_lossy().starts_with('-'));
    let folder = if is_named { PathBuf::from(arguments.remove(0)) } else { "vendor".into() };
    let directory = std::env::current_dir().context("the current directory is gone")?;
    let mut request = Request::workspace(&arguments, &directory);
    request.toolchain = crate::arguments::toolchain();
    let store = Store::open(None)?;
    let vendored =
        vendor::vendor(&request, &folder, &choice, &store, &|text: &str| console.step(text))?;
    console.clear();
    project::summary(&vendored.macros).iter().for_each(|line| console.summary(line));
    console.note(&format!(
        "{} packages in {}; put this into .cargo/config.toml to use them:",
        vendored.n_packages,
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
