//! How rustc loads procedural macros: each statement of docs/how-rustc-loads-proc-macros.md, made by
//! running rustc, beside what `inspect` says of the same file.

use precast::inspect::native::{self, Facts};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const MACROS: &str = "extern crate proc_macro;
use proc_macro::TokenStream;
#[proc_macro] pub fn bang(input: TokenStream) -> TokenStream { input }
#[proc_macro_attribute] pub fn attr(_: TokenStream, item: TokenStream) -> TokenStream { item }
#[proc_macro_derive(Plain)] pub fn plain(_: TokenStream) -> TokenStream { TokenStream::new() }
#[proc_macro_derive(Helped, attributes(one, two))]
pub fn helped(_: TokenStream) -> TokenStream { TokenStream::new() }
";

const USE: &str =
    "#[derive(shipped::Plain)] pub struct S;\npub fn f() -> u8 { shipped::bang!(1) }\n";

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("loading").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("macros.rs"), MACROS).unwrap();
    fs::write(folder.join("use.rs"), USE).unwrap();
    fs::write(folder.join("plain.rs"), "pub fn nothing() {}\n").unwrap();
    folder
}

/// Runs a compiler; whether it succeeded, and what it said.
fn run(rustc: &str, folder: &Path, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(rustc);
    // A panic of rustc writes a file where this says.
    command.current_dir(folder).env("RUSTC_ICE", "0").args(["--edition", "2021"]);
    let output = command.args(arguments).output().unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

#[track_caller]
fn make(rustc: &str, folder: &Path, arguments: &[&str]) {
    let (done, text) = run(rustc, folder, arguments);
    assert!(done, "{text}");
}

const MACRO_CRATE: [&str; 5] =
    ["--crate-type", "proc-macro", "--crate-name", "shipped", "macros.rs"];

/// A folder with the macro crate's library; its file name.
fn library(name: &str) -> (PathBuf, String) {
    let folder = folder(name);
    make("rustc", &folder, &MACRO_CRATE);
    (folder, native::dylib_name("shipped"))
}

/// Compiles the use of the macros with `--extern shipped=FILE`.
fn load(folder: &Path, file: &str) -> (bool, String) {
    let external = format!("shipped={file}");
    run(
        "rustc",
        folder,
        &["--crate-type", "lib", "--emit", "metadata", "--extern", &external, "use.rs"],
    )
}

fn version(rustc: &str) -> Option<String> {
    let output = Command::new(rustc).arg("-V").output().ok()?;
    Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

fn inspect(folder: &Path, file: &str) -> Facts {
    let path = folder.join(file);
    let active = version("rustc");
    native::read(&path, &fs::read(&path).unwrap(), active.as_deref()).unwrap().unwrap()
}

#[track_caller]
fn refused(facts: &Facts, why: &str) {
    assert!(facts.refused.iter().any(|text| text.contains(why)), "{:?}", facts.refused);
    assert_eq!(facts.passed_as, None);
}

#[test]
fn a_library_is_all_that_rustc_needs() {
    let (folder, file) = library("needs");
    let (done, text) = load(&folder, &file);
    assert!(done, "{text}");
    let facts = inspect(&folder, &file);
    assert_eq!((facts.kind, facts.is_macro_crate), ("library", Some(true)));
    assert_eq!(facts.crate_name.as_deref(), Some("shipped"));
    assert_eq!(facts.rustc, version("rustc"));
    assert_eq!(facts.refused, Vec::<String>::new());
    let passed = format!("--extern shipped={}", folder.join(&file).display());
    assert_eq!(facts.passed_as, Some(passed));
}

#[test]
#[cfg(target_os = "linux")]
fn the_table_of_macros_is_a_symbol_of_the_crates_id() {
    let (folder, file) = library("table");
    let facts = inspect(&folder, &file);
    let id = facts.stable_id.unwrap();
    assert!(id.len() <= 16 && id.chars().all(|c| c.is_ascii_hexdigit()), "{id}");
    let names = facts.macros.unwrap().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names, ["`bang`", "`attr`", "`Plain`", "`Helped` with #[one], #[two]"]);
    // The id depends on the name and on what `-C metadata` says.
    make("rustc", &folder, &[&MACRO_CRATE[..], &["-Cmetadata=other"]].concat());
    assert_ne!(inspect(&folder, &file).stable_id, Some(id));
}

fn foreign(file: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/native").join(file)).unwrap()
}

const FOREIGN: [(&str, &str); 3] = [
    ("shipped.dll", "x86_64-pc-windows-gnu"),
    ("libshipped-rebased.dylib", "aarch64-apple-darwin"),
    ("libshipped-chained.dylib", "aarch64-apple-darwin"),
];

/// Libraries of Windows and macOS, read wherever this runs.
#[test]
fn other_platforms_have_the_same_table_in_other_formats() {
    for (file, triple) in FOREIGN {
        let facts = native::read(Path::new(file), &foreign(file), None).unwrap().unwrap();
        assert_eq!((facts.kind, facts.is_macro_crate), ("library", Some(true)), "{file}");
        assert_eq!(facts.crate_name.as_deref(), Some("shipped"), "{file}");
        assert_eq!(facts.triple.as_deref(), Some(triple));
        assert_eq!(facts.rustc.as_deref(), Some("rustc 1.95.0 (59807616e 2026-04-14)"));
        assert_eq!(facts.stable_id.as_deref(), Some("fcd2e9ed1c558126"), "{file}");
        let names = facts.macros.unwrap_or_else(|| panic!("{file}: no macros"));
        let names = names.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names, ["`bang`", "`attr`", "`Plain`", "`Helped` with #[one], #[two]"]);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_library_of_another_platform_is_refused() {
    for (file, triple) in FOREIGN {
        let folder = folder("foreign");
        let own = native::dylib_name("shipped");
        fs::write(folder.join(&own), foreign(file)).unwrap();
        let (done, text) = load(&folder, &own);
        assert!(!done && text.contains("E0463"), "{file}: {text}");
        refused(&inspect(&folder, &own), &format!("it is made for {triple}"));
    }
}

/// Whatever the bytes are, the reader comes to an end, and a library without its table has no macros.
#[test]
fn damaged_libraries_are_read_without_harm() {
    for (file, _) in FOREIGN {
        let good = foreign(file);
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..400 {
            let mut bytes = good.clone();
            for _ in 0..4 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                // Most of it are headers and tables at both ends.
                let at = (state >> 33) as usize % bytes.len();
                let at = if state & 1 == 0 { at % 4096 } else { at };
                bytes[at] = (state >> 24) as u8;
            }
            let _ = native::read(Path::new(file), &bytes, None);
            let _ = native::read(Path::new(file), &bytes[..bytes.len() / 2], None);
        }
        let table = b"rustc_proc_macro_decls_";
        let mut bytes = good;
        while let Some(at) = bytes.windows(table.len()).position(|window| window == table) {
            bytes[at] = b'X';
        }
        let facts = native::read(Path::new(file), &bytes, None).unwrap().unwrap();
        assert_eq!((facts.is_macro_crate, facts.macros), (Some(false), None), "{file}");
    }
}

/// Its local symbols may go: the two that count are dynamic.
#[test]
#[cfg(target_os = "linux")]
fn a_stripped_library_is_loaded() {
    let folder = folder("stripped");
    make("rustc", &folder, &[&MACRO_CRATE[..], &["-O", "-Cstrip=symbols"]].concat());
    let file = native::dylib_name("shipped");
    assert!(load(&folder, &file).0);
    assert_eq!(inspect(&folder, &file).macros.map(|macros| macros.len()), Some(4));
}

#[test]
fn the_file_must_be_named_as_a_library() {
    let (folder, file) = library("named");
    for (name, takes) in
        [("shipped.macros", false), (native::dylib_name("any_name").as_str(), true)]
    {
        fs::copy(folder.join(&file), folder.join(name)).unwrap();
        let (done, text) = load(&folder, name);
        assert_eq!(done, takes, "{name}: {text}");
        let facts = inspect(&folder, name);
        assert_eq!(facts.passed_as.is_some(), takes);
        if !takes {
            assert!(text.contains("is of an unknown type"), "{text}");
            refused(&facts, "so `--extern` does not take it");
        }
    }
}

/// Without a path rustc looks in `-L` folders, by the crate's name.
#[test]
fn a_search_goes_by_the_name() {
    let (folder, file) = library("search");
    fs::create_dir(folder.join("found")).unwrap();
    let search =
        ["--crate-type", "lib", "--emit", "metadata", "--extern", "shipped", "-L", "found"];
    let search = [&search[..], &["use.rs"]].concat();
    for (name, found) in [(native::dylib_name("other"), false), (file.clone(), true)] {
        fs::copy(folder.join(&file), folder.join("found").join(name)).unwrap();
        let (done, text) = run("rustc", &folder, &search);
        assert_eq!(done, found, "{text}");
        assert!(found || text.contains("E0463"), "{text}");
    }
}

#[test]
fn the_compiler_must_be_the_same() {
    let mine = version("rustc");
    let other = ["/usr/bin/rustc"].into_iter().find(|rustc| {
        let version = version(rustc);
        version.is_some() && version != mine
    });
    // A machine with one compiler cannot tell.
    let Some(other) = other else { return };
    let folder = folder("same");
    make(other, &folder, &MACRO_CRATE);
    let file = native::dylib_name("shipped");
    let (done, text) = load(&folder, &file);
    assert!(!done && text.contains("E0514"), "{text}");
    let facts = inspect(&folder, &file);
    assert_eq!(facts.rustc, version(other));
    refused(&facts, "(E0514)");
}

#[test]
fn metadata_alone_is_no_macro() {
    let folder = folder("metadata");
    make("rustc", &folder, &[&MACRO_CRATE[..], &["--emit", "metadata"]].concat());
    let (done, text) = load(&folder, "libshipped.rmeta");
    assert!(!done, "{text}");
    let facts = inspect(&folder, "libshipped.rmeta");
    assert_eq!((facts.kind, facts.is_macro_crate), ("rmeta", Some(true)));
    refused(&facts, "a macro is loaded from a library");
}

#[test]
fn a_library_of_another_kind_has_no_macros() {
    let folder = folder("kinds");
    make("rustc", &folder, &["--crate-type", "rlib", "--crate-name", "shipped", "plain.rs"]);
    let (done, text) = load(&folder, "libshipped.rlib");
    assert!(!done && text.contains("E0433"), "{text}");
    let facts = inspect(&folder, "libshipped.rlib");
    assert_eq!((facts.kind, facts.is_macro_crate), ("rlib", Some(false)));
    refused(&facts, "it is no proc-macro crate");
    make("rustc", &folder, &["--crate-type", "dylib", "-Cprefer-dynamic", "plain.rs"]);
    refused(&inspect(&folder, &native::dylib_name("plain")), "it is no proc-macro crate");
}

#[test]
fn a_library_needs_the_compilers_section() {
    let folder = folder("section");
    make("rustc", &folder, &["--crate-type", "cdylib", "plain.rs"]);
    let file = native::dylib_name("plain");
    let (done, text) = load(&folder, &file);
    assert!(!done && text.contains("E0786"), "{text}");
    refused(&inspect(&folder, &file), "no metadata of rustc");
}

/// What cargo does is what was done above.
#[test]
fn cargo_passes_a_path() {
    let folder = folder("cargo");
    let manifest = |name: &str, more: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n{more}")
    };
    let files = [
        ("shipped/Cargo.toml", manifest("shipped", "[lib]\nproc-macro = true\n")),
        ("shipped/src/lib.rs", MACROS.to_owned()),
        (
            "Cargo.toml",
            manifest("user", "[dependencies]\nshipped = { path = \"shipped\" }\n[workspace]\n"),
        ),
        ("src/lib.rs", USE.to_owned()),
    ];
    for (path, text) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let mut cargo = Command::new("cargo");
    cargo.current_dir(&folder).args(["check", "-v", "--offline"]).env("CARGO_TARGET_DIR", "made");
    let output = cargo.env_remove("RUSTFLAGS").output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    // Cargo shows a path with a space in quotes.
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let passed = text.split("shipped=").skip(1).find_map(|rest| {
        let path = &rest[..rest.find(suffix)? + suffix.len()];
        path.contains(&format!("{prefix}shipped-")).then_some(path)
    });
    let path = passed.unwrap_or_else(|| panic!("{text}"));
    assert_eq!(inspect(&folder, path).is_macro_crate, Some(true));
}
