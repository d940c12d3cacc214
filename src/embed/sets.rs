//! Chooses one of several feature sets: conditions over the consumer's features.
//!
//! The smallest set that contains the consumer's features is taken, so the equal one where it is
//! there. `default` is a name for others and counts for nothing.

use crate::artifact::manifest::{is_choice, parts_of, Manifest, ASSERTIONS};
use std::collections::BTreeSet;

/// For each feature set of the manifest, in its order, the condition under which it is taken. One
/// of them always holds, so that the module is there in any case.
pub(super) fn conditions(manifest: &Manifest) -> Vec<String> {
    let sets = sets(manifest);
    let mut order: Vec<usize> = (0..sets.len()).collect();
    order.sort_by_key(|index| sets[*index].len());
    let mut conditions = vec![String::new(); sets.len()];
    let mut earlier: Vec<String> = Vec::new();
    for (place, &index) in order.iter().enumerate() {
        let mut all = earlier.clone();
        let fits = fits(&sets, index);
        earlier.push(format!("not({fits})"));
        if place + 1 < order.len() {
            all.push(fits);
        }
        conditions[index] = format!("all({})", all.join(", "));
    }
    conditions
}

/// The condition under which no set has all of the consumer's features, though each is in some.
pub(super) fn nothing_fits(manifest: &Manifest) -> String {
    let sets = sets(manifest);
    let fit: Vec<String> = (0..sets.len()).map(|index| fits(&sets, index)).collect();
    format!("not(any({}))", fit.join(", "))
}

/// The sets for people: "`a`, `b`; `c`".
pub(super) fn listed(manifest: &Manifest) -> String {
    let one = |features: Vec<&str>| match features[..] {
        [] => "no features".to_owned(),
        _ => format!("`{}`", features.join(",")),
    };
    named(manifest).map(one).collect::<Vec<_>>().join("; ")
}

/// What people call the sets: one with debug assertions is a twin of another.
pub(super) fn named(manifest: &Manifest) -> impl Iterator<Item = Vec<&str>> {
    manifest
        .feature_sets()
        .map(parts_of)
        .filter(|(_, asserts)| !asserts)
        .map(|(features, _)| features)
}

fn sets(manifest: &Manifest) -> Vec<BTreeSet<&str>> {
    let counts = |feature: &&str| is_choice(feature) && *feature != "default";
    manifest
        .feature_sets()
        .map(|set| set.iter().map(String::as_str).filter(counts).collect())
        .collect()
}

/// No feature that only other sets have is enabled.
fn fits(sets: &[BTreeSet<&str>], index: usize) -> String {
    let union: BTreeSet<&str> = sets.iter().flatten().copied().collect();
    let others = union.difference(&sets[index]).map(|name| match *name {
        ASSERTIONS => "debug_assertions".to_owned(),
        name => format!("feature = {name:?}"),
    });
    format!("not(any({}))", others.collect::<Vec<_>>().join(", "))
}
