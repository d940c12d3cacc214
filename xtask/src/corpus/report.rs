//! Tells the outcomes: a line for each crate, the total, JSON, and docs/compatibility.md.

use super::compare::Outcome;
use super::fixture::Fixture;
use crate::run::{root, write as write_file, Result};
use crate::suites::record::TITLE;
use serde_json::json;
use std::collections::BTreeMap;
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

const HEAD: &str = "# Compatibility\n\n\
    Written by `cargo xtask corpus --write`. For each crate a consumer uses every macro and every\n\
    helper attribute; it is expanded, built and run with the original and with the shim. *Lines* is\n\
    the length of the expansion that is equal. *Hygiene* is equal when every identifier has the same\n\
    syntax context and all expansions have the same parents. *Diagnostics* counts the files whose\n\
    compiler output, wrong uses included, is equal byte for byte.\n\n\
    | crate | macros and helpers | lines | expansion | hygiene | run | diagnostics |\n\
    |---|---|---|---|---|---|---|\n";

/// What the document says of one crate: its row, and a note for each thing that differs.
struct Entry {
    row: String,
    is_equal: bool,
    notes: Vec<String>,
}

/// Writes docs/compatibility.md. Crates that were not run now keep what is written of them, so that
/// runs of shards or of single crates add up to one document.
pub fn write(all: &[Fixture], outcomes: &[Outcome]) -> Result {
    let file = root().join("docs/compatibility.md");
    let old = std::fs::read_to_string(&file).unwrap_or_default();
    let (old, suites) = old.split_at(old.find(TITLE).unwrap_or(old.len()));
    let mut entries = read(old);
    entries.extend(outcomes.iter().map(|outcome| (outcome.id.clone(), entry(outcome))));
    let ids: Vec<String> = all.iter().map(Fixture::id).collect();
    let known: Vec<&Entry> = ids.iter().filter_map(|id| entries.get(id)).collect();
    let mut text = HEAD.to_owned();
    known.iter().for_each(|entry| text += &entry.row);
    let equal = known.iter().filter(|entry| entry.is_equal).count();
    let notes: Vec<&String> = known.iter().flat_map(|entry| &entry.notes).collect();
    let but = if notes.is_empty() { "" } else { ", apart from what follows" };
    let n = known.len();
    write!(text, "\n{equal} of {n} crates indistinguishable from native{but}.\n")
        .expect("a string takes all");
    notes.iter().for_each(|note| text += &format!("\n{note}\n"));
    if !suites.is_empty() {
        text += &format!("\n{suites}");
    }
    write_file(&file, &text)
}

fn entry(o: &Outcome) -> Entry {
    let word = |part: &Result| if part.is_ok() { "equal" } else { "differs" };
    let same = o.n_diagnostics - o.diagnostics.len();
    let (expansion, hygiene, run) = (word(&o.expanded), word(&o.hygiene), word(&o.run));
    let Outcome { id, n_macros, lines, n_diagnostics, .. } = o;
    let row = format!(
        "| {id} | {n_macros} | {lines} | {expansion} | {hygiene} | {run} | {same} of {n_diagnostics} |\n"
    );
    let mut notes: Vec<String> = o.known.iter().map(|known| format!("- {id}, {known}.")).collect();
    let failures = o.failures();
    if let Some(first) = failures.first() {
        let why = o.reason.as_deref().unwrap_or(first);
        notes.push(format!("- {id}: {}", why.lines().next().unwrap_or_default()));
    }
    Entry { row, is_equal: failures.is_empty(), notes }
}

/// The entries of a document that `write` wrote, by crate. One with a note after a colon failed.
fn read(text: &str) -> BTreeMap<String, Entry> {
    let mut entries = BTreeMap::new();
    for line in text.lines().skip_while(|line| !line.starts_with("|---")).skip(1) {
        if let Some((id, _)) = line.strip_prefix("| ").and_then(|rest| rest.split_once(" | ")) {
            let entry = Entry { row: format!("{line}\n"), is_equal: true, notes: Vec::new() };
            entries.insert(id.to_owned(), entry);
        } else if let Some(note) = line.strip_prefix("- ") {
            let end = note.find([':', ',']).unwrap_or(note.len());
            if let Some(entry) = entries.get_mut(&note[..end]) {
                entry.is_equal &= !note[end..].starts_with(':');
                entry.notes.push(line.to_owned());
            }
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `entry` writes is what `read` finds.
    #[test]
    fn round_trip() {
        let outcome = |id: &str, run: Result, known: &[&str]| Outcome {
            folder: id.to_owned(),
            id: id.to_owned(),
            n_macros: 1,
            lines: 2,
            expanded: Ok(()),
            hygiene: Ok(()),
            run,
            n_diagnostics: 1,
            diagnostics: Vec::new(),
            coverage: Ok(()),
            known: known.iter().map(|&text| text.to_owned()).collect(),
            reason: None,
        };
        let outcomes = [
            outcome("a-1.0.0", Ok(()), &[]),
            outcome("b-1.0.0", Ok(()), &["`errors/x.rs`: it says: no"]),
            outcome("c-1.0.0+more", Err("broken, here: and\nthere".to_owned()), &[]),
        ];
        let entries: Vec<Entry> = outcomes.iter().map(entry).collect();
        let mut text = HEAD.to_owned();
        entries.iter().for_each(|entry| text += &entry.row);
        text += "\n2 of 3 crates indistinguishable from native, apart from what follows.\n";
        entries.iter().flat_map(|entry| &entry.notes).for_each(|n| text += &format!("\n{n}\n"));
        let found = read(&text);
        assert_eq!(found.len(), 3);
        for (outcome, entry) in outcomes.iter().zip(&entries) {
            let found = &found[&outcome.id];
            assert_eq!((&found.row, found.is_equal), (&entry.row, entry.is_equal));
            assert_eq!(found.notes, entry.notes);
        }
        assert_eq!(found.values().filter(|entry| entry.is_equal).count(), 2);
    }
}
