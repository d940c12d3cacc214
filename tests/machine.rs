//! The runtime's compiled files are what their sources give, and a shim shows whether its own are.
//!
//! `cargo xtask machine` writes them anew, with the active compiler.
#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

#[path = "cli/tiny.rs"]
mod tiny;

use precast::artifact::Tree;
use precast::base::error::Class;
use precast::embed;
use precast::verify::machine::{self, Compiler};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const RUNTIME: &str = "src/precast/";
const TEXT: &str = "src/precast/kernel/x86_64.rs";
const RECORDS: &str = "src/precast/engine/jit/x86_64/records.inc";
const CHECK: &str = "the runtime's two compiled files are what its sources give";

fn shim() -> Tree {
    embed::embed(&tiny::tiny()).unwrap()
}

fn runtime(shim: &Tree) -> Tree {
    let files = shim.iter().filter_map(|(path, body)| Some((path.strip_prefix(RUNTIME)?, body)));
    files.map(|(path, body)| (path.to_owned(), body.clone())).collect()
}

fn active() -> Compiler {
    let output = Command::new("rustc").arg("-vV").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let release = text.lines().find_map(|line| line.strip_prefix("release: ")).unwrap();
    Compiler { rustc: "rustc".into(), release: release.to_owned() }
}

/// A shim as the active compiler would have made it, whichever that is.
fn shim_of_today() -> Tree {
    let mut shim = shim();
    let made = machine::make(&runtime(&shim), &active()).unwrap();
    for (path, text) in made.files {
        shim.insert(format!("{RUNTIME}{path}"), text.into_bytes());
    }
    shim
}

fn write(shim: &Tree, name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("machine").join(name);
    let _ = fs::remove_dir_all(&folder);
    embed::write_dir(shim, &folder).unwrap();
    folder
}

fn verify(path: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-precast"));
    command.args(["precast", "verify", "--runtime"]).args(arguments).arg(path);
    command.env_remove("PRECAST_RUSTC").output().unwrap()
}

/// What the check says of a shim: its differences.
fn differences(shim: &Tree) -> Vec<String> {
    let check = machine::check(shim).unwrap();
    assert_eq!(check.what, CHECK);
    check.differences
}

#[test]
fn both_files_are_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("runtime/src");
    let mut sources = runtime(&shim());
    let release = machine::recorded(&sources).unwrap();
    if std::env::var("MACHINE").is_ok_and(|value| value == "overwrite") {
        // As they are on the disk: this program has them as they were when it was compiled.
        for (path, body) in sources.iter_mut().filter(|(path, _)| *path != "LICENSE-MIT") {
            *body = fs::read(root.join(path)).unwrap();
        }
        for (path, text) in machine::make(&sources, &active()).unwrap().files {
            let path = root.join(path);
            // Cargo would build everything that has it again.
            if fs::read_to_string(&path).unwrap() != text {
                fs::write(&path, text).unwrap();
            }
        }
        return;
    }
    let compiler = Compiler::find(&release).unwrap_or_else(|_| {
        eprintln!("only the records are compared, for rustc {release} is not here");
        active()
    });
    for (path, text) in machine::make(&sources, &compiler).unwrap().files {
        let is_comparable = compiler.release == release || path.ends_with(".inc");
        let is_current = sources[path] == text.as_bytes();
        assert!(is_current || !is_comparable, "{path} is out of date: run `cargo xtask machine`");
    }
}

#[test]
fn an_intact_shim() {
    let folder = write(&shim(), "intact");
    let release = machine::recorded(&runtime(&shim())).unwrap();
    let output = verify(&folder, &["--quiet"]);
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    match Compiler::find(&release) {
        Ok(_) => {
            assert!(output.status.success(), "{out}{err}");
            let end = format!("ok      {CHECK}\n        - made by rustc {release}\n");
            assert!(out.ends_with(&end), "{out}");
        }
        Err(_) => assert_eq!(output.status.code(), Some(i32::from(Class::Toolchain.code()))),
    }
    assert_eq!(differences(&shim_of_today()), [""; 0]);
}

/// Changes the first occurrence of a text in a file.
fn changed(shim: &Tree, path: &str, from: &str, to: &str) -> Tree {
    let mut shim = shim.clone();
    let text = String::from_utf8(shim[path].clone()).unwrap();
    assert!(text.contains(from), "{path} has no `{from}`");
    shim.insert(path.to_owned(), text.replacen(from, to, 1).into_bytes());
    shim
}

#[test]
fn a_changed_byte_is_found() {
    let today = shim_of_today();
    let kernel = "src/precast/kernel/portable.rs";
    let source = "src/precast/engine/jit/x86_64/records.s";
    let limit = "src/precast/image.rs";
    for (name, path, from, to, wanted) in [
        ("text", TEXT, "jmp 33f\n", "jmp 34f\n", format!("{TEXT} differs, first in line 20")),
        (
            "numbers",
            RECORDS,
            ".quad 0xb0f,",
            ".quad 0xb0e,",
            format!("{RECORDS} differs, first in line 3"),
        ),
        (
            "records",
            source,
            "mov \\r, [rbx+\\d]\n22:",
            "mov [rbx+\\d], \\r\n22:",
            format!("{RECORDS} differs, first in line "),
        ),
        ("layout", limit, "= 0x7fff", "= 0x7ffe", format!("{TEXT} differs, first in line ")),
        (
            "broken",
            kernel,
            "fn ",
            "fn fn ",
            "kernel/portable.rs does not compile: error: expected ".to_owned(),
        ),
        (
            "calling",
            kernel,
            "if what == INFLATE {",
            "if what == 77 {\n        panic!();\n    }\n    if what == INFLATE {",
            "kernel/portable.rs cannot become a text: it needs `_".to_owned(),
        ),
    ] {
        let found = differences(&changed(&today, path, from, to));
        assert!(found.len() == 1 && found[0].starts_with(&wanted), "{name}: {found:?}");
    }
    let folder = write(&changed(&today, TEXT, "jmp 33f\n", "jmp 34f\n"), "changed");
    let output = verify(&folder, &["--quiet"]);
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(i32::from(Class::Verify.code())));
    let end =
        format!("FAILED  {CHECK}\n        - {TEXT} differs, first in line 20\n        - made by");
    assert!(out.contains(&end), "{out}");
    let nameless = changed(&today, TEXT, "@generated by rustc", "@generated by hand");
    assert_eq!(differences(&nameless), [format!("{TEXT} does not say which rustc wrote it")]);
}

#[test]
fn a_missing_compiler_is_named() {
    let release = active().release;
    let other = changed(&shim_of_today(), TEXT, &format!("rustc {release} "), "rustc 1.12.34 ");
    let output = verify(&write(&other, "missing"), &[]);
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(i32::from(Class::Toolchain.code())), "{err}");
    assert!(err.contains("needs rustc 1.12.34 for x86_64-unknown-linux-gnu"), "{err}");
    assert!(
        err.contains("rustup toolchain install 1.12.34 --target x86_64-unknown-linux-gnu"),
        "{err}"
    );
}

/// One page of every shim: each of its files has a line there.
#[test]
fn the_page_names_every_file() {
    let shim = shim();
    let page = String::from_utf8(shim["precast/README.md"].clone()).unwrap();
    assert!(page.starts_with("# tiny 1.0.0, precompiled\n") && !page.contains('@'), "{page}");
    let named: Vec<&str> = page.split('`').skip(1).step_by(2).collect();
    for path in shim.keys().filter(|path| *path != "precast/README.md") {
        let is_in =
            |name: &&&str| path == **name || name.ends_with('/') && path.starts_with(**name);
        assert!(named.iter().any(|name| is_in(&name)), "{path} is not in precast/README.md");
    }
}
