//! Manifests that leave their place: packages of git repositories and of directories.
//!
//! In a directory source, nothing above a package is its workspace, so what it inherits must be
//! written out. A dependency with a path means a package of the same source there.

use crate::base::error::{Class, Context, Result};
use crate::embed::PLACE;
use crate::pack::source::inherit;
use std::collections::BTreeMap;
use std::path::Path;
use toml_edit::{DocumentMut, InlineTable, Item, TableLike, Value};

const KINDS: [&str; 2] = ["dependencies", "build-dependencies"];

/// The manifest to put into a directory source, if that in `package` inherits.
pub fn manifest(package: &Path) -> Result<Option<String>> {
    let file = package.join("Cargo.toml");
    let text = std::fs::read_to_string(&file).at("read", &file)?;
    if !text.contains("workspace") {
        return Ok(None);
    }
    let mut document = read(&inherit::buildable(package)?)?;
    document.remove("patch");
    Ok(Some(document.to_string()))
}

/// The shim's manifest with the original's places of dependencies, which a published shim has not.
pub fn shim(manifest: &str, original: &Path) -> Result<String> {
    let places = places(&read(&inherit::buildable(original)?)?);
    let mut document = read(manifest)?;
    each_table(document.as_table_mut(), &mut |table| {
        for (name, item) in table.iter_mut() {
            if let Some(place) = places.get(name.get()) {
                set(item, place);
            }
        }
    });
    Ok(document.to_string())
}

fn read(text: &str) -> Result<DocumentMut> {
    text.parse().class(Class::Package, "cannot read Cargo.toml")
}

/// Where dependencies are, by their names.
fn places(document: &DocumentMut) -> BTreeMap<String, Vec<(String, Value)>> {
    let mut places = BTreeMap::new();
    let mut document = document.clone();
    each_table(document.as_table_mut(), &mut |table| {
        for (name, item) in table.iter() {
            let place = item.as_table_like().into_iter().flat_map(|keys| keys.iter());
            let place = place.filter(|(key, _)| PLACE.contains(key));
            let place: Vec<_> = place
                .filter_map(|(key, item)| Some((key.to_owned(), item.as_value()?.clone())))
                .collect();
            if !place.is_empty() {
                places.insert(name.to_owned(), place);
            }
        }
    });
    places
}

fn each_table(table: &mut dyn TableLike, change: &mut dyn FnMut(&mut dyn TableLike)) {
    for kind in KINDS {
        if let Some(table) = table.get_mut(kind).and_then(Item::as_table_like_mut) {
            change(table);
        }
    }
    let targets = table.get_mut("target").and_then(Item::as_table_like_mut);
    for (_, target) in targets.into_iter().flat_map(|targets| targets.iter_mut()) {
        if let Some(target) = target.as_table_like_mut() {
            each_table(target, change);
        }
    }
}

fn set(item: &mut Item, place: &[(String, Value)]) {
    let mut table = InlineTable::new();
    match item.as_str() {
        Some(version) => drop(table.insert("version", version.into())),
        None => {
            let keys = item.as_table_like().into_iter().flat_map(|keys| keys.iter());
            for (key, value) in keys.filter_map(|(key, item)| Some((key, item.as_value()?))) {
                table.insert(key, value.clone());
            }
        }
    }
    for (key, value) in place {
        table.insert(key, value.clone());
    }
    *item = toml_edit::value(table);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_return() {
        let original = "[dependencies]\na = { path = \"/w/a\", version = \"1\" }\nb = \"1\"\n\
                        [target.'cfg(unix)'.dependencies]\nc = { git = \"u\", rev = \"1\" }\n";
        let places = places(&read(original).unwrap());
        let shim = "[target.'cfg(precast_from_source)'.dependencies]\na = \"1\"\nb = \"1\"\n";
        let mut document = read(shim).unwrap();
        each_table(document.as_table_mut(), &mut |table| {
            for (name, item) in table.iter_mut() {
                if let Some(place) = places.get(name.get()) {
                    set(item, place);
                }
            }
        });
        assert_eq!(
            document.to_string(),
            "[target.'cfg(precast_from_source)'.dependencies]\n\
             a = { version = \"1\", path = \"/w/a\"}\nb = \"1\"\n"
        );
        assert!(places.contains_key("c"));
    }
}
