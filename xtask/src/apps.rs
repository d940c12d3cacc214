//! `cargo xtask apps`: real applications, natively and with precast, by overlay and vendor folder.
//!
//! Each is built clean once a side, from what was downloaded and packed before; its tests must say
//! the same, and no file of it may change.

pub mod sources;
mod table;

use crate::run::{capture, cargo, cargo_precast, clear, cpu_seconds, scratch, write, Result};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;
use table::{Cost, Row};

/// Of this repository: the application by which the design's figures were taken.
pub const OURS: &str = "application";

/// Of the registry, with the lock files that they were published with.
const PUBLISHED: [&str; 7] = [
    "ripgrep@15.2.0",
    "hyperfine@1.20.0",
    "bore-cli@0.6.0",
    "mdbook@0.5.4",
    "sd@1.0.0",
    "live-server@0.11.1",
    "trunk@0.21.14",
];

/// The most that `OURS` may cost of what it costs natively.
const SHARE_MAX: f64 = 0.5;

struct App {
    name: String,
    place: PathBuf,
    precast: PathBuf,
}

pub fn apps(args: &[&str]) -> Result {
    let (mut only, mut save, mut runs) = (Vec::new(), false, 1);
    let mut rest = args;
    while let [word, more @ ..] = rest {
        rest = match (*word, more) {
            ("--save", more) => {
                save = true;
                more
            }
            ("--runs", [n, more @ ..]) => {
                runs = n.parse().ok().filter(|n| *n > 0).ok_or("--runs takes a number")?;
                more
            }
            (name, more) if !name.starts_with('-') => {
                only.push(name);
                more
            }
            _ => return Err(format!("unknown option `{word}`")),
        };
    }
    let precast = cargo_precast()?;
    let (mut rows, mut failures) = (Vec::new(), Vec::new());
    for name in std::iter::once(OURS).chain(PUBLISHED) {
        let short = name.split('@').next().expect("a split has a part");
        if only.is_empty() || only.contains(&short) {
            match one(name, &precast, runs) {
                Ok(row) => {
                    if save {
                        table::save(&row)?;
                    }
                    rows.push(row);
                }
                Err(message) => failures.push(format!("{name}: {message}")),
            }
        }
    }
    println!("\n{}", table::text(&table::with(Default::default(), &rows)));
    let share = |row: &Row| row.overlay.cpu / row.native.cpu;
    for row in rows.iter().filter(|row| row.name == OURS && share(row) > SHARE_MAX) {
        let share = share(row);
        failures.push(format!("{OURS} costs {share:.3} of native, more than {SHARE_MAX}"));
    }
    match (rows.as_slice(), failures.as_slice()) {
        ([], []) => Err(format!("no such application; there are {OURS}, {PUBLISHED:?}")),
        (_, []) => Ok(()),
        (_, failures) => Err(failures.join("\n")),
    }
}

fn one(name: &str, precast: &Path, runs: usize) -> Result<Row> {
    let place = scratch("apps").join(name.replace('@', "-"));
    sources::prepare(name, &place)?;
    let app = App { name: name.to_owned(), place, precast: precast.to_owned() };
    let before = sources::files(&app.place)?;
    let unchanged = |what: &str, can_add: bool| {
        let now = sources::files(&app.place)?;
        let added = now.keys().filter(|_| !can_add);
        match before.keys().chain(added).find(|name| now.get(*name) != before.get(*name)) {
            Some(file) => Err(format!("{what} has changed {}", file.display())),
            None => Ok(()),
        }
    };
    capture(app.cargo("native").args(["fetch", "--locked"]))?;
    eprintln!("{name}: packing");
    let packed = capture(app.precast("overlay")?.args(["build", "--locked"]))?;
    let summary = String::from_utf8_lossy(&packed.stderr).into_owned();
    let summary: Vec<&str> = summary.lines().filter(|l| l.contains("Precast ")).collect();
    summary.iter().for_each(|line| eprintln!("{line}"));
    unchanged("the overlay", false)?;
    let vendored = app.vendor()?;
    let sides = app.measure(&vendored, runs)?;
    unchanged("a build", false)?;
    eprintln!("{name}: tests");
    let tests = ["test", "--locked", "--no-fail-fast"];
    let expected = results(app.cargo("native").args(tests));
    let found = results(app.precast("overlay")?.args(tests));
    let n_passed = expected.iter().filter(|line| line.ends_with(" ok")).count();
    eprintln!("{name}: {n_passed} of {} tests pass natively", expected.len());
    if let Some(line) = expected.iter().find(|line| !found.contains(line)) {
        return Err(format!("with precast there is no `{line}`"));
    }
    if expected.is_empty() || expected.len() != found.len() {
        return Err(format!("{} tests natively, {} with precast", expected.len(), found.len()));
    }
    // Programs are tried on the files of their examples, natively, too.
    unchanged("a test", true)?;
    app.forget(&vendored)?;
    let n_macros = summary.first().and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    Ok(Row {
        name: name.replace('@', " "),
        n_packages: packages(&app.place)?,
        n_macros: n_macros.ok_or("precast has not said how many macros it precompiled")?,
        n_tests: n_passed,
        native: sides[0],
        overlay: sides[1],
        vendored: sides[2],
    })
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

    /// `cargo precast`, as users start it: through cargo.
    fn precast(&self, side: &str) -> Result<Command> {
        let mut precast = self.cargo(side);
        let folder = self.precast.parent().map(Path::to_owned).unwrap_or_default();
        let others = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(folder).chain(std::env::split_paths(&others));
        precast.env("PATH", std::env::join_paths(path).map_err(|e| e.to_string())?).arg("precast");
        Ok(precast)
    }

    /// A copy of the application with a vendor folder of its own, and no other change.
    fn vendor(&self) -> Result<PathBuf> {
        eprintln!("{}: vendoring", self.name);
        let copy = self.place.with_file_name(format!("{}-vendored", self.name.replace('@', "-")));
        clear(&copy)?;
        sources::copy(&self.place, &copy)?;
        let mut vendor = self.precast("vendored")?;
        vendor.current_dir(&copy).args(["vendor", "vendor", "--locked"]);
        let config = capture(&mut vendor)?;
        let mut files = sources::files(&copy)?;
        files.retain(|path, _| !path.starts_with("vendor"));
        if files != sources::files(&self.place)? {
            return Err("vendoring has changed a file of the project".into());
        }
        write(&copy.join(".cargo/config.toml"), &String::from_utf8_lossy(&config.stdout))?;
        Ok(copy)
    }

    /// The least cost of a clean build, natively, with the overlay and vendored: all in turn.
    fn measure(&self, vendored: &Path, runs: usize) -> Result<[Cost; 3]> {
        let build = ["build", "--locked", "--offline"];
        let mut least = [Cost { cpu: f64::INFINITY, wall: f64::INFINITY }; 3];
        for _ in 0..runs {
            let mut from_vendor = self.cargo("vendored");
            from_vendor.current_dir(vendored);
            let sides = [
                ("native", self.cargo("native")),
                ("overlay", self.precast("overlay")?),
                ("vendored", from_vendor),
            ];
            for ((side, mut command), least) in sides.into_iter().zip(&mut least) {
                // The overlay's own folder stays: it is not what cargo builds.
                clear(&self.target(side).join("debug"))?;
                let start = Instant::now();
                let cpu = cpu_seconds(command.args(build))?;
                let wall = start.elapsed().as_secs_f64();
                eprintln!("{}: {side} {cpu:.1} s CPU, {wall:.1} s wall", self.name);
                *least = Cost { cpu: least.cpu.min(cpu), wall: least.wall.min(wall) };
            }
        }
        Ok(least)
    }

    /// What was built takes gigabytes.
    fn forget(&self, vendored: &Path) -> Result {
        clear(vendored)?;
        ["native", "overlay", "vendored"].iter().try_for_each(|side| clear(&self.target(side)))
    }
}

/// The lines of all tests with their results, sorted. Tests of published packages may fail, since
/// files of their repositories are missing: then they must fail in both.
fn results(command: &mut Command) -> Vec<String> {
    let Ok(output) = command.output() else { return Vec::new() };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines().filter(|line| line.starts_with("test ") && line.contains(" ... "));
    let mut lines: Vec<String> = lines.map(str::to_owned).collect();
    lines.sort();
    lines
}

fn packages(place: &Path) -> Result<usize> {
    let lock = place.join("Cargo.lock");
    let text = std::fs::read_to_string(&lock).map_err(|e| format!("{}: {e}", lock.display()))?;
    Ok(text.matches("[[package]]").count())
}
