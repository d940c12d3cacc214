//! Builds the book of `docs/` with mdBook, which is installed where it is missing. Tests check its links and
//! run its commands.

use crate::run::{cargo, command, read, root, run, scratch, Result};
use std::path::PathBuf;

/// The program that is known to build it.
const VERSION: &str = "0.5.4";

pub fn book() -> Result {
    let mdbook = program()?;
    let to = scratch("book");
    run(command(mdbook).arg("build").arg("--dest-dir").arg(&to).arg(root()))?;
    // What a page includes, and what leads from it.
    let page = read(&to.join("architecture.html"))?;
    for part in ["Invariants", "docs/token-abi.html"] {
        if !page.contains(part) {
            return Err(format!("the page of the architecture lacks `{part}`"));
        }
    }
    println!("{}", to.join("index.html").display());
    Ok(())
}

/// The one on the path, or the one of the tasks.
fn program() -> Result<PathBuf> {
    let is_there = |program: &PathBuf| command(program).arg("--version").output().is_ok();
    let own = scratch("tools").join("bin/mdbook");
    if let Some(program) = [PathBuf::from("mdbook"), own.clone()].into_iter().find(is_there) {
        return Ok(program);
    }
    let mut install = cargo();
    install.args(["install", "mdbook", "--locked", "--version", VERSION, "--no-default-features"]);
    run(install.arg("--root").arg(scratch("tools")))?;
    Ok(own)
}
