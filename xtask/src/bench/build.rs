//! CPU seconds of a cold build: an empty proc macro (the floor), the shim, the original.

use super::table::{print, Row};
use super::{package, shim, CRATE, VERSION};
use crate::run::{capture, cargo, clear, cpu_seconds, scratch, Result};
use std::path::Path;

const EMPTY: &str = "\
use proc_macro::TokenStream;

#[proc_macro]
pub fn nothing(_input: TokenStream) -> TokenStream {
    TokenStream::new()
}
";

/// The most the shim may cost, as a share of the original with its dependencies. The aim is 1/7,
/// which docs/benchmarks.md says is not reached yet; this bound only keeps it from growing.
const SHARE_MAX: f64 = 1.0 / 4.0;

pub fn bench(runs: usize) -> Result {
    let shim = shim()?;
    let rows = compare(&shim, runs)?;
    print("Cold build, dev profile, CPU", "s", &rows, 2);
    let share = rows[1].median() / rows[2].median();
    println!("the shim costs 1/{:.1} of the original", 1.0 / share);
    if share > SHARE_MAX {
        return Err(format!("the shim costs {share:.3} of the original, more than {SHARE_MAX}"));
    }
    Ok(())
}

/// Rows: empty, shim, original. Sides take turns; every build starts from an empty target folder.
pub fn compare(shim: &Path, runs: usize) -> Result<Vec<Row>> {
    let empty = package("empty", "[lib]\nproc-macro = true\n", EMPTY)?;
    let shim = package("shim", &format!("[dependencies]\n{}\n", super::expand::path(shim)), "")?;
    let dependency = format!("[dependencies]\n{CRATE} = \"={VERSION}\"\n");
    let original = package("original", &dependency, "")?;
    capture(cargo().arg("fetch").current_dir(&original))?;
    let sides = [
        ("empty proc macro", empty, "empty"),
        ("shim", shim, CRATE),
        ("original", original, CRATE),
    ];
    let mut rows: Vec<Row> = sides.iter().map(|(name, ..)| Row::new(*name)).collect();
    for _ in 0..runs {
        for (row, (_, folder, only)) in rows.iter_mut().zip(&sides) {
            row.samples.push(cold_build(folder, only)?);
        }
    }
    Ok(rows)
}

/// Builds one package of the folder's, and what it depends on, as cargo builds packages of a
/// registry: not incrementally.
fn cold_build(folder: &Path, package: &str) -> Result<f64> {
    let target = scratch("bench").join("cold");
    clear(&target)?;
    let mut command = cargo();
    command.args(["build", "--quiet", "--offline", "--package", package, "--target-dir"]);
    command.arg(&target).current_dir(folder).env_remove("RUSTFLAGS").env("CARGO_INCREMENTAL", "0");
    cpu_seconds(&mut command)
}
