//! A shim on the oldest compiler that can be had here: Debian 12's rustc 1.63, unpacked into
//! target/ without being installed.

use super::{shim, Workshop};
use crate::run::{capture, command, run, scratch, unpack_packages, Result};
use std::path::{Path, PathBuf};

const VERSION: &str = "1.63";
/// The compiler, and the libraries that a small machine does not have.
const PACKAGES: &[&str] = &[
    "rustc",
    "libstd-rust-1.63",
    "libstd-rust-dev",
    "libllvm14",
    "libtinfo6",
    "libedit2",
    "libbsd0",
    "libmd0",
    "libz3-4",
    "libxml2",
    "libicu72",
];

pub fn old(workshop: &Workshop) -> Result {
    let folder = scratch("rustc-old");
    let rustc = folder.join("usr/bin/rustc");
    if !rustc.is_file() && !fetch(&folder)? {
        println!("consumer: old skipped, no rustc {VERSION} can be had from apt-get here");
        return Ok(());
    }
    // rustc finds its libraries through a small script, so that nothing else sees them.
    let script = folder.join("rustc");
    write_script(&script, &folder)?;
    let said = capture(command(&script).arg("--version"))?;
    if !String::from_utf8_lossy(&said.stdout).contains(VERSION) {
        return Err(format!("{} is not {VERSION}", rustc.display()));
    }
    shim::without_cargo(&script, &[], &shim::small(workshop)?, "old")
}

/// Downloads and unpacks the packages; false where there is no apt-get that has them.
fn fetch(folder: &Path) -> Result<bool> {
    std::fs::create_dir_all(folder)
        .map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
    let specs = candidates();
    let mut download = command("apt-get");
    download.args(["download", "--quiet"]).args(&specs).current_dir(folder);
    if specs.len() < PACKAGES.len() || capture(&mut download).is_err() {
        return Ok(false);
    }
    unpack_packages(folder, folder)?;
    Ok(folder.join("usr/bin/rustc").is_file())
}

/// `NAME=VERSION` of each package, in the version which belongs to the old compiler.
fn candidates() -> Vec<String> {
    let version = |name: &&str| {
        let shown = capture(command("apt-cache").args(["madison", name])).ok()?;
        let text = String::from_utf8_lossy(&shown.stdout).into_owned();
        let versions =
            text.lines().filter_map(|line| Some(line.split('|').nth(1)?.trim().to_owned()));
        let rust = name.contains("rust");
        let mut fitting = versions.filter(|v| !rust || v.starts_with(VERSION));
        fitting.next().map(|version| format!("{name}={version}"))
    };
    PACKAGES.iter().filter_map(version).collect()
}

fn write_script(script: &Path, folder: &Path) -> Result {
    let usr: PathBuf = folder.join("usr");
    let libraries =
        [usr.join("lib/x86_64-linux-gnu"), usr.join("lib"), folder.join("lib/x86_64-linux-gnu")];
    let libraries: Vec<String> = libraries.iter().map(|path| path.display().to_string()).collect();
    let text = format!(
        "#!/bin/sh\nLD_LIBRARY_PATH='{}' exec '{}' --sysroot '{}' \"$@\"\n",
        libraries.join(":"),
        usr.join("bin/rustc").display(),
        usr.display()
    );
    crate::run::write(script, &text)?;
    run(command("chmod").arg("+x").arg(script))
}
