//! Packages in folders nearby that the macros depend on: an edit of one makes the packed macros stale.
//!
//! `nearby.txt` has a line for each of their manifests, build scripts and folders with sources: a hash, for a manifest the
//! package's name and else a dash, and the path from the package. The build script's part for building from source reads
//! it with `std` alone (`embed::beside`), so the hash is FNV-1a: it finds edits, and guards nothing.

use super::target::Target;
use crate::base::cargo;
use crate::base::error::{Class, Context, Error, Result};
use crate::embed::beside::NEARBY_FILE;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use toml_edit::{DocumentMut, Item};

/// The text of the file for the macros' package, which is staged in this folder; empty if there are none.
pub fn text(target: &Target, stage: &Path) -> Result<String> {
    let file = stage.join("Cargo.toml");
    let manifest = std::fs::read_to_string(&file).at("read", &file)?;
    let manifest: DocumentMut = manifest.parse().context("cannot read what was written")?;
    if !has_paths(&manifest) {
        return Ok(String::new());
    }
    let mut lines = BTreeMap::new();
    for (name, paths) in packages(stage)? {
        for path in paths {
            // None on another drive.
            if let Some(inside) = relative(&target.directory, &path) {
                let name = if path.ends_with("Cargo.toml") { name.as_str() } else { "-" };
                let line = format!("{:016x} {name} {inside}\n", hash(&path)?);
                lines.insert(inside, line);
            }
        }
    }
    Ok(lines.into_values().collect())
}

/// The paths that are not what they were. What is not there is nobody's edit: a published package has none of it.
pub fn differences(target: &Target) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(target.packed().join(NEARBY_FILE)).unwrap_or_default();
    let mut found = Vec::new();
    for line in text.lines() {
        let mut words = line.splitn(3, ' ');
        let (Some(known), Some(inside)) = (words.next(), words.nth(1)) else { continue };
        let path = target.directory.join(inside);
        if path.exists() && format!("{:016x}", hash(&path)?) != known {
            found.push(inside.to_owned());
        }
    }
    Ok(found)
}

fn has_paths(manifest: &DocumentMut) -> bool {
    let dependencies = |item: &Item| {
        let table = item.get("dependencies").and_then(Item::as_table_like);
        table.is_some_and(|table| table.iter().any(|(_, item)| item.get("path").is_some()))
    };
    let platforms = manifest.get("target").and_then(Item::as_table_like);
    dependencies(manifest.as_item())
        || platforms.is_some_and(|platforms| platforms.iter().any(|(_, item)| dependencies(item)))
}

/// Packages without a registry, but the staged one: their names, and what they are compiled of.
fn packages(stage: &Path) -> Result<Vec<(String, Vec<PathBuf>)>> {
    let mut command = cargo::command(stage);
    command.args(["metadata", "--format-version=1", "--offline", "--quiet"]);
    let output = cargo::run(command, |_| {})?;
    if !output.success {
        return Err(cargo::failure("cargo cannot read the macros' dependencies", &output.stderr));
    }
    let metadata = cargo_metadata::MetadataCommand::parse(&output.stdout)
        .map_err(|error| Error::new(Class::Other, error.to_string()))?;
    let own = metadata.root_package().map(|package| package.id.clone());
    let nearby = metadata.packages.iter().filter(|package| package.source.is_none());
    let nearby = nearby.filter(|package| Some(&package.id) != own.as_ref());
    Ok(nearby
        .map(|package| {
            let is_compiled = |target: &&cargo_metadata::Target| {
                target.is_lib() || target.is_custom_build() || target.is_proc_macro()
            };
            let mut paths = vec![package.manifest_path.clone().into_std_path_buf()];
            for target in package.targets.iter().filter(is_compiled) {
                let root = target.src_path.clone().into_std_path_buf();
                match target.is_custom_build() {
                    true => paths.push(root),
                    false => paths.extend(root.parent().map(Path::to_owned)),
                }
            }
            (package.name.to_string(), paths)
        })
        .collect())
}

/// A path from a folder to another, with `/`.
fn relative(from: &Path, to: &Path) -> Option<String> {
    let to = to.canonicalize().ok()?;
    let (mut from, mut to) = (from.components().peekable(), to.components().peekable());
    if from.peek() != to.peek() {
        return None;
    }
    while from.peek().is_some() && from.peek() == to.peek() {
        from.next();
        to.next();
    }
    let up = from.map(|_| "..".to_owned());
    let down = to.filter_map(|part| match part {
        Component::Normal(name) => name.to_str().map(str::to_owned),
        _ => None,
    });
    Some(up.chain(down).collect::<Vec<_>>().join("/"))
}

/// Of a file, or of all files of a folder but those of packages in it; line endings make no difference.
fn hash(path: &Path) -> Result<u64> {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    add(&mut hash, path, true)?;
    Ok(hash)
}

fn add_bytes(hash: &mut u64, bytes: &[u8]) {
    for byte in bytes.iter().filter(|byte| **byte != b'\r').chain(&[0]) {
        *hash = (*hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
}

fn add(hash: &mut u64, path: &Path, is_root: bool) -> Result<()> {
    if !path.is_dir() {
        add_bytes(hash, &std::fs::read(path).at("read", path)?);
        return Ok(());
    }
    if !is_root && path.join("Cargo.toml").exists() {
        return Ok(());
    }
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path).at("read", path)? {
        names.push(entry.at("read", path)?.file_name());
    }
    names.sort();
    for name in names {
        let text = name.to_string_lossy().into_owned();
        if !text.starts_with('.') && text != "target" && text != "Cargo.lock" {
            add_bytes(hash, text.as_bytes());
            add(hash, &path.join(name), false)?;
        }
    }
    Ok(())
}
