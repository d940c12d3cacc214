//! What the compiler is expected to say, beside each file of `errors/`: `NAME.stderr`, written from
//! native by `cargo xtask corpus --bless`, to be read in reviews.
//!
//! It holds for the compiler that `fixtures/corpus/BLESSED` names. With another one native and
//! shim are still compared with each other.

use super::fixture::Fixture;
use super::record::Record;
use super::work::Built;
use crate::run::{capture, command, root, scratch, write, Result};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Writes the expectations of the chosen fixtures.
pub fn bless(chosen: &[&Fixture], native: &Built) -> Result {
    let mut n_changed = 0;
    for fixture in chosen {
        let record = Record::load(&native.records, &fixture.consumer())?;
        for source in fixture.sources().iter().skip(1) {
            let said = portable(&stderr(&record, source, &results(fixture)?)?);
            let old = std::fs::read_to_string(file(source)).unwrap_or_default();
            if old != said {
                println!("{}", file(source).display());
                write(&file(source), &said)?;
                n_changed += 1;
            }
        }
    }
    write(&blessed(), &format!("{}\n", compiler()?))?;
    println!("{n_changed} files changed");
    Ok(())
}

/// Whether native still says what is expected.
pub fn check(source: &Path, native: &str) -> Result {
    let now = compiler()?;
    if std::fs::read_to_string(blessed()).unwrap_or_default().trim() != now {
        return Ok(());
    }
    let file = file(source);
    // A fixture has expectations for all of its files, or for none.
    let folder = source.parent().and_then(|folder| std::fs::read_dir(folder).ok());
    let is_expected = |path: PathBuf| path.extension().is_some_and(|e| e == "stderr");
    if !folder.into_iter().flatten().flatten().any(|entry| is_expected(entry.path())) {
        return Ok(());
    }
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let expected = std::fs::read_to_string(&file)
        .map_err(|_| format!("there is no {name}: cargo xtask corpus --bless writes it"))?;
    // With the sources of std the compiler shows them.
    let same = anywhere(&expected) == anywhere(&portable(native));
    if same || expected.contains("/rustc/") && has_std_sources()? {
        return Ok(());
    }
    write(&scratch("corpus").join(&*name), &portable(native))?;
    Err(format!("{name}: native says something else: see target/corpus/{name}, or --bless"))
}

/// The lines which are the same wherever the repository lies: types that name a place in a file are
/// shortened by the length of its path.
fn anywhere(text: &str) -> Vec<&str> {
    const PLACED: [&str; 4] = [
        "@$ROOT",
        "full name for the type",
        "to print the full type name",
        "required for the cast",
    ];
    text.lines().filter(|line| !PLACED.iter().any(|part| line.contains(part))).collect()
}

/// What the compiler says of one file.
pub fn stderr(record: &Record, source: &Path, output: &Path) -> Result<String> {
    let output = output.join("output.rmeta");
    let arguments = ["--emit=metadata", "-o", &output.to_string_lossy()];
    let said = record.replay(source, &arguments)?.stderr;
    Ok(without_hashes(&String::from_utf8_lossy(&said)))
}

/// Where compiler calls write to: the same for both sides, since messages may name it.
pub fn results(fixture: &Fixture) -> Result<PathBuf> {
    let folder = scratch("corpus").join("results").join(&fixture.folder);
    std::fs::create_dir_all(&folder)
        .map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
    Ok(folder)
}

fn file(source: &Path) -> PathBuf {
    source.with_extension("stderr")
}

fn blessed() -> PathBuf {
    root().join("fixtures/corpus/BLESSED")
}

/// `rustc 1.95.0`
fn compiler() -> Result<&'static str> {
    static COMPILER: OnceLock<Result<String>> = OnceLock::new();
    let compiler = COMPILER.get_or_init(|| {
        let text = capture(command("rustc").arg("--version"))?.stdout;
        let text = String::from_utf8_lossy(&text).into_owned();
        Ok(text.split(" (").next().unwrap_or_default().trim().to_owned())
    });
    compiler.as_ref().map(String::as_str).map_err(String::clone)
}

fn has_std_sources() -> Result<bool> {
    let output = capture(command("rustc").args(["--print", "sysroot"]))?;
    let sysroot = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    Ok(sysroot.join("lib/rustlib/src/rust/library").is_dir())
}

/// Without the places of this machine: the repository, and cargo's copies of packages.
fn portable(text: &str) -> String {
    let text = text.replace(&*root().to_string_lossy(), "$ROOT");
    let mut parts = text.split("/registry/src/");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let start = out.rfind([' ', '`', '\'', '"', '(']).map_or(0, |at| at + 1);
        out.truncate(start);
        out.push_str("$REGISTRY");
        out.push_str(part.find('/').map_or(part, |at| &part[at..]));
    }
    out
}

/// rustc names the file of a long type by a hash that changes from run to run.
fn without_hashes(text: &str) -> String {
    let mut parts = text.split(".long-type-");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| {
        all + ".long-type-" + part.trim_start_matches(|c: char| c.is_ascii_digit())
    })
}
