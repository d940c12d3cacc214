//! The macros as a package of their own, which cargo can build and `pack` can pack: the package's name,
//! version and features, the macros' dependencies.
//!
//! It stands in the target directory, or in a temporary one, and nobody depends on it.

use super::target::{Target, PACKED};
use crate::base::error::{Class, Context, Error, Result};
use crate::base::files::{self, Tree};
use crate::pack::source::inherit;
use std::collections::BTreeSet;
use std::path::Path;
use toml_edit::{value, Array, DocumentMut, Item, Table, TableLike};

/// Keys of `[package]` that the macros hear of, or that go with them.
const KEPT: [&str; 10] = [
    "name",
    "version",
    "edition",
    "authors",
    "description",
    "homepage",
    "license",
    "repository",
    "rust-version",
    "metadata",
];

/// Feature sets are packed one by one up to this many features that the macros ask for.
const CHOSEN_FEATURES_MAX: usize = 3;

/// The manifest under this name, with the source's root at this path; with what unit tests and examples need,
/// or without.
pub fn manifest(target: &Target, name: &str, root: &str, has_tests: bool) -> Result<String> {
    let mut document = package(target, root)?;
    document["package"]["name"] = value(name);
    if has_tests {
        document.insert("dependencies", Item::Table(dev_dependencies(target)?));
    }
    let text = inherit::buildable_of(document, &target.directory)?;
    let mut document: DocumentMut = text.parse().context("cannot read what was written")?;
    // Dependencies were inherited as those of a build script, and those for tests as if they were not.
    rename(document.as_table_mut(), "dependencies", "dev-dependencies");
    rename(document.as_table_mut(), "build-dependencies", "dependencies");
    if let Some(targets) = document.get_mut("target").and_then(Item::as_table_like_mut) {
        for (_, platform) in targets.iter_mut() {
            if let Some(platform) = platform.as_table_like_mut() {
                rename(platform, "build-dependencies", "dependencies");
            }
        }
    }
    document.insert("workspace", Item::Table(Table::new()));
    Ok(document.to_string())
}

fn package(target: &Target, root: &str) -> Result<DocumentMut> {
    let theirs = target.manifest.get("package").and_then(Item::as_table_like);
    let theirs = theirs.ok_or_else(|| Error::new(Class::Usage, "[package] is no table"))?;
    let mut package = Table::new();
    for key in KEPT {
        if let Some(item) = theirs.get(key) {
            package.insert(key, item.clone());
        }
    }
    package.insert("publish", value(false));
    package.insert("build", value(false));
    for key in ["autobins", "autoexamples", "autotests", "autobenches"] {
        package.insert(key, value(false));
    }
    let metadata = package.get_mut("metadata").and_then(Item::as_table_like_mut);
    if let Some(table) = metadata.and_then(|table| table.get_mut("precast")?.as_table_like_mut()) {
        table.remove("proc-macro");
    }
    let mut lib = Table::new();
    lib.insert("name", value(&target.name));
    lib.insert("path", value(root));
    lib.insert("proc-macro", value(true));
    // Examples have a package of their own.
    for (key, flag) in [("test", target.test), ("doctest", false), ("bench", target.bench)] {
        lib.insert(key, value(flag));
    }
    let mut document = DocumentMut::new();
    document.insert("package", Item::Table(package));
    document.insert("lib", Item::Table(lib));
    dependencies(target, &mut document);
    document.insert("features", Item::Table(features(target)?));
    Ok(document)
}

fn dependencies(target: &Target, document: &mut DocumentMut) {
    if let Some(own) = &target.dependencies {
        document.insert("build-dependencies", Item::Table(own.clone()));
        return;
    }
    if let Some(item) = build_dependencies(target.manifest.as_table()) {
        document.insert("build-dependencies", item.clone());
    }
    let mut platforms = Table::new();
    platforms.set_implicit(true);
    let theirs = target.manifest.get("target").and_then(Item::as_table_like);
    for (platform, tables) in theirs.into_iter().flat_map(|table| table.iter()) {
        if let Some(item) = tables.as_table_like().and_then(build_dependencies) {
            let mut table = Table::new();
            table.set_implicit(true);
            table.insert("build-dependencies", item.clone());
            platforms.insert(platform, Item::Table(table));
        }
    }
    if !platforms.is_empty() {
        document.insert("target", Item::Table(platforms));
    }
}

/// The package's dependencies for tests, as far as the macros' source names them: cargo resolves them in every
/// build.
fn dev_dependencies(target: &Target) -> Result<Table> {
    let source = source(target)?;
    let texts: Vec<_> = source.values().map(|body| String::from_utf8_lossy(body)).collect();
    let is_named = |name: &str| {
        let name = name.replace('-', "_");
        let start = |text: &str, at: usize| {
            !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
        };
        let behind = |rest: &str| rest.starts_with("::") || rest.starts_with([';', ' ', '!']);
        texts.iter().any(|text| {
            let mut found = text.match_indices(name.as_str());
            found.any(|(at, _)| start(text, at) && behind(&text[at + name.len()..]))
        })
    };
    let mut found = Table::new();
    let tables = target.manifest.get("dev-dependencies").and_then(Item::as_table_like);
    for (name, item) in tables.into_iter().flat_map(|table| table.iter()) {
        let package = item.get("package").and_then(Item::as_str).unwrap_or(name);
        // The package itself is built after its macros.
        if package != target.package && is_named(name) {
            found.insert(name, item.clone());
        }
    }
    Ok(found)
}

fn build_dependencies(table: &dyn TableLike) -> Option<&Item> {
    table.get("build-dependencies").or_else(|| table.get("build_dependencies"))
}

fn rename(table: &mut dyn TableLike, from: &str, to: &str) {
    if let Some(item) = table.remove(from) {
        table.insert(to, item);
    }
}

/// Names of the macros' dependencies, and whether each is optional.
fn dependency_names(target: &Target) -> Vec<(String, bool)> {
    let mut tables: Vec<&Item> = Vec::new();
    if target.dependencies.is_none() {
        tables.extend(build_dependencies(target.manifest.as_table()));
        let platforms = target.manifest.get("target").and_then(Item::as_table_like);
        let platforms = platforms.into_iter().flat_map(|table| table.iter());
        tables.extend(platforms.filter_map(|(_, item)| build_dependencies(item.as_table_like()?)));
    }
    let named = |(name, item): (&str, &Item)| {
        let optional = item.get("optional").and_then(Item::as_bool) == Some(true);
        (name.to_owned(), optional)
    };
    let own = target.dependencies.iter().flat_map(|table| table.iter().map(named));
    let tables = tables.into_iter().filter_map(Item::as_table_like);
    own.chain(tables.flat_map(|table| table.iter()).map(named)).collect()
}

/// `[features]`: those that the macros ask for, or that change what they are compiled with.
fn features(target: &Target) -> Result<Table> {
    let relevant = relevant(target)?;
    let dependencies = dependency_names(target);
    let is_dependency = |name: &str| dependencies.iter().any(|(known, _)| known == name);
    let keeps = |text: &str| match text.strip_prefix("dep:") {
        Some(name) => is_dependency(name),
        None => match text.split_once('/') {
            Some((name, _)) => is_dependency(name.trim_end_matches('?')),
            None => relevant.contains(text),
        },
    };
    let mut kept = Table::new();
    for (name, item) in declared(target) {
        if !relevant.contains(&name) {
            continue;
        }
        let enables = item.as_array().into_iter().flatten().filter_map(|item| item.as_str());
        kept.insert(&name, value(enables.filter(|text| keeps(text)).collect::<Array>()));
    }
    Ok(kept)
}

fn declared(target: &Target) -> Vec<(String, Item)> {
    let table = target.manifest.get("features").and_then(Item::as_table_like);
    let features = table.into_iter().flat_map(|table| table.iter());
    features.map(|(name, item)| (name.to_owned(), item.clone())).collect()
}

/// Features that make a difference to the macros.
pub fn relevant(target: &Target) -> Result<BTreeSet<String>> {
    let dependencies = dependency_names(target);
    let declared = declared(target);
    let mut found = BTreeSet::new();
    let mut hidden = BTreeSet::new();
    for (name, item) in &declared {
        let enables = item.as_array().into_iter().flatten().filter_map(|item| item.as_str());
        for text in enables {
            let of = text.strip_prefix("dep:").or_else(|| Some(text.split_once('/')?.0));
            let of = of.map(|of| of.trim_end_matches('?'));
            if dependencies.iter().any(|(known, _)| Some(known.as_str()) == of) {
                found.insert(name.clone());
            }
            hidden.extend(text.strip_prefix("dep:"));
        }
    }
    // Optional dependencies are features themselves.
    let implicit = dependencies
        .iter()
        .filter(|(name, is_optional)| *is_optional && !hidden.contains(name.as_str()));
    found.extend(implicit.map(|(name, _)| name.clone()));
    for (path, body) in source(target)? {
        if path.ends_with(".rs") {
            let text = String::from_utf8_lossy(&body);
            let names = asked(&text);
            found.extend(
                declared.iter().filter(|(n, _)| names.contains(n.as_str())).map(|f| f.0.clone()),
            );
        }
    }
    found.remove("default");
    Ok(found)
}

/// What stands behind `feature =` in a text of Rust.
fn asked(text: &str) -> BTreeSet<&str> {
    let name = |rest: &'_ str| -> Option<(usize, usize)> {
        let trimmed = rest.trim_start().strip_prefix('=')?.trim_start().strip_prefix('"')?;
        let start = rest.len() - trimmed.len();
        Some((start, start + trimmed.find('"')?))
    };
    let found = text.match_indices("feature").filter_map(|(at, word)| {
        let rest = &text[at + word.len()..];
        name(rest).map(|(start, end)| &rest[start..end])
    });
    found.collect()
}

/// The feature sets to pack: the author's, or all that can differ, or the smallest, the usual and the largest.
pub fn feature_sets(target: &Target) -> Result<Vec<Vec<String>>> {
    let relevant = relevant(target)?;
    let required = &target.required_features;
    let full = |chosen: BTreeSet<String>| -> Vec<String> {
        let all = enabled(target, required.iter().cloned().chain(chosen));
        all.into_iter().filter(|name| relevant.contains(name)).collect()
    };
    let mut sets: Vec<Vec<String>> = Vec::new();
    if let Some(own) = &target.feature_sets {
        let unknown =
            own.iter().flatten().find(|name| !declared(target).iter().any(|f| f.0 == **name));
        if let Some(name) = unknown {
            let message = format!("the package has no feature `{name}`, which a feature set names");
            return Err(Error::new(Class::Usage, message));
        }
        let known =
            |set: &Vec<String>| set.iter().filter(|n| relevant.contains(*n)).cloned().collect();
        sets.extend(own.iter().map(|set| full(known(set))));
    } else {
        let free: Vec<&String> = relevant.iter().filter(|name| !required.contains(name)).collect();
        if free.len() <= CHOSEN_FEATURES_MAX {
            let subset = |bits: usize| {
                let chosen = free.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
                chosen.map(|(_, name)| (*name).clone()).collect()
            };
            sets.extend((0..1 << free.len()).map(|bits| full(subset(bits))));
        } else {
            let usual = enabled(target, std::iter::once("default".to_owned()))
                .into_iter()
                .filter(|name| relevant.contains(name))
                .collect();
            sets.extend([full(BTreeSet::new()), full(usual), full(relevant.clone())]);
        }
    }
    let mut seen = BTreeSet::new();
    sets.retain(|set| seen.insert(set.clone()));
    if sets.is_empty() {
        sets.push(full(BTreeSet::new()));
    }
    Ok(sets)
}

/// Features, with all that they enable.
fn enabled(target: &Target, features: impl Iterator<Item = String>) -> BTreeSet<String> {
    let declared = declared(target);
    let mut found = BTreeSet::new();
    let mut open: Vec<String> = features.collect();
    while let Some(name) = open.pop() {
        let item = declared.iter().find(|(known, _)| *known == name).map(|(_, item)| item);
        if found.insert(name) {
            let enables = item.and_then(Item::as_array).into_iter().flatten();
            open.extend(enables.filter_map(|item| item.as_str().map(str::to_owned)));
        }
    }
    found
}

/// The macros' source, by path relative to the package: all of their folder, but what is generated and what
/// is hidden.
pub fn source(target: &Target) -> Result<Tree> {
    let folder = target.folder();
    let all = files::read(&target.source())?;
    let generated = format!("{PACKED}/");
    let own = all.into_iter().filter(|(path, _)| {
        !path.starts_with(&generated) && !path.split('/').any(|name| name.starts_with('.'))
    });
    Ok(own.map(|(path, body)| (format!("{folder}/{path}"), body)).collect())
}

/// Writes the package to be packed: sources, licences, manifest, and the lock file to start from.
pub fn stage(target: &Target, folder: &Path) -> Result<()> {
    for (path, body) in source(target)?.into_iter().chain(licenses(&target.directory)?) {
        files::put(&folder.join(path), &body)?;
    }
    let manifest = manifest(target, &target.package, &target.path, false)?;
    files::put(&folder.join("Cargo.toml"), manifest.as_bytes())?;
    if let Some(lock) = lockfile(target) {
        files::put(&folder.join("Cargo.lock"), lock.as_bytes())?;
    }
    Ok(())
}

/// The versions to start from: those with which the macros are packed, else the workspace's.
pub fn lockfile(target: &Target) -> Option<String> {
    let packed = target.packed().join("precast/Cargo.lock");
    let above = target.directory.ancestors().map(|folder| folder.join("Cargo.lock"));
    std::iter::once(packed).chain(above).find_map(|file| std::fs::read_to_string(file).ok())
}

fn licenses(directory: &Path) -> Result<Tree> {
    let mut found = Tree::new();
    for entry in std::fs::read_dir(directory).at("read", directory)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let start = name.to_uppercase();
        let is_license =
            ["LICENSE", "LICENCE", "COPYING", "NOTICE"].iter().any(|word| start.starts_with(word));
        if is_license && entry.path().is_file() {
            found.insert(name, std::fs::read(entry.path()).at("read", &entry.path())?);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::asked;

    #[test]
    fn features_in_a_text() {
        let found =
            asked("#[cfg(feature = \"a\")] cfg!(any(feature=\"b-c\", features)) \"feature\"");
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["a", "b-c"]);
    }
}
