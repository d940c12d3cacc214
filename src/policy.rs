//! The policy of a workspace: which precompiled macros it permits, and a check of its dependency graph against that.
//!
//! Only the top-level workspace decides: its `precast.toml`, or `[workspace.metadata.precast.policy]`
//! in its `Cargo.toml`. A dependency's own policy is never read.

mod judge;
mod rules;
pub mod subtree;

pub(crate) use judge::{problems, problems_with};
pub use rules::{Policy, Rule, Unlisted};

use crate::artifact::manifest::{identity, Package};
use crate::base::error::{Class, Context, Error, Result};
use crate::base::report::Report;
use crate::verify;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::{Path, PathBuf};
use subtree::Dependencies;

/// The policy's file in the root of the workspace.
pub const FILE: &str = "precast.toml";

/// The outcome for every shim of the graph.
#[derive(Debug, Serialize)]
pub struct Judgement {
    pub workspace: PathBuf,
    /// The policy's place, if the workspace has one.
    pub policy: Option<String>,
    pub shims: Vec<Judged>,
}

#[derive(Debug, Serialize)]
pub struct Judged {
    pub name: String,
    pub version: String,
    pub path: PathBuf,
    /// What `sha256` in the policy is compared with.
    pub sha256: String,
    pub rebuilt: bool,
    pub problems: Vec<String>,
}

/// The workspace that a policy is of.
#[derive(Clone, Debug)]
pub struct Workspace<'a> {
    pub root: &'a Path,
    /// `[workspace.metadata.precast]`
    pub settings: &'a Value,
    /// Directories of all shims in its graph.
    pub shims: Vec<&'a Path>,
    /// All packages of its graph.
    pub packages: Dependencies<'a>,
}

/// The workspace's policy with the name of its place. Its rules are for single packages.
pub fn of(workspace: &Workspace) -> Result<Option<(Policy, String)>> {
    let Some((mut policy, place)) = written(workspace)? else { return Ok(None) };
    policy.packages = subtree::spread(policy.packages, &workspace.packages);
    Ok(Some((policy, place)))
}

fn written(workspace: &Workspace) -> Result<Option<(Policy, String)>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        policy: Policy,
    }
    let path = workspace.root.join(FILE);
    let settings = workspace.settings.get("policy").filter(|policy| !policy.is_null());
    if !path.is_file() {
        const PLACE: &str = "workspace.metadata.precast.policy";
        let Some(settings) = settings else { return Ok(None) };
        let policy = serde_json::from_value(settings.clone()).class(Class::Usage, PLACE)?;
        return Ok(Some((policy, PLACE.into())));
    }
    if settings.is_some() {
        let message = format!("the workspace has a policy in Cargo.toml and in {FILE}");
        return Err(Error::new(Class::Usage, message).help("keep one of them"));
    }
    let text = std::fs::read_to_string(&path).at("read", &path)?;
    let file: File = toml_edit::de::from_str(&text)
        .map_err(|error| Error::new(Class::Usage, error.to_string()).context(FILE))?;
    Ok(Some((file.policy, FILE.into())))
}

/// Judges every shim of the graph, and artifacts of the store that a build takes in the place of others;
/// without a policy, by the defaults. Shims are verified, and
/// rebuilt where the policy asks for it and `rebuild` is set.
pub fn check(
    workspace: &Workspace,
    stored: &[PathBuf],
    rebuild: bool,
    offline: bool,
    report: &dyn Report,
) -> Result<Judgement> {
    let (policy, place) = match of(workspace)? {
        Some((policy, place)) => (policy, Some(place)),
        None => (Policy::default(), None),
    };
    let mut shims = Vec::new();
    for path in workspace.shims.iter().copied().chain(stored.iter().map(PathBuf::as_path)) {
        let (artifact, granted) = crate::embed::input::granted(path)?;
        let manifest = artifact.manifest;
        let Package { name, version, .. } = &manifest.package;
        let wanted = policy.rebuilds(name);
        let options = verify::Options { rebuild: rebuild && wanted, offline, ..Default::default() };
        let verdicts = verify::all(path, options, report)?;
        let mut problems = judge::problems_with(&policy, name, &manifest, &granted);
        let checks = verdicts.iter().flat_map(|verdict| &verdict.checks);
        problems.extend(checks.flat_map(|check| check.differences.iter().cloned()));
        shims.push(Judged {
            name: name.clone(),
            version: version.clone(),
            path: path.to_owned(),
            sha256: identity(&manifest),
            rebuilt: options.rebuild,
            problems,
        });
    }
    Ok(Judgement { workspace: workspace.root.to_owned(), policy: place, shims })
}

impl Policy {
    /// By how many keys that the machine trusts an artifact of this package must be signed. A project can ask for
    /// more than one, never for fewer.
    pub(crate) fn signatures(&self, name: &str) -> usize {
        let rule = self.packages.get(name).map_or(0, |rule| rule.signatures);
        self.signatures.max(rule).max(1)
    }

    /// The same of any package.
    pub(crate) fn most_signatures(&self) -> usize {
        let rules = self.packages.values().map(|rule| rule.signatures);
        rules.max().unwrap_or(0).max(self.signatures).max(1)
    }

    /// Whether a package's artifact must be what its sources compile to.
    pub(crate) fn rebuilds(&self, name: &str) -> bool {
        self.packages.get(name).and_then(|rule| rule.rebuild).unwrap_or(self.rebuild)
    }

    /// Why the policy has no artifact of this package at all.
    pub(crate) fn refusal(&self, name: &str) -> Option<&'static str> {
        match self.packages.get(name) {
            Some(rule) if rule.allow == Some(false) => Some("the policy forbids to precompile it"),
            None if self.unlisted == Unlisted::Deny => Some("the policy does not name it"),
            _ => None,
        }
    }
}

/// Before cargo builds: an error unless the graph keeps to the policy, if the workspace has one.
/// Nothing is rebuilt here; that is for CI.
pub fn require(workspace: &Workspace, report: &dyn Report) -> Result<()> {
    if of(workspace)?.is_none() {
        return Ok(());
    }
    check(workspace, &[], false, true, report)?.result()
}

impl Judgement {
    /// An error that names the first problem.
    pub fn result(&self) -> Result<()> {
        let n: usize = self.shims.iter().map(|shim| shim.problems.len()).sum();
        let Some(first) = self.shims.iter().find(|shim| !shim.problems.is_empty()) else {
            return Ok(());
        };
        let place = self.policy.as_deref().unwrap_or("the default policy");
        let s = if n == 1 { "" } else { "s" };
        let message = format!(
            "{n} problem{s} by {place}: {} {}: {}",
            first.name, first.version, first.problems[0]
        );
        let help = "`cargo precast check --policy` shows all of them";
        Err(Error::new(Class::Verify, message).help(help))
    }
}
