//! The crates that a crate of a package, or of one of its dependencies, names, as cargo's unit graph has them: sources
//! of libraries, and the packed macros among them.

use super::graph::{self, Graph, Kind, UnitIdx};
use super::request::Request;
use super::variables;
use crate::base::error::{Class, Context, Error, Result};
use crate::base::report::Report;
use crate::cache::{Key, Store};
use crate::expand::whole::{Library, Origin};
use crate::pack::{artifact_recipe, Variables};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Which crate is meant.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'a> {
    /// The target of a package that has this root file.
    Root(&'a Path),
    /// The library of a package that the one in the current directory depends on: `name` or `name@version`.
    Dependency(&'a str),
}

/// What build scripts said, by their packages' names and versions.
pub type Scripts = BTreeMap<(String, String), Script>;

/// What cargo tells the compiler because a build script wanted it.
#[derive(Clone, Debug, Default)]
pub struct Script {
    pub cfgs: Vec<String>,
    pub variables: Vec<(String, String)>,
}

/// Takes over what a message of cargo's tells of a build script, if it does.
pub fn note(message: &Value, scripts: &mut Scripts) {
    if message["reason"] != "build-script-executed" {
        return;
    }
    let Some((name, version, _)) = message["package_id"].as_str().and_then(graph::parse) else {
        return;
    };
    let texts = |value: &Value| -> Vec<String> {
        let texts = value.as_array().into_iter().flatten();
        texts.filter_map(|text| text.as_str().map(str::to_owned)).collect()
    };
    let mut script = Script { cfgs: texts(&message["cfgs"]), variables: Vec::new() };
    for pair in message["env"].as_array().into_iter().flatten() {
        if let [name, value] = &texts(pair)[..] {
            script.variables.push((name.clone(), value.clone()));
        }
    }
    if let Some(folder) = message["out_dir"].as_str() {
        script.variables.push(("OUT_DIR".into(), folder.to_owned()));
    }
    scripts.insert((name.to_owned(), version.to_owned()), script);
}

/// What cargo knows of a crate that is to be expanded.
#[derive(Debug)]
pub struct Package {
    /// The crate's root file.
    pub root: PathBuf,
    /// For the compiler: what its build script said.
    pub cfgs: Vec<String>,
    pub edition: String,
    pub features: BTreeSet<String>,
    pub libraries: Vec<Library>,
    pub externs: BTreeMap<String, usize>,
    /// What cargo tells the compiler of the package.
    pub variables: BTreeMap<String, OsString>,
}

/// The directory in which cargo is to be asked.
pub fn directory(wanted: Wanted<'_>) -> Result<PathBuf> {
    let Wanted::Root(root) = wanted else {
        return std::env::current_dir().context("there is no current directory");
    };
    let root = root.canonicalize().at("find", root)?;
    let directory = root.ancestors().skip(1).find(|folder| folder.join("Cargo.toml").is_file());
    directory.map(Path::to_owned).ok_or_else(|| {
        let error = Error::new(Class::Usage, format!("{} is in no package", root.display()));
        error.help("name the crates that it uses: --extern NAME=PATH")
    })
}

/// The crate that is wanted, and all crates below it, as cargo chooses them by the arguments `asked`. `scripts` is asked
/// what build scripts have said, if there are any.
pub fn of(
    wanted: Wanted<'_>,
    asked: &[OsString],
    store: &Store,
    report: &dyn Report,
    scripts: &dyn Fn(&Path) -> Result<Scripts>,
) -> Result<Package> {
    let directory = directory(wanted)?;
    report.step("asking cargo");
    let request = Request::of("check", asked, &directory);
    let graph = Graph::load(&request, store.cache())?;
    let own = unit(&graph, wanted)?;
    let scripts = match graph.units.iter().any(|unit| unit.kind == Kind::Script) {
        true => scripts(&directory)?,
        false => Scripts::new(),
    };
    let mut reader = Reader {
        graph: &graph,
        scripts: &scripts,
        store,
        known: BTreeMap::new(),
        libraries: Vec::new(),
        missing: BTreeSet::new(),
    };
    let externs = reader.externs(own)?;
    if !reader.missing.is_empty() {
        let missing: Vec<String> = reader.missing.iter().cloned().collect();
        let error = Error::new(Class::Package, format!("not packed yet: {}", missing.join(", ")));
        return Err(error.help("`cargo precast check --missing pack` packs them"));
    }
    let unit = &graph.units[own];
    let script = reader.script(own).cloned().unwrap_or_default();
    let mut variables = variables(&graph, own, &request)?;
    variables.extend(script.variables.into_iter().map(|(name, value)| (name, value.into())));
    Ok(Package {
        root: unit.root.clone(),
        cfgs: script.cfgs,
        edition: unit.edition.clone(),
        features: unit.features.clone(),
        variables,
        libraries: reader.libraries,
        externs,
    })
}

/// The unit of the crate that is wanted.
fn unit(graph: &Graph, wanted: Wanted<'_>) -> Result<UnitIdx> {
    match wanted {
        Wanted::Root(root) => {
            let root = root.canonicalize().at("find", root)?;
            let is_it = |at: &UnitIdx| {
                graph.units[*at].kind != Kind::Script && graph.units[*at].root == root
            };
            graph.roots.iter().copied().find(is_it).ok_or_else(|| {
                let message = format!(
                    "{} is the root of no library or program of its package",
                    root.display()
                );
                let error = Error::new(Class::Usage, message);
                error.help("name the crates that it uses: --extern NAME=PATH")
            })
        }
        Wanted::Dependency(spec) => {
            let (name, version) = match spec.split_once('@') {
                Some((name, version)) => (name, Some(version)),
                None => (spec, None),
            };
            let is_it = |at: &UnitIdx| {
                let unit = &graph.units[*at];
                let package = &graph.packages[unit.package];
                unit.kind == Kind::Library
                    && package.name == name
                    && version.is_none_or(|version| package.version == version)
            };
            // What runs in the result comes before what only build scripts use.
            let mut found: Vec<UnitIdx> = (0..graph.units.len()).filter(is_it).collect();
            found.sort_by_key(|at| graph.units[*at].is_for_host);
            let first = found.first().copied().ok_or_else(|| {
                Error::new(Class::Usage, format!("no library of a package `{spec}` is built here"))
            })?;
            let package = |at: &UnitIdx| graph.units[*at].package;
            match found.iter().all(|at| package(at) == package(&first)) {
                true => Ok(first),
                false => {
                    let all = found.iter().map(|at| graph.packages[package(at)].label());
                    let message =
                        format!("`{spec}` may be {}", all.collect::<Vec<_>>().join(" or "));
                    Err(Error::new(Class::Usage, message).help("write NAME@VERSION"))
                }
            }
        }
    }
}

struct Reader<'a> {
    graph: &'a Graph,
    scripts: &'a Scripts,
    store: &'a Store,
    known: BTreeMap<UnitIdx, usize>,
    libraries: Vec<Library>,
    missing: BTreeSet<String>,
}

impl Reader<'_> {
    /// The crates that a unit names.
    fn externs(&mut self, at: UnitIdx) -> Result<BTreeMap<String, usize>> {
        let mut externs = BTreeMap::new();
        for (name, dependency) in self.graph.units[at].externs.clone() {
            if let Some(library) = self.library(&name, dependency)? {
                externs.insert(name, library);
            }
        }
        Ok(externs)
    }

    fn library(&mut self, name: &str, at: UnitIdx) -> Result<Option<usize>> {
        if let Some(known) = self.known.get(&at) {
            return Ok(Some(*known));
        }
        let unit = &self.graph.units[at];
        let content = match unit.kind {
            Kind::Library => Origin::Source(unit.root.clone()),
            Kind::Macro => match self.packed(at)? {
                Some(origin) => origin,
                None => {
                    self.missing.insert(self.graph.packages[unit.package].label());
                    return Ok(None);
                }
            },
            Kind::Script | Kind::Other => return Ok(None),
        };
        let is_source = matches!(content, Origin::Source(_));
        self.libraries.push(Library {
            name: name.to_owned(),
            content,
            edition: unit.edition.clone(),
            features: unit.features.clone(),
            cfgs: self.script(at).map_or(Vec::new(), |script| script.cfgs.clone()),
            externs: BTreeMap::new(),
        });
        let index = self.libraries.len() - 1;
        self.known.insert(at, index);
        if is_source {
            self.libraries[index].externs = self.externs(at)?;
        }
        Ok(Some(index))
    }

    fn script(&self, at: UnitIdx) -> Option<&Script> {
        let package = &self.graph.packages[self.graph.units[at].package];
        self.scripts.get(&(package.name.clone(), package.version.clone()))
    }

    /// A macro package, if it was packed or cannot be.
    fn packed(&self, at: UnitIdx) -> Result<Option<Origin>> {
        let package = &self.graph.packages[self.graph.units[at].package];
        if package.is_shim {
            return Ok(Some(Origin::Packed(package.directory.clone())));
        }
        let variables = Variables::of(&self.graph.root);
        let key = Key::of(&self.graph.wanted(at))?;
        // It matters only where its macros are used.
        let reason = self.store.refusal(&key.attempt(artifact_recipe()));
        let unpacked = reason.map(|reason| {
            Origin::Unpacked(format!("{}, which cannot be packed: {reason}", package.label()))
        });
        let file = self.store.file(&self.store.find(key, &|name| variables.value(name)));
        Ok(file.map(Origin::Packed).or(unpacked))
    }
}

/// What cargo tells the compiler of the crate.
fn variables(graph: &Graph, at: UnitIdx, asked: &Request) -> Result<BTreeMap<String, OsString>> {
    let unit = &graph.units[at];
    let manifest = graph.packages[unit.package].directory.join("Cargo.toml");
    let described = graph::described(asked, &manifest)?;
    let rust_version = described["rust_version"].as_str().unwrap_or_default().to_owned();
    let package: cargo_metadata::Package =
        serde_json::from_value(described).context("cannot read what cargo metadata wrote")?;
    let target = package.targets.iter().find(|target| target.src_path == unit.root);
    let target = target.ok_or_else(|| {
        let message = format!("cargo metadata does not name {}", unit.root.display());
        Error::new(Class::Other, message)
    })?;
    let mut all: BTreeMap<String, OsString> = variables::of_crate(&package, target)
        .into_iter()
        .map(|(name, value)| (name, value.into()))
        .collect();
    all.insert("CARGO_PKG_RUST_VERSION".into(), rust_version.into());
    if graph.roots.contains(&at) {
        all.insert("CARGO_PRIMARY_PACKAGE".into(), "1".into());
    }
    Ok(all)
}
