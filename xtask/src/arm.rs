//! `cargo xtask arm`: tier 1 for AArch64, on any x86-64 Debian machine, under qemu's user mode.

mod tools;

use crate::elsewhere::run_steps;
use crate::run::Result;
use tools::Tools;

/// Runs both steps, or the one that is named.
pub fn arm(args: &[&str]) -> Result {
    run_steps::<Tools>(args, &[])
}
