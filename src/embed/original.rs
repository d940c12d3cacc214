//! What the shim needs to know of the original: its manifest, and its crate root taken apart.
//!
//! Under `cfg(precast_from_source)` the shim's `src/lib.rs` includes the original's items. A file
//! given to `include!` cannot have inner attributes, so they are moved: the items go, on unchanged
//! lines, to a generated file beside the original root, where `mod x;` still finds its files; the
//! attributes go to the top of `src/lib.rs`.

use super::names::stored_path;
use crate::artifact::{Artifact, Tree};
use crate::base::error::{Class, Context, Error, Result};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use std::ops::Range;
use syn::punctuated::Punctuated;
use syn::{LitStr, Meta, Token};
use toml_edit::{DocumentMut, Table};

pub(super) struct Original {
    pub(super) manifest: Table,
    /// The original's crate documentation: inner doc comments and attributes.
    pub(super) docs: Vec<String>,
    /// The inside of each other inner attribute: `allow(dead_code)`.
    pub(super) attributes: Vec<String>,
    /// The root file without its inner attributes.
    pub(super) root_items: String,
    /// Where `root_items` is kept in the shim.
    pub(super) generated_root: String,
    /// The directory of the root file in the sources: `src/`.
    pub(super) root_dir: String,
}

pub(super) fn read(artifact: &Artifact) -> Result<Original> {
    let source = &artifact.source;
    let root = root_path(source)?;
    let text = text(source, &root)?;
    let (code, items_start) = strip_shebang(text);
    let found = inner_attributes(code).context(format!("cannot read {root}"))?;
    let root_dir = root.rfind('/').map_or("", |at| &root[..=at]).to_string();
    let mut original = Original {
        manifest: parse_manifest(source)?,
        docs: Vec::new(),
        attributes: Vec::new(),
        root_items: blank(text, 0..items_start),
        generated_root: format!("source/{}", generated_path(&root)),
        root_dir,
    };
    for Inner { range, kind } in found {
        let spelled = &code[range.clone()];
        match kind {
            Kind::Comment => original.docs.push(spelled.to_string()),
            Kind::Doc(path) => {
                let path = included(source, &original.root_dir, &path);
                original.docs.extend(path.map(|path| format!("#![doc = include_str!({path:?})]")));
            }
            // These two cannot be conditional, and the shim sets them itself.
            Kind::Other(inside) if starts_with_word(&inside, &["crate_type", "crate_name"]) => {}
            Kind::Other(inside) => {
                let (told, rest) = told(&inside);
                original.docs.extend(told.map(|told| format!("#![{told}]")));
                original.attributes.extend(rest);
            }
        }
        let range = range.start + items_start..range.end + items_start;
        original.root_items = blank(&original.root_items, range);
    }
    let end = original.root_items.trim_end().len();
    original.root_items.truncate(end);
    original.root_items.push('\n');
    Ok(original)
}

/// The root file of the library target.
pub(super) fn root_path(source: &Tree) -> Result<String> {
    let manifest = parse_manifest(source)?;
    let lib = manifest.get("lib").and_then(|lib| lib.get("path")).and_then(|path| path.as_str());
    let path = lib.unwrap_or("src/lib.rs").trim_start_matches("./").replace('\\', "/");
    match source.contains_key(&path) {
        true => Ok(path),
        false => Err(package(format!("the library's root file {path} is not among the sources"))),
    }
}

/// The package's edition.
pub fn edition(source: &Tree) -> Result<String> {
    let manifest = parse_manifest(source)?;
    let edition = manifest.get("package").and_then(|package| package.get("edition")?.as_str());
    Ok(edition.unwrap_or("2015").to_owned())
}

/// Where the generated root goes: beside the original one.
pub(super) fn generated_path(root: &str) -> String {
    format!("{}.precast.rs", root.strip_suffix(".rs").unwrap_or(root))
}

/// The path, from the shim's `src/`, of a file that the original's root includes by a relative path.
/// Only the sources can be included: a file of the machine is not ours to read.
pub(super) fn included(source: &Tree, root_dir: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = root_dir.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    let path = parts.join("/");
    source.contains_key(&path).then(|| format!("../{}", stored_path(&path)))
}

fn parse_manifest(source: &Tree) -> Result<Table> {
    let text = text(source, "Cargo.toml")?;
    let document: DocumentMut = text.parse().class(Class::Package, "cannot read Cargo.toml")?;
    Ok(document.as_table().clone())
}

fn text<'a>(source: &'a Tree, path: &str) -> Result<&'a str> {
    let bytes = source.get(path).ok_or_else(|| package(format!("the sources have no {path}")))?;
    std::str::from_utf8(bytes).class(Class::Package, format!("{path} is not UTF-8"))
}

fn package(message: String) -> Error {
    Error::new(Class::Package, message)
}

struct Inner {
    range: Range<usize>,
    kind: Kind,
}

enum Kind {
    /// `//! text`, `/*! text */` or `#![doc = "text"]`: can be repeated as it is.
    Comment,
    /// `#![doc = include_str!("path")]`
    Doc(String),
    /// The text between the brackets.
    Other(String),
}

/// Finds the inner attributes at the top level of a file, by byte range.
fn inner_attributes(code: &str) -> Result<Vec<Inner>> {
    let tokens: Vec<TokenTree> =
        code.parse::<TokenStream>().class(Class::Package, "not Rust")?.into_iter().collect();
    let mut found = Vec::new();
    for window in tokens.windows(3) {
        let [TokenTree::Punct(hash), TokenTree::Punct(bang), TokenTree::Group(group)] = window
        else {
            continue;
        };
        if hash.as_char() != '#' || bang.as_char() != '!' || group.delimiter() != Delimiter::Bracket
        {
            continue;
        }
        let range = hash.span().byte_range().start..group.span_close().byte_range().end;
        let kind = match code[range.clone()].starts_with('#') {
            false => Kind::Comment, // the lexer gives its tokens the span of the comment
            true => {
                let open = group.span_open().byte_range();
                classify(group.stream(), &code[open.end..group.span_close().byte_range().start])
            }
        };
        found.push(Inner { range, kind });
    }
    Ok(found)
}

fn classify(inside: TokenStream, text: &str) -> Kind {
    let tokens: Vec<TokenTree> = inside.into_iter().collect();
    let words: Vec<String> = tokens.iter().map(ToString::to_string).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match (&words[..], tokens.last()) {
        (["doc", "=", _], Some(TokenTree::Literal(_))) => Kind::Comment,
        (["doc", "=", "include_str", "!", _], Some(TokenTree::Group(path))) => {
            let path = syn::parse2::<LitStr>(path.stream());
            path.map_or_else(|_| Kind::Other(text.trim().into()), |path| Kind::Doc(path.value()))
        }
        _ => Kind::Other(text.trim().into()),
    }
}

/// Settings of the crate's documentation that another crate's links, and readers, depend on.
fn is_told(setting: &Meta) -> bool {
    const NAMES: [&str; 6] = [
        "html_favicon_url",
        "html_logo_url",
        "html_no_source",
        "html_playground_url",
        "html_root_url",
        "issue_tracker_base_url",
    ];
    NAMES.iter().any(|name| setting.path().is_ident(name))
}

/// The part of an inner attribute that holds for the precompiled crate as well, and what is left of it.
fn told(inside: &str) -> (Option<String>, Option<String>) {
    let unchanged = (None, Some(inside.to_owned()));
    let Ok(Meta::List(list)) = syn::parse_str::<Meta>(inside) else { return unchanged };
    let name = list.path.get_ident().map(ToString::to_string).unwrap_or_default();
    let metas = Punctuated::<Meta, Token![,]>::parse_terminated;
    let written = |metas: Vec<&Meta>| -> Option<String> {
        let texts = metas.iter().map(|meta| meta.to_token_stream().to_string());
        (!metas.is_empty()).then(|| texts.collect::<Vec<_>>().join(", "))
    };
    match name.as_str() {
        "doc" => {
            let Ok(settings) = list.parse_args_with(metas) else { return unchanged };
            let (told, rest): (Vec<&Meta>, Vec<&Meta>) =
                settings.iter().partition(|setting| is_told(setting));
            let attribute = |settings| Some(format!("doc({})", written(settings)?));
            if told.is_empty() {
                return unchanged;
            }
            (attribute(told), attribute(rest))
        }
        "cfg_attr" => {
            let Ok(parts) = list.parse_args_with(metas) else { return unchanged };
            let mut parts = parts.iter();
            let Some(condition) = parts.next().map(|meta| meta.to_token_stream()) else {
                return unchanged;
            };
            let (mut docs, mut others) = (Vec::new(), Vec::new());
            for part in parts {
                let (doc, other) = told(&part.to_token_stream().to_string());
                docs.extend(doc);
                others.extend(other);
            }
            if docs.is_empty() {
                return unchanged;
            }
            let attribute = |parts: Vec<String>| {
                (!parts.is_empty()).then(|| format!("cfg_attr({condition}, {})", parts.join(", ")))
            };
            (attribute(docs), attribute(others))
        }
        _ => unchanged,
    }
}

fn starts_with_word(text: &str, words: &[&str]) -> bool {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    words.contains(&&text[..end])
}

/// The code after a byte order mark and a `#!` line, and where it begins.
fn strip_shebang(text: &str) -> (&str, usize) {
    let code = text.strip_prefix('\u{feff}').unwrap_or(text);
    let is_attribute = code[2.min(code.len())..].trim_start().starts_with('[');
    let shebang = match code.starts_with("#!") && !is_attribute {
        true => code.find('\n').unwrap_or(code.len()),
        false => 0,
    };
    let start = text.len() - code.len() + shebang;
    (&text[start..], start)
}

/// Replaces a range by blanks: what follows keeps its line and column.
fn blank(text: &str, range: Range<usize>) -> String {
    let blanks = text[range.clone()].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' });
    let mut out = text[..range.start].to_string();
    out.extend(blanks);
    out + &text[range.end..]
}

#[cfg(test)]
mod tests {
    use super::told;

    #[test]
    fn settings_of_documentation() {
        let check = |inside: &str, expected: Option<&str>, rest: Option<&str>| {
            let found = told(inside);
            assert_eq!((found.0.as_deref(), found.1.as_deref()), (expected, rest), "{inside}");
        };
        let root = "doc(html_root_url = \"https://docs.rs/a\")";
        check(root, Some(root), None);
        check(
            "doc(html_no_source, test(attr(deny(warnings))))",
            Some("doc(html_no_source)"),
            Some("doc(test (attr (deny (warnings))))"),
        );
        check(
            &format!("cfg_attr(docsrs, feature(doc_cfg), {root})"),
            Some(&format!("cfg_attr(docsrs, {root})")),
            Some("cfg_attr(docsrs, feature (doc_cfg))"),
        );
        for other in ["allow(dead_code)", "doc(hidden)", "cfg_attr(docsrs, feature(doc_cfg))"] {
            check(other, None, Some(other));
        }
    }
}
