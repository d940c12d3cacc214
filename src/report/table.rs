//! The report as a table for terminals.

use super::advice::Cost;
use super::content::Report;
use crate::base::text::counted;
use crate::project::Outcome;
use std::fmt::Write;

/// As many lines of a list are shown; the page has all.
const N_SHOWN: usize = 12;

pub fn write(report: &Report) -> String {
    let mut out = format!(
        "{} in {}: {} in {:.3} s\n",
        report.command,
        report.project,
        counted(report.calls() as usize, "expansion"),
        report.seconds()
    );
    if let Some(measured) = &report.measured {
        let _ = writeln!(
            out,
            "The whole build took {:.1} s, without precast {:.1} s.",
            measured.precast, measured.native
        );
    }
    macros(report, &mut out);
    if !report.largest.is_empty() {
        out += "\nLargest expansions\n";
    }
    for one in report.largest.iter().take(5) {
        let _ = writeln!(
            out,
            "  {:>9} tokens  {} at {}:{}",
            one.tokens_out, one.function, one.file, one.line
        );
    }
    out += "\nMacro packages\n";
    for package in &report.packages {
        let _ = writeln!(out, "  {} {}: {}", package.name, package.version, told(&package.outcome));
    }
    for syn in &report.syn {
        let users: Vec<&str> = syn.compiled_for.iter().map(String::as_str).collect();
        let _ = match users.is_empty() {
            true => writeln!(out, "syn {} is in the graph, and not compiled.", syn.version),
            false => writeln!(out, "syn {} is compiled for {}.", syn.version, users.join(", ")),
        };
    }
    advice(report, &mut out);
    out
}

fn advice(report: &Report, out: &mut String) {
    if !report.advice.native_costs.is_empty() {
        *out += "\nWhat they cost natively\n";
    }
    for cost in report.advice.native_costs.iter().take(N_SHOWN) {
        let _ = writeln!(out, "  {}", costs(cost));
    }
    for text in hints(report) {
        let _ = writeln!(out, "{text}");
    }
}

/// A package, its time, and what is compiled for it alone.
pub fn costs(cost: &Cost) -> String {
    let seconds = cost.seconds.map_or(String::new(), |seconds| format!("{seconds:.1} s, "));
    let others = match cost.only_for_it.len() {
        0 => "no other package is compiled for it alone".to_owned(),
        n => format!(
            "with {} for it alone: {}",
            counted(n, "package"),
            cost.only_for_it.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
        ),
    };
    format!("{}: {seconds}{others}", cost.package)
}

/// What could be otherwise.
pub fn hints(report: &Report) -> Vec<String> {
    let replaceable = report.advice.replaceable.iter().map(|one| {
        format!(
            "`{}!` of {} only moves tokens about in its {} different uses here: a `macro_rules!` could do that.",
            one.name, one.package, one.uses
        )
    });
    let duplicates = report.advice.duplicates.iter().map(|one| {
        format!("Several packages have a {} `{}`: {}.", one.kind, one.name, one.packages.join(", "))
    });
    replaceable.chain(duplicates).collect()
}

fn macros(report: &Report, out: &mut String) {
    if report.macros.is_empty() {
        *out += "Nothing was expanded by a precompiled macro: cargo found all crates fresh, or none has one.\n";
        return;
    }
    let _ =
        writeln!(out, "\n  {:>9} {:>7} {:>9} {:>9}  macro", "seconds", "calls", "tokens", "lines");
    for one in report.macros.iter().take(N_SHOWN) {
        let _ = writeln!(
            out,
            "  {:>9.4} {:>7} {:>9} {:>9}  {} of {}",
            one.seconds, one.calls, one.tokens_out, one.lines, one.function, one.package
        );
    }
    if report.macros.len() > N_SHOWN {
        let _ = writeln!(out, "  and {} more", report.macros.len() - N_SHOWN);
    }
}

/// What was done with a macro package.
pub fn told(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Packed => "precompiled now".to_owned(),
        Outcome::Stored => "precompiled".to_owned(),
        Outcome::Fetched => "precompiled, from a shared store".to_owned(),
        Outcome::Similar => "precompiled with other versions of its dependencies".to_owned(),
        Outcome::Shim => "a shim in the graph".to_owned(),
        Outcome::Later => "from source this time, packed after the build".to_owned(),
        Outcome::Source(reason) => format!("from source: {reason}"),
    }
}
