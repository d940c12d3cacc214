//! The runtime's two compiled files: the test that compares them also writes them.

use crate::run::{cargo, run, Result};

pub fn machine() -> Result {
    let mut test = cargo();
    test.env("MACHINE", "overwrite").args(["test", "--package", "precast", "--test", "machine"]);
    run(test.args(["both_files_are_current", "--", "--nocapture"]))
}
