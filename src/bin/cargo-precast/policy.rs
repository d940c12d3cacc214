//! `cargo precast check --policy`.

use crate::console::Console;
use precast::base::error::{Context, Result};
use precast::cache::Store;
use precast::policy::{self, Judgement};
use precast::project::{self, Graph, Request};
use std::ffi::OsString;
use std::fmt::Write;

pub(crate) fn run(mut arguments: Vec<OsString>, console: &Console) -> Result<()> {
    let json = crate::build::flag(&mut arguments, "--json").then(|| Console::new(true, false));
    let console = json.as_ref().unwrap_or(console);
    let directory = std::env::current_dir().context("the current directory is gone")?;
    let mut request = Request::of("check", &arguments, &directory);
    request.toolchain = crate::arguments::toolchain();
    let store = Store::open(None)?;
    let offline = arguments.iter().any(|word| word == "--offline");
    let graph = Graph::load(&request, store.cache())?;
    let stored = project::stored(&graph, &store)?;
    let report = |text: &str| console.step(text);
    let judgement = policy::check(&graph.policed(), &stored, true, offline, &report)?;
    console.result(&judgement, || text(&judgement));
    judgement.result()
}

fn text(judgement: &Judgement) -> String {
    let mut out = match &judgement.policy {
        Some(place) => format!("policy: {place}\n"),
        None => "policy: none, so the defaults\n".to_owned(),
    };
    if judgement.shims.is_empty() {
        out += "no package of this workspace is a shim, and the store has none of its macros\n";
    }
    for shim in &judgement.shims {
        let word = if shim.problems.is_empty() { "ok" } else { "FAILED" };
        let rebuilt = if shim.rebuilt { ", rebuilt" } else { "" };
        let _ = writeln!(out, "{word:<8}{} {} ({}){rebuilt}", shim.name, shim.version, shim.sha256);
        for problem in &shim.problems {
            let _ = writeln!(out, "        - {problem}");
        }
    }
    out
}
