//! `cargo precast embed`.

use crate::console::Console;
use crate::pack::grant;
use clap::Args;
use precast::artifact::manifest::Capabilities;
use precast::base::error::Result;
use precast::embed::{self, input};
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

    /// Let the macros do more than their manifest says, as `pack --grant`
    #[arg(long = "grant", value_name = "KIND=WHAT", value_parser = grant)]
    pub(crate) grants: Vec<Capabilities>,
}

pub(crate) fn run(options: &Options, console: &Console) -> Result<()> {
    let artifact = input::artifact(&options.artifact)?;
    let mut granted = Capabilities::default();
    options.grants.iter().for_each(|grant| granted.extend(grant));
    let files = embed::embed_with(&artifact, &granted)?;
    let dir = options.out.join(embed::name(&artifact));
    embed::write_dir(&files, &dir)?;
    console.done("Embedded", &format!("{} ({} files)", dir.display(), files.len()));
    console.result(&json!({ "shim": dir, "files": files.len() }), String::new);
    Ok(())
}
