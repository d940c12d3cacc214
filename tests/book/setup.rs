//! The folders in which the book's commands run, and how.

use super::fixture::{self, directory, home, put, registry_macro, store};
use super::tiny;
use precast::embed;
use precast::pack::{pack_module, ModuleOptions};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Makes the folder of a setup for one page.
pub fn make(setup: &str, page: &str) -> PathBuf {
    let base = directory(&format!("book-{page}-{setup}"));
    match setup {
        "artifact" => foreign(&base),
        "project" => project(&base),
        "macros" => macros(&base),
        "golden" => golden(&base),
        "policy" => policy(&base),
        _ => panic!("tests/book/setup.rs knows no setup `{setup}`"),
    }
    base.join("work")
}

/// An artifact and its shim, of a package `in-c` with a macro of each kind, written in C.
fn foreign(base: &Path) {
    let work = base.join("work");
    put(&work, &[("item.rs", "#[answer(7)]\nstruct Question;\n")]);
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/foreign/macros-c.wasm");
    fs::copy(&module, work.join("macros.wasm")).unwrap();
    let options = ModuleOptions {
        name: "in-c".into(),
        version: "1.0.0".into(),
        license: Some("MIT".into()),
        ..Default::default()
    };
    pack_module(&module, &options, &work.join("vendor")).unwrap();
    fs::rename(work.join("vendor/in-c-1.0.0.precast"), work.join("in-c-1.0.0.precast")).unwrap();
}

/// A shim of a package `tiny` with one macro that gives nothing.
fn packed(base: &Path) {
    let work = base.join("work");
    embed::write_dir(&embed::embed(&tiny::tiny()).unwrap(), &work.join("vendor/tiny-1.0.0"))
        .unwrap();
}

/// An application that uses the macros `greet` and `count` of a registry.
fn project(base: &Path) {
    let registry = base.join("registry");
    registry_macro(&registry, "greet", "1.0.0", "");
    registry_macro(&registry, "count", "1.0.0", "");
    let work = base.join("work");
    let manifest = "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
        [dependencies]\ncount = \"1\"\ngreet = \"1\"\n[workspace]\n";
    let main = "fn main() {\n    println!(\"{}\\n{}\", count::count!(), greet::greet!());\n}\n";
    let config = format!(
        "[source.crates-io]\nreplace-with = \"mirror\"\n[source.mirror]\ndirectory = {:?}\n",
        registry
    );
    put(&work, &[("Cargo.toml", manifest), ("src/main.rs", main), (".cargo/config.toml", &config)]);
    fixture::ok(fixture::cargo(&work, home()).args(["generate-lockfile", "--quiet"]));
}

/// A repository with one macro package, `my-macros`, in its own folder.
fn macros(base: &Path) {
    let work = base.join("work");
    registry_macro(&work, "my-macros", "0.3.0", "[workspace]\n");
    fs::rename(work.join("my-macros-0.3.0"), work.join("my-macros")).unwrap();
    fs::remove_file(work.join("my-macros/.cargo-checksum.json")).unwrap();
}

/// A macro package with one golden test.
fn golden(base: &Path) {
    let work = base.join("work");
    registry_macro(base, "work", "0.1.0", "[workspace]\n");
    fs::rename(base.join("work-0.1.0"), &work).unwrap();
    let code = "use proc_macro::TokenStream;\n\
        #[proc_macro]\npub fn size(_: TokenStream) -> TokenStream {\n    \"4\".parse().unwrap()\n}\n";
    let used = "const SIZE: usize = work::size!();\n";
    put(&work, &[("src/lib.rs", code), ("tests/expand/types.rs", used)]);
}

/// An application with one shim, and a policy.
fn policy(base: &Path) {
    packed(base);
    let work = base.join("work");
    let manifest = "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
        [dependencies]\ntiny = \"1\"\n[workspace]\n\
        [patch.crates-io]\ntiny = { path = \"vendor/tiny-1.0.0\" }\n";
    let policy = "[policy]\nunlisted = \"deny\"\n\n[policy.packages.tiny]\n";
    fs::create_dir_all(base.join("registry")).unwrap();
    registry_macro(&base.join("registry"), "quote", "1.0.0", "");
    let config = format!(
        "[source.crates-io]\nreplace-with = \"mirror\"\n[source.mirror]\ndirectory = {:?}\n",
        base.join("registry")
    );
    let files = [("Cargo.toml", manifest), ("src/lib.rs", ""), ("precast.toml", policy)];
    put(&work, &files);
    put(&work, &[(".cargo/config.toml", &config)]);
    fixture::ok(fixture::cargo(&work, home()).args(["generate-lockfile", "--quiet"]));
}

/// What a command prints, errors among it, and its exit code.
pub fn run(work: &Path, command: &str) -> (String, Option<i32>) {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("{{ {command}\n}} 2>&1"));
    // The variables of tests that run precast.
    for (name, value) in fixture::precast(work, &[]).get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let program = Path::new(env!("CARGO_BIN_EXE_cargo-precast"));
    let path = std::env::var("PATH").unwrap();
    shell.env("PATH", format!("{}:{path}", program.parent().unwrap().display()));
    // A store of the setup's own: what it has is part of what is printed.
    let own = work.join("../store");
    if !own.is_dir() {
        for kind in ["sysroot", "guest"] {
            copy(&store().join(kind), &own.join(kind));
        }
    }
    shell.env("PRECAST_CACHE_DIR", &own).env_remove("PRECAST_MISSING").env_remove("CI");
    shell
        .env("CARGO_TERM_PROGRESS_WHEN", "never")
        .env("COLUMNS", "100")
        .env_remove("PRECAST_RUSTC");
    let output = shell.current_dir(work).output().unwrap();
    let text = fixture::output::said(&output.stdout);
    let base = work.parent().unwrap().display().to_string();
    (text.replace(&base, "[..]"), output.status.code())
}

fn copy(from: &Path, to: &Path) {
    let Ok(entries) = fs::read_dir(from) else { return };
    fs::create_dir_all(to).unwrap();
    for entry in entries {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), &to).unwrap()),
        }
    }
}
