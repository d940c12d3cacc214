//! A shim as any other crate: rustc without cargo, and cargo's tools.

use super::{toolchains, Workshop, SMALL};
use crate::run::{capture, clear, command, scratch, write, Result};
use std::path::{Path, PathBuf};

/// Uses each of the small shim's features, and nothing newer than Rust 1.63.
pub const PROGRAM: &str = r#"
use paste::paste;

macro_rules! getters {
    ($($field:ident: $ty:ty = $value:expr),*) => {
        paste! { $(fn [<get_ $field:lower>]() -> $ty { $value })* }
    };
}
getters!(One: u8 = 1 + 1, größe: &'static str = "groß");

fn main() {
    assert_eq!((get_one(), get_größe()), (2, "groß"));
}
"#;

/// The folder of the small shim.
pub fn small(workshop: &Workshop) -> Result<PathBuf> {
    let entries = std::fs::read_dir(&workshop.shims).map_err(|e| e.to_string())?;
    let mut folders = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|p| p.is_dir());
    folders
        .find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.strip_prefix(SMALL).is_some_and(|rest| rest.starts_with('-'))
        })
        .ok_or_else(|| format!("{SMALL} was not packed"))
}

/// rustc without cargo, on each compiler.
pub fn plain(workshop: &Workshop) -> Result {
    let shim = small(workshop)?;
    for toolchain in toolchains()? {
        without_cargo(&toolchain.rustc, &[], &shim, &toolchain.name)?;
    }
    Ok(())
}

/// Compiles the shim and a program that uses it with rustc alone, and runs the program. No
/// compiler may say anything.
pub fn without_cargo(rustc: &Path, options: &[&str], shim: &Path, name: &str) -> Result {
    let folder = scratch("consumer").join(format!("plain-{name}"));
    clear(&folder)?;
    let source = folder.join("main.rs");
    write(&source, PROGRAM)?;
    let library = folder.join(format!(
        "{}{SMALL}{}",
        std::env::consts::DLL_PREFIX,
        std::env::consts::DLL_SUFFIX
    ));
    let mut build = command(rustc);
    build.args(options).args(["--crate-type", "proc-macro", "--crate-name", SMALL]);
    build.args(["--edition", "2018", "--extern", "proc_macro"]);
    build.arg(shim.join("src/lib.rs")).arg("-o").arg(&library);
    silent(&mut build)?;
    let mut build = command(rustc);
    build.args(options).args(["--edition", "2021"]).arg(&source);
    build.arg("--extern").arg(format!("{SMALL}={}", library.display()));
    build.arg("-o").arg(folder.join("main"));
    silent(&mut build)?;
    capture(&mut command(folder.join("main"))).map(drop)
}

fn silent(command: &mut std::process::Command) -> Result {
    let output = capture(command)?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    if text.is_empty() {
        return Ok(());
    }
    Err(format!("a message of {}: {text}", command.get_program().to_string_lossy()))
}

/// `cargo doc`, `cargo clippy` and `cargo package` on a copy of the shim, without warnings.
pub fn tools(workshop: &Workshop) -> Result {
    let folder = scratch("consumer").join("tools");
    clear(&folder)?;
    // A workspace of its own: the scratch folder lies inside that of this repository.
    write(&folder.join("Cargo.toml"), "[workspace]\nmembers = [\"shim\"]\nresolver = \"2\"\n")?;
    let shim = folder.join("shim");
    super::copy(&small(workshop)?, &shim)?;
    let active = toolchains()?.remove(0);
    for words in [&["doc", "--no-deps"][..], &["clippy"], &["package", "--allow-dirty"]] {
        let mut cargo = active.cargo(&shim);
        cargo.args(words).env("CARGO_TARGET_DIR", scratch("consumer").join("tools-target"));
        let output = capture(&mut cargo)?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        if text.contains("warning") {
            return Err(format!("cargo {} warns: {text}", words.join(" ")));
        }
    }
    Ok(())
}
