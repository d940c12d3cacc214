//! The folders of fixtures/corpus: what each says about its crate and its consumer.

use crate::run::{root, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use toml_edit::{DocumentMut, Item};

pub struct Fixture {
    /// The folder's name, which is the package's unless fixture.toml says otherwise.
    pub folder: String,
    pub path: PathBuf,
    pub package: String,
    pub version: String,
    /// Features to pack.
    pub features: Vec<String>,
    /// More feature sets to pack, for consumers of other fixtures.
    pub sets: Vec<String>,
    /// Whether CI runs it: a few that are small and unlike each other.
    pub sample: bool,
    /// The consumer's edition.
    pub edition: String,
    /// Whether the consumer is also compiled and run with `--test`.
    pub test: bool,
    /// Macros that the consumer reaches through another crate's macros.
    pub through: Vec<String>,
    /// Why this crate cannot work packed, if so.
    pub reason: Option<String>,
    /// Why the shim cannot be built from its own source, if so.
    pub from_source: Option<String>,
    /// Files of `errors/` whose diagnostics cannot be equal, each with the reason.
    pub differs: BTreeMap<String, String>,
    /// The consumer's dependencies, as TOML.
    pub dependencies: String,
    /// More of the consumer's manifest, as TOML.
    pub manifest: String,
}

const KEYS: &[&str] = &[
    "package",
    "version",
    "features",
    "sets",
    "sample",
    "edition",
    "test",
    "through",
    "reason",
    "from_source",
    "differs",
    "dependencies",
    "manifest",
];

/// All fixtures, sorted by folder.
pub fn load() -> Result<Vec<Fixture>> {
    let folder = root().join("fixtures/corpus");
    let entries =
        std::fs::read_dir(&folder).map_err(|e| format!("cannot read {}: {e}", folder.display()))?;
    let mut paths: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()).collect();
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Result<Fixture> {
    let file = path.join("fixture.toml");
    let at = |e: String| format!("{}: {e}", file.display());
    let text = std::fs::read_to_string(&file).map_err(|e| at(e.to_string()))?;
    let toml: DocumentMut = text.parse().map_err(|e: toml_edit::TomlError| at(e.to_string()))?;
    if let Some((key, _)) = toml.iter().find(|(key, _)| !KEYS.contains(key)) {
        return Err(at(format!("unknown key `{key}`")));
    }
    let string = |key: &str| toml.get(key).and_then(Item::as_str).map(str::to_owned);
    let folder = path.file_name().expect("a folder has a name").to_string_lossy().into_owned();
    Ok(Fixture {
        package: string("package").unwrap_or_else(|| folder.clone()),
        version: string("version").ok_or_else(|| at("no `version`".to_owned()))?,
        features: strings(toml.get("features")),
        sets: strings(toml.get("sets")),
        sample: toml.get("sample").and_then(Item::as_bool).unwrap_or_default(),
        edition: string("edition").ok_or_else(|| at("no `edition`".to_owned()))?,
        test: toml.get("test").and_then(Item::as_bool).unwrap_or_default(),
        through: strings(toml.get("through")),
        reason: string("reason"),
        from_source: string("from_source"),
        differs: table(toml.get("differs")),
        dependencies: toml.get("dependencies").map(Item::to_string).unwrap_or_default(),
        manifest: string("manifest").unwrap_or_default(),
        path: path.to_path_buf(),
        folder,
    })
}

fn table(item: Option<&Item>) -> BTreeMap<String, String> {
    let table = item.and_then(Item::as_table_like);
    let entries = table.into_iter().flat_map(|table| table.iter());
    entries.filter_map(|(key, value)| Some((key.to_owned(), value.as_str()?.to_owned()))).collect()
}

fn strings(item: Option<&Item>) -> Vec<String> {
    let array = item.and_then(Item::as_array).into_iter().flatten();
    array.filter_map(|value| value.as_str().map(str::to_owned)).collect()
}

impl Fixture {
    /// `NAME-VERSION`, as pack names what it writes.
    pub fn id(&self) -> String {
        format!("{}-{}", self.package, self.version)
    }

    /// Name of the consumer's package and program.
    pub fn consumer(&self) -> String {
        format!("corpus-{}", self.folder)
    }

    /// The consumer, then the files with wrong uses.
    pub fn sources(&self) -> Vec<PathBuf> {
        let mut errors: Vec<PathBuf> = std::fs::read_dir(self.path.join("errors"))
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
            .collect();
        errors.sort();
        errors.insert(0, self.path.join("consumer.rs"));
        errors
    }

    /// Names among `macros` which no source of the fixture uses.
    pub fn unused<'a>(&self, macros: &'a [String]) -> Result<Vec<&'a str>> {
        let mut words = BTreeSet::new();
        for file in self.sources() {
            let text =
                std::fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            words.extend(code.flat_map(|line| line.split(|c| !is_word(c))).map(str::to_owned));
        }
        words.extend(self.through.iter().cloned());
        Ok(macros.iter().filter(|name| !words.contains(*name)).map(String::as_str).collect())
    }
}
