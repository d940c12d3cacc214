//! Reads packages from a `Cargo.lock`.

use crate::base::error::{Class, Context, Result};
use std::collections::BTreeMap;
use toml_edit::DocumentMut;

/// Sources and checksums by name and version. A package without a source is in a directory.
pub type Packages = BTreeMap<(String, String), Vec<(Option<String>, Option<String>)>>;

pub fn packages(lockfile: &str) -> Result<Packages> {
    let document: DocumentMut = lockfile.parse().class(Class::Usage, "cannot read Cargo.lock")?;
    let listed = document.get("package").and_then(|item| item.as_array_of_tables());
    let mut packages = Packages::new();
    for package in listed.into_iter().flat_map(|packages| packages.iter()) {
        let text = |key: &str| package.get(key).and_then(|item| item.as_str()).map(str::to_owned);
        if let (Some(name), Some(version)) = (text("name"), text("version")) {
            packages.entry((name, version)).or_default().push((text("source"), text("checksum")));
        }
    }
    Ok(packages)
}

pub fn checksum(
    packages: &Packages,
    name: &str,
    version: &str,
    source: Option<&str>,
) -> Option<String> {
    let found = packages.get(&(name.to_owned(), version.to_owned()))?;
    found.iter().find(|(known, _)| known.as_deref() == source)?.1.clone()
}

/// The source of a package, as the lock file writes it, for one that a package id names: that of a
/// repository has no revision there.
pub fn source(packages: &Packages, name: &str, version: &str, place: &str) -> Option<String> {
    let found = packages.get(&(name.to_owned(), version.to_owned()))?;
    let is_same = |source: &String| {
        let without_revision = source.split('#').next().unwrap_or(source);
        source == place || without_revision == place || spelt(without_revision) == spelt(place)
    };
    if place.starts_with("path+") {
        return None;
    }
    let sources = || found.iter().filter_map(|(source, _)| source.clone());
    let mut alike = sources().filter(is_same);
    alike.next().or_else(|| sources().next().filter(|_| sources().count() == 1))
}

/// The sparse form of a registry's address and the other are one registry.
fn spelt(source: &str) -> &str {
    let source = source.strip_prefix("registry+").unwrap_or(source);
    source.strip_prefix("sparse+").unwrap_or(source).trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources() {
        let text = "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"registry+https://one\"\n\
            checksum = \"11\"\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n\
            source = \"git+https://two?branch=b#abc\"\n[[package]]\nname = \"b\"\nversion = \"1.0.0\"\n";
        let packages = packages(text).unwrap();
        let check = |name: &str, place: &str, expected: Option<&str>| {
            assert_eq!(source(&packages, name, "1.0.0", place).as_deref(), expected);
        };
        check("a", "registry+https://one", Some("registry+https://one"));
        check("a", "git+https://two?branch=b", Some("git+https://two?branch=b#abc"));
        check("a", "git+https://two", None);
        check("b", "path+file:///w/b", None);
        let of = |source| checksum(&packages, "a", "1.0.0", Some(source));
        assert_eq!(of("registry+https://one").as_deref(), Some("11"));
        assert_eq!(of("git+https://two?branch=b#abc"), None);
    }
}
