//! Uses of macros in token streams whose meaning is unknown, such as arguments of other macros.

use crate::artifact::manifest::Kind;
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Macro, MacroDelimiter, Path, Token};

/// Macros of the language whose arguments are expressions.
const OF_EXPRESSIONS: [&str; 21] = [
    "assert",
    "assert_eq",
    "assert_ne",
    "dbg",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
    "eprint",
    "eprintln",
    "format",
    "format_args",
    "panic",
    "print",
    "println",
    "todo",
    "unimplemented",
    "unreachable",
    "vec",
    "write",
    "writeln",
    "try",
];

/// Those that look at no macro in their tokens.
const OF_TEXT: [&str; 3] = ["stringify", "compile_error", "cfg"];

pub fn takes_expressions(path: &Path) -> bool {
    is_one(path, &OF_EXPRESSIONS)
}

/// Whether it takes an expression and a pattern.
pub fn takes_pattern(path: &Path) -> bool {
    is_one(path, &["matches"])
}

pub fn is_text(path: &Path) -> bool {
    is_one(path, &OF_TEXT)
}

fn is_one(path: &Path, names: &[&str]) -> bool {
    let is_language = match path.segments.len() {
        1 => true,
        2 => ["std", "core", "alloc"].iter().any(|name| path.segments[0].ident == name),
        _ => false,
    };
    let last = path.segments.last();
    is_language && last.is_some_and(|last| names.iter().any(|name| last.ident == name))
}

/// What looks like the use of a macro: a path before `!`, in `#[…]`, in `derive(…)`.
pub fn uses(tokens: &TokenStream) -> Vec<(Path, Kind)> {
    let mut found = Vec::new();
    walk(tokens, &mut found);
    found
}

/// The uses of function-like macros among tokens, with what they are given.
pub fn calls(tokens: &TokenStream) -> Vec<Macro> {
    let trees: Vec<TokenTree> = tokens.clone().into_iter().collect();
    let mut found = Vec::new();
    for (at, tree) in trees.iter().enumerate() {
        match (tree, trees.get(at + 1)) {
            (TokenTree::Punct(punct), Some(TokenTree::Group(group))) if punct.as_char() == '!' => {
                let Some(path) = path_before(&trees[..at]) else { continue };
                let delimiter = MacroDelimiter::Paren(Default::default());
                let tokens = group.stream();
                found.push(Macro { path, bang_token: Default::default(), delimiter, tokens });
            }
            (TokenTree::Group(group), _) => found.extend(calls(&group.stream())),
            _ => {}
        }
    }
    found
}

fn walk(tokens: &TokenStream, found: &mut Vec<(Path, Kind)>) {
    let trees: Vec<TokenTree> = tokens.clone().into_iter().collect();
    for (at, tree) in trees.iter().enumerate() {
        match tree {
            TokenTree::Punct(punct) if punct.as_char() == '!' => {
                let is_call = matches!(trees.get(at + 1), Some(TokenTree::Group(_)));
                found.extend(
                    path_before(&trees[..at]).filter(|_| is_call).map(|path| (path, Kind::Bang)),
                );
            }
            TokenTree::Group(group) => {
                let is_attribute = group.delimiter() == Delimiter::Bracket
                    && matches!(at.checked_sub(1).map(|at| &trees[at]),
                        Some(TokenTree::Punct(punct)) if punct.as_char() == '#');
                if is_attribute {
                    attribute(&group.stream(), found);
                }
                walk(&group.stream(), found);
            }
            _ => {}
        }
    }
}

fn attribute(tokens: &TokenStream, found: &mut Vec<(Path, Kind)>) {
    let trees: Vec<TokenTree> = tokens.clone().into_iter().collect();
    let end =
        trees.iter().position(|tree| matches!(tree, TokenTree::Group(_))).unwrap_or(trees.len());
    let path: TokenStream = trees[..end].iter().cloned().collect();
    let Ok(path) = Path::parse_mod_style.parse2(path) else { return };
    match (path.is_ident("derive"), trees.get(end)) {
        (true, Some(TokenTree::Group(group))) => {
            let paths = Punctuated::<Path, Token![,]>::parse_terminated.parse2(group.stream());
            let paths = paths.into_iter().flatten();
            found.extend(paths.map(|path| (path, Kind::Derive)));
        }
        _ => found.push((path, Kind::Attribute)),
    }
}

/// The path that ends where these tokens do.
fn path_before(trees: &[TokenTree]) -> Option<Path> {
    let is_part = |tree: &TokenTree| match tree {
        TokenTree::Ident(_) => true,
        TokenTree::Punct(punct) => punct.as_char() == ':',
        _ => false,
    };
    let mut start = trees.len();
    let mut was_ident = false;
    while start > 0 && is_part(&trees[start - 1]) {
        let is_ident = matches!(trees[start - 1], TokenTree::Ident(_));
        // Two names side by side are no path.
        if is_ident && was_ident {
            break;
        }
        (start, was_ident) = (start - 1, is_ident);
    }
    let path: TokenStream = trees[start..].iter().cloned().collect();
    Path::parse_mod_style.parse2(path).ok()
}
