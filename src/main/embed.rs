//! `cargo precast embed`.

use crate::console::Console;
use clap::Args;
use precast::error::Result;
use precast::{embed, input};
use serde_json::json;
use std::path::PathBuf;

/// Write the shim crate of an artifact; needs no wasm toolchain
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// A .precast file
    #[arg(value_name = "ARTIFACT")]
    pub(crate) artifact: PathBuf,

    /// Where to write NAME-VERSION/
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    pub(crate) out: PathBuf,
}

pub(crate) fn run(options: &Options, console: &Console) -> Result<()> {
    let artifact = input::artifact(&options.artifact)?;
    let files = embed::embed(&artifact)?;
    let dir = options.out.join(embed::name(&artifact));
    embed::write_dir(&files, &dir)?;
    console.done("Embedded", &format!("{} ({} files)", dir.display(), files.len()));
    console.result(&json!({ "shim": dir, "files": files.len() }), String::new);
    Ok(())
}
