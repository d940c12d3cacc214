//! Features of a macro's dependencies that only other packages of the build enable. Cargo compiles a
//! dependency once, with the features that anybody wants, and the macro may do something else with them:
//! `syn` without `full` parses fewer expressions.

use super::Package;
use semver::{Version, VersionReq};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Packages of which only the features named here change what is compiled without them; the others just
/// add to it. Of packages that are not here, each may. Nearly every build enables others of these, and
/// with them no two projects could share what was packed.
const ADDING: [(&str, &[&str]); 3] = [("proc-macro2", &[]), ("quote", &[]), ("syn", &["full"])];

/// A dependency as the manifest declares it, for normal builds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    name: String,
    /// What it is called in the manifest.
    alias: String,
    version: VersionReq,
    features: Vec<String>,
}

/// What each feature enables.
pub type Features = BTreeMap<String, Vec<String>>;

impl Dependency {
    /// Of what `cargo metadata` shows of a package.
    pub fn all(package: &Value) -> Vec<Dependency> {
        let all = package["dependencies"].as_array().into_iter().flatten();
        all.filter(|dependency| dependency["kind"].is_null()).filter_map(Self::read).collect()
    }

    fn read(value: &Value) -> Option<Dependency> {
        let name = value["name"].as_str()?;
        let mut features = texts(&value["features"]);
        if value["uses_default_features"].as_bool()? {
            features.push("default".into());
        }
        Some(Dependency {
            name: name.to_owned(),
            alias: value["rename"].as_str().unwrap_or(name).to_owned(),
            version: value["req"].as_str()?.parse().ok()?,
            features,
        })
    }

    fn is_met_by(&self, package: &Package) -> bool {
        let version = Version::parse(&package.version);
        // A requirement without a mark does not name one of a version.
        let fits = version.is_ok_and(|version| {
            self.version.matches(&version) || self.version == VersionReq::STAR
        });
        self.name == package.name && fits
    }
}

pub fn features(package: &Value) -> Features {
    let all = package["features"].as_object().into_iter().flatten();
    all.map(|(name, enables)| (name.clone(), texts(enables))).collect()
}

/// Of `found`, the features with which the build compiles a dependency of `package`, those that the
/// package does not ask for itself with its features `own`: `syn/full`. With `is_whole`, also those that only add.
pub fn added(
    package: &Package,
    own: &[String],
    dependency: &Package,
    found: &[String],
    is_whole: bool,
) -> Vec<String> {
    let Some(declared) = package.dependencies.iter().find(|d| d.is_met_by(dependency)) else {
        return Vec::new();
    };
    let by_own = own.iter().filter_map(|name| package.features.get(name)).flatten();
    let by_own = by_own.filter_map(|enabled| {
        let (name, feature) = enabled.split_once('/')?;
        (name.trim_end_matches('?') == declared.alias).then_some(feature)
    });
    let asked =
        closure(declared.features.iter().map(String::as_str).chain(by_own), &dependency.features);
    let counts = |feature: &&String| {
        let known = ADDING.iter().find(|(name, _)| *name == dependency.name);
        is_whole || known.is_none_or(|(_, changing)| changing.contains(&feature.as_str()))
    };
    let others = found.iter().filter(|feature| !asked.contains(feature.as_str()));
    others.filter(counts).map(|feature| format!("{}/{feature}", declared.alias)).collect()
}

/// The features with all that they enable in the same package.
fn closure<'a>(first: impl Iterator<Item = &'a str>, table: &'a Features) -> BTreeSet<&'a str> {
    let mut open: Vec<&str> = first.collect();
    let mut seen = BTreeSet::new();
    while let Some(feature) = open.pop() {
        if seen.insert(feature) {
            open.extend(table.get(feature).into_iter().flatten().map(String::as_str));
        }
    }
    seen
}

fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn package(name: &str, version: &str, features: Value, dependencies: Value) -> Package {
        let value = json!({
            "name": name, "version": version, "source": null, "targets": [{"kind": ["proc-macro"]}],
            "manifest_path": format!("/{name}/Cargo.toml"),
            "features": features, "dependencies": dependencies,
        });
        Package::read(&value, &[], &Default::default()).unwrap()
    }

    fn texts(list: &[&str]) -> Vec<String> {
        list.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn what_others_enable() {
        let dependency = |name: &str, rename: Option<&str>, req: &str, features: &[&str]| {
            json!({"name": name, "rename": rename, "req": req, "features": features,
                "uses_default_features": name == "words", "kind": null})
        };
        let of_tests = json!({"name": "late", "req": "*", "kind": "dev",
            "features": [], "uses_default_features": true});
        let macros = package(
            "macros",
            "1.0.0",
            json!({"big": ["words/loud", "dep:syn"], "small": ["old?/visit"]}),
            json!([
                dependency("words", None, "^1.2", &["plain"]),
                dependency("syn", Some("old"), "^1", &[]),
                dependency("syn", None, "^2", &["parsing"]),
                of_tests
            ]),
        );
        let own = texts(&["big", "small"]);
        let words = json!({"default": ["std"], "std": [], "plain": ["calm"], "calm": [], "loud": [],
            "rhyme": []});
        let words = package("words", "1.9.0", words, json!([]));
        let found = texts(&["calm", "default", "loud", "plain", "rhyme", "std"]);
        assert_eq!(added(&macros, &own, &words, &found, false), ["words/rhyme"]);
        assert_eq!(added(&macros, &[], &words, &found, false), ["words/loud", "words/rhyme"]);
        // Of syn the others only add; its two versions have names of their own.
        let found = texts(&["extra-traits", "full", "parsing", "visit"]);
        for (version, expected) in [("1.0.109", "old/full"), ("2.0.1", "syn/full")] {
            let syn = package("syn", version, json!({}), json!([]));
            assert_eq!(added(&macros, &own, &syn, &found, false), [expected]);
            assert_eq!(added(&macros, &own, &syn, &found, true).len(), 3);
        }
        let late = package("late", "1.0.0", json!({}), json!([]));
        assert!(added(&macros, &own, &late, &texts(&["more"]), false).is_empty());
    }
}
