//! A macro that asks everything of its world, natively and packed: fixtures/probes.
//!
//! The answers that differ are those that docs/differences.md explains, line by line, and no others.

// The answers in the table are those of this system.
#![cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"))]

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("probes").join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn rustc() -> Command {
    Command::new(env::var_os("RUSTC").unwrap_or("rustc".into()))
}

/// Compiles the macro crate at `file`; its library.
fn library(file: &Path, out: &Path) -> PathBuf {
    let mut rustc = rustc();
    rustc.args(["--edition", "2021", "--crate-type", "proc-macro", "--crate-name", "probes"]);
    rustc.arg(file).arg("--out-dir").arg(out).env("CARGO_PKG_NAME", "probes");
    // As messages name it: on both sides the file is `src/…` of the package.
    let output = rustc.current_dir(root().join("fixtures/probes")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let name = format!("{}probes{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX);
    out.join(name)
}

/// Compiles a consumer in a folder that is as the fixture has it.
fn consume(library: &Path, source: &str) -> Output {
    let folder = scratch("consumer");
    fs::remove_dir_all(&folder).unwrap();
    fs::create_dir_all(folder.join("folder")).unwrap();
    for file in ["data.txt", "folder/inside.txt"] {
        fs::copy(root().join("fixtures/probes/consumer").join(file), folder.join(file)).unwrap();
    }
    fs::write(folder.join("consumer.rs"), source).unwrap();
    fs::write(folder.join("../above.txt"), "above\n").unwrap();
    let mut rustc = rustc();
    rustc.args(["--edition", "2021", "--crate-type", "lib", "--error-format", "json"]);
    rustc.arg("--extern").arg(format!("probes={}", library.display()));
    rustc.args(["--emit", "metadata", "consumer.rs"]).current_dir(&folder);
    rustc.env("CARGO_MANIFEST_DIR", &folder).env("CARGO_PKG_NAME", "consumer");
    rustc.env("CARGO_PKG_LICENSE_FILE", "").env("PROBE_OTHER", "another");
    rustc.env("CARGO_REGISTRY_TOKEN", "secret").env("CARGO", "/bin/cargo");
    rustc.env_remove("OUT_DIR").env_remove("RUST_BACKTRACE").env_remove("TMPDIR");
    rustc.env("HOME", "/home/somebody").output().unwrap()
}

/// What the compiler says in each line of the consumer. A message for people alone is its children's,
/// too: that of a panic.
fn answers(output: &Output) -> BTreeMap<u64, String> {
    let mut found: BTreeMap<u64, String> = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stderr).lines() {
        let Ok(message) = serde_json::from_str::<Value>(line) else { continue };
        let Some(place) = message["spans"][0]["line_start"].as_u64() else { continue };
        let children = message["children"].as_array().into_iter().flatten();
        let texts = std::iter::once(&message).chain(children).map(|part| &part["message"]);
        let texts: Vec<&str> = texts.filter_map(Value::as_str).collect();
        let text = texts.join("; ").replace(scratch("consumer").to_str().unwrap(), "$CONSUMER");
        found.entry(place).and_modify(|old| *old += &format!(" {text}")).or_insert(text);
    }
    found
}

struct Row {
    native: String,
    packed: String,
}

/// The book's table of differences: question, native, packed, why.
fn explained() -> BTreeMap<String, Row> {
    let page = fs::read_to_string(root().join("docs/differences.md")).unwrap();
    let (_, rest) = page.split_once("## Every difference that is known").expect("the section");
    let (table, _) = rest.split_once("\n## ").unwrap_or((rest, ""));
    let mut rows = BTreeMap::new();
    for line in table.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [name, native, packed, why] = cells[..] else { panic!("four cells: {line}") };
        assert!(!why.is_empty(), "{line}");
        let code = |cell: &str| cell.trim_matches('`').to_owned();
        let row = Row { native: code(native), packed: code(packed) };
        assert!(rows.insert(code(name), row).is_none(), "twice: {line}");
    }
    rows
}

/// As it fits into a cell of the table.
fn cell(answer: &str) -> String {
    let text = answer.replace('|', "/").replace('`', "'").replace('\n', " ");
    match text.char_indices().nth(90) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[test]
fn every_difference_is_explained() {
    let out = scratch("out");
    let mut pack = Command::new(env!("CARGO_BIN_EXE_cargo-precast"));
    pack.args(["pack", "--quiet"]).arg(root().join("fixtures/probes")).arg("-o").arg(&out);
    let output = pack.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let native = library(Path::new("src/lib.rs"), &scratch("native"));
    let packed = library(&out.join("probes-0.1.0/src/lib.rs"), &scratch("packed"));

    let names = answers(&consume(&native, "probes::names!();\n")).remove(&1).unwrap();
    let names: Vec<&str> = names.lines().collect();
    assert!(names.len() > 250, "{}", names.len());
    let uses = names.iter().map(|name| format!("probes::probe!({name});\n"));
    let source: String = uses.collect();
    let native = consume(&native, &source);
    let packed = consume(&packed, &source);
    // What a macro prints is not among the answers.
    assert_eq!(String::from_utf8_lossy(&native.stdout), String::from_utf8_lossy(&packed.stdout));
    let (native, packed) = (answers(&native), answers(&packed));

    let explained = explained();
    let mut wrong = String::new();
    for (index, name) in names.iter().enumerate() {
        let line = index as u64 + 1;
        let answer = |side: &BTreeMap<u64, String>| {
            side.get(&line).map_or("(none)".to_owned(), |answer| cell(answer))
        };
        let whole = native.get(&line) == packed.get(&line);
        let (native, packed) = (answer(&native), answer(&packed));
        let problem = match explained.get(*name) {
            None if whole => continue,
            None => "differs, and is not explained",
            Some(_) if whole => "no longer differs",
            Some(row) if (&row.native, &row.packed) == (&native, &packed) => continue,
            Some(_) => "differs in another way",
        };
        wrong += &format!("{problem}:\n| `{name}` | `{native}` | `{packed}` | WHY |\n");
    }
    let unknown = explained.keys().filter(|name| !names.contains(&name.as_str()));
    unknown.for_each(|name| wrong += &format!("there is no probe `{name}`\n"));
    assert!(wrong.is_empty(), "\n{wrong}");
}
