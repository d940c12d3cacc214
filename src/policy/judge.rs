//! One shim's manifest against the policy; nothing here reads a file.

use super::rules::{Policy, Rule};
use crate::artifact::manifest::identity;
use crate::artifact::manifest::{Capabilities, Manifest};
use crate::pack::{ENVIRONMENT, READABLE};

pub(crate) fn problems(policy: &Policy, name: &str, manifest: &Manifest) -> Vec<String> {
    problems_with(policy, name, manifest, &Capabilities::default())
}

/// Of a shim with more capabilities than its manifest has.
pub(crate) fn problems_with(
    policy: &Policy,
    name: &str,
    manifest: &Manifest,
    granted: &Capabilities,
) -> Vec<String> {
    let mut problems: Vec<String> = policy.refusal(name).into_iter().map(str::to_owned).collect();
    let rule = policy.packages.get(name);
    let found = identity(manifest);
    if rule.is_some_and(|rule| !rule.sha256.is_empty() && !rule.sha256.contains(&found)) {
        problems.push(format!("its manifest has the SHA-256 {found}, which is not pinned"));
    }
    let of_rule = |list: fn(&Rule) -> &[String]| rule.map_or(&[][..], list);
    let env = ENVIRONMENT.into_iter().chain(texts(&policy.env)).chain(texts(of_rule(|r| &r.env)));
    let env: Vec<&str> = env.collect();
    for name in manifest.capabilities.env.iter().chain(&granted.env) {
        if !env.iter().any(|allowed| covers_name(allowed, name)) {
            problems.push(format!("it may read the environment variable {name}"));
        }
    }
    let read = READABLE.into_iter().chain(texts(&policy.read)).chain(texts(of_rule(|r| &r.read)));
    let read: Vec<&str> = read.collect();
    for directory in manifest.capabilities.read.iter().chain(&granted.read) {
        if !read.iter().any(|allowed| covers_directory(allowed, directory)) {
            problems.push(format!("it may read below {directory}"));
        }
    }
    let of_rule = rule.map_or(&[][..], |rule| &rule.write);
    let write: Vec<&str> = texts(&policy.write).chain(texts(of_rule)).collect();
    for directory in manifest.capabilities.write.iter().chain(&granted.write) {
        if !write.iter().any(|allowed| covers_directory(allowed, directory)) {
            problems.push(format!("it may write below {directory}"));
        }
    }
    problems
}

fn texts(list: &[String]) -> impl Iterator<Item = &str> {
    list.iter().map(String::as_str)
}

/// A final `*` matches any ending, also one with a `*` of its own.
fn covers_name(allowed: &str, name: &str) -> bool {
    match allowed.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == allowed,
    }
}

fn covers_directory(allowed: &str, directory: &str) -> bool {
    if directory == allowed {
        return true;
    }
    let below = directory.strip_prefix(allowed).and_then(|rest| rest.strip_prefix('/'));
    below.is_some_and(|below| below.split(['/', '\\']).all(|part| part != ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coverage() {
        assert!(covers_name("CARGO_*", "CARGO_PKG_*") && covers_name("A", "A"));
        assert!(!covers_name("CARGO_PKG_*", "CARGO_*") && !covers_name("A", "AB"));
        assert!(covers_directory("$A", "$A") && covers_directory("$A", "$A/b/c"));
        for outside in ["$AB", "$A/../b", "$A/b/..", "/", "$B"] {
            assert!(!covers_directory("$A", outside), "{outside}");
        }
    }
}
