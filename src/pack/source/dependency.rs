//! A package as cargo names it in its messages.

use super::lock::Id;
use serde_json::Value;
use std::path::PathBuf;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dependency {
    pub name: String,
    pub version: String,
    pub manifest: PathBuf,
    pub features: Vec<String>,
    /// Where cargo has it from: `registry+https://…`, `git+…`, or `path+file://…`.
    pub source: String,
}

impl Dependency {
    /// From a message about an artifact.
    pub fn of(message: &Value) -> Option<Dependency> {
        let (source, name, version) = package(message)?;
        let manifest = PathBuf::from(message["manifest_path"].as_str()?);
        let features = message["features"].as_array().into_iter().flatten();
        let mut features: Vec<String> =
            features.filter_map(Value::as_str).map(str::to_owned).collect();
        features.sort_unstable();
        Some(Dependency { name, version, manifest, features, source })
    }

    pub fn is(&self, id: &Id) -> bool {
        is_package((&self.source, &self.name, &self.version), id)
    }
}

/// Whether source, name and version as cargo's messages tell them are those of a lock file.
pub fn is_package((source, name, version): (&str, &str, &str), id: &Id) -> bool {
    name == id.name
        && version == id.version
        && match id.source.as_deref() {
            Some(locked) => source == locked.split('#').next().unwrap_or(locked),
            None => source.starts_with("path+"),
        }
}

/// Source, name and version of the package that a message is about: its id is
/// `SOURCE#NAME@VERSION`, or `SOURCE/NAME#VERSION`.
pub(crate) fn package(message: &Value) -> Option<(String, String, String)> {
    let (source, fragment) = message["package_id"].as_str()?.rsplit_once('#')?;
    let last = source.split('?').next().unwrap_or(source).rsplit('/').next().unwrap_or(source);
    let (name, version) = fragment.rsplit_once('@').unwrap_or((last, fragment));
    Some((source.to_owned(), name.to_owned(), version.to_owned()))
}
