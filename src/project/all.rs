//! The macros of a workspace as files: what one job of many packs for all others.

use super::outcome::{Outcome, Treated};
use super::provide::{provide, stored};
use super::{Choice, Graph, Request};
use crate::artifact;
use crate::base::error::{Context, Result};
use crate::base::report::Report;
use crate::base::scratch;
use crate::cache::Store;
use crate::embed;
use std::collections::BTreeSet;
use std::path::Path;

/// The Kth of N parts of a list; K counts from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    pub k: usize,
    pub n: usize,
}

impl Shard {
    pub const WHOLE: Shard = Shard { k: 1, n: 1 };

    /// Reads `K/N`.
    pub fn parse(text: &str) -> std::result::Result<Shard, String> {
        let parts = text.split_once('/').map(|(k, n)| (k.parse(), n.parse()));
        match parts {
            Some((Ok(k), Ok(n))) if 1 <= k && k <= n => Ok(Shard { k, n }),
            _ => Err("write K/N with K from 1 to N".into()),
        }
    }

    /// What of a list is in this part.
    pub fn of<T>(self, list: impl IntoIterator<Item = T>) -> Vec<T> {
        list.into_iter().skip(self.k - 1).step_by(self.n).collect()
    }
}

/// Packs the macros of the whole workspace that are in this part, with `members` also those in
/// directories, and writes artifact and shim of each into `out`.
pub fn pack_all(
    request: &Request,
    (shard, members): (Shard, bool),
    store: &Store,
    out: &Path,
    report: &dyn Report,
) -> Result<Vec<Treated>> {
    let graph = Graph::load(request, store.cache())?;
    let choice = Choice::default().with(&graph)?;
    let names: BTreeSet<String> = graph
        .needed(|_| true)
        .macros
        .into_iter()
        .map(|at| &graph.packages[graph.units[at].package])
        .filter(|package| members || package.source.is_some())
        .map(|package| package.name.clone())
        .filter(|name| choice.refusal(name).is_none())
        .collect();
    let only = shard.of(names);
    if only.is_empty() {
        return Ok(Vec::new());
    }
    let choice = Choice { only: only.clone(), except: Vec::new() };
    let provided = provide(&graph, request, (&choice, members), store, report)?;
    for key in provided.values().filter_map(|provided| provided.key.as_ref()) {
        let bytes = stored(store, key)?;
        let artifact = artifact::read(&bytes)?;
        let name = embed::name(&artifact);
        std::fs::create_dir_all(out).at("create", out)?;
        embed::write_dir(&embed::embed(&artifact)?, &out.join(&name))?;
        scratch::replace(&out.join(format!("{name}.precast")), &bytes)?;
    }
    let mut macros: Vec<Treated> =
        provided.into_values().map(|provided| provided.treated).collect();
    macros
        .retain(|treated| only.contains(&treated.name) || matches!(treated.outcome, Outcome::Shim));
    Ok(macros)
}

#[cfg(test)]
mod tests {
    use super::Shard;

    #[test]
    fn shards() {
        let parts = (1..=3).map(|k| Shard { k, n: 3 }.of(0..8));
        assert_eq!(parts.collect::<Vec<_>>(), [vec![0, 3, 6], vec![1, 4, 7], vec![2, 5]]);
        assert_eq!(Shard::parse("2/3"), Ok(Shard { k: 2, n: 3 }));
        for bad in ["0/3", "4/3", "1", "a/b", "1/0"] {
            assert!(Shard::parse(bad).is_err(), "{bad}");
        }
    }
}
