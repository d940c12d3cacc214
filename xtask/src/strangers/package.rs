//! What cargo knows of a drawn package: its version, files, features, and what its tests need.

use super::Name;
use crate::run::{capture, cargo, read, scratch, write, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use toml_edit::{DocumentMut, Item, Table};

/// Development dependencies that start compilers or measure time: no consumer of ours needs them.
const LEFT_OUT: [&str; 9] = [
    "trybuild",
    "trybuild2",
    "macrotest",
    "compiletest_rs",
    "ui_test",
    "criterion",
    "divan",
    "iai-callgrind",
    "codspeed-criterion-compat",
];

/// Versions that the active compiler can build.
pub const RESOLVER: (&str, &str) = ("CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS", "fallback");

pub struct Package {
    pub name: String,
    pub version: String,
    pub edition: String,
    /// Those that the consumer enables, directly and through the facade.
    pub features: Vec<String>,
    /// The name by which code uses the facade.
    pub facade: Option<String>,
    /// Where cargo keeps the package's files, then the facade's.
    pub published: Vec<PathBuf>,
    /// The consumer's `[dependencies]`, without and with what tests need.
    pub dependencies: [String; 2],
}

impl Package {
    /// The package as its consumers have it, or with all of its features: some have no macro without.
    pub fn find(name: &Name, has_all: bool) -> Result<Package> {
        let folder = scratch("strangers").join("asked");
        let with_facade = name.facade.as_deref().filter(|facade| *facade != name.package);
        let mut known = ask(&folder, &format!("{:?} = \"*\"\n", name.package))?;
        let mut facade = None;
        if let Some(other) = with_facade {
            // The version that the facade wants, which may not be the newest.
            let alone = ask(&folder, &format!("{other:?} = \"*\"\n"));
            let wanted = alone.ok().and_then(|value| requirement(&value, other, &name.package));
            if let Some(wanted) = wanted {
                let both = format!("{:?} = {wanted:?}\n{other:?} = \"*\"\n", name.package);
                known = ask(&folder, &both)?;
                facade = Some(other);
            }
        }
        let macros = newest(&known, &name.package).ok_or("cargo does not have it")?;
        if !is_macro(macros) {
            return Err("it is no macro package".into());
        }
        let facade = facade.and_then(|facade| newest(&known, facade));
        let facade_name = facade.and_then(|facade| facade["name"].as_str());
        let all =
            macros["features"].as_object().into_iter().flatten().map(|(name, _)| name.as_str());
        let enabled: Vec<&str> = all.filter(|_| has_all).collect();
        let own = format!("{{ version = {:?}, features = {enabled:?} }}", exact(macros));
        let mut own = format!("{:?} = {own}\n", name.package);
        if let Some(facade) = facade {
            let features = features_for(facade, &name.package);
            let text = format!("{{ version = {:?}, features = {features:?} }}", exact(facade));
            writeln!(own, "{} = {text}", facade["name"]).expect("a string takes all");
        }
        let mut more = own.clone();
        for package in [Some(macros), facade].into_iter().flatten() {
            add_dependencies(&mut more, &of(package).join("Cargo.toml"))?;
        }
        // Features are those of the graph in which the consumer is built.
        let known = ask(&folder, &own)?;
        let text = |key: &str| macros[key].as_str().unwrap_or_default().to_owned();
        let found = [Some(macros), facade].into_iter().flatten();
        Ok(Package {
            name: name.package.clone(),
            version: text("version"),
            edition: text("edition"),
            features: features(&known, &name.package, &text("version")),
            facade: facade_name.map(|name| name.replace('-', "_")),
            published: found.map(of).collect(),
            dependencies: [own, more],
        })
    }
}

/// Cargo's metadata of a package with these dependencies.
fn ask(folder: &Path, dependencies: &str) -> Result<Value> {
    write(&folder.join("lib.rs"), "")?;
    let _ = std::fs::remove_file(folder.join("Cargo.lock"));
    write(
        &folder.join("Cargo.toml"),
        &(manifest("asked", "2021", dependencies) + "\n[lib]\npath = \"lib.rs\"\n"),
    )?;
    let mut metadata = cargo();
    metadata.current_dir(folder).args(["metadata", "--format-version", "1"]);
    let output = capture(metadata.env(RESOLVER.0, RESOLVER.1))?;
    serde_json::from_slice(&output.stdout).map_err(|e| e.to_string())
}

/// A package outside of this repository's workspace.
pub fn manifest(name: &str, edition: &str, dependencies: &str) -> String {
    format!(
        "[workspace]\n\n[package]\nname = {name:?}\nversion = \"1.2.3\"\nedition = {edition:?}\n\
         description = \"A consumer\"\npublish = false\nautolib = false\nautobins = false\n\
         autotests = false\nautoexamples = false\nautobenches = false\n\n[profile.dev]\ndebug = false\n\
         incremental = false\n\n[dependencies]\n{dependencies}"
    )
}

fn newest<'a>(known: &'a Value, name: &str) -> Option<&'a Value> {
    let packages = known["packages"].as_array()?.iter().filter(|found| found["name"] == name);
    packages.max_by_key(|found| {
        let version = found["version"].as_str().unwrap_or_default();
        let parts = version.split(['.', '-', '+']).map(|part| part.parse().unwrap_or(0));
        parts.collect::<Vec<u64>>()
    })
}

/// What the newest facade says of the macro package's version; none if it has no use for it.
fn requirement(known: &Value, facade: &str, macros: &str) -> Option<String> {
    let dependencies = newest(known, facade)?["dependencies"].as_array()?;
    let entry = dependencies.iter().find(|entry| entry["name"] == macros)?;
    entry["req"].as_str().map(str::to_owned)
}

fn is_macro(package: &Value) -> bool {
    let targets = package["targets"].as_array().into_iter().flatten();
    targets.into_iter().any(|target| target["kind"][0] == "proc-macro")
}

fn of(package: &Value) -> PathBuf {
    let manifest = Path::new(package["manifest_path"].as_str().unwrap_or_default());
    manifest.parent().map(Path::to_path_buf).unwrap_or_default()
}

fn exact(package: &Value) -> String {
    format!("={}", package["version"].as_str().unwrap_or_default())
}

/// The features of a facade by which it depends on the macros.
fn features_for(facade: &Value, macros: &str) -> Vec<String> {
    // Where there is one for everything, nothing may be there without.
    if facade["features"]["full"].is_array() {
        return vec!["full".into()];
    }
    let dependencies = facade["dependencies"].as_array().into_iter().flatten();
    let entry = dependencies.into_iter().find(|entry| entry["name"] == macros);
    let Some(entry) = entry.filter(|entry| entry["optional"] == true) else { return Vec::new() };
    let name = entry["rename"].as_str().unwrap_or(macros);
    let enables = |value: &Value| {
        let text = value.as_str().unwrap_or_default();
        text == name || text == format!("dep:{name}") || text.starts_with(&format!("{name}/"))
    };
    let features = facade["features"].as_object().into_iter().flatten();
    let enabling =
        features.filter(|(_, list)| list.as_array().is_some_and(|list| list.iter().any(enables)));
    // The plainest name is the one that documentation uses.
    enabling.map(|(feature, _)| feature.clone()).min_by_key(String::len).into_iter().collect()
}

/// The package's features, and those of `syn` which change what it may parse.
fn features(known: &Value, name: &str, version: &str) -> Vec<String> {
    let nodes = known["resolve"]["nodes"].as_array().into_iter().flatten();
    let nodes: BTreeMap<&str, &Value> =
        nodes.filter_map(|node| Some((node["id"].as_str()?, node))).collect();
    let packages = known["packages"].as_array().into_iter().flatten();
    let id = packages
        .filter(|package| package["name"] == name && package["version"] == version)
        .find_map(|package| package["id"].as_str());
    let Some(node) = id.and_then(|id| nodes.get(id)) else { return Vec::new() };
    let texts = |value: &Value| -> Vec<String> {
        let list = value.as_array().into_iter().flatten();
        list.filter_map(|text| Some(text.as_str()?.to_owned())).collect()
    };
    let mut features = texts(&node["features"]);
    let dependencies = node["deps"].as_array().into_iter().flatten();
    for syn in dependencies.filter(|dependency| dependency["name"] == "syn") {
        let node = syn["pkg"].as_str().and_then(|id| nodes.get(id));
        if node.is_some_and(|node| texts(&node["features"]).contains(&"full".to_owned())) {
            features.push("syn/full".into());
        }
    }
    features
}

/// What the published package's tests, examples and documentation may use.
fn add_dependencies(to: &mut String, manifest: &Path) -> Result {
    let theirs: DocumentMut =
        read(manifest)?.parse().map_err(|e: toml_edit::TomlError| e.to_string())?;
    for table in ["dependencies", "dev-dependencies"] {
        let entries = theirs.get(table).and_then(Item::as_table);
        for (name, item) in entries.into_iter().flat_map(Table::iter) {
            let is_known = |line: &str| {
                line.split(" = ").next().is_some_and(|key| key.trim_matches('"') == name)
            };
            let is_optional = item.get("optional").and_then(Item::as_bool).unwrap_or_default();
            if to.lines().any(is_known) || is_optional || LEFT_OUT.contains(&name) {
                continue;
            }
            if let Ok(value) = item.clone().into_value() {
                writeln!(to, "{name:?} = {}", value.to_string().trim())
                    .expect("a string takes all");
            }
        }
    }
    Ok(())
}
