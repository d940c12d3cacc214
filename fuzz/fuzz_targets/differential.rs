//! Modules made of any bytes by wasm-smith: lowering and engine do what wasmtime does. The first bytes
//! decide the rules and the arguments of the calls, so that a change in the others changes little else.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oracle::compare::{compare, Tally};
use oracle::{alone, generate, theirs};
use std::sync::OnceLock;

fuzz_target!(|data: &[u8]| {
    static ENGINE: OnceLock<wasmtime::Engine> = OnceLock::new();
    let engine = ENGINE.get_or_init(theirs::engine);
    let Some((seed, bytes)) = data.split_first_chunk() else { return };
    let seed = u64::from_le_bytes(*seed);
    let Some(wasm) = generate::of_bytes(seed, bytes) else { return };
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
