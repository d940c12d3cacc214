//! The target `proc-macro`: its source, and its table in the package's manifest.

use crate::base::error::{Class, Context, Error, Result};
use std::path::{Path, PathBuf};
use toml_edit::{DocumentMut, Item, Table, TableLike};

/// Folders in which the source is found, in the order of the RFC's question.
const FOLDERS: [&str; 3] = ["proc-macro", "proc_macro", "procmacro"];

/// The table of the RFC, of which cargo warns, and the same where cargo does not look.
const TABLE: &str = "proc-macro";
const PLACE: &str = "package.metadata.precast.proc-macro";

/// The crate's name unless the table has another.
pub const NAME: &str = "proc_macro";

/// What is generated lies in this folder, beside the source.
pub const PACKED: &str = "precast";

/// Keys of the RFC's table.
const KEYS: [&str; 7] = ["name", "path", "test", "doctest", "bench", "doc", "proc-macro"];
/// Keys that only precast knows.
const OWN_KEYS: [&str; 3] = ["dependencies", "feature-sets", "required-features"];

/// Crates that the compiler looks for in every other one.
const PRELUDE: [&str; 3] = ["std", "core", "alloc"];

/// The macros of a package that are in that package.
#[derive(Clone, Debug)]
pub struct Target {
    /// The package's directory.
    pub directory: PathBuf,
    pub package: String,
    /// Of the crate: what stands behind `use`.
    pub name: String,
    /// The source's root, relative to the package.
    pub path: String,
    pub test: bool,
    pub doctest: bool,
    pub bench: bool,
    pub doc: bool,
    /// Dependencies of the macros alone, where they have a table of their own.
    pub dependencies: Option<Table>,
    /// Feature sets to pack.
    pub feature_sets: Option<Vec<Vec<String>>>,
    /// Without all of these features the package has no macros.
    pub required_features: Vec<String>,
    /// The manifest as it is written.
    pub manifest: DocumentMut,
    /// Where the source is while it is not in the package yet.
    pub staged: Option<PathBuf>,
}

impl Target {
    /// The target of the package in a directory, if it has one.
    pub fn of(directory: &Path) -> Result<Option<Target>> {
        let file = directory.join("Cargo.toml");
        let text = std::fs::read_to_string(&file).at("read", &file)?;
        let folders = folders(directory);
        if folders.is_empty() && !text.contains(TABLE) {
            return Ok(None);
        }
        let manifest = text.parse().class(Class::Usage, format!("cannot read {}", file.display()));
        let context = || format!("the macros of {}", directory.display());
        read(directory, manifest?, &folders).map_err(|error| error.context(context()))
    }

    /// The target that a package is going to have: its manifest, and the folder in which its source is now.
    pub fn staged(directory: &Path, manifest: DocumentMut, stage: &Path) -> Result<Target> {
        let target = read(stage, manifest, &folders(stage))?;
        let mut target = target.ok_or_else(|| wrong("the package would have no macros".into()))?;
        target.directory = directory.to_owned();
        target.staged = Some(stage.to_owned());
        Ok(target)
    }

    /// The same where there must be one.
    pub fn required(directory: &Path) -> Result<Target> {
        Target::of(directory)?.ok_or_else(|| {
            let message = format!("{} has no macros of its own", directory.display());
            Error::new(Class::Usage, message).help(
                "their source is proc-macro/lib.rs; `cargo precast init --proc-macro` writes one",
            )
        })
    }

    /// The folder with the macros' source.
    pub fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// The folder with the macros' source, in the file system.
    pub fn source(&self) -> PathBuf {
        self.staged.as_ref().unwrap_or(&self.directory).join(self.folder())
    }

    /// The folder with what is generated.
    pub fn packed(&self) -> PathBuf {
        self.directory.join(self.folder()).join(PACKED)
    }

    /// Whether the package has its macros with these features.
    pub fn is_enabled(&self, features: &[String]) -> bool {
        self.required_features.iter().all(|feature| features.contains(feature))
    }

    /// The name in the documentation: the one in the table, or else the package's with an end.
    pub fn documented(&self) -> String {
        match self.name.as_str() {
            NAME => format!("{}.{NAME}", self.package),
            name => name.to_owned(),
        }
    }
}

/// The known folders that have a root file, and are no package of their own.
fn folders(directory: &Path) -> Vec<&'static str> {
    let is_target = |folder: &&&str| {
        let folder = directory.join(folder);
        folder.join("lib.rs").is_file() && !folder.join("Cargo.toml").is_file()
    };
    FOLDERS.iter().filter(is_target).copied().collect()
}

fn read(directory: &Path, manifest: DocumentMut, folders: &[&str]) -> Result<Option<Target>> {
    // A workspace without a package.
    let Some(package) = manifest.get("package") else { return Ok(None) };
    let own = package.get("metadata").and_then(|item| item.get("precast")?.get(TABLE));
    let (place, table) = match (manifest.get(TABLE), own) {
        (Some(_), Some(_)) => {
            let message = format!("both [{TABLE}] and [{PLACE}] are there");
            return Err(wrong(message).help("keep one of them; cargo warns of the first"));
        }
        (Some(item), None) => (TABLE, Some(as_table(TABLE, item)?)),
        (None, Some(item)) => (PLACE, Some(as_table(PLACE, item)?)),
        (None, None) => (PLACE, None),
    };
    if let Some(table) = table {
        check_keys(place, table)?;
    }
    let Some(path) = root(directory, &manifest, place, table, folders)? else { return Ok(None) };
    let flag = |key: &str, default: bool| match table.and_then(|table| table.get(key)) {
        None => Ok(default),
        Some(item) => item.as_bool().ok_or_else(|| wrong(format!("`{place}.{key}` is no boolean"))),
    };
    let name = match table.and_then(|table| table.get("name")) {
        None => NAME.to_owned(),
        Some(item) => crate_name(place, item)?,
    };
    let target = Target {
        directory: directory.to_owned(),
        package: package.get("name").and_then(Item::as_str).unwrap_or_default().to_owned(),
        name,
        path,
        test: flag("test", true)?,
        doctest: flag("doctest", true)?,
        bench: flag("bench", false)?,
        doc: flag("doc", true)?,
        dependencies: dependencies(&manifest, place, table)?,
        feature_sets: sets(place, table)?,
        required_features: match table.and_then(|table| table.get("required-features")) {
            None => Vec::new(),
            Some(item) => names(&format!("{place}.required-features"), item)?,
        },
        manifest,
        staged: None,
    };
    check_clash(&target)?;
    if let Some(name) = target.required_features.iter().find(|name| !has_feature(&target, name)) {
        let message =
            format!("`{place}.required-features` has `{name}`, which is no feature of the package");
        return Err(wrong(message));
    }
    Ok(Some(target))
}

/// Whether the package has the feature, or an optional dependency that is one.
fn has_feature(target: &Target, name: &str) -> bool {
    let has = |table: &Item| table.as_table_like().is_some_and(|table| table.contains_key(name));
    let is_optional = |tables: &Item| {
        let item = tables.get("dependencies").and_then(|table| table.get(name));
        item.and_then(|item| item.get("optional")?.as_bool()) == Some(true)
    };
    let manifest = &target.manifest;
    let platforms = manifest.get("target").and_then(Item::as_table_like);
    manifest.get("features").is_some_and(has)
        || is_optional(manifest.as_item())
        || platforms.is_some_and(|platforms| platforms.iter().any(|(_, item)| is_optional(item)))
}

fn check_keys(place: &str, table: &dyn TableLike) -> Result<()> {
    for (key, item) in table.iter() {
        if key == "proc-macro" && item.as_bool() != Some(true) {
            return Err(wrong(format!("`{place}.proc-macro` cannot be changed: it is `true`")));
        }
        let is_own = OWN_KEYS.contains(&key);
        if is_own && place == TABLE {
            let message = format!("[{TABLE}] of RFC 3826 has no key `{key}`");
            return Err(wrong(message).help(format!("write the table as [{PLACE}]")));
        }
        if !is_own && !KEYS.contains(&key) {
            let known: Vec<&str> = KEYS.iter().chain(&OWN_KEYS).copied().collect();
            let error = wrong(format!("[{place}] has no key `{key}`"));
            return Err(error.help(format!("it has {}", known.join(", "))));
        }
    }
    Ok(())
}

/// The root file, relative to the package.
fn root(
    directory: &Path,
    manifest: &DocumentMut,
    place: &str,
    table: Option<&dyn TableLike>,
    folders: &[&str],
) -> Result<Option<String>> {
    let lib = manifest.get("lib");
    let lib_path = lib.and_then(|lib| lib.get("path")?.as_str()).map(normal);
    if let Some(item) = table.and_then(|table| table.get("path")) {
        let path = item.as_str().ok_or_else(|| wrong(format!("`{place}.path` is no text")))?;
        let path = normal(path);
        let is_inside = !Path::new(&path).is_absolute() && path.split('/').all(|name| name != "..");
        if !path.contains('/') || path.starts_with('/') || !is_inside {
            let error = wrong(format!("`{place}.path` is `{path}`"));
            return Err(error.help("the macros' source lies in a folder of the package"));
        }
        if !directory.join(&path).is_file() {
            return Err(wrong(format!("there is no {path}, which `{place}.path` names")));
        }
        if lib_path.as_deref().unwrap_or("src/lib.rs") == path {
            return Err(wrong(format!("`{place}.path` is the library's own, {path}")));
        }
        return Ok(Some(path));
    }
    let is_automatic = manifest["package"].get("autoprocmacro").and_then(Item::as_bool);
    if is_automatic == Some(false) && table.is_none() {
        return Ok(None);
    }
    // The source of a macro package whose library lies there.
    let is_lib = |folder: &&&str| lib_path.as_deref() != Some(&format!("{folder}/lib.rs"));
    let folders: Vec<&&str> = folders.iter().filter(is_lib).collect();
    match folders[..] {
        [] if table.is_some() => {
            let error = wrong(format!("[{place}] is there, but no {}/lib.rs", FOLDERS[0]));
            Err(error.help(format!("write it, or name another file with `{place}.path`")))
        }
        [] => Ok(None),
        [folder] => Ok(Some(format!("{folder}/lib.rs"))),
        [one, other, ..] => {
            let error = wrong(format!("both {one}/lib.rs and {other}/lib.rs are there"));
            Err(error.help(format!("keep one, or name it with `{place}.path`")))
        }
    }
}

/// `./a\b` is `a/b`.
fn normal(path: &str) -> String {
    path.replace('\\', "/").trim_start_matches("./").to_owned()
}

fn crate_name(place: &str, item: &Item) -> Result<String> {
    let name = item.as_str().ok_or_else(|| wrong(format!("`{place}.name` is no text")))?;
    let is_start = |c: char| c.is_alphabetic() || c == '_';
    let is_name = name.starts_with(is_start)
        && name.chars().all(|c| c.is_alphanumeric() || c == '_')
        && syn::parse_str::<syn::Ident>(name).is_ok();
    if !is_name {
        return Err(wrong(format!("`{place}.name` is `{name}`, which no crate can have")));
    }
    match PRELUDE.contains(&name) {
        true => Err(wrong(format!("`{place}.name` is `{name}`, which every crate needs"))),
        false => Ok(name.to_owned()),
    }
}

/// The tables of their own: precast's, or the one that the RFC asks about.
fn dependencies(
    manifest: &DocumentMut,
    place: &str,
    table: Option<&dyn TableLike>,
) -> Result<Option<Table>> {
    let own = table.and_then(|table| table.get("dependencies"));
    let asked = manifest.get("proc-macro-dependencies");
    let (place, item) = match (own, asked) {
        (Some(_), Some(_)) => {
            return Err(wrong(format!("both [{place}.dependencies] and [proc-macro-dependencies]")))
        }
        (Some(item), None) => (format!("{place}.dependencies"), item),
        (None, Some(item)) => ("proc-macro-dependencies".to_owned(), item),
        (None, None) => return Ok(None),
    };
    let mut found = Table::new();
    for (name, item) in as_table(&place, item)?.iter() {
        if item.get("optional").and_then(Item::as_bool) == Some(true) {
            let error = wrong(format!("`{place}.{name}` is optional"));
            return Err(
                error.help("cargo knows no feature for it: write it in [build-dependencies]")
            );
        }
        found.insert(name, item.clone());
    }
    Ok(Some(found))
}

fn sets(place: &str, table: Option<&dyn TableLike>) -> Result<Option<Vec<Vec<String>>>> {
    let Some(item) = table.and_then(|table| table.get("feature-sets")) else { return Ok(None) };
    let place = format!("{place}.feature-sets");
    let list = item.as_array().ok_or_else(|| wrong(format!("`{place}` is no list of lists")))?;
    let set = |value: &toml_edit::Value| names(&place, &Item::Value(value.clone()));
    list.iter().map(set).collect::<Result<Vec<_>>>().map(Some)
}

fn names(place: &str, item: &Item) -> Result<Vec<String>> {
    let odd = || wrong(format!("`{place}` is no list of features"));
    let list = item.as_array().ok_or_else(odd)?;
    list.iter().map(|name| name.as_str().map(str::to_owned).ok_or_else(odd)).collect()
}

/// The macros' crate must not have the name of another one that the package's targets see.
fn check_clash(target: &Target) -> Result<()> {
    let manifest = &target.manifest;
    let lib = manifest.get("lib").and_then(|lib| lib.get("name")?.as_str());
    if lib.unwrap_or(&target.package).replace('-', "_") == target.name {
        let error = wrong(format!("the macros' crate and the library are both `{}`", target.name));
        return Err(error.help(format!("name the macros with `{PLACE}.name`")));
    }
    let platforms = manifest.get("target").and_then(Item::as_table_like);
    let platforms = platforms.into_iter().flat_map(|table| table.iter()).map(|(_, item)| item);
    for tables in platforms.chain([manifest.as_item()]) {
        for kind in ["dependencies", "dev-dependencies"] {
            let table = tables.get(kind).and_then(Item::as_table_like);
            let mut names = table.into_iter().flat_map(|table| table.iter()).map(|(name, _)| name);
            if let Some(name) = names.find(|name| name.replace('-', "_") == target.name) {
                let message = format!(
                    "the macros' crate and the dependency `{name}` are both `{}`",
                    target.name
                );
                return Err(wrong(message).help(format!(
                    "rename the dependency, or name the macros with `{PLACE}.name`"
                )));
            }
        }
    }
    Ok(())
}

fn as_table<'a>(place: &str, item: &'a Item) -> Result<&'a dyn TableLike> {
    item.as_table_like().ok_or_else(|| wrong(format!("`{place}` is no table")))
}

fn wrong(message: String) -> Error {
    Error::new(Class::Usage, message)
}
