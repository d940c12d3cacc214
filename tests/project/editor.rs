//! The real rust-analyzer on a real workspace: with our server in the place of its own it knows as much of the
//! code as natively, and no library of a macro is loaded.

use super::fixture::{cargo, home, ok, precast, put, registry_macro, texts, workspace};
use std::fs;
use std::path::Path;
use std::process::Command;

/// A derive, an attribute and a function-like macro, whose expansions have types in them. They tell if they run
/// natively.
const TRIO: &str = "use proc_macro::TokenStream;
fn seen(text: &str) -> TokenStream {
    if cfg!(not(target_family = \"wasm\")) {
        let mark = std::env::var(\"TRIO_MARK\").unwrap_or_default();
        if !mark.is_empty() { std::fs::write(mark, \"native code\").unwrap(); }
    }
    text.parse().unwrap()
}
#[proc_macro_derive(Named)]
pub fn named(item: TokenStream) -> TokenStream {
    let name = item.into_iter().nth(1).unwrap();
    seen(&format!(\"impl {name} {{ pub fn name(&self) -> &'static str {{ \\\"{name}\\\" }} }}\"))
}
#[proc_macro_attribute]
pub fn twice(_: TokenStream, item: TokenStream) -> TokenStream {
    let mut out = item.clone();
    out.extend(seen(\"pub struct Second { pub field: Vec<u8> }\"));
    out
}
#[proc_macro]
pub fn tuple(input: TokenStream) -> TokenStream {
    seen(&format!(\"({input}, {input})\"))
}
";

const MAIN: &str = "#[derive(trio::Named)] struct First;
#[trio::twice] struct Kept;
fn both(second: &Second) -> usize { let (a, b) = trio::tuple!(second.field.len()); a + b }
fn main() { let name = First.name(); both(&Second { field: name.as_bytes().to_vec() }); let _ = Kept; }
";

fn project(name: &str) -> std::path::PathBuf {
    let work = workspace(name);
    let registry = work.join("../registry");
    registry_macro(&registry, "trio", "1.0.0", "");
    put(&registry, &[("trio-1.0.0/src/lib.rs", TRIO)]);
    let app = "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n\
        [dependencies]\ntrio = \"1\"\n";
    put(&work, &[("app/Cargo.toml", app), ("app/src/main.rs", MAIN)]);
    let everything = "[workspace]\nmembers = [\"app\"]\nresolver = \"2\"\n";
    put(&work, &[("Cargo.toml", everything)]);
    work
}

/// What rust-analyzer knows of the code: how many expressions and patterns there are, and how many of them have no
/// type.
fn known(work: &Path, mark: &Path, arguments: &[&str], postcard: bool) -> Vec<String> {
    let sysroot = ok(Command::new("rustc").args(["--print", "sysroot"])).0;
    let program = Path::new(sysroot.trim()).join("bin/rust-analyzer");
    // It runs cargo as the shell of the user's does, with the same store.
    let user = cargo(work, home());
    let mut command = Command::new(&program);
    command.current_dir(work).args(["analysis-stats", "."]).args(arguments);
    for (name, value) in user.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.env("TRIO_MARK", mark);
    if postcard {
        command.env("RUST_ANALYZER_USE_POSTCARD", "1");
    }
    let output = command.output().unwrap_or_else(|error| {
        panic!("{}: {error}: `rustup component add rust-analyzer rust-src`", program.display())
    });
    let (out, err) = texts(&output, true);
    assert!(!err.contains("proc-macro loading"), "{err}");
    let out = out + &err;
    let lines = out.split(['\n', '\r']);
    let part = |line: &str| {
        let at = line.find("exprs: ").or_else(|| line.find("pats: "))?;
        Some(line[at..].trim().to_owned())
    };
    let found: Vec<String> = lines.filter_map(part).collect();
    assert_eq!(found.len(), 2, "{out}");
    found
}

/// The files of expansions of crate `app`, and their lengths.
fn remembered(work: &Path) -> Vec<(std::path::PathBuf, u64)> {
    let mut found = Vec::new();
    for folder in ["debug", "rust-analyzer/debug"] {
        let folder = work.join("target").join(folder).join("precast-expansions/app");
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let entry = entry.unwrap();
            found.push((entry.path(), entry.metadata().unwrap().len()));
        }
    }
    found
}

#[test]
fn rust_analyzer_knows_as_much() {
    let work = project("editor");
    let mark = work.join("mark");
    let native = known(&work, &mark, &[], false);
    assert!(native[0].contains("??ty: 0 ") && mark.is_file(), "{native:?}");
    fs::remove_file(&mark).unwrap();
    fs::remove_dir_all(work.join("target")).unwrap();
    ok(&mut precast(&work, &["on"]));
    ok(&mut precast(&work, &["status", "--wait"]));
    let without = known(&work, &mark, &["--disable-proc-macros"], false);
    assert_ne!(without, native);
    for postcard in [false, true] {
        let server = ["--proc-macro-srv", env!("CARGO_BIN_EXE_cargo-precast")];
        assert_eq!(known(&work, &mark, &server, postcard), native, "postcard: {postcard}");
    }
    // What it has expanded is remembered as a compiler's expansions are, and not expanded again.
    let memory = remembered(&work);
    assert_ne!(memory, []);
    let server = ["--proc-macro-srv", env!("CARGO_BIN_EXE_cargo-precast")];
    assert_eq!(known(&work, &mark, &server, false), native);
    assert_eq!(remembered(&work), memory);
    assert!(!mark.exists(), "a macro has run natively");
}
