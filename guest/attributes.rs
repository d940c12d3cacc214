//! What stands for `#[proc_macro]`, `#[proc_macro_attribute]` and `#[proc_macro_derive]` in a crate that is
//! compiled for wasm: rustc knows them in proc-macro crates alone. Staging puts these in their place.
//!
//! The function stays as it is; behind it comes an export of the module, named by what the attribute
//! says, and a record of what users of the macro are told: documentation and deprecation. Both are
//! made when the attribute is expanded, wherever it was written: in a file, by a macro, or as a
//! macro's argument.

extern crate proc_macro;

use proc_macro::{Delimiter, Group, Ident, Literal, Spacing, TokenStream, TokenTree};

/// Set while a crate is compiled for this machine, as a macro that rustc itself is to load.
const NATIVE: &str = "PRECAST_NATIVE";

/// Between the texts of a record, and behind it.
const SEPARATOR: char = '\u{1f}';
const END: char = '\u{1e}';

#[proc_macro_attribute]
pub fn bang_macro(arguments: TokenStream, item: TokenStream) -> TokenStream {
    declared("proc_macro", "bang", arguments, item)
}

#[proc_macro_attribute]
pub fn attribute_macro(arguments: TokenStream, item: TokenStream) -> TokenStream {
    declared("proc_macro_attribute", "attribute", arguments, item)
}

#[proc_macro_attribute]
pub fn derive_macro(arguments: TokenStream, item: TokenStream) -> TokenStream {
    declared("proc_macro_derive", "derive", arguments, item)
}

#[proc_macro_attribute]
pub fn bang_macro_at_last(arguments: TokenStream, item: TokenStream) -> TokenStream {
    exported("bang", arguments, item)
}

#[proc_macro_attribute]
pub fn attribute_macro_at_last(arguments: TokenStream, item: TokenStream) -> TokenStream {
    exported("attribute", arguments, item)
}

#[proc_macro_attribute]
pub fn derive_macro_at_last(arguments: TokenStream, item: TokenStream) -> TokenStream {
    exported("derive", arguments, item)
}

/// What rustc knows in proc-macro crates alone.
const ORIGINALS: [&str; 3] = ["proc_macro", "proc_macro_attribute", "proc_macro_derive"];

fn declared(original: &str, kind: &str, arguments: TokenStream, item: TokenStream) -> TokenStream {
    if std::env::var_os(NATIVE).is_some() {
        return native(original, arguments, item);
    }
    let tokens: Vec<TokenTree> = item.clone().into_iter().collect();
    let end = end_of_attributes(&tokens);
    if !tokens[..end].chunks(2).any(is_macro) {
        return exported(kind, arguments, item);
    }
    // Other attributes change the function, and look for the one that makes it a macro (`manyhow`): they find it, and
    // what stands for it comes behind them all.
    let mut out = TokenStream::new();
    if !tokens[..end].chunks(2).any(is_original) {
        out.extend(attribute(original, &arguments));
    }
    out.extend(tokens[..end].iter().cloned());
    out.extend(attribute(&format!("__precast_attributes::{}_macro_at_last", kind), &arguments));
    out.extend(tokens[end..].iter().cloned());
    out
}

/// The function with its export.
fn exported(kind: &str, arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut tokens: Vec<TokenTree> = item.into_iter().collect();
    let end = end_of_attributes(&tokens);
    let kept: Vec<TokenTree> = tokens[..end]
        .chunks(2)
        .filter(|attribute| !is_original(attribute))
        .flat_map(|attribute| attribute.iter().cloned())
        .collect();
    tokens.splice(..end, kept);
    let item: TokenStream = tokens.iter().cloned().collect();
    let name = match name(&tokens) {
        Some(name) => name,
        // rustc says what is wrong with it.
        None => return item,
    };
    let (told, carried) = attributes(&tokens);
    let plain = name.to_string();
    let plain = plain.strip_prefix("r#").unwrap_or(&plain);
    let declaration = format!("{}:{}:{}", kind, plain, one_line(&arguments));
    let mut inside: TokenStream = carried;
    let export = format!("precast:{}", declaration);
    inside.extend(parsed(&format!(
        "#[unsafe(export_name = {})] extern \"C\" fn __precast_export() -> i32",
        Literal::string(&export)
    )));
    let mut body = parsed(&format!(
        "extern crate proc_macro as __precast_guest; __precast_guest::__precast::{}",
        kind
    ));
    body.extend([group(Delimiter::Parenthesis, TokenTree::Ident(name).into())]);
    inside.extend([group(Delimiter::Brace, body)]);
    if !told.is_empty() {
        let mut record = declaration;
        for text in told {
            record.push(SEPARATOR);
            record.push_str(&text);
        }
        record.push(END);
        inside.extend(parsed(&format!(
            "#[unsafe(link_section = \"precast.told\")] static TOLD: [u8; {}] = *{};",
            record.len(),
            Literal::byte_string(record.as_bytes())
        )));
    }
    let mut out = item;
    out.extend(parsed("const _: () ="));
    out.extend([group(Delimiter::Brace, inside)]);
    out.extend(parsed(";"));
    out
}

/// The attribute that rustc knows.
fn native(original: &str, arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut out = attribute(original, &arguments);
    out.extend(item);
    out
}

/// `#[NAME(ARGUMENTS)]`
fn attribute(name: &str, arguments: &TokenStream) -> TokenStream {
    let mut inside = parsed(name);
    if !arguments.is_empty() {
        inside.extend([group(Delimiter::Parenthesis, arguments.clone())]);
    }
    let mut out: TokenStream = parsed("#");
    out.extend([group(Delimiter::Bracket, inside)]);
    out
}

/// How many tokens outer attributes have, two each.
fn end_of_attributes(tokens: &[TokenTree]) -> usize {
    let mut at = 0;
    while let (Some(TokenTree::Punct(hash)), Some(TokenTree::Group(_))) =
        (tokens.get(at), tokens.get(at + 1))
    {
        if hash.as_char() != '#' || hash.spacing() == Spacing::Joint {
            break;
        }
        at += 2;
    }
    at
}

/// The words of an attribute's path, then of its arguments.
fn words(attribute: &[TokenTree]) -> Vec<String> {
    let mut words = Vec::new();
    let mut open: Vec<TokenTree> = attribute.iter().rev().cloned().collect();
    while let Some(token) = open.pop() {
        match token {
            TokenTree::Group(group) => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                open.extend(inner.into_iter().rev());
            }
            TokenTree::Ident(word) => words.push(word.to_string()),
            _ => {}
        }
    }
    words
}

fn is_original(attribute: &[TokenTree]) -> bool {
    words(attribute).first().map_or(false, |first| ORIGINALS.contains(&first.as_str()))
}

/// Whether the attribute is a macro of a crate's own: not one of the compiler's or its tools'.
fn is_macro(attribute: &[TokenTree]) -> bool {
    const KNOWN: [&str; 24] = [
        "allow",
        "automatically_derived",
        "cfg",
        "cfg_attr",
        "clippy",
        "cold",
        "deny",
        "deprecated",
        "diagnostic",
        "doc",
        "expect",
        "export_name",
        "forbid",
        "inline",
        "link_section",
        "must_use",
        "no_mangle",
        "rustc_on_unimplemented",
        "rustdoc",
        "rustfmt",
        "target_feature",
        "track_caller",
        "unsafe",
        "warn",
    ];
    let words = words(attribute);
    let is_known = words.first().map_or(true, |first| KNOWN.contains(&first.as_str()));
    // Staging has told `#[proc_macro_error]` what it looks for.
    let is_told = words.iter().any(|word| word == "allow_not_macro");
    !is_known && !is_told && !is_original(attribute)
}

/// The identifier after `fn`.
fn name(tokens: &[TokenTree]) -> Option<Ident> {
    let is_fn =
        |token: &TokenTree| matches!(token, TokenTree::Ident(word) if word.to_string() == "fn");
    match ungrouped(tokens.get(tokens.iter().position(is_fn)? + 1)?) {
        TokenTree::Ident(name) => Some(name),
        _ => None,
    }
}

/// A fragment of a macro may come in an invisible group.
fn ungrouped(token: &TokenTree) -> TokenTree {
    match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
            match group.stream().into_iter().next() {
                Some(inner) => ungrouped(&inner),
                None => token.clone(),
            }
        }
        _ => token.clone(),
    }
}

/// Texts of the attributes that users see, and those on which the function's existence depends.
fn attributes(tokens: &[TokenTree]) -> (Vec<String>, TokenStream) {
    let (mut told, mut carried) = (Vec::new(), TokenStream::new());
    for attribute in tokens[..end_of_attributes(tokens)].chunks(2) {
        let body = match &attribute[1] {
            TokenTree::Group(body) => body,
            _ => continue,
        };
        let first = body.stream().into_iter().next().map(|token| ungrouped(&token).to_string());
        match first.as_deref() {
            Some("doc") | Some("deprecated") => told.push(format!("#{}", body)),
            Some("cfg") | Some("cfg_attr") => carried.extend(attribute.iter().cloned()),
            _ => {}
        }
    }
    (told, carried)
}

fn one_line(arguments: &TokenStream) -> String {
    arguments.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn group(delimiter: Delimiter, stream: TokenStream) -> TokenTree {
    Group::new(delimiter, stream).into()
}

fn parsed(text: &str) -> TokenStream {
    text.parse().expect("precast's own text is Rust")
}
