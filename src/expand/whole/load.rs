//! Reads a crate's files, and notes which names its modules have.

use super::include;
use super::place::{Place, Trouble};
use super::rules;
use super::world::{
    Content, CrateIdx, File, Folders, Glob, Import, Scope, ScopeIdx, Space, World, DEPTH_MAX,
};
use crate::base::error::{Class, Context, Error};
use proc_macro2::TokenStream;
use std::path::Path;
use syn::spanned::Spanned;
use syn::{
    Attribute, Expr, ForeignItem, Ident, Item, ItemMod, Lit, Meta, Stmt, UseTree, Visibility,
};

/// Reads a crate from its root file.
pub fn root(world: &mut World, krate: CrateIdx, file: &Path) -> Trouble<ScopeIdx> {
    world.scopes.push(Scope { krate, ..Scope::default() });
    let scope = world.scopes.len() - 1;
    world.crates[krate].content = Content::Root(scope);
    read(world, file, scope, true)?;
    Ok(scope)
}

/// Reads a file as the module `scope`.
fn read(world: &mut World, path: &Path, scope: ScopeIdx, is_root: bool) -> Trouble<()> {
    let text = std::fs::read_to_string(path)
        .class(Class::Package, format!("cannot read {}", path.display()))?;
    // A first line for the system is none of the language.
    let code = match first_line(&text) {
        Some(line) => " ".repeat(line.len()) + &text[line.len()..],
        None => text,
    };
    let unreadable = |message: String, line: usize| {
        Error::new(Class::Package, format!("{}:{line}: {message}", path.display()))
    };
    let tokens: TokenStream = code.parse().map_err(|error: proc_macro2::LexError| {
        unreadable(error.to_string(), error.span().start().line)
    })?;
    let id = tokens.clone().into_iter().next().map_or(String::new(), |token| token.span().file());
    let ast: syn::File = syn::parse2(tokens)
        .map_err(|error| unreadable(error.to_string(), error.span().start().line))?;
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let is_folder = is_root || path.file_name() == Some("mod.rs".as_ref());
    let folders = Folders {
        modules: match is_folder {
            true => folder.clone(),
            false => folder.join(path.file_stem().unwrap_or_default()),
        },
        paths: folder,
    };
    let place = Place { file: path.to_owned(), id };
    let krate = world.scopes[scope].krate;
    let items = ast.items.clone();
    world.files.push(File { krate, place: place.clone(), text: code, ast, scope });
    world.scopes[scope].file = Some(world.files.len() - 1);
    items_of(world, &items, scope, &place, Some(&folders))
}

/// `#!/usr/bin/env …`
pub fn first_line(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("#!")?;
    let line = text.lines().next()?;
    (!rest.trim_start().starts_with('[')).then_some(line)
}

/// Notes the names of items. Without folders, modules in files of their own are none.
pub fn items_of(
    world: &mut World,
    items: &[Item],
    scope: ScopeIdx,
    place: &Place,
    folders: Option<&Folders>,
) -> Trouble<()> {
    let krate = world.scopes[scope].krate;
    world.scopes[scope].folders = folders.cloned();
    for item in items {
        let attributes = attributes(item);
        if !world.crates[krate].cfgs.clone().allow(attributes, place)? {
            continue;
        }
        let here = &mut world.scopes[scope];
        match item {
            Item::Mod(module) => self::module(world, module, scope, place, folders)?,
            Item::Use(item) => {
                let before = item.leading_colon.iter().map(|_| String::new()).collect();
                imports(&item.tree, before, is_public(&item.vis), here);
            }
            Item::ExternCrate(item) => {
                let name = item.ident.to_string();
                let alias = item.rename.as_ref().map_or(&item.ident, |(_, alias)| alias);
                let alias = alias.to_string();
                here.note(true, is_public(&item.vis), Space::Crate, &alias);
                here.crates.insert(alias, name.clone());
                if attributes.iter().any(|attribute| attribute.path().is_ident("macro_use")) {
                    world.crates[krate].macro_use.push(name);
                }
            }
            Item::Macro(item) => {
                if let Some(name) = &item.ident {
                    let is_exported = attributes
                        .iter()
                        .any(|attribute| attribute.path().is_ident("macro_export"));
                    let tokens = item.mac.tokens.clone();
                    let all = world.crates[krate].rules.entry(name.to_string()).or_default();
                    // What a macro wrote is noted again when it is put in place.
                    if all.iter().all(|known| known.to_string() != tokens.to_string()) {
                        all.push(tokens);
                    }
                    let Content::Root(root) = world.crates[krate].content else { continue };
                    if is_exported {
                        world.scopes[root].rules.insert(name.to_string());
                    }
                } else {
                    called(world, &item.mac, scope, place, folders)?;
                }
            }
            Item::ForeignMod(foreign) => {
                for item in &foreign.items {
                    let (name, vis) = match item {
                        ForeignItem::Fn(item) => (&item.sig.ident, &item.vis),
                        ForeignItem::Static(item) => (&item.ident, &item.vis),
                        ForeignItem::Type(item) => (&item.ident, &item.vis),
                        _ => continue,
                    };
                    here.name(name, vis);
                }
            }
            item => {
                if let Some((name, vis)) = name(item) {
                    here.name(name, vis);
                }
            }
        }
    }
    Ok(())
}

/// Notes the names of items that a macro makes. Of a `macro_rules!` they are known, and of a file that can be read. What else
/// `include!` brings comes from a build script, and no import of macros is in it.
fn called(
    world: &mut World,
    mac: &syn::Macro,
    scope: ScopeIdx,
    place: &Place,
    folders: Option<&Folders>,
) -> Trouble<()> {
    let parts: Vec<String> = mac.path.leading_colon.iter().map(|_| String::new()).collect();
    let names = mac.path.segments.iter().map(|part| part.ident.to_string());
    let parts: Vec<String> = parts.into_iter().chain(names).collect();
    let krate = world.scopes[scope].krate;
    let is_own = krate + 1 == world.crates.len();
    let tokens = match world.depth < DEPTH_MAX {
        true if include::is_include(&mac.path) => include::tokens(mac, place, is_own),
        true => world
            .rules_of(scope, &parts)
            .and_then(|(rules, krate, _)| rules::expand(&rules, &mac.tokens, &krate)),
        false => None,
    };
    let items = tokens.and_then(|tokens| syn::parse2::<syn::File>(tokens).ok());
    match items {
        Some(file) => {
            world.depth += 1;
            let noted = items_of(world, &file.items, scope, place, folders);
            world.depth -= 1;
            noted
        }
        None => {
            if !include::is_include(&mac.path) {
                world.scopes[scope].calls.push(parts);
            }
            Ok(())
        }
    }
}

/// Notes the names of items in a block; whether there are any.
pub fn block(
    world: &mut World,
    stmts: &[Stmt],
    scope: ScopeIdx,
    place: &Place,
) -> Trouble<Option<ScopeIdx>> {
    let items = stmts.iter().filter_map(|stmt| match stmt {
        Stmt::Item(item) => Some(item.clone()),
        _ => None,
    });
    let items: Vec<Item> = items.collect();
    if items.is_empty() {
        return Ok(None);
    }
    let krate = world.scopes[scope].krate;
    let new = Scope { krate, parent: Some(scope), is_block: true, ..Scope::default() };
    world.scopes.push(new);
    let scope = world.scopes.len() - 1;
    items_of(world, &items, scope, place, None)?;
    Ok(Some(scope))
}

fn module(
    world: &mut World,
    module: &ItemMod,
    parent: ScopeIdx,
    place: &Place,
    folders: Option<&Folders>,
) -> Trouble<()> {
    let name = module.ident.to_string();
    let krate = world.scopes[parent].krate;
    // What a macro wrote was noted when its use was read.
    if world.scopes[parent].modules.contains_key(&name) {
        return Ok(());
    }
    world.scopes.push(Scope { krate, parent: Some(parent), ..Scope::default() });
    let scope = world.scopes.len() - 1;
    world.scopes[parent].note(true, is_public(&module.vis), Space::Module, &name);
    world.scopes[parent].modules.insert(name.clone(), scope);
    let plain = name.strip_prefix("r#").unwrap_or(&name);
    let path = path_of(&world.crates[krate].cfgs.clone().flatten(&module.attrs, place)?);
    if let Some((_, items)) = &module.content {
        let inner = folders.map(|folders| {
            let folder = path.map_or(folders.modules.join(plain), |path| folders.paths.join(path));
            Folders { modules: folder.clone(), paths: folder }
        });
        return items_of(world, items, scope, place, inner.as_ref());
    }
    let Some(folders) = folders else {
        return Err(
            place.wrong(module.span(), format!("the file of module `{name}` cannot be told"))
        );
    };
    let file = match path {
        Some(path) => folders.paths.join(path),
        None => {
            let [flat, deep] = [format!("{plain}.rs"), format!("{plain}/mod.rs")]
                .map(|file| folders.modules.join(file));
            if flat.is_file() {
                flat
            } else {
                deep
            }
        }
    };
    if !file.is_file() {
        let message = format!("the module `{name}` has no file {}", file.display());
        return Err(place.wrong(module.span(), message));
    }
    read(world, &file, scope, path_of(&module.attrs).is_some())
}

/// `#[path = "x.rs"]`
fn path_of(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(text.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    })
}

/// Whether other crates see it, if they see the module that it is in.
fn is_public(vis: &Visibility) -> bool {
    matches!(vis, Visibility::Public(_))
}

impl Scope {
    /// Notes an item that is neither a module nor a crate.
    fn name(&mut self, name: &Ident, vis: &Visibility) {
        let name = name.to_string();
        self.note(!self.names.contains(&name), is_public(vis), Space::Item, &name);
        self.names.insert(name);
    }
}

fn imports(tree: &UseTree, before: Vec<String>, is_public: bool, scope: &mut Scope) {
    let with = |name: &syn::Ident| {
        let mut path = before.clone();
        // `use a::{self}` is `use a`.
        if name != "self" || path.is_empty() {
            path.push(name.to_string());
        }
        path
    };
    match tree {
        UseTree::Path(path) => imports(&path.tree, with(&path.ident), is_public, scope),
        UseTree::Name(name) => {
            let path = with(&name.ident);
            let alias = path.last().cloned().unwrap_or_default();
            scope.imports.push(Import { alias, path, is_public });
        }
        UseTree::Rename(rename) => {
            let (alias, path) = (rename.rename.to_string(), with(&rename.ident));
            scope.imports.push(Import { alias, path, is_public });
        }
        UseTree::Glob(_) => scope.globs.push(Glob { path: before, is_public }),
        UseTree::Group(group) => {
            group.items.iter().for_each(|tree| imports(tree, before.clone(), is_public, scope));
        }
    }
}

fn name(item: &Item) -> Option<(&Ident, &Visibility)> {
    Some(match item {
        Item::Const(item) => (&item.ident, &item.vis),
        Item::Enum(item) => (&item.ident, &item.vis),
        Item::Fn(item) => (&item.sig.ident, &item.vis),
        Item::Static(item) => (&item.ident, &item.vis),
        Item::Struct(item) => (&item.ident, &item.vis),
        Item::Trait(item) => (&item.ident, &item.vis),
        Item::TraitAlias(item) => (&item.ident, &item.vis),
        Item::Type(item) => (&item.ident, &item.vis),
        Item::Union(item) => (&item.ident, &item.vis),
        _ => return None,
    })
}

pub fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
