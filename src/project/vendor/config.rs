//! The configuration that puts a vendor folder in the place of cargo's sources.

use crate::base::cargo;
use std::collections::BTreeMap;
use std::path::Path;
use toml_edit::{value, DocumentMut, Item, Table, TableLike};

/// The name of the folder's source, as `cargo vendor` gives it.
const REPLACEMENT: &str = "vendored-sources";

/// The configuration for a folder with the packages of these sources.
pub fn write<'a>(
    folder: &Path,
    sources: impl Iterator<Item = &'a String>,
    names: &Names,
) -> String {
    let mut document = DocumentMut::new();
    let mut table = implicit();
    for source in sources {
        let mut original = described(source);
        original["replace-with"] = value(REPLACEMENT);
        table[names.get(source).map_or(name(source), String::as_str)] = Item::Table(original);
    }
    if !table.is_empty() {
        let mut ours = Table::new();
        ours["directory"] = value(folder.to_string_lossy().into_owned());
        table[REPLACEMENT] = Item::Table(ours);
        document["source"] = Item::Table(table);
    }
    document.to_string()
}

fn implicit() -> Table {
    let mut table = Table::new();
    table.set_implicit(true);
    table
}

/// The user's own names of sources: cargo takes no second one for the same.
pub type Names = BTreeMap<String, String>;

/// The names that the configuration in and above a directory gives to these sources.
pub fn names<'a>(directory: &Path, sources: impl Iterator<Item = &'a String>) -> Names {
    let documents = documents(directory);
    let known = |source: &'a String| {
        let tables = documents.iter().filter_map(|document| document.get("source"));
        let mut tables = tables.filter_map(Item::as_table_like).flat_map(|tables| tables.iter());
        let found = tables.find(|(_, table)| is_same(table, &described(source)));
        found.map(|(name, _)| (source.clone(), name.to_owned()))
    };
    sources.filter_map(known).collect()
}

/// The user's configuration in and above a directory, nearest first.
fn documents(directory: &Path) -> Vec<DocumentMut> {
    let files = cargo::configuration(directory).into_iter();
    let texts = files.filter_map(|file| std::fs::read_to_string(file).ok());
    // What cannot be read is cargo's to complain of.
    texts.filter_map(|text| text.parse().ok()).collect()
}

/// Whether the user's table means the source.
fn is_same(table: &Item, described: &Table) -> bool {
    let text = |table: &dyn TableLike, key| {
        table.get(key).and_then(|item: &Item| item.as_str().map(str::to_owned))
    };
    let Some(table) = table.as_table_like() else { return false };
    !described.is_empty()
        && ["registry", "git", "branch", "tag", "rev"]
            .iter()
            .all(|key| text(table, key) == text(described, key))
}

/// `git+URL?branch=main#REVISION` without the revision.
pub fn without_revision(source: &str) -> &str {
    source.split('#').next().unwrap_or(source)
}

fn is_default(source: &str) -> bool {
    source.ends_with("/crates.io-index")
}

/// The source's name as `cargo vendor` gives it: where both are there, they are one table.
fn name(source: &str) -> &str {
    if is_default(source) {
        "crates-io"
    } else {
        source
    }
}

/// What a source is, in the words of cargo's configuration.
fn described(source: &str) -> Table {
    let mut table = Table::new();
    if is_default(source) {
        return table;
    }
    if let Some(url) = source.strip_prefix("registry+") {
        table["registry"] = value(url);
    } else if let Some(git) = source.strip_prefix("git+") {
        let (url, query) = git.split_once('?').unwrap_or((git, ""));
        table["git"] = value(url);
        for (key, text) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            table[key] = value(text);
        }
    } else {
        table["registry"] = value(source);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources() {
        let sources = [
            "registry+https://host/crates.io-index".to_owned(),
            "git+https://host/repo?branch=main".to_owned(),
            "sparse+https://other/index/".to_owned(),
        ];
        let text = write(Path::new("/w"), sources.iter(), &Names::new());
        let expected = "[source.crates-io]\nreplace-with = \"vendored-sources\"\n\n\
            [source.\"git+https://host/repo?branch=main\"]\ngit = \"https://host/repo\"\n\
            branch = \"main\"\nreplace-with = \"vendored-sources\"\n\n\
            [source.\"sparse+https://other/index/\"]\nregistry = \"sparse+https://other/index/\"\n\
            replace-with = \"vendored-sources\"\n\n[source.vendored-sources]\ndirectory = \"/w\"\n";
        assert_eq!(text, expected);
        assert_eq!(write(Path::new("/w"), [].into_iter(), &Names::new()), "");
    }
}
