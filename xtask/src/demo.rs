//! The main job, shown: pack serde_derive, use the shim from plain cargo, print what it saves.

use crate::bench::workload::SERDE;
use crate::bench::{build, expand, package, shim};
use crate::run::{capture, cargo, scratch, write, Result};
use crate::setup;
use std::path::Path;

const MAIN: &str = r##"
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Release {
    crate_name: String,
    version: (u32, u32, u32),
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    yanked: Vec<String>,
}

fn main() {
    let text = r#"{"crate-name":"precast","version":[0,1,0]}"#;
    let release: Release = serde_json::from_str(text).unwrap();
    println!("{release:?}");
    println!("{}", serde_json::to_string(&release).unwrap());
}
"##;
const RUNS: usize = 3;

pub fn demo() -> Result {
    setup::setup()?;
    eprintln!("demo: packing {} {} from the registry", SERDE.name, SERDE.version);
    let shim = shim(&SERDE)?;
    eprintln!("demo: building a consumer with plain cargo, first with the original, then the shim");
    let native = consumer("demo-original", "")?;
    let patch =
        format!("\n[patch.crates-io]\n{} = {{ path = \"{}\" }}\n", SERDE.name, shim.display());
    let packed = consumer("demo-shim", &patch)?;
    if native != packed {
        return Err(format!("the consumers differ:\n{native}\n{packed}"));
    }
    print!("{packed}");
    eprintln!("demo: measuring");
    let mut tables = vec![build::compare(&shim, RUNS)?];
    tables.extend(expand::demo(&shim, RUNS)?);
    for table in &tables {
        println!("\n{}", table.text());
    }
    println!("the shim: {}", shim.strip_prefix(crate::run::root()).unwrap_or(&shim).display());
    Ok(())
}

/// Builds and runs the consumer; returns what it prints.
fn consumer(name: &str, patch: &str) -> Result<String> {
    let dependencies = "[dependencies]\nserde = { version = \"1\", features = [\"derive\"] }\nserde_json = \"1\"\n";
    let folder = package(name, &format!("{dependencies}{patch}"), "")?;
    write(&folder.join("src/main.rs"), MAIN)?;
    let target = scratch("bench").join(name).join("target");
    let output = capture(
        cargo().args(["run", "--quiet", "--target-dir"]).arg(&target).current_dir(&folder),
    )?;
    if !patch.is_empty() {
        check_no_syn(&target)?;
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn check_no_syn(target: &Path) -> Result {
    let folder = target.join("debug/.fingerprint");
    let entries =
        std::fs::read_dir(&folder).map_err(|e| format!("cannot read {}: {e}", folder.display()))?;
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("syn-") || name.starts_with("quote-") {
            return Err(format!("the consumer of the shim built {name}"));
        }
    }
    Ok(())
}
