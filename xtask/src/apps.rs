//! `cargo xtask apps`: real applications, natively, with precast and from a vendor folder.
//!
//! Their tests must say the same natively and with precast, no file of theirs may change, and what
//! `cargo precast vendor` wrote must build. What all that costs is for `cargo xtask bench projects`.

pub mod sources;

use crate::run::{
    capture, cargo, cargo_precast, clear, precast, precompiled, scratch, write, Result,
};
use std::path::{Path, PathBuf};
use std::process::Command;

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

/// All macros are precompiled, also those that no store has yet.
const PACKED: [&str; 2] = ["--missing", "pack"];

struct App {
    name: String,
    place: PathBuf,
    precast: PathBuf,
}

pub fn apps(only: &[&str]) -> Result {
    if let Some(word) = only.iter().find(|word| word.starts_with('-')) {
        return Err(format!("unknown option `{word}`"));
    }
    let precast = cargo_precast()?;
    let (mut done, mut failures) = (Vec::new(), Vec::new());
    for name in std::iter::once(OURS).chain(PUBLISHED) {
        let short = name.split('@').next().expect("a split has a part");
        if only.is_empty() || only.contains(&short) {
            match one(name, &precast) {
                Ok(line) => done.push(line),
                Err(message) => failures.push(format!("{name}: {message}")),
            }
        }
    }
    done.iter().for_each(|line| println!("{line}"));
    match (done.as_slice(), failures.as_slice()) {
        ([], []) => Err(format!("no such application; there are {OURS}, {PUBLISHED:?}")),
        (_, []) => Ok(()),
        (_, failures) => Err(failures.join("\n")),
    }
}

/// Says in a line what was seen.
fn one(name: &str, precast: &Path) -> Result<String> {
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
    eprintln!("{name}: packing and building");
    let packed = capture(app.precast()?.args(["build", "--locked"]).args(PACKED))?;
    let n_macros =
        precompiled(&packed).ok_or("precast has not said how many macros it precompiled")?;
    unchanged("a build with precast", false)?;
    app.vendored()?;
    unchanged("vendoring", false)?;
    eprintln!("{name}: tests");
    let tests = ["test", "--locked", "--no-fail-fast"];
    let expected = results(app.cargo("native").args(tests));
    let found = results(app.precast()?.args(tests).args(PACKED));
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
    // What was built takes gigabytes.
    clear(&app.targets())?;
    Ok(format!(
        "{}: packages: {}, macro packages precompiled: {n_macros}, tests that pass on both sides: {n_passed}",
        name.replace('@', " "),
        packages(&app.place)?
    ))
}

impl App {
    fn targets(&self) -> PathBuf {
        scratch("apps").join("target").join(self.name.replace('@', "-"))
    }

    fn cargo(&self, side: &str) -> Command {
        let mut cargo = cargo();
        cargo.current_dir(&self.place).env("CARGO_TARGET_DIR", self.targets().join(side));
        cargo.env_remove("RUSTFLAGS");
        cargo
    }

    fn precast(&self) -> Result<Command> {
        precast(self.cargo("precast"), &self.precast)
    }

    /// Plain cargo builds a copy with a vendor folder of its own, and no other change.
    fn vendored(&self) -> Result {
        eprintln!("{}: vendoring and building", self.name);
        let copy = self.place.with_file_name(format!("{}-vendored", self.name.replace('@', "-")));
        clear(&copy)?;
        sources::copy(&self.place, &copy)?;
        let mut vendor = self.precast()?;
        vendor.current_dir(&copy).args(["vendor", "vendor", "--locked"]);
        let config = capture(&mut vendor)?;
        let mut files = sources::files(&copy)?;
        files.retain(|path, _| !path.starts_with("vendor"));
        if files != sources::files(&self.place)? {
            return Err("vendoring has changed a file of the project".into());
        }
        write(&copy.join(".cargo/config.toml"), &String::from_utf8_lossy(&config.stdout))?;
        let mut build = self.cargo("vendored");
        capture(build.current_dir(&copy).args(["build", "--locked", "--offline"]))?;
        clear(&copy)
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
