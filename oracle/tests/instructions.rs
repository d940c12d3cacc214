//! Every instruction on its own, beside wasmtime, until every opcode of the image has run.

#[path = "instructions/memory.rs"]
mod memory;
#[path = "instructions/numeric.rs"]
mod numeric;
#[path = "instructions/state.rs"]
mod state;

use oracle::{census, theirs};

/// One test, so that the images of all parts are counted together.
#[test]
fn every_opcode_does_what_wasmtime_does() {
    let engine = theirs::engine();
    numeric::run(&engine);
    memory::run(&engine);
    state::run(&engine);
    state::host_calls();
    let missing = census::missing();
    assert!(missing.is_empty(), "no test runs {}", missing.join(", "));
}
