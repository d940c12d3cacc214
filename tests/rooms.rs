//! The plan of the house: a room of `src/` imports only rooms before it, and no file imports a file that
//! imports it, on whatever way around.

#[path = "rooms/runtime.rs"]
mod runtime;
#[path = "rooms/sizes.rs"]
mod sizes;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use syn::{Item, UseTree, Visibility};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The rooms, ground floor first, as ARCHITECTURE.md has them. The runtime is mounted here, and knows only
/// tokens.
const ROOMS: [&str; 17] = [
    "base", "tokens", "runtime", "artifact", "lower", "embed", "cache", "pack", "expand",
    "inspect", "verify", "policy", "project", "report", "serve", "author", "front",
];

/// What a file says of others, by paths from the crate's root.
#[derive(Default)]
struct File {
    imports: BTreeSet<String>,
    /// Names that it hands on, with where they are from.
    handed_on: BTreeMap<String, String>,
}

type Files = BTreeMap<String, File>;

fn read(folder: &Path, module: &str, modules: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let name = if module.is_empty() { stem.clone() } else { format!("{module}::{stem}") };
        if path.is_dir() && stem != "bin" {
            read(&path, &name, modules);
        } else if path.extension().is_some_and(|end| end == "rs") && name != "lib" {
            modules.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
}

/// All paths of a `use`, each with its name in the file.
fn flatten(tree: &UseTree, before: &str, found: &mut Vec<(String, String)>) {
    let with = |name: &str| match (before, name) {
        ("", name) => name.to_owned(),
        (before, "self") => before.to_owned(),
        (before, name) => format!("{before}::{name}"),
    };
    let last = |path: &str| path.rsplit("::").next().unwrap_or_default().to_owned();
    match tree {
        UseTree::Path(path) => flatten(&path.tree, &with(&path.ident.to_string()), found),
        UseTree::Name(name) => {
            let path = with(&name.ident.to_string());
            let name = last(&path);
            found.push((path, name));
        }
        UseTree::Rename(name) => {
            found.push((with(&name.ident.to_string()), name.rename.to_string()));
        }
        UseTree::Glob(_) => found.push((with("*"), "*".to_owned())),
        UseTree::Group(group) => {
            group.items.iter().for_each(|tree| flatten(tree, before, found));
        }
    }
}

/// A path as the file writes it, from the crate's root; none if it leaves the crate.
fn absolute(module: &str, path: &str, modules: &BTreeMap<String, String>) -> Option<String> {
    let (first, rest) = path.split_once("::").unwrap_or((path, ""));
    let join = |start: &str, rest: &str| match (start, rest) {
        ("", rest) => rest.to_owned(),
        (start, "") => start.to_owned(),
        (start, rest) => format!("{start}::{rest}"),
    };
    match first {
        "crate" => Some(rest.to_owned()),
        "self" => Some(join(module, rest)),
        "super" => {
            let above = module.rsplit_once("::").map_or("", |(above, _)| above);
            match rest.starts_with("super") {
                true => absolute(above, rest, modules),
                false => Some(join(above, rest)),
            }
        }
        _ => modules.contains_key(&join(module, first)).then(|| join(module, path)),
    }
}

/// Every `a::b` among the tokens.
fn paths(tokens: TokenStream, found: &mut Vec<String>) {
    let mut path = String::new();
    let mut colons = 0;
    for token in tokens {
        match &token {
            TokenTree::Ident(name) if colons == 2 && !path.is_empty() => {
                path += &format!("::{name}")
            }
            TokenTree::Ident(name) => {
                found.push(std::mem::replace(&mut path, name.to_string()));
            }
            TokenTree::Punct(punct) if punct.as_char() == ':' && colons < 2 => {
                colons += 1;
                continue;
            }
            TokenTree::Group(group) => {
                found.push(std::mem::take(&mut path));
                paths(group.stream(), found);
            }
            _ => found.push(std::mem::take(&mut path)),
        }
        colons = 0;
    }
    found.push(path);
    found.retain(|path| path.contains("::"));
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes
        .iter()
        .any(|attribute| attribute.to_token_stream().to_string().contains("cfg (test)"))
}

fn file(module: &str, text: &str, modules: &BTreeMap<String, String>) -> File {
    let mut file = File::default();
    let mut rest = TokenStream::new();
    let mut modules_by_name = BTreeMap::new();
    for item in syn::parse_file(text).unwrap_or_else(|error| panic!("{module}: {error}")).items {
        match &item {
            Item::Use(used) => {
                let mut found = Vec::new();
                flatten(&used.tree, "", &mut found);
                for (path, name) in found {
                    let Some(path) = absolute(module, &path, modules) else { continue };
                    if !matches!(used.vis, Visibility::Inherited) {
                        file.handed_on.insert(name, path);
                    } else if modules.contains_key(&path) {
                        modules_by_name.insert(name, path);
                    } else {
                        file.imports.insert(path);
                    }
                }
            }
            Item::Mod(inner) if is_test(&inner.attrs) || inner.content.is_none() => {}
            other => other.to_tokens(&mut rest),
        }
    }
    let mut found = Vec::new();
    paths(rest, &mut found);
    for path in found {
        let (first, inside) = path.split_once("::").expect("each has colons");
        let through = modules_by_name.get(first).map(|start| format!("{start}::{inside}"));
        file.imports.extend(through.or_else(|| absolute(module, &path, modules)));
    }
    file
}

/// The file that defines what a path names.
fn defined_in(path: &str, files: &Files, n_left: usize) -> String {
    let mut module = String::new();
    let mut names = path.split("::").peekable();
    while let Some(name) = names.peek() {
        let next = if module.is_empty() { (*name).to_owned() } else { format!("{module}::{name}") };
        if files.contains_key(&next) {
            module = next;
            names.next();
            continue;
        }
        let handed_on = files.get(&module).and_then(|file| file.handed_on.get(*name));
        if let Some(from) = handed_on.filter(|_| n_left > 0) {
            names.next();
            let rest: Vec<&str> = std::iter::once(from.as_str()).chain(names).collect();
            return defined_in(&rest.join("::"), files, n_left - 1);
        }
        break;
    }
    module
}

/// For each file those that it imports, with one path for each.
fn edges(files: &Files) -> BTreeMap<&str, BTreeMap<String, &str>> {
    let edges = files.iter().map(|(module, file)| {
        let items = file.imports.iter().filter(|path| !files.contains_key(*path));
        let of: BTreeMap<String, &str> = items
            .map(|path| (defined_in(path, files, 5), path.as_str()))
            .filter(|(to, _)| to != module && !to.is_empty())
            .collect();
        (module.as_str(), of)
    });
    edges.collect()
}

fn house() -> Files {
    let mut modules = BTreeMap::new();
    read(&Path::new(ROOT).join("src"), "", &mut modules);
    let runtime = Path::new(ROOT).join("runtime/src");
    let top = fs::read_to_string(runtime.join("lib.rs")).unwrap();
    modules.insert("runtime".to_owned(), top);
    modules.iter().map(|(module, text)| (module.clone(), file(module, text, &modules))).collect()
}

#[test]
fn rooms_import_only_rooms_before_them() {
    let files = house();
    let room = |module: &str| module.split("::").next().unwrap_or_default().to_owned();
    let floor = |module: &str| ROOMS.iter().position(|name| *name == room(module));
    let mut faults = Vec::new();
    for (from, imports) in edges(&files) {
        let Some(own) = floor(from) else {
            faults.push(format!("`{from}` is in no room: give it one, or add its room to ROOMS"));
            continue;
        };
        for (to, path) in imports.into_iter().filter(|(to, _)| floor(to).is_some_and(|at| at > own))
        {
            faults.push(format!(
                "`{from}` imports `{path}` of `{to}`, a room above it: move what it needs down to `{}`",
                room(from)
            ));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn no_circles() {
    let files = house();
    let edges = edges(&files);
    let reached = |from: &str| {
        let mut seen = BTreeSet::new();
        let mut open = vec![from.to_owned()];
        while let Some(module) = open.pop() {
            for to in edges.get(module.as_str()).into_iter().flat_map(|of| of.keys()) {
                if seen.insert(to.clone()) {
                    open.push(to.clone());
                }
            }
        }
        seen
    };
    let all: BTreeMap<&str, BTreeSet<String>> =
        edges.keys().map(|from| (*from, reached(from))).collect();
    let mut faults = Vec::new();
    for (from, imports) in &edges {
        for (to, path) in imports {
            if !all.get(to.as_str()).is_some_and(|back| back.contains(*from)) {
                continue;
            }
            faults.push(format!(
                "`{from}` imports `{path}`, and `{to}` leads back to it: put what both need into a third file"
            ));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn paths_are_read() {
    let tokens: TokenStream = "let a: x::Y<b::C> = d::e(f :: g::h); i".parse().unwrap();
    let mut found = Vec::new();
    paths(tokens, &mut found);
    assert_eq!(found, ["x::Y", "b::C", "d::e", "f::g::h"]);
}
