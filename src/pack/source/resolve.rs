//! Finds the package that a SPEC names and reads its files.

use crate::artifact;
use crate::artifact::manifest::Source;
use crate::artifact::module::TARGET;
use crate::base::cargo;
use crate::base::error::{Class, Context, Error, Result};
use crate::base::files::{self, Tree, DIRECTORY_SOURCE};
use crate::base::scratch::Scratch;
use crate::pack::source::inherit;
use serde_json::Value;
use std::path::{Path, PathBuf};
use toml_edit::DocumentMut;

/// An author's file with the artifacts' digests, which cannot itself be part of an artifact.
pub(crate) const RECORD: &str = "precast.sha256";

/// A package as published, and what to build it with.
#[derive(Clone, Debug)]
pub struct Package {
    pub name: String,
    pub version: String,
    pub source: Source,
    /// As published; `Cargo.toml` is normalized.
    pub files: Tree,
    /// Where cargo is to look for its configuration.
    pub directory: PathBuf,
    /// The manifest to stage: as published, but other packages of its workspace are found.
    pub manifest: String,
    /// The lock file to start from.
    pub lockfile: Option<String>,
    /// It names everything that the package needs, and all of that has been downloaded.
    pub is_locked: bool,
}

/// `directory` is the user's; a SPEC that is a path is relative to it.
pub fn resolve(spec: &str, directory: &Path, offline: bool) -> Result<Package> {
    let path = directory.join(spec);
    let package = if is_path(spec) || path.join("Cargo.toml").is_file() {
        from_path(&path, true)?
    } else {
        from_registry(spec, directory, offline)?
    };
    check_is_macro(&package)?;
    Ok(package)
}

fn is_path(spec: &str) -> bool {
    spec.contains(['/', '\\']) || spec.starts_with('.')
}

fn from_path(path: &Path, is_published: bool) -> Result<Package> {
    let manifest = path.join("Cargo.toml");
    if !manifest.is_file() {
        let error = Error::new(Class::Usage, format!("{} has no Cargo.toml", path.display()));
        return Err(error.help("name a package's directory, or a package of the registry"));
    }
    let path = dunce::canonicalize(path).at("find", path)?;
    let inherited = inherit::normalize(&path, is_published)?;
    let mut files = Tree::new();
    for name in listed(&path)? {
        // Before anything is compiled: an artifact has no place for it.
        artifact::check_path(&name)
            .map_err(|error| Error::new(Class::Package, error.to_string()))?;
        let file = path.join(&name);
        if file.is_file() {
            files.insert(name, std::fs::read(&file).at("read", &file)?);
        }
    }
    files.insert("Cargo.toml".into(), inherited.published.clone().into_bytes());
    let lockfile = inherited.workspace.join("Cargo.lock");
    let lockfile = std::fs::read_to_string(lockfile).ok();
    let (name, version) = identity(&inherited.published)?;
    Ok(Package {
        name,
        version,
        source: Source::Path { checksum: String::new() },
        files,
        directory: path,
        manifest: inherited.buildable,
        lockfile,
        is_locked: false,
    })
}

/// The files which `cargo publish` would take, without what packing the package leaves there.
fn listed(path: &Path) -> Result<Vec<String>> {
    if inherit::is_vendored(path) {
        return Ok(files::read_published(path)?
            .into_keys()
            .filter(|name| !is_cargos(name))
            .collect());
    }
    const NOT_OURS: [&str; 4] = ["Cargo.lock", "Cargo.toml.orig", ".cargo_vcs_info.json", RECORD];
    let is_result = |name: &str| name.ends_with(".precast") || name.starts_with(".precast-");
    let is_left =
        |name: &String| NOT_OURS.contains(&name.as_str()) || is_cargos(name) || is_result(name);
    // Someone's copy of a published package: cargo refuses to list one with these files.
    if ["Cargo.toml.orig", ".cargo_vcs_info.json"].iter().any(|name| path.join(name).is_file()) {
        return Ok(files::read(path)?.into_keys().filter(|name| !is_left(name)).collect());
    }
    let mut command = cargo::command(path);
    command.args(["package", "--list", "--allow-dirty", "--quiet"]);
    let output = cargo::run(command, |_| {})?;
    if !output.success {
        return Err(cargo::failure("cargo cannot list the package's files", &output.stderr));
    }
    let names = output.stdout.lines().map(|line| line.replace('\\', "/"));
    Ok(names.filter(|name| !is_left(name)).collect())
}

fn from_registry(spec: &str, directory: &Path, offline: bool) -> Result<Package> {
    let (name, requirement) = requirement(spec)?;
    let scratch = Scratch::new()?;
    let put = |path: &str, text: &str| {
        let path = scratch.path().join(path);
        std::fs::write(&path, text).at("write", &path)
    };
    put("lib.rs", "")?;
    put("Cargo.toml", &asking(&name, &requirement))?;
    let mut command = cargo::command(directory);
    command.args(["metadata", "--format-version", "1"]);
    command.args(["--filter-platform", TARGET]);
    command.arg("--manifest-path").arg(scratch.path().join("Cargo.toml"));
    if offline {
        command.arg("--offline");
    }
    let output = cargo::run(command, |_| {})?;
    if !output.success {
        return Err(not_found(spec, &output.stderr));
    }
    let lock = scratch.path().join("Cargo.lock");
    let lock = std::fs::read_to_string(&lock).at("read", &lock)?;
    let metadata: Value =
        serde_json::from_str(&output.stdout).context("cannot read what cargo metadata wrote")?;
    found(&metadata, &lock, &name, directory)
}

/// `name`, `name@1.2.3` or `name@^1.2`, as `cargo install` understands them.
fn requirement(spec: &str) -> Result<(String, String)> {
    let (name, version) = spec.split_once('@').map_or((spec, None), |(n, v)| (n, Some(v)));
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || !name.chars().all(plain) {
        let error = Error::new(Class::Usage, format!("`{spec}` names no package"));
        return Err(error.help("write a package's directory or NAME[@VERSION]"));
    }
    let Some(version) = version else { return Ok((name.to_owned(), "*".to_owned())) };
    if version.starts_with(['^', '~', '=', '<', '>', '*']) {
        semver::VersionReq::parse(version)
            .class(Class::Usage, format!("`{version}` is not a version requirement"))?;
        return Ok((name.to_owned(), version.to_owned()));
    }
    if semver::Version::parse(version).is_err() {
        let error = Error::new(Class::Usage, format!("`{version}` is not a full version"));
        return Err(error.help(format!("write {name}@^{version} for the newest that fits")));
    }
    Ok((name.to_owned(), format!("={version}")))
}

fn asking(name: &str, requirement: &str) -> String {
    format!(
        "[package]\nname = \"precast-asks\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\
         [lib]\npath = \"lib.rs\"\n[workspace]\n[dependencies]\n\
         asked = {{ package = \"{name}\", version = \"{requirement}\" }}\n"
    )
}

fn not_found(spec: &str, stderr: &str) -> Error {
    if stderr.contains("no matching package") || stderr.contains("failed to select a version") {
        let lines = stderr.lines().filter(|line| !line.contains("precast-asks"));
        let text = lines.collect::<Vec<_>>().join("\n");
        let error = cargo::failure(&format!("the registry has no {spec}"), &text);
        return error.help("check the name and the version");
    }
    cargo::failure(&format!("cannot get {spec} from the registry"), stderr)
}

fn found(metadata: &Value, lock: &str, name: &str, directory: &Path) -> Result<Package> {
    let missing = || Error::new(Class::Other, format!("cargo does not say where {name} is"));
    let is_asked = |package: &&Value| {
        // The registry takes `_` for `-`.
        let found = package["name"].as_str().unwrap_or_default();
        found.replace('-', "_") == name.replace('-', "_") && package["source"].is_string()
    };
    let packages = metadata["packages"].as_array().ok_or_else(missing)?;
    let asked = direct_dependency(metadata);
    let package = packages
        .iter()
        .filter(is_asked)
        .find(|package| asked.is_none() || package["id"].as_str() == asked)
        .ok_or_else(missing)?;
    let text = |key: &str| package[key].as_str().map(str::to_owned).ok_or_else(missing);
    let (name, version) = (text("name")?, text("version")?);
    let manifest = PathBuf::from(text("manifest_path")?);
    let folder = manifest.parent().ok_or_else(missing)?;
    let source = text("source")?;
    let checksum = checksum(lock, &name, &version).ok_or_else(|| {
        let message = format!("{name} {version} has no checksum: it comes from {source}");
        Error::new(Class::Package, message).help("pack it from its directory")
    })?;
    published(name, version, checksum, folder, directory)
}

/// A package of a registry, unpacked in `folder`.
fn published(
    name: String,
    version: String,
    checksum: String,
    folder: &Path,
    directory: &Path,
) -> Result<Package> {
    let mut files = files::read_published(folder)?;
    files.retain(|path, _| !is_cargos(path));
    let manifest = folder.join("Cargo.toml");
    let manifest = std::fs::read_to_string(&manifest).at("read", &manifest)?;
    Ok(Package {
        name,
        version,
        source: Source::Registry { checksum },
        files,
        directory: directory.to_owned(),
        manifest,
        lockfile: None,
        is_locked: false,
    })
}

/// What cargo adds to a package that it has unpacked.
fn is_cargos(path: &str) -> bool {
    path == ".cargo-ok" || path == DIRECTORY_SOURCE
}

/// A package of a project's graph, to be packed with the versions in its lock file. Without a
/// checksum it is one of a directory or of a repository.
pub(crate) fn of_graph(
    name: &str,
    version: &str,
    checksum: Option<&str>,
    folder: &Path,
    lockfile: &str,
    directory: &Path,
) -> Result<Package> {
    let package = match checksum {
        Some(checksum) => {
            published(name.into(), version.into(), checksum.into(), folder, directory)?
        }
        None => from_path(folder, false)?,
    };
    check_is_macro(&package)?;
    Ok(Package { lockfile: Some(lockfile.to_owned()), is_locked: true, ..package })
}

/// The id of the one package that the asking package depends on.
fn direct_dependency(metadata: &Value) -> Option<&str> {
    let root = metadata["resolve"]["root"].as_str()?;
    let nodes = metadata["resolve"]["nodes"].as_array()?;
    let node = nodes.iter().find(|node| node["id"].as_str() == Some(root))?;
    node["dependencies"][0].as_str()
}

/// The checksum that a lock file records for a package.
pub fn checksum(lock: &str, name: &str, version: &str) -> Option<String> {
    let document: DocumentMut = lock.parse().ok()?;
    let packages = document.get("package")?.as_array_of_tables()?;
    let text = |item: Option<&toml_edit::Item>| item?.as_str().map(str::to_owned);
    let package = packages.iter().find(|package| {
        text(package.get("name")).as_deref() == Some(name)
            && text(package.get("version")).as_deref() == Some(version)
    })?;
    text(package.get("checksum"))
}

fn identity(manifest: &str) -> Result<(String, String)> {
    let document: DocumentMut = manifest.parse().class(Class::Package, "cannot read Cargo.toml")?;
    let text = |key: &str, or: Option<&str>| {
        let found = document["package"].get(key).and_then(|item| item.as_str()).or(or);
        let missing = || Error::new(Class::Package, format!("Cargo.toml has no package.{key}"));
        found.map(str::to_owned).ok_or_else(missing)
    };
    Ok((text("name", None)?, text("version", Some("0.0.0"))?))
}

fn check_is_macro(package: &Package) -> Result<()> {
    let document: DocumentMut =
        package.manifest.parse().class(Class::Package, "cannot read Cargo.toml")?;
    let metadata = document.get("package").and_then(|item| item.get("metadata")?.get("precast"));
    if metadata.is_some_and(|item| item.get("module").is_some()) {
        let message = format!("{} {} is a shim already", package.name, package.version);
        let error = Error::new(Class::Package, message);
        return Err(error.help("its original is in the shim's `source/`, and in the registry"));
    }
    let lib = document.get("lib");
    let flag = |key: &str| lib.and_then(|lib| lib.get(key)?.as_bool()).unwrap_or(false);
    let types = ["crate-type", "crate_type"].iter().find_map(|key| lib?.get(key)?.as_array());
    let by_type =
        types.is_some_and(|types| types.iter().any(|ty| ty.as_str() == Some("proc-macro")));
    if flag("proc-macro") || flag("proc_macro") || by_type {
        return Ok(());
    }
    let Package { name, version, .. } = package;
    let error = Error::new(Class::Package, format!("{name} {version} is not a proc-macro crate"));
    let near = macro_dependencies(&document);
    Err(match near.is_empty() {
        true => error.help("pack the package whose Cargo.toml says `proc-macro = true`"),
        false => error.help(format!("its macros may come from: {}", near.join(", "))),
    })
}

/// Dependencies whose names say that they are macro crates.
fn macro_dependencies(document: &DocumentMut) -> Vec<String> {
    let table = document.get("dependencies").and_then(|item| item.as_table_like());
    let names = table.into_iter().flat_map(|table| table.iter()).map(|(key, item)| {
        item.get("package").and_then(|name| name.as_str()).unwrap_or(key).to_owned()
    });
    let ends = ["derive", "impl", "macro", "macros", "internal", "attributes"];
    names.filter(|name| ends.iter().any(|end| name.ends_with(end))).collect()
}

#[cfg(test)]
mod tests {
    use super::requirement;

    #[test]
    fn specs() {
        let check = |spec: &str, expected: &str| {
            let text = match requirement(spec) {
                Ok((name, requirement)) => format!("{name} {requirement}"),
                Err(error) => error.to_string(),
            };
            assert_eq!(text, expected);
        };
        check("serde_derive", "serde_derive *");
        check("serde_derive@1.0.229", "serde_derive =1.0.229");
        check("serde_derive@^1.0", "serde_derive ^1.0");
        check("serde_derive@1.0", "`1.0` is not a full version");
        check("serde_derive@^x", "`^x` is not a version requirement: unexpected character 'x' while parsing major version number");
        check("a b", "`a b` names no package");
        check("@1.0.0", "`@1.0.0` names no package");
    }
}
