//! Which macros a linked module has: the exports that [`rewrite`](super::rewrite) made.

use crate::artifact::manifest::{Kind, Macro};
use crate::base::error::{Class, Context, Error, Result};
use crate::pack::module::parts::Module;
use crate::pack::source::rewrite::Declared;
use proc_macro2::{TokenStream, TokenTree};
use std::collections::BTreeMap;
use std::str::FromStr;
use syn::parse::Parser;
use syn::{Attribute, Expr, Lit, Meta, MetaNameValue};
use wasmparser::{Export, ExternalKind, FuncType, ValType};

const PREFIX: &str = "precast:";
const NO_MACRO: &str = "the package exports no macro";
/// With their numbers of parameters.
const MEMORY: [(&str, usize); 2] = [("precast_memory", 2), ("precast_recall", 2)];
const START: &str = "precast_start";
const BUFFER: &str = "precast_buffer";

pub struct Exports {
    pub macros: Vec<Macro>,
    /// Function index of each of `macros`.
    indexes: Vec<u32>,
    start: u32,
    buffer: u32,
    /// Those by which expansions are remembered, if the module has all of them.
    memory: Vec<(&'static str, u32)>,
}

/// Reads the exports. `declared` is what the package's sources declare, in their order.
pub fn read(module: &Module, declared: &[Declared]) -> Result<Exports> {
    let functions: BTreeMap<&str, u32> = module
        .exports
        .iter()
        .filter(|export| export.kind == ExternalKind::Func)
        .map(|export| (export.name, export.index))
        .collect();
    let told = told(module.told)?;
    let mut found = Vec::new();
    for (name, function) in &functions {
        if let Some(rest) = name.strip_prefix(PREFIX) {
            let read = one(rest, &told).context(format!("cannot read the export {name}"))?;
            found.push((read, *function));
        }
    }
    let place = |item: &Macro| declared.iter().position(|other| is_same(other, item));
    found
        .sort_by_cached_key(|(item, _)| (place(item).unwrap_or(usize::MAX), item.function.clone()));
    check(&found, declared)?;
    let own = |name: &str| {
        functions.get(name).copied().ok_or_else(|| {
            Error::new(Class::Other, format!("the module has no export {name}: it has no guest"))
        })
    };
    let (start, buffer) = (own(START)?, own(BUFFER)?);
    let memory = remembering(module);
    let (macros, indexes) = found.into_iter().unzip();
    Ok(Exports { macros, indexes, start, buffer, memory })
}

/// The same of a module that somebody else built: the functions are named as the macros say.
pub fn declared(module: &Module, macros: Vec<Macro>) -> Result<Exports> {
    let function = |name: &str, wanted: &FuncType| -> Result<u32> {
        let is_it = |export: &&Export| export.kind == ExternalKind::Func && export.name == name;
        let found = module.exports.iter().find(is_it).ok_or_else(|| {
            let error = Error::new(Class::Package, format!("the module exports no `{name}`"));
            error.help("docs/token-abi.md lists what it must export")
        })?;
        let ty = &module.types[module.functions[found.index as usize] as usize];
        match ty == wanted {
            true => Ok(found.index),
            false => Err(Error::new(Class::Package, format!("`{name}` has the type {ty}"))
                .help(format!("docs/token-abi.md wants {wanted}"))),
        }
    };
    let (expands, makes_room) =
        (FuncType::new([], [ValType::I32]), FuncType::new([ValType::I32], [ValType::I32]));
    let memory = module.exports.iter().find(|export| export.name == "memory");
    if memory.is_none_or(|export| export.kind != ExternalKind::Memory) {
        let error = Error::new(Class::Package, "the module exports no memory `memory`");
        return Err(error.help("docs/token-abi.md lists what it must export"));
    }
    let (start, buffer) = (function(START, &expands)?, function(BUFFER, &makes_room)?);
    let indexes = macros.iter().map(|item| function(&item.function, &expands));
    let indexes = indexes.collect::<Result<_>>()?;
    Ok(Exports { macros, indexes, start, buffer, memory: remembering(module) })
}

/// A module of another making may do without.
fn remembering(module: &Module) -> Vec<(&'static str, u32)> {
    let found = MEMORY.into_iter().filter_map(|(name, n)| {
        let is_it = |export: &&Export| export.kind == ExternalKind::Func && export.name == name;
        let index = module.exports.iter().find(is_it)?.index;
        let ty = &module.types[module.functions[index as usize] as usize];
        let is_fit = *ty == FuncType::new(vec![ValType::I32; n], [ValType::I32]);
        is_fit.then_some((name, index))
    });
    let found: Vec<_> = found.collect();
    if found.len() == MEMORY.len() {
        found
    } else {
        Vec::new()
    }
}

impl Exports {
    /// Names and indexes of the canonical module's functions, in order.
    pub fn functions(&self) -> impl Iterator<Item = (&str, u32)> {
        let macros = self.macros.iter().map(|item| item.function.as_str());
        [(START, self.start), (BUFFER, self.buffer)]
            .into_iter()
            .chain(self.memory.iter().copied())
            .chain(macros.zip(self.indexes.iter().copied()))
    }

    /// The functions that expand, without those that remember.
    pub fn of_macros(&self) -> impl Iterator<Item = u32> + '_ {
        [self.start, self.buffer].into_iter().chain(self.indexes.iter().copied())
    }

    /// One line per macro: `derive:Trait:function:helper,helper`, `attr:name:function`.
    pub fn declarations(&self) -> String {
        let mut text = String::new();
        for Macro { kind, name, function, helpers, .. } in &self.macros {
            let kind = match kind {
                Kind::Derive => "derive",
                Kind::Attribute => "attr",
                Kind::Bang => "bang",
            };
            text.push_str(&format!("{kind}:{name}:{function}"));
            if !helpers.is_empty() {
                text.push_str(&format!(":{}", helpers.join(",")));
            }
            text.push('\n');
        }
        text
    }
}

/// `KIND:FUNCTION:ARGUMENTS`
fn one(text: &str, told: &BTreeMap<String, Vec<String>>) -> Result<Macro> {
    let malformed = || Error::new(Class::Other, "it has not the form that precast writes");
    let mut parts = text.splitn(3, ':');
    let kind = match parts.next() {
        Some("derive") => Kind::Derive,
        Some("attribute") => Kind::Attribute,
        Some("bang") => Kind::Bang,
        _ => return Err(malformed()),
    };
    let function = parts.next().ok_or_else(malformed)?.to_owned();
    let (name, helpers) = match kind {
        Kind::Derive => derive(parts.next().ok_or_else(malformed)?).ok_or_else(malformed)?,
        Kind::Attribute | Kind::Bang => (function.clone(), Vec::new()),
    };
    let attributes = told.get(text).cloned().unwrap_or_default();
    Ok(Macro { kind, name, function, helpers, attributes })
}

/// `Trait, attributes(helper, …)`
fn derive(arguments: &str) -> Option<(String, Vec<String>)> {
    let tokens: Vec<TokenTree> = TokenStream::from_str(arguments).ok()?.into_iter().collect();
    let name = tokens.first()?.to_string();
    let helpers = tokens.iter().find_map(|token| match token {
        TokenTree::Group(group) => Some(group.stream()),
        _ => None,
    });
    let helpers = helpers.into_iter().flatten();
    let helpers = helpers.filter(|token| matches!(token, TokenTree::Ident(_)));
    Some((name, helpers.map(|token| token.to_string()).collect()))
}

/// What users are told of each macro, by its declaration: `KIND:FUNCTION:ARGUMENTS`, and each attribute
/// behind a separator.
fn told(records: &[u8]) -> Result<BTreeMap<String, Vec<String>>> {
    const SEPARATOR: char = '\u{1f}';
    const END: char = '\u{1e}';
    let text = std::str::from_utf8(records);
    let text = text.class(Class::Other, "what is told of the macros is no text")?;
    let records = text.split_terminator(END).filter_map(|record| {
        let mut parts = record.split(SEPARATOR);
        let declaration = parts.next()?.to_owned();
        Some((declaration, parts.map(as_comment).collect()))
    });
    Ok(records.collect())
}

/// Documentation as it is mostly written; other attributes stay as they are.
fn as_comment(attribute: &str) -> String {
    let attributes = Attribute::parse_outer.parse_str(attribute);
    let text = attributes.ok().and_then(|attributes| match &attributes.first()?.meta {
        Meta::NameValue(MetaNameValue { path, value: Expr::Lit(literal), .. }) => {
            let Lit::Str(text) = &literal.lit else { return None };
            path.is_ident("doc").then(|| text.value())
        }
        _ => None,
    });
    match text {
        Some(text) if !text.contains(['\n', '\r']) && !text.starts_with('/') => {
            format!("///{text}")
        }
        _ => attribute.to_owned(),
    }
}

fn is_same(declared: &Declared, item: &Macro) -> bool {
    declared.kind == item.kind && declared.function.as_deref() == Some(&item.function)
}

/// Whether the only fault of a package is that its features select no macro.
pub fn are_none(error: &Error) -> bool {
    error.to_string().contains(NO_MACRO)
}

fn check(found: &[(Macro, u32)], declared: &[Declared]) -> Result<()> {
    if found.is_empty() {
        let error = Error::new(Class::Package, NO_MACRO);
        return Err(error.help("if its features select the macros, name them with --features"));
    }
    for declared in declared.iter().filter(|declared| declared.always) {
        if !found.iter().any(|(item, _)| is_same(declared, item)) {
            let name = declared.function.as_deref().unwrap_or("a macro");
            return Err(Error::new(Class::Package, format!("the module lacks the macro {name}")));
        }
    }
    let mut names: Vec<&str> = found.iter().map(|(item, _)| item.function.as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => {
            Err(Error::new(Class::Package, format!("two macros have the function {}", pair[0])))
        }
        None => Ok(()),
    }
}
