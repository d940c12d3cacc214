//! The program compiles with the oldest compiler that its manifest names.

use crate::run::{capture, cargo, command, read, root, run, scratch, Result};
use toml_edit::DocumentMut;

pub fn msrv() -> Result {
    let manifest: DocumentMut =
        read(&root().join("Cargo.toml"))?.parse().map_err(|e| format!("Cargo.toml: {e}"))?;
    let oldest = manifest["package"]["rust-version"].as_str().ok_or("there is no rust-version")?;
    let toolchain = format!("+{oldest}");
    // Not the cargo that runs this, which is no proxy of rustup's.
    let mut check = command("cargo");
    check.env_remove("RUSTUP_TOOLCHAIN").env_remove("RUSTC");
    if capture(command("rustup").args(["run", oldest, "rustc", "--version"])).is_err() {
        run(command("rustup").args(["toolchain", "install", oldest, "--profile", "minimal"]))?;
    }
    run(check
        .arg(&toolchain)
        .args(["check", "--locked", "--quiet", "--target-dir"])
        .arg(scratch("msrv")))?;
    // Without what the default features bring.
    let mut lean = cargo();
    run(lean.args(["check", "--locked", "--quiet", "--no-default-features"]))
}
