//! Entries that differ from what is wanted in the versions of dependencies alone, within what cargo could have chosen
//! as well. They are used only where the user says so.

use super::entry::KEY_FILE;
use super::key::Key;
use super::kinds::ARTIFACT;
use super::settings::Versions;
use super::Store;
use semver::Version;
use std::collections::{BTreeMap, BTreeSet};

/// Whether the manifest of the wanted package permits a version of a dependency of this name.
pub type Permits<'a> = dyn Fn(&str, &Version) -> bool + 'a;

impl Store {
    /// Whether the user takes entries with other versions of dependencies.
    pub fn takes_similar(&self) -> bool {
        self.settings().is_ok_and(|settings| settings.versions == Versions::Compatible)
    }

    /// The key of the entry that has most in common with the wanted one.
    pub fn similar(
        &self,
        wanted: &Key,
        permits: &Permits,
        value: &dyn Fn(&str) -> Option<String>,
    ) -> Option<Key> {
        let keys = self.cache.keys(ARTIFACT).into_iter().filter_map(|id| {
            let file = self.cache.path(ARTIFACT, &id).join(KEY_FILE);
            Key::read(&std::fs::read(file).ok()?).ok().filter(|key| key.id() == id)
        });
        let holds = |key: &Key| key.environment.iter().all(|(name, known)| value(name) == *known);
        best(wanted, keys.filter(holds), permits)
    }
}

/// The one of these that has most in common with the wanted one.
pub(crate) fn best(
    wanted: &Key,
    keys: impl Iterator<Item = Key>,
    permits: &Permits,
) -> Option<Key> {
    let similar = keys.filter(|key| is_similar(wanted, key, permits));
    similar.max_by_key(|key| {
        (key.dependencies.intersection(&wanted.dependencies).count(), key.dependencies.clone())
    })
}

/// A dependency as keys name it: name, version, checksum and features.
fn parse(text: &str) -> Option<(&str, Version, &str)> {
    let mut words = text.splitn(4, ' ');
    let (name, version, _) = (words.next()?, words.next()?, words.next()?);
    Some((name, Version::parse(version).ok()?, words.next().unwrap_or_default()))
}

/// Versions with the same leading part are one to cargo.
fn leading(version: &Version) -> (u64, u64, u64) {
    match (version.major, version.minor, version.patch) {
        (0, 0, patch) => (0, 0, patch),
        (0, minor, _) => (0, minor, 0),
        (major, ..) => (major, 0, 0),
    }
}

/// What cargo takes for one: a name, the leading part of the version, and the features.
type Group = (String, (u64, u64, u64), String);

fn is_similar(wanted: &Key, found: &Key, permits: &Permits) -> bool {
    let same = Key {
        dependencies: wanted.dependencies.clone(),
        environment: wanted.environment.clone(),
        ..found.clone()
    };
    if same != *wanted || found.dependencies == wanted.dependencies {
        return false;
    }
    let groups = |key: &Key| -> Option<BTreeSet<Group>> {
        let group = |text: &String| {
            let (name, version, features) = parse(text)?;
            Some((name.to_owned(), leading(&version), features.to_owned()))
        };
        key.dependencies.iter().map(group).collect()
    };
    let versions: BTreeMap<(&str, String), &String> = wanted
        .dependencies
        .iter()
        .filter_map(|text| {
            parse(text).map(|(name, version, _)| ((name, version.to_string()), text))
        })
        .collect();
    let is_permitted = |text: &String| {
        let Some((name, version, _)) = parse(text) else { return false };
        match versions.get(&(name, version.to_string())) {
            // Of one version there is one source.
            Some(known) => *known == text,
            None => version.pre.is_empty() && permits(name, &version),
        }
    };
    groups(wanted).is_some_and(|wanted| groups(found) == Some(wanted))
        && found.dependencies.iter().all(is_permitted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(dependencies: &[&str]) -> Key {
        Key {
            name: "a".into(),
            version: "1.0.0".into(),
            checksum: "00".into(),
            features: BTreeSet::new(),
            dependencies: dependencies.iter().map(|text| (*text).to_owned()).collect(),
            host: "x".into(),
            abi: 1,
            generation: 1,
            environment: BTreeMap::new(),
            edited: BTreeMap::new(),
        }
    }

    #[test]
    fn only_versions_may_differ() {
        let all = |_: &str, _: &Version| true;
        let check = |found: &[&str], expected: bool| {
            let wanted = key(&["syn 2.0.5 aa full", "quote 0.3.1 bb ", "git 1.0.0 cc "]);
            assert_eq!(is_similar(&wanted, &key(found), &all), expected, "{found:?}");
        };
        check(&["syn 2.1.0 dd full", "quote 0.3.1 bb ", "git 1.0.0 cc "], true);
        check(&["syn 2.0.5 aa full", "quote 0.3.9 bb ", "git 1.0.0 cc "], true);
        // The same, another major version, features, source or package.
        check(&["syn 2.0.5 aa full", "quote 0.3.1 bb ", "git 1.0.0 cc "], false);
        check(&["syn 3.0.0 dd full", "quote 0.3.1 bb ", "git 1.0.0 cc "], false);
        check(&["syn 2.0.5 aa full", "quote 0.4.0 bb ", "git 1.0.0 cc "], false);
        check(&["syn 2.1.0 dd fold", "quote 0.3.1 bb ", "git 1.0.0 cc "], false);
        check(&["syn 2.0.5 aa full", "quote 0.3.1 bb ", "git 1.0.0 ee "], false);
        check(&["syn 2.1.0 dd full", "quote 0.3.1 bb "], false);
        check(&["syn 2.1.0-rc.1 dd full", "quote 0.3.1 bb ", "git 1.0.0 cc "], false);
        let wanted = key(&["syn 2.0.5 aa full"]);
        let old = |_: &str, version: &Version| version.minor == 0;
        assert!(!is_similar(&wanted, &key(&["syn 2.1.0 dd full"]), &old));
        let (near, far) =
            (key(&["syn 2.0.5 aa ", "b 1.1.0 x "]), key(&["syn 2.9.0 y ", "b 1.2.0 z "]));
        let wanted = key(&["syn 2.0.5 aa ", "b 1.0.0 w "]);
        let found = best(&wanted, [far, near.clone()].into_iter(), &all);
        assert_eq!(found, Some(near));
    }
}
