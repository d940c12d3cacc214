//! `cargo xtask windows`: tier 1 for x86-64 Windows and the product there, on x86-64 Linux, under wine.

mod project;
mod tools;

use crate::elsewhere::run_steps;
use crate::run::Result;
use tools::Tools;

/// Runs all steps, or the one that is named.
pub fn windows(args: &[&str]) -> Result {
    run_steps::<Tools>(args, &[("project", project::project)])
}
