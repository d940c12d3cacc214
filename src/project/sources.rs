//! The crates that a package's own crate names, as cargo's unit graph has them: sources of libraries, and
//! the packed macros among them.

use super::graph::{Graph, Kind, UnitIdx};
use super::request::Request;
use crate::base::error::{Class, Context, Error, Result};
use crate::base::report::Report;
use crate::cache::{Key, Store};
use crate::expand::whole::{Library, Origin};
use crate::pack::Variables;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What cargo knows of a crate that is to be expanded.
#[derive(Debug)]
pub struct Package {
    pub edition: String,
    pub features: BTreeSet<String>,
    pub libraries: Vec<Library>,
    pub externs: BTreeMap<String, usize>,
    /// What cargo tells the compiler of the package.
    pub variables: BTreeMap<String, OsString>,
}

/// The package whose target has this root file, and all crates below it, as cargo chooses them by the
/// arguments `asked`.
pub fn of(root: &Path, asked: &[OsString], store: &Store, report: &dyn Report) -> Result<Package> {
    let root = root.canonicalize().at("find", root)?;
    let directory = root.ancestors().skip(1).find(|folder| folder.join("Cargo.toml").is_file());
    let directory = directory.ok_or_else(|| {
        let error = Error::new(Class::Usage, format!("{} is in no package", root.display()));
        error.help("name the crates that it uses: --extern NAME=PATH")
    })?;
    report.step("asking cargo");
    let graph = Graph::load(&Request::of("check", asked, directory), store.cache())?;
    let is_it =
        |at: &UnitIdx| graph.units[*at].kind != Kind::Script && graph.units[*at].root == root;
    let own = graph.roots.iter().copied().find(is_it).ok_or_else(|| {
        let message =
            format!("{} is the root of no library or program of its package", root.display());
        Error::new(Class::Usage, message).help("name the crates that it uses: --extern NAME=PATH")
    })?;
    let mut reader = Reader {
        graph: &graph,
        store,
        known: BTreeMap::new(),
        libraries: Vec::new(),
        missing: BTreeSet::new(),
    };
    let externs = reader.externs(own)?;
    if !reader.missing.is_empty() {
        let missing: Vec<String> = reader.missing.into_iter().collect();
        let error = Error::new(Class::Package, format!("not packed yet: {}", missing.join(", ")));
        return Err(error.help("`cargo precast check --missing pack` packs them"));
    }
    let unit = &graph.units[own];
    Ok(Package {
        edition: unit.edition.clone(),
        features: unit.features.clone(),
        variables: variables(&graph, own),
        libraries: reader.libraries,
        externs,
    })
}

struct Reader<'a> {
    graph: &'a Graph,
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
            Kind::Macro => match self.artifact(at)? {
                Some(file) => Origin::Packed(file),
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
            externs: BTreeMap::new(),
        });
        let index = self.libraries.len() - 1;
        self.known.insert(at, index);
        if is_source {
            self.libraries[index].externs = self.externs(at)?;
        }
        Ok(Some(index))
    }

    fn artifact(&self, at: UnitIdx) -> Result<Option<PathBuf>> {
        let package = &self.graph.packages[self.graph.units[at].package];
        if package.is_shim {
            return Ok(Some(package.directory.clone()));
        }
        let variables = Variables::of(&self.graph.root);
        let key = Key::of(&self.graph.wanted(at))?;
        Ok(self.store.file(&self.store.find(key, &|name| variables.value(name))))
    }
}

fn variables(graph: &Graph, at: UnitIdx) -> BTreeMap<String, OsString> {
    let unit = &graph.units[at];
    let package = &graph.packages[unit.package];
    let mut all: BTreeMap<String, OsString> = BTreeMap::new();
    let mut set = |name: &str, value: OsString| drop(all.insert(name.to_owned(), value));
    set("CARGO_MANIFEST_DIR", package.directory.clone().into());
    set("CARGO_MANIFEST_PATH", package.directory.join("Cargo.toml").into());
    set("CARGO_PKG_NAME", package.name.clone().into());
    set("CARGO_PKG_VERSION", package.version.clone().into());
    if let Ok(version) = semver::Version::parse(&package.version) {
        set("CARGO_PKG_VERSION_MAJOR", version.major.to_string().into());
        set("CARGO_PKG_VERSION_MINOR", version.minor.to_string().into());
        set("CARGO_PKG_VERSION_PATCH", version.patch.to_string().into());
        set("CARGO_PKG_VERSION_PRE", version.pre.to_string().into());
    }
    set("CARGO_CRATE_NAME", unit.name.replace('-', "_").into());
    all
}
