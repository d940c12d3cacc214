//! Tells the outcomes: a line for each crate, the total, JSON, and docs/compatibility.md.

use super::compare::Outcome;
use crate::run::{root, write as write_file, Result};
use serde_json::json;
use std::fmt::Write as _;

pub fn print(outcomes: &[Outcome], json: bool) {
    for outcome in outcomes {
        if json {
            println!("{}", as_json(outcome));
        } else {
            println!("{}", line(outcome));
            for known in &outcome.known {
                println!("    differs, as known: {known}");
            }
            for failure in outcome.failures() {
                println!("    {}", failure.replace('\n', "\n    "));
            }
        }
    }
    if !json {
        println!("{}", total(outcomes));
    }
}

fn line(outcome: &Outcome) -> String {
    let word = |part: &Result| if part.is_ok() { "same" } else { "DIFFERS" };
    let Outcome { id, n_macros, lines, n_diagnostics, .. } = outcome;
    let same = n_diagnostics - outcome.diagnostics.len();
    format!(
        "{id:28} {n_macros:3} macros  {lines:5} lines  expansion {:7}  hygiene {:7}  run {:7}  \
         diagnostics {same}/{n_diagnostics}",
        word(&outcome.expanded),
        word(&outcome.hygiene),
        word(&outcome.run),
    )
}

fn total(outcomes: &[Outcome]) -> String {
    let equal = outcomes.iter().filter(|outcome| outcome.failures().is_empty()).count();
    format!("{equal} of {} crates indistinguishable from native", outcomes.len())
}

fn as_json(outcome: &Outcome) -> serde_json::Value {
    json!({
        "crate": outcome.id,
        "macros": outcome.n_macros,
        "lines": outcome.lines,
        "expanded": outcome.expanded.is_ok(),
        "hygiene": outcome.hygiene.is_ok(),
        "run": outcome.run.is_ok(),
        "diagnostics": outcome.n_diagnostics,
        "diagnostics_same": outcome.n_diagnostics - outcome.diagnostics.len(),
        "failures": outcome.failures(),
        "known": outcome.known,
        "reason": outcome.reason,
    })
}

/// A failure without a stated reason is an error, and so is a reason without a failure.
pub fn verdict(outcomes: &[Outcome]) -> Result {
    let wrong = |o: &&Outcome| o.failures().is_empty() == o.reason.is_some();
    let names: Vec<&str> = outcomes.iter().filter(wrong).map(|o| o.folder.as_str()).collect();
    if names.is_empty() {
        return Ok(());
    }
    Err(format!("not as expected: {}", names.join(", ")))
}

pub fn write(outcomes: &[Outcome]) -> Result {
    let mut text = "# Compatibility\n\n\
        Written by `cargo xtask corpus --write`. For each crate a consumer uses every macro and every\n\
        helper attribute; it is expanded, built and run with the original and with the shim. *Lines* is\n\
        the length of the expansion that is equal. *Hygiene* is equal when every identifier has the same\n\
        syntax context and all expansions have the same parents. *Diagnostics* counts the files whose\n\
        compiler output, wrong uses included, is equal byte for byte.\n\n\
        | crate | macros and helpers | lines | expansion | hygiene | run | diagnostics |\n\
        |---|---|---|---|---|---|---|\n"
        .to_owned();
    let word = |part: &Result| if part.is_ok() { "equal" } else { "differs" };
    for o in outcomes {
        let same = o.n_diagnostics - o.diagnostics.len();
        writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {same} of {} |",
            o.id,
            o.n_macros,
            o.lines,
            word(&o.expanded),
            word(&o.hygiene),
            word(&o.run),
            o.n_diagnostics
        )
        .expect("a string takes all");
    }
    let known = outcomes.iter().any(|o| !o.known.is_empty());
    let but = if known { ", apart from what follows" } else { "" };
    writeln!(text, "\n{}{but}.", total(outcomes)).expect("a string takes all");
    for (o, known) in outcomes.iter().flat_map(|o| o.known.iter().map(move |known| (o, known))) {
        writeln!(text, "\n- {}, {known}.", o.id).expect("a string takes all");
    }
    for o in outcomes.iter().filter(|o| !o.failures().is_empty()) {
        let why = o.reason.as_deref().or(o.failures().first().copied()).unwrap_or_default();
        let first = why.lines().next().unwrap_or_default();
        writeln!(text, "\n- {}: {first}", o.id).expect("a string takes all");
    }
    write_file(&root().join("docs/compatibility.md"), &text)
}
