//! What macro authors run in their own repositories.

use super::fixture::{directory, files, ok, precast, put, texts, workspace};
use serde_json::{json, Value};
use std::fs;
use std::path::Path;

/// A repository of one macro package.
fn repository(name: &str) -> std::path::PathBuf {
    let place = directory(name);
    let manifest = "# Written by hand.\n[package]\nname = \"authored\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
        license = \"MIT\"\ndescription = \"A macro\"\n[lib]\nproc-macro = true\n[features]\nmore = []\n\n[workspace]\n";
    let code = "use proc_macro::TokenStream;\n/// Nothing changes.\n#[proc_macro]\n\
        pub fn same(input: TokenStream) -> TokenStream { input }\n\
        #[cfg(feature = \"more\")]\n#[proc_macro]\npub fn more(input: TokenStream) -> TokenStream { input }\n";
    put(&place, &[("Cargo.toml", manifest), ("src/lib.rs", code)]);
    place
}

#[test]
fn init_extends_a_repository() {
    let place = repository("init");
    put(&place, &[(".cargo/config.toml", "[build]\njobs = 2\n")]);
    let library = env!("CARGO_MANIFEST_DIR");
    let (out, _) = ok(&mut precast(&place, &["init", "--precast", library]));
    assert_eq!(
        out.lines().filter(|line| line.trim_start().starts_with("written")).count(),
        3,
        "{out}"
    );
    let manifest = fs::read_to_string(place.join("Cargo.toml")).unwrap();
    assert!(
        manifest.starts_with("# Written by hand.") && manifest.contains("\"xtask\""),
        "{manifest}"
    );
    let config = fs::read_to_string(place.join(".cargo/config.toml")).unwrap();
    assert!(config.contains("jobs = 2") && config.contains("xtask = \"run"), "{config}");
    let tasks = fs::read_to_string(place.join("xtask/src/main.rs")).unwrap();
    assert!(tasks.contains("&[\"./\"]") && !tasks.contains('@'), "{tasks}");
    let workflow = fs::read_to_string(place.join(".github/workflows/precast.yml")).unwrap();
    for line in ["cargo xtask pack --check", "verify --rebuild", "cargo precast publish --dry-run"]
    {
        assert!(workflow.contains(line), "{workflow}");
    }
    // The real cargo takes the result, and a second time changes nothing.
    let mut metadata = super::fixture::cargo(&place, Path::new("."));
    metadata.env_remove("CARGO_HOME").args(["metadata", "--no-deps", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&ok(&mut metadata).0).unwrap();
    assert_eq!(metadata["workspace_members"].as_array().unwrap().len(), 2);
    let before = files(&place);
    let (out, _) = ok(&mut precast(&place, &["init"]));
    assert!(out.contains("kept") && !out.contains("written"), "{out}");
    assert!(before == files(&place));

    let library = directory("init-library");
    put(
        &library,
        &[
            ("Cargo.toml", "[package]\nname = \"a\"\nversion = \"0.1.0\"\n[workspace]\n"),
            ("src/lib.rs", ""),
        ],
    );
    let (_, err) = texts(&precast(&library, &["init"]).output().unwrap(), false);
    assert!(err.contains("no package here is a macro crate"), "{err}");
}

#[test]
fn a_release_that_is_not_sent() {
    let place = repository("publish");
    let before = files(&place);
    let mut dry = precast(&place, &["publish", "--dry-run", "--all-features", "--json"]);
    let value: Value = serde_json::from_str(&ok(&mut dry).0).unwrap();
    assert_eq!(value["published"], false);
    assert!(value["crate_bytes"].as_u64().unwrap() < value["crate_bytes_max"].as_u64().unwrap());
    let listed = value["files"].as_array().unwrap();
    // The shim's manifest and the author's.
    let manifests = ["Cargo.toml", "source/Cargo.toml_"];
    for name in manifests.iter().chain(&["src/lib.rs", "precast/image.bin", "source/src/lib.rs"]) {
        assert!(listed.iter().any(|file| file[0] == *name), "{listed:?}");
    }
    assert!(before == files(&place));
    assert!(
        value["checks"].as_array().unwrap().len() > 3 && value["tests"] == json!([]),
        "{value}"
    );

    // What is packaged is unpacked, compiled and used.
    put(&place, &[("tests/expand/one.rs", "authored::same! { pub struct A; }\n")]);
    ok(&mut precast(&place, &["test-macro", "--bless", "--offline"]));
    let (out, _) = ok(&mut precast(&place, &["publish", "--dry-run", "--json"]));
    let value: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(value["tests"], json!(["tests/expand/one.rs"]));
    let blessed = place.join("tests/expand/one.expanded.rs");
    let text = fs::read_to_string(&blessed).unwrap();
    fs::write(&blessed, text.replace("struct A", "struct B")).unwrap();
    let output = precast(&place, &["publish", "--dry-run"]).output().unwrap();
    let (_, err) = texts(&output, false);
    assert!(err.contains("the macros make something else than tests/expand/one.expanded"), "{err}");
    assert!(output.status.code() == Some(3) && err.contains("nothing was published"), "{err}");

    // Too large for a registry: bytes that cannot be compressed.
    let mut state = 1u64;
    let noise: Vec<u8> = (0..12 << 20)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        })
        .collect();
    fs::write(place.join("noise.bin"), noise).unwrap();
    let (_, err) = texts(&precast(&place, &["publish", "--dry-run"]).output().unwrap(), false);
    assert!(err.contains("and the registry takes 10 MB"), "{err}");
}

/// The jobs of a matrix, together, make the same files as one job.
#[test]
fn shards_of_a_graph() {
    let work = workspace("shards");
    let pack = |out: &str, more: &[&str]| {
        let mut command = precast(&work, &["pack", "--all", "-o", out]);
        ok(command.args(more))
    };
    let (_, err) = pack("target/whole", &["--members"]);
    assert!(err.contains("6 macro packages precompiled"), "{err}");
    assert!(err.contains("broken 1.0.0 is built from source"), "{err}");
    ["1/2", "2/2"].iter().for_each(|shard| {
        pack("target/parts", &["--members", "--shard", shard]);
    });
    let list = |out: &str| -> Vec<(String, Vec<u8>)> {
        let base = work.join("target").join(out);
        let name = |path: &Path| path.strip_prefix(&base).unwrap().to_string_lossy().into_owned();
        files(&base).into_iter().map(|(path, body)| (name(&path), body)).collect()
    };
    let whole = list("whole");
    let artifacts = whole.iter().filter(|(name, _)| name.ends_with(".precast"));
    assert_eq!(artifacts.count(), 6);
    assert!(whole == list("parts"));
    let (_, err) = pack("target/one", &["--shard", "1/2"]);
    assert!(!err.contains("member"), "{err}");
    assert!(list("one").len() < whole.len());
    let output = precast(&work, &["pack", "--all", "--shard", "3/2"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
