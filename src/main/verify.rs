//! `cargo precast verify`.

use crate::console::Console;
use clap::Args;
use precast::error::{Class, Error, Result};
use precast::verify::{self, Verdict};
use std::fmt::Write;
use std::path::PathBuf;

/// Check an artifact or a shim, byte by byte and without network
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// A .precast file, a shim's directory or its .crate file
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,
}

pub(crate) fn run(options: &Options, console: &Console) -> Result<()> {
    console.step(&format!("Checking {}", options.path.display()));
    let verdict = verify::verify(&options.path)?;
    console.result(&verdict, || text(&verdict));
    let differences: usize = verdict.checks.iter().map(|check| check.differences.len()).sum();
    if differences == 0 {
        return Ok(());
    }
    let s = if differences == 1 { "" } else { "s" };
    let message = format!("{}: {differences} difference{s}", options.path.display());
    let this = env!("CARGO_PKG_VERSION");
    Err(Error::new(Class::Verify, message).help(match verdict.precast == this {
        true => "do not use it; get it again, or pack the crate yourself".to_string(),
        false => {
            format!("verify it with precast {}, which packed it; this is {this}", verdict.precast)
        }
    }))
}

fn text(verdict: &Verdict) -> String {
    let mut out = String::new();
    for check in &verdict.checks {
        let word = if check.differences.is_empty() { "ok" } else { "FAILED" };
        let _ = writeln!(out, "{word:<8}{}", check.what);
        for difference in &check.differences {
            let _ = writeln!(out, "        - {difference}");
        }
    }
    out
}
