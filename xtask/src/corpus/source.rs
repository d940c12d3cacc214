//! The consumer's right to refuse: with `--cfg precast_from_source` every shim is its original.

use super::fixture::Fixture;
use super::Shims;
use crate::run::{capture, cargo, clear, scratch, write, Result};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Builds a package that depends on all shims, with the switch; each must have been compiled, and
/// what no shim needs, too.
pub fn check(chosen: &[&Fixture], shims: &Shims) -> Result {
    let folder = scratch("corpus").join("source");
    clear(&folder)?;
    let mut manifest = String::from(
        "[package]\nname = \"refuses\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\
         [workspace]\n[dependencies]\n",
    );
    for fixture in chosen {
        let shim = shims[&fixture.folder].as_ref().map_err(Clone::clone)?;
        let features: Vec<String> = fixture.features.iter().map(|f| format!("{f:?}")).collect();
        writeln!(
            manifest,
            "{} = {{ path = '{}', features = [{}] }}",
            fixture.package,
            shim.display(),
            features.join(", ")
        )
        .expect("a string takes all");
    }
    write(&folder.join("Cargo.toml"), &manifest)?;
    write(&folder.join("src/lib.rs"), "")?;
    let mut check = cargo();
    check.current_dir(&folder).env("RUSTFLAGS", "--cfg precast_from_source");
    check.env("CARGO_TARGET_DIR", scratch("corpus").join("from-source"));
    let output = capture(check.args(["check", "--quiet", "--message-format=json"]))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut built = BTreeSet::new();
    for line in text.lines() {
        let message: Value = serde_json::from_str(line).map_err(|e| e.to_string())?;
        if message["reason"] == "compiler-artifact" {
            built.extend(message["target"]["name"].as_str().map(|name| name.replace('-', "_")));
        }
    }
    let missing: Vec<&str> = chosen
        .iter()
        .map(|fixture| fixture.package.as_str())
        .filter(|name| !built.contains(&name.replace('-', "_")))
        .collect();
    // Most macros need syn: if nothing has built it, nothing was built from source.
    let original = chosen.len() < 3 || built.contains("syn");
    match missing.is_empty() && original {
        true => {
            println!("{} shims built from their own sources", chosen.len());
            Ok(())
        }
        false => Err(format!("not built from source: {}", missing.join(", "))),
    }
}
