//! Takes tokens apart, makes them anew in every way the interface has, and parses them with syn.

use proc_macro2::{Group, Ident, Literal, Punct, Span, TokenStream, TokenTree};
use quote::{format_ident, quote, ToTokens};

pub fn mirror(input: TokenStream) -> TokenStream {
    let again: TokenStream = input.clone().into_iter().map(made_anew).collect();
    let text = again.to_string();
    let lexed: TokenStream = text.parse().unwrap_or_default();
    let parsed = match syn::parse2::<syn::File>(input.clone()) {
        Ok(file) => {
            let names = file.items.iter().filter_map(name);
            let names = names.map(|name| format_ident!("made_{}", name));
            quote! { #file #(fn #names() {})* }
        }
        Err(error) => error.to_compile_error(),
    };
    assert!(!text.contains("macro_panics"), "the macro panics with {text:?}");
    quote! { { #input } { #again } { #lexed } { #parsed } #text }
}

fn made_anew(tree: TokenTree) -> TokenTree {
    match tree {
        TokenTree::Group(group) => {
            let stream = group.stream().into_iter().map(made_anew).collect();
            Group::new(group.delimiter(), stream).into()
        }
        TokenTree::Ident(ident) => {
            let text = ident.to_string();
            match text.strip_prefix("r#") {
                Some(raw) => Ident::new_raw(raw, Span::call_site()).into(),
                None => Ident::new(&text, Span::mixed_site()).into(),
            }
        }
        TokenTree::Punct(punct) => Punct::new(punct.as_char(), punct.spacing()).into(),
        TokenTree::Literal(literal) => literal_anew(&literal).into(),
    }
}

fn literal_anew(literal: &Literal) -> Literal {
    let text = literal.to_string();
    match syn::parse_str::<syn::Lit>(&text) {
        Ok(syn::Lit::Str(text)) if text.suffix().is_empty() => Literal::string(&text.value()),
        Ok(syn::Lit::ByteStr(text)) if text.suffix().is_empty() => {
            Literal::byte_string(&text.value())
        }
        Ok(syn::Lit::Char(text)) if text.suffix().is_empty() => Literal::character(text.value()),
        Ok(syn::Lit::Int(number)) if number.suffix().is_empty() => {
            number.base10_parse().map_or_else(|_| literal.clone(), Literal::u64_unsuffixed)
        }
        _ => text.parse().unwrap_or_else(|_| literal.clone()),
    }
}

fn name(item: &syn::Item) -> Option<String> {
    match item {
        syn::Item::Struct(item) => Some(item.ident.to_string()),
        syn::Item::Enum(item) => Some(item.ident.to_string()),
        syn::Item::Fn(item) => Some(item.sig.ident.to_string()),
        syn::Item::Mod(item) => Some(item.to_token_stream().to_string().len().to_string()),
        _ => None,
    }
}
