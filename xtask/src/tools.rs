//! Programs that tasks need and a machine may lack: the one on the path, or one that PyPI has as a package.

use crate::run::{command, run, scratch, Result};
use std::path::{Path, PathBuf};

/// The program, installed below target/tools if it is not on the path.
pub fn find(program: &str, package: &str) -> Result<PathBuf> {
    let is_there = |program: &Path| command(program).arg("--version").output().is_ok();
    let folder = scratch("tools").join(program);
    let own = folder.join("bin").join(program);
    if let Some(found) =
        [PathBuf::from(program), own.clone()].into_iter().find(|path| is_there(path))
    {
        return Ok(found);
    }
    run(command("python3").args(["-m", "venv"]).arg(&folder))?;
    run(command(folder.join("bin/pip")).args(["install", "--quiet", package]))?;
    match is_there(&own) {
        true => Ok(own),
        false => Err(format!("the package {package} has no program {program}")),
    }
}

/// Runs a task that needs the program; a machine that cannot install it is told so.
pub fn if_possible(program: &str, package: &str, task: fn() -> Result) -> Result {
    match find(program, package) {
        Ok(_) => task(),
        Err(message) => {
            eprintln!("not checked, for there is no {program}: {message}");
            Ok(())
        }
    }
}
