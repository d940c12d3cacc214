//! What a fragment of a `macro_rules!` takes of the tokens that are left.

use super::super::nodes::stands_alone;
use super::parts::is_punct;
use proc_macro2::{Delimiter, Group, Spacing, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Block, Expr, Item, Lit, Meta, Pat, Path, Stmt, Type, Visibility};

/// The longest first.
const OPERATORS: [&str; 24] = [
    "<<=", ">>=", "...", "..=", "::", "->", "=>", "==", "!=", "<=", ">=", "&&", "||", "+=", "-=",
    "*=", "/=", "%=", "^=", "&=", "|=", "..", "<<", ">>",
];

/// The tokens of the fragment, and their number.
pub fn take(kind: &str, input: &[TokenTree]) -> Option<(TokenStream, usize)> {
    let first = |n: usize| Some((input[..n].iter().cloned().collect(), n));
    match kind {
        "ident" => match input.first()? {
            TokenTree::Ident(ident) if ident != "_" => first(1),
            _ => None,
        },
        "lifetime" => is_lifetime(input).then(|| first(2)).flatten(),
        "tt" => first(n_of_tree(input)?),
        "vis" => parsed(input, Visibility::parse),
        "literal" => {
            let sign = usize::from(is_punct(input.first()?, '-'));
            let literal = TokenStream::from(input.get(sign)?.clone());
            syn::parse2::<Lit>(literal).ok()?;
            first(sign + 1)
        }
        "block" => parsed(input, Block::parse),
        "item" => parsed(input, Item::parse),
        "meta" => parsed(input, Meta::parse),
        "path" => parsed(input, Path::parse),
        "ty" => parsed(input, Type::parse),
        "pat_param" => parsed(input, Pat::parse_single),
        "pat" => parsed(input, Pat::parse_multi_with_leading_vert),
        "stmt" => statement(input),
        "expr" | "expr_2021" => {
            let (tokens, n) = parsed(input, Expr::parse)?;
            Some((alone(tokens), n))
        }
        _ => None,
    }
}

/// A lifetime is one tree for the compiler, as is an operator.
fn n_of_tree(input: &[TokenTree]) -> Option<usize> {
    if is_lifetime(input) {
        return Some(2);
    }
    let is_operator = |operator: &&&str| {
        let n = operator.len();
        n <= input.len()
            && operator.chars().zip(input).enumerate().all(|(at, (c, tree))| match tree {
                TokenTree::Punct(punct) => {
                    punct.as_char() == c && (at + 1 == n || punct.spacing() == Spacing::Joint)
                }
                _ => false,
            })
    };
    let operator = OPERATORS.iter().find(is_operator);
    (!input.is_empty()).then(|| operator.map_or(1, |operator| operator.len()))
}

fn is_lifetime(input: &[TokenTree]) -> bool {
    matches!(input, [quote, TokenTree::Ident(_), ..] if is_punct(quote, '\''))
}

fn parsed<T: ToTokens>(
    input: &[TokenTree],
    parse: impl FnOnce(ParseStream) -> syn::Result<T>,
) -> Option<(TokenStream, usize)> {
    let mut left = 0;
    let take = |stream: ParseStream| {
        parse(stream)?;
        let rest: TokenStream = stream.parse()?;
        left = rest.into_iter().count();
        Ok(())
    };
    let all: TokenStream = input.iter().cloned().collect();
    take.parse2(all).ok()?;
    let n = input.len() - left;
    Some((input[..n].iter().cloned().collect(), n))
}

/// Without the semicolon that ends it.
fn statement(input: &[TokenTree]) -> Option<(TokenStream, usize)> {
    let is_let = matches!(input.first()?, TokenTree::Ident(word) if word == "let");
    if !is_let {
        return parsed(input, Item::parse).or_else(|| parsed(input, Expr::parse));
    }
    let n = input.iter().position(|tree| is_punct(tree, ';')).unwrap_or(input.len());
    let tokens: TokenStream = input[..n].iter().cloned().collect();
    let whole = quote::quote!(#tokens;);
    syn::parse2::<Stmt>(whole).ok()?;
    Some((tokens, n))
}

/// An expression stays one, whatever is put beside it.
fn alone(tokens: TokenStream) -> TokenStream {
    match syn::parse2::<Expr>(tokens.clone()).is_ok_and(|expr| stands_alone(&expr)) {
        true => tokens,
        false => TokenTree::from(Group::new(Delimiter::Parenthesis, tokens)).into(),
    }
}
