//! Random modules give the same in wasmtime and in the engine: results, traps, memory, globals.
//!
//! `PRECAST_ORACLE_MODULES` runs more of them, `PRECAST_ORACLE_FIRST` others. A module that
//! differs is written to the target folder.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Mutex;

use oracle::compare::{compare, Tally};
use oracle::theirs::{engine, STACK_BYTES};
use oracle::{alone, generate};

const MODULES: u64 = 400;
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn random_modules_agree_with_wasmtime() {
    let first = setting("PRECAST_ORACLE_FIRST", 1);
    let end = first + setting("PRECAST_ORACLE_MODULES", MODULES);
    let next = AtomicU64::new(first);
    let tally = Tally::default();
    let failures = Mutex::new(Vec::new());
    let engine = engine();
    let work = || loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            break;
        }
        let Some(wasm) = generate::module(seed) else { continue };
        let wasm = alone::rewrite(&wasm, &Default::default()).unwrap_or(wasm);
        if let Err(difference) = compare(&engine, &wasm, seed, &tally) {
            let path = format!("{}/differs-{seed}.wasm", env!("CARGO_TARGET_TMPDIR"));
            std::fs::write(&path, &wasm).expect("the target folder can be written");
            failures.lock().unwrap().push(format!("seed {seed} ({path}): {difference}"));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            let thread = std::thread::Builder::new().stack_size(STACK_BYTES * 2);
            thread.spawn_scoped(scope, work).expect("a thread can be made");
        }
    });
    let count = |n: &AtomicU64| n.load(Ordering::Relaxed);
    println!(
        "{} modules, {} calls, of which {} trap and {} end at a limit",
        count(&tally.modules),
        count(&tally.calls),
        count(&tally.traps),
        count(&tally.limits)
    );
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} modules differ:\n{}", failures.len(), failures.join("\n"));
    assert!(count(&tally.calls) > 0, "nothing ran");
}
