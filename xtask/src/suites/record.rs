//! docs/compatibility.md tells how the suites ended, in a part of its own at the end.

use super::{Form, Suite, SUITES};
use crate::run::{read, root, write as write_file, Result};
use crate::strangers::record as strangers;
use std::collections::BTreeMap;

/// The part's first line.
pub const TITLE: &str = "## Test suites";

const HEAD: &str = "\n\nWritten by `cargo xtask suites --write`. The tests that a package publishes, with the original macro\n\
    and with its shim; each test ends the same way. Where there are none, the examples in a macro's\n\
    documentation are run, or examples whose output transcripts tell. serde, clap and strum publish no\n\
    tests of their macros.\n\n\
    | package | with the shim of | run | passed natively | passed with the shim | failed on both | ignored |\n\
    |---|---|---|---|---|---|---|\n";

/// How a suite ended, equal on both sides.
pub struct Counts {
    pub passed: usize,
    pub failed: usize,
    pub ignored: usize,
}

/// Writes the rows of what was run; other suites keep theirs.
pub(super) fn write(done: &[(&Suite, Counts)]) -> Result {
    let file = root().join("docs/compatibility.md");
    let text = read(&file)?;
    let (text, strangers) = text.split_at(text.find(strangers::TITLE).unwrap_or(text.len()));
    let (corpus, old) = text.split_once(TITLE).unwrap_or((text, ""));
    let mut rows: BTreeMap<String, String> = BTreeMap::new();
    for line in old.lines().filter(|line| line.starts_with("| ")) {
        let id = line.trim_start_matches("| ").split(" | ").next().unwrap_or_default();
        rows.insert(id.to_owned(), line.to_owned());
    }
    rows.extend(done.iter().map(|(suite, counts)| (suite.id(), row(suite, counts))));
    let rows: Vec<String> = SUITES.iter().filter_map(|suite| rows.remove(&suite.id())).collect();
    let left_out = SUITES.iter().flat_map(|suite| {
        suite.left_out.iter().map(|(file, why)| format!("- {}, `{file}`: {why}.\n", suite.id()))
    });
    let left_out: String = left_out.collect();
    let left_out =
        if left_out.is_empty() { left_out } else { format!("\nLeft out:\n\n{left_out}") };
    write_file(
        &file,
        &format!(
            "{}\n\n{TITLE}{HEAD}{}\n{left_out}{}{strangers}",
            corpus.trim_end(),
            rows.join("\n"),
            if strangers.is_empty() { "" } else { "\n" },
        ),
    )
}

fn row(suite: &Suite, counts: &Counts) -> String {
    let Counts { passed, failed, ignored } = counts;
    let Suite { macros, macros_version, .. } = suite;
    let form = match suite.form {
        Form::Tests => "tests",
        Form::Transcripts => "transcripts of examples",
        Form::Documented => "documented examples",
    };
    format!(
        "| {} | {macros}-{macros_version} | {form} | {passed} | {passed} | {failed} | {ignored} |",
        suite.id()
    )
}
