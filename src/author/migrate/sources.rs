//! Migrates source files: the new path of each, and the edits to its text.

use super::change::Change;
use super::features::Merged;
use super::manifests::{relative, Moved, KINDS};
use super::rewrite::{self, Rules};
use super::side::{Side, Uses};
use crate::base::error::{Context, Result};
use crate::base::files::{self, Tree};
use cargo_metadata::{Edition, TargetKind};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use syn::{Item, UseTree, Visibility};

/// The module by which others than the library's users reach its macros.
pub const MODULE: &str = "__proc_macro";

/// What both packages' sources have in common.
pub struct Sources<'a> {
    pub library: &'a Side,
    pub macros: &'a Side,
    pub uses: &'a Uses,
    pub merged: &'a Merged,
    /// The path of the macros for who depends on the library.
    shown: String,
    /// The macros' source.
    source: Tree,
    pub notes: Vec<String>,
}

impl<'a> Sources<'a> {
    pub fn new(
        (library, macros): (&'a Side, &'a Side),
        uses: &'a Uses,
        merged: &'a Merged,
        source: Tree,
    ) -> Result<Sources<'a>> {
        let root = library.root().unwrap_or_default();
        let file = library.directory.join(&root);
        let text = std::fs::read_to_string(&file).at("read", &file)?;
        let names =
            source.get(&name_of(macros)).map(|body| exported(&String::from_utf8_lossy(body)));
        let is_public = syn::parse_file(&text)
            .is_ok_and(|file| has_all(&file.items, &uses.keys, &names.unwrap_or_default()));
        let shown = match library.crate_name() {
            name if is_public => name,
            name => format!("{name}::{MODULE}"),
        };
        let notes = match is_public {
            true => Vec::new(),
            false => vec![format!(
                "{root} does not re-export every macro at its root; the others are in `{shown}`, which is hidden"
            )],
        };
        Ok(Sources { library, macros, uses, merged, shown, source, notes })
    }

    /// Rules for the library's own code, where the macros have the name of their target.
    fn library_rules(&self) -> Rules {
        Rules {
            old: self.uses.keys.iter().map(|key| key.replace('-', "_")).collect(),
            code: crate::project::same_package::target::NAME.into(),
            crate_name: crate::project::same_package::target::NAME.into(),
            documentation: self.shown.clone(),
            is_rooted: self.library.package.edition == Edition::E2015,
            ..Rules::default()
        }
    }

    /// Rules for code that may be compiled as a package of its own.
    fn outer_rules(&self) -> Rules {
        Rules { code: self.shown.clone(), ..self.library_rules() }
    }

    /// The same for what comes from the macros' package, which has one name.
    fn old_name(&self) -> BTreeSet<String> {
        BTreeSet::from([self.macros.crate_name()])
    }

    fn macro_rules(&self, included: BTreeMap<String, String>) -> Rules {
        Rules {
            old: self.old_name(),
            code: format!("{}::{MODULE}", self.library.crate_name()),
            features: self.merged.flags.clone(),
            included,
            ..self.library_rules()
        }
    }

    /// The macros' source, by paths relative to the library.
    pub fn macros(&mut self, change: &mut Change, stage: &Path) -> Result<()> {
        let folder = folder_of(self.macros);
        let mut moved = Tree::new();
        for (path, body) in self.source.clone() {
            let old = self.macros.directory.join(&folder).join(&path);
            change.remove(old.clone());
            let Some(text) = text_of(&path, &body) else {
                moved.insert(path, body);
                continue;
            };
            let included = self.included(&text, &path, &mut moved)?;
            let rules = self.macro_rules(included);
            moved.insert(path, rewritten(&text, &rules, &old)?.into_bytes());
            if text.contains("CARGO_MANIFEST_DIR") {
                self.notes.push(format!(
                    "{} asks for CARGO_MANIFEST_DIR, which is the library's folder now",
                    relative(&self.macros.directory, &old)
                ));
            }
        }
        for (path, body) in moved {
            files::put(&stage.join("proc-macro").join(&path), &body)?;
            change.write(self.library.directory.join("proc-macro").join(path), body);
        }
        Ok(())
    }

    /// Files that the source includes from elsewhere come along: all that the macros need is in one folder.
    fn included(
        &self,
        text: &str,
        path: &str,
        moved: &mut Tree,
    ) -> Result<BTreeMap<String, String>> {
        let source = self.macros.directory.join(folder_of(self.macros));
        let mut found = BTreeMap::new();
        for old in rewrite::included(text).unwrap_or_default() {
            let here = source.join(path);
            let here = here.parent().unwrap_or(&source);
            let Ok(file) = dunce::canonicalize(here.join(&old)) else { continue };
            if file.starts_with(&source) {
                continue;
            }
            let name = match file.strip_prefix(&self.macros.directory) {
                Ok(inside) => inside.to_string_lossy().replace('\\', "/"),
                Err(_) => file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            };
            moved.insert(name.clone(), std::fs::read(&file).at("read", &file)?);
            found.insert(old, relative(here, &source.join(name)));
        }
        Ok(found)
    }

    /// The library's own files.
    pub fn library(&mut self, change: &mut Change) -> Result<()> {
        let root = self.library.root().unwrap_or_default();
        let inner = root.split_once('/').map_or("", |(folder, _)| folder).to_owned();
        let mut folders = BTreeSet::from([inner.clone()]);
        let roots = self.library.package.targets.iter();
        let roots = roots.filter_map(|target| self.library.inside(target.src_path.as_std_path()));
        folders.extend(roots.map(|root| top(&root).to_owned()));
        for folder in folders {
            let rules = if folder == inner { self.library_rules() } else { self.outer_rules() };
            let place = self.library.directory.join(&folder);
            // What is in the package's directory itself is its build script, and everything else.
            if folder.is_empty() || !place.is_dir() {
                continue;
            }
            for (path, body) in files::read(&place)? {
                let file = place.join(&path);
                if file.starts_with(&self.macros.directory)
                    && !self.library.directory.starts_with(&self.macros.directory)
                {
                    continue;
                }
                self.library_file(&file, text_of(&path, &body), &rules, change);
            }
        }
        self.add_module(&root, change)
    }

    fn library_file(
        &mut self,
        file: &Path,
        text: Option<String>,
        rules: &Rules,
        change: &mut Change,
    ) {
        let Some(text) = text else { return };
        if !rules.old.iter().any(|old| rewrite::names(&text, old)) {
            return;
        }
        match rewrite::rewrite(&text, rules) {
            Ok(new) if new != text => change.write(file.to_owned(), new),
            Ok(_) => {}
            // Tests may have files that are no Rust.
            Err(_) => self.notes.push(format!(
                "{} names the macros' package, and is no Rust: it is left as it is",
                relative(&self.library.directory, file)
            )),
        }
    }

    /// Others than the library's users reach all macros by one module.
    fn add_module(&self, root: &str, change: &mut Change) -> Result<()> {
        let file = self.library.directory.join(root);
        let written = change.written().find(|(path, _)| *path == file);
        let text = match written {
            Some((_, body)) => String::from_utf8_lossy(body).into_owned(),
            None => std::fs::read_to_string(&file).at("read", &file)?,
        };
        let flags: Vec<String> =
            self.merged.required.iter().map(|name| format!("feature = {name:?}")).collect();
        let condition = match &flags[..] {
            [] => String::new(),
            [one] => format!("#[cfg({one})]\n"),
            all => format!("#[cfg(all({}))]\n", all.join(", ")),
        };
        let body = match self.library.package.edition {
            Edition::E2015 => "    extern crate proc_macro;\n    pub use self::proc_macro::*;\n",
            _ => "    pub use proc_macro::*;\n",
        };
        let end = if text.ends_with('\n') { "" } else { "\n" };
        let module = format!(
            "{end}\n/// For the package `{}`, which has the macros under its old name.\n{condition}#[doc(hidden)]\n\
             pub mod {MODULE} {{\n{body}}}\n",
            self.macros.name()
        );
        change.write(file, text + &module);
        Ok(())
    }

    fn targets<'b>(
        &self,
        side: &'b Side,
    ) -> impl Iterator<Item = (&'static str, String, String)> + use<'b> {
        side.package.targets.iter().filter_map(|target| {
            let kind = target.kind.iter().find_map(|kind| match kind {
                TargetKind::Test => Some(KINDS[0]),
                TargetKind::Example => Some(KINDS[1]),
                TargetKind::Bench => Some(KINDS[2]),
                _ => None,
            })?;
            Some((kind, target.name.clone(), side.inside(target.src_path.as_std_path())?))
        })
    }

    /// Tests, examples and benchmarks of the macros' package, which become the library's.
    pub fn tests(&mut self, change: &mut Change) -> Result<Vec<Moved>> {
        let targets: Vec<_> = self.targets(self.macros).collect();
        let own: BTreeSet<(&str, String)> =
            self.targets(self.library).map(|(kind, name, _)| (kind, name)).collect();
        let prefix = self.macros.crate_name();
        let folders: BTreeSet<String> = targets
            .iter()
            .map(|target| top(&target.2).to_owned())
            .filter(|folder| !folder.is_empty())
            .collect();
        let mut places = BTreeMap::new();
        for folder in &folders {
            let to = self.place_of(folder, &prefix)?;
            self.move_folder(folder, &to, change)?;
            places.insert(folder.clone(), to);
        }
        let mut moved = Vec::new();
        for (kind, old_name, path) in targets {
            let folder = top(&path);
            let Some(to) = places.get(folder) else {
                self.notes.push(format!("{path} of {} is left where it is", self.macros.name()));
                continue;
            };
            let path = format!("{to}{}", &path[folder.len()..]);
            let name = match own.contains(&(kind, old_name.clone())) {
                true => format!("{prefix}_{old_name}"),
                false => old_name.clone(),
            };
            moved.push(Moved { kind, old_name, name, path });
        }
        Ok(moved)
    }

    /// The same folder of the library, or one in it where both have a file of the same name.
    fn place_of(&self, folder: &str, prefix: &str) -> Result<String> {
        let there = self.library.directory.join(folder);
        let theirs = files::read(&self.macros.directory.join(folder))?;
        let clashes = theirs.keys().any(|path| there.join(top_of(path)).exists());
        Ok(if clashes { format!("{folder}/{prefix}") } else { folder.to_owned() })
    }

    fn move_folder(&mut self, folder: &str, to: &str, change: &mut Change) -> Result<()> {
        let place = self.macros.directory.join(folder);
        let features = self.merged.flags.clone();
        let rules = Rules { old: self.old_name(), features, ..self.outer_rules() };
        for (path, body) in files::read(&place)? {
            let old = place.join(&path);
            change.remove(old.clone());
            let body = match text_of(&path, &body) {
                Some(text) => match rewrite::rewrite(&text, &rules) {
                    Ok(new) if to == folder => new.into_bytes(),
                    // A test names its files from the package's directory.
                    Ok(new) => {
                        new.replace(&format!("\"{folder}/"), &format!("\"{to}/")).into_bytes()
                    }
                    Err(_) => body,
                },
                None => body,
            };
            change.write(self.library.directory.join(to).join(path), body);
        }
        Ok(())
    }

    /// The package of the old name: its whole library.
    pub fn facade(&self) -> String {
        format!(
            "//! The macros of [`{0}`], under their old name.\n//!\n//! They have moved: `{0}` has them itself, and this package \
             re-exports them for those who depend on it.\n\n#![no_std]\n\n#[doc(inline)]\npub use {0}::{MODULE}::*;\n",
            self.library.crate_name()
        )
    }
}

/// The folder with the source of a package's library, relative to it.
pub fn folder_of(side: &Side) -> String {
    side.root().and_then(|root| Some(root.rsplit_once('/')?.0.to_owned())).unwrap_or_default()
}

/// The name of the root's file.
pub fn name_of(side: &Side) -> String {
    let root = side.root().unwrap_or_default();
    root.rsplit('/').next().unwrap_or_default().to_owned()
}

fn top(path: &str) -> &str {
    path.split_once('/').map_or("", |(top, _)| top)
}

fn top_of(path: &str) -> &str {
    path.split('/').next().unwrap_or(path)
}

fn text_of(path: &str, body: &[u8]) -> Option<String> {
    path.ends_with(".rs").then(|| String::from_utf8(body.to_vec()).ok()).flatten()
}

fn rewritten(text: &str, rules: &Rules, file: &Path) -> Result<String> {
    rewrite::rewrite(text, rules).context(format!("cannot read {}", file.display()))
}

/// The macros that a root file declares.
fn exported(text: &str) -> BTreeSet<String> {
    let Ok(file) = syn::parse_file(text) else { return BTreeSet::new() };
    let functions = file.items.iter().filter_map(|item| match item {
        Item::Fn(function) => Some(function),
        _ => None,
    });
    let name = |function: &syn::ItemFn| {
        function.attrs.iter().find_map(|attribute| {
            let path = attribute.path();
            if path.is_ident("proc_macro") || path.is_ident("proc_macro_attribute") {
                return Some(function.sig.ident.to_string());
            }
            let list = attribute.meta.require_list().ok()?;
            let first = list.tokens.clone().into_iter().next()?;
            path.is_ident("proc_macro_derive").then(|| first.to_string())
        })
    };
    functions.filter_map(name).collect()
}

/// Whether a module re-exports all of the macros, for everybody.
fn has_all(items: &[Item], keys: &BTreeSet<String>, names: &BTreeSet<String>) -> bool {
    let mut found = BTreeSet::new();
    for item in items {
        let Item::Use(item) = item else { continue };
        let UseTree::Path(path) = &item.tree else { continue };
        let is_old = keys.iter().any(|key| path.ident == key.replace('-', "_"));
        if matches!(item.vis, Visibility::Public(_)) && is_old {
            leaves(&path.tree, &mut found);
        }
    }
    found.contains("*") || !names.is_empty() && names.iter().all(|name| found.contains(name))
}

fn leaves(tree: &UseTree, found: &mut BTreeSet<String>) {
    match tree {
        UseTree::Name(name) => drop(found.insert(name.ident.to_string())),
        UseTree::Glob(_) => drop(found.insert("*".into())),
        UseTree::Group(group) => group.items.iter().for_each(|tree| leaves(tree, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_public() {
        let keys = BTreeSet::from(["lib-derive".to_owned()]);
        let macros = exported(
            "#[proc_macro_derive(A, attributes(a))] pub fn f() {} #[proc_macro] pub fn b() {} fn c() {}",
        );
        assert_eq!(macros.iter().collect::<Vec<_>>(), ["A", "b"]);
        let check = |text: &str| has_all(&syn::parse_file(text).unwrap().items, &keys, &macros);
        assert!(check("pub use lib_derive::*;") && check("pub use lib_derive::{A, b};"));
        assert!(!check("pub use lib_derive::A;") && !check("use lib_derive::*;"));
        assert!(!check("pub use lib_derive::{A, b as c};"));
    }
}
