//! Expands a whole crate, source to source: every use of a packed macro becomes what it makes, and the
//! result needs no macro crate. It serves compilers that cannot load libraries, readers and review.
//!
//! `load` reads the crate's files, `names` tells which macro a name means, `rewrite` puts expansions in
//! place, `print` writes files that are as near to the source as can be. What cannot be told from the sources is
//! an error with its place.

mod cfg;
mod derived;
mod load;
mod machines;
mod names;
mod nodes;
mod opaque;
mod place;
mod print;
mod rewrite;

use crate::artifact::Artifact;
use crate::base::error::{Class, Context, Error, Result};
use crate::embed::input;
use crate::pack;
use cfg::Cfgs;
use machines::Machines;
use names::{Content, Crate, World};
use quote::ToTokens;
use rewrite::Rewriter;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A crate that another one may name.
#[derive(Clone, Debug)]
pub enum Extern {
    /// Its macros are packed in this artifact.
    Packed { name: String, path: PathBuf },
    /// It is a library whose macros and re-exports are in its sources, which begin in this file.
    Source { name: String, path: PathBuf },
}

/// What to expand, and how.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The crate's root file.
    pub root: PathBuf,
    /// Those of the crate, and of the crates that it names.
    pub externs: Vec<Extern>,
    /// For the compiler that is asked for its `cfg`s: `--cfg`, `--target`, `--edition`.
    pub arguments: Vec<OsString>,
    pub edition: String,
    /// Features of crates whose sources are given, by their names.
    pub features: BTreeMap<String, BTreeSet<String>>,
}

/// A crate without packed macros.
#[derive(Debug)]
pub struct Whole {
    /// Every file of the crate, by the path that it was read from.
    pub files: BTreeMap<PathBuf, String>,
    pub n_expansions: usize,
    pub notes: Vec<String>,
}

/// Expands all packed macros of a crate.
pub fn expand(options: &Options) -> Result<Whole> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let cfgs = Cfgs::ask(&rustc, &options.arguments)?;
    let (mut world, mut machines) = (World::default(), Machines::default());
    let mut externs = BTreeMap::new();
    for found in &options.externs {
        let (name, content, features) = match found {
            Extern::Packed { name, path } => {
                let artifact = first_set(read(name, path)?);
                world.packed.push(artifact.manifest.macros.clone());
                (name, Content::Packed(machines.add(artifact)), None)
            }
            Extern::Source { name, path } => {
                (name, Content::File(path.clone()), options.features.get(name))
            }
        };
        if !matches!(syn::parse_str::<syn::Ident>(name), Ok(ident) if ident == name.as_str()) {
            let message = format!("`{name}` is no name of a crate");
            return Err(Error::new(Class::Usage, message).help("write NAME=PATH"));
        }
        let cfgs = cfgs.with_features(features.into_iter().flatten().map(String::as_str));
        world.crates.push(new_crate(content, cfgs, "2021"));
        externs.insert(name.clone(), world.crates.len() - 1);
    }
    world.crates.push(new_crate(Content::File(options.root.clone()), cfgs, &options.edition));
    // One name means the same crate everywhere.
    world.crates.iter_mut().for_each(|krate| krate.externs.clone_from(&externs));
    let krate = world.crates.len() - 1;
    let scope = world.root(krate)?;
    let root = world.scopes[scope].file.expect("the root has a file");
    let mut rewriter = Rewriter::new(&mut world, &mut machines, krate, scope);
    rewriter.file(root);
    if let Some(error) = rewriter.error.take() {
        return Err(error);
    }
    let own = world.files.iter().filter(|file| file.krate == krate);
    let files = own.map(|file| (file.place.file.clone(), printed(file))).collect();
    let notes = machines.notes.into_iter().collect();
    Ok(Whole { files, n_expansions: machines.n_expansions, notes })
}

/// An artifact, a shim, or a module that only the command line names.
fn read(name: &str, path: &Path) -> Result<Artifact> {
    if !path.extension().is_some_and(|ending| ending == "wasm") {
        return input::artifact(path);
    }
    let wasm = std::fs::read(path).class(Class::Usage, format!("cannot read {}", path.display()))?;
    let options = pack::ModuleOptions {
        name: name.to_owned(),
        version: "0.0.0".into(),
        ..pack::ModuleOptions::default()
    };
    pack::of_module(&wasm, &options).context(path.display().to_string())
}

fn new_crate(content: Content, cfgs: Cfgs, edition: &str) -> Crate {
    Crate {
        content,
        cfgs,
        externs: BTreeMap::new(),
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

fn printed(file: &load::File) -> String {
    let text = print::print(file.ast.to_token_stream(), &file.text, &file.place);
    // The first line for the system was read as a comment.
    match std::fs::read_to_string(&file.place.file) {
        Ok(source) if source.starts_with("#!") && text.starts_with("//") && !source.starts_with("#![") => {
            format!("#!{}", &text[2..])
        }
        _ => text,
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
