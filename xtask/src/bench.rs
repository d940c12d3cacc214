//! Benchmarks: each compares in one run, interleaved, and prints medians, spreads and ratios.

pub mod build;
pub mod expand;
pub mod table;

use crate::run::{capture, cargo_precast, command, scratch, write, Result};
use std::path::PathBuf;

/// The macro crate that every comparison is about, at the version the figures were taken with.
pub const CRATE: &str = "serde_derive";
pub const VERSION: &str = "1.0.229";
const RUNS: usize = 5;

pub fn bench(args: &[&str]) -> Result {
    let (name, options) = args.split_first().ok_or("bench what? `build` or `expand`")?;
    let runs = match options {
        [] => RUNS,
        ["--runs", n] => n.parse().ok().filter(|n| *n > 0).ok_or("--runs takes a number")?,
        _ => return Err(format!("unknown option `{}`", options.join(" "))),
    };
    match *name {
        "build" => build::bench(runs),
        "expand" => expand::bench(runs),
        _ => Err(format!("unknown benchmark `{name}`; there are `build` and `expand`")),
    }
}

/// Packs serde_derive (answered from precast's cache where it can) and returns the shim's folder.
pub fn shim() -> Result<PathBuf> {
    let binary = cargo_precast()?;
    let out = scratch("bench").join("packed");
    let spec = format!("{CRATE}@{VERSION}");
    capture(command(binary).args(["precast", "pack", &spec, "--quiet", "-o"]).arg(&out))?;
    Ok(out.join(format!("{CRATE}-{VERSION}")))
}

/// A scratch package with the given dependencies table and library source.
pub fn package(name: &str, manifest: &str, source: &str) -> Result<PathBuf> {
    let folder = scratch("bench").join(name);
    let head = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2021\"\npublish = false\n\n\
         [workspace]\n\n{manifest}"
    );
    write(&folder.join("Cargo.toml"), &head)?;
    write(&folder.join("src/lib.rs"), source)?;
    Ok(folder)
}
