//! Whether `syn` is compiled, and for whom.

use crate::project::{Graph, Outcome, Treated, UnitIdx, UnitKind};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Syn {
    pub version: String,
    /// Packages that depend on it, `NAME VERSION`.
    pub used_by: BTreeSet<String>,
    /// Of these, those for which it is compiled; none if it is not.
    pub compiled_for: BTreeSet<String>,
}

pub fn versions(graph: &Graph, macros: &[Treated]) -> Vec<Syn> {
    let is_ready = |at: UnitIdx| {
        let unit = &graph.units[at];
        let package = &graph.packages[unit.package];
        macros.iter().any(|treated| {
            let same = treated.name == package.name && treated.version == package.version;
            let ready = !matches!(treated.outcome, Outcome::Source(_) | Outcome::Later);
            same && treated.features == unit.features && ready
        })
    };
    let needed = graph.needed(is_ready).units;
    let mut found: BTreeMap<&str, Syn> = BTreeMap::new();
    for (at, unit) in graph.units.iter().enumerate() {
        let user = graph.packages[unit.package].label();
        for used in &unit.dependencies {
            let package = &graph.packages[graph.units[*used].package];
            let is_own_script = graph.units[*used].package == unit.package;
            if package.name != "syn" || graph.units[*used].kind == UnitKind::Script || is_own_script
            {
                continue;
            }
            let one = found.entry(&package.version).or_insert_with(|| Syn {
                version: package.version.clone(),
                used_by: BTreeSet::new(),
                compiled_for: BTreeSet::new(),
            });
            one.used_by.insert(user.clone());
            if needed.contains(&at) && !(unit.kind == UnitKind::Macro && is_ready(at)) {
                one.compiled_for.insert(user.clone());
            }
        }
    }
    found.into_values().collect()
}
