//! The manifests: of the library, which gets the macros, and of the package that stays under the old name.

use super::features::{self, Merged};
use super::side::{Side, Uses};
use crate::base::error::{Class, Context, Error, Result};
use crate::pack::source::inherit;
use std::path::{Component, Path, PathBuf};
use toml_edit::{
    value, Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, TableLike, Value,
};

/// Kinds of targets that move with the macros.
pub const KINDS: [&str; 3] = ["test", "example", "bench"];

const PLACE: [&str; 4] = ["package", "metadata", "precast", "proc-macro"];
const TABLES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// A target of the macros' package that moves.
pub struct Moved {
    pub kind: &'static str,
    pub old_name: String,
    pub name: String,
    /// Where it is from now on, relative to the library.
    pub path: String,
}

/// Writes into the library's manifest what was in the macros'.
pub struct Library<'a> {
    pub manifest: DocumentMut,
    pub side: &'a Side,
    pub macros: &'a Side,
    pub merged: &'a Merged,
    pub notes: Vec<String>,
}

impl Library<'_> {
    /// The table of the macros: where they are, what they need.
    pub fn add_macros(&mut self, path: &str) -> Result<()> {
        let dependencies = self.dependencies()?;
        let mut at: &mut Table = self.manifest.as_table_mut();
        for key in PLACE {
            let item = at.entry(key).or_insert_with(|| Item::Table(implicit()));
            if item.as_table().is_none() {
                *item = Item::Table(std::mem::take(item).into_table().unwrap_or_default());
            }
            at = item.as_table_mut().expect("it was made a table");
        }
        if path != "proc-macro/lib.rs" {
            at.insert("path", value(path));
        }
        if !self.merged.required.is_empty() {
            at.insert("required-features", value(self.merged.required.iter().collect::<Array>()));
        }
        at.insert("dependencies", Item::Table(dependencies));
        Ok(())
    }

    /// The macros' dependencies, all of them needed: consumers do not compile them.
    fn dependencies(&mut self) -> Result<Table> {
        let written: DocumentMut = inherit::buildable(&self.macros.directory)?
            .parse()
            .context("cannot read what was written")?;
        let mut found = Table::new();
        for (platform, table, out) in tables(&self.macros.manifest, &written, "dependencies") {
            for (name, item) in table.iter() {
                if platform.is_some() {
                    self.notes.push(format!(
                        "{name} was a dependency of the macros for one platform; now it is one for all"
                    ));
                }
                let plain = out.and_then(|out| out.get(name)).unwrap_or(item);
                let is_shared = inherits(item) && self.macros.workspace == self.side.workspace;
                let mut item = if is_shared { item.clone() } else { plain.clone() };
                if let Some(table) = item.as_table_like_mut() {
                    table.remove("optional");
                }
                self.rebase(&mut item);
                let more = self.merged.enabled.get(name).into_iter().flatten();
                enable(&mut item, more.map(String::as_str));
                found.insert(name, inline(item));
            }
        }
        Ok(found)
    }

    /// A path to a package nearby is one from the library now.
    fn rebase(&self, item: &mut Item) {
        let Some(table) = item.as_table_like_mut() else { return };
        if let Some(path) = table.get("path").and_then(Item::as_str) {
            let path = relative(&self.side.directory, &self.macros.directory.join(path));
            table.insert("path", value(path));
        }
    }

    /// Dependencies of the macros' tests become those of the library's.
    pub fn add_dev_dependencies(&mut self) -> Result<()> {
        let own = [self.side.name(), self.macros.name()];
        let theirs = self.macros.manifest.get("dev-dependencies").and_then(Item::as_table_like);
        let theirs: Vec<(String, Item)> = theirs
            .into_iter()
            .flat_map(|table| table.iter())
            .map(|(name, item)| (name.to_owned(), item.clone()))
            .collect();
        for (name, mut item) in theirs {
            let package = item.get("package").and_then(Item::as_str).unwrap_or(&name);
            if own.contains(&package) {
                continue;
            }
            if inherits(&item) && self.macros.workspace != self.side.workspace {
                let message = format!(
                    "{} inherits the dependency {name} from another workspace",
                    self.macros.name()
                );
                return Err(Error::new(Class::Usage, message).help("write out its version first"));
            }
            self.rebase(&mut item);
            let table = self
                .manifest
                .entry("dev-dependencies")
                .or_insert_with(|| Item::Table(Table::new()));
            let Some(table) = table.as_table_like_mut() else { continue };
            match table.get_mut(&name) {
                None => drop(table.insert(&name, inline(item))),
                Some(kept) => {
                    if version(kept) != version(&item) {
                        self.notes.push(format!(
                            "both packages have the development dependency {name}, in other versions: the library's is kept"
                        ));
                    }
                    let features = item.get("features").and_then(Item::as_array);
                    enable(kept, features.into_iter().flatten().filter_map(Value::as_str));
                }
            }
        }
        Ok(())
    }

    /// Takes out the dependency on the macros' package.
    pub fn drop_dependency(&mut self, uses: &Uses) {
        let from = |tables: &mut dyn TableLike| {
            for kind in TABLES {
                let Some(table) = tables.get_mut(kind).and_then(Item::as_table_like_mut) else {
                    continue;
                };
                uses.keys.iter().for_each(|key| drop(table.remove(key)));
                // A table that is written may have a comment, and stays.
                let is_written = tables
                    .get(kind)
                    .is_some_and(|item| item.as_table().is_some_and(|table| !table.is_implicit()));
                if is_empty(tables, kind) && !is_written {
                    tables.remove(kind);
                }
            }
        };
        from(self.manifest.as_table_mut());
        let Some(platforms) = self.manifest.get_mut("target").and_then(Item::as_table_like_mut)
        else {
            return;
        };
        let mut empty = Vec::new();
        for (name, platform) in platforms.iter_mut() {
            if let Some(platform) = platform.as_table_like_mut() {
                from(platform);
                if platform.is_empty() {
                    empty.push(name.get().to_owned());
                }
            }
        }
        empty.iter().for_each(|name| drop(platforms.remove(name)));
        if platforms.is_empty() {
            self.manifest.remove("target");
        }
    }

    /// Cargo runs the build script, and publishes the macros.
    pub fn add_script(&mut self) {
        let Some(package) = self.manifest.get_mut("package").and_then(Item::as_table_like_mut)
        else {
            return;
        };
        if package.get("build").is_some_and(|build| build.as_bool() == Some(false)) {
            package.insert("build", value("build.rs"));
        }
        if let Some(included) = package.get_mut("include").and_then(Item::as_array_mut) {
            for path in ["/proc-macro", "/build.rs"] {
                if !included.iter().any(|entry| entry.as_str() == Some(path)) {
                    included.push(path);
                }
            }
        }
    }

    /// Targets that moved, with what their old manifest said of them.
    pub fn add_targets(&mut self, moved: &[Moved]) {
        for target in moved {
            let tables = self.macros.manifest.get(target.kind).and_then(Item::as_array_of_tables);
            let is_this =
                |table: &&Table| table.get("name").and_then(Item::as_str) == Some(&target.old_name);
            let mut table =
                tables.and_then(|tables| tables.iter().find(is_this)).cloned().unwrap_or_default();
            table.insert("name", value(&target.name));
            table.insert("path", value(&target.path));
            let mut required = self.merged.required.clone();
            let theirs = table.get("required-features").and_then(Item::as_array);
            for name in theirs.into_iter().flatten().filter_map(Value::as_str) {
                match self.merged.flags.get(name) {
                    Some(super::rewrite::Flag::Named(new)) => required.push(new.clone()),
                    Some(super::rewrite::Flag::Always) => {}
                    None => required.push(name.to_owned()),
                }
            }
            table.remove("required-features");
            if !required.is_empty() {
                table.insert("required-features", value(required.iter().collect::<Array>()));
            }
            let list = self
                .manifest
                .entry(target.kind)
                .or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
            if let Some(list) = list.as_array_of_tables_mut() {
                list.push(table);
            }
        }
    }
}

/// The manifest of a package that has nothing but the library's macros.
pub fn facade(macros: &Side, library: &Side, merged: &Merged) -> DocumentMut {
    let mut document = macros.manifest.clone();
    for key in TABLES.iter().chain(&KINDS).chain(&["target", "features"]) {
        document.remove(key);
    }
    if let Some(lib) = document.get_mut("lib").and_then(Item::as_table_like_mut) {
        for key in ["proc-macro", "proc_macro"] {
            lib.remove(key);
        }
        if lib.is_empty() {
            document.remove("lib");
        }
    }
    let mut dependency = InlineTable::new();
    dependency.insert("version", library.package.version.to_string().into());
    dependency.insert("path", relative(&macros.directory, &library.directory).into());
    dependency.insert("default-features", false.into());
    if !merged.required.is_empty() {
        dependency.insert("features", merged.required.iter().collect::<Array>().into());
    }
    let mut dependencies = Table::new();
    dependencies.insert(library.name(), value(dependency));
    document.insert("dependencies", Item::Table(dependencies));
    let features = features::forwarded(library.name(), &macros.package.features, &merged.flags);
    if !features.is_empty() {
        document.insert("features", Item::Table(features));
    }
    document
}

/// Tables of one kind with the platform they are for, as they are written and as they are meant.
fn tables<'a>(
    written: &'a DocumentMut,
    meant: &'a DocumentMut,
    kind: &str,
) -> Vec<(Option<&'a str>, &'a dyn TableLike, Option<&'a dyn TableLike>)> {
    let of = |table: &'a dyn TableLike| table.get(kind).and_then(Item::as_table_like);
    let mut all = Vec::new();
    if let Some(table) = of(written.as_table()) {
        all.push((None, table, of(meant.as_table())));
    }
    let platforms = written.get("target").and_then(Item::as_table_like);
    for (platform, item) in platforms.into_iter().flat_map(|table| table.iter()) {
        if let Some(table) = item.as_table_like().and_then(of) {
            let meant =
                meant.get("target").and_then(|targets| targets.get(platform)?.as_table_like());
            all.push((Some(platform), table, meant.and_then(of)));
        }
    }
    all
}

fn is_empty(tables: &dyn TableLike, kind: &str) -> bool {
    tables.get(kind).and_then(Item::as_table_like).is_some_and(TableLike::is_empty)
}

fn implicit() -> Table {
    let mut table = Table::new();
    table.set_implicit(true);
    table
}

fn inherits(item: &Item) -> bool {
    item.get("workspace").and_then(Item::as_bool) == Some(true)
}

fn version(item: &Item) -> Option<&str> {
    item.as_str().or_else(|| item.get("version")?.as_str())
}

/// Adds features to a dependency.
fn enable<'a>(item: &mut Item, features: impl Iterator<Item = &'a str>) {
    let features: Vec<&str> = features.collect();
    if features.is_empty() {
        return;
    }
    if let Some(version) = item.as_str() {
        let mut table = InlineTable::new();
        table.insert("version", version.into());
        *item = value(table);
    }
    let Some(table) = item.as_table_like_mut() else { return };
    let list = table.entry("features").or_insert_with(|| value(Array::new()));
    let Some(list) = list.as_array_mut() else { return };
    for feature in features {
        if !list.iter().any(|known| known.as_str() == Some(feature)) {
            list.push(feature);
        }
    }
}

/// A dependency on one line.
fn inline(item: Item) -> Item {
    match item.into_value() {
        Ok(mut one) => {
            one.decor_mut().clear();
            if let Value::InlineTable(table) = &mut one {
                table.fmt();
                if let (1, Some(version)) = (table.len(), table.get("version")) {
                    return value(version.clone());
                }
            }
            value(one)
        }
        Err(item) => item,
    }
}

/// The path from a folder to another, with `/`.
pub fn relative(from: &Path, to: &Path) -> String {
    let (from, to) = (plain(from), plain(to));
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..".to_owned(), from.len() - common);
    let down = to[common..].iter().map(|part| part.to_string_lossy().into_owned());
    up.chain(down).collect::<Vec<_>>().join("/")
}

/// The parts of an absolute path, without `..`.
fn plain(path: &Path) -> Vec<PathBuf> {
    let mut parts: Vec<PathBuf> = Vec::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(parts.pop()),
            part => parts.push(PathBuf::from(part.as_os_str())),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_between_folders() {
        let check = |from: &str, to: &str, expected: &str| {
            assert_eq!(relative(Path::new(from), Path::new(to)), expected);
        };
        check("/a/lib", "/a/derive", "../derive");
        check("/a/lib", "/a/lib/derive/../core", "core");
        check("/a/lib/derive", "/a/lib", "..");
    }
}
