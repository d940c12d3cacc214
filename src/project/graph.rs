//! A workspace's build as cargo plans it: packages, and the units in which they are compiled.
//!
//! The unit graph is cargo's own resolution for one command line, features unified and platforms
//! chosen, so nothing about it is guessed here. It is unstable: where an older or newer cargo writes
//! another one, there is no plan, which costs time and nothing else. Nothing here changes the workspace.

use super::{lock, Request};
use crate::base::cargo;
use crate::base::error::{Class, Context, Error, Result};
use crate::cache::Cache;
use crate::cache::{Locked, Wanted};
use crate::policy::{self, subtree::Dependencies};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// How an error begins where there is no graph. Cargo itself may go on, or says it better.
pub const UNREADABLE: &str = "cargo cannot read the workspace";

/// The version of the unit graph that is read here.
const VERSION: u64 = 1;

/// The target directory of the command that prints the unit graph, in the cache: what it learns of the
/// compiler must not be what other builds read, since it runs with unstable features.
const ASKING: &str = "unit-graph";

/// A workspace, and how a build of it connects its packages.
#[derive(Clone, Debug)]
pub struct Graph {
    /// The workspace's directory.
    pub root: PathBuf,
    /// Where cargo puts what it builds: the target directory, and that of intermediate files.
    pub targets: Vec<PathBuf>,
    /// Every package that the build compiles; of all that `Cargo.lock` names, see [`Graph::complete`].
    pub packages: Vec<Package>,
    /// Names of the members' manifests.
    pub manifests: Vec<PathBuf>,
    /// `[workspace.metadata.precast]`, or null.
    pub settings: Value,
    /// The text of `Cargo.lock`.
    pub lockfile: String,
    pub units: Vec<Unit>,
    pub roots: Vec<UnitIdx>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    pub name: String,
    pub version: String,
    /// As in `Cargo.lock`; none for a package in a directory of the user's.
    pub source: Option<String>,
    pub checksum: Option<String>,
    /// Where the package's files are.
    pub directory: PathBuf,
    pub is_macro: bool,
    /// The package is precompiled already.
    pub is_shim: bool,
}

/// What one call of the compiler, or of a build script, makes.
#[derive(Clone, Debug)]
pub struct Unit {
    pub package: PackageIdx,
    pub kind: Kind,
    pub features: BTreeSet<String>,
    pub is_for_host: bool,
    /// `opt-level` and `debuginfo`, as the compiler's options say them.
    pub profile: (String, String),
    pub dependencies: Vec<UnitIdx>,
    /// The same by the names that the crate has for them.
    pub externs: Vec<(String, UnitIdx)>,
    /// The crate's name, its root file and its edition.
    pub name: String,
    pub root: PathBuf,
    pub edition: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Library,
    Macro,
    /// A build script, or its run.
    Script,
    /// Programs, tests, documentation.
    Other,
}

/// Index into [`Graph::packages`].
pub type PackageIdx = usize;
/// Index into [`Graph::units`].
pub type UnitIdx = usize;

impl Graph {
    /// What a policy is asked about.
    pub fn policed(&self) -> policy::Workspace<'_> {
        let shims = self.packages.iter().filter(|package| package.is_shim);
        let shims = shims.map(|package| package.directory.as_path()).collect();
        let packages = self.dependencies();
        policy::Workspace { root: &self.root, settings: &self.settings, shims, packages }
    }

    /// Each package with those that it depends on.
    pub fn dependencies(&self) -> Dependencies<'_> {
        let mut all: Dependencies<'_> =
            self.packages.iter().map(|package| (package.name.as_str(), BTreeSet::new())).collect();
        for unit in &self.units {
            let used = unit.dependencies.iter().map(|at| self.units[*at].package);
            all[unit.package].1.extend(used.filter(|package| *package != unit.package));
        }
        all
    }

    /// Asks cargo.
    pub fn load(request: &Request, cache: &Cache) -> Result<Graph> {
        let members = metadata(request, &["--no-deps"])?;
        let root = PathBuf::from(members["workspace_root"].as_str().unwrap_or_default());
        let target = cache.path(ASKING, "target");
        let output = cargo::run(request.unit_graph(&target), |_| {})?;
        if !output.success {
            return Err(unreadable(&output.stderr));
        }
        if !request.is_quiet {
            pass_on(&output.stderr);
        }
        let value: Value =
            serde_json::from_str(&output.stdout).context("cannot read cargo's unit graph")?;
        let lockfile = root.join("Cargo.lock");
        let lockfile = std::fs::read_to_string(&lockfile).at("read", &lockfile)?;
        let mut reader = Reader { locked: lock::packages(&lockfile)?, ..Reader::default() };
        let (units, roots) = reader.read(&value)?;
        let packages = members["packages"].as_array().into_iter().flatten();
        let manifests = packages.filter_map(|package| package["manifest_path"].as_str());
        let place = |key: &str| members[key].as_str().map(PathBuf::from);
        let mut targets: Vec<PathBuf> =
            ["target_directory", "build_directory"].into_iter().filter_map(place).collect();
        targets.dedup();
        Ok(Graph {
            targets,
            manifests: manifests.map(PathBuf::from).collect(),
            root,
            packages: reader.packages,
            settings: members["metadata"]["precast"].clone(),
            lockfile,
            units,
            roots,
        })
    }

    /// The same with all packages that the lock file names, which cargo downloads if they are missing.
    pub fn complete(request: &Request, cache: &Cache) -> Result<Graph> {
        let metadata = metadata(request, &["--all-features"])?;
        let mut graph = Graph::load(request, cache)?;
        let locked = lock::packages(&graph.lockfile)?;
        let packages = metadata["packages"].as_array().into_iter().flatten();
        for package in packages.filter_map(|package| Package::read(package, &locked)) {
            if graph.packages.iter().all(|known| known.directory != package.directory) {
                graph.packages.push(package);
            }
        }
        Ok(graph)
    }

    /// The macros that the build compiles, if those for which `is_replaced` holds bring no dependencies
    /// along; and all units that are then needed.
    pub fn needed(&self, is_replaced: impl Fn(UnitIdx) -> bool) -> Needed {
        let mut needed = Needed { macros: Vec::new(), units: BTreeSet::new() };
        let mut open = self.roots.clone();
        while let Some(at) = open.pop() {
            if !needed.units.insert(at) {
                continue;
            }
            let unit = &self.units[at];
            if unit.kind == Kind::Macro {
                needed.macros.push(at);
                if is_replaced(at) {
                    continue;
                }
            }
            open.extend(&unit.dependencies);
        }
        needed.macros.sort_unstable();
        needed
    }

    /// A macro's unit with all that is linked into it.
    pub fn wanted(&self, at: UnitIdx) -> Wanted {
        let mut seen = BTreeSet::new();
        let mut wanted =
            Wanted { package: self.locked(at), dependencies: Vec::new(), macros: Vec::new() };
        let mut open = self.units[at].dependencies.clone();
        while let Some(at) = open.pop() {
            let unit = &self.units[at];
            if !seen.insert(at) {
                continue;
            }
            match unit.kind {
                Kind::Library => {
                    wanted.dependencies.push(self.locked(at));
                    open.extend(&unit.dependencies);
                }
                Kind::Macro => wanted.macros.push(self.locked(at)),
                Kind::Script | Kind::Other => {}
            }
        }
        wanted.sort();
        wanted
    }

    fn locked(&self, at: UnitIdx) -> Locked {
        let unit = &self.units[at];
        let package = &self.packages[unit.package];
        Locked {
            name: package.name.clone(),
            version: package.version.clone(),
            source: package.source.clone(),
            checksum: package.checksum.clone(),
            directory: package.directory.clone(),
            features: unit.features.clone(),
        }
    }
}

/// How cargo begins to say what became of the lock file.
const OF_LOCKING: [&str; 6] =
    ["Updating", "Locking", "Adding", "Downgrading", "Upgrading", "Removing"];

/// Says what cargo said of the lock file, which is as it should be when cargo builds.
fn pass_on(said: &str) {
    let is_of_locking = |line: &&str| OF_LOCKING.iter().any(|word| line.trim().starts_with(word));
    said.lines().filter(is_of_locking).for_each(|line| eprintln!("{line}"));
}

/// What a build needs.
pub struct Needed {
    /// Units of macros.
    pub macros: Vec<UnitIdx>,
    /// These and all others.
    pub units: BTreeSet<UnitIdx>,
}

impl Package {
    /// From `cargo metadata`.
    fn read(value: &Value, locked: &lock::Packages) -> Option<Package> {
        let text = |key: &str| value[key].as_str().map(str::to_owned);
        let (name, version, source) = (text("name")?, text("version")?, text("source"));
        let targets = value["targets"].as_array()?.iter();
        let mut kinds = targets.flat_map(|target| target["kind"].as_array().into_iter().flatten());
        Some(Package {
            directory: Path::new(&text("manifest_path")?).parent()?.to_owned(),
            is_macro: kinds.any(|kind| kind == "proc-macro"),
            is_shim: value["metadata"]["precast"]["module"].is_string(),
            checksum: lock::checksum(locked, &name, &version, source.as_deref()),
            name,
            version,
            source,
        })
    }

    /// `serde_derive 1.0.229`
    pub fn label(&self) -> String {
        format!("{} {}", self.name, self.version)
    }

    pub fn is_git(&self) -> bool {
        self.source.as_deref().is_some_and(|source| source.starts_with("git+"))
    }
}

/// Reads a unit graph.
#[derive(Default)]
struct Reader {
    locked: lock::Packages,
    packages: Vec<Package>,
    known: BTreeMap<String, PackageIdx>,
}

impl Reader {
    fn read(&mut self, value: &Value) -> Result<(Vec<Unit>, Vec<UnitIdx>)> {
        let odd = || {
            let message = format!("{UNREADABLE}: its unit graph is not of a known form");
            Error::new(Class::Usage, message).help("use a newer precast, or another cargo")
        };
        if value["version"] != VERSION {
            return Err(odd());
        }
        let list = value["units"].as_array().ok_or_else(odd)?;
        let units = list.iter().map(|unit| self.unit(unit).ok_or_else(odd));
        let units = units.collect::<Result<Vec<Unit>>>()?;
        let roots = indices(&value["roots"]).ok_or_else(odd)?;
        let all = units.iter().flat_map(|unit| &unit.dependencies).chain(&roots);
        if all.into_iter().any(|at| *at >= units.len()) {
            return Err(odd());
        }
        Ok((units, roots))
    }

    fn unit(&mut self, value: &Value) -> Option<Unit> {
        let target = &value["target"];
        let kinds = target["kind"].as_array()?;
        let is = |kind: &str| kinds.iter().any(|found| found == kind);
        let mode = value["mode"].as_str()?;
        let is_built = matches!(mode, "build" | "check");
        let is_library = ["lib", "rlib", "dylib"].into_iter().any(is);
        let kind = match mode {
            _ if is("custom-build") => Kind::Script,
            _ if is("proc-macro") && is_built => Kind::Macro,
            _ if is_library && is_built => Kind::Library,
            _ => Kind::Other,
        };
        let package = self.package(value["pkg_id"].as_str()?, target["src_path"].as_str()?)?;
        self.packages[package].is_macro |= is("proc-macro");
        let features = value["features"].as_array()?.iter();
        let dependencies = value["dependencies"].as_array()?.iter();
        let named = dependencies.clone().filter_map(|found| {
            Some((found["extern_crate_name"].as_str()?.to_owned(), index(&found["index"])?))
        });
        let externs = named.collect();
        let dependencies = dependencies.map(|found| index(&found["index"]));
        let text = |key: &str| target[key].as_str().unwrap_or_default().to_owned();
        Some(Unit {
            package,
            kind,
            features: features.filter_map(|name| name.as_str().map(str::to_owned)).collect(),
            is_for_host: value["platform"].is_null(),
            profile: profile(&value["profile"]),
            dependencies: dependencies.collect::<Option<_>>()?,
            externs,
            name: text("name"),
            root: text("src_path").into(),
            edition: text("edition"),
        })
    }

    fn package(&mut self, id: &str, root: &str) -> Option<PackageIdx> {
        if let Some(known) = self.known.get(id) {
            return Some(*known);
        }
        let (name, version, place) = parse(id)?;
        let is_manifest = |folder: &&Path| folder.join("Cargo.toml").is_file();
        let directory = Path::new(root).ancestors().skip(1).find(is_manifest)?.to_owned();
        let source = lock::source(&self.locked, name, version, place);
        self.packages.push(Package {
            checksum: lock::checksum(&self.locked, name, version, source.as_deref()),
            name: name.to_owned(),
            version: version.to_owned(),
            is_macro: false,
            is_shim: directory.join("precast/manifest.json").is_file(),
            source,
            directory,
        });
        self.known.insert(id.to_owned(), self.packages.len() - 1);
        Some(self.packages.len() - 1)
    }
}

/// Name, version and source of `SOURCE#NAME@VERSION` or `SOURCE/NAME#VERSION`.
pub(super) fn parse(id: &str) -> Option<(&str, &str, &str)> {
    let (source, fragment) = id.rsplit_once('#')?;
    if let Some((name, version)) = fragment.split_once('@') {
        return Some((name, version, source));
    }
    let path = source.split('?').next()?;
    let name = path.rsplit('/').next()?;
    Some((name, fragment, source))
}

fn index(value: &Value) -> Option<usize> {
    usize::try_from(value.as_u64()?).ok()
}

fn indices(value: &Value) -> Option<Vec<usize>> {
    value.as_array()?.iter().map(index).collect()
}

/// What the compiler's options say: `opt-level` is left out where it is 0, as is `debuginfo`.
fn profile(value: &Value) -> (String, String) {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => "0".to_owned(),
        other => other.to_string(),
    };
    (text(&value["opt_level"]), text(&value["debuginfo"]))
}

/// Where cargo builds.
pub fn target_directory(request: &Request) -> Result<PathBuf> {
    match &request.target_dir {
        Some(target) => Ok(target.clone()),
        None => {
            let members = metadata(request, &["--no-deps"])?;
            Ok(PathBuf::from(members["target_directory"].as_str().unwrap_or_default()))
        }
    }
}

fn metadata(request: &Request, more: &[&str]) -> Result<Value> {
    let output = cargo::run(request.metadata(more), |_| {})?;
    if !output.success {
        return Err(unreadable(&output.stderr));
    }
    serde_json::from_str(&output.stdout).context("cannot read what cargo metadata wrote")
}

/// What `cargo metadata` says of the package with this manifest.
pub fn described(request: &Request, manifest: &Path) -> Result<Value> {
    let mut value = metadata(request, &[])?;
    let packages = value["packages"].as_array_mut();
    let is_it = |package: &&mut Value| {
        package["manifest_path"].as_str().is_some_and(|path| Path::new(path) == manifest)
    };
    let found = packages.into_iter().flatten().find(is_it);
    found.map(Value::take).ok_or_else(|| {
        let message = format!("cargo metadata does not name {}", manifest.display());
        Error::new(Class::Other, message)
    })
}

fn unreadable(stderr: &str) -> Error {
    let error = cargo::failure(UNREADABLE, stderr);
    // Cargo proposes `--offline` where `--locked` is what forbids it to go on.
    let is_locked = stderr.contains("--locked was passed");
    let help = match stderr.contains("offline") {
        _ if is_locked => "leave `--locked` out once, so that cargo can write Cargo.lock",
        true => "run `cargo fetch` once with the network: all packages of Cargo.lock",
        false => error.help_text().unwrap_or("fix what cargo reports, then run the command again"),
    };
    Error::new(Class::Usage, error.to_string()).help(help)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn package_ids() {
        let check = |id, expected| assert_eq!(parse(id), Some(expected));
        let registry = "registry+https://host/index";
        check("registry+https://host/index#syn@2.0.1", ("syn", "2.0.1", registry));
        check("path+file:///w/app#0.1.0", ("app", "0.1.0", "path+file:///w/app"));
        let git = "git+https://host/r/one?branch=b";
        check("git+https://host/r/one?branch=b#1.0.0", ("one", "1.0.0", git));
        check("git+https://host/r/one?branch=b#two@1.0.0", ("two", "1.0.0", git));
        assert_eq!(parse("nothing"), None);
    }
}
