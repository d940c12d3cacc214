//! What building for arm64 and running it needs: an emulator, a cross compiler for C, and Debian's
//! rustc for arm64 with its libraries. Unpacked from Debian's packages into target/, not installed.

use crate::elsewhere::{script, Elsewhere};
use crate::run::{capture, clear, command, run, scratch, unpack_packages, Result};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Debian's compiler for this machine: the one for arm64 must be of the same version, so that each
/// reads what the other wrote.
const RUSTC: &str = "/usr/bin/rustc";

pub struct Tools {
    /// The root of the programs for this machine, and that of arm64.
    programs: PathBuf,
    root: PathBuf,
    /// A linker and C compiler for arm64.
    cc: PathBuf,
    ar: PathBuf,
    /// Starts a program for arm64.
    emulator: PathBuf,
}

impl Elsewhere for Tools {
    const NAME: &'static str = "arm";
    const TARGET: &'static str = "aarch64-unknown-linux-gnu";
    const PROGRAM_SUFFIX: &'static str = "";
    const LIBRARY: (&'static str, &'static str) = ("lib", ".so");

    fn find() -> Result<Tools> {
        let folder = scratch("arm");
        let tools = Tools {
            programs: folder.join("programs"),
            root: folder.join("root"),
            cc: folder.join("cc"),
            ar: folder.join("ar"),
            emulator: folder.join("emulator"),
        };
        if !Path::new(RUSTC).is_file() {
            return Err(format!(
                "there is no {RUSTC}: `apt-get install rustc-web` or another of Debian's"
            ));
        }
        if !tools.root.join("usr/bin/rustc").is_file() {
            eprintln!("arm: about to unpack an emulator and compilers (200 MB) into target/arm");
            tools.fetch(&Apt::new(&folder)?)?;
        }
        tools.write_scripts()?;
        Ok(tools)
    }

    fn cross(&self, cargo: &mut Command) {
        let variable = |name: &str| format!("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_{name}");
        let mut sysroot = OsString::from("--sysroot=");
        sysroot.push(self.sysroot());
        cargo.env("RUSTC", RUSTC).env(variable("RUSTFLAGS"), sysroot);
        cargo.env(variable("LINKER"), &self.cc).env(variable("RUNNER"), &self.emulator);
        cargo.env("CC_aarch64_unknown_linux_gnu", &self.cc);
        cargo.env("AR_aarch64_unknown_linux_gnu", &self.ar);
    }

    fn start(&self, program: &Path) -> Command {
        let mut emulator = command(&self.emulator);
        emulator.arg(program);
        emulator
    }

    fn rustc(&self) -> Command {
        self.start(&self.root.join("usr/bin/rustc"))
    }

    fn host_rustc(&self) -> Command {
        command(RUSTC)
    }

    fn target(&self, rustc: &mut Command) {
        rustc.arg("--sysroot").arg(self.sysroot()).args(["--target", Self::TARGET]);
        rustc.arg("-C").arg(format!("linker={}", self.cc.display()));
    }
}

impl Tools {
    fn fetch(&self, apt: &Apt) -> Result {
        // The libraries of this machine's programs are here, or gcc would not be.
        let mut packages = apt.closure("gcc-aarch64-linux-gnu")?;
        packages.retain(|name| name.contains("aarch64") || name == "libgcc-12-dev-arm64-cross");
        packages.retain(|name| !name.ends_with("-base"));
        packages.push("qemu-user-static".into());
        apt.unpack(&packages, &self.programs)?;
        let (compiler, libraries) = rustc_packages()?;
        let mut packages = apt.closure(&format!("{libraries}:arm64"))?;
        packages.extend(["libc6-dev", "linux-libc-dev", &compiler].map(|p| format!("{p}:arm64")));
        apt.unpack(&packages, &self.root)
    }

    fn write_scripts(&self) -> Result {
        let Tools { programs, root, .. } = self;
        let prefix = programs.join("usr/bin/aarch64-linux-gnu-").display().to_string();
        // Its name ends in its version.
        let gcc = std::fs::read_dir(programs.join("usr/bin")).map_err(|e| e.to_string())?;
        let mut gcc = gcc.filter_map(|entry| entry.ok()?.path().to_str().map(str::to_owned));
        let gcc = gcc.find(|path| {
            let version = path.strip_prefix(&prefix).and_then(|name| name.strip_prefix("gcc-"));
            version.is_some_and(|version| version.bytes().all(|b| b.is_ascii_digit()))
        });
        let gcc = gcc.ok_or("the packages have no gcc for arm64")?;
        let libraries = programs.join("usr/lib/x86_64-linux-gnu");
        let libraries = format!("LD_LIBRARY_PATH='{}'", libraries.display());
        let sysroot = format!("--sysroot='{}' -B'{prefix}'", root.display());
        script(&self.cc, &format!("{libraries} exec '{gcc}' {sysroot} \"$@\""))?;
        script(&self.ar, &format!("{libraries} exec '{prefix}ar' \"$@\""))?;
        let qemu = programs.join("usr/bin/qemu-aarch64-static");
        script(&self.emulator, &format!("exec '{}' -L '{}' \"$@\"", qemu.display(), root.display()))
    }

    fn sysroot(&self) -> PathBuf {
        self.root.join("usr")
    }
}

/// The package that Debian's compiler came in, and that of its standard library.
fn rustc_packages() -> Result<(String, String)> {
    let output = capture(command("dpkg-query").args(["--search", RUSTC]))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let name = text.split(':').next().unwrap_or_default().to_owned();
    // rustc and libstd-rust-dev; rustc-web and libstd-rust-web-dev
    let flavour = name.strip_prefix("rustc").ok_or("the compiler is not of a package")?;
    Ok((name.clone(), format!("libstd-rust{flavour}-dev")))
}

/// Debian's package manager, with lists of its own that have arm64 as well.
struct Apt {
    folder: PathBuf,
}

impl Apt {
    fn new(folder: &Path) -> Result<Apt> {
        let apt = Apt { folder: folder.join("apt") };
        for name in ["lists/partial", "cache/archives/partial"] {
            let path = apt.folder.join(name);
            std::fs::create_dir_all(&path)
                .map_err(|e| format!("cannot make {}: {e}", path.display()))?;
        }
        run(apt.command("apt-get").args(["update", "-qq"]))?;
        Ok(apt)
    }

    fn command(&self, program: &str) -> Command {
        let mut apt = command(program);
        for option in ["APT::Architectures::=amd64", "APT::Architectures::=arm64"] {
            apt.args(["-o", option]);
        }
        apt.args(["-o", "APT::Architecture=amd64", "-o", "Acquire::Languages=none"]);
        apt.arg("-o").arg(format!("Dir::State::Lists={}", self.folder.join("lists").display()));
        apt.arg("-o").arg(format!("Dir::Cache={}", self.folder.join("cache").display()));
        apt
    }

    /// A package and all that it depends on.
    fn closure(&self, package: &str) -> Result<Vec<String>> {
        let mut depends = self.command("apt-cache");
        depends.args(["depends", "--recurse", package]);
        for kind in ["recommends", "suggests", "conflicts", "breaks", "replaces", "enhances"] {
            depends.arg(format!("--no-{kind}"));
        }
        let output = capture(&mut depends)?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let is_package = |line: &&str| !line.starts_with([' ', '<']);
        Ok(text.lines().filter(is_package).map(str::to_owned).collect())
    }

    /// Downloads packages and unpacks them below `root`.
    fn unpack(&self, packages: &[String], root: &Path) -> Result {
        let downloads = self.folder.join("downloads");
        clear(&downloads)?;
        std::fs::create_dir_all(&downloads)
            .map_err(|e| format!("cannot make {}: {e}", downloads.display()))?;
        let mut download = self.command("apt-get");
        capture(download.args(["download", "-qq"]).args(packages).current_dir(&downloads))?;
        std::fs::create_dir_all(root)
            .map_err(|e| format!("cannot make {}: {e}", root.display()))?;
        unpack_packages(&downloads, root)?;
        clear(&downloads)
    }
}
