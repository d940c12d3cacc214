//! The keys of a policy, as users write them.

use serde::Deserialize;
use std::collections::BTreeMap;

/// Keys as users write them; what is left out permits nothing beyond the defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// What becomes of shims that `packages` does not name.
    pub unlisted: Unlisted,
    /// Whether every shim must be what its sources compile to.
    pub rebuild: bool,
    /// By how many different keys that the machine trusts an artifact must be signed, if it comes from a shared
    /// store.
    pub signatures: usize,
    /// Environment variables that any macro may read, beside those that cargo sets.
    pub env: Vec<String>,
    /// Directories that any macro may read, beside its consumer's own.
    pub read: Vec<String>,
    /// Directories below the target directory that any macro may write.
    pub write: Vec<String>,
    /// By names; `NAME/` is the package and all that it depends on, as far as it is not named itself.
    pub packages: BTreeMap<String, Rule>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unlisted {
    #[default]
    Allow,
    Deny,
}

/// What one package may do more, and must be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rule {
    /// `false`: the package must not be precompiled.
    pub allow: Option<bool>,
    /// SHA-256 of the manifest, which has the hashes of all else; one for each version in use.
    pub sha256: Vec<String>,
    pub env: Vec<String>,
    pub read: Vec<String>,
    pub write: Vec<String>,
    pub rebuild: Option<bool>,
    /// More than the policy asks for all.
    pub signatures: usize,
}

impl Rule {
    /// Adds what another rule for the same package says.
    pub(super) fn add(&mut self, other: &Rule) {
        self.allow = match (self.allow, other.allow) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (one, other) => one.or(other),
        };
        for (list, more) in [
            (&mut self.sha256, &other.sha256),
            (&mut self.env, &other.env),
            (&mut self.read, &other.read),
            (&mut self.write, &other.write),
        ] {
            list.extend(more.iter().cloned());
        }
        self.rebuild = match (self.rebuild, other.rebuild) {
            (Some(one), Some(other)) => Some(one || other),
            (one, other) => one.or(other),
        };
        self.signatures = self.signatures.max(other.signatures);
    }
}
