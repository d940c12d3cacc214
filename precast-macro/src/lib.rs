//! For authors of procedural macros: what the compiler offers on nightly or not at all, on stable since 1.63.
//!
//! - [`Diagnostic`]: errors, warnings, notes and help with spans and children, several at once, beside
//!   ordinary output.
//! - [`aux`]: records of expansions, with the path of the item, that tools read after the build.
//! - [`post_process!`]: functions that `cargo precast build`, `check` and `test` run once after cargo, in a
//!   sandbox, with all records of the build.
//! - [`executable_attribute!`]: attributes that change nothing and by which tools find functions.
//! - [`path_of_use`]: the library that re-exports the macro, as its user named it.
//! - [`fingerprint!`]: what else the results of the macros depend on.
//!
//! It needs no other package. Macros work the same whether they are compiled from source, with or
//! without precast, or precompiled; only [`post_process!`] and the records' readers need the tool.
//!
//! ```text
//! #[proc_macro_derive(Route)]
//! pub fn route(item: proc_macro::TokenStream) -> proc_macro::TokenStream {
//!     precast_macro::expand!(items => {
//!         let name = my_parser::name(&item);
//!         if name.to_string().len() > 20 {
//!             Diagnostic::warning(name.span(), "the name is long").help("shorten it").emit();
//!         }
//!         aux::emit_for(&name, "route", format!("/{}", name));
//!         my_code::of(&item)
//!     })
//! }
//! ```

#![cfg_attr(precast_nightly, feature(proc_macro_diagnostic, proc_macro_span))]
// The compiler's own diagnostics take the place of what tells them on stable.
#![cfg_attr(precast_nightly, allow(dead_code))]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate proc_macro;

mod compiler;
mod diagnostic;
mod encode;
mod expansion;
mod library;
mod place;
mod post;
mod records;
mod render;

pub use diagnostic::{Diagnostic, Level, Spans};
pub use library::path_of_use;
pub use post::{Output, Record, Records};

/// Records of expansions.
///
/// A record is a key of the author's choice and some bytes: a text, or what `serde_json::to_vec` makes. It becomes a part of the expansion, an
/// unnamed constant that the compiler notes in the dependencies of what it compiles. So records follow
/// the source whatever the tools do: what was removed is gone, what was not compiled again is still
/// there, and `cargo check` is enough. The module's path comes from the compiler.
pub mod aux {
    pub use crate::records::{emit, emit_for, mark};
}

/// Runs the body of a macro, and adds to its output what it has emitted.
///
/// The first word says what the output is:
///
/// - `items` for derives, for attributes on items, and for function-like macros that make items;
/// - `statements` for function-like macros whose output ends with an expression, or with none;
/// - `expression` for function-like macros that are one expression. Where something is added, the
///   expression stands in a block.
///
/// The body is an expression of any type that is `Into<proc_macro::TokenStream>`; `return` leaves the
/// body. What a body emits that panics is lost, but for warnings.
#[macro_export]
macro_rules! expand {
    (items => $body:expr) => {
        $crate::__expand!(Items, $body)
    };
    (statements => $body:expr) => {
        $crate::__expand!(Statements, $body)
    };
    (expression => $body:expr) => {
        $crate::__expand!(Expression, $body)
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __expand {
    ($position:ident, $body:expr) => {
        $crate::__private::collect(
            $crate::__private::Position::$position,
            ::core::concat!(::core::env!("CARGO_PKG_NAME"), "@", ::core::env!("CARGO_PKG_VERSION")),
            #[allow(clippy::redundant_closure_call)]
            || (|| $body)().into(),
        )
    };
}

/// Names functions that run after the build: `fn(&Records, &mut Output)`.
///
/// Once, at the root of the macro crate. `cargo precast build`, `check` and `test` call them in this order
/// when cargo has succeeded, in the sandbox, also where the macros themselves were compiled from source.
#[macro_export]
macro_rules! post_process {
    ($($function:path),+ $(,)?) => {
        #[doc(hidden)]
        #[proc_macro]
        pub fn __precast_post_process(
            input: $crate::__private::TokenStream,
        ) -> $crate::__private::TokenStream {
            $crate::__private::post_process(input, &[$($function),+])
        }
    };
}

/// Names a function whose result stands for all that the macros' results depend on beside their
/// input: `fn() -> u64`. Once, at the root of the macro crate.
///
/// It joins the module's identity wherever results are remembered. Macros that read nothing do not need one.
#[macro_export]
macro_rules! fingerprint {
    ($function:path) => {
        #[doc(hidden)]
        #[proc_macro]
        pub fn __precast_fingerprint(
            _: $crate::__private::TokenStream,
        ) -> $crate::__private::TokenStream {
            $crate::__private::fingerprint($function())
        }
    };
}

/// Declares an attribute that changes nothing: tools find the functions that carry it, with their paths,
/// among the records of the key `executable:NAME`. At the root of the macro crate.
#[macro_export]
macro_rules! executable_attribute {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[proc_macro_attribute]
        pub fn $name(
            arguments: $crate::__private::TokenStream,
            item: $crate::__private::TokenStream,
        ) -> $crate::__private::TokenStream {
            $crate::expand!(items => $crate::__private::executable(
                ::core::stringify!($name),
                arguments,
                item
            ))
        }
    };
}

#[doc(hidden)]
pub mod __private {
    pub use crate::expansion::{collect, executable, Position};
    pub use crate::post::{fingerprint, post_process};
    pub use proc_macro::TokenStream;
}
