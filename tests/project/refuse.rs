//! Precompiled code is refused by one word at the top of a build, also where there is a `--target`.

use super::fixture::{cargo, home, ok, precast, workspace, NATIVE};
use std::fs;
use std::path::Path;
use std::process::Command;

const WRAPPER: &str = env!("CARGO_BIN_EXE_precast-from-source");

fn run(work: &Path, more: &[&str]) -> Command {
    let mut run = cargo(work, home());
    run.args(["run", "--quiet", "--locked", "--offline"]).args(more);
    run
}

/// Macros are built for the host, which flags do not reach when there is a target. The wrapper reaches
/// them, finds the dependencies that only the originals have, and takes nothing that was built before.
#[test]
fn with_a_target() {
    let work = workspace("refuse");
    let (config, _) = ok(&mut precast(&work, &["vendor", "third-party"]));
    let registries = "\n[registries.other]\nindex = \"https://other.invalid/index\"\n";
    fs::write(work.join(".cargo/config.toml"), config + registries).unwrap();
    let output = Command::new("rustc").arg("-vV").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let host = text.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let n_wasm = |out: &str| out.lines().filter(|line| line.ends_with("wasm")).count();
    let n_loud = |out: &str| out.lines().filter(|line| line.contains("wasm")).count() - n_wasm(out);
    for target in [&["--target", host][..], &[]] {
        let (shims, _) = ok(&mut run(&work, target));
        assert_eq!((n_wasm(&shims), n_loud(&shims)), (3, 1), "{shims}");
        let (refused, _) = ok(run(&work, target).env("RUSTC_WRAPPER", WRAPPER));
        assert_eq!(refused, NATIVE);
        let (again, _) = ok(&mut run(&work, target));
        assert_eq!(again, shims);
    }
    // Without a target, flags say the same.
    let (flags, _) = ok(run(&work, &[]).env("RUSTFLAGS", "--cfg precast_from_source"));
    assert_eq!(flags, NATIVE);
}

/// It is a program for cargo, and says so to people.
#[test]
fn by_hand() {
    let output = Command::new(WRAPPER).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("RUSTC_WRAPPER=precast-from-source"));
    let output = Command::new(WRAPPER).arg("/nowhere/rustc").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot run /nowhere/rustc"));
}
