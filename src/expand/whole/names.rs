//! Which macro a name means, as far as the sources tell: modules, imports, re-exports, renames, preludes.

use super::load;
use super::place::Trouble;
use super::world::{Content, Crate, CrateIdx, ScopeIdx, Space, World};
use crate::artifact::manifest::{Kind, Macro};
use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

/// What a name in the namespace of macros means.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// Index of the packed crate, and of its macro.
    Packed(usize, usize),
    /// Something that is not ours: the language's own, or of `macro_rules!`.
    Other,
    Nothing,
    /// A macro of a crate that is not packed, with the reason.
    Unpacked(String),
    /// It may come from this crate, whose sources nobody gave.
    Unknown(String),
}

/// Where a path leads that is to have macros in it.
#[derive(Clone, Debug, PartialEq)]
enum Module {
    Scope(ScopeIdx),
    Packed(usize),
    Unpacked(String),
    /// The language's own crates, and what is no module.
    Other,
    Nowhere,
    Unknown(String),
}

const LANGUAGE: [&str; 5] = ["std", "core", "alloc", "proc_macro", "test"];

/// First names of attributes that other programs read, and of the language's own.
const TOOLS: [&str; 6] = ["clippy", "diagnostic", "miri", "rust_analyzer", "rustdoc", "rustfmt"];

impl World {
    /// What a macro's path means in a scope.
    pub fn find(&mut self, scope: ScopeIdx, path: &[String], kind: Kind) -> Trouble<Found> {
        let (last, before) = path.split_last().expect("a path has a name");
        let is_unpacked = |krate: &Crate| matches!(krate.content, Content::Unpacked(_));
        if !self.packed.iter().flatten().any(|item| item.kind == kind)
            && !self.crates.iter().any(is_unpacked)
            && !path.iter().any(|part| part == "crate")
        {
            return Ok(Found::Other);
        }
        if !before.is_empty() {
            return self.through(scope, before, last, kind);
        }
        let krate = self.scopes[scope].krate;
        let is_rules = kind == Kind::Bang && self.crates[krate].rules.contains_key(last);
        let mut at = Some(scope);
        while let Some(here) = at {
            match self.inside(here, last, kind, krate)? {
                Found::Nothing => {}
                Found::Packed(..) if is_rules => {
                    return Ok(Found::Unknown(format!("`macro_rules! {last}`")));
                }
                found => return Ok(found),
            }
            at = self.scopes[here].parent.filter(|_| self.scopes[here].is_block);
        }
        if is_rules {
            return Ok(Found::Other);
        }
        for name in self.crates[krate].macro_use.clone() {
            let module = self.extern_crate(krate, &name)?;
            match self.of(module, last, kind, krate)? {
                // Which macros it has is not known.
                Found::Nothing | Found::Unpacked(_) => {}
                found => return Ok(found),
            }
        }
        Ok(Found::Nothing)
    }

    /// The one `macro_rules!` that a path names, what `$crate` is in it, and its crate.
    pub fn rules_of(
        &mut self,
        scope: ScopeIdx,
        path: &[String],
    ) -> Option<(TokenStream, TokenStream, CrateIdx)> {
        let krate = self.scopes[scope].krate;
        let (last, before) = path.split_last()?;
        if before.is_empty() {
            if let Some(all) = self.crates[krate].rules.get(last) {
                return (all.len() == 1).then(|| (all[0].clone(), quote!(crate), krate));
            }
        }
        let mut paths = vec![path.to_owned()];
        if before.is_empty() {
            paths = self
                .scopes_around(scope)
                .flat_map(|here| &self.scopes[here].imports)
                .filter(|import| import.alias == *last)
                .map(|import| import.path.clone())
                .collect();
            let extern_crates = self.crates[krate].macro_use.iter();
            paths.extend(extern_crates.map(|name| vec![String::new(), name.clone(), last.clone()]));
        }
        paths.iter().find_map(|path| {
            let (last, before) = path.split_last()?;
            // Whatever cannot be read has no rules that are known.
            let Ok(Module::Scope(found)) = self.module(scope, before) else { return None };
            let of = self.scopes[found].krate;
            let root = self.root(of).ok()?;
            let is_there = of == krate || found == root && self.scopes[root].rules.contains(last);
            let all = self.crates[of].rules.get(last).filter(|all| is_there && all.len() == 1)?;
            let dollar = match of == krate {
                true => quote!(crate),
                false => {
                    let mut externs = self.crates[krate].externs.iter();
                    let name = externs.find(|(_, known)| **known == of)?.0;
                    let name = Ident::new(name, Span::call_site());
                    quote!(::#name)
                }
            };
            Some((all[0].clone(), dollar, of))
        })
    }

    /// Whether macros of a crate may write what is packed: it names a macro crate.
    pub fn names_packed(&self, krate: CrateIdx) -> bool {
        let mut named = self.crates[krate].externs.values();
        named.any(|other| matches!(self.crates[*other].content, Content::Packed(_)))
    }

    /// A scope, and the blocks and the module around it.
    fn scopes_around(&self, scope: ScopeIdx) -> impl Iterator<Item = ScopeIdx> + '_ {
        let outer =
            |here: &ScopeIdx| self.scopes[*here].parent.filter(|_| self.scopes[*here].is_block);
        std::iter::successors(Some(scope), outer)
    }

    /// Whether an import has nothing but packed macros.
    pub fn is_packed(&mut self, scope: ScopeIdx, path: &[String], is_glob: bool) -> Trouble<bool> {
        let krate = self.scopes[scope].krate;
        let module = match is_glob {
            true => self.module(scope, path)?,
            false => match path.split_last() {
                Some((last, [])) => return self.is_packed_crate(scope, last),
                Some((last, before)) if before == [""] => return self.is_packed_crate(scope, last),
                Some((_, before)) => self.module(scope, before)?,
                None => Module::Nowhere,
            },
        };
        match module {
            Module::Packed(_) => Ok(true),
            Module::Scope(inner) if !is_glob => {
                let last = path.last().expect("it has a name");
                let mut is_macro = false;
                for kind in [Kind::Derive, Kind::Attribute, Kind::Bang] {
                    is_macro |= matches!(self.inside(inner, last, kind, krate)?, Found::Packed(..));
                }
                Ok(is_macro && self.has_other(inner, last, krate)? == Some(false))
            }
            _ => Ok(false),
        }
    }

    /// Whether a name is that of a macro crate.
    pub fn is_packed_crate(&mut self, scope: ScopeIdx, name: &str) -> Trouble<bool> {
        let krate = self.scopes[scope].krate;
        Ok(matches!(self.extern_crate(krate, name)?, Module::Packed(_)))
    }

    /// The same of a macro that `name` in `module` is.
    fn through(
        &mut self,
        scope: ScopeIdx,
        before: &[String],
        name: &str,
        kind: Kind,
    ) -> Trouble<Found> {
        let module = match self.module(scope, before)? {
            Module::Unknown(tool) if kind == Kind::Attribute && TOOLS.contains(&&*tool) => {
                Module::Other
            }
            module => module,
        };
        self.of(module, name, kind, self.scopes[scope].krate)
    }

    /// A macro that is a member of a module, as a crate sees it.
    fn of(&mut self, module: Module, name: &str, kind: Kind, from: CrateIdx) -> Trouble<Found> {
        Ok(match module {
            Module::Scope(scope) => self.inside(scope, name, kind, from)?,
            Module::Packed(at) => {
                let is_it = |item: &Macro| item.kind == kind && item.name == name;
                let found = self.packed[at].iter().position(is_it);
                found.map_or(Found::Nothing, |item| Found::Packed(at, item))
            }
            Module::Other => Found::Other,
            Module::Nowhere => Found::Nothing,
            Module::Unpacked(reason) => Found::Unpacked(reason),
            Module::Unknown(name) => Found::Unknown(name),
        })
    }

    /// A macro that is a member of a module or block.
    fn inside(
        &mut self,
        scope: ScopeIdx,
        name: &str,
        kind: Kind,
        from: CrateIdx,
    ) -> Trouble<Found> {
        if kind == Kind::Bang && self.scopes[scope].rules.contains(name) {
            return Ok(Found::Other);
        }
        let key = (scope, name.to_owned(), kind as u8);
        if !self.busy.insert(key.clone()) {
            return Ok(Found::Nothing);
        }
        let found = self.imported(scope, name, kind, from);
        self.busy.remove(&key);
        found
    }

    fn imported(
        &mut self,
        scope: ScopeIdx,
        name: &str,
        kind: Kind,
        from: CrateIdx,
    ) -> Trouble<Found> {
        let mut unknown = Found::Nothing;
        for path in self.scopes[scope].imports_of(from, name) {
            let Some((last, before)) = path.split_last() else { continue };
            let found = match before.is_empty() || before == [""] {
                true => Found::Nothing,
                false => self.through(scope, before, last, kind)?,
            };
            match found {
                Found::Packed(..) | Found::Unpacked(_) | Found::Other => return Ok(found),
                Found::Unknown(_) => unknown = found,
                Found::Nothing => {}
            }
        }
        for path in self.scopes[scope].globs_for(from) {
            let module = self.module(scope, &path)?;
            match self.of(module, name, kind, self.scopes[scope].krate)? {
                found @ Found::Packed(..) => return Ok(found),
                // All of the language's names are there without it.
                Found::Other | Found::Nothing => {}
                found @ Found::Unknown(_) => unknown = found,
                Found::Unpacked(reason) => unknown = Found::Unknown(reason),
            }
        }
        Ok(unknown)
    }

    /// Whether a name means something else than a macro as well; none if that cannot be told.
    fn has_other(&mut self, scope: ScopeIdx, name: &str, from: CrateIdx) -> Trouble<Option<bool>> {
        let here = &self.scopes[scope];
        let is_one = here.rules.contains(name)
            || here.names.contains(name) && here.shows(from, Space::Item, name)
            || here.modules.contains_key(name) && here.shows(from, Space::Module, name)
            || here.crates.contains_key(name) && here.shows(from, Space::Crate, name);
        if is_one {
            return Ok(Some(true));
        }
        let key = (scope, name.to_owned(), u8::MAX);
        if !self.busy.insert(key.clone()) {
            return Ok(Some(false));
        }
        let found = self.has_other_import(scope, name, from);
        self.busy.remove(&key);
        found
    }

    fn has_other_import(
        &mut self,
        scope: ScopeIdx,
        name: &str,
        from: CrateIdx,
    ) -> Trouble<Option<bool>> {
        let krate = self.scopes[scope].krate;
        let mut all = Some(false);
        for path in self.scopes[scope].calls.clone() {
            if !matches!(self.find(scope, &path, Kind::Bang)?, Found::Packed(..)) {
                all = None;
            }
        }
        let named = self.scopes[scope].imports_of(from, name);
        let globs = self.scopes[scope].globs_for(from).into_iter().map(|mut path| {
            path.push(name.to_owned());
            path
        });
        for path in named.into_iter().chain(globs).collect::<Vec<_>>() {
            let (last, before) = path.split_last().expect("a path has a name");
            let one = match before.is_empty() || before == [""] {
                true => Some(!self.is_packed_crate(scope, last)?),
                false => match self.module(scope, before)? {
                    Module::Scope(inner) => self.has_other(inner, last, krate)?,
                    Module::Packed(_) | Module::Unpacked(_) | Module::Nowhere => Some(false),
                    Module::Other => Some(true),
                    Module::Unknown(_) => None,
                },
            };
            match one {
                Some(true) => return Ok(Some(true)),
                None => all = None,
                Some(false) => {}
            }
        }
        Ok(all)
    }

    /// Where a path of modules leads.
    fn module(&mut self, scope: ScopeIdx, path: &[String]) -> Trouble<Module> {
        let krate = self.scopes[scope].krate;
        let mut parts = path.iter();
        let Some(first) = parts.next() else { return Ok(Module::Nowhere) };
        let mut at = match first.as_str() {
            "" => match parts.next() {
                Some(name) => self.extern_crate(krate, name)?,
                None => Module::Nowhere,
            },
            "crate" | "$crate" => Module::Scope(self.root(krate)?),
            "self" => Module::Scope(self.around(scope)),
            "super" => self.above(scope),
            name => self.first(scope, name)?,
        };
        for part in parts {
            at = match (at, part.as_str()) {
                (Module::Scope(scope), "super") => self.above(scope),
                (Module::Scope(scope), "self") => Module::Scope(scope),
                (Module::Scope(scope), name) => self.member(scope, name, krate)?,
                (Module::Packed(_) | Module::Unpacked(_), _) => Module::Nowhere,
                (other, _) => other,
            };
        }
        Ok(at)
    }

    /// The first part of a path: a name that is in scope, or a crate.
    fn first(&mut self, scope: ScopeIdx, name: &str) -> Trouble<Module> {
        let krate = self.scopes[scope].krate;
        let mut at = Some(scope);
        while let Some(here) = at {
            match self.member(here, name, krate)? {
                Module::Nowhere => {}
                found => return Ok(found),
            }
            at = self.scopes[here].parent.filter(|_| self.scopes[here].is_block);
        }
        if self.crates[krate].is_2015 {
            let root = self.root(krate)?;
            match self.member(root, name, krate)? {
                Module::Nowhere => {}
                found => return Ok(found),
            }
        }
        self.extern_crate(krate, name)
    }

    /// A module that is a member of another, as a crate sees it.
    fn member(&mut self, scope: ScopeIdx, name: &str, from: CrateIdx) -> Trouble<Module> {
        let here = &self.scopes[scope];
        let krate = here.krate;
        let shows = |space: Space| here.shows(from, space, name);
        if let Some(inner) = here.modules.get(name).filter(|_| shows(Space::Module)) {
            return Ok(Module::Scope(*inner));
        }
        if let Some(name) = here.crates.get(name).filter(|_| shows(Space::Crate)).cloned() {
            return match name.as_str() {
                "self" => Ok(Module::Scope(self.root(krate)?)),
                name => self.extern_crate(krate, name),
            };
        }
        if here.names.contains(name) && shows(Space::Item) {
            return Ok(Module::Other);
        }
        let key = (scope, name.to_owned(), u8::MAX - 1);
        if !self.busy.insert(key.clone()) {
            return Ok(Module::Nowhere);
        }
        let found = self.imported_module(scope, name, from);
        self.busy.remove(&key);
        found
    }

    fn imported_module(&mut self, scope: ScopeIdx, name: &str, from: CrateIdx) -> Trouble<Module> {
        let krate = self.scopes[scope].krate;
        for path in self.scopes[scope].imports_of(from, name) {
            match self.module(scope, &path)? {
                Module::Nowhere => {}
                found => return Ok(found),
            }
        }
        for path in self.scopes[scope].globs_for(from) {
            if let Module::Scope(inner) = self.module(scope, &path)? {
                match self.member(inner, name, krate)? {
                    Module::Nowhere => {}
                    found => return Ok(found),
                }
            }
        }
        Ok(Module::Nowhere)
    }

    fn extern_crate(&mut self, krate: CrateIdx, name: &str) -> Trouble<Module> {
        if LANGUAGE.contains(&name) {
            return Ok(Module::Other);
        }
        let Some(found) = self.crates[krate].externs.get(name).copied() else {
            return Ok(Module::Unknown(name.to_owned()));
        };
        match &self.crates[found].content {
            Content::Packed(at) => Ok(Module::Packed(*at)),
            Content::Unpacked(reason) => Ok(Module::Unpacked(reason.clone())),
            _ => Ok(Module::Scope(self.root(found)?)),
        }
    }

    /// The root of a crate, which is read if nobody has asked for it before.
    pub fn root(&mut self, krate: CrateIdx) -> Trouble<ScopeIdx> {
        match &self.crates[krate].content {
            Content::Root(scope) => Ok(*scope),
            Content::File(file) => {
                let file = file.clone();
                load::root(self, krate, &file)
            }
            Content::Packed(_) | Content::Unpacked(_) => {
                unreachable!("a macro crate has no modules")
            }
        }
    }

    /// The module that a block is in.
    fn around(&self, scope: ScopeIdx) -> ScopeIdx {
        match self.scopes[scope].parent {
            Some(parent) if self.scopes[scope].is_block => self.around(parent),
            _ => scope,
        }
    }

    fn above(&self, scope: ScopeIdx) -> Module {
        let parent = self.scopes[self.around(scope)].parent;
        parent.map_or(Module::Nowhere, |parent| Module::Scope(self.around(parent)))
    }
}
