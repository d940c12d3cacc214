//! A file knows one thing and a function does one: long ones are listed here, each with the reason.

use super::ROOT;
use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const FOLDERS: [&str; 8] = [
    "src",
    "runtime/src",
    "guest/src",
    "precast-macro/src",
    "xtask/src",
    "tests",
    "oracle",
    "fuzz",
];

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

/// Files that may be longer, and why.
const FILES: [(&str, &str); 7] = [
    ("guest/src/trace.rs", "what a macro asks, and its answers, as one table"),
    ("runtime/src/engine/jit/aarch64.rs", "one assembler text"),
    ("runtime/src/engine/portable.rs", "one loop over all instructions"),
    ("runtime/src/kernel/inflate.rs", "one decoder"),
    ("runtime/src/kernel/portable.rs", "one program, of which the text is made"),
    ("runtime/src/kernel/x86_64.rs", "a text that a compiler wrote"),
    ("runtime/src/lib.rs", "which parts are compiled takes a quarter of it"),
];

/// Functions that may be longer, by file and name, and why.
const FUNCTIONS: [(&str, &str, &str); 25] = [
    ("guest/src/state.rs", "look_through", "one walk over the heap, which calls would slow down"),
    ("guest/src/trace.rs", "ask_one", "a table of questions"),
    ("runtime/src/engine/jit/aarch64.rs", "text", "one assembler text"),
    ("runtime/src/engine/jit/x86_64.rs", "text", "one assembler text"),
    ("runtime/src/engine/portable.rs", "run_at", "one loop over all instructions"),
    ("runtime/src/kernel/inflate.rs", "run", "states of one decoder"),
    ("runtime/src/kernel/machine.rs", "describe", "a table of what generated code knows"),
    ("runtime/src/kernel/portable.rs", "read", "the head's fields, checked in their order"),
    ("runtime/src/kernel/state.rs", "run", "a table of bulk operations"),
    ("runtime/src/kernel/x86_64.rs", "run", "a text that a compiler wrote"),
    ("src/artifact/stamp.rs", "read", "a table of a module's sections"),
    ("src/lower/module.rs", "payload", "a table of a module's sections"),
    ("src/lower/translate/numeric.rs", "float", "a table of operators"),
    ("src/lower/write.rs", "image", "a table of the head's words"),
    ("src/project/plan/decide.rs", "plan", "a table of the plan's fields"),
    ("tests/authors/after.rs", "records_follow_the_source", "a test's steps, one after another"),
    ("tests/authors/golden.rs", "what_an_expansion_changes", "a test's steps, one after another"),
    ("tests/cli.rs", "prepare", "a table of damages"),
    ("tests/embed.rs", "dependencies_are_kept_from_being_built", "two manifests, to be compared"),
    ("tests/pack/shapes.rs", "shapes_of_packages", "a test's steps, one after another"),
    ("tests/project/commands.rs", "one", "a table of commands"),
    ("tests/project/fixture.rs", "workspace", "a table of files"),
    ("tests/project/fuzz.rs", "graph_and_steps", "a table of files"),
    ("tests/shared/forged.rs", "none_of_500_is_used", "a table of forgeries"),
    ("tests/tiers.rs", "forms", "a table of instructions' shapes"),
];

/// The lines of each function, with its name; those of macros' bodies too.
fn functions(tokens: TokenStream, found: &mut Vec<(String, usize)>) {
    let mut begun: Option<(Span, String)> = None;
    let mut is_name = false;
    for token in tokens {
        match &token {
            TokenTree::Ident(word) if word == "fn" => {
                (begun, is_name) = (Some((word.span(), String::new())), true);
            }
            TokenTree::Ident(name) if is_name => {
                if let Some((_, known)) = &mut begun {
                    *known = name.to_string();
                }
            }
            // It has no body.
            TokenTree::Punct(end) if end.as_char() == ';' => begun = None,
            TokenTree::Group(group) => {
                if is_name {
                    // The type of a function.
                    begun = None;
                } else if group.delimiter() == Delimiter::Brace {
                    if let Some((start, name)) = begun.take() {
                        let lines = group.span_close().end().line - start.start().line + 1;
                        found.push((name, lines));
                    }
                }
                functions(group.stream(), found);
            }
            _ => {}
        }
        is_name &= matches!(&token, TokenTree::Ident(word) if word == "fn");
    }
}

fn read(folder: &Path, files: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            read(&path, files);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let name = path.strip_prefix(ROOT).unwrap().to_str().unwrap().replace('\\', "/");
            files.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn files_and_functions_are_short() {
    let mut files = BTreeMap::new();
    FOLDERS.iter().for_each(|folder| read(&Path::new(ROOT).join(folder), &mut files));
    let mut faults = Vec::new();
    let mut files_left: Vec<&str> = FILES.iter().map(|(file, _)| *file).collect();
    let mut functions_left: Vec<(&str, &str)> =
        FUNCTIONS.iter().map(|(file, name, _)| (*file, *name)).collect();
    let mut n_functions = 0;
    for (file, text) in &files {
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            match files_left.iter().position(|known| known == file) {
                Some(at) => drop(files_left.remove(at)),
                None => faults.push(format!(
                    "{file} has {lines} lines: divide it by what it knows, or say in FILES why not"
                )),
            }
        }
        let mut found = Vec::new();
        let tokens = text.parse().unwrap_or_else(|error| panic!("{file}: {error}"));
        functions(tokens, &mut found);
        n_functions += found.len();
        for (name, lines) in found.into_iter().filter(|(_, lines)| *lines > FUNCTION_LINES_MAX) {
            match functions_left.iter().position(|known| *known == (file, &name)) {
                Some(at) => drop(functions_left.remove(at)),
                None => faults.push(format!(
                    "`{name}` of {file} has {lines} lines: divide it, or say in FUNCTIONS why not"
                )),
            }
        }
    }
    for file in files_left {
        faults.push(format!("{file} is short by now: take it out of FILES"));
    }
    for (file, name) in functions_left {
        faults.push(format!("`{name}` of {file} is short by now: take it out of FUNCTIONS"));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(FUNCTIONS.len() * 100 < n_functions, "{} of {n_functions}", FUNCTIONS.len());
}

#[test]
fn functions_are_counted() {
    let text = "fn a() {\n}\ntrait T { fn b(); fn c(f: fn(u8)) -> R<u8, I<A = B>>\n{\n0 } }\n\
                part! { x { fn d() {\n\n} } }\nconst E: fn() = f;\nconst F: [u8; { 1\n }] = [0];";
    let mut found = Vec::new();
    functions(text.parse().unwrap(), &mut found);
    let found: Vec<(&str, usize)> = found.iter().map(|(name, n)| (name.as_str(), *n)).collect();
    assert_eq!(found, [("a", 2), ("c", 3), ("d", 3)]);
}
