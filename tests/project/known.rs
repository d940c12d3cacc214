//! What cargo said of a graph is asked for once, and again when anything that decides it changes.

use super::fixture::{ok, precast, workspace};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// A cargo that notes which commands it was started with.
fn noting(work: &Path) -> impl Fn(&[&str]) -> (String, usize) + '_ {
    let (program, notes) = (work.join("target/cargo"), work.join("target/notes"));
    let cargo = std::env::var("CARGO").unwrap();
    fs::create_dir(work.join("target")).unwrap();
    let script =
        format!("#!/bin/sh\necho \"$1\" >> '{}'\nexec '{cargo}' \"$@\"\n", notes.display());
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    move |args| {
        fs::write(&notes, "").unwrap();
        let mut command = precast(work, args);
        command.env("CARGO", &program);
        with_toolchain(&mut command);
        let (out, _) = ok(&mut command);
        let notes = fs::read_to_string(&notes).unwrap();
        (out, notes.lines().filter(|line| *line == "metadata").count())
    }
}

/// Past the proxy of rustup, as in all that cargo starts.
fn with_toolchain(command: &mut Command) {
    if let Some(toolchain) = std::env::var_os("RUSTUP_TOOLCHAIN") {
        command.env("RUSTUP_TOOLCHAIN", toolchain);
    }
}

#[test]
fn a_graph_is_asked_for_once() {
    let work = workspace("known");
    let run = noting(&work);
    let says = |args: &[&str], line: &str, n_asked: usize| {
        let (out, found) = run(args);
        assert!(out.contains(line), "{out}");
        assert_eq!(found, n_asked, "{args:?}");
    };
    let change = |file: &str, from: &str, to: &str| {
        let file = work.join(file);
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(&file, text.replace(from, to)).unwrap();
    };
    let quiet = ["run", "--quiet"];
    says(&quiet, "tiny 1.0.0 wasm\n", 1);
    says(&quiet, "tiny 1.0.0 wasm\n", 0);
    says(&["run", "--quiet", "--features", "spare"], "tiny 1.0.0 wasm\n", 1);
    says(&["build", "--config", "build.jobs=1"], "", 1);
    says(&["build", "--config", "build.jobs=1"], "", 0);
    says(&quiet, "tiny 1.0.0 wasm\n", 0);
    change("app/Cargo.toml", "tiny = \"1\"", "tiny = { version = \"1\", features = [\"loud\"] }");
    says(&quiet, "tiny 1.0.0 wasm loud\n", 1);
    says(&quiet, "tiny 1.0.0 wasm loud\n", 0);
    change("Cargo.toml", "resolver = \"2\"", "resolver = \"1\"");
    says(&quiet, "tiny 1.0.0 wasm loud\n", 1);
    change(".cargo/config.toml", "jobs = 2", "jobs = 1");
    says(&quiet, "tiny 1.0.0 wasm loud\n", 1);
    says(&quiet, "tiny 1.0.0 wasm loud\n", 0);
}
