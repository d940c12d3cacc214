//! Which paths lead to what catches panics or starts processes: those into `std::panic` and
//! `std::process`, which the guest has as well.
//!
//! Only code of the crate itself is meant, not what a macro writes. So the arguments of macros are
//! left alone, but for those of macros which are known to take code.

use super::{ident, is_comma, punct};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Text of which one is in every file that can be concerned.
pub const MARKS: [&str; 6] =
    ["catch_unwind", "resume_unwind", "set_hook", "take_hook", "std::panic", "Command"];

/// std's modules that the guest has, too.
const MODULES: [&str; 2] = ["panic", "process"];

/// The guest's `std`.
pub const STD: &str = "proc_macro::__precast::std";

/// Macros whose arguments are code that runs where it stands.
const CODE: [&str; 20] = [
    "assert",
    "assert_eq",
    "assert_ne",
    "cfg_if",
    "dbg",
    "debug_assert",
    "eprintln",
    "format",
    "lazy_static",
    "matches",
    "panic",
    "print",
    "println",
    "thread_local",
    "todo",
    "unimplemented",
    "unreachable",
    "vec",
    "write",
    "writeln",
];

/// Words after which a leading `::` begins a path.
const KEYWORDS: [&str; 8] = ["as", "else", "if", "in", "match", "move", "return", "use"];

/// Whether `tokens[at]` is a `std` whose path leads into one of these modules.
pub fn leads(tokens: &[TokenTree], at: usize) -> bool {
    let is_std = ident(tokens.get(at)).as_deref() == Some("std");
    is_std && begins(tokens, at) && are_colons(tokens, at + 1) && reaches(&tokens[at + 3..])
}

/// Whether a path begins at `at`, or with `::` before it.
pub fn begins(tokens: &[TokenTree], at: usize) -> bool {
    if !is_rooted(tokens, at) {
        return true;
    }
    let before = at.checked_sub(3).map(|at| &tokens[at]);
    match before {
        None => true,
        Some(TokenTree::Ident(word)) => KEYWORDS.iter().any(|keyword| word == keyword),
        Some(TokenTree::Punct(punct)) => punct.as_char() != '>',
        Some(_) => false,
    }
}

/// Whether `::` stands before `at`.
pub fn is_rooted(tokens: &[TokenTree], at: usize) -> bool {
    at > 1 && are_colons(tokens, at - 2)
}

pub fn are_colons(tokens: &[TokenTree], at: usize) -> bool {
    let is_colon = |at: usize| tokens.get(at).and_then(punct) == Some(':');
    is_colon(at) && is_colon(at + 1)
}

/// `panic`, but not the macro, or `{…, panic, …}`; or the other module in its place.
fn reaches(tokens: &[TokenTree]) -> bool {
    let is_module = |word: &str| MODULES.contains(&word);
    match tokens.first() {
        Some(TokenTree::Ident(word)) => {
            is_module(&word.to_string()) && tokens.get(1).and_then(punct) != Some('!')
        }
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
            let inside: Vec<TokenTree> = group.stream().into_iter().collect();
            inside
                .split(is_comma)
                .any(|item| ident(item.first()).is_some_and(|word| is_module(&word)))
        }
        _ => false,
    }
}

/// `name!(…)` at the start of the tokens, unless its argument is known to be code.
pub fn opaque(tokens: &[TokenTree]) -> Option<TokenStream> {
    let [TokenTree::Ident(name), bang, TokenTree::Group(group), ..] = tokens else { return None };
    let is_opaque = punct(bang) == Some('!') && CODE.iter().all(|code| name != code);
    is_opaque.then(|| group.stream())
}

#[cfg(test)]
mod tests {
    use super::super::tests::check_text as check;

    #[test]
    fn paths_into_std_panic() {
        const STD: &str = "::proc_macro::__precast::std";
        for (before, after) in [
            ("let r = ", "::panic::catch_unwind(|| f());"),
            ("use ", "::panic::{self, catch_unwind, UnwindSafe};"),
            ("use ", "::{fmt, panic::{set_hook}, env};"),
            ("use ", "::{self, panic};"),
            ("use ", "::panic;"),
            ("macro_rules! m { ($e:expr) => { ", "::panic::catch_unwind(|| $e) } }"),
            ("println!(\"{:?}\", ", "::panic::take_hook());"),
            ("use ", "::process::{Command, Stdio};"),
            ("use ", "::{env, process::{self, Command}};"),
            ("let c = ", "::process::Command::new(\"git\");"),
        ] {
            let hint = "// catch_unwind\n";
            check(&format!("{hint}{before}std{after}"), &format!("{hint}{before}{STD}{after}"));
            let rooted = before.to_owned() + "::";
            check(&format!("{hint}{rooted}std{after}"), &format!("{hint}{before}{STD}{after}"));
        }
    }

    #[test]
    fn other_paths_stay() {
        for source in [
            "std::panic!(\"text\"); // catch_unwind",
            "use std::{panicking, fmt::{panic}}; // catch_unwind",
            "use my::std::panic::catch_unwind;",
            "<T>::std::panic::catch_unwind();",
            "core::panic::catch_unwind();",
            "quote! { ::std::panic::catch_unwind(|| ()) }",
            "template! { ::std::panic::catch_unwind(|| ()) }",
            "// std::panic::catch_unwind",
            "quote! { ::std::process::Command::new(\"git\") }",
            "use tokio::process::Command;",
        ] {
            check(source, source);
        }
    }
}
