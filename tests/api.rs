//! The library's public API is what tests/api/public.txt lists: what the documentation shows, with its signatures.
//!
//! `API=overwrite cargo test --test api` writes the list. A line that is gone or changed is a breaking change: it
//! belongs into the changelog, and into the next version's number.

use proc_macro2::TokenStream;
use quote::{quote, ToTokens};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use syn::{Attribute, Fields, FnArg, ImplItem, Item, TraitItem, UseTree, Visibility};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file's items by the path of its module.
type Files = BTreeMap<String, Vec<Item>>;

fn read(module: &str, file: &Path, inside: &Path, files: &mut Files) {
    let text = fs::read_to_string(file).unwrap();
    let items = syn::parse_file(&text).unwrap().items;
    for item in &items {
        let Item::Mod(inner) = item else { continue };
        // The runtime is mounted from elsewhere, and hidden.
        if inner.content.is_some() || inner.attrs.iter().any(|a| a.path().is_ident("path")) {
            continue;
        }
        let name = inner.ident.to_string();
        let path = if module.is_empty() { name.clone() } else { format!("{module}::{name}") };
        let folder = inside.join(&name);
        let file = inside.join(format!("{name}.rs"));
        read(&path, &file, &folder, files);
    }
    files.insert(module.to_owned(), items);
}

fn is_hidden(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("doc")
            && attribute.to_token_stream().to_string().contains("hidden")
    })
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn named(item: &Item) -> Option<(&Visibility, &[Attribute], String)> {
    Some(match item {
        Item::Const(i) => (&i.vis, &i.attrs, i.ident.to_string()),
        Item::Enum(i) => (&i.vis, &i.attrs, i.ident.to_string()),
        Item::Fn(i) => (&i.vis, &i.attrs, i.sig.ident.to_string()),
        Item::Static(i) => (&i.vis, &i.attrs, i.ident.to_string()),
        Item::Struct(i) => (&i.vis, &i.attrs, i.ident.to_string()),
        Item::Trait(i) => (&i.vis, &i.attrs, i.ident.to_string()),
        Item::Type(i) => (&i.vis, &i.attrs, i.ident.to_string()),
        Item::Mod(i) => (&i.vis, &i.attrs, i.ident.to_string()),
        _ => return None,
    })
}

fn text(tokens: impl ToTokens) -> String {
    let text = tokens.to_token_stream().to_string();
    let tight =
        [(" :: ", "::"), (" , ", ", "), (" : ", ": "), ("& ", "&"), (" < ", "<"), (" >", ">")];
    let more =
        [("( ", "("), (" )", ")"), (" (", "("), ("< ", "<"), (" ;", ";"), ("' ", "'"), (" ,", ",")];
    tight.iter().chain(&more).fold(text, |text, (from, to)| text.replace(from, to))
}

fn growing(attributes: &[Attribute]) -> &'static str {
    let is_open = attributes.iter().any(|attribute| attribute.path().is_ident("non_exhaustive"));
    if is_open {
        "#[non_exhaustive] "
    } else {
        ""
    }
}

struct Listing<'a> {
    files: &'a Files,
    lines: BTreeSet<String>,
    seen: BTreeSet<(String, String)>,
}

impl Listing<'_> {
    /// All that a module shows, as `shown`.
    fn module(&mut self, module: &str, shown: &str) {
        let files = self.files;
        for item in &files[module] {
            if let Item::Use(used) = item {
                if is_public(&used.vis) && !is_hidden(&used.attrs) {
                    self.handed_on(&used.tree, String::new(), module, shown);
                }
            } else if let Some((visibility, attributes, name)) = named(item) {
                if is_public(visibility) && !is_hidden(attributes) {
                    self.item(module, &name, &format!("{shown}::{name}"));
                }
            }
        }
    }

    fn handed_on(&mut self, tree: &UseTree, before: String, module: &str, shown: &str) {
        match tree {
            UseTree::Path(path) => {
                let start = if before.is_empty() { before } else { before + "::" };
                self.handed_on(&path.tree, format!("{start}{}", path.ident), module, shown);
            }
            UseTree::Group(group) => {
                let trees = group.items.iter();
                trees.for_each(|tree| self.handed_on(tree, before.clone(), module, shown));
            }
            UseTree::Name(name) => {
                let from = match before.strip_prefix("crate") {
                    Some(path) => path.trim_start_matches("::").to_owned(),
                    None if module.is_empty() => before,
                    None => format!("{module}::{before}"),
                };
                self.item(&from, &name.ident.to_string(), &format!("{shown}::{}", name.ident));
            }
            UseTree::Rename(_) | UseTree::Glob(_) => panic!("{shown}: name what is handed on"),
        }
    }

    /// An item by the module that defines it, or hands it on.
    fn item(&mut self, module: &str, name: &str, shown: &str) {
        let files = self.files;
        let items = files.get(module).unwrap_or_else(|| panic!("{shown} is from {module}"));
        let found = items.iter().find(|item| named(item).is_some_and(|(_, _, own)| own == name));
        let Some(item) = found else {
            let handed = items.iter().filter_map(|item| match item {
                Item::Use(used) => Some(&used.tree),
                _ => None,
            });
            let trees: Vec<&UseTree> = handed.filter(|tree| text(tree).contains(name)).collect();
            let [tree] = trees[..] else { panic!("{shown}: where does {module} have it from?") };
            let parent = shown.rsplit_once("::").unwrap().0;
            return self.handed_on(&only(tree, name), String::new(), module, parent);
        };
        self.describe(item, shown, module);
        // Methods are listed once, under the first name.
        if self.seen.insert((module.to_owned(), name.to_owned())) {
            self.methods(module, name, shown);
        }
    }

    fn add(&mut self, line: String) {
        self.lines.insert(line);
    }

    fn describe(&mut self, item: &Item, shown: &str, module: &str) {
        match item {
            Item::Mod(inner) => {
                self.add(format!("mod {shown}"));
                let name = &inner.ident;
                let path =
                    if module.is_empty() { name.to_string() } else { format!("{module}::{name}") };
                self.module(&path, shown);
            }
            Item::Fn(function) => self.add(format!("fn {shown}{}", signature(&function.sig))),
            Item::Const(item) => self.add(format!("const {shown}: {}", text(&item.ty))),
            Item::Static(item) => self.add(format!("static {shown}: {}", text(&item.ty))),
            Item::Type(item) => {
                self.add(format!("type {shown}{} = {}", text(&item.generics), text(&item.ty)));
            }
            Item::Trait(item) => {
                self.add(format!("trait {shown}"));
                for inner in &item.items {
                    if let TraitItem::Fn(function) = inner {
                        let name = &function.sig.ident;
                        self.add(format!("fn {shown}::{name}{}", signature(&function.sig)));
                    }
                }
            }
            Item::Struct(item) => {
                self.add(format!("{}struct {shown}{}", growing(&item.attrs), text(&item.generics)));
                self.fields(&item.fields, shown, true);
            }
            Item::Enum(item) => {
                self.add(format!("{}enum {shown}{}", growing(&item.attrs), text(&item.generics)));
                for variant in &item.variants {
                    let shown = format!("{shown}::{}", variant.ident);
                    let value = variant
                        .discriminant
                        .as_ref()
                        .map(|(_, value)| format!(" = {}", text(value)));
                    self.add(format!("variant {shown}{}", value.unwrap_or_default()));
                    self.fields(&variant.fields, &shown, false);
                }
            }
            other => panic!("{shown}: {}", text(other)),
        }
    }

    fn fields(&mut self, fields: &Fields, shown: &str, by_visibility: bool) {
        for (index, field) in fields.iter().enumerate() {
            if by_visibility && !is_public(&field.vis) {
                continue;
            }
            let name = field.ident.as_ref().map_or(index.to_string(), ToString::to_string);
            self.add(format!("field {shown}::{name}: {}", text(&field.ty)));
        }
    }

    /// Public functions of a type, in the file that defines it and in those below.
    fn methods(&mut self, module: &str, name: &str, shown: &str) {
        let files = self.files;
        let defines =
            |items: &[Item]| items.iter().any(|i| named(i).is_some_and(|(_, _, n)| n == name));
        let below = format!("{module}::");
        let near = files
            .iter()
            .filter(|(path, items)| *path == module || path.starts_with(&below) && !defines(items));
        for item in near.flat_map(|(_, items)| items) {
            let Item::Impl(block) = item else { continue };
            let of = text(&block.self_ty);
            if block.trait_.is_some() || of.split('<').next() != Some(name) {
                continue;
            }
            for inner in &block.items {
                match inner {
                    ImplItem::Fn(f) if is_public(&f.vis) && !is_hidden(&f.attrs) => {
                        self.add(format!("fn {shown}::{}{}", f.sig.ident, signature(&f.sig)));
                    }
                    ImplItem::Const(c) if is_public(&c.vis) && !is_hidden(&c.attrs) => {
                        self.add(format!("const {shown}::{}: {}", c.ident, text(&c.ty)));
                    }
                    _ => {}
                }
            }
        }
    }
}

/// The part of a `use` that ends in a name.
fn only(tree: &UseTree, name: &str) -> UseTree {
    match tree {
        UseTree::Path(path) => {
            let mut path = path.clone();
            path.tree = Box::new(only(&path.tree, name));
            UseTree::Path(path)
        }
        UseTree::Group(group) => {
            let found = group.items.iter().find(|tree| text(tree).contains(name)).unwrap();
            only(found, name)
        }
        other => other.clone(),
    }
}

/// Types alone: names of parameters are nobody's business.
fn signature(signature: &syn::Signature) -> String {
    let inputs = signature.inputs.iter().map(|input| match input {
        FnArg::Receiver(receiver) => text(receiver),
        FnArg::Typed(typed) => text(&typed.ty),
    });
    let inputs: Vec<String> = inputs.collect();
    let output: TokenStream = signature.output.to_token_stream();
    let (generics, clause) = (&signature.generics, &signature.generics.where_clause);
    let end = text(quote!(#output #clause)).replace("- >", "->");
    let space = if end.is_empty() { "" } else { " " };
    format!("{}({}){space}{end}", text(generics), inputs.join(", "))
}

fn listing() -> String {
    let mut files = Files::new();
    read("", &root().join("src/lib.rs"), &root().join("src"), &mut files);
    let mut listing = Listing { files: &files, lines: BTreeSet::new(), seen: BTreeSet::new() };
    listing.module("", "precast");
    let by_path = |line: &String| line.split("precast::").nth(1).unwrap_or_default().to_owned();
    let mut lines: Vec<String> = listing.lines.into_iter().collect();
    lines.sort_by_key(by_path);
    lines.join("\n") + "\n"
}

#[test]
fn the_public_api_is_listed() {
    let file: PathBuf = root().join("tests/api/public.txt");
    let now = listing();
    if std::env::var("API").is_ok_and(|value| value == "overwrite") {
        return fs::write(file, now).unwrap();
    }
    let listed = fs::read_to_string(file).unwrap().replace("\r\n", "\n");
    let (now, listed): (BTreeSet<&str>, BTreeSet<&str>) =
        (now.lines().collect(), listed.lines().collect());
    let gone: Vec<&&str> = listed.difference(&now).collect();
    let new: Vec<&&str> = now.difference(&listed).collect();
    assert!(
        gone.is_empty() && new.is_empty(),
        "tests/api/public.txt\ngone, which breaks who uses it: {gone:#?}\nnew: {new:#?}\nwrite the list with \
         `API=overwrite cargo test --test api`"
    );
}

/// Nobody but the program uses what is hidden; what is shown is little enough to be read.
#[test]
fn the_public_api_is_small() {
    let listing = listing();
    let modules: Vec<&str> =
        listing.lines().filter_map(|line| line.strip_prefix("mod precast::")).collect();
    let expected = [
        "artifact",
        "artifact::manifest",
        "embed",
        "expand",
        "inspect",
        "pack",
        "pack::wrapper",
        "verify",
    ];
    assert_eq!(modules, expected);
    let items =
        listing.lines().filter(|line| !line.starts_with("field") && !line.starts_with("variant"));
    assert!(items.count() < 150, "{listing}");
}
