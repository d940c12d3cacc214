//! The configuration that puts an overlay in the place of cargo's sources.

use super::directory::Entry;
use crate::pack::cargo;
use crate::pack::stage::hash_of;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml_edit::{value, Array, DocumentMut, InlineTable, Item, Table, TableLike};

/// The folder of shims for packages in directories.
const OVERRIDES: &str = "path";

/// A shim for a package in a directory of the user's.
pub struct Override {
    pub entry: Entry,
    /// The package's name.
    pub name: String,
    /// Where the package is, if it is known by that alone.
    pub directory: Option<PathBuf>,
}

/// Where the entries of the sources are.
#[derive(Clone, Copy)]
pub enum Layout<'a> {
    /// In a folder for each source.
    Sources(&'a Path),
    /// All in one, as `cargo vendor` has it.
    Flat(&'a Path),
}

impl Layout<'_> {
    pub fn folder(self, source: &str) -> PathBuf {
        match self {
            Layout::Sources(place) => place.join(folder(source)),
            Layout::Flat(place) => place.to_owned(),
        }
    }

    pub fn overrides(self) -> PathBuf {
        match self {
            Layout::Sources(place) => place.join(OVERRIDES),
            Layout::Flat(place) => place.to_owned(),
        }
    }

    /// The name of the source that replaces another.
    fn replacement(self, source: &str) -> String {
        match self {
            Layout::Sources(_) => format!("precast-{}", folder(source)),
            Layout::Flat(_) => "vendored-sources".to_owned(),
        }
    }
}

/// The configuration for an overlay.
///
/// A package outside of the workspace is patched by its directory's URL. A member cannot be, which is
/// in the lock file itself, nor what a patch has put in the place of another. Cargo's older `paths` takes
/// both, with a warning.
pub fn write<'a>(
    layout: Layout,
    sources: impl Iterator<Item = &'a String>,
    names: &Names,
    overrides: &[Override],
) -> String {
    let mut document = DocumentMut::new();
    let shim = |found: &Override| layout.overrides().join(&found.entry.name);
    let members = overrides.iter().filter(|found| found.directory.is_none()).map(shim);
    let paths: Array = members.map(|path| path.to_string_lossy().into_owned()).collect();
    if !paths.is_empty() {
        document["paths"] = value(paths);
    }
    let mut table = implicit();
    for found in overrides {
        let Some(directory) = &found.directory else { continue };
        let mut place = InlineTable::new();
        place.insert("path", shim(found).to_string_lossy().into_owned().into());
        let patched = table.entry(&url(directory)).or_insert_with(|| Item::Table(Table::new()));
        patched[&found.name] = value(place);
    }
    if !table.is_empty() {
        document["patch"] = Item::Table(table);
    }
    let mut table = implicit();
    for source in sources {
        add(&mut table, source, names, layout);
    }
    if !table.is_empty() {
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
pub fn documents(directory: &Path) -> Vec<DocumentMut> {
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

/// A directory's URL, as cargo writes it.
fn url(directory: &Path) -> String {
    let text = directory.to_string_lossy().replace('\\', "/");
    let mut url = String::from("file://");
    if !text.starts_with('/') {
        url.push('/');
    }
    for byte in text.bytes() {
        match byte {
            b'/' | b':' | b'-' | b'_' | b'.' | b'~' | b'+' | b'@' | b'=' => url.push(byte as char),
            _ if byte.is_ascii_alphanumeric() => url.push(byte as char),
            _ => url += &format!("%{byte:02X}"),
        }
    }
    url
}

/// Replaces one source by a directory.
fn add(table: &mut Table, source: &str, names: &Names, layout: Layout) {
    let replacement = layout.replacement(source);
    let mut original = described(source);
    original["replace-with"] = value(&replacement);
    table[names.get(source).map_or(name(source), String::as_str)] = Item::Table(original);
    let mut ours = Table::new();
    ours["directory"] = value(layout.folder(source).to_string_lossy().into_owned());
    // The last of those that share it stands behind them.
    table.remove(&replacement);
    table[&replacement] = Item::Table(ours);
}

/// `git+URL?branch=main#REVISION` without the revision.
pub fn without_revision(source: &str) -> &str {
    source.split('#').next().unwrap_or(source)
}

fn is_default(source: &str) -> bool {
    source.ends_with("/crates.io-index")
}

/// The directory of a source in the overlay.
fn folder(source: &str) -> String {
    if is_default(source) {
        return "crates-io".to_owned();
    }
    let kind = if source.starts_with("git+") { "git" } else { "registry" };
    format!("{kind}-{}", &hash_of(&[source])[..8])
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
        let text = write(Layout::Sources(Path::new("/w")), sources.iter(), &Names::new(), &[]);
        let expected = "[source.crates-io]\nreplace-with = \"precast-crates-io\"\n\n\
            [source.precast-crates-io]\ndirectory = \"/w/crates-io\"\n\n\
            [source.\"git+https://host/repo?branch=main\"]\ngit = \"https://host/repo\"\n\
            branch = \"main\"\nreplace-with = \"precast-GIT\"\n\n\
            [source.precast-GIT]\ndirectory = \"/w/GIT\"\n\n\
            [source.\"sparse+https://other/index/\"]\nregistry = \"sparse+https://other/index/\"\n\
            replace-with = \"precast-OTHER\"\n\n[source.precast-OTHER]\ndirectory = \"/w/OTHER\"\n";
        let text = text.replace(&folder(&sources[1]), "GIT").replace(&folder(&sources[2]), "OTHER");
        assert_eq!(text, expected);
    }

    #[test]
    fn directories() {
        let found = |name: &str, directory: Option<&str>| Override {
            entry: Entry {
                name: format!("{name}-1.0.0-hash"),
                checksum: None,
                origin: None,
                is_hashed: false,
                content: Box::new(|| unreachable!("nothing is written")),
            },
            name: name.into(),
            directory: directory.map(PathBuf::from),
        };
        let overrides = [found("member", None), found("other", Some("/a b/other"))];
        let expected = "paths = [\"/w/path/member-1.0.0-hash\"]\n\n\
            [patch.\"file:///a%20b/other\"]\n\
            other = { path = \"/w/path/other-1.0.0-hash\" }\n";
        assert_eq!(
            write(Layout::Sources(Path::new("/w")), [].into_iter(), &Names::new(), &overrides),
            expected
        );
    }
}
