//! `cargo precast check --policy`: what a workspace permits of the shims in its graph.

#[allow(dead_code)]
#[path = "cli/tiny.rs"]
mod tiny;

use precast::artifact::manifest::{Capabilities, Manifest};
use precast::artifact::Artifact;
use precast::embed;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const BARE: &str = "[package]\nname = \"tiny\"\nversion = \"1.0.0\"\nedition = \"2021\"\n\
    license = \"MIT\"\n[lib]\nproc-macro = true\n";

fn artifact(change: impl FnOnce(&mut Manifest)) -> Artifact {
    let Artifact { mut manifest, wasm, image, lockfile, mut source, licenses, .. } = tiny::tiny();
    change(&mut manifest);
    source.insert("Cargo.toml".into(), BARE.into());
    Artifact::new(manifest, wasm, image, lockfile, source, licenses).unwrap()
}

/// A workspace that depends on the shim.
fn workspace(name: &str, artifact: &Artifact, settings: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("policy").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("src")).unwrap();
    embed::write_dir(&embed::embed(artifact).unwrap(), &folder.join("tiny")).unwrap();
    let manifest = format!(
        "[package]\nname = \"user\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
         [dependencies]\ntiny = {{ path = \"tiny\" }}\n[workspace]\nexclude = [\"tiny\"]\n{settings}"
    );
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    fs::write(folder.join("src/lib.rs"), "tiny::tiny! {}\n").unwrap();
    folder
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-precast"));
    command.current_dir(folder).env("NO_COLOR", "1").args(arguments);
    command.env("PRECAST_CACHE_DIR", folder.join("cache"));
    for name in ["CARGO", "RUSTC", "RUSTFLAGS", "CARGO_TARGET_DIR", "RUSTUP_TOOLCHAIN"] {
        command.env_remove(name);
    }
    command.output().unwrap()
}

/// The problems of the one shim, and the exit code.
fn judged(folder: &Path) -> (Vec<String>, Option<i32>) {
    let output = run(folder, &["check", "--policy", "--json", "--offline"]);
    let value: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let shims = value["shims"].as_array().unwrap();
    assert_eq!(shims.len(), 1, "{value}");
    let problems = shims[0]["problems"].as_array().unwrap().iter();
    (problems.map(|text| text.as_str().unwrap().to_owned()).collect(), output.status.code())
}

#[track_caller]
fn check(name: &str, change: impl FnOnce(&mut Manifest), policy: &str, problems: &[&str]) {
    let artifact = artifact(change);
    let pin = precast::artifact::manifest::identity(&artifact.manifest);
    let folder = workspace(name, &artifact, "");
    fs::write(folder.join("precast.toml"), policy.replace("PIN", &pin)).unwrap();
    let (found, code) = judged(&folder);
    assert_eq!(found, problems);
    assert_eq!(code, Some(if problems.is_empty() { 0 } else { 3 }));
    // The other place, and the same judgement.
    let inside =
        policy.replace("PIN", &pin).replace("[policy", "[workspace.metadata.precast.policy");
    let folder = workspace(name, &artifact, &inside);
    assert_eq!(judged(&folder), (found, code));
}

fn asks_more(manifest: &mut Manifest) {
    manifest.capabilities.env = vec!["CARGO_PKG_*".into(), "DATABASE_URL".into()];
    manifest.capabilities.read.push("/etc".into());
    manifest.capabilities.write.push("target/notes".into());
}

fn modest(manifest: &mut Manifest) {
    manifest.capabilities.env = vec!["CARGO_PKG_*".into()];
}

#[test]
fn packages_are_named_or_not() {
    let unnamed = "the policy does not name it";
    check("listed", modest, "[policy]\nunlisted = \"deny\"\n", &[unnamed]);
    check("named", modest, "[policy]\nunlisted = \"deny\"\n[policy.packages.tiny]\n", &[]);
    let forbidden = "the policy forbids to precompile it";
    check("forbidden", modest, "[policy.packages.tiny]\nallow = false\n", &[forbidden]);
}

#[test]
fn capabilities_are_permitted_one_by_one() {
    let problems = [
        "it may read the environment variable DATABASE_URL",
        "it may read below /etc",
        "it may write below target/notes",
    ];
    check("default", asks_more, "[policy]\n", &problems);
    let env = "[policy]\nenv = [\"DATABASE_*\"]\n";
    check("environment", asks_more, env, &problems[1..]);
    let both = "[policy.packages.tiny]\nenv = [\"DATABASE_URL\"]\nread = [\"/etc\"]\n\
        write = [\"target\"]\n";
    check("both", asks_more, both, &[]);
    let other = "[policy.packages.other]\nenv = [\"DATABASE_URL\"]\nread = [\"/etc\"]\n";
    check("other", asks_more, other, &problems);
}

/// What the consumer has granted a shim is judged as what its manifest has.
#[test]
fn grants_are_judged() {
    let artifact = artifact(modest);
    let folder = workspace("granted", &artifact, "");
    fs::write(folder.join("precast.toml"), "[policy]\n").unwrap();
    let granted = Capabilities { write: vec!["target/notes".into()], ..Capabilities::default() };
    let files = embed::embed_with(&artifact, &granted).unwrap();
    embed::write_dir(&files, &folder.join("tiny")).unwrap();
    let expected = vec!["it may write below target/notes".to_owned()];
    assert_eq!(judged(&folder), (expected, Some(3)));
}

#[test]
fn a_pin_holds() {
    check("pinned", modest, "[policy.packages.tiny]\nsha256 = [\"PIN\"]\n", &[]);
    let artifact = artifact(modest);
    let folder = workspace("wrong-pin", &artifact, "");
    fs::write(folder.join("precast.toml"), "[policy.packages.tiny]\nsha256 = [\"00\"]\n").unwrap();
    let (found, code) = judged(&folder);
    assert!(found[0].ends_with("which is not pinned") && code == Some(3), "{found:?}");
}

#[test]
fn a_changed_shim_is_a_problem() {
    let folder = workspace("changed", &artifact(modest), "");
    fs::write(folder.join("tiny/build.rs"), "fn main() {}\n").unwrap();
    let (found, code) = judged(&folder);
    assert_eq!((found, code), (vec!["build.rs does not belong to the shim".to_owned()], Some(3)));
}

/// A dependency's own policy is not read, and cargo's commands begin with the policy.
#[test]
fn the_top_decides_before_every_command() {
    let folder = workspace("before", &artifact(modest), "");
    fs::write(folder.join("tiny/precast.toml"), "[policy]\nunlisted = \"allow\"\n").unwrap();
    fs::write(folder.join("precast.toml"), "[policy]\nunlisted = \"deny\"\n").unwrap();
    for command in ["check", "build"] {
        let output = run(&folder, &[command, "--offline"]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{text}");
        assert!(
            text.contains("by precast.toml: tiny 1.0.0: the policy does not name it"),
            "{text}"
        );
    }
    assert!(!folder.join("target/debug").exists(), "nothing was built");
}

#[test]
fn mistakes_are_named() {
    let folder = workspace("mistakes", &artifact(modest), "");
    for (text, expected) in [
        ("[policy]\nunlited = \"deny\"\n", "unlited"),
        ("[policy", "precast.toml"),
        ("[other]\n", "other"),
    ] {
        fs::write(folder.join("precast.toml"), text).unwrap();
        let output = run(&folder, &["check", "--policy", "--offline"]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && text.contains(expected), "{text}");
    }
}
