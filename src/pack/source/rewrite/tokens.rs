//! Predicates on neighbouring tokens.

use proc_macro2::{Group, TokenTree};
use std::ops::Range;

pub fn are_colons(tokens: &[TokenTree], at: usize) -> bool {
    let is_colon = |at: usize| tokens.get(at).and_then(punct) == Some(':');
    is_colon(at) && is_colon(at + 1)
}

pub fn ident(token: Option<&TokenTree>) -> Option<String> {
    match token {
        Some(TokenTree::Ident(ident)) => Some(ident.to_string()),
        _ => None,
    }
}

pub fn punct(token: &TokenTree) -> Option<char> {
    match token {
        TokenTree::Punct(punct) => Some(punct.as_char()),
        _ => None,
    }
}

pub fn span_of(tokens: &[TokenTree]) -> Range<usize> {
    let first = tokens.first().expect("callers pass at least one token");
    let last = tokens.last().expect("callers pass at least one token");
    first.span().byte_range().start..last.span().byte_range().end
}

/// Whether the group at `at` is the braces of a `use`.
pub fn is_tree(tokens: &[TokenTree], at: usize) -> bool {
    at > 1 && are_colons(tokens, at - 2)
}

pub fn is_comma(token: &TokenTree) -> bool {
    punct(token) == Some(',')
}

pub fn inside(group: &Group) -> Range<usize> {
    group.span_open().byte_range().end..group.span_close().byte_range().start
}
