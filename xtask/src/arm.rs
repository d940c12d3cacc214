//! `cargo xtask arm`: tier 1 for AArch64, on any x86-64 Debian machine, under qemu's user mode.
//!
//! First the tests of the engine, cross-compiled. Then the product: an arm64 rustc compiles a shim,
//! expands with it and builds a program, beside the same compiler of this machine with the original.

mod expansion;
mod tools;

use crate::run::{cargo, run, scratch, Result};
use std::time::Instant;
use tools::{Tools, TARGET};

/// The emulator is ten times slower than the machine.
const HOSTILE_IMAGES: &str = "4000";

type Step = (&'static str, fn(&Tools) -> Result);

const STEPS: [Step; 2] = [("tests", tests), ("expansion", expansion::expansion)];

/// Runs both steps, or the one that is named.
pub fn arm(args: &[&str]) -> Result {
    if let Some(unknown) = args.iter().find(|name| STEPS.iter().all(|(step, _)| step != *name)) {
        return Err(format!("no step is called `{unknown}`; there are: tests, expansion"));
    }
    let tools = Tools::find()?;
    for (name, step) in STEPS.iter().filter(|(name, _)| args.is_empty() || args.contains(name)) {
        let start = Instant::now();
        step(&tools).map_err(|e| format!("{name}: {e}"))?;
        println!("arm: {name} passed in {:.0} s", start.elapsed().as_secs_f64());
    }
    Ok(())
}

fn tests(tools: &Tools) -> Result {
    let mut test = cargo();
    tools.cross(&mut test);
    test.env("PRECAST_HOSTILE_IMAGES", HOSTILE_IMAGES);
    test.args(["test", "--quiet", "--package", "precast", "--target", TARGET]);
    test.args(["--test", "tiers", "--test", "engine", "--test", "spec", "--test", "hostile"]);
    run(test.arg("--target-dir").arg(scratch("arm").join("target")))
}
