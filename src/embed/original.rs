//! What the shim needs to know of the original: its manifest, and its crate root taken apart.
//!
//! Under `cfg(precast_from_source)` the shim's `src/lib.rs` includes the original's items. A file
//! given to `include!` cannot have inner attributes, so they are moved: the items go, on unchanged
//! lines, to a generated file beside the original root, where `mod x;` still finds its files; the
//! attributes go to the top of `src/lib.rs`.

use crate::artifact::{Artifact, Tree};
use crate::error::{Class, Context, Error, Result};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::ops::Range;
use toml_edit::{DocumentMut, Table};

pub(super) struct Original {
    pub(super) manifest: Table,
    /// The original's crate documentation: inner doc comments and attributes, as written.
    pub(super) docs: Vec<String>,
    /// The inside of each other inner attribute: `allow(dead_code)`.
    pub(super) attributes: Vec<String>,
    /// The root file without its inner attributes.
    pub(super) root_items: String,
    /// Where `root_items` is kept in the shim.
    pub(super) generated_root: String,
    /// The directory of the root file in the shim, as a path from `src/`: `../source/src/`.
    pub(super) root_dir: String,
}

pub(super) fn read(artifact: &Artifact) -> Result<Original> {
    let source = &artifact.source;
    let root = root_path(source)?;
    let text = text(source, &root)?;
    let (code, items_start) = strip_shebang(text);
    let found = inner_attributes(code).context(format!("cannot read {root}"))?;
    let root_dir = format!("../source/{}", root.rfind('/').map_or("", |at| &root[..=at]));
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
            Kind::Doc => original.docs.push(spelled.to_string()),
            // These two cannot be conditional, and the shim sets them itself.
            Kind::Other(inside) if starts_with_word(&inside, &["crate_type", "crate_name"]) => {}
            Kind::Other(inside) => original.attributes.push(inside),
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

/// Where the generated root goes: beside the original one.
pub(super) fn generated_path(root: &str) -> String {
    format!("{}.precast.rs", root.strip_suffix(".rs").unwrap_or(root))
}

/// Makes every `include_str!("PATH")` of an attribute relative to the shim's `src/`.
pub(super) fn rebase(attribute: &str, root_dir: &str) -> String {
    let mut out = String::new();
    let mut rest = attribute;
    while let Some(at) = rest.find("include_str!") {
        let after = at + "include_str!".len();
        let quote = rest[after..].find('"').map(|quote| after + quote + 1);
        let opens = |quote: &usize| rest[after..*quote].chars().all(|c| " ([{\"\n\t".contains(c));
        let end = quote.filter(opens).unwrap_or(after);
        out.push_str(&rest[..end]);
        if end > after && !rest[end..].starts_with('/') {
            out.push_str(root_dir);
        }
        rest = &rest[end..];
    }
    out + rest
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
    /// `//! text`, `#![doc = "text"]` or `#![doc = include_str!("file")]`.
    Doc,
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
            false => Kind::Doc, // the lexer gives a comment's tokens the span of the comment
            true if is_plain_doc(group.stream()) => Kind::Doc,
            true => {
                let inside =
                    group.span_open().byte_range().end..group.span_close().byte_range().start;
                Kind::Other(code[inside].trim().to_string())
            }
        };
        found.push(Inner { range, kind });
    }
    Ok(found)
}

/// `doc = "text"` or `doc = include_str!("file")`: what can be repeated without a condition.
fn is_plain_doc(inside: TokenStream) -> bool {
    let words: Vec<String> = inside.into_iter().map(|token| token.to_string()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["doc", "=", text] => text.ends_with(['"', '#']),
        ["doc", "=", "include_str", "!", path] => path.matches('"').count() == 2,
        _ => false,
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
