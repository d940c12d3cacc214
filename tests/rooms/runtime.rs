//! The same of the runtime, whose files are mounted by paths and macros: so its rooms are told by names alone.
//! A room is a file with the folder of its name.

use super::{paths, ROOT};
use proc_macro2::{TokenStream, TokenTree};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use syn::Item;

/// The rooms, ground floor first.
const ROOMS: [&str; 18] = [
    "macros", "calls", "image", "text", "fault", "kernel", "memory", "engine", "instance", "sys",
    "wasi", "tokens", "spans", "libm", "unstable", "host", "place", FACE,
];

/// What a shim calls: `lib.rs`, and its parts.
const FACE: &str = "lib";
const PARTS: [&str; 4] = ["expansions", "fingerprint", "ledger", "track"];

fn room(name: &str) -> &str {
    match PARTS.contains(&name) {
        true => FACE,
        false => name,
    }
}

/// The files below a folder, by the names of their modules from the root.
fn files(folder: &Path, above: &[String], found: &mut Vec<(Vec<String>, PathBuf)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let name = [above, &[stem]].concat();
        if path.is_dir() {
            files(&path, &name, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push((name, path));
        }
    }
}

/// Adds each name of a `super::{a, b}`, as a path.
fn grouped(tokens: TokenStream, found: &mut Vec<String>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        let TokenTree::Group(group) = token else { continue };
        let is = |back: usize, text: &str| {
            at.checked_sub(back).is_some_and(|at| tokens[at].to_string() == text)
        };
        if is(1, ":") && is(3, "super") {
            let names = group.stream().into_iter();
            let mut at_start = true;
            for token in names {
                if let (true, TokenTree::Ident(name)) = (at_start, &token) {
                    found.push(format!("super::{name}"));
                }
                at_start = token.to_string() == ",";
            }
        }
        grouped(group.stream(), found);
    }
}

/// The names that a file takes from above itself.
fn imports(text: &str) -> BTreeSet<String> {
    let tokens: TokenStream = text.parse().unwrap();
    let mut found = Vec::new();
    grouped(tokens.clone(), &mut found);
    paths(tokens, &mut found);
    let found = found.iter().filter(|path| path.starts_with("super::"));
    found
        .filter_map(|path| path.split("::").find(|name| *name != "super"))
        .map(str::to_owned)
        .collect()
}

/// Names of the types and functions of a file.
fn defined(text: &str) -> BTreeSet<String> {
    let items = syn::parse_file(text).unwrap().items.into_iter();
    let names = items.filter_map(|item| match item {
        Item::Fn(item) => Some(item.sig.ident),
        Item::Struct(item) => Some(item.ident),
        Item::Enum(item) => Some(item.ident),
        _ => None,
    });
    names.map(|name| name.to_string()).collect()
}

#[test]
fn rooms_of_the_runtime_import_only_rooms_before_them() {
    let mut found = Vec::new();
    files(&Path::new(ROOT).join("runtime/src"), &[], &mut found);
    let of_face = defined(&fs::read_to_string(Path::new(ROOT).join("runtime/src/lib.rs")).unwrap());
    let floor = |name: &str| ROOMS.iter().position(|known| *known == room(name));
    let mut faults = Vec::new();
    for (names, path) in &found {
        let file = path.strip_prefix(ROOT).unwrap().display();
        let Some(own) = floor(&names[0]) else {
            faults.push(format!("{file} is in no room: give it one, or add its room to ROOMS"));
            continue;
        };
        if names[1..].iter().any(|name| floor(name).is_some()) {
            faults.push(format!("{file} has the name of a room: take another one"));
        }
        for name in imports(&fs::read_to_string(path).unwrap()) {
            let is_of_face = names.len() == 1 && of_face.contains(&name);
            let to = if is_of_face { floor(FACE) } else { floor(&name) };
            if to.is_some_and(|to| to > own) {
                let room = &names[0];
                faults.push(format!(
                    "{file} imports `{name}`, which is above it: move what it needs down to `{room}`"
                ));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn imports_are_read() {
    let text =
        "use super::{a, b::c}; part! { x { use super::super::d::{e, f}; } } super::g(self::h)";
    let found: Vec<String> = imports(text).into_iter().collect();
    assert_eq!(found, ["a", "b", "d", "g"]);
}
