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

    /// Also write NAME-VERSION-facade/: a library with the shim's macros, and arguments for rustc
    #[arg(long)]
    pub(crate) facade: bool,

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
    let mut value = json!({ "shim": dir, "files": files.len() });
    if options.facade {
        let dir = options.out.join(embed::facade_name(&artifact));
        embed::write_files(&embed::facade(&artifact, &options.out)?, &dir)?;
        console.done("Embedded", &dir.display().to_string());
        value["facade"] = json!(dir);
    }
    console.result(&value, String::new);
    Ok(())
}
