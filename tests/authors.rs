//! What macro authors get: the library `precast-macro`, natively and packed, and the work after a build.

#[path = "authors/after.rs"]
mod after;
#[path = "authors/documented.rs"]
mod documented;
#[path = "authors/golden.rs"]
mod golden;
#[path = "authors/hostile.rs"]
mod hostile;
#[path = "cli/output.rs"]
mod output;
#[path = "authors/told.rs"]
mod told;

use output::texts;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An empty directory of its own for each test.
fn directory(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("authors").join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

fn put(directory: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = directory.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn library() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("precast-macro").display().to_string()
}

/// The manifest of a macro package with the library.
fn macro_manifest(name: &str) -> String {
    format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\nlicense = \"MIT\"\n\
         [lib]\nproc-macro = true\n[dependencies]\nprecast-macro = {{ version = \"0.1\", path = {:?} }}\n",
        library()
    )
}

/// Cargo and precast with nothing of the user's own.
fn clean(mut command: Command, directory: &Path) -> Command {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pack-cache");
    command.current_dir(directory).env("NO_COLOR", "1").env("PRECAST_CACHE_DIR", cache);
    for name in ["CARGO", "RUSTC", "RUSTFLAGS", "CARGO_TARGET_DIR", "RUSTUP_TOOLCHAIN"] {
        command.env_remove(name);
    }
    command
}

fn cargo(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = clean(Command::new("cargo"), directory);
    command.args(arguments);
    command
}

/// With the macros of the workspace packed.
fn packed(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = precast(directory, &arguments[..1]);
    command.args(["--members", "--missing", "pack"]).args(&arguments[1..]);
    command
}

fn precast(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = clean(Command::new(env!("CARGO_BIN_EXE_cargo-precast")), directory);
    command.arg("precast").args(arguments);
    command
}

fn ok(mut command: Command) -> (String, String) {
    texts(&command.output().unwrap(), true)
}

/// Standard error of a command that fails.
fn fails(mut command: Command) -> String {
    texts(&command.output().unwrap(), false).1
}

/// What the compiler told, without what cargo and precast say of their work.
fn told(text: &str) -> String {
    const WORK: [&str; 9] = [
        "waiting for ",
        "Precast ",
        "Compiling ",
        "Checking ",
        "Finished ",
        "Running ",
        "compiling ",
        "Locking ",
        "Fresh ",
    ];
    let is_work = |line: &&str| WORK.iter().any(|word| line.trim_start().starts_with(word));
    text.lines().filter(|line| !is_work(line)).map(|line| line.to_owned() + "\n").collect()
}

/// docs/authors.md names a test in each row of its table, and each is there.
#[test]
fn every_row_names_its_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("docs/authors.md")).unwrap();
    let (_, table) = text.split_once("| # | Scarb |").unwrap();
    let rows: Vec<&str> = table.lines().skip(2).filter(|line| line.starts_with("| ")).collect();
    assert_eq!(rows.len(), 45);
    for (at, row) in rows.iter().enumerate() {
        assert!(row.starts_with(&format!("| {} |", at + 1)), "{row}");
        let column = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let tests: Vec<&str> =
            column.split('`').filter(|name| name.starts_with("tests/")).collect();
        assert!(!tests.is_empty(), "{row}");
        for test in tests {
            let (file, name) = test.split_once(": ").unwrap_or((test, ""));
            let text = fs::read_to_string(root.join(file)).unwrap_or_else(|_| panic!("{row}"));
            let head = format!("fn {name}");
            assert!(text.contains("#[test]") && text.contains(&head), "{test} in {row}");
        }
    }
}
