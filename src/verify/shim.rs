//! Compares a shim's files with those of a fresh embedding.

use crate::artifact::manifest::{Capabilities, Source};
use crate::artifact::{Artifact, Tree};
use crate::base::error::{Class, Context, Result};
use crate::base::files::DIRECTORY_SOURCE;
use crate::embed;
use crate::embed::PLACE;
use std::collections::{BTreeMap, BTreeSet};
use toml_edit::{DocumentMut, Item, TableLike, Value};

/// Values of a manifest by dotted key.
type Keys = BTreeMap<String, String>;

/// What cargo itself puts beside a package's files.
const CARGOS: [&str; 5] =
    ["Cargo.lock", "Cargo.toml.orig", ".cargo_vcs_info.json", ".cargo-ok", DIRECTORY_SOURCE];

/// Keys that cargo adds to a manifest when it packages; with these values they say what is so anyway.
const INERT: [(&str, &str); 10] = [
    ("package.build", "false"),
    ("package.autolib", "false"),
    ("package.autobins", "false"),
    ("package.autoexamples", "false"),
    ("package.autotests", "false"),
    ("package.autobenches", "false"),
    ("package.readme", "false"),
    // Of the workspace that it is packaged in; nobody asks a dependency for it.
    ("package.resolver", "\"1\""),
    ("package.resolver", "\"2\""),
    ("package.resolver", "\"3\""),
];

/// Every file that is missing, different or too much, by name.
pub(super) fn differences(
    artifact: &Artifact,
    granted: &Capabilities,
    found: &Tree,
) -> Result<Vec<String>> {
    let fresh = embed::embed_with(artifact, granted)?;
    let packaged = found.contains_key("Cargo.toml.orig");
    let is_placed =
        !packaged && !matches!(artifact.manifest.package.source, Source::Registry { .. });
    let mut differences = Vec::new();
    let paths: BTreeSet<&String> = fresh.keys().chain(found.keys()).collect();
    for path in paths {
        match (fresh.get(path), found.get(path)) {
            (Some(_), None) => differences.push(format!("{path} is missing")),
            (None, Some(_)) if !CARGOS.contains(&path.as_str()) => {
                differences.push(format!("{path} does not belong to the shim"));
            }
            (Some(fresh), Some(found)) if path == "Cargo.toml" && packaged => {
                differences.extend(manifest(keys(fresh)?, keys(found)?));
            }
            (Some(fresh), Some(found)) if path == "Cargo.toml" && is_placed && fresh != found => {
                differences.extend(manifest(keys(fresh)?, without_places(keys(found)?)));
            }
            (Some(fresh), Some(found)) => differences.extend(file(path, fresh, found)),
            _ => {}
        }
    }
    if let Some(original) = found.get("Cargo.toml.orig") {
        differences.extend(file("Cargo.toml.orig", &fresh["Cargo.toml"], original));
    }
    Ok(differences)
}

/// What the consumer grants beside the manifest.
pub(super) fn notes(granted: &Capabilities) -> Vec<String> {
    let Capabilities { env, read, write } = granted;
    let lists = [("environment variables", env), ("to read", read), ("to write", write)];
    let named = lists.into_iter().filter(|(_, list)| !list.is_empty());
    named
        .map(|(what, list)| format!("granted by the consumer, {what}: {}", list.join(", ")))
        .collect()
}

/// Where a file differs first.
pub(super) fn file(path: &str, fresh: &[u8], found: &[u8]) -> Option<String> {
    if fresh == found {
        return None;
    }
    let equal = fresh.iter().zip(found).take_while(|(fresh, found)| fresh == found).count();
    Some(match std::str::from_utf8(&found[..equal]) {
        Ok(text) if !text.contains('\0') => {
            format!("{path} differs, first in line {}", text.matches('\n').count() + 1)
        }
        _ => format!("{path} differs, first at byte {equal}"),
    })
}

/// Compares our manifest with the one that cargo made of it: same keys, same values, but for what
/// cargo adds.
fn manifest(fresh: Keys, found: Keys) -> Vec<String> {
    let inert = |key: &str, value: &str| INERT.contains(&(key, value));
    let mut differences = Vec::new();
    for (key, value) in &found {
        match fresh.get(key) {
            Some(fresh) if fresh == value => {}
            None if inert(key, value) => {}
            None => differences.push(format!("Cargo.toml: `{key} = {value}` was added")),
            Some(fresh) => differences.push(format!("Cargo.toml: `{key}` is {value}, not {fresh}")),
        }
    }
    let gone = fresh.keys().filter(|key| !found.contains_key(*key));
    differences.extend(gone.map(|key| format!("Cargo.toml: `{key}` is missing")));
    differences
}

/// In a vendor folder, the shim of a package of a repository or a directory says where the dependencies
/// of its original are: only what builds the original source reads that.
fn without_places(mut keys: Keys) -> Keys {
    let is_place = |key: &str| {
        key.starts_with("target.cfg(precast_from_source).dependencies.")
            && PLACE.iter().any(|place| key.ends_with(&format!(".{place}")))
    };
    keys.retain(|key, _| !is_place(key));
    keys
}

/// All values of a manifest by dotted key; `x = "1"` in a table of dependencies is `x.version`.
fn keys(text: &[u8]) -> Result<Keys> {
    let text = std::str::from_utf8(text).class(Class::Verify, "Cargo.toml is not UTF-8")?;
    let document: DocumentMut = text.parse().class(Class::Verify, "cannot read Cargo.toml")?;
    let mut keys = Keys::new();
    flatten("", document.as_table(), &mut keys);
    Ok(keys)
}

fn flatten(prefix: &str, table: &dyn TableLike, keys: &mut BTreeMap<String, String>) {
    for (name, item) in table.iter() {
        let key = format!("{prefix}{name}");
        match item {
            Item::Value(Value::String(text)) if prefix.ends_with("dependencies.") => {
                keys.insert(format!("{key}.version"), format!("{:?}", text.value()));
            }
            Item::ArrayOfTables(tables) => {
                for (index, table) in tables.iter().enumerate() {
                    flatten(&format!("{key}[{index}]."), table, keys);
                }
            }
            _ => match item.as_table_like() {
                Some(table) => flatten(&format!("{key}."), table, keys),
                None => {
                    keys.insert(key, item.as_value().map_or_else(String::new, spell));
                }
            },
        }
    }
}

fn spell(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{:?}", text.value()),
        Value::Array(values) => {
            format!("[{}]", values.iter().map(spell).collect::<Vec<_>>().join(", "))
        }
        other => other.clone().decorated("", "").to_string(),
    }
}
