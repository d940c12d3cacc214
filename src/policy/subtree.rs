//! `NAME/` in a list of packages: the package and everything that it depends on.

use super::rules::Rule;
use std::collections::{BTreeMap, BTreeSet};

/// Packages with their dependencies, which are indexes into the same list.
pub type Dependencies<'a> = Vec<(&'a str, BTreeSet<usize>)>;

/// The name of the package whose subtree is meant, if one is.
pub fn top(listed: &str) -> Option<&str> {
    listed.strip_suffix('/')
}

/// The names of the package, in all its versions, and of all that it depends on; none if there is no such package.
pub fn below<'a>(packages: &Dependencies<'a>, name: &str) -> BTreeSet<&'a str> {
    let mut seen: BTreeSet<usize> = BTreeSet::new();
    let mut open: Vec<usize> = (0..packages.len()).filter(|at| packages[*at].0 == name).collect();
    while let Some(at) = open.pop() {
        if seen.insert(at) {
            open.extend(&packages[at].1);
        }
    }
    seen.into_iter().map(|at| packages[at].0).collect()
}

/// Rules for each package by its own name: what is said of a subtree holds for all packages in it that are not
/// named themselves. Several subtrees add up, and a `false` of any of them is one.
pub(super) fn spread(
    rules: BTreeMap<String, Rule>,
    packages: &Dependencies<'_>,
) -> BTreeMap<String, Rule> {
    let (subtrees, mut named): (BTreeMap<String, Rule>, BTreeMap<String, Rule>) =
        rules.into_iter().partition(|(name, _)| top(name).is_some());
    let own: BTreeSet<String> = named.keys().cloned().collect();
    for (listed, rule) in subtrees {
        let names = below(packages, top(&listed).unwrap_or_default());
        for name in names.into_iter().filter(|name| !own.contains(*name)) {
            named.entry(name.to_owned()).or_default().add(&rule);
        }
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packages() -> Dependencies<'static> {
        let list = [
            ("app", &[1, 2][..]),
            ("clap", &[3]),
            ("serde", &[4]),
            ("derive", &[]),
            ("derive", &[5]),
            ("x", &[]),
        ];
        list.into_iter().map(|(name, at)| (name, at.iter().copied().collect())).collect()
    }

    #[test]
    fn subtrees() {
        let found = |name| below(&packages(), name).into_iter().collect::<Vec<_>>();
        assert_eq!(found("clap"), ["clap", "derive"]);
        assert_eq!(found("serde"), ["derive", "serde", "x"]);
        assert_eq!(found("derive"), ["derive", "x"]);
        assert!(found("other").is_empty());
        assert_eq!((top("clap/"), top("clap")), (Some("clap"), None));
    }

    #[test]
    fn rules_of_subtrees() {
        let rule = |env: &str, allow| Rule { env: vec![env.into()], allow, ..Rule::default() };
        let rules = [
            ("clap/", rule("A", None)),
            ("serde/", rule("B", Some(false))),
            ("x", rule("C", Some(true))),
        ];
        let rules = rules.into_iter().map(|(name, rule)| (name.to_owned(), rule)).collect();
        let spread = spread(rules, &packages());
        let told = |name: &str| (spread[name].env.join(","), spread[name].allow);
        assert_eq!(spread.keys().collect::<Vec<_>>(), ["clap", "derive", "serde", "x"]);
        assert_eq!(told("clap"), ("A".into(), None));
        assert_eq!(told("derive"), ("A,B".into(), Some(false)));
        assert_eq!(told("x"), ("C".into(), Some(true)));
    }
}
