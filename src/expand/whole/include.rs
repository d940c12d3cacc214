//! What `include!` brings in: the tokens of a file whose name the sources tell.

use super::place::Place;
use proc_macro2::TokenStream;
use syn::punctuated::Punctuated;
use syn::{Expr, Lit, Macro, Path, Token};

pub fn is_include(path: &Path) -> bool {
    let is_language = match path.segments.len() {
        1 => true,
        2 => ["std", "core"].iter().any(|name| path.segments[0].ident == name),
        _ => false,
    };
    is_language && path.segments.last().is_some_and(|last| last.ident == "include")
}

/// None if the file's name cannot be told, or it is not there. Variables are those of the crate that is expanded.
pub fn tokens(mac: &Macro, place: &Place, is_own: bool) -> Option<TokenStream> {
    let name = text(&mac.parse_body::<Expr>().ok()?, is_own)?;
    let file = place.file.parent()?.join(name);
    std::fs::read_to_string(file).ok()?.parse().ok()
}

/// `"text"`, `concat!("text", …)`, `env!("NAME")`
fn text(expr: &Expr, is_own: bool) -> Option<String> {
    match expr {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => Some(text.value()),
            _ => None,
        },
        Expr::Macro(found) if found.mac.path.is_ident("concat") => {
            let parts =
                found.mac.parse_body_with(Punctuated::<Expr, Token![,]>::parse_terminated).ok()?;
            parts.iter().map(|part| text(part, is_own)).collect()
        }
        Expr::Macro(found) if found.mac.path.is_ident("env") && is_own => {
            std::env::var(text(&found.mac.parse_body().ok()?, is_own)?).ok()
        }
        _ => None,
    }
}
