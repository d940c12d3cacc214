//! The same wasm in other engines: `oracle/engines` runs them in one process, on recorded calls.

use super::side::source;
use super::table::{Row, Table};
use super::workload::SERDE;
use super::{shim, Findings};
use crate::run::{capture, cargo, command, root, scratch, Result};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Types of the workload, each with two derives.
pub const TYPES: usize = 40;

pub fn bench(runs: usize) -> Result<Findings> {
    let source = source(&SERDE, TYPES)?;
    let args = ["compare".into(), shown(&source), runs.to_string(), shown(&packed()?)];
    let found = measure(&args)?;
    let (n, calls) = (&found["expansions"], &found["calls"]);
    let name = format!("{} {}", SERDE.name, SERDE.version);
    let first = "from the module's bytes to the end of the first expansion";
    let tables = tables(
        &found,
        [
            ("first", format!("{name}, {first}, CPU"), "ms"),
            (
                "steady",
                format!("{name}, one of {n} expansions ({calls} host calls in all), CPU"),
                "ms",
            ),
        ],
    );
    Ok(Findings { tables: tables?, failures: Vec::new() })
}

/// Builds the program and takes what it says.
pub fn measure(args: &[String]) -> Result<Value> {
    let mut build = cargo();
    build.args(["build", "--quiet", "--profile", "engines", "--features", "engines", "--locked"]);
    build.args(["--bin", "engines", "--manifest-path"]).arg(root().join("oracle/Cargo.toml"));
    let target = scratch("engines");
    capture(build.arg("--target-dir").arg(&target))?;
    let output = capture(command(target.join("engines/engines")).args(args))?;
    serde_json::from_slice(&output.stdout)
        .map_err(|e| format!("what the engines say is no JSON: {e}"))
}

/// The artifact that `shim` packs.
pub fn packed() -> Result<PathBuf> {
    let artifact = format!("{}-{}.precast", SERDE.name, SERDE.version);
    Ok(shim(&SERDE)?.with_file_name(artifact))
}

pub fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// The tables with these names.
pub fn tables<const N: usize>(
    found: &Value,
    titles: [(&str, String, &'static str); N],
) -> Result<Vec<Table>> {
    let table = |(key, title, unit)| Ok(Table::new(title, unit, rows(&found[key])?, 0));
    titles.into_iter().map(table).collect()
}

fn rows(found: &Value) -> Result<Vec<Row>> {
    let row = |engine: &Value| {
        let samples = engine["samples"].as_array()?.iter().filter_map(Value::as_f64).collect();
        Some(Row { name: engine["name"].as_str()?.to_owned(), samples })
    };
    let rows: Option<Vec<Row>> = found.as_array().and_then(|rows| rows.iter().map(row).collect());
    rows.ok_or_else(|| "the engines have no samples".into())
}
