//! `cargo xtask windows`: tier 1 for x86-64 Windows, on x86-64 Linux, under wine.

mod tools;

use crate::elsewhere::run_steps;
use crate::run::Result;
use tools::Tools;

/// Runs both steps, or the one that is named.
pub fn windows(args: &[&str]) -> Result {
    run_steps::<Tools>(args)
}
