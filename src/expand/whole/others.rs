//! Macros that are not packed, and files that are included, where packed macros are in what they write or are given.

use super::include;
use super::opaque;
use super::place::{Trouble, DEPTH_MAX};
use super::rewrite::Rewriter;
use super::rules;
use crate::artifact::manifest::Kind;
use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit_mut::VisitMut;
use syn::{Expr, Macro, Path, Token};

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
        let is_own = mac.path.segments.len() == 1
            && self.world.crates[self.krate]
                .rules
                .contains_key(&mac.path.segments[0].ident.to_string());
        if is_own || !opaque::takes_expressions(&mac.path) || opaque::uses(&mac.tokens).is_empty() {
            return Ok(());
        }
        if self.find(&mac.path, Kind::Bang)?.is_some() {
            return Ok(());
        }
        let parser = Punctuated::<Expr, Token![,]>::parse_terminated;
        if let Ok(mut list) = parser.parse2(mac.tokens.clone()) {
            list.iter_mut().for_each(|expr| self.visit_expr_mut(expr));
            mac.tokens = list.to_token_stream();
        }
        Ok(())
    }
}
