//! Macros that are not packed, and files that are included, where packed macros are in what they write or are given.

use super::include;
use super::opaque;
use super::place::Trouble;
use super::rewrite::Rewriter;
use super::rules;
use super::world::DEPTH_MAX;
use crate::artifact::manifest::Kind;
use proc_macro2::TokenStream;
use quote::{quote, ToTokens};
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit_mut::VisitMut;
use syn::{parse_quote, Expr, Macro, Pat, Path, Token};

impl Rewriter<'_> {
    /// What another macro writes, if packed macros are in it: of a `macro_rules!` that can be told. What the others do
    /// with packed macros in their tokens cannot.
    pub(super) fn written(&mut self, mac: &Macro, depth: u32) -> Trouble<Option<TokenStream>> {
        // What a macro may write is looked at where it is used.
        if opaque::is_text(&mac.path) || mac.path.is_ident("macro_rules") || depth > DEPTH_MAX {
            return Ok(None);
        }
        if include::is_include(&mac.path) {
            // Where nothing is to be expanded, it stays.
            let Some(tokens) = include::tokens(mac, &self.place, true) else { return Ok(None) };
            return Ok(self.is_packed_in(&tokens, depth)?.then_some(tokens));
        }
        let packed = self.packed_in(&mac.tokens);
        let mut parts: Vec<String> = mac.path.leading_colon.iter().map(|_| String::new()).collect();
        parts.extend(mac.path.segments.iter().map(|segment| segment.ident.to_string()));
        let rules = self.world.rules_of(self.scope, &parts).filter(|(_, _, of)| {
            packed.is_some() || *of == self.krate || self.world.names_packed(*of)
        });
        let written =
            rules.and_then(|(rules, krate, _)| rules::expand(&rules, &mac.tokens, &krate));
        match (written, packed) {
            (Some(tokens), Some(_)) => Ok(Some(tokens)),
            (Some(tokens), None) => Ok(self.is_packed_in(&tokens, depth)?.then_some(tokens)),
            (None, None) => Ok(None),
            // They were looked at as what they are: whatever is left is text.
            (None, Some(Ok(_))) if self.known(mac).is_some() => Ok(None),
            (None, Some(Err(error))) => Err(error),
            (None, Some(Ok(path))) => {
                let name = path.segments.last().map(|segment| segment.ident.to_string());
                let message = format!(
                    "the packed macro `{}` stands in the tokens of another macro: what becomes of them cannot be told",
                    name.unwrap_or_default()
                );
                let error = self.place.wrong(path.span(), message);
                Err(error.help("write what it makes into a `let` or an item before"))
            }
        }
    }

    /// A packed macro in tokens, or why that cannot be told: the tokens may have modules with imports of their own.
    fn packed_in(&mut self, tokens: &TokenStream) -> Option<Trouble<Path>> {
        opaque::uses(tokens).into_iter().find_map(|(path, kind)| match self.find(&path, kind) {
            Ok(found) => found.map(|_| Ok(path)),
            Err(error) => Some(Err(error)),
        })
    }

    /// Whether there are packed macros in what a macro wrote, or in what those in it write.
    fn is_packed_in(&mut self, tokens: &TokenStream, depth: u32) -> Trouble<bool> {
        if self.packed_in(tokens).is_some() {
            return Ok(true);
        }
        for mac in opaque::calls(tokens) {
            if self.written(&mac, depth + 1)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The arguments of a macro of the language that takes expressions are expressions.
    pub(super) fn arguments(&mut self, mac: &mut Macro) -> Trouble<()> {
        if opaque::uses(&mac.tokens).is_empty() || self.find(&mac.path, Kind::Bang)?.is_some() {
            return Ok(());
        }
        let Some(mut arguments) = self.known(mac) else { return Ok(()) };
        let is_assert = mac.path.is_ident("assert") || mac.path.is_ident("debug_assert");
        let told = arguments.exprs.first().filter(|_| is_assert && arguments.exprs.len() == 1);
        let told = told.map(ToTokens::to_token_stream);
        arguments.exprs.iter_mut().for_each(|expr| self.visit_expr_mut(expr));
        if let Some(matched) = &mut arguments.matched {
            self.visit_pat_mut(&mut matched.pat);
            matched.guard.iter_mut().for_each(|(_, guard)| self.visit_expr_mut(guard));
        }
        let made = arguments.exprs.first().map(ToTokens::to_token_stream);
        if let Some(told) =
            told.filter(|told| Some(told.to_string()) != made.map(|it| it.to_string()))
        {
            // The message names what was asserted, as it was written.
            let text = quote!(concat!("assertion failed: ", stringify!(#told)));
            if told.to_string().contains(['{', '}']) {
                arguments.exprs.push(parse_quote!("{}"));
            }
            arguments.exprs.push(parse_quote!(#text));
        }
        mac.tokens = arguments.to_token_stream();
        Ok(())
    }

    /// What a macro of the language is given, where that is told by its name.
    fn known(&self, mac: &Macro) -> Option<Arguments> {
        let is_own = mac.path.segments.len() == 1
            && self.world.crates[self.krate]
                .rules
                .contains_key(&mac.path.segments[0].ident.to_string());
        let parse = match () {
            () if is_own => return None,
            () if opaque::takes_expressions(&mac.path) => Arguments::exprs,
            () if opaque::takes_pattern(&mac.path) => Arguments::matches,
            () => return None,
        };
        parse.parse2(mac.tokens.clone()).ok()
    }
}

/// What a macro of the language is given.
struct Arguments {
    exprs: Punctuated<Expr, Token![,]>,
    /// Behind the expression of `matches!`.
    matched: Option<Matched>,
}

struct Matched {
    pat: Pat,
    guard: Option<(Token![if], Expr)>,
}

impl Arguments {
    fn exprs(input: ParseStream) -> syn::Result<Self> {
        Ok(Arguments { exprs: Punctuated::parse_terminated(input)?, matched: None })
    }

    /// `expression, pattern if guard`
    fn matches(input: ParseStream) -> syn::Result<Self> {
        let mut exprs = Punctuated::new();
        exprs.push_value(input.parse()?);
        exprs.push_punct(input.parse()?);
        let pat = Pat::parse_multi_with_leading_vert(input)?;
        let guard = match input.parse()? {
            Some(word) => Some((word, input.parse()?)),
            None => None,
        };
        input.parse::<Option<Token![,]>>()?;
        Ok(Arguments { exprs, matched: Some(Matched { pat, guard }) })
    }
}

impl ToTokens for Arguments {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.exprs.to_tokens(tokens);
        if let Some(matched) = &self.matched {
            matched.pat.to_tokens(tokens);
            if let Some((word, guard)) = &matched.guard {
                word.to_tokens(tokens);
                guard.to_tokens(tokens);
            }
        }
    }
}
