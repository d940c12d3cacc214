//! `cargo precast inspect`.

use crate::console::Console;
use clap::Args;
use precast::error::Result;
use precast::inspect;
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
}

pub(crate) fn run(options: &Options, console: &Console) -> Result<()> {
    if options.sbom {
        let document = inspect::sbom::document(&options.path)?;
        crate::console::print_json(&document);
        return Ok(());
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
