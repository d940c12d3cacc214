//! The results of a list of packages, as JSON and HTML.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt::Write;

/// What came of one line of the list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Done {
    /// The line.
    pub item: String,
    /// Who did it.
    pub job: String,
    pub seconds: f64,
    pub made: Vec<Made>,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// An artifact in the shared store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Made {
    pub name: String,
    pub version: String,
    pub features: BTreeSet<String>,
    /// The entry's name.
    pub id: String,
    /// `packed`, or `known` if it was in the store before.
    pub outcome: String,
}

impl Done {
    fn outcome(&self) -> &str {
        match &self.problem {
            Some(_) => "failed",
            None if self.made.iter().any(|made| made.outcome == "packed") => "packed",
            None => "known",
        }
    }
}

const STYLE: &str =
    "body{font:14px system-ui,sans-serif;margin:2em}table{border-collapse:collapse}\
td,th{text-align:left;padding:.2em .8em;border-bottom:1px solid #ccc;vertical-align:top}\
.failed{background:#fdd}.packed{background:#dfd}";

/// One page, which needs nothing else.
pub fn html(done: &[Done]) -> String {
    let count = |outcome: &str| done.iter().filter(|done| done.outcome() == outcome).count();
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Packed macros</title>\
         <style>{STYLE}</style>\n<h1>Packed macros</h1>\n<p>{} lines: {} packed, {} known before, {} failed.</p>\n\
         <table><tr><th>Package<th>Outcome<th>Artifacts<th>Seconds<th>Job</tr>\n",
        done.len(),
        count("packed"),
        count("known"),
        count("failed"),
    );
    let mut sorted: Vec<&Done> = done.iter().collect();
    sorted.sort_by_key(|done| (done.problem.is_none(), &done.item));
    for done in sorted {
        let outcome = done.outcome();
        let made: Vec<String> = match &done.problem {
            Some(problem) => vec![escaped(problem)],
            None => {
                done.made.iter().map(|m| escaped(&format!("{} {}", m.name, m.version))).collect()
            }
        };
        let _ = writeln!(
            page,
            "<tr class=\"{outcome}\"><td>{}<td>{outcome}<td>{}<td>{:.1}<td>{}</tr>",
            escaped(&done.item),
            made.join("<br>"),
            done.seconds,
            escaped(&done.job),
        );
    }
    page + "</table></html>\n"
}

/// Texts come from packages and their compilers.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_come_first_and_run_nothing() {
        let done = |item: &str, problem: Option<&str>| Done {
            item: item.into(),
            job: "1/1".into(),
            seconds: 1.0,
            made: Vec::new(),
            problem: problem.map(str::to_owned),
        };
        let page = html(&[done("a", None), done("b", Some("<script>no & yes</script>"))]);
        assert!(page.contains("2 lines: 0 packed, 1 known before, 1 failed"));
        assert!(page.find("<td>b<td>failed").unwrap() < page.find("<td>a<td>known").unwrap());
        assert!(page.contains("&lt;script&gt;no &amp; yes") && !page.contains("<script>"));
    }
}
