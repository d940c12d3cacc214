//! CPU seconds of a cold build: an empty proc macro (the floor), the shim, the original; and where
//! rustc's time for the shim goes.

use super::side::path;
use super::table::{Row, Table};
use super::workload::SERDE;
use super::{package, scratch_bench, shim, Findings};
use crate::run::{capture, cargo, clear, command, cpu_seconds, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

const EMPTY: &str = "\
use proc_macro::TokenStream;

#[proc_macro]
pub fn nothing(_input: TokenStream) -> TokenStream {
    TokenStream::new()
}
";

/// The most the shim may cost, as a share of the original with its dependencies. Bounds are for the least
/// of the runs: a busy machine adds more to the shorter build.
const SHARE_MAX: f64 = 1.0 / 8.0;
/// What the shim costs, as a multiple of the empty proc macro; it may grow by a tenth.
const EMPTIES: f64 = 2.9;
/// As many of rustc's passes are shown.
const N_PASSES: usize = 12;

pub fn bench(runs: usize) -> Result<Findings> {
    let shim = shim(&SERDE)?;
    let table = compare(&shim, runs)?;
    let [empty, shim_cost, original] = [0, 1, 2].map(|row: usize| table.rows[row].least());
    let (share, empties) = (shim_cost / original, shim_cost / empty);
    println!(
        "the shim costs 1/{:.1} of the original, {empties:.2} times an empty proc macro",
        1.0 / share
    );
    let mut failures = Vec::new();
    if share > SHARE_MAX {
        failures
            .push(format!("the shim costs {share:.3} of the original, more than {SHARE_MAX:.3}"));
    }
    if empties > EMPTIES * 1.1 {
        failures.push(format!(
            "the shim costs {empties:.2} empty proc macros, a tenth more than the recorded {EMPTIES}"
        ));
    }
    Ok(Findings { tables: vec![table, passes(&shim, runs)?], failures })
}

/// The passes of rustc that take most of the shim's build; some contain others.
fn passes(shim: &Path, runs: usize) -> Result<Table> {
    let mut samples: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let out = scratch_bench("passes");
    for _ in 0..runs {
        clear(&out)?;
        let mut rustc = command("rustc");
        rustc.env("RUSTC_BOOTSTRAP", "1").args(["--edition", "2021", "--cap-lints", "allow"]);
        rustc.args(["--crate-type", "proc-macro", "--crate-name", SERDE.name]);
        rustc.args(["-Ccodegen-units=256", "-Ztime-passes", "-Ztime-passes-format=json"]);
        let output = capture(rustc.arg("--out-dir").arg(&out).arg(shim.join("src/lib.rs")))?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        for line in text.lines().filter_map(|line| line.strip_prefix("time: ")) {
            let pass: Value = serde_json::from_str(line).map_err(|e| format!("{line}: {e}"))?;
            if let (Some(name), Some(time)) = (pass["pass"].as_str(), pass["time"].as_f64()) {
                samples.entry(name.into()).or_default().push(time);
            }
        }
    }
    let mut rows: Vec<Row> =
        samples.into_iter().map(|(name, samples)| Row { name, samples }).collect();
    rows.sort_by(|a, b| b.median().total_cmp(&a.median()));
    rows.truncate(N_PASSES);
    let base = rows.iter().position(|row| row.name == "total").ok_or("rustc names no passes")?;
    Ok(Table::new("The shim's build by rustc's passes, elapsed", "s", rows, base))
}

/// Rows: empty, shim, original. Sides take turns; every build starts from an empty target folder.
pub fn compare(shim: &Path, runs: usize) -> Result<Table> {
    let empty = package("empty", "[lib]\nproc-macro = true\n", EMPTY)?;
    let shim = package("shim", &format!("[dependencies]\n{}\n", path(&SERDE, shim)), "")?;
    let dependency = format!("[dependencies]\n{} = \"={}\"\n", SERDE.name, SERDE.version);
    let original = package("original", &dependency, "")?;
    capture(cargo().arg("fetch").current_dir(&original))?;
    let sides = [
        ("empty proc macro", empty, "empty"),
        ("shim", shim, SERDE.name),
        ("original", original, SERDE.name),
    ];
    let mut rows: Vec<Row> = sides.iter().map(|(name, ..)| Row::new(*name)).collect();
    for _ in 0..runs {
        for (row, (_, folder, only)) in rows.iter_mut().zip(&sides) {
            row.samples.push(cold_build(folder, only)?);
        }
    }
    Ok(Table::new("Cold build, dev profile, CPU", "s", rows, 2))
}

/// Builds one package of the folder's, and what it depends on, as cargo builds packages of a
/// registry: not incrementally.
fn cold_build(folder: &Path, package: &str) -> Result<f64> {
    let target = scratch_bench("cold");
    clear(&target)?;
    let mut command = cargo();
    command.args(["build", "--quiet", "--offline", "--package", package, "--target-dir"]);
    command.arg(&target).current_dir(folder).env_remove("RUSTFLAGS").env("CARGO_INCREMENTAL", "0");
    cpu_seconds(&mut command)
}
