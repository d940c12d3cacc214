//! `on` and `off`: the overlay for every cargo command in a workspace, through its
//! `.cargo/config.toml`. What else stands there stays as it is.

use super::{directory, write, Choice, Overlay};
use crate::error::{Class, Context, Error, Result};
use crate::graph::{Graph, Request};
use crate::pack::cargo;
use crate::pack::stage::hash_of;
use crate::pack::Report;
use crate::store::Store;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml_edit::{value, DocumentMut, Item, Table, TableLike};

/// The overlay's place, beside the configuration: `cargo clean` must not take it away.
const PLACE: &str = ".cargo/precast";
/// The configuration's names. Of two files, cargo reads the first.
const CONFIGS: [&str; 2] = [".cargo/config", ".cargo/config.toml"];

/// A file with what there was before.
const BEFORE: &str = ".cargo/precast/before.json";

#[derive(Default, Deserialize, Serialize)]
struct Before {
    /// The whole configuration, if there was one.
    text: Option<String>,
    /// A hash of what `on` made of it: while the file is that, `off` puts the text back as it was.
    written: String,
    /// What `replace-with` said, by the source's name.
    replaced: BTreeMap<String, String>,
}

/// Writes the overlay and the configuration; a second time, both anew.
pub fn on(
    request: &Request,
    choice: &Choice,
    store: &Store,
    report: &dyn Report,
) -> Result<Overlay> {
    let root = root(request)?;
    let mut request = request.clone();
    request.is_lasting = true;
    let request = &request;
    // The packages of the overlay that is there are not those to start from.
    switch_off(&root)?;
    let graph = Graph::load(request, store)?;
    let place = root.join(PLACE);
    let overlay = write(&graph, request, choice, store, &place, report)?;
    directory::replace(&place.join(".gitignore"), b"*\n")?;
    let ours = place.join(super::CONFIG);
    let ours = std::fs::read_to_string(&ours).at("read", &ours)?;
    let ours: DocumentMut = ours.parse().context("cannot read the overlay's configuration")?;
    let mut document = read(&root)?;
    let replaced = replaced(&document);
    let file = config(&root);
    add(document.as_table_mut(), ours.as_table(), &file)?;
    let new = document.to_string();
    let text = std::fs::read_to_string(&file).ok();
    let before = Before { text, written: hash_of(&[&new]), replaced };
    let before = serde_json::to_vec(&before).expect("texts are valid JSON");
    directory::replace(&root.join(BEFORE), &before)?;
    directory::replace(&file, new.as_bytes())?;
    Ok(overlay)
}

/// Takes the overlay out of the configuration. False if it was not there.
pub fn off(request: &Request) -> Result<bool> {
    let root = root(request)?;
    let was_on = switch_off(&root)?;
    let place = root.join(PLACE);
    if place.exists() {
        std::fs::remove_dir_all(&place).at("remove", &place)?;
        // If nothing else is in it, it was made for this; else it stays.
        let _ = std::fs::remove_dir(root.join(".cargo"));
    }
    Ok(was_on)
}

/// Whether the workspace in `root` is switched on for cargo in `directory`, which reads only the
/// configuration in and above where it runs.
pub fn is_on(root: &Path, directory: &Path) -> bool {
    let is_read = || cargo::configuration(directory).into_iter().any(|file| is_of(&file, root));
    read(root).is_ok_and(|document| ours(&document).next().is_some()) && is_read()
}

/// Whether the file is the workspace's configuration, by whichever path.
fn is_of(file: &Path, root: &Path) -> bool {
    matches!((file.canonicalize(), config(root).canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// The file of the configuration, which need not exist.
fn config(root: &Path) -> PathBuf {
    let [first, usual] = CONFIGS.map(|name| root.join(name));
    if first.is_file() {
        first
    } else {
        usual
    }
}

fn switch_off(root: &Path) -> Result<bool> {
    let mut document = read(root)?;
    let names: Vec<String> = ours(&document).collect();
    if names.is_empty() {
        return Ok(false);
    }
    let before = std::fs::read(root.join(BEFORE)).unwrap_or_default();
    let before: Before = serde_json::from_slice(&before).unwrap_or_default();
    let file = config(root);
    let now = std::fs::read(&file).at("read", &file)?;
    match before.text {
        _ if hash_of(&[&now]) != before.written => {}
        Some(text) => return directory::replace(&file, text.as_bytes()).map(|()| true),
        None => return std::fs::remove_file(&file).at("remove", &file).map(|()| true),
    }
    let tables = document["source"].as_table_like_mut().expect("ours are in it");
    for name in &names {
        tables.remove(name);
    }
    let is_ours = |with: Option<&str>| with.is_some_and(|with| names.iter().any(|n| n == with));
    let replaced: Vec<String> = tables
        .iter()
        .filter(|(_, table)| is_ours(table.get("replace-with").and_then(Item::as_str)))
        .map(|(name, _)| name.to_owned())
        .collect();
    for name in replaced {
        match before.replaced.get(&name) {
            Some(old) => {
                let table = tables.get_mut(&name).expect("it was found in them");
                table["replace-with"] = value(old);
            }
            // Where we wrote the whole table, nothing of it was the user's.
            None => drop(tables.remove(&name)),
        }
    }
    if tables.is_empty() {
        document.remove("source");
    }
    remove_overrides(&mut document);
    if document.to_string().trim().is_empty() {
        std::fs::remove_file(&file).at("remove", &file)?;
    } else {
        directory::replace(&file, document.to_string().as_bytes())?;
    }
    Ok(true)
}

fn remove_overrides(document: &mut DocumentMut) {
    if let Some(list) = document.get_mut("paths").and_then(Item::as_array_mut) {
        list.retain(|path| !path.as_str().is_some_and(is_below));
        if list.is_empty() {
            document.remove("paths");
        }
    }
    let Some(patches) = document.get_mut("patch").and_then(Item::as_table_mut) else { return };
    for (_, patch) in patches.iter_mut() {
        let Some(patch) = patch.as_table_mut() else { continue };
        patch.retain(|_, item| {
            !item.get("path").and_then(|path| path.as_str()).is_some_and(is_below)
        });
    }
    patches.retain(|_, patch| !patch.as_table().is_some_and(Table::is_empty));
    if patches.is_empty() {
        document.remove("patch");
    }
}

/// Whether a path of the configuration leads into the overlay.
fn is_below(path: &str) -> bool {
    path.replace('\\', "/").contains(&format!("/{PLACE}/"))
}

/// What `replace-with` says, by the names of the sources.
fn replaced(document: &DocumentMut) -> BTreeMap<String, String> {
    let tables = document.get("source").and_then(Item::as_table_like);
    let replaced = |(name, table): (&str, &Item)| {
        Some((name.to_owned(), table.get("replace-with")?.as_str()?.to_owned()))
    };
    tables.into_iter().flat_map(|tables| tables.iter()).filter_map(replaced).collect()
}

/// Adds tables to tables and lists to lists.
fn add(to: &mut dyn TableLike, from: &dyn TableLike, file: &Path) -> Result<()> {
    for (key, item) in from.iter() {
        let Some(known) = to.get_mut(key) else {
            to.insert(key, item.clone());
            continue;
        };
        let odd = || {
            let message = format!("`{key}` in {} is of another type", file.display());
            Error::new(Class::Usage, message)
        };
        if let Some(from) = item.as_table_like() {
            add(known.as_table_like_mut().ok_or_else(odd)?, from, file)?;
        } else if let Some(from) = item.as_array() {
            known.as_array_mut().ok_or_else(odd)?.extend(from.iter().cloned());
        } else {
            *known = item.clone();
        }
    }
    Ok(())
}

/// The names of the sources which only we write.
fn ours(document: &DocumentMut) -> impl Iterator<Item = String> + '_ {
    let tables = document.get("source").and_then(Item::as_table_like);
    let is_ours = |(_, table): &(&str, &Item)| {
        let directory = table.get("directory").and_then(Item::as_str);
        directory.is_some_and(is_below)
    };
    tables
        .into_iter()
        .flat_map(|tables| tables.iter())
        .filter(is_ours)
        .map(|(name, _)| name.to_owned())
}

fn read(root: &Path) -> Result<DocumentMut> {
    let file = config(root);
    match std::fs::read_to_string(&file) {
        Ok(text) => text.parse().class(Class::Usage, format!("cannot read {}", file.display())),
        Err(_) => Ok(DocumentMut::new()),
    }
}

fn root(request: &Request) -> Result<PathBuf> {
    let output = cargo::run(request.locate(), |_| {})?;
    if !output.success {
        return Err(cargo::failure("cargo finds no workspace", &output.stderr)
            .help("run this in a cargo workspace, or name one with --manifest-path"));
    }
    let manifest = PathBuf::from(output.stdout.trim());
    Ok(manifest.parent().unwrap_or(&request.directory).to_owned())
}
