//! What matching and transcribing have in common.

use proc_macro2::{TokenStream, TokenTree};
use std::collections::BTreeMap;

/// What stands for a name.
#[derive(Clone)]
pub enum Bound {
    One(TokenStream),
    Many(Vec<Bound>),
}

pub type Bindings = BTreeMap<String, Bound>;

pub fn trees_of(tokens: TokenStream) -> Vec<TokenTree> {
    tokens.into_iter().collect()
}

pub fn is_punct(tree: &TokenTree, c: char) -> bool {
    matches!(tree, TokenTree::Punct(punct) if punct.as_char() == c)
}

/// The separator and the operator behind `$( … )`, and the rest.
pub fn repetition(trees: &[TokenTree]) -> Option<(&[TokenTree], char, &[TokenTree])> {
    let operator = |tree: &TokenTree| match tree {
        TokenTree::Punct(punct) if "*+?".contains(punct.as_char()) => Some(punct.as_char()),
        _ => None,
    };
    // `$( … )+*`: the first one separates.
    let end = match (operator(trees.first()?), trees.get(1).and_then(operator)) {
        (Some('?'), _) | (Some(_), None) => 0,
        (Some('*'), Some(_)) => 0,
        _ => trees.iter().skip(1).position(|tree| operator(tree).is_some())? + 1,
    };
    (end <= 3).then(|| (&trees[..end], operator(&trees[end]).unwrap_or('*'), &trees[end + 1..]))
}
