//! Features of two packages in one.
//!
//! A feature of the macros becomes one of the library, unless the library has always enabled it. What it
//! means for the macros' dependencies is enabled for good: only who packs the macros compiles them.

use super::rewrite::Flag;
use super::side::Uses;
use std::collections::{BTreeMap, BTreeSet};
use toml_edit::{value, Array, DocumentMut, Item, Table};

type Features = BTreeMap<String, Vec<String>>;

#[derive(Default)]
pub struct Merged {
    /// Of the macros' features.
    pub flags: BTreeMap<String, Flag>,
    /// Features of the library without which it has no macros.
    pub required: Vec<String>,
    /// Features that the macros' dependencies have now, by dependency.
    pub enabled: BTreeMap<String, BTreeSet<String>>,
}

/// `theirs` are the features of the macros' package; `is_asked` says which of them its code asks for.
pub fn merge(
    library: &mut DocumentMut,
    own: &Features,
    uses: &Uses,
    (package, theirs): (&str, &Features),
    is_asked: &dyn Fn(&str) -> bool,
) -> Merged {
    let mut merged = Merged::default();
    let mentioned = |name: &str| {
        own.values()
            .flatten()
            .any(|entry| of_dependency(entry, uses).is_some_and(|e| e.1 == Some(name)))
    };
    // Optional dependencies are features which nobody may mean.
    let is_feature = |name: &str, enables: &[String]| {
        enables != [format!("dep:{name}")] || is_asked(name) || mentioned(name)
    };
    let known: Features = theirs
        .iter()
        .filter(|(name, enables)| *name != "default" && is_feature(name, enables))
        .map(|(name, enables)| (name.clone(), enables.clone()))
        .collect();
    let always = always(uses, theirs);
    for name in known.keys() {
        let is_same =
            |entry: &String| of_dependency(entry, uses).is_some_and(|e| e.1 == Some(name));
        let flag = match own.get(name) {
            _ if always.contains(name) => Flag::Always,
            Some(enables) if !enables.iter().any(is_same) => {
                Flag::Named(format!("{package}-{name}"))
            }
            _ => Flag::Named(name.clone()),
        };
        merged.flags.insert(name.clone(), flag);
    }
    for entry in theirs.values().flatten() {
        if let Some((dependency, feature)) = entry.split_once('/') {
            let dependency = dependency.trim_end_matches('?').to_owned();
            merged.enabled.entry(dependency).or_default().insert(feature.to_owned());
        }
    }
    let marker = require(&mut merged, own, uses);
    let new = translated(own, uses, &merged.flags, &known, marker.as_deref());
    write(library, own, &new);
    merged
}

/// What an entry of a feature says of the macros' package: whether it enables it, and which feature of it.
fn of_dependency<'a>(entry: &'a str, uses: &Uses) -> Option<(bool, Option<&'a str>)> {
    if let Some(name) = entry.strip_prefix("dep:") {
        return uses.keys.contains(name).then_some((true, None));
    }
    match entry.split_once('/') {
        Some((name, feature)) => {
            let is_weak = name.ends_with('?');
            uses.keys.contains(name.trim_end_matches('?')).then_some((!is_weak, Some(feature)))
        }
        None => (uses.keys.contains(entry) && is_optional(uses)).then_some((true, None)),
    }
}

fn is_optional(uses: &Uses) -> bool {
    uses.normal.as_ref().is_some_and(|dependency| dependency.optional)
}

/// The macros' features that every user of the library has had.
fn always(uses: &Uses, theirs: &Features) -> BTreeSet<String> {
    let mut open: Vec<String> = Vec::new();
    match &uses.normal {
        Some(dependency) => {
            open.extend(dependency.features.iter().cloned());
            open.extend(dependency.uses_default_features.then(|| "default".to_owned()));
        }
        None => open.push("default".into()),
    }
    let mut found = BTreeSet::new();
    while let Some(name) = open.pop() {
        if let Some(enables) = theirs.get(&name).filter(|_| found.insert(name.clone())) {
            open.extend(enables.iter().cloned());
        }
    }
    found
}

/// Finds the feature that the macros need. It is a new one, of the dependency's name, where several enabled
/// the dependency, or where the name was a feature before.
fn require(merged: &mut Merged, own: &Features, uses: &Uses) -> Option<String> {
    let dependency = uses.normal.as_ref().filter(|dependency| dependency.optional)?;
    let key = dependency.rename.clone().unwrap_or_else(|| dependency.name.clone());
    let implicit = [format!("dep:{key}")];
    let has_feature = own.get(&key).is_some_and(|enables| *enables == implicit);
    let enables = |(_, entries): &(&String, &Vec<String>)| {
        entries.iter().any(|entry| of_dependency(entry, uses).is_some_and(|found| found.0))
    };
    let enabling: Vec<&String> = own.iter().filter(enables).map(|(name, _)| name).collect();
    match enabling[..] {
        [one] if !has_feature => {
            merged.required.push(one.clone());
            None
        }
        _ => {
            merged.required.push(key.clone());
            Some(key)
        }
    }
}

/// All features of the library, as they are from now on.
fn translated(
    own: &Features,
    uses: &Uses,
    flags: &BTreeMap<String, Flag>,
    known: &Features,
    marker: Option<&str>,
) -> Features {
    let named = |name: &str| match flags.get(name) {
        Some(Flag::Named(new)) => Some(new.clone()),
        _ => None,
    };
    let mut new = Features::new();
    for (name, entries) in own {
        let kept = new.entry(name.clone()).or_default();
        let mut add = |entry: String| {
            if entry != *name && !kept.contains(&entry) {
                kept.push(entry);
            }
        };
        for entry in entries {
            match of_dependency(entry, uses) {
                None => add(entry.clone()),
                Some((enables, feature)) => {
                    marker.filter(|_| enables).map(str::to_owned).into_iter().for_each(&mut add);
                    feature.and_then(named).into_iter().for_each(&mut add);
                }
            }
        }
    }
    if let Some(marker) = marker {
        new.entry(marker.to_owned()).or_default();
    }
    for (name, enables) in known {
        let Some(name) = named(name) else { continue };
        let more = enables.iter().filter_map(|entry| named(entry)).filter(|entry| *entry != name);
        let kept = new.entry(name.clone()).or_default();
        for entry in more.collect::<Vec<_>>() {
            if !kept.contains(&entry) {
                kept.push(entry);
            }
        }
    }
    new
}

/// Writes what differs, so that the rest keeps its form.
fn write(library: &mut DocumentMut, own: &Features, new: &Features) {
    if new == own {
        return;
    }
    let table = library.entry("features").or_insert_with(|| Item::Table(Table::new()));
    let Some(table) = table.as_table_like_mut() else { return };
    for (name, entries) in new {
        if own.get(name) != Some(entries) {
            table.insert(name, value(entries.iter().collect::<Array>()));
        }
    }
}

/// The features of the package that stays under the old name: each enables its own in the library.
pub fn forwarded(library: &str, theirs: &Features, flags: &BTreeMap<String, Flag>) -> Table {
    let mut table = Table::new();
    for (name, enables) in theirs {
        let is_known = |entry: &&String| flags.contains_key(*entry);
        let mut entries: Vec<String> = Vec::new();
        match flags.get(name) {
            Some(Flag::Named(new)) => entries.push(format!("{library}/{new}")),
            _ => entries.extend(enables.iter().filter(is_known).cloned()),
        }
        table.insert(name, value(entries.iter().collect::<Array>()));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(list: &[(&str, &[&str])]) -> Features {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        list.iter().map(|(name, enables)| ((*name).to_owned(), owned(enables))).collect()
    }

    fn uses(optional: bool, default: bool, enabled: &[&str]) -> Uses {
        let dependency = serde_json::json!({
            "name": "d", "source": null, "req": "*", "kind": null, "rename": null, "optional": optional,
            "uses_default_features": default, "features": enabled, "target": null, "registry": null,
        });
        Uses {
            keys: BTreeSet::from(["d".to_owned()]),
            normal: Some(serde_json::from_value(dependency).unwrap()),
        }
    }

    fn merged(own: &Features, uses: &Uses, theirs: &Features) -> (Merged, String) {
        let mut document = DocumentMut::new();
        let merged = merge(&mut document, own, uses, ("d", theirs), &|_| false);
        (merged, document.to_string())
    }

    #[test]
    fn one_feature_for_the_macros() {
        let own = features(&[("derive", &["dep:d"]), ("std", &[])]);
        let (found, text) = merged(&own, &uses(true, true, &[]), &features(&[]));
        assert_eq!(found.required, ["derive"]);
        assert!(text.contains("derive = []") && !text.contains("std"), "{text}");
    }

    #[test]
    fn a_name_that_was_a_feature_stays_one() {
        let own = features(&[("d", &["dep:d"]), ("derive", &["d"]), ("full", &["derive"])]);
        let (found, text) = merged(&own, &uses(true, true, &[]), &features(&[]));
        assert_eq!(found.required, ["d"]);
        assert!(
            text.contains("d = []") && !text.contains("dep:") && !text.contains("full"),
            "{text}"
        );
        let own = features(&[("a", &["dep:d"]), ("b", &["d/x"])]);
        let theirs = features(&[("x", &["syn/full"]), ("y", &["x"])]);
        let (found, text) = merged(&own, &uses(true, true, &[]), &theirs);
        assert_eq!(found.required, ["d"]);
        for line in ["a = [\"d\"]", "b = [\"d\", \"x\"]", "d = []", "x = []", "y = [\"x\"]"] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
        assert!(found.enabled["syn"].contains("full"));
    }

    #[test]
    fn what_was_always_enabled_is_no_feature() {
        let theirs =
            features(&[("default", &["a"]), ("a", &["b"]), ("b", &[]), ("c", &[]), ("e", &[])]);
        let own = features(&[("c", &[]), ("e", &["d?/e"])]);
        let (found, text) = merged(&own, &uses(false, true, &[]), &theirs);
        assert!(found.required.is_empty());
        let expected = [
            ("a", Flag::Always),
            ("b", Flag::Always),
            ("c", Flag::Named("d-c".into())),
            ("e", Flag::Named("e".into())),
        ];
        assert_eq!(found.flags, expected.map(|(name, flag)| (name.to_owned(), flag)).into());
        assert!(text.contains("d-c = []") && text.contains("e = []"), "{text}");
        let table = forwarded("lib", &theirs, &found.flags).to_string();
        for line in
            ["default = [\"a\"]", "a = [\"b\"]", "b = []", "c = [\"lib/d-c\"]", "e = [\"lib/e\"]"]
        {
            assert!(table.lines().any(|found| found == line), "{line}: {table}");
        }
    }
}
