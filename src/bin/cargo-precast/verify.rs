//! `cargo precast verify`.

use crate::console::Console;
use clap::Args;
use precast::base::error::{Class, Error, Result};
use precast::base::text::counted;
use precast::verify::{self, Verdict};
use serde_json::json;
use std::fmt::Write;
use std::path::PathBuf;

/// Check artifacts and shims, byte by byte and without network
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// A .precast file, a shim's directory, its .crate file, or a folder of artifacts and shims
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,

    /// Also compile the sources again, with the recorded toolchain, and compare the module
    #[arg(long)]
    pub(crate) rebuild: bool,

    /// Also compile the shim with the active rustc, and read which macros the library exports
    #[arg(long)]
    pub(crate) built: bool,

    /// Also make the runtime's two compiled files again from its sources, with the rustc that they name
    #[arg(long)]
    pub(crate) runtime: bool,

    /// With --rebuild, use only what cargo has downloaded before
    #[arg(long, requires = "rebuild")]
    pub(crate) offline: bool,
}

pub(crate) fn run(options: &Options, console: &Console) -> Result<()> {
    let checks = verify::Options {
        rebuild: options.rebuild,
        offline: options.offline,
        built: options.built,
        runtime: options.runtime,
    };
    let verdicts = verify::each(&options.paths, checks, &|text: &str| console.step(text))?;
    let failed: Vec<&Verdict> = verdicts.iter().filter(|v| v.n_differences() > 0).collect();
    match verdicts.as_slice() {
        [verdict] => console.result(verdict, || text(verdict)),
        verdicts => {
            let value = json!({ "failed": failed.len(), "verdicts": verdicts });
            console.result(&value, || listing(verdicts, failed.len()))
        }
    }
    let Some(first) = failed.first() else { return Ok(()) };
    let differences = failed.iter().map(|verdict| verdict.n_differences()).sum();
    let names: Vec<String> = failed.iter().map(|v| v.path.display().to_string()).collect();
    let message = format!("{}: {}", names.join(", "), counted(differences, "difference"));
    let this = env!("CARGO_PKG_VERSION");
    Err(Error::new(Class::Verify, message).help(match first.precast == this {
        true => "do not use it; get it again, or pack the crate yourself".to_string(),
        false => {
            format!("verify it with precast {}, which packed it; this is {this}", first.precast)
        }
    }))
}

fn listing(verdicts: &[Verdict], n_failed: usize) -> String {
    let each = verdicts.iter().map(|v| format!("{}\n{}", v.path.display(), text(v)));
    let n = verdicts.len();
    each.collect::<String>() + &format!("{} of {n} passed\n", n - n_failed)
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
