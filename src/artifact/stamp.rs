//! The custom section by which a module declares its macros, in a module of any origin.
//!
//! What is written is sealed: a second section, the last one, holds the hash of every byte before it.
//! So a module that was damaged or changed after it was stamped is told from one that was not.

use crate::artifact::manifest::{decls, read_decls, Kind, Macro, DECLS_SECTION};
use crate::base::error::{Class, Context, Error, Result};
use crate::base::files::sha256;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use wasm_encoder::{CustomSection, Encode, Section, SectionId};
use wasmparser::{Encoding, ExternalKind, Parser, Payload, TypeRef, ValType, Validator};

/// The custom section with the hash of what is before it.
pub const SEAL_SECTION: &str = "precast.stamp";

/// A change of the declared macros.
#[derive(Clone, Debug)]
pub enum Edit {
    Add(Macro),
    Replace(Macro),
    /// By its name, or by `KIND:NAME` where several kinds have it.
    Remove(String),
}

/// A module that was read: its macros, and whether it is sealed.
#[derive(Debug, Default)]
pub struct Stamp {
    pub macros: Vec<Macro>,
    pub is_sealed: bool,
    /// Why its seal does not hold.
    broken: Option<&'static str>,
}

/// One declaration: `derive:Trait:function[:helper,helper]`, `attr:name:function`, `bang:name:function`.
pub fn declaration(text: &str) -> Result<Macro> {
    let read = read_decls(format!("{text}\n").as_bytes());
    let one = read.ok().filter(|macros| macros.len() == 1).and_then(|mut macros| macros.pop());
    one.ok_or_else(|| {
        let error = Error::new(Class::Usage, format!("`{text}` declares no macro"));
        error.help(
            "write derive:Trait:function, derive:Trait:function:helper,helper, attr:name:function \
             or bang:name:function",
        )
    })
}

/// The macros of a module, each of which has its function. An error where the module is damaged, or was
/// changed after it was stamped.
pub fn read(wasm: &[u8]) -> Result<Stamp> {
    let found = Found::read(wasm)?;
    if let Some(why) = found.stamp.broken {
        let message = format!("the module was changed after it was stamped: {why}");
        return Err(Error::new(Class::Verify, message).help(
            "get it again; or, if the change was wanted, `cargo precast stamp MODULE --reseal`",
        ));
    }
    found.check(&found.stamp.macros)?;
    Ok(found.stamp)
}

/// The module with other declarations. With `reseal` also one whose seal does not hold.
pub fn edit(wasm: &[u8], edits: &[Edit], reseal: bool) -> Result<(Vec<u8>, Vec<Macro>)> {
    let mut macros = match reseal {
        true => Found::read(wasm)?.stamp.macros,
        false => read(wasm)?.macros,
    };
    for edit in edits {
        apply(&mut macros, edit)?;
    }
    Ok((write(wasm, &macros)?, macros))
}

/// The module with exactly these declarations; without any, one that was never stamped.
pub fn write(wasm: &[u8], macros: &[Macro]) -> Result<Vec<u8>> {
    let found = Found::read(wasm)?;
    found.check(macros)?;
    let mut out = wasm[..HEADER_BYTES].to_vec();
    found.rest.iter().for_each(|range| out.extend_from_slice(&wasm[range.clone()]));
    if macros.is_empty() {
        return Ok(out);
    }
    append(&mut out, DECLS_SECTION, decls(macros).as_bytes());
    let seal = sha256(&out);
    append(&mut out, SEAL_SECTION, seal.as_bytes());
    Ok(out)
}

/// Magic and version.
const HEADER_BYTES: usize = 8;

fn append(out: &mut Vec<u8>, name: &str, data: &[u8]) {
    let section = CustomSection { name: Cow::Borrowed(name), data: Cow::Borrowed(data) };
    out.push(SectionId::Custom.into());
    debug_assert_eq!(section.id(), SectionId::Custom as u8);
    section.encode(out);
}

fn apply(macros: &mut Vec<Macro>, edit: &Edit) -> Result<()> {
    match edit {
        Edit::Add(item) if macros.iter().any(|other| is_same(other, item)) => {
            let message = format!("the module declares {} `{}` already", word(item), item.name);
            return Err(Error::new(Class::Usage, message).help("use --replace"));
        }
        Edit::Add(item) => macros.push(item.clone()),
        Edit::Replace(item) => match macros.iter_mut().find(|other| is_same(other, item)) {
            Some(place) => *place = item.clone(),
            None => {
                let message = format!("the module declares no {} `{}`", word(item), item.name);
                return Err(Error::new(Class::Usage, message).help("use --add"));
            }
        },
        Edit::Remove(name) => {
            let is_named = |item: &Macro| {
                item.name == *name || format!("{}:{}", word(item), item.name) == *name
            };
            let n_named = macros.iter().filter(|item| is_named(item)).count();
            if n_named != 1 {
                let message = match n_named {
                    0 => format!("the module declares no macro `{name}`"),
                    _ => format!("`{name}` names several macros"),
                };
                let listed: Vec<String> =
                    macros.iter().map(|item| format!("{}:{}", word(item), item.name)).collect();
                let help = match listed.is_empty() {
                    true => "it declares none".to_owned(),
                    false => format!("it declares {}", listed.join(", ")),
                };
                return Err(Error::new(Class::Usage, message).help(help));
            }
            macros.retain(|item| !is_named(item));
        }
    }
    Ok(())
}

fn is_same(one: &Macro, other: &Macro) -> bool {
    (one.kind, &one.name) == (other.kind, &other.name)
}

/// As a declaration begins.
fn word(item: &Macro) -> &'static str {
    match item.kind {
        Kind::Derive => "derive",
        Kind::Attribute => "attr",
        Kind::Bang => "bang",
    }
}

type Signature = (Vec<ValType>, Vec<ValType>);

#[derive(Default)]
struct Found {
    stamp: Stamp,
    /// Bytes of every section that is not ours, in their order.
    rest: Vec<Range<usize>>,
    /// Exported functions with their types.
    functions: BTreeMap<String, Signature>,
}

impl Found {
    fn read(wasm: &[u8]) -> Result<Found> {
        Validator::new()
            .validate_all(wasm)
            .class(Class::Verify, "the file is no valid module")
            .map_err(|error| error.help("get it again, or build it again"))?;
        let mut found = Found::default();
        let (mut types, mut functions): (Vec<Signature>, Vec<u32>) = Default::default();
        let (mut exported, mut declared) = (Vec::new(), None);
        let mut start = HEADER_BYTES;
        for payload in Parser::new(0).parse_all(wasm) {
            let payload = payload.class(Class::Verify, "cannot read the module")?;
            let mut is_ours = false;
            match &payload {
                Payload::Version { encoding: Encoding::Component, .. } => {
                    let error = Error::new(Class::Verify, "the file is a component, not a module");
                    return Err(
                        error.help("`wasm-tools component unbundle` takes modules out of it")
                    );
                }
                Payload::TypeSection(section) => {
                    for ty in section.clone().into_iter_err_on_gc_types() {
                        let ty = ty.class(Class::Verify, "cannot read a type")?;
                        types.push((ty.params().to_vec(), ty.results().to_vec()));
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.clone().into_imports() {
                        let import = import.class(Class::Verify, "cannot read an import")?;
                        if let TypeRef::Func(ty) = import.ty {
                            functions.push(ty);
                        }
                    }
                }
                Payload::FunctionSection(section) => {
                    for ty in section.clone() {
                        functions.push(ty.class(Class::Verify, "cannot read a function")?);
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section.clone() {
                        let export = export.class(Class::Verify, "cannot read an export")?;
                        if export.kind == ExternalKind::Func {
                            exported.push((export.name.to_owned(), export.index));
                        }
                    }
                }
                Payload::CustomSection(section) if section.name() == DECLS_SECTION => {
                    is_ours = true;
                    if declared.replace(read_decls(section.data())?).is_some() {
                        let message = format!("the custom section {DECLS_SECTION} is there twice");
                        return Err(Error::new(Class::Verify, message));
                    }
                }
                Payload::CustomSection(section) if section.name() == SEAL_SECTION => {
                    is_ours = true;
                    found.seal(wasm, start, section.range().end as usize, section.data());
                }
                _ => {}
            }
            if let Some((_, range)) = payload.as_section() {
                let end = range.end as usize;
                if !is_ours {
                    found.rest.push(start..end);
                }
                start = end;
            }
        }
        found.stamp.macros = declared.unwrap_or_default();
        let signature = |index: u32| types.get(*functions.get(index as usize)? as usize).cloned();
        let functions = exported.into_iter().filter_map(|(name, at)| Some((name, signature(at)?)));
        found.functions = functions.collect();
        Ok(found)
    }

    /// Takes in a seal which begins at byte `start` and ends at `end`.
    fn seal(&mut self, wasm: &[u8], start: usize, end: usize, hash: &[u8]) {
        self.stamp.broken = match () {
            () if self.stamp.is_sealed => Some("it has two seals"),
            () if end != wasm.len() => Some("something stands behind its seal"),
            () if sha256(&wasm[..start]).as_bytes() != hash => Some("its hash is another one"),
            () => self.stamp.broken,
        };
        self.stamp.is_sealed = true;
    }

    /// Every macro has an exported function of its own that takes nothing and returns an `i32`.
    fn check(&self, macros: &[Macro]) -> Result<()> {
        for (at, item) in macros.iter().enumerate() {
            let Macro { name, function, .. } = item;
            if macros[..at].iter().any(|other| other.function == *function) {
                let message = format!("two macros have the function `{function}`");
                return Err(Error::new(Class::Verify, message).help("give each one of its own"));
            }
            let context = format!("the macro `{name}`");
            let Some((params, results)) = self.functions.get(function) else {
                let message = format!("{context}: the module exports no function `{function}`");
                let names: Vec<&str> = self.functions.keys().map(String::as_str).collect();
                return Err(Error::new(Class::Verify, message)
                    .help(format!("it exports {}", listed(&names))));
            };
            if !params.is_empty() || results[..] != [ValType::I32] {
                let message = format!(
                    "{context}: the function `{function}` has the type {}, not () -> i32",
                    spelled(params, results)
                );
                return Err(Error::new(Class::Verify, message)
                    .help("docs/token-abi.md says how a macro's function is called"));
            }
        }
        Ok(())
    }
}

fn listed(names: &[&str]) -> String {
    match names {
        [] => "no function".into(),
        names => names.join(", "),
    }
}

fn spelled(params: &[ValType], results: &[ValType]) -> String {
    let list =
        |types: &[ValType]| types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    format!("({}) -> ({})", list(params), list(results))
}
