//! How this program runs as cargo's rustc wrapper, and the variables that configure it.

use super::guest::Guest;
use crate::base::error::{Class, Context, Error, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set while cargo runs us as its wrapper.
pub const WRAPPER: &str = "PRECAST_WRAPPER";
/// Path of the [`Config`].
pub const CONFIG: &str = "PRECAST_WRAPPER_CONFIG";

/// What cargo tells a compiler, and no build script.
pub const UNIT: &str = "CARGO_CRATE_NAME";

/// How a file beside rustc's list of files ends if the crate was not compiled as natively.
pub const NOTE: &str = "precast-not-native";

/// Whether this program can act as the wrapper: its `main` has called [`run`].
pub static READY: AtomicBool = AtomicBool::new(false);

/// What the wrapper needs to know, written once per build directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    pub target: String,
    /// None while the sysroot itself is built.
    pub guest: Option<Guest>,
    /// A locally built sysroot.
    pub sysroot: Option<PathBuf>,
    pub linker: PathBuf,
    /// Directory for rewritten copies.
    pub sources: PathBuf,
    /// Path prefixes and what they become, besides the package's own.
    pub remap: Vec<(PathBuf, String)>,
    /// More flags for every wasm crate.
    pub flags: Vec<String>,
}

impl Config {
    pub fn read() -> Result<Config> {
        let path = std::env::var_os(CONFIG)
            .ok_or_else(|| Error::new(Class::Other, format!("{CONFIG} is not set")))?;
        let text = std::fs::read_to_string(&path).at("read", Path::new(&path))?;
        serde_json::from_str(&text).at("read", Path::new(&path))
    }
}

/// The program to give cargo as its wrapper.
pub fn program() -> Result<PathBuf> {
    if !READY.load(Ordering::Relaxed) {
        let error = Error::new(Class::Other, "this program cannot act as cargo's wrapper");
        return Err(error.help("call precast::pack::compile::wrapper::run() first in main"));
    }
    program_file()
}

pub fn program_file() -> Result<PathBuf> {
    std::env::current_exe().context("cannot find this program's own file")
}

/// Makes cargo run us for every crate, with this configuration, which is kept in `directory`.
pub fn configure(cargo: &mut Command, config: &Config, directory: &Path) -> Result<()> {
    let path = directory.join("wrapper.json");
    let text = serde_json::to_vec_pretty(config).expect("paths of the cache are text");
    std::fs::write(&path, text).at("write", &path)?;
    cargo.env("RUSTC_WRAPPER", program()?).env(WRAPPER, "1").env(CONFIG, path);
    Ok(())
}

pub fn path_text(path: &Path) -> String {
    path.to_str()
        .expect("paths of the cache and of cargo's home were checked to be text")
        .to_owned()
}
