//! What a macro asks of its system and its own directories, where std's answer was fixed by the compiler.
//!
//! The constants of `std::env::consts` have a type of their own in the guest's std, since a module runs on any
//! system: where they are used, their text is asked for. Where only a constant will do, rustc refuses that.
//! `env!("CARGO_MANIFEST_DIR")` and `env!("OUT_DIR")` become paths that the runtime knows, unless a macro
//! includes a file by them.

use crate::pack::source::rewrite::tokens::{are_colons, ident, punct, span_of};
use proc_macro2::{Delimiter, Group, TokenTree};
use std::ops::Range;

/// Text of which one is in every file that can be concerned.
pub const MARKS: [&str; 3] = [CONSTS, "\"CARGO_MANIFEST_DIR\"", "\"OUT_DIR\""];

/// What gives a constant's text.
pub const ASK: &str = ".text()";

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

/// A constant, named at `at`, whose text is to be asked for. `imported`
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

fn invocation(tokens: &[TokenTree]) -> Option<(String, &Group)> {
    let [TokenTree::Ident(name), bang, TokenTree::Group(group), ..] = tokens else { return None };
    (punct(bang) == Some('!')).then(|| (name.to_string(), group))
}

#[cfg(test)]
mod tests {
    use super::super::tests::check_text as check;

    #[test]
    fn constants_are_asked() {
        for (before, after) in [
            (
                "let a = std::env::consts::OS == \"linux\";",
                "let a = std::env::consts::OS.text() == \"linux\";",
            ),
            ("use std as s; f(s::env::consts::OS)", "use std as s; f(s::env::consts::OS.text())"),
            (
                "println!(\"{}\", ::std::env::consts::OS)",
                "println!(\"{}\", ::std::env::consts::OS.text())",
            ),
            (
                "use std::env::consts; fn f() { g(consts::ARCH, consts::FAMILY) }",
                "use std::env::consts; fn f() { g(consts::ARCH.text(), consts::FAMILY.text()) }",
            ),
            (
                "use std::env::consts::{OS, ARCH}; fn f() { g(OS, s.OS, ARCH, T::ARCH) }",
                "use std::env::consts::{OS, ARCH}; fn f() { g(OS.text(), s.OS, ARCH.text(), T::ARCH) }",
            ),
            (
                "use std::{env::consts::{self, OS}, fs}; fn f() { g(OS) }",
                "use std::{env::consts::{self, OS}, fs}; fn f() { g(OS.text()) }",
            ),
        ] {
            check(before, after);
        }
        for source in [
            "mod consts { pub const OS: u8 = 1; } fn f() { consts::OS }",
            "quote! { ::std::env::consts::OS }",
        ] {
            check(source, source);
        }
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
