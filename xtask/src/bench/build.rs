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

/// The most the shim may cost, as a share of the original (with its dependencies).
const SHARE_MAX: f64 = 1.0 / 7.0;

pub fn bench(runs: usize) -> Result {
    let shim = shim()?;
    let rows = compare(&shim, runs)?;
    print("Cold build, dev profile, CPU", "s", &rows, 2);
    let share = rows[1].median() / rows[2].median();
    println!("the shim costs 1/{:.1} of the original", 1.0 / share);
    if share > SHARE_MAX {
        return Err(format!("the shim costs {share:.3} of the original, more than 1/7"));
    }
    Ok(())
}

/// Rows: empty, shim, original. Sides take turns; every build starts from an empty target folder.
pub fn compare(shim: &Path, runs: usize) -> Result<Vec<Row>> {
    let empty = package("empty", "[lib]\nproc-macro = true\n", EMPTY)?;
    let dependency = format!("[dependencies]\n{CRATE} = \"={VERSION}\"\n");
    let original = package("original", &dependency, "")?;
    capture(cargo().arg("fetch").current_dir(&original))?;
    let sides = [("empty proc macro", empty.as_path(), None), ("shim", shim, None)];
    let sides = sides.into_iter().chain([("original", original.as_path(), Some(CRATE))]);
    let sides: Vec<_> = sides.collect();
    let mut rows: Vec<Row> = sides.iter().map(|(name, ..)| Row::new(*name)).collect();
    for _ in 0..runs {
        for (row, (_, folder, only)) in rows.iter_mut().zip(&sides) {
            row.samples.push(cold_build(folder, *only)?);
        }
    }
    Ok(rows)
}

fn cold_build(folder: &Path, only: Option<&str>) -> Result<f64> {
    let target = scratch("bench").join("cold");
    clear(&target)?;
    let mut command = cargo();
    command.args(["build", "--quiet", "--offline", "--target-dir"]).arg(&target);
    if let Some(package) = only {
        command.args(["--package", package]);
    }
    command.current_dir(folder).env_remove("RUSTFLAGS");
    cpu_seconds(&mut command)
}
