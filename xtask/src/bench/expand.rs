//! Expansion time of derives: rustc's own figure for the pass `macro_expand_crate`.

use super::table::{print, Row};
use super::{package, shim, CRATE, VERSION};
use crate::run::{capture, cargo, command, scratch, write, Result};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// How many times slower than the portable engine watt must at least be.
const WATT_RATIO_MIN: f64 = 10.0;

pub struct Side {
    pub name: &'static str,
    pub dylib: PathBuf,
}

pub fn bench(runs: usize) -> Result {
    let shim = shim()?;
    let native = native()?;
    let engine = side("shim", &path(&shim), "")?;
    let portable = side("shim, portable engine", &path(&shim), "--cfg precast_portable")?;
    let watt = format!("{CRATE} = {{ package = \"wa-serde-derive\", version = \"=0.1.137\" }}");
    let watt = side("watt (wa-serde-derive)", &watt, "")?;

    let rows = compare(&[&native, &engine, &portable, &watt], 50, runs)?;
    print("100 derives, macro_expand_crate, dev profile", "s", &rows, 0);
    let faster = rows[3].median() / rows[2].median();
    println!("the portable engine is {faster:.1} times as fast as watt");

    let rows = compare(&[&native, &engine, &portable], 400, runs)?;
    print("800 derives, macro_expand_crate, dev profile", "s", &rows, 0);

    let rows = compare(&[&native, &engine, &portable], 1, runs)?;
    print("2 derives (cold), macro_expand_crate, dev profile", "s", &rows, 0);

    if faster < WATT_RATIO_MIN {
        return Err(format!("the portable engine is only {faster:.1} times as fast as watt"));
    }
    Ok(())
}

/// The original from the registry.
pub fn native() -> Result<Side> {
    side("native", &format!("{CRATE} = \"={VERSION}\""), "")
}

/// A dependency line for a folder.
pub fn path(folder: &Path) -> String {
    format!("{CRATE} = {{ path = \"{}\" }}", folder.display())
}

/// Builds the macro crate named by a dependency line as cargo does by default.
pub fn side(name: &'static str, dependency: &str, rustflags: &str) -> Result<Side> {
    let slug: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let folder =
        package(&format!("expand-{slug}"), &format!("[dependencies]\n{dependency}\n"), "")?;
    let mut build = cargo();
    build.args(["build", "--quiet", "--message-format=json"]).current_dir(&folder);
    let target = scratch("bench").join("sides").join(&slug);
    let output = capture(build.arg("--target-dir").arg(target).env("RUSTFLAGS", rustflags))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let dylib =
        text.lines().rev().find_map(dylib_of).ok_or(format!("{name}: no dylib was built"))?;
    Ok(Side { name, dylib })
}

fn dylib_of(line: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    let target = &message["target"];
    let is_macro = target["kind"].as_array()?.iter().any(|kind| kind == "proc-macro");
    let wanted = ["serde_derive", "wa_serde_derive"].iter().any(|name| target["name"] == *name);
    let file = message["filenames"].as_array()?.first()?.as_str()?;
    (is_macro && wanted).then(|| PathBuf::from(file))
}

/// Each side expands `types` types with two derives, sides taking turns.
pub fn compare(sides: &[&Side], types: usize, runs: usize) -> Result<Vec<Row>> {
    let source = scratch("bench").join(format!("derives-{types}.rs"));
    write(&source, &workload(types))?;
    let mut rows: Vec<Row> = sides.iter().map(|side| Row::new(side.name)).collect();
    for _ in 0..runs {
        for (row, side) in rows.iter_mut().zip(sides) {
            row.samples.push(expansion_seconds(side, &source)?);
        }
    }
    Ok(rows)
}

fn expansion_seconds(side: &Side, source: &Path) -> Result<f64> {
    let mut rustc = command("rustc");
    rustc.env("RUSTC_BOOTSTRAP", "1").args(["--edition=2021", "--crate-type=lib"]);
    rustc.args(["-Zunpretty=expanded", "-Ztime-passes", "-Ztime-passes-format=json"]);
    rustc.arg("-o").arg(scratch("bench").join("expanded.rs")).arg("--extern");
    rustc.arg(format!("serde_derive={}", side.dylib.display())).arg(source);
    // Without the crate serde itself every derive ends in E0463, behind the pass that is measured.
    // A macro that failed says so without a code.
    let output = rustc.output().map_err(|e| format!("cannot start rustc: {e}"))?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let failed = |line: &&str| line.starts_with("error: ") && !line.contains("aborting due to");
    if let Some(line) = text.lines().find(failed) {
        return Err(format!("{}: {line}", side.name));
    }
    let pass = |line: &str| {
        let json: serde_json::Value = serde_json::from_str(line.strip_prefix("time: ")?).ok()?;
        (json["pass"] == "macro_expand_crate").then(|| json["time"].as_f64())?
    };
    text.lines().find_map(pass).ok_or_else(|| format!("no macro_expand_crate in:\n{text}"))
}

/// `types` types: structs, tuple structs and enums in turn, with serde's common attributes.
fn workload(types: usize) -> String {
    let mut text =
        String::from("#![allow(dead_code)]\nuse serde_derive::{Deserialize, Serialize};\n");
    for i in 0..types {
        let item = match i % 4 {
            0 => format!(
                "#[derive(Serialize, Deserialize)]\n#[serde(rename_all = \"camelCase\")]\npub struct Record{i} {{\n    \
                 pub first_name: String,\n    #[serde(default)]\n    pub age: u32,\n    \
                 #[serde(skip_serializing_if = \"Option::is_none\")]\n    pub mail: Option<String>,\n    \
                 #[serde(rename = \"type\")]\n    pub kind: u8,\n    pub tags: Vec<String>,\n    pub score: f64,\n}}\n"
            ),
            1 => format!(
                "#[derive(Serialize, Deserialize)]\npub enum Event{i} {{\n    Started,\n    \
                 #[serde(rename = \"moved\")]\n    Moved {{ x: i32, y: i32 }},\n    Named(String),\n    Pair(u8, u16),\n}}\n"
            ),
            2 => format!(
                "#[derive(Serialize, Deserialize)]\n#[serde(tag = \"kind\", rename_all = \"snake_case\")]\npub enum Tagged{i} {{\n    \
                 First {{ value: u64, #[serde(default)] flag: bool }},\n    Second {{ text: String }},\n    #[serde(other)]\n    Unknown,\n}}\n"
            ),
            _ => format!(
                "#[derive(Serialize, Deserialize)]\npub struct Generic{i}<T> {{\n    pub inner: T,\n    pub list: Vec<T>,\n    \
                 #[serde(skip)]\n    pub cache: Option<u64>,\n}}\n"
            ),
        };
        text.write_str(&item).expect("a String takes all text");
    }
    text
}
