//! Advice: what each macro package costs natively, which function-like macros a `macro_rules!` could replace because
//! they only rearrange tokens, and macro names that several packages share.

use super::ledger::Expansion;
use super::measure::Measured;
use super::moves;
use crate::base::error::Result;
use crate::cache::Store;
use crate::project::metadata::{self, Duplicate, Metadata};
use crate::project::{Graph, Options, Request, UnitIdx, UnitKind};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Advice {
    /// Each macro package, the dearest first.
    pub native_costs: Vec<Cost>,
    /// Macros that a `macro_rules!` could replace, as far as their uses here tell.
    pub replaceable: Vec<Replaceable>,
    pub duplicates: Vec<Duplicate>,
}

/// What cargo compiles for a macro package where nothing is precompiled.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// `serde_derive 1.0.229`
    pub package: String,
    /// Packages that would not be compiled without it.
    pub only_for_it: BTreeSet<String>,
    /// Of it and these, if the native build was measured.
    pub seconds: Option<f64>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Replaceable {
    pub package: String,
    pub name: String,
    /// As many different ones were looked at.
    pub uses: usize,
}

pub(super) fn of(
    graph: &Graph,
    request: &Request,
    store: &Store,
    expansions: &[Expansion],
    measured: Option<&Measured>,
) -> Result<Advice> {
    let options = Options { members: true, ..Options::default() };
    let all = metadata::of_graph(graph, request, &options, store)?;
    Ok(Advice {
        native_costs: costs(graph, measured),
        replaceable: replaceable(graph, &all, expansions),
        duplicates: all.duplicates,
    })
}

fn costs(graph: &Graph, measured: Option<&Measured>) -> Vec<Cost> {
    let labels = |units: &BTreeSet<UnitIdx>| -> BTreeSet<String> {
        units.iter().map(|at| graph.packages[graph.units[*at].package].label()).collect()
    };
    let all = labels(&graph.needed(|_| false).units);
    let seconds: BTreeMap<&str, f64> = measured
        .iter()
        .flat_map(|measured| &measured.packages)
        .map(|one| (one.package.as_str(), one.native))
        .collect();
    let macros = graph.units.iter().filter(|unit| unit.kind == UnitKind::Macro);
    let packages: BTreeSet<usize> = macros.map(|unit| unit.package).collect();
    let cost = |package: usize| {
        let without = graph.needed(|at| graph.units[at].package == package).units;
        let only_for_it: BTreeSet<String> = all.difference(&labels(&without)).cloned().collect();
        let package = graph.packages[package].label();
        let parts = only_for_it.iter().chain([&package]);
        let sum = parts.filter_map(|one| seconds.get(one.as_str())).sum();
        let seconds = measured.map(|_| sum);
        Cost { package, only_for_it, seconds }
    };
    let mut costs: Vec<Cost> = packages.into_iter().map(cost).collect();
    costs.sort_by(|a, b| {
        let by_seconds = b.seconds.unwrap_or(0.0).total_cmp(&a.seconds.unwrap_or(0.0));
        by_seconds
            .then(b.only_for_it.len().cmp(&a.only_for_it.len()))
            .then_with(|| a.package.cmp(&b.package))
    });
    costs
}

/// Looks at the uses that were noted, in their files, of macros that the store has.
fn replaceable(graph: &Graph, all: &Metadata, expansions: &[Expansion]) -> Vec<Replaceable> {
    let mut found = Vec::new();
    for package in &all.packages {
        let label = format!("{} {}", package.name, package.version);
        let Some(path) = package.artifact.as_ref().and_then(|artifact| artifact.path.as_ref())
        else {
            continue;
        };
        let of_it = expansions.iter().filter(|one| one.package == label);
        let files: BTreeSet<PathBuf> = of_it.map(|one| graph.root.join(&one.file)).collect();
        let texts = files.iter().filter_map(|file| std::fs::read_to_string(file).ok());
        let texts: Vec<String> = texts.collect();
        // What cannot be looked at, nothing is said of.
        let uses = moves::only_move(path, &texts).unwrap_or_default();
        found.extend(uses.into_iter().map(|(name, uses)| Replaceable {
            package: label.clone(),
            name,
            uses,
        }));
    }
    found.sort_by(|a, b| (&a.package, &a.name).cmp(&(&b.package, &b.name)));
    found.dedup();
    found
}
