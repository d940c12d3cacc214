//! The workspace as rust-analyzer reads it from a `rust-project.json`: all crates of the build, and beside them
//! the macros that packages have themselves, which `cargo metadata` does not name.

use super::native::{self, Nested};
use super::Target;
use crate::base::cargo;
use crate::base::error::{Class, Context, Error, Result};
use crate::base::scratch;
use crate::project::{variables, Request};
use cargo_metadata::{
    DependencyKind, Message, Metadata, Node, Package, PackageId, Target as CargoTarget, TargetKind,
};
use serde_json::{json, Map, Value};
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What rust-analyzer looks for in a folder and in those above.
pub const FILE: &str = "rust-project.json";

/// What a build has said of its packages.
#[derive(Default)]
struct Built {
    /// Libraries of macros.
    libraries: HashMap<PackageId, PathBuf>,
    scripts: HashMap<PackageId, Script>,
}

#[derive(Default)]
struct Script {
    cfgs: Vec<String>,
    variables: Vec<(String, String)>,
    out: Option<PathBuf>,
}

/// Writes the file for the workspace of a request, after a build that makes the macros. Its path.
pub fn write(request: &Request, arguments: &[OsString]) -> Result<PathBuf> {
    let metadata = metadata(request.metadata(&["--filter-platform", &host()?]))?;
    let root = metadata.workspace_root.clone().into_std_path_buf();
    let built = build(request, arguments)?;
    let mut crates = Crates::default();
    crates.add(&metadata, &built, None)?;
    let target_dir = metadata.target_directory.clone().into_std_path_buf();
    for package in metadata.workspace_packages() {
        let folder = package.manifest_path.parent().map(|folder| folder.as_std_path());
        if let Some(target) = folder.map_or(Ok(None), Target::of)? {
            add_macros(&mut crates, &metadata, (package, &target), &built, &target_dir)?;
        }
    }
    let sysroot = PathBuf::from(asked(&["--print", "sysroot"])?.trim());
    let project = json!({
        "sysroot": sysroot,
        "sysroot_src": sysroot.join("lib/rustlib/src/rust/library"),
        "crates": crates.list,
    });
    let file = root.join(FILE);
    let text = serde_json::to_string_pretty(&project).context("cannot write what was found")?;
    scratch::replace(&file, (text + "\n").as_bytes())?;
    Ok(file)
}

fn asked(arguments: &[&str]) -> Result<String> {
    let program = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(program).args(arguments).output();
    let output = output.class(Class::Toolchain, "rustc does not run")?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn host() -> Result<String> {
    let text = asked(&["-vV"])?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Error::new(Class::Toolchain, "rustc names no host"))
}

fn metadata(command: Command) -> Result<Metadata> {
    let output = cargo::run(command, |_| {})?;
    if !output.success {
        return Err(cargo::failure("cargo cannot read the workspace", &output.stderr));
    }
    serde_json::from_str(&output.stdout).context("cannot read what cargo metadata wrote")
}

/// Checks everything with precast. What does not compile is in an editor because somebody is writing it.
fn build(request: &Request, arguments: &[OsString]) -> Result<Built> {
    let program = std::env::current_exe().context("this program has no path")?;
    let mut check = Command::new(program);
    check.current_dir(request.place()).args(["precast", "check", "--workspace", "--all-targets"]);
    check.args(["--quiet", "--keep-going", "--message-format", "json"]).args(arguments);
    check.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let failed = "cannot run the build";
    let mut child = check.spawn().context(failed)?;
    let mut built = Built::default();
    let reader = BufReader::new(child.stdout.take().expect("it was piped"));
    for message in Message::parse_stream(reader) {
        match message.context(failed)? {
            Message::CompilerArtifact(artifact) if is_macros(&artifact.target) => {
                let is_library = |file: &&cargo_metadata::camino::Utf8PathBuf| {
                    file.as_str().ends_with(std::env::consts::DLL_SUFFIX)
                };
                let file = artifact.filenames.iter().find(is_library);
                built.libraries.extend(
                    file.map(|file| (artifact.package_id.clone(), file.as_std_path().to_owned())),
                );
            }
            Message::BuildScriptExecuted(script) => {
                let out = script.out_dir.into_std_path_buf();
                let found = Script { cfgs: script.cfgs, variables: script.env, out: Some(out) };
                built.scripts.insert(script.package_id, found);
            }
            _ => {}
        }
    }
    child.wait().context(failed)?;
    Ok(built)
}

/// The macros of one package, with what they depend on, for all crates of that package.
fn add_macros(
    crates: &mut Crates,
    metadata: &Metadata,
    (package, target): (&Package, &Target),
    built: &Built,
    target_dir: &Path,
) -> Result<()> {
    let node = node(metadata, &package.id);
    let features: Vec<String> = node
        .map(|node| node.features.iter().map(ToString::to_string).collect())
        .unwrap_or_default();
    if !target.is_enabled(&features) {
        return Ok(());
    }
    let nested = Nested::new(target, &features, target_dir)?;
    let script = built.scripts.get(&package.id);
    let packed = script.and_then(|script| packed_library(script, &target.name));
    let library = packed.unwrap_or_else(|| nested.built(target));
    let mut command = cargo::command(&target.directory);
    command.args(["metadata", "--format-version", "1", "--manifest-path"]);
    command.arg(nested.folder.join("Cargo.toml"));
    let theirs = self::metadata(command)?;
    let name = native::nested_name(target);
    let own = theirs.packages.iter().find(|found| found.name == name);
    let own = own.ok_or_else(|| Error::new(Class::Other, "cargo does not name the macros"))?;
    let at = crates.add(&theirs, built, Some((own, package, target, &library)))?;
    for member in crates.members.get(&package.id).cloned().unwrap_or_default() {
        if let Some(deps) = crates.list[member]["deps"].as_array_mut() {
            deps.push(json!({ "crate": at, "name": target.name }));
        }
    }
    Ok(())
}

/// The library that a build script has named in a file of arguments.
fn packed_library(script: &Script, name: &str) -> Option<PathBuf> {
    let file = script.cfgs.iter().find_map(|cfg| cfg.strip_prefix('@'))?;
    let text = std::fs::read_to_string(file).ok()?;
    let start = format!("--extern={name}=");
    text.lines().find_map(|line| line.strip_prefix(&start)).map(PathBuf::from)
}

type OwnMacros<'a> = (&'a Package, &'a Package, &'a Target, &'a Path);

#[derive(Default)]
struct Crates {
    list: Vec<Value>,
    /// The library of each package.
    libraries: HashMap<PackageId, usize>,
    /// Crates that are compiled after the package's own macros.
    members: HashMap<PackageId, Vec<usize>>,
}

impl Crates {
    /// All packages of a resolved graph, those that are there already only once. With macros of a package, the
    /// position of theirs.
    fn add(
        &mut self,
        metadata: &Metadata,
        built: &Built,
        macros: Option<OwnMacros>,
    ) -> Result<usize> {
        let mut wanted = Vec::new();
        let mut found = 0;
        for package in &metadata.packages {
            let own = macros.filter(|own| own.0.id == package.id);
            if self.libraries.contains_key(&package.id) {
                continue;
            }
            let is_member = macros.is_none() && metadata.workspace_members.contains(&package.id);
            for target in &package.targets {
                let is_library = target.is_lib() || target.is_rlib() || is_macros(target);
                if !is_library && !is_member {
                    continue;
                }
                let at = self.list.len();
                if is_library {
                    self.libraries.insert(package.id.clone(), at);
                }
                let is_script = target.kind.contains(&TargetKind::CustomBuild);
                if is_member && !is_script && !is_macros(target) {
                    self.members.entry(package.id.clone()).or_default().push(at);
                }
                self.list.push(one(metadata, package, target, built, is_member));
                wanted.push((at, package, target));
                if let Some((_, of, macros, library)) = own {
                    found = at;
                    self.list[at] = macros_of(self.list[at].take(), of, macros, library, built);
                }
            }
        }
        for (at, package, target) in wanted {
            self.list[at]["deps"] = self.dependencies(metadata, package, target);
        }
        Ok(found)
    }

    fn dependencies(&self, metadata: &Metadata, package: &Package, target: &CargoTarget) -> Value {
        let is_script = target.kind.contains(&TargetKind::CustomBuild);
        let is_library = target.is_lib() || target.is_rlib() || is_macros(target);
        let mut deps = Vec::new();
        for dependency in node(metadata, &package.id).iter().flat_map(|node| &node.deps) {
            // A library's unit tests see what its tests do.
            let is_seen = dependency.dep_kinds.iter().any(|kind| match kind.kind {
                DependencyKind::Build => is_script,
                DependencyKind::Development => {
                    !is_script && metadata.workspace_members.contains(&package.id)
                }
                _ => !is_script,
            });
            // A package may depend on itself for tests only, and a graph has no circle.
            let at = self
                .libraries
                .get(&dependency.pkg)
                .filter(|_| is_seen && dependency.pkg != package.id);
            deps.extend(at.map(|at| json!({ "crate": at, "name": dependency.name })));
        }
        if !is_library && !is_script {
            let own = self.libraries.get(&package.id);
            let name = package.targets.iter().find(|target| target.is_lib());
            if let Some((at, name)) = own.zip(name) {
                deps.push(json!({ "crate": at, "name": name.name.replace('-', "_") }));
            }
        }
        Value::Array(deps)
    }
}

fn node<'a>(metadata: &'a Metadata, id: &PackageId) -> Option<&'a Node> {
    metadata.resolve.as_ref()?.nodes.iter().find(|node| node.id == *id)
}

fn is_macros(target: &CargoTarget) -> bool {
    target.kind.contains(&TargetKind::ProcMacro)
}

/// One crate, without its dependencies.
fn one(
    metadata: &Metadata,
    package: &Package,
    target: &CargoTarget,
    built: &Built,
    is_member: bool,
) -> Value {
    let empty = Script::default();
    let script = built.scripts.get(&package.id).unwrap_or(&empty);
    let features = node(metadata, &package.id).into_iter().flat_map(|node| &node.features);
    let mut cfg: Vec<String> = features.map(|name| format!("feature=\"{name}\"")).collect();
    cfg.extend(script.cfgs.iter().filter(|cfg| !cfg.starts_with('@')).cloned());
    if is_member {
        cfg.extend(["test".to_owned(), "debug_assertions".to_owned()]);
    }
    let folder = package.manifest_path.parent().map(|folder| folder.as_str()).unwrap_or_default();
    let mut folders = vec![folder.to_owned()];
    let mut variables: BTreeMap<String, String> = script.variables.iter().cloned().collect();
    if let Some(out) = &script.out {
        folders.push(out.to_string_lossy().into_owned());
        variables.insert("OUT_DIR".into(), out.to_string_lossy().into_owned());
    }
    variables.extend(variables::of_crate(package, target));
    let mut value = Map::new();
    value.insert("display_name".into(), json!(target.name.replace('-', "_")));
    value.insert("version".into(), json!(package.version.to_string()));
    value.insert("root_module".into(), json!(target.src_path));
    value.insert("edition".into(), json!(target.edition.to_string()));
    value.insert("cfg".into(), json!(cfg));
    value.insert("env".into(), json!(variables));
    value.insert("is_workspace_member".into(), json!(is_member));
    value.insert(
        "source".into(),
        json!({ "include_dirs": folders, "exclude_dirs": [format!("{folder}/target")] }),
    );
    value.insert("is_proc_macro".into(), json!(is_macros(target)));
    if let Some(library) = built.libraries.get(&package.id).filter(|_| is_macros(target)) {
        value.insert("proc_macro_dylib_path".into(), json!(library));
    }
    Value::Object(value)
}

/// The crate of a package's own macros: what they have in common with the package is the package's.
fn macros_of(
    mut found: Value,
    package: &Package,
    target: &Target,
    library: &Path,
    built: &Built,
) -> Value {
    let folder = target.directory.to_string_lossy();
    found["display_name"] = json!(target.name);
    found["is_workspace_member"] = json!(true);
    // As of the package's other crates: one module may lie in what is another's folder.
    found["source"] = json!({
        "include_dirs": [folder],
        "exclude_dirs": [target.directory.join("target")],
    });
    found["proc_macro_dylib_path"] = json!(library);
    found["env"]["CARGO_MANIFEST_DIR"] = json!(folder);
    found["env"]["CARGO_PKG_NAME"] = json!(package.name.to_string());
    if let Some(script) = built.scripts.get(&package.id) {
        for (name, value) in &script.variables {
            found["env"][name] = json!(value);
        }
        found["env"]["OUT_DIR"] = json!(script.out);
    }
    if let Some(cfg) = found["cfg"].as_array_mut() {
        cfg.extend([json!("proc_macro"), json!("test"), json!("debug_assertions")]);
    }
    found
}
