//! What a macro asks std of its surroundings: the process, the system and its own directories.
//!
//! Paths into `std::env` go to the guest's where what they lead to is another thing in wasm. The constants of
//! `std::env::consts` are functions there, since a module runs on any system: where only a constant will do,
//! rustc refuses the call. `env!("CARGO_MANIFEST_DIR")` and `env!("OUT_DIR")` become paths that the runtime
//! knows, unless a macro includes a file by them.

use super::panics::{are_colons, begins};
use super::{ident, is_comma, punct, span_of};
use proc_macro2::{Delimiter, Group, TokenTree};
use std::ops::Range;

/// Text of which one is in every file that can be concerned.
pub const MARKS: [&str; 10] = [
    "available_parallelism",
    "consts",
    "current_exe",
    "home_dir",
    "process::id",
    "std::process",
    "temp_dir",
    "vars",
    "\"CARGO_MANIFEST_DIR\"",
    "\"OUT_DIR\"",
];

/// What the guest has of `std::env` and `std::thread`.
const ENV: [&str; 6] =
    ["available_parallelism", "consts", "current_exe", "home_dir", "temp_dir", "vars"];

const CONSTS: &str = "consts";
const CONSTANTS: [&str; 8] = [
    "ARCH",
    "DLL_EXTENSION",
    "DLL_PREFIX",
    "DLL_SUFFIX",
    "EXE_EXTENSION",
    "EXE_SUFFIX",
    "FAMILY",
    "OS",
];

/// Whether paths into `std::env` are to be changed in this file.
pub fn is_concerned(source: &str) -> bool {
    ENV.iter().any(|word| source.contains(word))
}

/// Whether `tokens[at]` is a `std` whose path leads into `std::env` or `std::thread`.
pub fn leads(tokens: &[TokenTree], at: usize) -> bool {
    let is_std = ident(tokens.get(at)).as_deref() == Some("std");
    is_std && begins(tokens, at) && are_colons(tokens, at + 1) && reaches(&tokens[at + 3..])
}

fn reaches(tokens: &[TokenTree]) -> bool {
    match tokens.first() {
        Some(TokenTree::Ident(word)) => {
            (word == "env" || word == "thread") && tokens.get(1).and_then(punct) != Some('!')
        }
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
            let inside: Vec<TokenTree> = group.stream().into_iter().collect();
            inside.split(is_comma).any(reaches)
        }
        _ => false,
    }
}

/// A constant, named at `at`, whose value is what a function gives: the function is to be called. `imported`
/// gets the constants that a `use` names; `in_use`: the tokens are in the braces of one.
pub fn is_constant(
    tokens: &[TokenTree],
    at: usize,
    source: &str,
    in_use: bool,
    imported: &mut Vec<String>,
) -> bool {
    let Some(word) = ident(tokens.get(at)) else { return false };
    if word == CONSTS && are_colons(tokens, at + 1) && is_of_env(tokens, at, source) {
        if in_use || is_used(tokens, at) {
            imported.extend(named(&tokens[at + 3..]));
        }
        return false;
    }
    if !CONSTANTS.contains(&word.as_str()) || in_use || is_called(tokens, at) || is_used(tokens, at)
    {
        return false;
    }
    if at < 3 || !are_colons(tokens, at - 2) {
        let before = at.checked_sub(1).and_then(|at| punct(&tokens[at]));
        let declared = at.checked_sub(1).and_then(|at| ident(tokens.get(at)));
        let declares = declared.is_some_and(|word| word == "const" || word == "static");
        return imported.contains(&word) && before != Some('.') && !declares;
    }
    ident(tokens.get(at - 3)).as_deref() == Some(CONSTS) && is_of_env(tokens, at - 3, source)
}

/// Whether the `consts` at `at` is that of `std::env`.
fn is_of_env(tokens: &[TokenTree], at: usize, source: &str) -> bool {
    match at > 2 && are_colons(tokens, at - 2) {
        true => ident(tokens.get(at - 3)).as_deref() == Some("env"),
        false => source.contains("env::consts") || source.contains("env::{"),
    }
}

/// Whether the group at `at` is the braces of a `use`.
pub fn is_tree(tokens: &[TokenTree], at: usize) -> bool {
    at > 1 && are_colons(tokens, at - 2)
}

fn is_called(tokens: &[TokenTree], at: usize) -> bool {
    let next = tokens.get(at + 1);
    matches!(next, Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis)
        || are_colons(tokens, at + 1)
        || next.and_then(punct) == Some('!')
}

/// Whether the path that ends at `at` is one of a `use`.
fn is_used(tokens: &[TokenTree], at: usize) -> bool {
    let mut at = at;
    while at > 2 && are_colons(tokens, at - 2) {
        at -= 3;
    }
    // A leading `::`.
    while at > 0 && punct(&tokens[at - 1]) == Some(':') {
        at -= 1;
    }
    at > 0 && ident(tokens.get(at - 1)).as_deref() == Some("use")
}

/// The constants that a `use` names behind `consts::`.
fn named(tokens: &[TokenTree]) -> Vec<String> {
    let all = || CONSTANTS.iter().map(|&name| name.to_owned()).collect();
    match tokens.first() {
        Some(TokenTree::Ident(word)) => vec![word.to_string()],
        Some(TokenTree::Group(group)) => {
            let words: Vec<TokenTree> = group.stream().into_iter().collect();
            words.iter().filter_map(|word| ident(Some(word))).collect()
        }
        Some(token) if punct(token) == Some('*') => all(),
        _ => Vec::new(),
    }
}

/// `env!("CARGO_MANIFEST_DIR")` and the like at the start of the tokens: what to write instead, and for how
/// many of them.
pub fn own_place(tokens: &[TokenTree]) -> Option<(Range<usize>, String, usize)> {
    let (name, group) = invocation(tokens)?;
    let first = group.stream().into_iter().next()?.to_string();
    let place = match first.as_str() {
        "\"CARGO_MANIFEST_DIR\"" => crate::runtime::wasi::SOURCE,
        "\"OUT_DIR\"" => crate::runtime::wasi::OUT,
        _ => return None,
    };
    let text =
        format!("concat!({place:?}, env!(\"CARGO_PKG_NAME\"), \"-\", env!(\"CARGO_PKG_VERSION\"))");
    let text = match name.as_str() {
        "env" => text,
        "option_env" => format!("::std::option::Option::Some({text})"),
        _ => return None,
    };
    Some((span_of(&tokens[..3]), text, 3))
}

/// Whether the tokens begin with a `concat!`, whose arguments are code.
pub fn joins(tokens: &[TokenTree]) -> bool {
    invocation(tokens).is_some_and(|(name, _)| name == "concat")
}

fn invocation(tokens: &[TokenTree]) -> Option<(String, &Group)> {
    let [TokenTree::Ident(name), bang, TokenTree::Group(group), ..] = tokens else { return None };
    (punct(bang) == Some('!')).then(|| (name.to_string(), group))
}

#[cfg(test)]
mod tests {
    use super::super::tests::check_text as check;

    const STD: &str = "::proc_macro::__precast::std";

    #[test]
    fn paths_into_std_env() {
        for (before, after) in [
            ("let v = ", "::env::vars();"),
            ("use ", "::{env, fs}; // vars"),
            ("use ", "::env::{self, temp_dir};"),
            ("use ", "::env; // home_dir"),
        ] {
            check(&format!("{before}std{after}"), &format!("{before}{STD}{after}"));
        }
        for source in ["std::env!(\"A\"); // vars", "my::std::env::vars();", "use std::env;"] {
            check(source, source);
        }
    }

    #[test]
    fn constants_are_called() {
        check(
            "let a = std::env::consts::OS == \"linux\";",
            &format!("let a = {STD}::env::consts::OS() == \"linux\";"),
        );
        check(
            "use std::env::consts; fn f() { g(consts::ARCH, consts::FAMILY) }",
            &format!("use {STD}::env::consts; fn f() {{ g(consts::ARCH(), consts::FAMILY()) }}"),
        );
        check(
            "use std::env::consts::{OS, ARCH}; fn f() { g(OS, s.OS, ARCH, T::ARCH) }",
            &format!(
                "use {STD}::env::consts::{{OS, ARCH}}; fn f() {{ g(OS(), s.OS, ARCH(), T::ARCH) }}"
            ),
        );
        check(
            "use std::{env::consts::{self, OS}, fs}; fn f() { g(OS) }",
            &format!("use {STD}::{{env::consts::{{self, OS}}, fs}}; fn f() {{ g(OS()) }}"),
        );
        let own = "mod consts { pub const OS: u8 = 1; } fn f() { consts::OS }";
        check(own, own);
        let quoted = "quote! { ::std::env::consts::OS }";
        check(quoted, quoted);
    }

    #[test]
    fn own_directories() {
        let path = "concat!(\"/precast/source/\", env!(\"CARGO_PKG_NAME\"), \"-\", \
                    env!(\"CARGO_PKG_VERSION\"))";
        let dir = "env!(\"CARGO_MANIFEST_DIR\")";
        for (before, after) in [
            (format!("const A: &str = {dir};"), format!("const A: &str = {path};")),
            (format!("f(concat!({dir}, \"/a\"))"), format!("f(concat!({path}, \"/a\"))")),
            (
                "option_env!(\"CARGO_MANIFEST_DIR\")".into(),
                format!("::std::option::Option::Some({path})"),
            ),
            ("env!(\"OUT_DIR\")".into(), path.replace("source", "out")),
        ] {
            check(&before, &after);
        }
        for source in [
            format!("include_str!(concat!({dir}, \"/a\"))"),
            format!("quote! {{ {dir} }}"),
            "std::env::var(\"CARGO_MANIFEST_DIR\")".into(),
        ] {
            check(&source, &source);
        }
    }
}
