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
    match differences {
        0 => Ok(()),
        1 => Err(failed(options, "1 difference")),
        many => Err(failed(options, &format!("{many} differences"))),
    }
}

fn failed(options: &Options, what: &str) -> Error {
    Error::new(Class::Verify, format!("{}: {what}", options.path.display()))
        .help("do not use it; get it again, or pack the crate yourself")
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
