//! A macro that does with its input what macros do.

mod work;

/// See `work`.
#[proc_macro]
pub fn mirror(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    work::mirror(input.into()).into()
}
