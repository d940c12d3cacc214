//! A `Cargo.lock` as a graph: which version each package uses of each of its dependencies.
//!
//! A macro is compiled with the versions of its project, and its artifact tells of no others. So the
//! lock file of one package is cut out of that of a whole project, without asking cargo.

use crate::base::error::{Class, Context, Result};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt::Write;
use toml_edit::DocumentMut;

/// Where packages come from if nothing else is said.
const DEFAULT_REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// The oldest form that is written; older ones are read.
const FORMAT_MIN: i64 = 3;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Id {
    pub name: String,
    pub version: String,
    /// None for a package in a directory.
    pub source: Option<String>,
}

#[derive(Clone, Debug, Default)]
struct Entry {
    checksum: Option<String>,
    dependencies: Vec<Id>,
}

#[derive(Clone, Debug)]
pub struct Lock {
    format: i64,
    entries: BTreeMap<Id, Entry>,
}

impl PartialOrd for Id {
    fn partial_cmp(&self, other: &Id) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Id {
    /// The order of cargo's files.
    fn cmp(&self, other: &Id) -> Ordering {
        let version = |id: &Id| semver::Version::parse(&id.version).ok();
        let by_name = self.name.cmp(&other.name);
        let by_version = || version(self).cmp(&version(other));
        let by_text = || (&self.version, &self.source).cmp(&(&other.version, &other.source));
        by_name.then_with(by_version).then_with(by_text)
    }
}

impl Id {
    /// The address of the package's repository, with what is checked out, but not the revision.
    pub fn git(&self) -> Option<&str> {
        let address = self.source.as_deref()?.strip_prefix("git+")?;
        Some(without_revision(address))
    }

    /// The registry by cargo's name or address: what is written behind `patch.`.
    pub fn registry(&self) -> Option<&str> {
        let source = self.source.as_deref()?;
        match source {
            DEFAULT_REGISTRY => Some("crates-io"),
            _ if source.starts_with("sparse+") => Some(source),
            _ => source.strip_prefix("registry+"),
        }
    }
}

fn without_revision(source: &str) -> &str {
    source.split('#').next().unwrap_or(source)
}

impl Lock {
    pub fn parse(text: &str) -> Result<Lock> {
        let document: DocumentMut = text.parse().class(Class::Usage, "cannot read Cargo.lock")?;
        let format = document.get("version").and_then(|item| item.as_integer()).unwrap_or(1);
        let tables = document.get("package").and_then(|item| item.as_array_of_tables());
        let mut read: Vec<(Id, Option<String>, Vec<String>)> = Vec::new();
        for table in tables.into_iter().flat_map(|tables| tables.iter()) {
            let text = |key: &str| table.get(key).and_then(|item| item.as_str()).map(str::to_owned);
            let (Some(name), Some(version)) = (text("name"), text("version")) else { continue };
            let list = table.get("dependencies").and_then(|item| item.as_array());
            let list = list.into_iter().flatten().filter_map(|item| item.as_str());
            let id = Id { name, version, source: text("source") };
            read.push((id, text("checksum"), list.map(str::to_owned).collect()));
        }
        let ids: Vec<Id> = read.iter().map(|(id, ..)| id.clone()).collect();
        let entry = |(id, checksum, list): (Id, Option<String>, Vec<String>)| {
            // The first form has them in a table of their own.
            let old = || {
                let source = id.source.as_deref().unwrap_or_default();
                let key = format!("checksum {} {} ({source})", id.name, id.version);
                document.get("metadata")?.get(&key)?.as_str().map(str::to_owned)
            };
            let checksum = checksum.or_else(old);
            let dependencies = list.iter().filter_map(|text| named(text, &ids)).collect();
            (id, Entry { checksum, dependencies })
        };
        let entries = read.into_iter().map(entry).collect();
        Ok(Lock { format: format.max(FORMAT_MIN), entries })
    }

    /// The package with this name and version: from this source, else one in a directory, else any.
    pub fn find(&self, name: &str, version: &str, source: Option<&str>) -> Option<&Id> {
        let same = |id: &&Id| id.name == name && id.version == version;
        let is_from = |id: &&Id, source: Option<&str>| {
            id.source.as_deref().map(without_revision) == source.map(without_revision)
        };
        let found = || self.entries.keys().filter(same);
        let exact = found().find(|id| is_from(id, source));
        exact.or_else(|| found().find(|id| is_from(id, None))).or_else(|| found().next())
    }

    pub fn ids(&self) -> impl Iterator<Item = &Id> {
        self.entries.keys()
    }

    pub fn checksum(&self, id: &Id) -> Option<&str> {
        self.entries.get(id)?.checksum.as_deref()
    }

    pub fn dependencies(&self, id: &Id) -> &[Id] {
        self.entries.get(id).map_or(&[], |entry| &entry.dependencies)
    }

    /// The lock file of a package that is staged in a directory and uses these directly.
    pub fn alone(&self, root: &Id, direct: &[Id]) -> Lock {
        let mut entries = BTreeMap::new();
        let mut open: Vec<Id> = direct.to_vec();
        while let Some(id) = open.pop() {
            if entries.contains_key(&id) {
                continue;
            }
            let entry = self.entries.get(&id).cloned().unwrap_or_default();
            open.extend(entry.dependencies.iter().cloned());
            entries.insert(id, entry);
        }
        let mut dependencies = direct.to_vec();
        dependencies.sort_unstable();
        dependencies.dedup();
        entries.insert(Id { source: None, ..root.clone() }, Entry { checksum: None, dependencies });
        Lock { format: self.format, entries }
    }

    /// Adds what the other one has.
    pub fn merge(&mut self, other: &Lock) {
        for (id, entry) in &other.entries {
            self.entries.entry(id.clone()).or_insert_with(|| entry.clone());
        }
    }

    /// Whether both can be one: cargo builds no two versions of a package that are compatible.
    pub fn agrees(&self, other: &Lock) -> bool {
        let mut chosen: BTreeMap<_, &str> = BTreeMap::new();
        self.entries.keys().chain(other.entries.keys()).all(|id| {
            let key = (&id.name, id.source.as_deref().map(without_revision), compatible(id));
            *chosen.entry(key).or_insert(&id.version) == id.version
        })
    }

    /// Packages that a `[patch]` puts in the place of a registry's, with that registry.
    pub fn patches(&self) -> Vec<(&str, &Id)> {
        let mut patches: Vec<(&str, &Id)> = Vec::new();
        for (user, entry) in &self.entries {
            let Some(registry) = user.registry() else { continue };
            for used in entry.dependencies.iter().filter(|used| used.registry().is_none()) {
                if !patches.contains(&(registry, used)) {
                    patches.push((registry, used));
                }
            }
        }
        patches
    }

    /// As cargo writes it.
    pub fn text(&self) -> String {
        let mut out = String::from(
            "# This file is automatically @generated by Cargo.\n\
             # It is not intended for manual editing.\n",
        );
        let _ = writeln!(out, "version = {}", self.format);
        for (id, entry) in &self.entries {
            let _ = write!(out, "\n[[package]]\nname = \"{}\"\n", id.name);
            let _ = writeln!(out, "version = \"{}\"", id.version);
            for (key, value) in [("source", &id.source), ("checksum", &entry.checksum)] {
                if let Some(value) = value {
                    let _ = writeln!(out, "{key} = \"{value}\"");
                }
            }
            if !entry.dependencies.is_empty() {
                let mut names: Vec<String> =
                    entry.dependencies.iter().map(|used| self.short(used)).collect();
                names.sort_unstable();
                out += "dependencies = [\n";
                for name in names {
                    let _ = writeln!(out, " \"{name}\",");
                }
                out += "]\n";
            }
        }
        out
    }

    /// As much of an id as tells it from all others.
    fn short(&self, id: &Id) -> String {
        let mut same = self.entries.keys().filter(|other| other.name == id.name);
        if same.clone().count() <= 1 {
            return id.name.clone();
        }
        let label = format!("{} {}", id.name, id.version);
        let is_alone = same.all(|other| other == id || other.version != id.version);
        match &id.source {
            Some(source) if !is_alone => format!("{label} ({})", without_revision(source)),
            _ => label,
        }
    }
}

/// What versions have in common that may not stand beside each other.
fn compatible(id: &Id) -> Option<(u64, u64, u64)> {
    let version = semver::Version::parse(&id.version).ok()?;
    Some(match (version.major, version.minor) {
        (0, 0) => (0, 0, version.patch),
        (0, minor) => (0, minor, 0),
        (major, _) => (major, 0, 0),
    })
}

/// `NAME`, `NAME VERSION` or `NAME VERSION (SOURCE)`
fn named(text: &str, ids: &[Id]) -> Option<Id> {
    let mut words = text.splitn(3, ' ');
    let (name, version) = (words.next()?, words.next());
    let source = words.next().map(|word| without_revision(word.trim_matches(['(', ')'])));
    let fits = |id: &&Id| {
        id.name == name
            && version.is_none_or(|version| id.version == version)
            && source
                .is_none_or(|source| id.source.as_deref().map(without_revision) == Some(source))
    };
    // Among equal ones without a source that in a directory is meant.
    let found = || ids.iter().filter(fits);
    found().find(|id| source.is_none() && id.source.is_none()).or_else(|| found().next()).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# This file is automatically @generated by Cargo.\n\
        # It is not intended for manual editing.\nversion = 4\n\n\
        [[package]]\nname = \"app\"\nversion = \"0.1.0\"\ndependencies = [\n \"m\",\n \"other\",\n]\n\n\
        [[package]]\nname = \"m\"\nversion = \"1.0.0\"\n\
        source = \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = \"aa\"\n\
        dependencies = [\n \"syn 1.0.10 (git+https://x.y/syn?branch=b)\",\n \"syn 1.0.9\",\n]\n\n\
        [[package]]\nname = \"other\"\nversion = \"1.0.0\"\n\n\
        [[package]]\nname = \"syn\"\nversion = \"1.0.9\"\n\
        source = \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = \"bb\"\n\n\
        [[package]]\nname = \"syn\"\nversion = \"1.0.10\"\n\
        source = \"git+https://x.y/syn?branch=b#0123\"\n\n\
        [[package]]\nname = \"syn\"\nversion = \"1.0.10\"\n\
        source = \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = \"cc\"\n";

    #[test]
    fn what_is_read_is_written() {
        assert_eq!(Lock::parse(TEXT).unwrap().text(), TEXT);
    }

    #[test]
    fn one_package_is_cut_out() {
        let lock = Lock::parse(TEXT).unwrap();
        let root = lock.find("m", "1.0.0", None).unwrap();
        let direct = lock.dependencies(root).to_vec();
        assert_eq!(direct[0].git(), Some("https://x.y/syn?branch=b"));
        let alone = lock.alone(root, &direct).text();
        let expected = "version = 4\n\n\
            [[package]]\nname = \"m\"\nversion = \"1.0.0\"\n\
            dependencies = [\n \"syn 1.0.10\",\n \"syn 1.0.9\",\n]\n\n\
            [[package]]\nname = \"syn\"\nversion = \"1.0.9\"\n\
            source = \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = \"bb\"\n\n\
            [[package]]\nname = \"syn\"\nversion = \"1.0.10\"\n\
            source = \"git+https://x.y/syn?branch=b#0123\"\n";
        assert!(alone.ends_with(expected), "{alone}");
        assert_eq!(lock.patches(), [("crates-io", &direct[0])]);
    }

    #[test]
    fn compatible_versions_do_not_stand_side_by_side() {
        let other = |version: &str| {
            let text = format!("[[package]]\nname = \"other\"\nversion = \"{version}\"\n");
            Lock::parse(&text).unwrap()
        };
        let lock = Lock::parse(&TEXT.replace("\"1.0.9\"", "\"0.9.9\"").replace("1.0.9", "0.9.9"));
        let lock = lock.unwrap();
        assert!(lock.agrees(&other("1.0.0")) && lock.agrees(&other("2.0.0")));
        assert!(!lock.agrees(&other("1.0.1")));
    }
}
