//! Tier 1 on systems that this machine only imitates.
//!
//! First the tests of the engine, cross-compiled. Then the product: that system's rustc compiles a
//! shim, expands with it and builds a program, beside the same compiler of this machine with the
//! original.

mod expansion;

use crate::run::{capture, cargo, command, run, scratch, write, Result};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// Imitators are slower than a machine.
const HOSTILE_IMAGES: &str = "4000";
const TESTS: [&str; 5] = ["tiers", "engine", "checks", "spec", "hostile"];

/// What building for a system and running it needs.
pub trait Elsewhere: Sized {
    /// The name of the task, and of its folder.
    const NAME: &'static str;
    const TARGET: &'static str;
    /// How programs, and libraries of macros, are named there.
    const PROGRAM_SUFFIX: &'static str;
    const LIBRARY: (&'static str, &'static str);

    /// Gets what is not there yet.
    fn find() -> Result<Self>;

    /// Lets cargo build for that system, and run tests.
    fn cross(&self, cargo: &mut Command);

    /// Starts a program of that system.
    fn start(&self, program: &Path) -> Command;

    /// The compiler that runs there.
    fn rustc(&self) -> Command;

    /// This machine's compiler of the same version.
    fn host_rustc(&self) -> Command;

    /// Lets either compiler build for that system.
    fn target(&self, rustc: &mut Command);
}

pub type Step<T> = (&'static str, fn(&T) -> Result);

/// Runs the steps of every system and those of this one, or the one that is named.
pub fn run_steps<T: Elsewhere>(args: &[&str], more: &[Step<T>]) -> Result {
    let common: [Step<T>; 2] = [("tests", tests), ("expansion", expansion::expansion)];
    let steps: Vec<&Step<T>> = common.iter().chain(more).collect();
    if let Some(unknown) = args.iter().find(|name| steps.iter().all(|(step, _)| step != *name)) {
        let names: Vec<&str> = steps.iter().map(|(name, _)| *name).collect();
        return Err(format!("no step is called `{unknown}`; there are: {}", names.join(", ")));
    }
    let tools = T::find()?;
    let (ours, theirs) = (version(&mut tools.host_rustc())?, version(&mut tools.rustc())?);
    if ours != theirs {
        return Err(format!("this machine's compiler is {ours}, the other is {theirs}"));
    }
    for (name, step) in steps.iter().filter(|(name, _)| args.is_empty() || args.contains(name)) {
        let start = Instant::now();
        step(&tools).map_err(|e| format!("{name}: {e}"))?;
        println!("{}: {name} passed in {:.0} s", T::NAME, start.elapsed().as_secs_f64());
    }
    Ok(())
}

fn tests<T: Elsewhere>(tools: &T) -> Result {
    let mut test = cargo();
    tools.cross(&mut test);
    test.env("PRECAST_HOSTILE_IMAGES", HOSTILE_IMAGES);
    test.args(["test", "--quiet", "--package", "precast", "--target", T::TARGET]);
    test.args(TESTS.iter().flat_map(|name| ["--test", name]));
    run(test.arg("--target-dir").arg(scratch(T::NAME).join("target")))
}

/// What a compiler says of itself; both must be the same, so that each reads what the other wrote.
pub fn version(rustc: &mut Command) -> Result<String> {
    let output = capture(rustc.arg("--version"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Writes a shell script of one line.
pub fn script(path: &Path, line: &str) -> Result {
    write(path, &format!("#!/bin/sh\n{line}\n"))?;
    capture(command("chmod").arg("+x").arg(path)).map(drop)
}
