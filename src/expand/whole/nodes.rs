//! What attributes and macros stand on or for: items, and those in traits, implementations and foreign blocks.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Attribute, ForeignItem, ImplItem, Item, Macro, TraitItem};

pub trait Node: ToTokens + Clone + Parse {
    fn attributes(&mut self) -> Option<&mut Vec<Attribute>>;

    /// The function-like macro that it is.
    fn bang(&self) -> Option<&Macro>;
}

/// All of them in what a macro wrote.
pub fn parse_all<N: Parse>(tokens: TokenStream) -> syn::Result<Vec<N>> {
    let all = |input: ParseStream| {
        let mut found = Vec::new();
        while !input.is_empty() {
            found.push(input.parse()?);
        }
        Ok(found)
    };
    all.parse2(tokens)
}

macro_rules! node {
    ($ty:ident: $($variant:ident)*) => {
        impl Node for $ty {
            fn attributes(&mut self) -> Option<&mut Vec<Attribute>> {
                match self {
                    $($ty::$variant(item) => Some(&mut item.attrs),)*
                    _ => None,
                }
            }

            fn bang(&self) -> Option<&Macro> {
                match self {
                    $ty::Macro(item) => Some(&item.mac),
                    _ => None,
                }
            }
        }
    };
}

node!(Item: Const Enum ExternCrate Fn ForeignMod Impl Macro Mod Static Struct Trait TraitAlias Type Union Use);
node!(ImplItem: Const Fn Type Macro);
node!(TraitItem: Const Fn Type Macro);
node!(ForeignItem: Fn Static Type Macro);

/// Whether an expression needs no parentheses, whatever stands beside it.
pub fn stands_alone(expr: &syn::Expr) -> bool {
    use syn::Expr::{Array, Block, Call, Field, Index, Lit, Macro, MethodCall, Paren, Path, Tuple};
    matches!(
        expr,
        Array(_)
            | Block(_)
            | Call(_)
            | Field(_)
            | Index(_)
            | Lit(_)
            | Macro(_)
            | MethodCall(_)
            | Paren(_)
            | Path(_)
            | Tuple(_)
    )
}
