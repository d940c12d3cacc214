//! Examples in the macros' documentation, as a package whose library has nothing else.
//!
//! Rustdoc compiles examples against the same crates as the crate with the documentation, and there
//! `proc_macro` is the compiler's. So the documentation is taken out of the source, on the same lines, and
//! its examples see the macros under their name, and the library under its own.

use super::native::Nested;
use super::nested;
use super::target::Target;
use crate::base::error::{Context, Result};
use crate::base::scratch;
use std::ops::Range;
use std::path::PathBuf;
use syn::spanned::Spanned;
use syn::{Attribute, ImplItem, Item, TraitItem};
use toml_edit::{value, DocumentMut, Item as Value, Table};

/// The package that was written.
pub struct Examples {
    pub folder: PathBuf,
    /// Cargo builds the library for them, and that asks for the macros.
    pub uses_library: bool,
}

/// Writes the package, if the documentation has examples. The features are those of the library.
pub fn write(target: &Target, nested: &Nested, features: &[String]) -> Result<Option<Examples>> {
    let folder = nested.folder.join("doctests");
    let mut root = "#![allow(dead_code)]\n".to_owned();
    let mut all = String::new();
    for (path, body) in nested::source(target)? {
        let Ok(text) = String::from_utf8(body) else { continue };
        let Some(documentation) = documentation(&text).filter(|_| path.ends_with(".rs")) else {
            continue;
        };
        put(&folder.join("src").join(&path), &documentation)?;
        root += &format!("#[path = {path:?}]\nmod m{};\n", all.len());
        all += &documentation;
    }
    if !all.contains("```") && !all.contains("~~~") && !all.contains("///     ") {
        return Ok(None);
    }
    put(&folder.join("src/lib.rs"), &root)?;
    let library = library_name(target);
    let uses_library = target.directory.join("src/lib.rs").is_file() && all.contains(&library);
    put(&folder.join("Cargo.toml"), &manifest((target, features), nested, uses_library, &all)?)?;
    let lock = folder.join("Cargo.lock");
    if let (Ok(text), false) =
        (std::fs::read_to_string(nested.folder.join("Cargo.lock")), lock.is_file())
    {
        put(&lock, &text)?;
    }
    Ok(Some(Examples { folder, uses_library }))
}

fn put(file: &std::path::Path, text: &str) -> Result<()> {
    if std::fs::read_to_string(file).is_ok_and(|found| found == text) {
        return Ok(());
    }
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).at("create", folder)?;
    }
    scratch::replace(file, text.as_bytes())
}

fn library_name(target: &Target) -> String {
    let lib = target.manifest.get("lib").and_then(|lib| lib.get("name")?.as_str());
    lib.unwrap_or(&target.package).replace('-', "_")
}

fn manifest(
    (target, features): (&Target, &[String]),
    nested: &Nested,
    uses_library: bool,
    examples: &str,
) -> Result<String> {
    let own: DocumentMut = nested::manifest(target, "doctests", "lib.rs", true)?
        .parse()
        .context("cannot read what was written")?;
    let mut package = Table::new();
    package["name"] = value(format!("{}-proc-macro-doctests", target.package));
    package["version"] = value("0.0.0");
    package["publish"] = value(false);
    if let Some(edition) = own["package"].get("edition") {
        package["edition"] = edition.clone();
    }
    let mut lib = Table::new();
    lib["test"] = value(false);
    lib["name"] = value("doctests");
    // Of the macros' own dependencies, examples get those that they name.
    let of = |kind: &str| own.get(kind).and_then(Value::as_table).cloned().unwrap_or_default();
    let mut dependencies = of("dependencies");
    let more = of("dev-dependencies");
    let more = more.iter().filter(|(name, _)| !dependencies.contains_key(name));
    let more: Vec<(String, Value)> =
        more.map(|(name, item)| (name.to_owned(), item.clone())).collect();
    more.into_iter().for_each(|(name, item)| drop(dependencies.insert(&name, item)));
    let is_used = |name: &str| examples.contains(&format!("{}::", name.replace('-', "_")));
    let unused: Vec<String> = dependencies
        .iter()
        .filter(|(name, _)| !is_used(name))
        .map(|(name, _)| name.to_owned())
        .collect();
    unused.iter().for_each(|name| drop(dependencies.remove(name)));
    let mut macros = Table::new();
    macros["package"] = value(super::native::nested_name(target));
    macros["path"] = value(nested.folder.to_string_lossy().as_ref());
    macros["default-features"] = value(false);
    macros["features"] = value(nested.features().iter().collect::<toml_edit::Array>());
    dependencies.insert(&target.name, Value::Table(macros));
    if uses_library {
        let mut library = Table::new();
        library["package"] = value(&target.package);
        library["path"] = value(target.directory.to_string_lossy().as_ref());
        // As the user has chosen them; but without some it has no macros.
        let declared = target.manifest.get("features").and_then(Value::as_table_like);
        let is_declared = |name: &&String| declared.is_some_and(|table| table.contains_key(name));
        let features = target.required_features.iter().chain(features).filter(is_declared);
        library["default-features"] = value(false);
        library["features"] = value(features.collect::<toml_edit::Array>());
        dependencies.insert(&library_name(target), Value::Table(library));
    }
    let mut document = DocumentMut::new();
    document.insert("package", Value::Table(package));
    document.insert("lib", Value::Table(lib));
    document.insert("dependencies", Value::Table(dependencies));
    document.insert("workspace", Value::Table(Table::new()));
    if let Some(patch) = own.get("patch") {
        document.insert("patch", patch.clone());
    }
    Ok(document.to_string())
}

/// The documentation of a file of Rust, each line where it was: behind it stands an item to hold it. None if
/// the text is not Rust.
pub fn documentation(text: &str) -> Option<String> {
    let file = syn::parse_file(text).ok()?;
    let mut found = Found { shift: shift(text), ..Found::default() };
    // Those of a nested module would have to come before its items.
    found.comments(&file.attrs, true);
    found.items(&file.items);
    let mut out = String::new();
    let (mut at, mut n_items) = (0, 0);
    for Doc { range, is_inner } in found.docs {
        blank(text.get(at..range.start)?, &mut out);
        out += text.get(range.clone())?;
        at = range.end;
        if !is_inner {
            n_items += 1;
            // The item's own line, which the comment ends before.
            let end = text[at..].find('\n').map_or(text.len(), |end| at + end + 1);
            blank(text.get(at..end)?, &mut out);
            at = end;
            out += &format!("pub struct D{n_items};");
        }
    }
    blank(text.get(at..)?, &mut out);
    Some(out)
}

/// Spans count from behind a byte order mark.
fn shift(text: &str) -> usize {
    if text.starts_with('\u{feff}') {
        '\u{feff}'.len_utf8()
    } else {
        0
    }
}

fn blank(text: &str, out: &mut String) {
    out.extend(text.chars().filter(|c| *c == '\n'));
}

#[derive(Default)]
struct Found {
    shift: usize,
    docs: Vec<Doc>,
}

struct Doc {
    range: Range<usize>,
    is_inner: bool,
}

impl Found {
    /// The comments of an item, as one piece.
    fn comments(&mut self, attributes: &[Attribute], is_inner: bool) {
        let is_doc = |attribute: &&Attribute| {
            let is_inner_one = matches!(attribute.style, syn::AttrStyle::Inner(_));
            let literal = attribute.meta.require_name_value().is_ok_and(|pair| {
                matches!(&pair.value, syn::Expr::Lit(_)) && pair.path.is_ident("doc")
            });
            literal && is_inner_one == is_inner
        };
        let ranges: Vec<Range<usize>> = attributes
            .iter()
            .filter(is_doc)
            .map(|attribute| attribute.span().byte_range())
            .collect();
        let (Some(first), Some(last)) = (ranges.first(), ranges.last()) else { return };
        // Attributes between comments mean nothing to an example.
        let whole = last.end - first.start;
        if ranges.iter().map(|range| range.end - range.start).sum::<usize>() <= whole {
            let range = first.start + self.shift..last.end + self.shift;
            self.docs.push(Doc { range, is_inner });
        }
    }

    fn items(&mut self, items: &[Item]) {
        for item in items {
            match item {
                Item::Fn(item) => self.comments(&item.attrs, false),
                Item::Struct(item) => self.comments(&item.attrs, false),
                Item::Enum(item) => self.comments(&item.attrs, false),
                Item::Union(item) => self.comments(&item.attrs, false),
                Item::Const(item) => self.comments(&item.attrs, false),
                Item::Static(item) => self.comments(&item.attrs, false),
                Item::Type(item) => self.comments(&item.attrs, false),
                Item::Macro(item) => self.comments(&item.attrs, false),
                Item::Use(item) => self.comments(&item.attrs, false),
                Item::Mod(item) => {
                    self.comments(&item.attrs, false);
                    self.items(item.content.as_ref().map_or(&[], |(_, items)| items));
                }
                Item::Trait(item) => {
                    self.comments(&item.attrs, false);
                    for item in &item.items {
                        if let TraitItem::Fn(method) = item {
                            self.comments(&method.attrs, false);
                        }
                    }
                }
                Item::Impl(item) => {
                    for item in &item.items {
                        if let ImplItem::Fn(method) = item {
                            self.comments(&method.attrs, false);
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::documentation;

    #[test]
    fn lines_stay_where_they_are() {
        let text = "//! Top.\n\nuse a::b;\n/// One\n/// two.\n#[x]\npub fn f() {\n    // no\n    quote!(/// no\n);\n}\n\
                    impl S {\n    /** Three. */ fn g() {}\n}\n";
        let found = documentation(text).unwrap();
        assert_eq!(found.lines().count(), text.lines().count());
        let line = |n: usize| found.lines().nth(n - 1).unwrap().trim();
        assert_eq!((line(1), line(4), line(5)), ("//! Top.", "/// One", "/// two."));
        assert_eq!(line(6), "pub struct D1;");
        assert!(line(13).starts_with("/** Three. */") && !found.contains("no"));
        assert!(syn::parse_file(&found).is_ok(), "{found}");
    }
}
