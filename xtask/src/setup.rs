//! Installs what packing needs and the machine lacks, saying what before it does.
//!
//! First choice is rustup's target; where it cannot be had, Debian's compiler with its sources,
//! from which precast builds the wasm standard library once.

use crate::run::{capture, command, run, Result};
use std::path::Path;

const TARGET: &str = "wasm32-wasip1";
const DEBIAN: &[&str] = &["rustc-web", "cargo-web", "rust-web-src", "wasi-libc"];
const DEBIAN_LINKER: &str = "lld-19";

pub fn setup() -> Result {
    editor()?;
    if has_target() || has_debian() {
        eprintln!("setup: a wasm toolchain is there, nothing to install");
        return Ok(());
    }
    if exists("rustup") {
        eprintln!("setup: about to install rustup's target {TARGET} (about 20 MB)");
        match capture(command("rustup").args(["target", "add", TARGET])) {
            Ok(_) if has_target() => return Ok(()),
            Ok(_) => eprintln!("setup: rustup added the target to another toolchain"),
            Err(_) => eprintln!("setup: rustup cannot download the target here"),
        }
    }
    if exists("apt-get") {
        return setup_debian();
    }
    Err(format!(
        "no way to install a wasm toolchain: run `rustup target add {TARGET}`, or install a rustc \
         with its rust-src and wasi-libc"
    ))
}

/// A test analyses a workspace with the real rust-analyzer, which wants the standard library's sources.
fn editor() -> Result {
    let output = capture(command("rustc").args(["--print", "sysroot"]))?;
    let sysroot = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let sysroot = Path::new(&sysroot);
    let needed = ["bin/rust-analyzer", "lib/rustlib/src/rust/library/core"];
    if needed.iter().all(|path| sysroot.join(path).exists()) {
        return Ok(());
    }
    eprintln!(
        "setup: about to install rustup's components rust-analyzer and rust-src (about 15 MB)"
    );
    run(command("rustup").args(["component", "add", "rust-analyzer", "rust-src"]))
}

fn setup_debian() -> Result {
    let mut packages = DEBIAN.to_vec();
    if !has_rust_lld() {
        packages.push(DEBIAN_LINKER);
    }
    eprintln!("setup: about to install Debian's packages {}", packages.join(" "));
    run(apt().arg("update").arg("-qq"))?;
    run(apt().args(["install", "-y", "-qq", "--no-install-recommends"]).args(&packages))?;
    if has_debian() {
        return Ok(());
    }
    Err("Debian's packages are installed, but give no rustc with sources and wasi-libc".into())
}

pub fn apt() -> std::process::Command {
    // SAFETY: geteuid takes nothing and cannot fail.
    let root = unsafe { libc::geteuid() } == 0;
    let mut apt = if root { command("apt-get") } else { command("sudo") };
    if !root {
        apt.arg("apt-get");
    }
    apt.env("DEBIAN_FRONTEND", "noninteractive");
    apt
}

fn has_target() -> bool {
    let args = ["--print", "target-libdir", "--target", TARGET];
    let Ok(output) = capture(command("rustc").args(args)) else { return false };
    let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

fn has_debian() -> bool {
    let linker = has_rust_lld() || Path::new("/usr/bin/wasm-ld-19").exists();
    let sources = Path::new("/usr/lib/rustlib/src/rust/library/std").exists();
    linker && sources && Path::new("/usr/lib/wasm32-wasi/libc.a").exists()
}

fn has_rust_lld() -> bool {
    let Ok(output) = capture(command("rustc").args(["--print", "target-libdir"])) else {
        return false;
    };
    let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Path::new(&folder).with_file_name("bin").join("rust-lld").exists()
}

fn exists(program: &str) -> bool {
    command(program).arg("--version").output().is_ok_and(|o| o.status.success())
}
