//! `cargo precast inspect`.

use crate::console::Console;
use clap::Args;
use precast::error::Result;
use precast::inspect;
use std::path::PathBuf;

/// Show what is inside: macros, sizes, imports, capabilities, sources, linked packages
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// A .precast file, a shim's directory or its .crate file
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,
}

pub(crate) fn run(options: &Options, console: &Console) -> Result<()> {
    let facts = inspect::inspect(&options.path)?;
    console.result(&facts, || facts.to_string());
    Ok(())
}
