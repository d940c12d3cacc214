//! Reads what `cargo tree` prints. Pure.

use super::{Package, PackageIdx};
use crate::error::{Class, Error, Result};
use std::collections::{BTreeMap, BTreeSet};

/// The package, then its features.
pub const FORMAT: &str = "{p}|{f}";

/// A package as it is built with one set of features.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub package: PackageIdx,
    pub features: Vec<String>,
    pub children: BTreeSet<usize>,
    /// The build was asked for it.
    pub is_root: bool,
}

/// The nodes of a tree with its depths as prefixes. A subtree that is left out as a repetition is
/// that of the node with the same text.
pub fn read(text: &str, packages: &[Package]) -> Result<Vec<Node>> {
    let mut nodes: Vec<Node> = Vec::new();
    let mut known: BTreeMap<&str, usize> = BTreeMap::new();
    let mut path: Vec<usize> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let unknown = || Error::new(Class::Other, format!("cargo tree wrote `{line}`"));
        let digits = line.find(|c: char| !c.is_ascii_digit()).ok_or_else(unknown)?;
        let depth: usize = line[..digits].parse().map_err(|_| unknown())?;
        let node = line[digits..].strip_suffix(" (*)").unwrap_or(&line[digits..]);
        let at = match known.get(node) {
            Some(at) => *at,
            None => {
                let (package, features) = node.rsplit_once('|').ok_or_else(unknown)?;
                let package = find(package, packages).ok_or_else(unknown)?;
                let features = features.split(',').filter(|name| !name.is_empty());
                let features = features.map(str::to_owned).collect();
                nodes.push(Node { package, features, children: BTreeSet::new(), is_root: false });
                known.insert(node, nodes.len() - 1);
                nodes.len() - 1
            }
        };
        if depth > path.len() {
            return Err(unknown());
        }
        path.truncate(depth);
        match path.last() {
            Some(parent) => drop(nodes[*parent].children.insert(at)),
            None => nodes[at].is_root = true,
        }
        path.push(at);
    }
    Ok(nodes)
}

/// The package that `name v1.2.3 (proc-macro) (where it is from)` means: that name and version, and of several
/// the one which is closest to that place.
fn find(text: &str, packages: &[Package]) -> Option<PackageIdx> {
    let (name, rest) = text.split_once(" v")?;
    let (version, origin) = rest.split_once(' ').unwrap_or((rest, ""));
    let origin = origin.trim_start_matches("(proc-macro)").trim();
    let same = |package: &Package| package.name == name && package.version == version;
    let found = packages.iter().enumerate().filter(|(_, package)| same(package));
    found.min_by_key(|(_, package)| distance(package, origin)).map(|(at, _)| at)
}

/// How many marks of the package's place are missing where it is said to be from.
fn distance(package: &Package, origin: &str) -> usize {
    let missing = |marks: &[&str]| marks.iter().filter(|mark| !origin.contains(*mark)).count();
    match &package.source {
        None => 3 * missing(&[&package.directory.to_string_lossy()]),
        Some(source) if package.is_git() => {
            let (place, revision) = source["git+".len()..].split_once('#').unwrap_or((source, ""));
            let url = place.split('?').next().unwrap_or(place);
            // Cargo shows the first digits. The branch's name may be written in another way.
            let revision = format!("#{}", revision.get(..8).unwrap_or(revision));
            missing(&[url, &revision, &format!("{place}{revision}")])
        }
        Some(_) if origin.contains(['/', '\\']) => 3,
        // Other registries are shown by their names in the configuration.
        Some(source) => usize::from(source.ends_with("/crates.io-index") != origin.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, source: Option<&str>) -> Package {
        Package {
            name: name.into(),
            version: "1.0.0".into(),
            source: source.map(str::to_owned),
            checksum: None,
            directory: format!("/w/{name}").into(),
            is_macro: name.starts_with("mac"),
            is_shim: false,
            is_member: false,
            is_patch: false,
            dependencies: Vec::new(),
            features: Default::default(),
        }
    }

    #[test]
    fn nodes_by_text() {
        let registry = Some("registry+https://registry");
        let packages = [
            package("app", None),
            package("mac", registry),
            package("lib", registry),
            package("mac", Some("git+https://host/mac?rev=1#1")),
        ];
        let text = "0app v1.0.0 (/w/app)|\n1lib v1.0.0|std\n2mac v1.0.0 (proc-macro)|a,b\n\
                    1lib v1.0.0|\n2mac v1.0.0 (proc-macro)|a,b (*)\n\
                    1mac v1.0.0 (proc-macro) (https://host/mac?rev=1#1)|\n\n\
                    0lib v1.0.0|std (*)\n";
        let nodes = read(text, &packages).unwrap();
        let shown: Vec<String> = nodes
            .iter()
            .map(|node| {
                format!("{} {:?} {:?} {}", node.package, node.features, node.children, node.is_root)
            })
            .collect();
        let expected = [
            "0 [] {1, 3, 4} true",
            "2 [\"std\"] {2} true",
            "1 [\"a\", \"b\"] {} false",
            "2 [] {2} false",
            "3 [] {} false",
        ];
        assert_eq!(shown, expected);
        assert!(read("x\n", &packages).is_err());
        assert!(read("1lib v1.0.0|\n", &packages).is_err());
    }

    /// One name and version from several places, each of which has its own packages.
    #[test]
    fn places() {
        let packages = [
            package("mac", Some("git+https://host/mac?branch=a%2Fb#1234567890")),
            package("mac", Some("git+https://host/mac?rev=1234567#1234567890")),
            package("mac", Some("git+https://host/mac#abcdef0123")),
            package("mac", Some("registry+https://other/index")),
            package("mac", Some("registry+https://github.com/rust-lang/crates.io-index")),
            package("mac", None),
        ];
        let shown = [
            "(https://host/mac?branch=a/b#12345678)",
            "(https://host/mac?rev=1234567#12345678)",
            "(https://host/mac#abcdef01)",
            "(registry `other`)",
            "",
            "(/w/mac)",
        ];
        for (at, place) in shown.iter().enumerate() {
            let text = format!("mac v1.0.0 (proc-macro) {place}");
            assert_eq!(find(text.trim_end(), &packages), Some(at), "{text}");
        }
    }
}
