//! Finds the uses of a package's macros in Rust source, by its tokens: what is no item is passed
//! over, and names are taken at their word.

use super::sample::Sample;
use crate::artifact::manifest::{Kind, Macro};
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::parse::{ParseStream, Parser};

/// Every use in `text`, in its order; none if it is not Rust.
pub fn of(text: &str, macros: &[Macro]) -> Vec<Sample> {
    let mut samples = Vec::new();
    if let Ok(tokens) = text.parse() {
        walk(tokens, macros, &mut samples);
    }
    samples
}

fn walk(tokens: TokenStream, macros: &[Macro], samples: &mut Vec<Sample>) {
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < trees.len() {
        let n = attributes(&trees[at..]);
        if n > 0 {
            annotated(&trees[at..], n, macros, samples);
            at += n * 2;
            continue;
        }
        if let TokenTree::Group(group) = &trees[at] {
            bang(&trees[..at], group, macros, samples);
            walk(group.stream(), macros, samples);
        }
        at += 1;
    }
}

/// How many outer attributes the trees begin with.
fn attributes(trees: &[TokenTree]) -> usize {
    let is_one = |pair: &&[TokenTree]| {
        is_punct(&pair[0], '#')
            && matches!(&pair[1], TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket)
    };
    trees.chunks_exact(2).take_while(is_one).count()
}

fn is_punct(tree: &TokenTree, ch: char) -> bool {
    matches!(tree, TokenTree::Punct(punct) if punct.as_char() == ch)
}

/// An item behind `n` attributes, some of which may be the macros'.
fn annotated(trees: &[TokenTree], n: usize, macros: &[Macro], samples: &mut Vec<Sample>) {
    let mut uses = Vec::new();
    for index in 0..n {
        let TokenTree::Group(group) = &trees[index * 2 + 1] else { continue };
        let inner: Vec<TokenTree> = group.stream().into_iter().collect();
        let (name, rest) = path(&inner);
        let arguments = match rest.first() {
            Some(TokenTree::Group(group)) => group.stream(),
            _ => TokenStream::new(),
        };
        if name == "derive" {
            for name in names(arguments) {
                uses.extend(find(macros, Kind::Derive, &name).map(|item| (item, index, None)));
            }
        } else {
            let item = find(macros, Kind::Attribute, &name);
            uses.extend(item.map(|item| (item, index, Some(arguments))));
        }
    }
    if uses.is_empty() {
        return;
    }
    let Some(item) = item(&trees[n * 2..]) else { return };
    for (found, index, arguments) in uses {
        let kept = (0..n).filter(|other| match &arguments {
            Some(_) => *other != index,
            None => !is_derive(&trees[other * 2 + 1]),
        });
        let with_attributes: TokenStream = kept
            .flat_map(|other| trees[other * 2..other * 2 + 2].iter().cloned())
            .chain(item.iter().cloned())
            .collect();
        let function = found.function.clone();
        samples.push(match arguments {
            Some(input) => Sample { function, input, item: Some(with_attributes) },
            None => Sample { function, input: with_attributes, item: None },
        });
    }
}

/// The last name of the path that the trees begin with, and what follows it.
fn path(trees: &[TokenTree]) -> (String, &[TokenTree]) {
    let is_part = |tree: &&TokenTree| matches!(tree, TokenTree::Ident(_)) || is_punct(tree, ':');
    let n = trees.iter().take_while(is_part).count();
    let name = trees[..n].last().map(ToString::to_string).unwrap_or_default();
    (name, &trees[n..])
}

/// The last names of paths with commas between them.
fn names(list: TokenStream) -> Vec<String> {
    let trees: Vec<TokenTree> = list.into_iter().collect();
    trees.split(|tree| is_punct(tree, ',')).map(|trees| path(trees).0).collect()
}

fn is_derive(tree: &TokenTree) -> bool {
    let TokenTree::Group(group) = tree else { return false };
    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
    path(&inner).0 == "derive"
}

fn find<'a>(macros: &'a [Macro], kind: Kind, name: &str) -> Option<&'a Macro> {
    macros.iter().find(|item| item.kind == kind && item.name == name)
}

/// The item that the trees begin with.
fn item(trees: &[TokenTree]) -> Option<&[TokenTree]> {
    let first = |input: ParseStream<'_>| {
        input.parse::<syn::Item>()?;
        input.parse::<TokenStream>()
    };
    let rest = first.parse2(trees.iter().cloned().collect()).ok()?;
    Some(&trees[..trees.len() - rest.into_iter().count()])
}

/// `name! group`, where `before` ends before the group.
fn bang(before: &[TokenTree], group: &Group, macros: &[Macro], samples: &mut Vec<Sample>) {
    let [.., TokenTree::Ident(name), mark] = before else { return };
    if !is_punct(mark, '!') {
        return;
    }
    if let Some(found) = find(macros, Kind::Bang, &name.to_string()) {
        let function = found.function.clone();
        samples.push(Sample { function, input: group.stream(), item: None });
    }
}

#[cfg(test)]
mod tests {
    use super::{of, Kind, Macro};

    fn check(text: &str, expected: &[&str]) {
        let item = |kind, name: &str| Macro {
            kind,
            name: name.into(),
            function: name.to_lowercase(),
            helpers: Vec::new(),
            attributes: Vec::new(),
        };
        let macros =
            [item(Kind::Derive, "Show"), item(Kind::Attribute, "wrap"), item(Kind::Bang, "make")];
        let found: Vec<String> = of(text, &macros)
            .iter()
            .map(|sample| {
                let item = sample.item.as_ref().map_or(String::new(), |item| format!(" | {item}"));
                format!("{}: {}{item}", sample.function, sample.input)
            })
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn derives_lose_derive_and_keep_the_rest() {
        check(
            "mod m { #[derive(Debug, my::Show)] #[show(x)] pub struct S(u8); struct T; }",
            &["show: # [show (x)] pub struct S (u8) ;"],
        );
    }

    #[test]
    fn attributes_split_into_arguments_and_item() {
        check(
            "#[inline] #[my::wrap(a = 1)] fn f() { #[wrap] async fn g(&self) {} }",
            &[
                "wrap: a = 1 | # [inline] fn f () { # [wrap] async fn g (& self) { } }",
                "wrap:  | async fn g (& self) { }",
            ],
        );
    }

    #[test]
    fn bangs_give_what_is_in_them() {
        check("fn f() { let x = make!(1, 2); other!(make![3]); }", &["make: 1 , 2", "make: 3"]);
    }

    #[test]
    fn what_is_no_rust_has_no_uses() {
        check("#[derive(Show)] struct S {", &[]);
        check("#[derive(Show)] $x", &[]);
    }
}
