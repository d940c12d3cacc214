//! The consumer's right to refuse: with `--cfg precast_from_source` every shim is its original.

use super::fixture::Fixture;
use super::Shims;
use crate::run::{cargo, clear, scratch, write, Result};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Builds a package that depends on all shims, with the switch; each must have been compiled, or
/// refuse as its fixture says, and what no shim needs must have been compiled, too.
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
            "{} = {{ package = \"{}\", path = '{}', features = [{}] }}",
            fixture.folder,
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
    check.args(["check", "--quiet", "--keep-going", "--message-format=json"]);
    let output = check.output().map_err(|e| format!("cannot start cargo: {e}"))?;
    let said = Said::read(&String::from_utf8_lossy(&output.stdout));
    let mut wrong = Vec::new();
    for fixture in chosen {
        let shim = shims[&fixture.folder].as_ref().map_err(Clone::clone)?;
        let manifest = shim.join("Cargo.toml").display().to_string();
        let done = said.built.contains(&manifest);
        let errors = said.errors.get(&manifest).map_or("", String::as_str);
        let refused = errors.contains("cannot be built from source here");
        let line = match &fixture.from_source {
            None if done => "built from its own source",
            Some(why) if !done && refused => why,
            _ => {
                wrong.push(fixture.folder.as_str());
                if done {
                    "built, though fixture.toml says why not"
                } else {
                    errors
                }
            }
        };
        println!("{:<32} {line}", fixture.id());
    }
    // Most macros need syn: if nothing has built it, nothing was built from source.
    let original = chosen.len() < 10 || said.built.iter().any(|path| path.contains("/syn-"));
    match wrong.is_empty() && original {
        true => Ok(()),
        false => Err(format!(
            "not as expected: {}\n{}",
            wrong.join(", "),
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

/// What cargo's messages tell, by the packages' manifests.
#[derive(Default)]
struct Said {
    built: BTreeSet<String>,
    errors: BTreeMap<String, String>,
}

impl Said {
    fn read(text: &str) -> Said {
        let mut said = Said::default();
        for message in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            let manifest = message["manifest_path"].as_str().unwrap_or_default().to_owned();
            if message["reason"] == "compiler-artifact" {
                said.built.insert(manifest);
            } else if message["message"]["level"] == "error" {
                let shown = message["message"]["rendered"].as_str().unwrap_or_default();
                *said.errors.entry(manifest).or_default() += shown;
            }
        }
        said
    }
}
