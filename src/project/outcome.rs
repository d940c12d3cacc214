//! The outcome for each macro package of a build, in words.

use crate::base::error::Error;
use crate::base::text::counted;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Treated {
    pub name: String,
    pub version: String,
    pub features: BTreeSet<String>,
    #[serde(flatten)]
    pub outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", content = "reason", rename_all = "kebab-case")]
pub enum Outcome {
    /// Packed now.
    Packed,
    /// Taken from the store.
    Stored,
    /// Fetched now from a store that several machines share.
    Fetched,
    /// From the store, with other versions of its dependencies than those of the lock file.
    Similar,
    /// It was a shim before.
    Shim,
    /// Built from source this time, and packed after the build.
    Later,
    /// Left as it is, for this reason.
    Source(String),
}

/// "8 macro packages precompiled (2 packed now), 1 built from source", and why.
pub fn summary(macros: &[Treated]) -> Vec<String> {
    let count = |wanted: fn(&Outcome) -> bool| {
        macros.iter().filter(|treated| wanted(&treated.outcome)).count()
    };
    let n_source = count(|outcome| matches!(outcome, Outcome::Source(_)));
    let n_packed = count(|outcome| *outcome == Outcome::Packed);
    let n_later = count(|outcome| *outcome == Outcome::Later);
    let n_ready = macros.len() - n_source - n_later;
    let mut line = format!("{} precompiled", counted(n_ready, "macro package"));
    let n_fetched = count(|outcome| *outcome == Outcome::Fetched);
    let n_similar = count(|outcome| *outcome == Outcome::Similar);
    let news = [
        (n_packed, "packed now"),
        (n_fetched, "fetched now"),
        (n_similar, "with other versions of their dependencies"),
    ];
    let news = news.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}"));
    let news = news.collect::<Vec<_>>().join(", ");
    if !news.is_empty() {
        line += &format!(" ({news})");
    }
    if n_later > 0 {
        line += &format!(
            ", {n_later} built from source this time and packed after it for the next clean build \
             (`cargo precast status`)"
        );
    }
    if n_source > 0 || n_later == 0 {
        line += &format!(", {n_source} built from source");
    }
    let mut lines = vec![line];
    for treated in macros {
        if let Outcome::Source(reason) = &treated.outcome {
            let Treated { name, version, .. } = treated;
            lines.push(format!("{name} {version} is built from source: {reason}"));
        }
    }
    lines
}

/// As much of an error as a line has room for.
pub fn first_lines(error: &Error) -> String {
    let text = error.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.iter().take(3).copied().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_agree() {
        let treated = |outcome| Treated {
            name: "a".into(),
            version: "1.0.0".into(),
            features: BTreeSet::new(),
            outcome,
        };
        let check = |outcomes: &[Outcome], expected: &str| {
            let macros: Vec<Treated> = outcomes.iter().cloned().map(treated).collect();
            assert_eq!(summary(&macros)[0], expected);
        };
        check(&[], "0 macro packages precompiled, 0 built from source");
        check(&[Outcome::Stored], "1 macro package precompiled, 0 built from source");
        check(
            &[Outcome::Packed, Outcome::Shim, Outcome::Source("b".into())],
            "2 macro packages precompiled (1 packed now), 1 built from source",
        );
        check(
            &[Outcome::Later],
            "0 macro packages precompiled, 1 built from source this time and packed after it for the \
             next clean build (`cargo precast status`)",
        );
    }
}
