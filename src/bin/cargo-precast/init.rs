//! `cargo precast init`.

use crate::console::Console;
use clap::Args;
use precast::author::init::{self, Done};
use precast::base::error::{Class, Error, Result};
use serde_json::{json, Value};
use std::path::PathBuf;
use std::process::Command;

/// Set up the repository of a macro package: `cargo xtask pack`, CI, publishing
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The repository, or any directory in it
    #[arg(value_name = "DIR", default_value = ".")]
    directory: PathBuf,

    /// Take the library precast from a directory instead of the registry
    #[arg(long, value_name = "DIR")]
    precast: Option<PathBuf>,
}

pub(crate) fn run(options: &Options, console: &Console) -> Result<()> {
    let done = init::init(&options.directory, options.precast.as_deref(), &release()?)?;
    let parts = |done: &Done| match done {
        Done::Written(path) => ("written", path.clone()),
        Done::Extended(path) => ("extended", path.clone()),
        Done::Kept(path) => ("kept", path.clone()),
    };
    let values: Vec<Value> =
        done.iter().map(parts).map(|(what, path)| json!({ "done": what, "path": path })).collect();
    console.result(&values, || {
        let mut out: String = done
            .iter()
            .map(parts)
            .map(|(what, path)| format!("  {what:<9} {}\n", path.display()))
            .collect();
        out += "Next: `cargo xtask pack`, then commit precast.sha256; `cargo precast publish --dry-run` shows\n\
                what a release would contain. What is kept was there before.\n";
        out
    });
    Ok(())
}

/// The active compiler's release, for CI to use the same.
fn release() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let release = text.ok().and_then(|text| {
        text.lines().find_map(|line| line.strip_prefix("release: ").map(str::to_owned))
    });
    release.ok_or_else(|| {
        Error::new(Class::Toolchain, "rustc does not run").help("install Rust, as with rustup")
    })
}
