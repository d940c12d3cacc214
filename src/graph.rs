//! Which proc-macro packages the current workspace's build needs, with the features it enables.
//!
//! Packages come from `cargo metadata`, edges and features from `cargo tree`. The features which
//! `cargo metadata` shows are unified over host and target, normal and development dependencies;
//! `cargo tree` runs the very resolution of a build with the same options, and is stable, while
//! cargo's `--unit-graph` is not. Nothing here changes the workspace.

mod known;
mod lock;
mod request;
mod tree;
mod unified;

use crate::error::{Class, Context, Error, Result};
use crate::pack::cargo;
use crate::store::Store;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub(crate) use known::KIND as TREE;
pub use request::{take, Request};

/// A workspace's packages and how a build of it connects them.
#[derive(Clone, Debug)]
pub struct Graph {
    /// The workspace's directory.
    pub root: PathBuf,
    /// Where cargo puts what it builds.
    pub target: PathBuf,
    /// Every package that the lock file names.
    pub packages: Vec<Package>,
    /// `[workspace.metadata.precast]`, or null.
    pub settings: Value,
    /// The text of `Cargo.lock`.
    pub lockfile: String,
    nodes: Vec<tree::Node>,
}

#[derive(Clone, Debug)]
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
    pub is_member: bool,
    /// It has no source, and yet somebody wants it from one: a `[patch]` puts it there.
    pub is_patch: bool,
    /// Of a macro package.
    dependencies: Vec<unified::Dependency>,
    features: unified::Features,
}

/// Index into [`Graph::packages`].
pub type PackageIdx = usize;

/// Macro packages with the features that the build enables, those of their dependencies (`syn/full`) included
/// where others enable them.
pub type Needed = BTreeMap<PackageIdx, BTreeSet<String>>;

impl Graph {
    /// Asks cargo, but for what `store` has of an earlier answer that still holds.
    pub fn load(request: &Request, store: &Store) -> Result<Graph> {
        let output = cargo::run(request.metadata(), |_| {})?;
        if !output.success {
            return Err(unreadable(&output.stderr));
        }
        let metadata: Value = serde_json::from_str(&output.stdout)
            .context("cannot read what cargo metadata wrote")?;
        let path = |key: &str| PathBuf::from(metadata[key].as_str().unwrap_or_default());
        let root = path("workspace_root");
        let lockfile = root.join("Cargo.lock");
        let lockfile = std::fs::read_to_string(&lockfile).at("read", &lockfile)?;
        let checksums = lock::checksums(&lockfile)?;
        let packages = metadata["packages"].as_array().into_iter().flatten();
        let members = metadata["workspace_members"].as_array().map_or(&[][..], Vec::as_slice);
        let read = |package| Package::read(package, members, &checksums);
        let mut packages: Vec<Package> = packages.filter_map(read).collect();
        let wanted = wanted_from_sources(&metadata);
        for package in packages.iter_mut().filter(|package| package.source.is_none()) {
            package.is_patch = wanted.contains(&package.name);
        }
        let tree = tree(request, &output.stdout, &root, store)?;
        Ok(Graph {
            root,
            target: path("target_directory"),
            nodes: tree::read(&tree, &packages)?,
            packages,
            settings: metadata["metadata"]["precast"].clone(),
            lockfile,
        })
    }

    /// The macros that a build compiles, if those for which `is_replaced` holds bring no
    /// dependencies along.
    pub fn needed(&self, is_replaced: impl Fn(PackageIdx) -> bool) -> Needed {
        let mut needed = Needed::new();
        let mut seen = BTreeSet::new();
        let roots = self.nodes.iter().enumerate().filter(|(_, node)| node.is_root);
        let mut open: Vec<usize> = roots.map(|(at, _)| at).collect();
        while let Some(at) = open.pop() {
            if !seen.insert(at) {
                continue;
            }
            let node = &self.nodes[at];
            if self.packages[node.package].is_macro {
                let features = needed.entry(node.package).or_default();
                features.extend(node.features.iter().cloned());
                features.extend(self.unified(node, false));
                if !node.is_root && is_replaced(node.package) {
                    continue;
                }
            }
            open.extend(&node.children);
        }
        needed
    }

    /// The features of the macro's dependencies that others enable: as far as they can matter, or, with
    /// `is_whole`, all of them.
    fn unified<'a>(
        &'a self,
        node: &'a tree::Node,
        is_whole: bool,
    ) -> impl Iterator<Item = String> + 'a {
        let package = &self.packages[node.package];
        node.children.iter().flat_map(move |child: &usize| {
            let child = &self.nodes[*child];
            let dependency = &self.packages[child.package];
            unified::added(package, &node.features, dependency, &child.features, is_whole)
        })
    }

    /// A macro's features with all that others enable for its dependencies, as cargo compiles it.
    pub fn whole(&self, package: PackageIdx, features: &BTreeSet<String>) -> BTreeSet<String> {
        let nodes = self.nodes.iter().filter(|node| node.package == package);
        nodes.flat_map(|node| self.unified(node, true)).chain(features.iter().cloned()).collect()
    }

    /// The package with everything that it depends on in this build.
    pub fn below(&self, package: PackageIdx) -> BTreeSet<PackageIdx> {
        let of_it = |(_, node): &(usize, &tree::Node)| node.package == package;
        let mut open: Vec<usize> =
            self.nodes.iter().enumerate().filter(of_it).map(|(at, _)| at).collect();
        let mut seen = BTreeSet::new();
        while let Some(at) = open.pop() {
            if seen.insert(at) {
                open.extend(&self.nodes[at].children);
            }
        }
        seen.into_iter().map(|at| self.nodes[at].package).collect()
    }

    /// The package is one of those that were asked to be built.
    pub fn is_root(&self, package: PackageIdx) -> bool {
        self.nodes.iter().any(|node| node.is_root && node.package == package)
    }
}

impl Package {
    fn read(value: &Value, members: &[Value], checksums: &lock::Checksums) -> Option<Package> {
        let text = |key: &str| value[key].as_str().map(str::to_owned);
        let (name, version, source) = (text("name")?, text("version")?, text("source"));
        let targets = value["targets"].as_array()?.iter();
        let mut kinds = targets.flat_map(|target| target["kind"].as_array().into_iter().flatten());
        let is_macro = kinds.any(|kind| kind == "proc-macro");
        let key = (name.clone(), version.clone(), source.clone().unwrap_or_default());
        Some(Package {
            directory: Path::new(&text("manifest_path")?).parent()?.to_owned(),
            is_macro,
            is_shim: value["metadata"]["precast"]["module"].is_string(),
            is_member: members.contains(&value["id"]),
            is_patch: false,
            dependencies: match is_macro {
                true => unified::Dependency::all(value),
                false => Vec::new(),
            },
            features: unified::features(value),
            checksum: checksums.get(&key).cloned(),
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

/// The names of dependencies that are not on directories.
fn wanted_from_sources(metadata: &Value) -> BTreeSet<String> {
    fn list(value: &Value) -> impl Iterator<Item = &Value> {
        value.as_array().into_iter().flatten()
    }
    let dependencies = list(&metadata["packages"]).flat_map(|found| list(&found["dependencies"]));
    let others = dependencies.filter(|dependency| dependency["path"].is_null());
    others.filter_map(|dependency| dependency["name"].as_str().map(str::to_owned)).collect()
}

/// What `cargo tree` says of the packages that `metadata` shows.
fn tree(request: &Request, metadata: &str, root: &Path, store: &Store) -> Result<String> {
    let command = request.tree();
    let key = known::key(request, &command, metadata, root);
    let known = key.as_ref().and_then(|key| store.cache().kept(known::KIND, key));
    if let Some(text) = known {
        return Ok(text);
    }
    let output = cargo::run(command, |_| {})?;
    if !output.success {
        return Err(unreadable(&output.stderr));
    }
    if let Some(key) = key {
        store.cache().keep(known::KIND, &key, &output.stdout);
    }
    Ok(output.stdout)
}

fn unreadable(stderr: &str) -> Error {
    let error = cargo::failure("cargo cannot read the workspace", stderr);
    // Cargo proposes `--offline` where `--locked` is what forbids it to go on.
    let is_locked = stderr.contains("--locked was passed");
    let help = match stderr.contains("offline") {
        _ if is_locked => "leave `--locked` out once, so that cargo can write Cargo.lock",
        true => "run `cargo fetch` once with the network: all packages of Cargo.lock",
        false => {
            error.help_text().unwrap_or("mend what cargo complains of, then run the command again")
        }
    };
    Error::new(Class::Usage, error.to_string()).help(help)
}
