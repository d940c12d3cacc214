//! The shim's `Cargo.toml`: the original's, with the dependencies moved to where they are built
//! only on request. Cargo's resolver still sees them, so a consumer's `Cargo.lock` does not change.

use super::names::{MARK, RUSTC_MIN};
use super::original::Original;
use crate::artifact::manifest::{Capabilities, Manifest};
use crate::artifact::Artifact;
use crate::base::error::{Class, Error, Result};
use std::collections::BTreeSet;
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, TableLike, Value};

/// Keys of `[package]` which say the same of the shim as of the original.
const KEPT: [&str; 14] = [
    "name",
    "version",
    "edition",
    "authors",
    "description",
    "homepage",
    "documentation",
    "keywords",
    "categories",
    "license",
    "repository",
    "publish",
    "rust-version",
    "metadata",
];

/// The cfg under which the original is built.
const FROM_SOURCE: &str = "precast_from_source";

pub(super) fn write(
    artifact: &Artifact,
    original: &Original,
    capabilities: &Capabilities,
) -> Result<String> {
    let manifest = &artifact.manifest;
    let (dependencies, dropped) = dependencies(&original.manifest)?;
    let mut out = DocumentMut::new();
    out.insert("package", Item::Table(package(artifact, original, capabilities)?));
    out.insert("lib", Item::Table(library(manifest)));
    if let Some(features) = table(&original.manifest, "features") {
        out.insert("features", Item::Table(without(features, &dropped)));
    }
    for (kind, table) in tables(&original.manifest, &["build-dependencies", "build_dependencies"]) {
        out.insert(kind, Item::Table(resolvable(table)?.0));
    }
    if !dependencies.is_empty() {
        out.insert("target", Item::Table(dependencies));
    }
    let head = format!(
        "{}{} from {} {}.\n# The original manifest is source/Cargo.toml_; `cargo precast verify` \
         compares the rest.\n\n",
        MARK.replace("//", "#"),
        manifest.precast,
        manifest.package.name,
        manifest.package.version,
    );
    Ok(head + &out.to_string())
}

/// Names of the original's dependencies that only a path or a working copy can give. The shim
/// cannot be built from source where there are any.
pub(super) fn unresolvable(original: &Original) -> Result<BTreeSet<String>> {
    Ok(dependencies(&original.manifest)?.1)
}

/// Every feature that cargo knows for the package: declared ones and those of optional dependencies.
pub(super) fn feature_names(original: &Original) -> BTreeSet<String> {
    let features = table(&original.manifest, "features").unwrap_or_default();
    let uses = features.iter().flat_map(|(_, enables)| enables.as_array().into_iter().flatten());
    let explicit: BTreeSet<&str> =
        uses.filter_map(|value| value.as_str()?.strip_prefix("dep:")).collect();
    let all = all_dependencies(&original.manifest);
    let optional = all.iter().flat_map(|(_, table)| table.iter()).filter(|(_, dependency)| {
        dependency.get("optional").and_then(|optional| optional.as_bool()) == Some(true)
    });
    let implicit = optional.map(|(name, _)| name).filter(|name| !explicit.contains(name));
    features.iter().map(|(name, _)| name).chain(implicit).map(String::from).collect()
}

fn package(artifact: &Artifact, original: &Original, capabilities: &Capabilities) -> Result<Table> {
    let missing = || Error::new(Class::Package, "Cargo.toml has no [package]");
    let theirs = table(&original.manifest, "package").ok_or_else(missing)?;
    let mut package = Table::new();
    for key in KEPT {
        let Some(item) = theirs.get(key) else { continue };
        if item.get("workspace").is_some() {
            let message = format!("package.{key} is inherited from a workspace");
            return Err(Error::new(Class::Package, message)
                .help("the source's Cargo.toml must be the normalized one"));
        }
        package.insert(key, plain(item));
    }
    let edition = package.get("edition").and_then(|edition| edition.as_str());
    let rustc_min = if edition == Some("2024") { (1, 85) } else { RUSTC_MIN };
    let theirs_min = package.get("rust-version").and_then(|version| version.as_str());
    if theirs_min.and_then(minor_version).is_none_or(|theirs_min| theirs_min < rustc_min) {
        package.insert("rust-version", value(format!("{}.{}", rustc_min.0, rustc_min.1)));
    }
    for (key, fallbacks) in
        [("readme", &["README.md", "README.txt", "README"][..]), ("license-file", &[])]
    {
        let named = theirs.get(key).and_then(|item| item.as_str());
        let absent = theirs.get(key).is_none_or(|item| item.as_bool() == Some(true));
        let fallback = fallbacks.iter().copied().find(|file| artifact.source.contains_key(*file));
        let file = named.or(fallback.filter(|_| absent)).map(|file| file.trim_start_matches("./"));
        if let Some(file) = file.filter(|file| artifact.source.contains_key(*file)) {
            package.insert(key, value(format!("source/{file}")));
        }
    }
    let include: Array = ["/src", "/precast", "/source"].into_iter().collect();
    package.insert("include", value(include));
    let mut metadata = match package.remove("metadata") {
        Some(Item::Table(table)) => table,
        _ => Table::new(),
    };
    metadata.set_implicit(true);
    metadata.insert("precast", Item::Table(described(&artifact.manifest, capabilities)));
    package.insert("metadata", Item::Table(metadata));
    Ok(package)
}

/// `[package.metadata.precast]`: what `cargo metadata` shows of a shim.
fn described(manifest: &Manifest, capabilities: &Capabilities) -> Table {
    let mut table = Table::new();
    table.insert("version", value(manifest.precast.as_str()));
    table.insert("manifest", value("precast/manifest.json"));
    table.insert("module", value(format!("sha256:{}", manifest.sha256["module.wasm"])));
    table.insert("env", value(capabilities.env.iter().collect::<Array>()));
    table.insert("read", value(capabilities.read.iter().collect::<Array>()));
    if !capabilities.write.is_empty() {
        table.insert("write", value(capabilities.write.iter().collect::<Array>()));
    }
    table
}

/// The library has no tests of its own: the original's need its development dependencies.
fn library(manifest: &Manifest) -> Table {
    let mut library = Table::new();
    library.insert("name", value(manifest.package.crate_name.as_str()));
    library.insert("path", value("src/lib.rs"));
    library.insert("proc-macro", value(true));
    for key in ["test", "doctest", "bench"] {
        library.insert(key, value(false));
    }
    library
}

/// All `[dependencies]` tables with the platform they are for.
fn all_dependencies(manifest: &Table) -> Vec<(Option<String>, Table)> {
    let mut all: Vec<_> =
        tables(manifest, &["dependencies"]).into_iter().map(|(_, table)| (None, table)).collect();
    for (platform, tables_of) in table(manifest, "target").iter().flat_map(|table| table.iter()) {
        let Some(tables_of) = plain_table(tables_of) else { continue };
        if let Some(dependencies) = table(&tables_of, "dependencies") {
            all.push((Some(platform.to_string()), dependencies));
        }
    }
    all
}

/// The `[target.…]` tables of the shim, and the names of the dependencies that had to go.
fn dependencies(manifest: &Table) -> Result<(Table, BTreeSet<String>)> {
    let mut out = Table::new();
    out.set_implicit(true);
    let mut dropped = BTreeSet::new();
    for (platform, table) in all_dependencies(manifest) {
        let (table, names) = resolvable(table)?;
        dropped.extend(names);
        if table.is_empty() {
            continue;
        }
        let key = condition(platform.as_deref());
        let target = out.entry(&key).or_insert_with(|| {
            let mut target = Table::new();
            target.set_implicit(true);
            Item::Table(target)
        });
        let target = target.as_table_mut().expect("inserted as a table");
        let merged = target.entry("dependencies").or_insert_with(|| Item::Table(Table::new()));
        let merged = merged.as_table_mut().expect("inserted as a table");
        table.into_iter().for_each(|(name, item)| {
            merged.insert(&name, item);
        });
    }
    Ok((out, dropped))
}

/// A platform named by its triple cannot be put under a condition; its dependencies are then built
/// from source everywhere.
fn condition(platform: Option<&str>) -> String {
    let inside = platform.and_then(|platform| platform.strip_prefix("cfg(")?.strip_suffix(')'));
    match inside {
        Some(inside) => format!("cfg(all({FROM_SOURCE}, {}))", inside.trim()),
        None => format!("cfg({FROM_SOURCE})"),
    }
}

/// A table of dependencies, without those that have no version to be found by.
fn resolvable(table: Table) -> Result<(Table, BTreeSet<String>)> {
    let mut kept = Table::new();
    let mut dropped = BTreeSet::new();
    for (name, item) in &table {
        let item = plain(item);
        let Some(keys) = item.as_table_like() else {
            kept.insert(name, item);
            continue;
        };
        if keys.contains_key("workspace") {
            let message = format!("the dependency {name} is inherited from a workspace");
            return Err(Error::new(Class::Package, message)
                .help("the source's Cargo.toml must be the normalized one"));
        }
        let is_elsewhere = keys.contains_key("path") || keys.contains_key("git");
        if is_elsewhere && !keys.contains_key("version") {
            dropped.insert(name.to_string());
            continue;
        }
        kept.insert(name, located(keys));
    }
    Ok((kept, dropped))
}

/// A dependency as it is found by its version alone.
fn located(keys: &dyn TableLike) -> Item {
    let mut out = InlineTable::new();
    let local = ["path", "git", "branch", "tag", "rev", "base"];
    for (key, item) in keys.iter().filter(|(key, _)| !local.contains(key)) {
        if let Ok(value) = plain(item).into_value() {
            out.insert(key, value);
        }
    }
    match out.get("version") {
        Some(version) if out.len() == 1 => value(version.clone()),
        _ => value(out),
    }
}

/// The features without what names a dropped dependency.
fn without(features: Table, dropped: &BTreeSet<String>) -> Table {
    let mut out = Table::new();
    for (name, item) in &features {
        let values = item.as_array().into_iter().flatten().filter_map(|value| value.as_str());
        let kept = values.filter(|enables| {
            let dependency = enables.strip_prefix("dep:").unwrap_or(enables);
            let dependency = dependency.split('/').next().unwrap_or(dependency);
            let is_feature = !enables.contains('/') && features.contains_key(enables);
            is_feature || !dropped.contains(dependency.trim_end_matches('?'))
        });
        out.insert(name, value(kept.collect::<Array>()));
    }
    out
}

fn tables(manifest: &Table, names: &[&'static str]) -> Vec<(&'static str, Table)> {
    let found = names.iter().find_map(|name| table(manifest, name));
    found.filter(|table| !table.is_empty()).map(|table| (names[0], table)).into_iter().collect()
}

fn table(manifest: &Table, name: &str) -> Option<Table> {
    plain_table(manifest.get(name)?)
}

fn plain_table(item: &Item) -> Option<Table> {
    match plain(item) {
        Item::Table(table) => Some(table),
        Item::Value(Value::InlineTable(table)) => Some(table.into_table()),
        _ => None,
    }
}

/// An item without the comments, spaces and positions of the file it comes from.
fn plain(item: &Item) -> Item {
    match item {
        Item::Table(table) => {
            let mut out = Table::new();
            out.set_implicit(table.is_implicit());
            table.iter().for_each(|(key, item)| {
                out.insert(key, plain(item));
            });
            Item::Table(out)
        }
        Item::Value(Value::Array(array)) => {
            value(array.iter().map(|value| plain_value(value.clone())).collect::<Array>())
        }
        Item::Value(found) => value(plain_value(found.clone())),
        other => other.clone(),
    }
}

fn plain_value(mut value: Value) -> Value {
    value.decor_mut().clear();
    value
}

fn value(value: impl Into<Value>) -> Item {
    toml_edit::value(value)
}

/// `1.81.0` is (1, 81).
fn minor_version(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next().unwrap_or(Some(0))?))
}
