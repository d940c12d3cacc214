//! Tokens that contain no others: identifiers, punctuation, literals.

use super::span::{self, Span};
use proc_macro2::{LexError, Spacing};
use std::ffi::CStr;
use std::fmt::{self, Debug, Display};
use std::rc::Rc;
use std::str::FromStr;

#[derive(Clone)]
pub struct Ident {
    name: Rc<str>,
    raw: bool,
    span: Span,
}

#[derive(Clone)]
pub struct Punct {
    char: char,
    spacing: Spacing,
    span: Span,
}

#[derive(Clone)]
pub struct Literal {
    text: Rc<str>,
    span: Span,
}

impl Ident {
    /// Panics as natively.
    pub fn new(name: &str, span: Span) -> Ident {
        proc_macro2::Ident::new(name, proc_macro2::Span::call_site());
        Ident::known(name, false, span)
    }

    /// Panics as natively.
    pub fn new_raw(name: &str, span: Span) -> Ident {
        proc_macro2::Ident::new_raw(name, proc_macro2::Span::call_site());
        Ident::known(name, true, span)
    }

    /// One of a compiler's own; it may be `$crate`.
    pub fn known(name: &str, raw: bool, span: Span) -> Ident {
        Ident { name: name.into(), raw, span }
    }

    pub(super) fn adopt(ident: &proc_macro2::Ident, span: Span) -> Ident {
        let text = ident.to_string();
        match text.strip_prefix("r#") {
            Some(name) => Ident::known(name, true, span),
            None => Ident::known(&text, false, span),
        }
    }

    /// proc-macro2 has no `$crate`.
    pub(super) fn given(&self) -> proc_macro2::Ident {
        let span = self.span.given();
        match self.raw {
            true => proc_macro2::Ident::new_raw(&self.name, span),
            false => proc_macro2::Ident::new(self.name.trim_start_matches('$'), span),
        }
    }

    /// Without `r#`.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn is_raw(&self) -> bool {
        self.raw
    }

    pub fn span(&self) -> Span {
        self.span
    }

    pub fn set_span(&mut self, span: Span) {
        self.span = span;
    }
}

impl Display for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.raw { "r#" } else { "" })?;
        f.write_str(&self.name)
    }
}

impl Punct {
    /// Panics as natively.
    pub fn new(char: char, spacing: Spacing) -> Punct {
        proc_macro2::Punct::new(char, spacing);
        Punct { char, spacing, span: Span::call_site() }
    }

    pub(super) fn given(&self) -> proc_macro2::Punct {
        let mut given = proc_macro2::Punct::new(self.char, self.spacing);
        given.set_span(self.span.given());
        given
    }

    pub fn as_char(&self) -> char {
        self.char
    }

    pub fn spacing(&self) -> Spacing {
        self.spacing
    }

    pub fn span(&self) -> Span {
        self.span
    }

    pub fn set_span(&mut self, span: Span) {
        self.span = span;
    }
}

/// Constructors of the same name in proc-macro2.
macro_rules! constructors {
    ($($name:ident($type:ty))*) => {
        $(
            pub fn $name(value: $type) -> Literal {
                Literal::written(proc_macro2::Literal::$name(value).to_string(), Span::call_site())
            }
        )*
    };
}

impl Literal {
    constructors! {
        u8_suffixed(u8) u16_suffixed(u16) u32_suffixed(u32) u64_suffixed(u64) u128_suffixed(u128)
        usize_suffixed(usize) u128_unsuffixed(u128)
        i8_suffixed(i8) i16_suffixed(i16) i32_suffixed(i32) i64_suffixed(i64) i128_suffixed(i128)
        isize_suffixed(isize) i128_unsuffixed(i128)
        f32_suffixed(f32) f32_unsuffixed(f32) f64_suffixed(f64) f64_unsuffixed(f64)
        string(&str) character(char) byte_character(u8) byte_string(&[u8]) c_string(&CStr)
    }

    /// As it is written, whatever that is.
    pub fn written(text: String, span: Span) -> Literal {
        Literal { text: text.into(), span }
    }

    pub(super) fn positive(&self) -> Literal {
        Literal::written(self.text.trim_start_matches('-').to_owned(), self.span)
    }

    /// What a compiler gave for an error, proc-macro2 cannot hold.
    pub(super) fn given(&self) -> proc_macro2::Literal {
        let mut given =
            self.text.parse().unwrap_or_else(|_| proc_macro2::Literal::string(&self.text));
        given.set_span(self.span.given());
        given
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn span(&self) -> Span {
        self.span
    }

    pub fn set_span(&mut self, span: Span) {
        self.span = span;
    }
}

impl FromStr for Literal {
    type Err = LexError;

    fn from_str(text: &str) -> Result<Literal, LexError> {
        let literal: proc_macro2::Literal = text.parse()?;
        Ok(Literal::written(literal.to_string(), span::lexed(literal.span())))
    }
}

impl Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Debug for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Debug::fmt(&self.given(), f)
    }
}
