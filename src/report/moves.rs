//! Macros that only move tokens about, as a `macro_rules!` does.
//!
//! Their uses are expanded and compared. What a macro makes besides what it was given must be the same words and
//! literals for every input: then it has not looked into a name or a literal, nor counted anything.

use crate::artifact::manifest::Kind;
use crate::base::error::Result;
use crate::expand::{self, Expansion};
use proc_macro2::{TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A single input tells nothing of others.
const N_INPUTS_MIN: usize = 2;
/// More tell no more.
const N_INPUTS_MAX: usize = 16;

/// The function-like macros of an artifact that do no more in these sources, with the number of their different uses.
pub(super) fn only_move(artifact: &Path, texts: &[String]) -> Result<BTreeMap<String, usize>> {
    let mut uses: BTreeMap<String, BTreeMap<String, Option<Words>>> = BTreeMap::new();
    for (name, input, expansion) in expand::bangs(artifact, texts, N_INPUTS_MAX)? {
        let made = expansion.as_ref().and_then(|expansion| made(&input, expansion));
        uses.entry(name).or_default().insert(input.to_string(), made);
    }
    let moves = |uses: &BTreeMap<String, Option<Words>>| {
        let first = uses.values().next();
        let is_same = |made: &Option<Words>| made.is_some() && Some(made) == first;
        uses.len() >= N_INPUTS_MIN && uses.values().all(is_same)
    };
    Ok(uses
        .into_iter()
        .filter(|(_, uses)| moves(uses))
        .map(|(name, uses)| (name, uses.len()))
        .collect())
}

type Words = BTreeSet<String>;

/// Words and literals of an expansion that its input has not. None if it has asked for anything else, or told
/// something.
fn made(input: &TokenStream, expansion: &Expansion) -> Option<Words> {
    let trace = &expansion.trace;
    let is_closed = trace.read.is_empty() && trace.refused.is_empty() && trace.variables.is_empty();
    let words_of = |stream: &TokenStream| {
        let mut words = Words::new();
        collect(stream, &mut words);
        words
    };
    let output = words_of(&expansion.stream);
    let is_quiet = expansion.kind == Kind::Bang && expansion.diagnostics.is_empty();
    let is_good = is_closed && is_quiet && !output.contains("compile_error");
    is_good.then(|| output.difference(&words_of(input)).cloned().collect())
}

fn collect(stream: &TokenStream, words: &mut Words) {
    for token in stream.clone() {
        match token {
            TokenTree::Group(group) => collect(&group.stream(), words),
            TokenTree::Ident(word) => drop(words.insert(word.to_string())),
            TokenTree::Literal(literal) => drop(words.insert(literal.to_string())),
            TokenTree::Punct(_) => {}
        }
    }
}
