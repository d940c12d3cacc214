//! Every check and test, in the order in which they fail fastest.

use crate::run::{cargo, command, run, Result};
use crate::setup;

pub fn test(_options: &[&str]) -> Result {
    setup::setup()?;
    run(cargo().args(["fmt", "--all", "--check"]))?;
    run(command("rustfmt").args(["--check", "--edition", "2021", "guest/src/lib.rs"]))?;
    run(cargo().args([
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))?;
    run(cargo().args(["test", "--workspace"]))?;
    Ok(())
}
