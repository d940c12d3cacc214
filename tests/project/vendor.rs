//! Vendor folders that were there before precast.

use super::fixture::{cargo, directory, forget, home, ok, precast, workspace, NATIVE};
use std::fs;

/// A folder that cargo wrote is what packing starts from, and what a folder of shims replaces.
#[test]
fn a_folder_of_cargo() {
    let work = workspace("vendored-before");
    let lock = fs::read(work.join("Cargo.lock")).unwrap();
    let vendor = ["vendor", "--respect-source-config", "third-party"];
    let (config, _) = ok(cargo(&work, home()).args(vendor));
    let registries = "\n[registries.other]\nindex = \"https://other.invalid/index\"\n";
    let file = work.join(".cargo/config.toml");
    fs::write(&file, config + registries).unwrap();
    for gone in ["registry", "other", "repository"] {
        let base = work.join("..");
        fs::rename(base.join(gone), base.join(format!("{gone}-gone"))).unwrap();
    }
    let empty = directory("vendored-before-home");
    let locked = ["run", "--quiet", "--locked", "--offline"];
    assert_eq!(ok(cargo(&work, &empty).args(locked)).0, NATIVE);

    let wasm = |out: &str| out.lines().filter(|line| line.contains("wasm")).count();
    forget(&work);
    let (out, err) = ok(precast(&work, &locked).env("CARGO_HOME", &empty));
    assert_eq!(wasm(&out), 4, "{out}{err}");
    let (config, err) = ok(precast(&work, &["vendor", "third-party"]).env("CARGO_HOME", &empty));
    assert!(err.contains("4 macro packages precompiled"), "{err}");
    fs::write(&file, config + registries).unwrap();
    forget(&work);
    let (out, _) = ok(cargo(&work, &empty).args(locked));
    assert_eq!(wasm(&out), 4, "{out}");
    assert!(fs::read(work.join("Cargo.lock")).unwrap() == lock);
}
