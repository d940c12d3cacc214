//! A sample: a use of a macro that is expanded to record which code runs.

use proc_macro2::TokenStream;

/// One use of a macro.
#[derive(Clone)]
pub struct Sample {
    /// The macro's Rust function.
    pub function: String,
    pub input: TokenStream,
    /// What an attribute is on; its arguments are the input.
    pub item: Option<TokenStream>,
}
