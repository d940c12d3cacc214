//! The path of the library that re-exports a macro, as the macro's user has written it.

// Both mean what is wanted here: the newer method where there is one.
#![allow(unstable_name_collisions, clippy::incompatible_msrv)]

use proc_macro::{Span, TokenStream, TokenTree};

/// What `Span` tells since Rust 1.66.
#[allow(dead_code)] // On newer compilers it is not used.
trait Newer {
    fn source_text(&self) -> Option<String> {
        None
    }
}

impl Newer for Span {}

/// The path by which the macro that runs was named: `renamed::Make` in `#[derive(renamed::Make)]`, `Make` where
/// it was imported, `renamed::make` in `#[renamed::make(…)]` or `renamed::make!(…)`.
///
/// A library that re-exports the macro can have a module of the macro's name beside it: names of macros and of
/// modules do not meet, and who imports one has the other, too. So what the macro writes finds the library wherever it is
/// used, under any name that the user gave to the library or to the macro, and nobody reads a manifest:
///
/// ```text
/// pub use my_macros::Make;                      // in the library
/// #[doc(hidden)]
/// #[allow(non_snake_case)]
/// pub mod Make { pub use crate::hidden; }
///
/// let path = precast_macro::path_of_use()       // in the macro: PATH::hidden::f()
/// ```
///
/// None where the compiler does not tell, as before Rust 1.66, or where the name was not written in a source file:
/// in the output of another macro, or behind `$crate` in that of a declarative one. The library's usual name is
/// what is left then.
pub fn path_of_use() -> Option<TokenStream> {
    let text = Span::call_site().source_text()?;
    let path: TokenStream = path(&text)?.parse().ok()?;
    // The names are the user's, not the macro's.
    let call_site = |mut tree: TokenTree| {
        tree.set_span(Span::call_site());
        tree
    };
    Some(path.into_iter().map(call_site).collect())
}

/// The path in the text of a use: of a derive its own, of others what stands before the arguments.
fn path(text: &str) -> Option<&str> {
    let text = text.trim();
    let inner = text.strip_prefix("#![").or_else(|| text.strip_prefix("#["));
    let start = inner.unwrap_or(text).trim_start();
    let end = start.find(|c: char| "({[!=]".contains(c)).unwrap_or(start.len());
    let found = start[..end].trim_end();
    let part = |part: &str| {
        let part = part.trim();
        let name = part.strip_prefix("r#").unwrap_or(part);
        name.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    let is_path = found.strip_prefix("::").unwrap_or(found).split("::").all(part);
    // What stands around a use is none.
    let is_around = found == "derive" || found == "cfg_attr";
    if is_path && !is_around {
        Some(found)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn paths_of_uses() {
        let check =
            |text: &str, expected: Option<&str>| assert_eq!(path(text), expected, "{}", text);
        check("Make", Some("Make"));
        check("::renamed :: r#Make", Some("::renamed :: r#Make"));
        check("#[renamed::make(a = [1])]", Some("renamed::make"));
        check("# [make]", None);
        check("#![make]", Some("make"));
        check("renamed::make!{ $crate::x }", Some("renamed::make"));
        check("$crate::Make", None);
        check("#[derive(A, B)]", None);
        check("#[cfg_attr(a, make)]", None);
        check("make(x)", Some("make"));
        check("", None);
        check("a b", None);
    }
}
