//! Normalizes the manifest of a package in a directory as `cargo publish` does: what it inherits
//! from its workspace is written out, and paths to other packages are dropped.

use crate::base::cargo;
use crate::base::error::{Class, Context, Error, Result};
use crate::base::files::DIRECTORY_SOURCE;
use std::path::{Path, PathBuf};
use toml_edit::{value, DocumentMut, InlineTable, Item, TableLike, Value};

const DEPENDENCIES: [&str; 2] = ["dependencies", "build-dependencies"];

pub struct Inherited {
    /// As published.
    pub published: String,
    /// The same with absolute paths to packages nearby, for building.
    pub buildable: String,
    /// The workspace's directory.
    pub workspace: PathBuf,
}

/// Of a package that is packed for its own workspace, dependencies in directories need no version.
pub fn normalize(package: &Path, is_published: bool) -> Result<Inherited> {
    let (mut document, buildable, workspace) = written_out(package)?;
    each_dependency(&mut document, &mut |name, item| publish(name, item, is_published))?;
    Ok(Inherited { published: document.to_string(), buildable, workspace })
}

/// [`Inherited::buildable`] alone, of a package that need not be fit to be published.
pub fn buildable(package: &Path) -> Result<String> {
    Ok(written_out(package)?.1)
}

/// The same of a manifest that stands for the package's own.
pub fn buildable_of(document: DocumentMut, package: &Path) -> Result<String> {
    Ok(expanded(document, package)?.1)
}

/// The manifest without what it inherits; the same with absolute paths; the workspace's directory.
fn written_out(package: &Path) -> Result<(DocumentMut, String, PathBuf)> {
    expanded(read(&package.join("Cargo.toml"))?, package)
}

fn expanded(mut document: DocumentMut, package: &Path) -> Result<(DocumentMut, String, PathBuf)> {
    let workspace = workspace(package)?;
    let root = read(&workspace.join("Cargo.toml"))?;
    let shared = root.get("workspace");
    inherit_package(&mut document, shared)?;
    // They have no part in the macro, and often are packages nearby.
    document.remove("dev-dependencies");
    document.remove("lints");
    document.remove("workspace");
    document.remove("profile");
    document.remove("patch");
    document.remove("replace");
    if let Some(package) = document.get_mut("package").and_then(Item::as_table_like_mut) {
        package.remove("workspace");
    }
    each_dependency(&mut document, &mut |name, item| {
        inherit_dependency(name, item, shared, &workspace)
    })?;
    let mut buildable = document.clone();
    each_dependency(&mut buildable, &mut |_, item| {
        make_absolute(item, package);
        Ok(())
    })?;
    if let Some(patch) = root.get("patch") {
        buildable.insert("patch", absolute_patch(patch.clone(), &workspace));
    }
    Ok((document, buildable.to_string(), workspace))
}

fn workspace(package: &Path) -> Result<PathBuf> {
    // A vendored package stands alone, whatever is above it.
    if is_vendored(package) {
        return Ok(package.to_owned());
    }
    let mut command = cargo::command(package);
    command.args(["locate-project", "--workspace", "--message-format", "plain"]);
    let output = cargo::run(command, |_| {})?;
    if !output.success {
        return Err(cargo::failure("cargo cannot read the package", &output.stderr));
    }
    let manifest = PathBuf::from(output.stdout.trim());
    Ok(manifest.parent().unwrap_or(package).to_owned())
}

/// The package lies in a vendor folder: it is as it was published.
pub fn is_vendored(package: &Path) -> bool {
    package.join(DIRECTORY_SOURCE).is_file()
}

fn read(manifest: &Path) -> Result<DocumentMut> {
    let text = std::fs::read_to_string(manifest).at("read", manifest)?;
    text.parse().class(Class::Package, format!("cannot read {}", manifest.display()))
}

fn inherit_package(document: &mut DocumentMut, shared: Option<&Item>) -> Result<()> {
    let package = document.get_mut("package").and_then(Item::as_table_like_mut);
    let package =
        package.ok_or_else(|| Error::new(Class::Package, "Cargo.toml has no [package]"))?;
    let keys: Vec<String> = package.iter().map(|(key, _)| key.to_owned()).collect();
    for key in keys {
        if package.get(&key).is_some_and(inherits) {
            let found = shared.and_then(|shared| shared.get("package")?.get(&key));
            let found = found.ok_or_else(|| missing(&format!("package.{key}")))?;
            // Files of the workspace lie elsewhere.
            match key.as_str() {
                "readme" | "license-file" => drop(package.remove(&key)),
                _ => drop(package.insert(&key, found.clone())),
            }
        }
    }
    Ok(())
}

fn inherits(item: &Item) -> bool {
    item.get("workspace").and_then(Item::as_bool) == Some(true)
}

fn missing(what: &str) -> Error {
    Error::new(Class::Package, format!("the workspace does not define {what}"))
}

/// Calls `change` with name and value of every dependency.
fn each_dependency(
    document: &mut DocumentMut,
    change: &mut dyn FnMut(&str, &mut Item) -> Result<()>,
) -> Result<()> {
    in_table(document.as_table_mut(), change)?;
    if let Some(targets) = document.get_mut("target").and_then(Item::as_table_like_mut) {
        for (_, target) in targets.iter_mut() {
            if let Some(target) = target.as_table_like_mut() {
                in_table(target, change)?;
            }
        }
    }
    Ok(())
}

fn in_table(
    table: &mut dyn TableLike,
    change: &mut dyn FnMut(&str, &mut Item) -> Result<()>,
) -> Result<()> {
    for kind in DEPENDENCIES {
        if let Some(table) = table.get_mut(kind).and_then(Item::as_table_like_mut) {
            for (name, item) in table.iter_mut() {
                change(&name, item)?;
            }
        }
    }
    Ok(())
}

fn inherit_dependency(
    name: &str,
    item: &mut Item,
    shared: Option<&Item>,
    workspace: &Path,
) -> Result<()> {
    if !inherits(item) {
        return Ok(());
    }
    let found = shared.and_then(|shared| shared.get("dependencies")?.get(name));
    let found = found.ok_or_else(|| missing(&format!("dependencies.{name}")))?;
    let mut merged = InlineTable::new();
    if let Some(version) = found.as_str() {
        merged.insert("version", version.into());
    }
    for (key, value) in found.as_table_like().into_iter().flat_map(|table| table.iter()) {
        if let Some(value) = value.as_value() {
            merged.insert(key, value.clone());
        }
    }
    for (key, own) in item.as_table_like().into_iter().flat_map(|table| table.iter()) {
        let Some(own) = own.as_value() else { continue };
        match (key, merged.get_mut("features").and_then(Value::as_array_mut)) {
            ("workspace", _) => {}
            ("features", Some(features)) => {
                features.extend(own.as_array().into_iter().flatten().cloned());
            }
            _ => drop(merged.insert(key, own.clone())),
        }
    }
    *item = value(merged);
    make_absolute(item, workspace);
    Ok(())
}

fn make_absolute(item: &mut Item, base: &Path) {
    let Some(table) = item.as_table_like_mut() else { return };
    if let Some(path) = table.get("path").and_then(Item::as_str) {
        let path = base.join(path).to_string_lossy().into_owned();
        table.insert("path", value(path));
    }
}

fn absolute_patch(mut patch: Item, workspace: &Path) -> Item {
    for (_, registry) in patch.as_table_like_mut().into_iter().flat_map(|table| table.iter_mut()) {
        for (_, item) in registry.as_table_like_mut().into_iter().flat_map(|table| table.iter_mut())
        {
            make_absolute(item, workspace);
        }
    }
    patch
}

/// A published dependency has a version and no path.
fn publish(name: &str, item: &mut Item, is_published: bool) -> Result<()> {
    let Some(table) = item.as_table_like_mut() else { return Ok(()) };
    let elsewhere = table.get("path").is_some() || table.get("git").is_some();
    if elsewhere && table.get("version").is_none() && !is_published {
        table.insert("version", value("*"));
    }
    if elsewhere && table.get("version").is_none() {
        let error = Error::new(Class::Package, format!("the dependency {name} has no version"));
        return Err(error.help("give it one, as `cargo publish` demands: the shim refers to it"));
    }
    for key in ["path", "git", "branch", "tag", "rev"] {
        table.remove(key);
    }
    Ok(())
}
