//! The compiler that wrote a file of the runtime, and how it is run.

use crate::base::cargo;
use crate::base::error::{Class, Context, Error, Result};
use crate::pack::compiler::toolchain;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The compiler that makes both files.
#[derive(Clone, Debug)]
pub struct Compiler {
    pub rustc: PathBuf,
    /// `1.95.0`
    pub release: String,
}

impl Compiler {
    /// The compiler of that release, which must be installed.
    pub fn find(release: &str) -> Result<Compiler> {
        let directory = std::env::current_dir().context("the current directory is gone")?;
        let rustc = toolchain::released(release, TARGET, &directory)?;
        Ok(Compiler { rustc, release: release.to_owned() })
    }

    pub(super) fn command(&self, scratch: &Path) -> Command {
        let mut command = Command::new(&self.rustc);
        command.current_dir(scratch).args(["--target", TARGET]);
        command.env_remove("RUSTC_BOOTSTRAP").env_remove("RUSTFLAGS");
        command
    }
}

/// What does not compile is no such source; its first error says why.
pub(super) fn compile(command: &mut Command, source: &str) -> Result<()> {
    let rustc = Command::new(command.get_program());
    let command = std::mem::replace(command, rustc);
    let output = cargo::run(command, |_| {})?;
    if output.success {
        return Ok(());
    }
    let why = output.stderr.lines().find(|line| line.starts_with("error"));
    let why = why.unwrap_or("rustc fails");
    Err(Error::new(Class::Verify, format!("{source} does not compile: {why}")))
}
