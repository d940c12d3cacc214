//! `cargo xtask damage`: every byte of packed artifacts flipped, and every length cut. Each is an
//! error of the reader; none is accepted, none ends the process.

use crate::run::{capture, cargo, cargo_precast, command, run, scratch, Result};
use std::path::PathBuf;

/// Small ones: the reader hashes all of it for each damage, so the run grows with the square.
const CRATES: &[&str] = &["paste@1.0.15", "indoc@2.0.8", "./fixtures/guest-api"];

/// The whole run; with a number only every so many bytes.
pub fn damage(step: &str) -> Result {
    let step: usize = step.parse().ok().filter(|step| *step > 0).ok_or("--step takes a number")?;
    let out = scratch("damage");
    let mut pack = command(cargo_precast()?);
    capture(pack.args(["precast", "pack", "--quiet", "-o"]).arg(&out).args(CRATES))?;
    let entries = std::fs::read_dir(&out).map_err(|e| format!("nothing was packed: {e}"))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "precast"));
    files.sort_unstable();
    let list: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let mut test = cargo();
    test.args(["test", "--quiet", "--test", "damage", "--", "--nocapture", "given"]);
    test.env("PRECAST_DAMAGE_FILES", list.join("\n")).env("PRECAST_DAMAGE_STEP", step.to_string());
    run(&mut test)
}
