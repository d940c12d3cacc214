//! What building for Windows and running it needs: wine, a cross compiler for C, and rustup's
//! toolchain for Windows of the version that is used here. The latter is put into target/.

use crate::elsewhere::{script, version, Elsewhere};
use crate::run::{capture, command, run, scratch, write, Result};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

const CC: &str = "x86_64-w64-mingw32-gcc";
/// Debian's, without a wrapper that asks for 32-bit programs as well; then what others call it.
const WINES: [&str; 3] = ["/usr/lib/wine/wine64", "wine64", "wine"];

/// What Rust's standard library takes random numbers from, and wine has since version 9.
const RANDOM: &str = "bcryptprimitives.dll";
const RANDOM_SOURCE: &str = "
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE at, SIZE_T bytes) {
    return SystemFunction036(at, (ULONG)bytes);
}
";

pub struct Tools {
    /// Starts a program for Windows.
    wine: PathBuf,
    /// The toolchain that runs there.
    pub toolchain: PathBuf,
}

impl Elsewhere for Tools {
    const NAME: &'static str = "windows";
    const TARGET: &'static str = "x86_64-pc-windows-gnu";
    const PROGRAM_SUFFIX: &'static str = ".exe";
    const LIBRARY: (&'static str, &'static str) = ("", ".dll");

    fn find() -> Result<Tools> {
        let folder = scratch(Self::NAME);
        let starts = |program: &&str| command(program).arg("--version").output().is_ok();
        let wine = WINES.into_iter().find(starts);
        let (Some(wine), true) = (wine, starts(&CC)) else {
            return Err(format!(
                "there is no wine or no {CC}: \
                 `apt-get install --no-install-recommends wine64 gcc-mingw-w64-x86-64`"
            ));
        };
        let tools = Tools { wine: folder.join("wine"), toolchain: toolchain(&rustup_home())? };
        // Neither windows nor offers to install more; its errors are of what no test uses.
        let prefix = folder.join("prefix");
        script(
            &tools.wine,
            &format!(
                "WINEPREFIX='{}' WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml=' exec {wine} \"$@\"",
                prefix.display()
            ),
        )?;
        tools.prepare(&prefix)?;
        Ok(tools)
    }

    fn cross(&self, cargo: &mut Command) {
        let variable = |name: &str| format!("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_{name}");
        let mut sysroot = OsString::from("--sysroot=");
        sysroot.push(&self.toolchain);
        cargo.env(variable("RUSTFLAGS"), sysroot);
        cargo.env(variable("LINKER"), CC).env(variable("RUNNER"), &self.wine);
    }

    fn start(&self, program: &Path) -> Command {
        let mut wine = command(&self.wine);
        wine.arg(program);
        wine
    }

    fn rustc(&self) -> Command {
        self.start(&self.toolchain.join("bin/rustc.exe"))
    }

    fn host_rustc(&self) -> Command {
        command("rustc")
    }

    fn target(&self, rustc: &mut Command) {
        rustc.arg("--sysroot").arg(&self.toolchain).args(["--target", Self::TARGET]);
    }
}

impl Tools {
    /// Lets the toolchain compile for a target besides.
    pub fn add_target(&self, target: &str) -> Result {
        let name = self.toolchain.file_name().unwrap_or_default();
        let mut rustup = command("rustup");
        rustup.args(["target", "add", target, "--toolchain"]).arg(name);
        run(rustup.env("RUSTUP_HOME", rustup_home()).env_remove("RUSTUP_TOOLCHAIN"))
    }

    /// Makes wine's folder with all that a program of Rust's wants.
    fn prepare(&self, prefix: &Path) -> Result {
        let libraries = prefix.join("drive_c/windows/system32");
        if !libraries.is_dir() {
            capture(command(&self.wine).args(["wineboot", "--init"]))?;
        }
        let library = libraries.join(RANDOM);
        if library.is_file() {
            return Ok(());
        }
        let source = prefix.join("random.c");
        write(&source, RANDOM_SOURCE)?;
        let mut cc = command(CC);
        cc.arg("-shared").arg("-o").arg(&library).arg(&source).arg("-ladvapi32");
        capture(&mut cc).map(drop)
    }
}

fn rustup_home() -> PathBuf {
    scratch(Tools::NAME).join("rustup")
}

/// The toolchain for Windows of this machine's version, in a home of rustup's that only we use.
fn toolchain(home: &Path) -> Result<PathBuf> {
    let version = version(&mut command("rustc"))?;
    let number = version.split(' ').nth(1).unwrap_or_default();
    let name = format!("{number}-{}", Tools::TARGET);
    let toolchain = home.join("toolchains").join(&name);
    if !toolchain.join("bin/rustc.exe").is_file() {
        eprintln!("windows: about to let rustup put {name} (800 MB) into target/windows");
        let mut rustup = command("rustup");
        rustup.args(["toolchain", "install", &name, "--force-non-host", "--profile", "minimal"]);
        rustup.arg("--no-self-update").env("RUSTUP_HOME", home).env_remove("RUSTUP_TOOLCHAIN");
        run(&mut rustup)?;
    }
    Ok(toolchain)
}
