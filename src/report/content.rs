//! The content of a report.

use super::advice::Advice;
use super::ledger::{Crate, Expansion, MacroUse};
use super::measure::Measured;
use super::syn::Syn;
use crate::project::Treated;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    pub(super) version: u32,
    /// Of the workspace's directory.
    pub project: String,
    /// Cargo's command.
    pub command: String,
    /// Each macro package and what was done with it.
    pub packages: Vec<Treated>,
    /// Longest first.
    pub macros: Vec<MacroUse>,
    /// Longest first.
    pub crates: Vec<Crate>,
    /// Those that made most tokens.
    pub largest: Vec<Expansion>,
    /// Each version of `syn` in the graph.
    pub syn: Vec<Syn>,
    #[serde(default)]
    pub advice: Advice,
    pub measured: Option<Measured>,
}

impl Report {
    pub(super) fn seconds(&self) -> f64 {
        self.crates.iter().map(|one| one.seconds).sum()
    }

    pub(super) fn calls(&self) -> u64 {
        self.crates.iter().map(|one| one.calls).sum()
    }
}
