//! The product on Windows: packing there gives the bytes that it gives here, and a project is built there with
//! precompiled macros, through every way of asking for it.

use super::tools::Tools;
use crate::elsewhere::Elsewhere;
use crate::run::{capture, cargo, cargo_precast, clear, command, run, scratch, write, Result};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const MACROS: &str = "serde_derive@1.0.229";

const MANIFEST: &str = r#"
[package]
name = "app"
version = "0.1.0"
edition = "2021"

[workspace]

[dependencies]
serde = { version = "=1.0.229", features = ["derive"] }
"#;

const MAIN: &str = "
#[derive(serde::Serialize, serde::Deserialize, Debug)]
struct Point { x: u8 }
fn main() { println!(\"{:?}\", Point { x: 1 }); }
";

/// Everything that runs on that system.
struct Machine<'a> {
    tools: &'a Tools,
    program: PathBuf,
    /// The project, and beside it the store.
    folder: PathBuf,
}

pub fn project(tools: &Tools) -> Result {
    let folder = scratch(Tools::NAME).join("project");
    clear(&folder)?;
    let app = folder.join("app");
    write(&app.join("Cargo.toml"), MANIFEST)?;
    write(&app.join("src/main.rs"), MAIN)?;
    // There it has no network.
    run(command("cargo").arg("fetch").current_dir(&app))?;
    tools.add_target("wasm32-wasip1")?;
    let machine = Machine { tools, program: program(tools)?, folder };
    machine.same_bytes()?;
    machine.lazily()
}

/// Precast, for that system.
fn program(tools: &Tools) -> Result<PathBuf> {
    let place = scratch(Tools::NAME).join("target");
    let mut build = cargo();
    tools.cross(&mut build);
    build.args(["build", "--quiet", "--package", "precast", "--bin", "cargo-precast"]);
    run(build.args(["--target", Tools::TARGET, "--target-dir"]).arg(&place))?;
    Ok(place.join(Tools::TARGET).join("debug/cargo-precast.exe"))
}

/// A path as that system has it.
fn there(path: &Path) -> OsString {
    format!("Z:{}", path.display()).replace('/', "\\").into()
}

impl Machine<'_> {
    fn command(&self, program: &Path) -> Command {
        let mut command = self.tools.start(program);
        let mut path = there(&self.tools.toolchain.join("bin"));
        path.push(";");
        path.push(there(self.program.parent().expect("a program lies in a folder")));
        let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
        let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
        command.env("CARGO_HOME", there(&home.unwrap_or_default()));
        command.env("WINEPATH", path).env("CARGO_NET_OFFLINE", "true");
        command.env("PRECAST_CACHE_DIR", there(&self.folder.join("store")));
        for name in ["CARGO", "RUSTC", "RUSTUP_TOOLCHAIN", "CI"] {
            command.env_remove(name);
        }
        command.current_dir(self.folder.join("app"));
        command
    }

    fn precast(&self, args: &[&str]) -> Result<String> {
        said(self.command(&self.program).arg("precast").args(args))
    }

    fn cargo(&self, args: &[&str]) -> Result<String> {
        said(self.command(&self.tools.toolchain.join("bin/cargo.exe")).args(args))
    }

    /// The same macro packed on both systems.
    fn same_bytes(&self) -> Result {
        self.precast(&["pack", MACROS, "-o", "../there"])?;
        let mut here = command(&cargo_precast()?);
        here.env("RUSTC", "rustc").arg("pack").arg(MACROS).arg("-o").arg(self.folder.join("here"));
        capture(&mut here)?;
        let file = format!("{}.precast", MACROS.replace('@', "-"));
        let read = |side: &str| {
            let path = self.folder.join(side).join(&file);
            fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))
        };
        match read("here")? == read("there")? {
            true => Ok(()),
            false => Err(format!("{MACROS} has other bytes when it is packed there")),
        }
    }

    /// The project by `cargo precast`, then by cargo alone with `on`, then without us.
    fn lazily(&self) -> Result {
        let (first, wait) = (&["build"], &["status", "--wait"]);
        expect(&self.precast(first)?, "1 built from source this time")?;
        expect(&self.precast(wait)?, "Nothing is left to pack")?;
        let target = self.folder.join("app/target/debug");
        let again = || clear(&target);
        again()?;
        expect(&self.precast(first)?, "1 macro package precompiled")?;
        self.check(&target, true)?;
        again()?;
        self.precast(&["on"])?;
        self.cargo(&["build"])?;
        self.check(&target, true)?;
        self.precast(&["off"])?;
        self.cargo(&["build"])?;
        self.check(&target, false)
    }

    /// The program works, and libraries that only macros need were put off, or not.
    fn check(&self, target: &Path, is_lazy: bool) -> Result {
        expect(&said(&mut self.command(&target.join("app.exe")))?, "Point { x: 1 }")?;
        let deps = target.join("deps");
        let files = fs::read_dir(&deps).map_err(|e| format!("{}: {e}", deps.display()))?;
        let is_syn = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("libsyn-") && name.ends_with(".rlib")
        };
        let mut sizes = files.flatten().map(|file| file.path()).filter(is_syn);
        let bytes = sizes.next().and_then(|path| path.metadata().ok()).map(|found| found.len());
        match bytes.is_some_and(|bytes| (bytes < 200) == is_lazy) {
            true => Ok(()),
            false => Err(format!("syn has {bytes:?} bytes where lazy is {is_lazy}")),
        }
    }
}

/// All that a command prints, if it succeeds.
fn said(command: &mut Command) -> Result<String> {
    let output = capture(command)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(text(&output.stdout) + &text(&output.stderr))
}

fn expect(text: &str, part: &str) -> Result {
    match text.contains(part) {
        true => Ok(()),
        false => Err(format!("`{part}` is not in what was said:\n{text}")),
    }
}
