//! From a macro crate's name to its artifact and shim: one pass per file, in this order.

pub mod wrapper;

mod build;
mod cache;
mod cargo;
mod guest;
mod rewrite;
mod stage;
mod sysroot;
mod toolchain;

use std::ffi::OsString;

/// Hears what a pack does. Called only for what may take a second or more.
pub trait Report {
    fn step(&self, text: &str);
}

/// Which features of the package to enable, as cargo's options say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features {
    pub names: Vec<String>,
    pub no_default: bool,
    pub all: bool,
}

impl Features {
    fn arguments(&self) -> Vec<OsString> {
        let mut arguments = Vec::new();
        if !self.names.is_empty() {
            arguments.push("--features".into());
            arguments.push(self.names.join(",").into());
        }
        if self.no_default {
            arguments.push("--no-default-features".into());
        }
        if self.all {
            arguments.push("--all-features".into());
        }
        arguments
    }
}

impl<F: Fn(&str)> Report for F {
    fn step(&self, text: &str) {
        self(text);
    }
}

pub fn try_it(dir: &str, staged: &str) -> crate::error::Result<Vec<u8>> {
    let report = |text: &str| eprintln!("{text}");
    let cache = cache::Cache::open(None)?;
    let cwd = std::env::current_dir().unwrap();
    let toolchain = toolchain::find(&cwd, &cache, &report)?;
    eprintln!("{toolchain:?}");
    let guest = guest::build(&toolchain, &cache, &report)?;
    let files = stage::read(std::path::Path::new(dir))?;
    let staged = std::path::Path::new(staged);
    stage::write(&files, staged)?;
    let key = format!("{}-{}", toolchain.key, guest::key());
    let built = build::build(&build::Job {
        toolchain: &toolchain, guest: &guest, staged, directory: &cwd,
        shared: &cache.path("build", &key), features: &Features::default(), offline: false,
    }, &report)?;
    eprintln!("{:#?}", built.linked);
    Ok(built.wasm)
}
