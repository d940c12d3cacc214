//! The macros that a macro crate's sources declare, as far as they can be told without compiling them: functions at
//! the crate's root, where all of them must be, that no macro writes.

use super::cfg::Cfgs;
use super::place::{Place, Trouble};
use crate::artifact::manifest::{Kind, Macro};
use crate::base::error::{Class, Context, Error, Result};
use quote::ToTokens;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::spanned::Spanned;
use syn::{Attribute, Item, Token};

/// The library's macro that declares an attribute, by its last name.
const EXECUTABLE: &str = "executable_attribute";

/// Attributes that a shim repeats, too.
const KEPT: [&str; 2] = ["doc", "deprecated"];

/// What the file declares for a crate with these features on this machine.
pub fn declared(root: &Path, features: &BTreeSet<String>) -> Result<Vec<Macro>> {
    let text = std::fs::read_to_string(root).at("read", root)?;
    let wrong = |error: syn::Error| {
        let at = error.span().start();
        let message = format!("{}:{}:{}: {error}", root.display(), at.line, at.column + 1);
        Error::new(Class::Package, message)
    };
    let file = syn::parse_file(&text).map_err(wrong)?;
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
    let cfgs = Cfgs::ask(&rustc, &[])?.with_features(features.iter().map(String::as_str));
    let id = file.items.first().map(|item| item.span().file()).unwrap_or_default();
    let place = Place { file: root.to_owned(), id };
    let each = file.items.iter().map(|item| one(item, &cfgs, &place));
    let found = each.collect::<Trouble<Vec<Vec<Macro>>>>();
    proc_macro2::extra::invalidate_current_thread_spans();
    Ok(found?.concat())
}

fn one(item: &Item, cfgs: &Cfgs, place: &Place) -> Trouble<Vec<Macro>> {
    let (attributes, name) = match item {
        Item::Fn(function) => (&function.attrs, Some(function.sig.ident.to_string())),
        Item::Macro(used) => (&used.attrs, None),
        _ => return Ok(Vec::new()),
    };
    if !cfgs.allow(attributes, place)? {
        return Ok(Vec::new());
    }
    let attributes = cfgs.flatten(attributes, place)?;
    if !cfgs.allow(&attributes, place)? {
        return Ok(Vec::new());
    }
    let Some(function) = name else {
        let Item::Macro(used) = item else { return Ok(Vec::new()) };
        return Ok(executable(&used.mac).into_iter().collect());
    };
    let mut found = Vec::new();
    for attribute in &attributes {
        let (kind, name, helpers) = match attribute.path().get_ident().map(ToString::to_string) {
            Some(name) if name == "proc_macro" => (Kind::Bang, function.clone(), Vec::new()),
            Some(name) if name == "proc_macro_attribute" => {
                (Kind::Attribute, function.clone(), Vec::new())
            }
            Some(name) if name == "proc_macro_derive" => {
                let (name, helpers) = attribute.parse_args_with(derive).map_err(|error| {
                    place.wrong(attribute.span(), format!("a `proc_macro_derive`: {error}"))
                })?;
                (Kind::Derive, name, helpers)
            }
            _ => continue,
        };
        found.push(Macro {
            kind,
            name,
            function: function.clone(),
            helpers,
            attributes: kept(&attributes),
        });
    }
    Ok(found)
}

/// `Name, attributes(one, other)`
fn derive(input: ParseStream<'_>) -> syn::Result<(String, Vec<String>)> {
    let name = syn::Ident::parse_any(input)?.to_string();
    let mut helpers = Vec::new();
    if input.parse::<Option<Token![,]>>()?.is_some() && !input.is_empty() {
        syn::Ident::parse_any(input)?;
        let list;
        syn::parenthesized!(list in input);
        let list = list.parse_terminated(syn::Ident::parse_any, Token![,])?;
        helpers = list.iter().map(ToString::to_string).collect();
        input.parse::<Option<Token![,]>>()?;
    }
    Ok((name, helpers))
}

/// `precast_macro::executable_attribute!(/// … name)`
fn executable(used: &syn::Macro) -> Option<Macro> {
    if used.path.segments.last()?.ident != EXECUTABLE {
        return None;
    }
    let body = |input: ParseStream<'_>| {
        Ok((Attribute::parse_outer(input)?, syn::Ident::parse_any(input)?.to_string()))
    };
    let (attributes, name) = used.parse_body_with(body).ok()?;
    Some(Macro {
        kind: Kind::Attribute,
        function: name.clone(),
        name,
        helpers: Vec::new(),
        attributes: kept(&attributes),
    })
}

fn kept(attributes: &[Attribute]) -> Vec<String> {
    let is_kept = |one: &&Attribute| KEPT.iter().any(|name| one.path().is_ident(name));
    attributes.iter().filter(is_kept).map(|one| one.to_token_stream().to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_declares() {
        let text = "//! Macros.\n\
            /// One.\n#[proc_macro_derive(One, attributes(a, r#type,))]\npub fn f(i: T) -> T { i }\n\
            #[cfg(feature = \"more\")]\n#[proc_macro]\npub fn more(i: T) -> T { i }\n\
            #[cfg(feature = \"none\")]\n#[proc_macro]\npub fn none(i: T) -> T { i }\n\
            #[cfg_attr(feature = \"more\", proc_macro_attribute)]\npub fn both(a: T, i: T) -> T { i }\n\
            precast_macro::executable_attribute!(/// Marks.\n bench);\n\
            pub(crate) fn other() {}\nmod inner { #[proc_macro] pub fn hidden() {} }\n";
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lib.rs");
        std::fs::write(&file, text).unwrap();
        let found = declared(&file, &BTreeSet::from(["more".to_owned()])).unwrap();
        let told: Vec<String> = found
            .iter()
            .map(|item| {
                let Macro { kind, name, function, helpers, .. } = item;
                format!("{kind:?} {name} {function} {} {}", helpers.join(","), item.documentation())
            })
            .collect();
        assert_eq!(
            told,
            [
                "Derive One f a,r#type One.",
                "Bang more more  ",
                "Attribute both both  ",
                "Attribute bench bench  Marks.",
            ]
        );
        std::fs::write(&file, "#[proc_macro] pub fn {").unwrap();
        assert!(declared(&file, &BTreeSet::new()).unwrap_err().to_string().contains("lib.rs:1:"));
    }
}
