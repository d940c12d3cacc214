//! Modules made of any bytes by wasm-smith: lowering and engine do what wasmtime does.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oracle::compare::{compare, Tally};
use oracle::{alone, generate, theirs};
use std::sync::OnceLock;

fuzz_target!(|data: &[u8]| {
    static ENGINE: OnceLock<wasmtime::Engine> = OnceLock::new();
    let engine = ENGINE.get_or_init(theirs::engine);
    let seed =
        data.iter().fold(7u64, |sum, byte| sum.wrapping_mul(31).wrapping_add((*byte).into()));
    let Some(wasm) = generate::of_bytes(seed, data) else { return };
    let wasm = alone::rewrite(&wasm, &Default::default()).unwrap_or(wasm);
    let work = || compare(engine, &wasm, seed, &Tally::default());
    let result = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(theirs::STACK_BYTES * 2);
        thread.spawn_scoped(scope, work).expect("a thread can be made").join()
    });
    if let Err(difference) = result.expect("the comparison does not panic") {
        panic!("{difference}");
    }
});
