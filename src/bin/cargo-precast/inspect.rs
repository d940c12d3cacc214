//! `cargo precast inspect`.

use crate::console::Console;
use clap::Args;
use precast::artifact::manifest;
use precast::base::error::{Context, Result};
use precast::embed::input;
use precast::inspect;
use std::io::Write;
use std::path::PathBuf;

/// Show what is inside: macros, sizes, imports, capabilities, sources, linked packages
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// A .precast file, a shim's directory or its .crate file; a .wasm module; a compiler's own
    /// library, .rlib or .rmeta
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,

    /// Print the linked packages as a CycloneDX document
    #[arg(long)]
    pub(crate) sbom: bool,

    /// Print the manifest, an in-toto statement with SLSA's provenance: module, sources, toolchain,
    /// dependencies
    #[arg(long, conflicts_with = "sbom")]
    pub(crate) provenance: bool,
}

pub(crate) fn run(options: &Options, console: &Console) -> Result<()> {
    if options.sbom {
        crate::console::print_json(&inspect::sbom::document(&options.path)?);
        return Ok(());
    }
    if options.provenance {
        // The file as it is: its hash is the one by which a policy pins it.
        let text = manifest::write(&input::artifact(&options.path)?.manifest);
        return std::io::stdout().write_all(&text).context("cannot write the statement");
    }
    let found = inspect::any(&options.path, active_rustc().as_deref())?;
    console.result(&found, || found.to_string());
    Ok(())
}

/// What the active rustc calls itself, as it stands in what it makes.
fn active_rustc() -> Option<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = std::process::Command::new(rustc).arg("-V").output().ok()?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
