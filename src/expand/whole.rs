//! Expands a whole crate, source to source: every use of a packed macro becomes what it makes, and the
//! result needs no macro crate. It serves compilers that cannot load libraries, readers and review.
//!
//! `load` reads the crate's files, `names` tells which macro a name means, `rewrite` puts expansions in
//! place, `print` writes files that are as near to the source as can be. What cannot be told from the sources is
//! an error with its place.

mod cfg;
mod declared;
mod derived;
mod imports;
mod include;
mod load;
mod machines;
mod mixed;
mod names;
mod nodes;
mod opaque;
mod others;
mod place;
mod print;
mod rewrite;
mod rules;
mod world;

use crate::artifact::Artifact;
use crate::base::error::{Class, Context, Error, Result};
use crate::embed::input;
use crate::pack;
use cfg::Cfgs;
pub use declared::declared;
use machines::Machines;
use quote::ToTokens;
use rewrite::Rewriter;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use world::{Content, Crate, File, World};

/// A crate that another one may name.
#[derive(Clone, Debug)]
pub struct Library {
    pub name: String,
    pub content: Origin,
    pub edition: String,
    /// Those that are enabled.
    pub features: BTreeSet<String>,
    /// What its build script told the compiler.
    pub cfgs: Vec<String>,
    /// The crates that it names, by their indexes among all.
    pub externs: BTreeMap<String, usize>,
}

#[derive(Clone, Debug)]
pub enum Origin {
    /// Its macros are packed in this artifact, shim or module.
    Packed(PathBuf),
    /// Its macros and re-exports are in its sources, which begin in this file.
    Source(PathBuf),
    /// It is a macro crate that cannot be packed: its name and version, and the reason.
    Unpacked(String),
}

/// What to expand, and how.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The crate's root file.
    pub root: PathBuf,
    pub edition: String,
    /// For the compiler that is asked for its `cfg`s: `--cfg`, `--target`.
    pub arguments: Vec<OsString>,
    pub libraries: Vec<Library>,
    /// The crates that this one names.
    pub externs: BTreeMap<String, usize>,
}

impl Options {
    /// Adds a library that every crate knows by its name.
    pub fn add(&mut self, name: &str, content: Origin, features: BTreeSet<String>) -> Result<()> {
        if !matches!(syn::parse_str::<syn::Ident>(name), Ok(ident) if ident == name) {
            let message = format!("`{name}` is no name of a crate");
            return Err(Error::new(Class::Usage, message).help("write NAME=PATH"));
        }
        let edition = "2021".to_owned();
        let externs = BTreeMap::new();
        let cfgs = Vec::new();
        let name = name.to_owned();
        self.externs.insert(name.clone(), self.libraries.len());
        self.libraries.push(Library { name, content, edition, features, cfgs, externs });
        for library in &mut self.libraries {
            library.externs.clone_from(&self.externs);
        }
        Ok(())
    }
}

/// A crate without packed macros.
#[derive(Debug)]
pub struct Whole {
    /// Every file of the crate, by the path that it was read from.
    pub files: BTreeMap<PathBuf, String>,
    pub n_expansions: usize,
    pub notes: Vec<String>,
    /// What `precast-macro` tells: each as the compiler's JSON has it.
    pub diagnostics: Vec<Value>,
}

/// Expands all packed macros of a crate.
pub fn expand(options: &Options) -> Result<Whole> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let cfgs = Cfgs::ask(&rustc, &options.arguments)?;
    let (mut world, mut machines) = (World::default(), Machines::of(&options.edition));
    for library in &options.libraries {
        let content = match &library.content {
            Origin::Packed(path) => {
                let artifact = first_set(read(&library.name, path)?);
                world.packed.push(artifact.manifest.macros.clone());
                Content::Packed(machines.add(artifact))
            }
            Origin::Source(path) => Content::File(path.clone()),
            Origin::Unpacked(reason) => Content::Unpacked(reason.clone()),
        };
        let features = library.features.iter().map(String::as_str);
        let cfgs = cfgs.with_features(features).with(&library.cfgs);
        world.crates.push(new_crate(content, cfgs, &library.edition, &library.externs));
    }
    let root = Content::File(options.root.clone());
    world.crates.push(new_crate(root, cfgs, &options.edition, &options.externs));
    let krate = world.crates.len() - 1;
    let scope = world.root(krate)?;
    let root = world.scopes[scope].file.expect("the root has a file");
    let mut rewriter = Rewriter::new(&mut world, &mut machines, krate, scope);
    rewriter.all(root);
    if let Some(error) = rewriter.error.take() {
        return Err(error);
    }
    let own = world.files.iter().filter(|file| file.krate == krate);
    let files = own.map(|file| (file.place.file.clone(), printed(file))).collect();
    let notes = machines.notes.into_iter().collect();
    let mut diagnostics = machines.told;
    let names: Vec<(&str, String)> = world
        .files
        .iter()
        .map(|file| (file.place.id.as_str(), file.place.file.display().to_string()))
        .collect();
    diagnostics.iter_mut().for_each(|value| name_files(value, &names));
    Ok(Whole { files, n_expansions: machines.n_expansions, notes, diagnostics })
}

/// Puts the names of files where spans have those of texts.
fn name_files(value: &mut Value, names: &[(&str, String)]) {
    match value {
        Value::String(text) => {
            for (id, name) in names.iter().filter(|(id, _)| !id.is_empty()) {
                if text.contains(id) {
                    *text = text.replace(id, name);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| name_files(item, names)),
        Value::Object(fields) => fields.values_mut().for_each(|field| name_files(field, names)),
        _ => {}
    }
}

/// An artifact, a shim, or a module that only the command line names.
fn read(name: &str, path: &Path) -> Result<Artifact> {
    if path.extension().is_none_or(|ending| ending != "wasm") {
        return input::artifact(path);
    }
    let wasm =
        std::fs::read(path).class(Class::Usage, format!("cannot read {}", path.display()))?;
    let options = pack::ModuleOptions {
        name: name.to_owned(),
        version: "0.0.0".into(),
        ..pack::ModuleOptions::default()
    };
    pack::of_module(&wasm, &options).context(path.display().to_string())
}

fn new_crate(
    content: Content,
    cfgs: Cfgs,
    edition: &str,
    externs: &BTreeMap<String, usize>,
) -> Crate {
    Crate {
        content,
        cfgs,
        externs: externs.clone(),
        is_2015: edition == "2015",
        rules: BTreeMap::new(),
        macro_use: Vec::new(),
    }
}

/// The artifact with its first feature set alone, as for one expansion.
fn first_set(artifact: Artifact) -> Artifact {
    let first = artifact.each_set().next();
    first.unwrap_or(artifact)
}

fn printed(file: &File) -> String {
    let text = print::print(file.ast.to_token_stream(), &file.text, &file.place);
    let source = std::fs::read_to_string(&file.place.file).unwrap_or_default();
    match load::first_line(&source) {
        Some(line) => line.to_owned() + text.get(line.len()..).unwrap_or_default(),
        None => text,
    }
}

/// Where the files go that were read below a folder; none for a file that is elsewhere.
pub fn placed(whole: &Whole, folder: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let place = |(file, text): (&PathBuf, &String)| {
        let inside = file.strip_prefix(folder).map(|inside| (inside.to_owned(), text.clone()));
        inside.map_err(|_| {
            let message = format!("{} is not below {}", file.display(), folder.display());
            Error::new(Class::Package, message)
        })
    };
    whole.files.iter().map(place).collect()
}
