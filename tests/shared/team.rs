//! The page for teams: each of its commands, in their order, on machines of their own, against a bucket.

use super::fixture::{self, directory};
use super::prepared::{copy, objects, packer, project, N_MACROS};
use super::s3;
use std::fs;
use std::path::Path;
use std::process::Command;

const PAGE: &str = include_str!("../../docs/stores.md");

/// The blocks of commands, each with whose machine it is for.
fn blocks() -> Vec<(&'static str, &'static str)> {
    let blocks = PAGE.split("\n```sh ").skip(1);
    let block = |text: &'static str| {
        let (head, rest) = text.split_once('\n').unwrap();
        (head, rest.split_once("\n```").unwrap().0)
    };
    blocks.map(block).collect()
}

/// Runs commands as the user of one machine.
fn run(machine: &str, commands: &str, base: &Path, work: &Path, endpoint: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_cargo-precast"));
    let store = base.join(machine).join("store");
    // It is the page's variables that count.
    let like = packer(work, &store, &[]);
    let mut shell = Command::new("sh");
    shell.current_dir(work).args(["-e", "-c", commands]);
    for (name, value) in like.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let path = std::env::var("PATH").unwrap();
    shell.env("PATH", format!("{}:{path}", program.parent().unwrap().display()));
    shell
        .env("HOME", base.join(machine))
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("PRECAST_MISSING");
    shell.env("CARGO_HOME", base.join("cargo-home")).env("RUSTUP_HOME", rustup());
    s3::with(&mut shell, endpoint, s3::SECRET).env_remove("PRECAST_STORE_URL");
    if machine == "reader" {
        shell.env("PRECAST_RUSTC", "no-such-compiler").env("PRECAST_MISSING", "source");
    }
    // What cargo has built would not be asked for again.
    let _ = fs::remove_dir_all(work.join("target"));
    let output = shell.output().unwrap();
    let (out, err) = fixture::texts(&output, true);
    out + &err
}

/// Where toolchains are, whatever home a user has.
fn rustup() -> String {
    std::env::var("RUSTUP_HOME").unwrap_or_else(|_| {
        let home = std::env::var("HOME").unwrap_or_default();
        format!("{home}/.rustup")
    })
}

#[test]
fn every_command_of_the_page() {
    let base = directory("shared-team");
    let work = project(&base);
    fs::write(work.join("list.txt"), "first\nsecond\n").unwrap();
    let config = fs::read_to_string(work.join(".cargo/config.toml")).unwrap();
    fixture::put(&base.join("cargo-home"), &[("config.toml", &config)]);
    for machine in ["ci", "second"] {
        for kind in ["sysroot", "guest"] {
            let from = super::prepared::prepared().full.join(kind);
            copy(&from, &base.join(machine).join("store").join(kind));
        }
    }
    let endpoint = s3::serve(&base.join("s3"), "our-bucket");
    let bucket = base.join("s3/our-bucket/macros");
    let mut machines = Vec::new();
    for (machine, commands) in blocks() {
        let said = run(machine, commands, &base, &work, &endpoint);
        let seen = machines.iter().filter(|known| **known == machine).count();
        machines.push(machine);
        match (machine, seen) {
            ("ci", 0) => assert!(said.contains("3 new artifacts"), "{said}"),
            ("reader", 0) => assert!(said.contains("3 fetched now"), "{said}"),
            ("ci", 1) => assert!(said.contains("3 signed as well"), "{said}"),
            ("reader", 1) => assert!(said.contains("3 macro packages precompiled, 0"), "{said}"),
            ("ci", 2) => assert!(said.contains("revokes 1 key"), "{said}"),
            ("second", 0) => assert!(said.contains("3 signed as well"), "{said}"),
            ("ci", 3) => assert!(said.contains("2 artifacts in the shared store"), "{said}"),
            _ => {}
        }
    }
    assert_eq!(machines, ["keeper", "ci", "reader", "ci", "reader", "ci", "second", "ci"]);
    assert_eq!(objects(&bucket, "lean").len(), N_MACROS + 1);
    assert_eq!(objects(&bucket, "sig").len(), 2 * N_MACROS);
    // After the revocation, readers have what the second key has signed, and say nothing.
    fs::remove_dir_all(base.join("reader/store")).unwrap();
    let said = run("reader", "cargo precast build", &base, &work, &endpoint);
    assert!(said.contains("3 fetched now") && !said.contains("warning"), "{said}");
    let policy = "[policy]\nsignatures = 2\n";
    fs::write(work.join("precast.toml"), policy).unwrap();
    let said = run("reader", "cargo precast build", &base, &work, &endpoint);
    assert!(said.contains("0 macro packages precompiled"), "{said}");
}
