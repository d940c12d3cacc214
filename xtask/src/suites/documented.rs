//! A macro crate's documentation tests: those of the published crate, and those of its shim, whose
//! documentation is the same.

use super::{package, Results, Suite};
use crate::run::{cargo, clear, read, scratch, write, Result};
use std::path::Path;

/// A copy of the crate at `from`, with the packages that its examples use.
pub fn prepare(folder: &Path, from: &Path, suite: &Suite) -> Result {
    clear(folder)?;
    package::copy(from, folder)?;
    let manifest = folder.join("Cargo.toml");
    let text = read(&manifest)?.replace("\n[dev-dependencies]\n", "\n");
    let text = text.replace("doctest = false", "doctest = true");
    write(&manifest, &format!("{text}\n[workspace]\n\n[dev-dependencies]\n{}", suite.more))
}

pub fn run(folder: &Path) -> Result<Results> {
    let mut test = cargo();
    test.current_dir(folder).args(["test", "--doc", "--quiet", "--target-dir"]);
    test.arg(scratch("suites").join("target")).args(["--", "--format", "pretty"]);
    let output = test.output().map_err(|e| format!("cannot start cargo: {e}"))?;
    let complaints = String::from_utf8_lossy(&output.stderr);
    if complaints.contains("could not compile") {
        return Err(format!("the crate does not compile\n{complaints}"));
    }
    let mut results = Results::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        // `test src/lib.rs - Name (line 3) ... ok`; the line is another one in a shim.
        let parts = line.strip_prefix("test ").and_then(|rest| rest.rsplit_once(" ... "));
        let Some((place, end)) = parts else { continue };
        let name = place.split(" - ").last().unwrap_or(place);
        let name = name.split(" (line").next().unwrap_or(name);
        let n = (0..).find(|n| !results.contains_key(&format!("{name} {n}")));
        results.insert(format!("{name} {}", n.unwrap_or_default()), end.to_owned());
    }
    Ok(results)
}
