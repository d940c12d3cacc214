//! `cargo precast verify`.

use crate::console::Console;
use clap::Args;
use precast::error::{Class, Error, Result};
use precast::verify::{self, Verdict};
use std::fmt::Write;
use std::path::PathBuf;

/// Check artifacts and shims, byte by byte and without network
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// A .precast file, a shim's directory, its .crate file, or a folder of artifacts and shims
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,

    /// Also compile the sources again, with the recorded toolchain, and compare the module
    #[arg(long)]
    pub(crate) rebuild: bool,

    /// Also compile the shim with the active rustc, and read which macros the library exports
    #[arg(long)]
    pub(crate) built: bool,

    /// With --rebuild, use only what cargo has downloaded before
    #[arg(long, requires = "rebuild")]
    pub(crate) offline: bool,
}

pub(crate) fn run(options: &Options, console: &Console) -> Result<()> {
    let checks = verify::Options {
        rebuild: options.rebuild,
        offline: options.offline,
        built: options.built,
    };
    let verdicts = verify::all(&options.path, checks, &|text: &str| console.step(text))?;
    match verdicts.as_slice() {
        [verdict] => console.result(verdict, || text(verdict)),
        verdicts => console.result(&verdicts, || listing(verdicts)),
    }
    let differs = |verdict: &&Verdict| verdict.checks.iter().any(|c| !c.differences.is_empty());
    let Some(first) = verdicts.iter().find(differs) else { return Ok(()) };
    let checks = verdicts.iter().flat_map(|verdict| &verdict.checks);
    let differences: usize = checks.map(|check| check.differences.len()).sum();
    let s = if differences == 1 { "" } else { "s" };
    let message = format!("{}: {differences} difference{s}", options.path.display());
    let this = env!("CARGO_PKG_VERSION");
    Err(Error::new(Class::Verify, message).help(match first.precast == this {
        true => "do not use it; get it again, or pack the crate yourself".to_string(),
        false => {
            format!("verify it with precast {}, which packed it; this is {this}", first.precast)
        }
    }))
}

fn listing(verdicts: &[Verdict]) -> String {
    verdicts.iter().map(|v| format!("{}\n{}", v.path.display(), text(v))).collect()
}

fn text(verdict: &Verdict) -> String {
    let mut out = String::new();
    for check in &verdict.checks {
        let word = if check.differences.is_empty() { "ok" } else { "FAILED" };
        let _ = writeln!(out, "{word:<8}{}", check.what);
        for line in check.differences.iter().chain(&check.notes) {
            let _ = writeln!(out, "        - {line}");
        }
    }
    out
}
