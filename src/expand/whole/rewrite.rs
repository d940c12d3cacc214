//! Replaces every use of a packed macro by its expansion.

use super::derived::{self, Evaluate};
use super::load;
use super::machines::{Machines, Use};
use super::names::Found;
use super::nodes::{parse_all, stands_alone, Node};
use super::place::{Place, Trouble};
use super::world::{CrateIdx, ScopeIdx, World, DEPTH_MAX};
use crate::artifact::manifest::Kind;
use crate::base::error::Error;
use proc_macro2::TokenStream;
use quote::ToTokens;
use std::any::Any;
use std::collections::BTreeSet;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Attribute, Block, Expr, ForeignItem, ImplItem, Item, Macro, Meta, Pat, Path, Stmt, Token,
    TraitItem, Type,
};

/// A crate that is being rewritten.
pub struct Rewriter<'w> {
    pub world: &'w mut World,
    pub machines: &'w mut Machines,
    pub krate: CrateIdx,
    pub scope: ScopeIdx,
    pub place: Place,
    /// The first error: nothing is done after it.
    pub error: Option<Error>,
    /// Macros may write macros, but not for ever.
    depth: u32,
    /// The files that are rewritten.
    done: BTreeSet<usize>,
}

/// The packed derives of an attribute, and the others.
type Derives = (Vec<(Path, usize, usize)>, Vec<Path>);

/// What stands where a macro was used.
enum Attempt<N> {
    /// It is not a use of a packed macro.
    Not(N),
    Made(Vec<N>),
}

impl<'w> Rewriter<'w> {
    pub fn new(
        world: &'w mut World,
        machines: &'w mut Machines,
        krate: CrateIdx,
        scope: ScopeIdx,
    ) -> Self {
        let place = Place { file: Default::default(), id: String::new() };
        let done = BTreeSet::new();
        Rewriter { world, machines, krate, scope, place, error: None, depth: 0, done }
    }

    /// Rewrites the crate: its root file, and those of all modules, some of which macros declare.
    pub fn all(&mut self, root: usize) {
        self.file(root);
        let mut at = 0;
        while at < self.world.files.len() {
            if self.world.files[at].krate == self.krate {
                self.file(at);
            }
            at += 1;
        }
    }

    /// Rewrites the file of a module, and those of the modules in it.
    fn file(&mut self, file: usize) {
        if !self.done.insert(file) {
            return;
        }
        let File { mut ast, place, scope } = self.take(file);
        let outer =
            (std::mem::replace(&mut self.scope, scope), std::mem::replace(&mut self.place, place));
        match self.world.crates[self.krate].cfgs.clone().allow(&ast.attrs, &self.place) {
            Ok(true) => self.nodes(&mut ast.items),
            Ok(false) => {}
            Err(error) => self.fail(error),
        }
        (self.scope, self.place) = outer;
        self.world.files[file].ast = ast;
    }

    fn take(&mut self, file: usize) -> File {
        let file = &mut self.world.files[file];
        let empty = syn::parse_quote!();
        let ast = std::mem::replace(&mut file.ast, empty);
        File { ast, place: file.place.clone(), scope: file.scope }
    }

    fn fail(&mut self, error: Error) {
        self.error.get_or_insert(error);
    }

    /// Does something that may fail; what it failed on is left as it is.
    pub(super) fn attempt<T>(&mut self, result: Trouble<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.fail(error);
                None
            }
        }
    }

    fn nodes<N: Node + Any>(&mut self, list: &mut Vec<N>)
    where
        Self: Visits<N>,
    {
        let mut out = Vec::new();
        for node in std::mem::take(list) {
            self.node(node, &mut out);
        }
        *list = out;
    }

    fn node<N: Node + Any>(&mut self, mut node: N, out: &mut Vec<N>)
    where
        Self: Visits<N>,
    {
        if self.error.is_some() {
            return out.push(node);
        }
        let attributes = node.attributes().cloned().unwrap_or_default();
        let cfgs = self.world.crates[self.krate].cfgs.clone();
        let is_there = cfgs.allow(&attributes, &self.place);
        match self.attempt(is_there) {
            Some(true) => {}
            _ => return out.push(node),
        }
        if !self.is_left(&mut node) {
            return;
        }
        let mut made = Vec::new();
        let result = self.attributes(node, &mut made);
        match self.attempt(result) {
            None => {}
            Some(Attempt::Made(nodes)) => self.again(nodes, out),
            Some(Attempt::Not(mut node)) => {
                let bang = node.bang().cloned();
                let expanded = bang.map(|mac| self.bang(&mac, parse_all::<N>));
                match expanded.map(|result| self.attempt(result)) {
                    Some(Some(Some(nodes))) => self.again(nodes, out),
                    _ => {
                        self.visit(&mut node);
                        out.push(node);
                    }
                }
            }
        }
        self.again(made, out);
    }

    /// What a macro wrote is looked at as the rest.
    fn again<N: Node + Any>(&mut self, nodes: Vec<N>, out: &mut Vec<N>)
    where
        Self: Visits<N>,
    {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            let span = nodes.first().map_or(proc_macro2::Span::call_site(), |node| node.span());
            self.fail(self.place.wrong(span, "macros write macros without an end"));
        }
        let named: Vec<Item> = nodes
            .iter()
            .filter_map(|node| (node as &dyn Any).downcast_ref::<Item>().cloned())
            .collect();
        let folders = self.world.scopes[self.scope].folders.clone();
        let place = self.place.clone();
        let noted = load::items_of(self.world, &named, self.scope, &place, folders.as_ref());
        self.attempt(noted);
        nodes.into_iter().for_each(|node| self.node(node, out));
        self.depth -= 1;
    }

    /// Goes through the attributes in their order. What derives wrote is added to `made`.
    fn attributes<N: Node>(&mut self, mut node: N, made: &mut Vec<N>) -> Trouble<Attempt<N>> {
        let mut helpers: BTreeSet<String> = BTreeSet::new();
        let mut at = 0;
        let mut has_others = false;
        while let Some(attribute) = node.attributes().and_then(|all| all.get(at).cloned()) {
            if let Some(inner) = self.inside(&attribute)? {
                node.attributes().expect("it has some").splice(at..=at, inner);
            } else if attribute.path().is_ident("derive") {
                let (ours, others) = self.derives(&attribute)?;
                has_others |= others.iter().any(|path| !derived::is_builtin(path));
                if ours.is_empty() {
                    at += 1;
                    continue;
                }
                let all = node.attributes().expect("it has some");
                all.remove(at);
                let mut input = node.clone();
                Evaluate::all(&mut input, &self.world.crates[self.krate].cfgs, &self.place)?;
                for (path, packed, item) in ours {
                    let what = Use::Derive(input.to_token_stream());
                    let tokens = self.call(path.span(), packed, item, what)?;
                    helpers.extend(self.world.packed[packed][item].helpers.iter().cloned());
                    made.extend(self.parse(path.span(), tokens, parse_all::<N>)?);
                }
                if !others.is_empty() {
                    let rest: Punctuated<Path, Token![,]> = others.into_iter().collect();
                    let mut list = attribute;
                    if let Meta::List(list) = &mut list.meta {
                        list.tokens = rest.to_token_stream();
                    }
                    node.attributes().expect("it has some").insert(at, list);
                    at += 1;
                }
            } else if let Some((packed, item)) = self.attribute(&attribute)? {
                let all = node.attributes().expect("it has some");
                all.remove(at);
                // As the compiler, which evaluates the conditions of an item before it gives that to a macro.
                *all = self.world.crates[self.krate].cfgs.flatten(all, &self.place)?;
                all.retain(|attribute| !attribute.path().is_ident("cfg"));
                let args = match &attribute.meta {
                    Meta::Path(_) => TokenStream::new(),
                    Meta::List(list) => list.tokens.clone(),
                    Meta::NameValue(pair) => {
                        let message = "a macro takes no `= value`";
                        return Err(self.place.wrong(pair.span(), message));
                    }
                };
                let what = Use::Attribute(args, node.to_token_stream());
                let tokens = self.call(attribute.span(), packed, item, what)?;
                return Ok(Attempt::Made(self.parse(attribute.span(), tokens, parse_all::<N>)?));
            } else {
                at += 1;
            }
        }
        if !helpers.is_empty() && !has_others {
            derived::strip(&mut node, &helpers)?;
        }
        Ok(Attempt::Not(node))
    }

    /// What a `#[cfg_attr]` stands for, if a packed macro is among it.
    fn inside(&mut self, attribute: &Attribute) -> Trouble<Option<Vec<Attribute>>> {
        let cfgs = self.world.crates[self.krate].cfgs.clone();
        let Some((true, inner)) = cfgs.inside(attribute, &self.place)? else { return Ok(None) };
        for attribute in &inner {
            let is_ours = match attribute.path().is_ident("derive") {
                true => !self.derives(attribute)?.0.is_empty(),
                false => self.attribute(attribute)?.is_some() || self.inside(attribute)?.is_some(),
            };
            if is_ours {
                return Ok(Some(inner));
            }
        }
        Ok(None)
    }

    /// The packed derives of `#[derive(…)]`, and the others.
    fn derives(&mut self, attribute: &Attribute) -> Trouble<Derives> {
        let paths = attribute.parse_args_with(Punctuated::<Path, Token![,]>::parse_terminated);
        let paths = paths.map_err(|error| self.place.wrong(attribute.span(), error.to_string()))?;
        let (mut ours, mut others) = (Vec::new(), Vec::new());
        for path in paths {
            match self.find(&path, Kind::Derive)? {
                Some((packed, item)) => ours.push((path, packed, item)),
                None => others.push(path),
            }
        }
        Ok((ours, others))
    }

    fn attribute(&mut self, attribute: &Attribute) -> Trouble<Option<(usize, usize)>> {
        match attribute.style {
            syn::AttrStyle::Outer => self.find(attribute.path(), Kind::Attribute),
            syn::AttrStyle::Inner(_) => Ok(None),
        }
    }

    /// The packed macro that a path names.
    pub(super) fn find(&mut self, path: &Path, kind: Kind) -> Trouble<Option<(usize, usize)>> {
        let mut parts: Vec<String> = path.leading_colon.iter().map(|_| String::new()).collect();
        parts.extend(path.segments.iter().map(|segment| segment.ident.to_string()));
        let name = parts.last().cloned().unwrap_or_default();
        match self.world.find(self.scope, &parts, kind)? {
            Found::Packed(packed, item) => Ok(Some((packed, item))),
            // An attribute of one name may be a derive's.
            Found::Nothing
                if (kind != Kind::Attribute || parts.len() > 1) && self.is_packed(&name, kind) =>
            {
                let message =
                    format!("`{name}` is imported from nowhere, as far as the sources tell");
                Err(self
                    .place
                    .wrong(path.span(), message)
                    .help("a crate may re-export it with a feature: --extern-feature NAME=FEATURE"))
            }
            Found::Other | Found::Nothing => Ok(None),
            Found::Unpacked(reason) => {
                let error = self.place.wrong(path.span(), format!("`{name}` is of {reason}"));
                Err(error.help("write what it makes in its place"))
            }
            Found::Unknown(from) => {
                if !self.is_packed(&name, kind) {
                    return Ok(None);
                }
                let message = format!(
                    "`{name}` may be a packed macro or come from {from}, which cannot be told"
                );
                let error = self.place.wrong(path.span(), message);
                Err(error.help(match from.starts_with('`') {
                    true => "give one of them another name".to_owned(),
                    false => format!("give the crate's sources: --extern {from}=PATH/src/lib.rs"),
                }))
            }
        }
    }

    /// Whether there is a packed macro of this name.
    fn is_packed(&self, name: &str, kind: Kind) -> bool {
        self.world.packed.iter().flatten().any(|item| item.kind == kind && item.name == name)
    }

    fn call(
        &mut self,
        span: proc_macro2::Span,
        packed: usize,
        item: usize,
        what: Use,
    ) -> Trouble<TokenStream> {
        let function = self.world.packed[packed][item].clone();
        let result = self.machines.expand(packed, &function, what);
        result.map_err(|error| {
            let placed = self.place.wrong(span, error.to_string());
            match error.help_text() {
                Some(help) => placed.help(help),
                None => placed,
            }
        })
    }

    fn parse<T>(
        &self,
        span: proc_macro2::Span,
        tokens: TokenStream,
        parse: impl FnOnce(TokenStream) -> syn::Result<T>,
    ) -> Trouble<T> {
        parse(tokens).map_err(|error| {
            self.place.wrong(span, format!("the macro wrote what is not Rust here: {error}"))
        })
    }

    /// What a function-like macro wrote, if it is a packed one.
    fn bang<T>(
        &mut self,
        mac: &Macro,
        parse: impl FnOnce(TokenStream) -> syn::Result<T>,
    ) -> Trouble<Option<T>> {
        let Some((packed, item)) = self.find(&mac.path, Kind::Bang)? else {
            return match self.written(mac, 0)? {
                Some(tokens) => Ok(Some(self.parse(mac.path.span(), tokens, parse)?)),
                None => Ok(None),
            };
        };
        let tokens = self.call(mac.path.span(), packed, item, Use::Bang(mac.tokens.clone()))?;
        Ok(Some(self.parse(mac.path.span(), tokens, parse)?))
    }

    fn stmts(&mut self, stmts: &mut Vec<Stmt>) {
        let mut out = Vec::new();
        let n_stmts = stmts.len();
        for (at, stmt) in std::mem::take(stmts).into_iter().enumerate() {
            let is_last = at + 1 == n_stmts;
            match stmt {
                Stmt::Item(item) => {
                    let mut items = Vec::new();
                    self.node(item, &mut items);
                    out.extend(items.into_iter().map(Stmt::Item));
                }
                Stmt::Macro(mut stmt) if self.error.is_none() => {
                    let done = self.arguments(&mut stmt.mac);
                    self.attempt(done);
                    let made = self.bang(&stmt.mac, |tokens| Block::parse_within.parse2(tokens));
                    match self.attempt(made) {
                        Some(Some(mut made)) => {
                            if let (Some(Stmt::Expr(_, semi)), true) =
                                (made.last_mut(), stmt.semi_token.is_some() || !is_last)
                            {
                                semi.get_or_insert_with(Default::default);
                            }
                            self.depth += 1;
                            self.stmts(&mut made);
                            self.depth -= 1;
                            out.extend(made);
                        }
                        _ => out.push(Stmt::Macro(stmt)),
                    }
                }
                mut stmt => {
                    self.visit_stmt_mut(&mut stmt);
                    out.push(stmt);
                }
            }
        }
        *stmts = out;
    }
}

/// A file that is taken out of the world while it is rewritten.
struct File {
    ast: syn::File,
    place: Place,
    scope: ScopeIdx,
}

/// Goes on inside of a node.
trait Visits<N> {
    fn visit(&mut self, node: &mut N);
}

impl Visits<Item> for Rewriter<'_> {
    fn visit(&mut self, node: &mut Item) {
        self.visit_item_mut(node);
    }
}

impl Visits<ImplItem> for Rewriter<'_> {
    fn visit(&mut self, node: &mut ImplItem) {
        self.visit_impl_item_mut(node);
    }
}

impl Visits<TraitItem> for Rewriter<'_> {
    fn visit(&mut self, node: &mut TraitItem) {
        self.visit_trait_item_mut(node);
    }
}

impl Visits<ForeignItem> for Rewriter<'_> {
    fn visit(&mut self, node: &mut ForeignItem) {
        self.visit_foreign_item_mut(node);
    }
}

impl VisitMut for Rewriter<'_> {
    fn visit_item_mod_mut(&mut self, module: &mut syn::ItemMod) {
        let name = module.ident.to_string();
        let Some(inner) = self.world.scopes[self.scope].modules.get(&name).copied() else { return };
        match &mut module.content {
            Some((_, items)) => {
                let outer = std::mem::replace(&mut self.scope, inner);
                self.nodes(items);
                self.scope = outer;
            }
            None => {
                if let Some(file) = self.world.scopes[inner].file {
                    self.file(file);
                }
            }
        }
    }

    fn visit_item_impl_mut(&mut self, item: &mut syn::ItemImpl) {
        self.nodes(&mut item.items);
        let items = std::mem::take(&mut item.items);
        visit_mut::visit_item_impl_mut(self, item);
        item.items = items;
    }

    fn visit_item_trait_mut(&mut self, item: &mut syn::ItemTrait) {
        self.nodes(&mut item.items);
        let items = std::mem::take(&mut item.items);
        visit_mut::visit_item_trait_mut(self, item);
        item.items = items;
    }

    fn visit_item_foreign_mod_mut(&mut self, item: &mut syn::ItemForeignMod) {
        self.nodes(&mut item.items);
    }

    fn visit_block_mut(&mut self, block: &mut Block) {
        let place = self.place.clone();
        let inner = load::block(self.world, &block.stmts, self.scope, &place);
        let inner = self.attempt(inner).flatten();
        let outer = self.scope;
        self.scope = inner.unwrap_or(outer);
        self.stmts(&mut block.stmts);
        self.scope = outer;
    }

    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        if let (Expr::Macro(found), true) = (&mut *expr, self.error.is_none()) {
            let done = self.arguments(&mut found.mac);
            self.attempt(done);
            let mac = found.mac.clone();
            let made = self.bang(&mac, syn::parse2::<Expr>);
            if let Some(Some(made)) = self.attempt(made) {
                *expr = alone(made);
                self.depth += 1;
                if self.depth > DEPTH_MAX {
                    self.fail(self.place.wrong(mac.span(), "macros write macros without an end"));
                }
                self.visit_expr_mut(expr);
                self.depth -= 1;
                return;
            }
        }
        if self.error.is_none() {
            visit_mut::visit_expr_mut(self, expr);
        }
    }

    fn visit_pat_mut(&mut self, pat: &mut Pat) {
        if let (Pat::Macro(found), true) = (&*pat, self.error.is_none()) {
            let mac = found.mac.clone();
            let parse = |tokens| Pat::parse_multi_with_leading_vert.parse2(tokens);
            let made = self.bang(&mac, parse);
            if let Some(Some(made)) = self.attempt(made) {
                *pat = match made {
                    Pat::Or(_) => syn::parse_quote!((#made)),
                    made => made,
                };
                return self.visit_pat_mut(pat);
            }
        }
        visit_mut::visit_pat_mut(self, pat);
    }

    fn visit_type_mut(&mut self, ty: &mut Type) {
        if let (Type::Macro(found), true) = (&*ty, self.error.is_none()) {
            let mac = found.mac.clone();
            let made = self.bang(&mac, syn::parse2::<Type>);
            if let Some(Some(made)) = self.attempt(made) {
                *ty = made;
                return self.visit_type_mut(ty);
            }
        }
        visit_mut::visit_type_mut(self, ty);
    }
}

/// An expression that binds as the macro did, whatever stands beside it.
fn alone(expr: Expr) -> Expr {
    match stands_alone(&expr) {
        true => expr,
        false => syn::parse_quote!((#expr)),
    }
}
