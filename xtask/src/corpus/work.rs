//! The scratch workspace under target/corpus: one member for each consumer, built natively and
//! with shims in one target folder, so that dependencies without macros are built once.

use super::fixture::Fixture;
use super::{record, Shims};
use crate::run::{cargo, root, scratch, write, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Native,
    Shim,
}

impl Side {
    pub fn name(self) -> &'static str {
        match self {
            Side::Native => "native",
            Side::Shim => "shim",
        }
    }
}

/// What building and running one side gave, by fixture.
pub struct Built {
    /// Where the compiler calls are recorded.
    pub records: PathBuf,
    /// What the consumer printed when run, or why it was not built.
    pub runs: BTreeMap<String, Result<Output>>,
}

/// Builds and runs the consumers of `chosen`; the workspace always holds `all`, so that one lock
/// file serves every selection.
pub fn build(side: Side, all: &[Fixture], chosen: &[&Fixture], shims: &Shims) -> Result<Built> {
    let folder = scratch("corpus").join("work");
    let records = records(side.name())?;
    let lock = write_workspace(&folder, side, all, shims)?;
    let mut runs = BTreeMap::new();
    for fixture in chosen {
        let program = call(cargo_for("build", &folder, &records, fixture));
        let run = program.and_then(|program| program.ok_or("there is no program".to_owned()));
        let run = run.and_then(|program| run_program(&program));
        runs.insert(fixture.folder.clone(), run);
    }
    match side {
        Side::Native => copy_if_there(&lock, &root().join("fixtures/corpus/Cargo.lock"))?,
        Side::Shim => check_patched(&lock, chosen)?,
    }
    Ok(Built { records, runs })
}

/// Checks the consumers of `chosen` with shims, whose limits are multiplied: where the compiler calls
/// are recorded, and what came of each.
pub fn check(
    all: &[Fixture],
    chosen: &[&Fixture],
    shims: &Shims,
    limits: &str,
) -> Result<(PathBuf, BTreeMap<String, Result>)> {
    let folder = scratch("corpus").join("work");
    let records = records("limits")?;
    let lock = write_workspace(&folder, Side::Shim, all, shims)?;
    let mut checked = BTreeMap::new();
    for fixture in chosen {
        let mut check = cargo_for("check", &folder, &records, fixture);
        check.env("PRECAST_LIMITS", limits);
        checked.insert(fixture.folder.clone(), call(check).map(drop));
    }
    check_patched(&lock, chosen)?;
    Ok((records, checked))
}

fn records(name: &str) -> Result<PathBuf> {
    let folder = scratch("corpus").join("records").join(name);
    std::fs::create_dir_all(&folder)
        .map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
    Ok(folder)
}

fn copy_if_there(from: &Path, to: &Path) -> Result {
    let Ok(bytes) = std::fs::read(from) else { return Ok(()) };
    if std::fs::read(to).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    std::fs::write(to, bytes).map_err(|e| format!("cannot write {}: {e}", to.display()))
}

/// The scratch workspace, and where its lock file is.
fn write_workspace(folder: &Path, side: Side, all: &[Fixture], shims: &Shims) -> Result<PathBuf> {
    let mut text = "[workspace]\nresolver = \"2\"\nmembers = [\n".to_owned();
    for fixture in all {
        writeln!(text, "    \"{}\",", fixture.folder).expect("a string takes all");
        write_member(&folder.join(&fixture.folder), fixture)?;
    }
    text.push_str("]\n\n[profile.dev]\ndebug = false\n\n[patch.crates-io]\n");
    for fixture in all.iter().filter(|_| side == Side::Shim) {
        if let Some(Ok(shim)) = shims.get(&fixture.folder) {
            let Fixture { folder, package, .. } = fixture;
            let path = shim.display();
            writeln!(text, "{folder} = {{ package = \"{package}\", path = '{path}' }}")
                .expect("a string takes all");
        }
    }
    write(&folder.join("Cargo.toml"), &text)?;
    let lock = folder.join("Cargo.lock");
    copy_if_there(&root().join("fixtures/corpus/Cargo.lock"), &lock)?;
    Ok(lock)
}

fn write_member(folder: &Path, fixture: &Fixture) -> Result {
    let Fixture { edition, dependencies, manifest, .. } = fixture;
    let name = fixture.consumer();
    let source = fixture.path.join("consumer.rs");
    let text = format!(
        "[package]\nname = \"{name}\"\nversion = \"1.2.3\"\nedition = \"{edition}\"\n\
         authors = [\"An Author <author@example.org>\"]\ndescription = \"A consumer\"\n\
         publish = false\n\n[[bin]]\nname = \"{name}\"\npath = '{}'\n\n\
         [dependencies]\n{dependencies}\n{manifest}",
        source.display()
    );
    write(&folder.join("Cargo.toml"), &text)?;
    copy_folder(&fixture.path.join("files"), folder)
}

/// Files which the macros read below the consumer's manifest; most consumers have none.
fn copy_folder(from: &Path, to: &Path) -> Result {
    for entry in std::fs::read_dir(from).into_iter().flatten().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::create_dir_all(to)
                .map_err(|e| format!("cannot make {}: {e}", to.display()))?;
            copy_if_there(&entry.path(), &target)?;
        }
    }
    Ok(())
}

fn cargo_for(work: &str, folder: &Path, records: &Path, fixture: &Fixture) -> Command {
    let wrapper = std::env::current_exe().expect("this program has a path");
    let mut cargo = cargo();
    cargo.current_dir(folder).args([work, "--quiet", "--message-format=json", "-p"]);
    cargo.arg(fixture.consumer()).arg("--target-dir").arg(scratch("corpus").join("target"));
    cargo.env("RUSTC_WORKSPACE_WRAPPER", wrapper).env(record::FOLDER, records);
    cargo
}

/// The program that was built, if one was.
fn call(mut cargo: Command) -> Result<Option<PathBuf>> {
    let output = cargo.output().map_err(|e| format!("cannot start cargo: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let messages = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut rendered = String::new();
    for message in messages {
        if let Some(program) = message["executable"].as_str() {
            return Ok(Some(program.into()));
        }
        if message["message"]["level"] == "error" {
            rendered.push_str(message["message"]["rendered"].as_str().unwrap_or_default());
        }
    }
    if output.status.success() {
        return Ok(None);
    }
    rendered.push_str(&String::from_utf8_lossy(&output.stderr));
    Err(format!("the consumer does not build\n{}", rendered.trim_end()))
}

fn run_program(program: &Path) -> Result<Output> {
    let mut command = Command::new(program);
    command.env("RUST_BACKTRACE", "0").stdin(Stdio::null());
    command.output().map_err(|e| format!("cannot start {}: {e}", program.display()))
}

/// A patch that cargo does not use would compare the original with itself.
fn check_patched(lock: &Path, chosen: &[&Fixture]) -> Result {
    let text = std::fs::read_to_string(lock).map_err(|e| format!("{}: {e}", lock.display()))?;
    let unused = text.split("[[patch.unused]]").skip(1);
    for entry in unused {
        for fixture in chosen {
            let named =
                format!("name = \"{}\"\nversion = \"{}\"", fixture.package, fixture.version);
            if entry.trim_start().starts_with(&named) {
                let id = fixture.id();
                return Err(format!("no consumer depends on {id}: is its version the newest?"));
            }
        }
    }
    Ok(())
}
