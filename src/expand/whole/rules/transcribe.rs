//! What the body of an arm becomes.

use super::parts::{is_punct, repetition, trees_of, Bindings, Bound};
use proc_macro2::{Group, Ident, Punct, Spacing, Span, TokenStream, TokenTree};
use std::collections::BTreeSet;

struct Transcriber<'a> {
    krate: &'a TokenStream,
    /// Names that the body binds and the input has, too: those of the body are others.
    renamed: BTreeSet<String>,
}

/// None where the bindings do not fit the body.
pub fn transcribe(
    body: &TokenStream,
    bindings: &Bindings,
    krate: &TokenStream,
) -> Option<TokenStream> {
    let mut of_input = BTreeSet::new();
    bindings.values().for_each(|bound| idents(bound, &mut of_input));
    let mut bound = BTreeSet::new();
    bound_by(&trees_of(body.clone()), &mut |ident| {
        bound.insert(ident.to_string());
    });
    let renamed = bound.intersection(&of_input).cloned().collect();
    let mut out = Vec::new();
    Transcriber { krate, renamed }.trees(&trees_of(body.clone()), bindings, &mut out)?;
    Some(out.into_iter().collect())
}

impl Transcriber<'_> {
    fn trees(
        &self,
        trees: &[TokenTree],
        bindings: &Bindings,
        out: &mut Vec<TokenTree>,
    ) -> Option<()> {
        let mut rest = trees;
        let mut is_field = false;
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            match first {
                TokenTree::Group(group) => {
                    let mut inner = Vec::new();
                    self.trees(&trees_of(group.stream()), bindings, &mut inner)?;
                    out.push(Group::new(group.delimiter(), inner.into_iter().collect()).into());
                }
                dollar if is_punct(dollar, '$') => match rest {
                    [TokenTree::Ident(word), after @ ..] if word == "crate" => {
                        out.extend(self.krate.clone());
                        rest = after;
                    }
                    [TokenTree::Ident(name), after @ ..] => {
                        match bindings.get(&name.to_string()) {
                            Some(Bound::One(tokens)) => out.extend(tokens.clone()),
                            Some(Bound::Many(_)) => return None,
                            // Of a macro that this one writes.
                            None => out.extend([dollar.clone(), rest[0].clone()]),
                        }
                        rest = after;
                    }
                    [TokenTree::Group(group), after @ ..] => {
                        let (separator, _, after) = repetition(after)?;
                        let inner = trees_of(group.stream());
                        self.repeat(&inner, separator, bindings, out)?;
                        rest = after;
                    }
                    _ => return None,
                },
                TokenTree::Ident(ident) if !is_field => {
                    let name = ident.to_string();
                    out.push(match self.renamed.contains(&name) {
                        true => Ident::new(&format!("{name}_of_macro"), Span::call_site()).into(),
                        false => placeless(first),
                    });
                }
                other => out.push(placeless(other)),
            }
            is_field = is_punct(first, '.');
        }
        Some(())
    }

    fn repeat(
        &self,
        inner: &[TokenTree],
        separator: &[TokenTree],
        bindings: &Bindings,
        out: &mut Vec<TokenTree>,
    ) -> Option<()> {
        let mut used = BTreeSet::new();
        variables(inner, &mut used);
        let many = bindings.iter().filter(|(name, _)| used.contains(*name));
        let many = many.filter_map(|(name, bound)| match bound {
            Bound::Many(all) => Some((name, all)),
            Bound::One(_) => None,
        });
        let many: Vec<_> = many.collect();
        let n = many.first()?.1.len();
        if many.iter().any(|(_, all)| all.len() != n) {
            return None;
        }
        for at in 0..n {
            if at > 0 {
                out.extend(separator.iter().map(placeless));
                // What follows it is another token.
                if let Some(TokenTree::Punct(last)) =
                    out.last_mut().filter(|_| !separator.is_empty())
                {
                    *last = Punct::new(last.as_char(), Spacing::Alone);
                }
            }
            let mut one = bindings.clone();
            one.extend(many.iter().map(|(name, all)| ((*name).clone(), all[at].clone())));
            self.trees(inner, &one, out)?;
        }
        Some(())
    }
}

/// The same token from nowhere: it stands at no place of the file.
fn placeless(tree: &TokenTree) -> TokenTree {
    let mut tree = tree.clone();
    tree.set_span(Span::call_site());
    tree
}

/// The names behind `$`.
fn variables(trees: &[TokenTree], found: &mut BTreeSet<String>) {
    for (at, tree) in trees.iter().enumerate() {
        match tree {
            TokenTree::Group(group) => variables(&trees_of(group.stream()), found),
            TokenTree::Ident(name) if at > 0 && is_punct(&trees[at - 1], '$') => {
                found.insert(name.to_string());
            }
            _ => {}
        }
    }
}

fn idents(bound: &Bound, found: &mut BTreeSet<String>) {
    fn walk(tokens: TokenStream, found: &mut BTreeSet<String>) {
        for tree in tokens {
            match tree {
                TokenTree::Ident(ident) => drop(found.insert(ident.to_string())),
                TokenTree::Group(group) => walk(group.stream(), found),
                _ => {}
            }
        }
    }
    match bound {
        Bound::One(tokens) => walk(tokens.clone(), found),
        Bound::Many(all) => all.iter().for_each(|one| idents(one, found)),
    }
}

/// The local names that a body makes: hygiene keeps them apart from those of the input.
pub fn bound_by(trees: &[TokenTree], found: &mut dyn FnMut(&Ident)) {
    const WORDS: [&str; 6] = ["let", "mut", "ref", "for", "move", "in"];
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_lowercase() || c == '_') && !WORDS.contains(&name)
    };
    for (at, tree) in trees.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| &trees[at]);
        match tree {
            TokenTree::Group(group) => {
                let inner = trees_of(group.stream());
                // `let (a, b) = …`
                let is_pattern = matches!(before, Some(TokenTree::Ident(word)) if word == "let" || word == "for");
                if is_pattern {
                    let names = inner.iter().filter_map(|tree| match tree {
                        TokenTree::Ident(ident) => Some(ident),
                        _ => None,
                    });
                    names.filter(|ident| is_name(&ident.to_string())).for_each(&mut *found);
                }
                bound_by(&inner, found);
            }
            TokenTree::Ident(ident) if is_name(&ident.to_string()) => {
                let is_bound = match before {
                    Some(TokenTree::Ident(word)) => {
                        ["let", "mut", "ref", "for"].iter().any(|known| word == known)
                    }
                    Some(TokenTree::Punct(bar)) => {
                        bar.as_char() == '|'
                            && trees.get(at + 1).is_some_and(|next| {
                                [',', '|', ':'].iter().any(|c| is_punct(next, *c))
                            })
                    }
                    _ => false,
                };
                if is_bound {
                    found(ident);
                }
            }
            _ => {}
        }
    }
}
