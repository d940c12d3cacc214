//! `cargo xtask apps`: real applications, natively and with precast, by overlay and vendor folder.
//!
//! Each is built clean once a side, from what was downloaded and packed before; its tests must say
//! the same, and no file of it may change.

mod sources;

use crate::run::{
    capture, cargo, cargo_precast, clear, command, cpu_seconds, scratch, write, Result,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Of this repository: the application by which the design's figures were taken.
pub const OURS: &str = "application";

/// Of the registry, with the lock files that they were published with.
const PUBLISHED: [&str; 5] =
    ["ripgrep@15.2.0", "hyperfine@1.20.0", "bore-cli@0.6.0", "mdbook@0.5.4", "trunk@0.21.14"];

/// The most that `OURS` may cost of what it costs natively.
const SHARE_MAX: f64 = 0.5;

struct App {
    name: String,
    place: PathBuf,
    precast: PathBuf,
}

struct Cost {
    cpu: f64,
    wall: f64,
}

pub fn apps(only: &[&str]) -> Result {
    let precast = cargo_precast()?;
    let mut rows = Vec::new();
    for name in std::iter::once(OURS).chain(PUBLISHED) {
        let short = name.split('@').next().expect("a split has a part");
        if only.is_empty() || only.contains(&short) {
            rows.push(one(name, &precast).map_err(|e| format!("{name}: {e}"))?);
        }
    }
    if rows.is_empty() {
        return Err(format!("there is no such application; there are {OURS}, {PUBLISHED:?}"));
    }
    println!("\n| application | packages | macros precompiled | native: CPU s | wall s | overlay: CPU s | wall s | vendored: CPU s | wall s | overlay CPU / native |");
    println!("|---|---|---|---|---|---|---|---|---|---|");
    rows.iter().for_each(|row| println!("{row}"));
    Ok(())
}

fn one(name: &str, precast: &Path) -> Result<String> {
    let place = scratch("apps").join(name.replace('@', "-"));
    sources::prepare(name, &place)?;
    let app = App { name: name.to_owned(), place, precast: precast.to_owned() };
    let before = sources::files(&app.place)?;
    capture(app.cargo("native").args(["fetch", "--locked"]))?;
    eprintln!("{name}: native");
    let native =
        app.clean(app.cargo("native").args(["build", "--locked", "--offline"]), "native")?;
    eprintln!("{name}: packing");
    let packed = capture(app.precast("overlay").args(["build", "--locked"]))?;
    let summary = String::from_utf8_lossy(&packed.stderr).into_owned();
    let summary: Vec<&str> = summary.lines().filter(|l| l.contains("Precast ")).collect();
    summary.iter().for_each(|line| eprintln!("{line}"));
    eprintln!("{name}: overlay");
    let overlay =
        app.clean(app.precast("overlay").args(["build", "--locked", "--offline"]), "overlay")?;
    eprintln!("{name}: tests");
    let tests = ["test", "--locked", "--no-fail-fast"];
    let expected = results(app.cargo("native").args(tests));
    let found = results(app.precast("overlay").args(tests));
    if expected.is_empty() || expected != found {
        return Err(format!("tests differ:\nnative {expected:?}\noverlay {found:?}"));
    }
    if sources::files(&app.place)? != before {
        return Err("a file of the project has changed".into());
    }
    eprintln!("{name}: vendored");
    let vendored = vendored(&app)?;
    if sources::files(&app.place)? != before {
        return Err("vendoring has changed a file of the project".into());
    }
    let share = overlay.cpu / native.cpu;
    if name == OURS && share > SHARE_MAX {
        return Err(format!("it costs {share:.2} of native, more than {SHARE_MAX}"));
    }
    let n_macros = summary.first().and_then(|line| line.split_whitespace().nth(1)).unwrap_or("?");
    Ok(format!(
        "| {} | {} | {n_macros} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {share:.2} |",
        name.replace('@', " "),
        packages(&app.place)?,
        native.cpu,
        native.wall,
        overlay.cpu,
        overlay.wall,
        vendored.cpu,
        vendored.wall
    ))
}

impl App {
    fn target(&self, side: &str) -> PathBuf {
        scratch("apps").join("target").join(self.name.replace('@', "-")).join(side)
    }

    fn cargo(&self, side: &str) -> Command {
        let mut cargo = cargo();
        cargo.current_dir(&self.place).env("CARGO_TARGET_DIR", self.target(side));
        cargo.env_remove("RUSTFLAGS");
        cargo
    }

    fn precast(&self, side: &str) -> Command {
        let mut precast = command(&self.precast);
        precast.current_dir(&self.place).env("CARGO_TARGET_DIR", self.target(side)).arg("precast");
        precast.env_remove("RUSTFLAGS");
        precast
    }

    /// One clean build. The overlay's own folder stays: it is not what cargo builds.
    fn clean(&self, command: &mut Command, side: &str) -> Result<Cost> {
        clear(&self.target(side).join("debug"))?;
        let start = Instant::now();
        let cpu = cpu_seconds(command)?;
        Ok(Cost { cpu, wall: start.elapsed().as_secs_f64() })
    }
}

/// Builds a copy of the application from a vendor folder of its own.
fn vendored(app: &App) -> Result<Cost> {
    let copy = app.place.with_file_name(format!("{}-vendored", app.name.replace('@', "-")));
    clear(&copy)?;
    sources::copy(&app.place, &copy)?;
    let mut vendor = app.precast("vendored");
    vendor.current_dir(&copy).args(["vendor", "vendor", "--locked"]);
    let config = capture(&mut vendor)?;
    write(&copy.join(".cargo/config.toml"), &String::from_utf8_lossy(&config.stdout))?;
    let mut build = app.cargo("vendored");
    build.current_dir(&copy).args(["build", "--locked", "--offline"]);
    app.clean(&mut build, "vendored")
}

/// How many tests had which result, over all test programs. Tests of published packages may fail,
/// since files of their repositories are missing: then they must fail in both.
fn results(command: &mut Command) -> BTreeMap<String, u64> {
    let mut results = BTreeMap::new();
    let Ok(output) = command.output() else { return results };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for line in text.lines().filter_map(|line| line.strip_prefix("test ")) {
        if let Some((_, result)) = line.rsplit_once(" ... ") {
            *results
                .entry(result.split_whitespace().next().unwrap_or("").to_owned())
                .or_insert(0) += 1;
        }
    }
    results
}

fn packages(place: &Path) -> Result<usize> {
    let lock = place.join("Cargo.lock");
    let text = std::fs::read_to_string(&lock).map_err(|e| format!("{}: {e}", lock.display()))?;
    Ok(text.matches("[[package]]").count())
}
