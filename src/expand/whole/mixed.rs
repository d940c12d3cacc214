//! Names that macros make with `Span::mixed_site`: locals and labels that no name of the user's can meet.
//!
//! Text has no hygiene. So such a name becomes another one where the user's tokens have the same, and in what a
//! function-like macro writes, whose locals may end up in a block of the user's.

use super::rules::bound_by;
use crate::tokens;
use proc_macro2::{Group, Ident, Literal, Span, TokenStream, TokenTree};
use std::collections::BTreeSet;
use syn::parse::Parser;
use syn::visit_mut::{self, VisitMut};
use syn::{Block, Label, PatIdent};

/// Runs an expansion that marks what is of `Span::mixed_site`, and gives its names to the macro alone.
pub fn expand<E>(
    is_bang: bool,
    work: impl FnOnce() -> Result<TokenStream, E>,
) -> Result<TokenStream, E> {
    // A span that nothing else has, as that of a text of its own.
    let mark = "mixed_site".parse::<TokenStream>().ok().and_then(|text| text.into_iter().next());
    let mark = mark.expect("a word is a token").span();
    let stream = tokens::marked(mark, work)?;
    Ok(Mixed { mark }.apart(stream, is_bang))
}

struct Mixed {
    mark: Span,
}

impl Mixed {
    fn is(&self, span: Span) -> bool {
        span.byte_range() == self.mark.byte_range() && span.file() == self.mark.file()
    }

    fn apart(&self, stream: TokenStream, is_bang: bool) -> TokenStream {
        let (mut own, mut others) = (BTreeSet::new(), BTreeSet::new());
        self.names(&stream, &mut own, &mut others);
        if own.is_empty() {
            return stream;
        }
        let mut bound = Bound { mixed: self, names: BTreeSet::new() };
        if let Ok(mut stmts) = Block::parse_within.parse2(stream.clone()) {
            stmts.iter_mut().for_each(|stmt| bound.visit_stmt_mut(stmt));
        }
        // What stands in the tokens of macros is no pattern yet.
        let trees: Vec<TokenTree> = stream.clone().into_iter().collect();
        bound_by(&trees, &mut |ident| {
            if self.is(ident.span()) {
                bound.names.insert(ident.to_string());
            }
        });
        let renamed = bound.names.into_iter().filter(|name| is_bang || others.contains(name));
        let renamed = renamed.map(|name| {
            let mut new = format!("{}_of_macro", name.trim_start_matches("r#"));
            while own.contains(&new) || others.contains(&new) {
                new.push('_');
            }
            (name, new)
        });
        self.renamed(stream, &renamed.collect::<Vec<_>>(), false)
    }

    /// The words with this span, and all others.
    fn names(
        &self,
        stream: &TokenStream,
        own: &mut BTreeSet<String>,
        others: &mut BTreeSet<String>,
    ) {
        for tree in stream.clone() {
            match tree {
                TokenTree::Group(group) => self.names(&group.stream(), own, others),
                TokenTree::Ident(ident) if self.is(ident.span()) => {
                    own.insert(ident.to_string());
                }
                TokenTree::Ident(ident) => {
                    others.insert(ident.to_string());
                }
                _ => {}
            }
        }
    }

    fn renamed(
        &self,
        stream: TokenStream,
        names: &[(String, String)],
        is_brace: bool,
    ) -> TokenStream {
        let trees: Vec<TokenTree> = stream.into_iter().collect();
        let is = |at: Option<usize>, c: char| matches!(at.and_then(|at| trees.get(at)), Some(TokenTree::Punct(p)) if p.as_char() == c);
        let tree = |(at, tree): (usize, &TokenTree)| -> TokenTree {
            let span = tree.span();
            match tree {
                TokenTree::Group(group) => {
                    let is_brace = group.delimiter() == proc_macro2::Delimiter::Brace;
                    let inner = self.renamed(group.stream(), names, is_brace);
                    let mut new = Group::new(group.delimiter(), inner);
                    new.set_span(if self.is(span) { Span::call_site() } else { span });
                    new.into()
                }
                tree if !self.is(span) => tree.clone(),
                TokenTree::Ident(ident) => {
                    let before = at.checked_sub(1);
                    // A field or a method, or the name of a field that is given a value.
                    let is_member = is(before, '.')
                        && !is(before.and_then(|at| at.checked_sub(1)), '.')
                        || is_brace
                            && (before.is_none() || is(before, ','))
                            && is(Some(at + 1), ':')
                            && !is(Some(at + 2), ':');
                    let text = ident.to_string();
                    let new = names.iter().find(|(name, _)| *name == text && !is_member);
                    match new {
                        Some((_, new)) => Ident::new(new, Span::call_site()).into(),
                        None => placeless(tree),
                    }
                }
                TokenTree::Literal(literal) => {
                    // `"{name}"` of a format.
                    let text = literal.to_string();
                    let new = names.iter().fold(text.clone(), |text, (name, new)| {
                        text.replace(&format!("{{{name}}}"), &format!("{{{new}}}"))
                            .replace(&format!("{{{name}:"), &format!("{{{new}:"))
                    });
                    let new = Some(new).filter(|new| *new != text);
                    let made = new.and_then(|new| new.parse::<Literal>().ok());
                    placeless(&made.map_or(tree.clone(), TokenTree::Literal))
                }
                tree => placeless(tree),
            }
        };
        trees.iter().enumerate().map(tree).collect()
    }
}

fn placeless(tree: &TokenTree) -> TokenTree {
    let mut tree = tree.clone();
    tree.set_span(Span::call_site());
    tree
}

struct Bound<'a> {
    mixed: &'a Mixed,
    names: BTreeSet<String>,
}

impl VisitMut for Bound<'_> {
    fn visit_pat_ident_mut(&mut self, pat: &mut PatIdent) {
        // `None` may be a constant.
        let is_local = !pat.ident.to_string().starts_with(char::is_uppercase);
        if is_local && self.mixed.is(pat.ident.span()) {
            self.names.insert(pat.ident.to_string());
        }
        visit_mut::visit_pat_ident_mut(self, pat);
    }

    fn visit_label_mut(&mut self, label: &mut Label) {
        if self.mixed.is(label.name.ident.span()) {
            self.names.insert(label.name.ident.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a` marks what is of `Span::mixed_site`.
    #[track_caller]
    fn check(is_bang: bool, text: &str, expected: &str) {
        fn made(mark: Span, stream: TokenStream) -> TokenStream {
            let mut is_marked = false;
            let mut out = Vec::new();
            for tree in stream {
                let mut tree = match tree {
                    TokenTree::Group(group) => {
                        Group::new(group.delimiter(), made(mark, group.stream())).into()
                    }
                    tree => tree,
                };
                if matches!(&tree, TokenTree::Punct(punct) if punct.as_char() == '@') {
                    is_marked = true;
                    continue;
                }
                tree.set_span(if is_marked { mark } else { Span::call_site() });
                is_marked = false;
                out.push(tree);
            }
            out.into_iter().collect()
        }
        let work = || {
            let mark = match tokens::Span::mixed_site() {
                tokens::Span::Text(mark) => mark,
                _ => unreachable!("no editor asks"),
            };
            Ok::<_, ()>(made(mark, text.parse().unwrap()))
        };
        let found = expand(is_bang, work).unwrap();
        let expected: TokenStream = expected.parse().unwrap();
        // Between punctuation there may be a space or none.
        let [found, expected] = [found, expected].map(|text| text.to_string().replace(' ', ""));
        assert_eq!(found, expected);
    }

    #[test]
    fn locals_do_not_meet() {
        check(false, "let @x = 1; @x + x", "let x_of_macro = 1; x_of_macro + x");
        check(false, "let @x = 1; @x + y", "let x = 1; x + y");
        check(true, "let @x = 1; @x + y", "let x_of_macro = 1; x_of_macro + y");
        check(
            false,
            "match x { Some(@x) => { @x.x.@x(@f!(\"{x}\"), S { @x: @x }) } @None => x }",
            "match x { Some(x_of_macro) => { x_of_macro.x.x(f!(\"{x}\"), S { x: x_of_macro }) } None => x }",
        );
        check(false, "let @x = x; f!(@\"{x:?}\")", "let x_of_macro = x; f!(\"{x_of_macro:?}\")");
        check(false, "f!(|@a| @a + a)", "f!(|a_of_macro| a_of_macro + a)");
        check(
            false,
            "fn f(@x: u8) { let x_of_macro = 1; g(x, @x) }",
            "fn f(x_of_macro_: u8) { let x_of_macro = 1; g(x, x_of_macro_) }",
        );
        // Only locals and labels are the macro's own.
        check(false, "struct @S; fn @g() -> S { g() }", "struct S; fn g() -> S { g() }");
    }
}
