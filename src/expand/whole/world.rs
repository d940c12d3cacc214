//! The crates that names can refer to.

use super::cfg::Cfgs;
use super::load::Folders;
use super::place::Place;
use crate::artifact::manifest::Macro;
use proc_macro2::TokenStream;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;

pub type CrateIdx = usize;
pub type ScopeIdx = usize;

/// Everything that names can lead to.
#[derive(Default)]
pub struct World {
    pub crates: Vec<Crate>,
    pub scopes: Vec<Scope>,
    /// The macros of each packed crate.
    pub packed: Vec<Vec<Macro>>,
    pub files: Vec<File>,
    /// What is being looked up: names may go round in circles.
    pub busy: HashSet<(ScopeIdx, String, u8)>,
    /// How deep macros write macros that are being noted.
    pub depth: u32,
}

pub struct Crate {
    pub content: Content,
    /// Its names for other crates.
    pub externs: BTreeMap<String, CrateIdx>,
    pub cfgs: Cfgs,
    pub is_2015: bool,
    /// Every `macro_rules!` of its own, wherever it holds; one name may have several.
    pub rules: BTreeMap<String, Vec<TokenStream>>,
    /// `#[macro_use] extern crate`
    pub macro_use: Vec<String>,
}

pub enum Content {
    /// Index of its macros.
    Packed(usize),
    /// Not read yet.
    File(PathBuf),
    Root(ScopeIdx),
}

/// A module, or a block that has items.
#[derive(Default)]
pub struct Scope {
    pub krate: CrateIdx,
    pub parent: Option<ScopeIdx>,
    pub is_block: bool,
    /// The file that the module is in, if it has one of its own.
    pub file: Option<usize>,
    /// Where its modules are looked for; none in a block.
    pub folders: Option<Folders>,
    pub modules: BTreeMap<String, ScopeIdx>,
    /// `extern crate name as alias`, by the alias.
    pub crates: BTreeMap<String, String>,
    /// Other items that have a name.
    pub names: BTreeSet<String>,
    /// Macros that a path may name.
    pub rules: BTreeSet<String>,
    /// What is imported, by the name that it has here. An empty first part stands for `::`.
    pub imports: Vec<(String, Vec<String>)>,
    pub globs: Vec<Vec<String>>,
    /// Macros that make more items, which may not be known.
    pub calls: Vec<Vec<String>>,
}

/// A file of a crate, and what it is now.
pub struct File {
    pub krate: CrateIdx,
    pub place: Place,
    pub text: String,
    pub ast: syn::File,
    pub scope: ScopeIdx,
}
