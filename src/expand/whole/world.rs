//! The crates that names can refer to.

use super::cfg::Cfgs;
use super::place::Place;
use crate::artifact::manifest::Macro;
use proc_macro2::TokenStream;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;

pub type CrateIdx = usize;
pub type ScopeIdx = usize;

/// As deep as the compiler lets macros write macros.
pub const DEPTH_MAX: u32 = 128;

/// Where the modules of a file are looked for.
#[derive(Clone, Debug)]
pub struct Folders {
    /// Of `mod x;`
    pub modules: PathBuf,
    /// Of `#[path = "x.rs"] mod x;`
    pub paths: PathBuf,
}

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
    /// A macro crate whose macros are not known, and why.
    Unpacked(String),
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
    pub imports: Vec<Import>,
    pub globs: Vec<Glob>,
    /// What other crates do not see.
    pub private: HashSet<(Space, String)>,
    /// Macros that make more items, which may not be known.
    pub calls: Vec<Vec<String>>,
}

/// Names of one module that do not meet.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Space {
    Module,
    Crate,
    Item,
}

/// `use path as alias`. An empty first part of the path stands for `::`.
#[derive(Clone)]
pub struct Import {
    pub alias: String,
    pub path: Vec<String>,
    pub is_public: bool,
}

/// `use path::*`
#[derive(Clone)]
pub struct Glob {
    pub path: Vec<String>,
    pub is_public: bool,
}

impl Scope {
    /// Whether a crate sees a member.
    pub fn shows(&self, from: CrateIdx, space: Space, name: &str) -> bool {
        from == self.krate || !self.private.contains(&(space, name.to_owned()))
    }

    /// Notes who sees a member. If there are several of one name, such as a function and a type, it is enough that one of
    /// them is public.
    pub fn note(&mut self, is_new: bool, is_public: bool, space: Space, name: &str) {
        let key = (space, name.to_owned());
        if is_public {
            self.private.remove(&key);
        } else if is_new {
            self.private.insert(key);
        }
    }

    /// Imports of this name that a crate sees.
    pub fn imports_of(&self, from: CrateIdx, name: &str) -> Vec<Vec<String>> {
        let is_seen = |import: &&Import| import.is_public || from == self.krate;
        let named = self.imports.iter().filter(|import| import.alias == name);
        named.filter(is_seen).map(|import| import.path.clone()).collect()
    }

    /// The paths of the globs that a crate sees.
    pub fn globs_for(&self, from: CrateIdx) -> Vec<Vec<String>> {
        let seen = self.globs.iter().filter(|glob| glob.is_public || from == self.krate);
        seen.map(|glob| glob.path.clone()).collect()
    }
}

/// A file of a crate, and what it is now.
pub struct File {
    pub krate: CrateIdx,
    pub place: Place,
    pub text: String,
    pub ast: syn::File,
    pub scope: ScopeIdx,
}
