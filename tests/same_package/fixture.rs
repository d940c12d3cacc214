//! A package with macros of its own, which need no other package and tell whether they run as wasm.

#[path = "../cli/output.rs"]
mod output;

use output::texts;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A directory of its own for each test, empty.
pub fn directory(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("same-package").join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

pub fn put(directory: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = directory.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

pub fn edit(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    fs::write(file, text.replace(from, to)).unwrap();
}

pub const MANIFEST: &str = "\
[package]
name = \"own\"
version = \"1.0.0\"
edition = \"2021\"
license = \"MIT\"
description = \"Has macros\"

[features]
loud = []
";

pub const MACROS: &str = "\
//! Macros.
use proc_macro::TokenStream;

/// Where it runs.
///
/// ```
/// assert!(!proc_macro::world!().is_empty());
/// ```
#[proc_macro]
pub fn world(_: TokenStream) -> TokenStream {
    let world = if std::mem::size_of::<usize>() == 4 { \"wasm\" } else { \"native\" };
    let loud = if cfg!(feature = \"loud\") { \" loud\" } else { \"\" };
    format!(\"\\\"{} {world}{loud}\\\"\", env!(\"CARGO_PKG_VERSION\")).parse().unwrap()
}

/// Gives a type a number.
#[proc_macro_derive(Number)]
pub fn number(item: TokenStream) -> TokenStream {
    let words: Vec<String> = item.into_iter().map(|token| token.to_string()).collect();
    let name = words.iter().position(|word| word == \"struct\").map(|at| &words[at + 1]).unwrap();
    format!(\"impl {name} {{ pub const NUMBER: u32 = 42; }}\").parse().unwrap()
}

/// Changes nothing.
#[proc_macro_attribute]
pub fn same(_: TokenStream, item: TokenStream) -> TokenStream {
    if !cfg!(proc_macro) {
        panic!();
    }
    item
}

#[test]
fn unit_of_the_macros() {}
";

const LIBRARY: &str = "\
//! Library.
//! ```
//! assert_eq!(proc_macro::world!(), own::WORLD);
//! ```
pub use proc_macro::{same, world, Number};
mod inner {
    use proc_macro::Number;
    #[derive(Number)]
    pub struct Inner;
}
/// Where its macros run.
pub const WORLD: &str = world!();
#[same]
pub fn number() -> u32 { inner::Inner::NUMBER }
#[test]
fn unit() { assert_eq!(number(), 42); }
";

const PROGRAM: &str =
    "use proc_macro::world;\nfn main() { println!(\"{} {}\", world!(), own::number()); }\n";
const TEST: &str =
    "use proc_macro::world;\n#[test]\nfn integration() { assert_eq!(world!(), own::WORLD); }\n";
const BENCH: &str =
    "fn main() { assert_eq!(proc_macro::world!(), own::WORLD); println!(\"benched\"); }\n";
pub const SCRIPT: &str = "\
#[path = \"proc-macro/precast/build.rs\"]
mod proc_macro;
fn main() { proc_macro::build(); }
";

/// The package as the RFC has it: cargo alone does not build it.
pub fn package(directory: &Path) {
    let bench = "\n[[bench]]\nname = \"bench\"\nharness = false\n";
    put(
        directory,
        &[
            ("Cargo.toml", &(MANIFEST.to_owned() + bench)),
            ("proc-macro/lib.rs", MACROS),
            ("src/lib.rs", LIBRARY),
            ("src/main.rs", PROGRAM),
            ("examples/example.rs", PROGRAM),
            ("tests/integration.rs", TEST),
            ("benches/bench.rs", BENCH),
        ],
    );
}

/// The same in a workspace of its own.
pub fn lone(name: &str) -> PathBuf {
    let place = directory(name);
    package(&place);
    let manifest = place.join("Cargo.toml");
    fs::write(&manifest, fs::read_to_string(&manifest).unwrap() + "\n[workspace]\n").unwrap();
    place
}

/// The same, packed, with a build script.
pub fn packed(name: &str) -> PathBuf {
    let place = lone(name);
    put(&place, &[("build.rs", SCRIPT)]);
    ok(&mut precast(&place, &["pack", "--proc-macro"]));
    place
}

fn clean(command: &mut Command, directory: &Path) {
    command.current_dir(directory).env("NO_COLOR", "1").env("CARGO_NET_OFFLINE", "true");
    for name in [
        "CARGO",
        "RUSTC",
        "RUSTFLAGS",
        "CARGO_TARGET_DIR",
        "RUSTUP_TOOLCHAIN",
        "CI",
        "CARGO_ENCODED_RUSTFLAGS",
    ] {
        command.env_remove(name);
    }
}

/// Cargo alone, without network.
pub fn cargo(directory: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    clean(&mut command, directory);
    command.args(args);
    command
}

pub fn precast(directory: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-precast"));
    clean(&mut command, directory);
    command.env("PRECAST_CACHE_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("pack-cache"));
    command.arg("precast").args(args);
    command
}

/// Standard output and error of a command that succeeds.
pub fn ok(command: &mut Command) -> (String, String) {
    texts(&command.output().unwrap(), true)
}

/// The same of one that fails.
pub fn fails(command: &mut Command) -> (String, String) {
    texts(&command.output().unwrap(), false)
}

/// Copies a folder, without what is built.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap();
        match path.is_dir() {
            true if name == "target" => {}
            true => copy(&path, &to.join(name)),
            false => drop(fs::copy(&path, to.join(name)).unwrap()),
        }
    }
}
