//! Rewrites a source file of a macro crate so that it compiles as an ordinary wasm crate.
//!
//! Seven edits, all on tokens, all keeping every line number and every span of what stays:
//!
//! - `#[proc_macro]`, `#[proc_macro_attribute]` and `#[proc_macro_derive(…)]` are blanked out, and
//!   an export of the function is put right after its body, on the same line. This also works in
//!   the bodies of `macro_rules!`, where the function's name may be a metavariable.
//! - In `cfg` attributes that decide on a feature named `proc-macro`, `target_arch = "wasm32"` is
//!   made false: syn 1 and quote 1 turn their `proc_macro` support off for that architecture.
//! - Hashes become those of a 64-bit host ([`hashing`]).
//! - `#[proc_macro_error]` is told by its settings that the function is a macro.
//! - `feature(proc_macro_span)` becomes an attribute without effect: the guest has it ungated, and
//!   proc-macro2's build script, whose probe is rewritten as well, finds it.
//! - Paths into `std::panic` go to the guest's, where panics can be caught, and so do those into
//!   `std::process`, where a process that is to be started ends the expansion ([`panics`]).
//!
//! - What std does not know in wasm of the process, the system and the crate's own directories is asked of
//!   the guest ([`surroundings`]).
//!
//! A form that is not understood is left alone; rustc then names it.

mod hashing;
mod panics;
mod surroundings;

use crate::manifest::Kind;
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use std::ops::Range;
use std::str::FromStr;

/// Text that every file worth rewriting contains.
const MARKS: [&str; 2] = ["proc_macro", "\"proc-macro\""];

/// What the guest has without a gate, and what to write instead.
const GATE: &str = "feature(proc_macro_span)";
const NO_GATE: &str = "allow(unused)           ";

/// An architecture that does not exist, as long as `"wasm32"`.
const NO_ARCH: &str = "\"no-cpu\"";

/// A macro function found in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    pub kind: Kind,
    /// The function's name; `None` where a metavariable stands.
    pub function: Option<String>,
    /// The function exists whatever the features are: no `cfg`, not inside a macro.
    pub always: bool,
    /// The other outer attributes of the function, as source text.
    pub attributes: Vec<String>,
}

#[derive(Debug, Default)]
pub struct Rewritten {
    pub text: String,
    pub declared: Vec<Declared>,
}

/// Rewrites one file; `None` if there is nothing to do in it.
pub fn rewrite(source: &str) -> Option<Rewritten> {
    let marks = MARKS.iter().chain(&panics::MARKS).chain(&hashing::MARKS);
    let mut marks = marks.chain(&surroundings::MARKS);
    if !marks.any(|mark| source.contains(mark)) {
        return None;
    }
    // A file that cannot be lexed is rustc's to complain about.
    let tokens = TokenStream::from_str(source).ok()?;
    let mut pass = Pass {
        source,
        edits: Vec::new(),
        declared: Vec::new(),
        is_opaque: false,
        hashes: hashing::is_concerned(source),
        surroundings: surroundings::is_concerned(source),
        constants: Vec::new(),
        in_use: false,
        invocation: None,
    };
    pass.sequence(tokens, 0);
    let rewritten = (!pass.edits.is_empty()).then(|| pass.apply());
    proc_macro2::extra::invalidate_current_thread_spans();
    rewritten
}

struct Pass<'a> {
    source: &'a str,
    /// Replacements, none overlapping another; an insertion is an empty range.
    edits: Vec<(Range<usize>, String)>,
    declared: Vec<Declared>,
    /// The tokens are those of a macro that may do anything with them.
    is_opaque: bool,
    /// Paths to the hasher are to be changed.
    hashes: bool,
    /// Paths into `std::env` are to be changed.
    surroundings: bool,
    /// Constants of `std::env::consts` that the file has imported.
    constants: Vec<String>,
    /// The tokens are in the braces of a `use`.
    in_use: bool,
    /// Where the macro invocation ends that the tokens are in.
    invocation: Option<usize>,
}

/// The attribute that makes a function a macro.
struct Marker {
    kind: Kind,
    /// The text between the parentheses of `proc_macro_derive(…)`.
    arguments: String,
    /// What to blank out.
    range: Range<usize>,
    /// The condition of the `cfg_attr` around it.
    condition: Option<String>,
}

/// A run of outer attributes before an item.
#[derive(Default)]
struct Attributes {
    /// Several where `cfg_attr` chooses among them.
    markers: Vec<Marker>,
    /// Attributes on which the function's existence may depend, to be repeated on the export.
    carried: Vec<String>,
    /// Source text of all but the marker.
    texts: Vec<String>,
    /// What to insert into `#[proc_macro_error]`, and where.
    settings: Option<(usize, &'static str)>,
}

impl Pass<'_> {
    fn sequence(&mut self, tokens: TokenStream, depth: usize) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            if is_quotation(&tokens[at..]) {
                at += 3;
                continue;
            }
            if is_gate(&tokens[at..]) {
                self.edits.push((span_of(&tokens[at..at + 2]), NO_GATE.to_owned()));
                at += 2;
                continue;
            }
            if !self.is_opaque {
                if let Some((range, text, n_tokens)) = surroundings::own_place(&tokens[at..]) {
                    self.edits.push((range, text));
                    at += n_tokens;
                    continue;
                }
                let opaque = panics::opaque(&tokens[at..]);
                if let Some(stream) = opaque.filter(|_| !surroundings::joins(&tokens[at..])) {
                    let outer = self.invocation;
                    self.invocation = outer.or(invocation_end(&tokens, at + 2, depth));
                    self.is_opaque = true;
                    self.sequence(stream, depth + 1);
                    self.is_opaque = false;
                    self.invocation = outer;
                    at += 3;
                    continue;
                }
                if self.hashes {
                    let kept = hashing::kept(&tokens[at..], self.source);
                    self.edits.extend(kept.into_iter().flatten());
                }
                if let Some((methods, body)) = hashing::methods(&tokens[at..]) {
                    let start = inside(body).start;
                    self.edits.push((start..start, methods));
                }
                let constants = &mut self.constants;
                if surroundings::is_constant(&tokens, at, self.source, self.in_use, constants) {
                    let end = tokens[at].span().byte_range().end;
                    self.edits.push((end..end, "()".to_owned()));
                }
                if panics::leads(&tokens, at)
                    || self.hashes && hashing::leads(&tokens, at)
                    || self.surroundings && surroundings::leads(&tokens, at)
                {
                    let root = if panics::is_rooted(&tokens, at) { "" } else { "::" };
                    let range = tokens[at].span().byte_range();
                    self.edits.push((range, format!("{root}{}", panics::STD)));
                }
            }
            let (attributes, after) = self.attributes(&tokens, at);
            if !attributes.markers.is_empty() {
                if let Some(export) = find_export(&tokens[after..]) {
                    if let Some((at, settings)) = attributes.settings {
                        self.edits.push((at..at, settings.to_owned()));
                    }
                    for marker in &attributes.markers {
                        self.export(marker, &attributes, &export, depth);
                    }
                }
            }
            if after > at {
                at = after;
                continue;
            }
            if let TokenTree::Group(group) = &tokens[at] {
                let (outer, in_use) = (self.invocation, self.in_use);
                self.invocation = outer.or(invocation_end(&tokens, at, depth));
                self.in_use = surroundings::is_tree(&tokens, at);
                self.sequence(group.stream(), depth + 1);
                self.invocation = outer;
                self.in_use = in_use;
            }
            at += 1;
        }
    }

    /// Reads the outer attributes that start at `at`; returns them and the index after them.
    fn attributes(&mut self, tokens: &[TokenTree], at: usize) -> (Attributes, usize) {
        let mut found = Attributes::default();
        let mut at = at;
        loop {
            if let Some((range, body)) = attribute(&tokens[at..]) {
                self.attribute(&mut found, range, &body);
                at += 2;
            } else if let Some((range, n_tokens)) = repetition(&tokens[at..]) {
                found.carried.push(self.source[range].to_owned());
                at += n_tokens;
            } else {
                return (found, at);
            }
        }
    }

    fn attribute(&mut self, found: &mut Attributes, range: Range<usize>, body: &Group) {
        let tokens: Vec<TokenTree> = body.stream().into_iter().collect();
        let text = &self.source[range.clone()];
        if let Some(marker) = self.marker(&tokens, range.clone()) {
            found.markers.push(marker);
            return;
        }
        let name = ident(tokens.first());
        if matches!(name.as_deref(), Some("cfg" | "cfg_attr")) {
            self.disable_wasm_condition(&tokens, text);
            if name.as_deref() == Some("cfg_attr") {
                if let Some(marker) = self.conditional_marker(&tokens) {
                    found.markers.push(marker);
                    return;
                }
            }
            found.carried.push(text.to_owned());
        }
        found.settings = found.settings.or(settings(&tokens));
        // A documentation comment's line may end with a carriage return, which would be part of it.
        found.texts.push(text.trim_end_matches('\r').to_owned());
    }

    fn marker(&self, tokens: &[TokenTree], range: Range<usize>) -> Option<Marker> {
        let (kind, arguments) = match (ident(tokens.first())?.as_str(), tokens.get(1)) {
            ("proc_macro", None) => (Kind::Bang, String::new()),
            ("proc_macro_attribute", None) => (Kind::Attribute, String::new()),
            ("proc_macro_derive", Some(TokenTree::Group(group))) => {
                (Kind::Derive, self.source[inside(group)].trim().to_owned())
            }
            _ => return None,
        };
        Some(Marker { kind, arguments, range, condition: None })
    }

    /// `cfg_attr(condition, …, proc_macro_derive(…), …)`
    fn conditional_marker(&self, tokens: &[TokenTree]) -> Option<Marker> {
        let TokenTree::Group(group) = tokens.get(1)? else { return None };
        let inner: Vec<TokenTree> = group.stream().into_iter().collect();
        let mut parts = inner.split(is_comma);
        let condition = parts.next().filter(|part| !part.is_empty())?;
        let condition = self.source[span_of(condition)].to_owned();
        parts.filter(|part| !part.is_empty()).find_map(|part| {
            let marker = self.marker(part, span_of(part))?;
            Some(Marker { condition: Some(condition.clone()), ..marker })
        })
    }

    fn disable_wasm_condition(&mut self, tokens: &[TokenTree], text: &str) {
        if !text.contains("\"proc-macro\"") || !text.contains("target_arch") {
            return;
        }
        let mut previous = [String::new(), String::new()];
        let mut stack: Vec<TokenTree> = tokens.iter().rev().cloned().collect();
        while let Some(token) = stack.pop() {
            if let TokenTree::Group(group) = &token {
                let mut inner: Vec<TokenTree> = group.stream().into_iter().collect();
                inner.reverse();
                stack.extend(inner);
                continue;
            }
            let text = token.to_string();
            if previous == ["target_arch", "="] && text == "\"wasm32\"" {
                self.edits.push((token.span().byte_range(), NO_ARCH.to_owned()));
            }
            previous = [std::mem::take(&mut previous[1]), text];
        }
    }

    fn export(&mut self, marker: &Marker, attributes: &Attributes, at: &Export, depth: usize) {
        let Export { function, body_end, is_template } = at;
        let end = self.invocation.filter(|_| *is_template).unwrap_or(*body_end);
        let kind = match marker.kind {
            Kind::Derive => "derive",
            Kind::Attribute => "attribute",
            Kind::Bang => "bang",
        };
        let mut carried = attributes.carried.concat();
        if let Some(condition) = &marker.condition {
            carried.push_str(&format!("#[cfg({condition})]"));
        }
        let symbol = symbol(kind, function, &marker.arguments);
        let text = format!(
            " const _: () = {{ {carried} #[unsafe(export_name = {symbol})] \
             extern \"C\" fn __precast_export() -> i32 {{ \
             extern crate proc_macro as __precast_guest; \
             __precast_guest::__precast::{kind}({function}) }} }};"
        );
        self.edits.push((marker.range.clone(), blank(&self.source[marker.range.clone()])));
        self.edits.push((end..end, text.replace('\n', " ")));
        self.declared.push(Declared {
            kind: marker.kind,
            function: (!function.contains('$')).then(|| function.clone()),
            always: depth == 0 && carried.is_empty(),
            attributes: attributes.texts.clone(),
        });
    }

    fn apply(mut self) -> Rewritten {
        self.edits.sort_by_key(|(range, _)| (range.start, range.end));
        let mut text = String::with_capacity(self.source.len() + 256 * self.edits.len());
        let mut done = 0;
        for (range, replacement) in &self.edits {
            text.push_str(&self.source[done..range.start]);
            text.push_str(replacement);
            done = range.end;
        }
        text.push_str(&self.source[done..]);
        Rewritten { text, declared: self.declared }
    }
}

/// `#[proc_macro_error]` looks for the attribute that is blanked out; its settings say the same.
fn settings(tokens: &[TokenTree]) -> Option<(usize, &'static str)> {
    let at = tokens.iter().position(|token| matches!(token, TokenTree::Group(_)));
    let name = &tokens[..at.unwrap_or(tokens.len())];
    if ident(name.last())? != "proc_macro_error" {
        return None;
    }
    Some(match at.map(|at| &tokens[at]) {
        Some(TokenTree::Group(group)) => {
            (inside(group).start, "assert_unwind_safe, allow_not_macro, ")
        }
        _ => (span_of(name).end, "(assert_unwind_safe, allow_not_macro)"),
    })
}

/// Where the export of a function goes.
struct Export {
    /// The function's name as written, `$` included.
    function: String,
    body_end: usize,
    /// It has no parameters, so it is no macro yet: the macro that it is given to makes one of it.
    is_template: bool,
}

/// `… fn NAME … { … }`, up to the end of the body.
fn find_export(tokens: &[TokenTree]) -> Option<Export> {
    let end = tokens.iter().position(|token| punct(token) == Some(';')).unwrap_or(tokens.len());
    let tokens = &tokens[..end];
    let after_fn =
        1 + tokens.iter().position(|token| ident(Some(token)).as_deref() == Some("fn"))?;
    let function = match tokens.get(after_fn)? {
        TokenTree::Punct(dollar) if dollar.as_char() == '$' => {
            format!("${}", ident(tokens.get(after_fn + 1))?)
        }
        token => ident(Some(token))?,
    };
    let body_end = tokens[after_fn..].iter().find_map(|token| match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
            Some(group.span().byte_range().end)
        }
        _ => None,
    })?;
    let parameters = tokens[after_fn..].iter().find_map(|token| match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis => Some(group),
        _ => None,
    });
    let is_template = parameters.is_some_and(|group| group.stream().is_empty());
    Some(Export { function, body_end, is_template })
}

/// Where the invocation of a macro ends, among a module's items, that has the group at `at`.
fn invocation_end(tokens: &[TokenTree], at: usize, depth: usize) -> Option<usize> {
    let is_call = at > 1 && punct(&tokens[at - 1]) == Some('!');
    if depth > 0 || !is_call || ident(tokens.get(at - 2)).is_none() {
        return None;
    }
    let semicolon = tokens.get(at + 1).filter(|token| punct(token) == Some(';'));
    Some(semicolon.unwrap_or(&tokens[at]).span().byte_range().end)
}

/// The value of `export_name`: a literal, or an expression where metavariables take part.
fn symbol(kind: &str, function: &str, arguments: &str) -> String {
    if !function.contains('$') && !arguments.contains('$') {
        return format!("{:?}", format!("precast:{kind}:{function}:{arguments}"));
    }
    format!(
        "concat!(\"precast:{kind}:\", stringify!({function}), \":\", \
         stringify!({arguments}))"
    )
}

/// `#[…]` at the start of the tokens: its range in the source and its brackets.
fn attribute(tokens: &[TokenTree]) -> Option<(Range<usize>, Group)> {
    let [TokenTree::Punct(hash), TokenTree::Group(group), ..] = tokens else { return None };
    let is_attribute = hash.as_char() == '#' && group.delimiter() == Delimiter::Bracket;
    is_attribute.then(|| {
        // A doc comment is one token in the source: hash and brackets have the same span.
        let range = hash.span().byte_range().start..group.span().byte_range().end;
        (range, group.clone())
    })
}

/// `$(#[…])*` at the start of the tokens: its range in the source and how many tokens it has.
fn repetition(tokens: &[TokenTree]) -> Option<(Range<usize>, usize)> {
    let [TokenTree::Punct(dollar), TokenTree::Group(group), rest @ ..] = tokens else {
        return None;
    };
    if dollar.as_char() != '$' || group.delimiter() != Delimiter::Parenthesis {
        return None;
    }
    let inside: Vec<TokenTree> = group.stream().into_iter().collect();
    // With more inside it repeats whole items.
    attribute(&inside).filter(|_| inside.len() == 2)?;
    let operator = rest.iter().take(2).position(|t| matches!(punct(t), Some('*' | '+' | '?')))?;
    let end = rest[operator].span().byte_range().end;
    Some((dollar.span().byte_range().start..end, operator + 3))
}

/// `quote!(…)` and its kin: tokens there are a program's output, not this crate's items.
pub(super) fn is_quotation(tokens: &[TokenTree]) -> bool {
    let [TokenTree::Ident(name), bang, TokenTree::Group(_), ..] = tokens else { return false };
    punct(bang) == Some('!')
        && ["quote", "quote_spanned", "parse_quote"].iter().any(|quote| name == quote)
}

/// `feature(proc_macro_span)` at the start of the tokens.
fn is_gate(tokens: &[TokenTree]) -> bool {
    let [TokenTree::Ident(_), TokenTree::Group(_), ..] = tokens else { return false };
    format!("{}{}", tokens[0], tokens[1]) == GATE
}

fn ident(token: Option<&TokenTree>) -> Option<String> {
    match token {
        Some(TokenTree::Ident(ident)) => Some(ident.to_string()),
        _ => None,
    }
}

fn punct(token: &TokenTree) -> Option<char> {
    match token {
        TokenTree::Punct(punct) => Some(punct.as_char()),
        _ => None,
    }
}

fn is_comma(token: &TokenTree) -> bool {
    punct(token) == Some(',')
}

fn inside(group: &Group) -> Range<usize> {
    group.span_open().byte_range().end..group.span_close().byte_range().start
}

fn span_of(tokens: &[TokenTree]) -> Range<usize> {
    let first = tokens.first().expect("callers pass at least one token");
    let last = tokens.last().expect("callers pass at least one token");
    first.span().byte_range().start..last.span().byte_range().end
}

/// Spaces of the same length, newlines kept.
fn blank(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte == b'\n' || byte == b'\r' { byte as char } else { ' ' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::rewrite;
    use crate::manifest::Kind;

    fn rewritten(source: &str) -> String {
        rewrite(source).map_or_else(|| source.to_owned(), |file| file.text)
    }

    /// The whole text, exports and all.
    pub fn check_text(source: &str, expected: &str) {
        assert_eq!(rewritten(source), expected);
    }

    /// The rewritten text, with each export shortened to its attributes, symbol and call.
    fn shown(source: &str) -> String {
        let text = rewritten(source);
        assert_eq!(text.lines().count(), source.lines().count(), "lines stay");
        let text = text.replace(" const _: () = { ", "«").replace(" }};", "»");
        let text = text.replace("#[unsafe(export_name = ", "").replace(
            ")] extern \"C\" fn __precast_export() -> i32 { extern crate proc_macro as \
             __precast_guest; __precast_guest::__precast::",
            " ",
        );
        text.replace(" } };", "»")
    }

    fn check(source: &str, expected: &str) {
        assert_eq!(shown(source), expected);
    }

    #[test]
    fn a_derive() {
        check(
            "#[proc_macro_derive(A, attributes(a, b))]\n/// é\npub fn f(i: T) -> T { i }\nfn g() {}",
            "                                         \n/// é\npub fn f(i: T) -> T { i }\
             « \"precast:derive:f:A, attributes(a, b)\" derive(f)»\nfn g() {}",
        );
    }

    #[test]
    fn attributes_and_bangs_and_conditions() {
        check(
            "#[proc_macro] #[cfg(feature = \"a\")] pub fn f(i: T) -> T { i }",
            "              #[cfg(feature = \"a\")] pub fn f(i: T) -> T { i }\
             «#[cfg(feature = \"a\")] \"precast:bang:f:\" bang(f)»",
        );
        check(
            "#[cfg_attr(not(test), proc_macro_attribute)] fn f(a: T, i: T) -> T { i }",
            "#[cfg_attr(not(test),                     )] fn f(a: T, i: T) -> T { i }\
             «#[cfg(not(test))] \"precast:attribute:f:\" attribute(f)»",
        );
    }

    #[test]
    fn the_gate_of_spans() {
        check(
            "#![cfg_attr(any(proc_macro_span, x), feature(proc_macro_span))]",
            "#![cfg_attr(any(proc_macro_span, x), allow(unused)           )]",
        );
        let other = "#![feature(proc_macro_span, other)]";
        check(other, other);
    }

    #[test]
    fn proc_macro_error() {
        check(
            "#[proc_macro] #[proc_macro_error] pub fn f(i: T) -> T { i }",
            "              #[proc_macro_error(assert_unwind_safe, allow_not_macro)] \
             pub fn f(i: T) -> T { i }« \"precast:bang:f:\" bang(f)»",
        );
        check(
            "#[a::proc_macro_error(b)] #[proc_macro] pub fn f(i: T) -> T { i }",
            "#[a::proc_macro_error(assert_unwind_safe, allow_not_macro, b)]               \
             pub fn f(i: T) -> T { i }« \"precast:bang:f:\" bang(f)»",
        );
        check("#[proc_macro_error] fn f() {}", "#[proc_macro_error] fn f() {}");
    }

    #[test]
    fn alternatives() {
        check(
            "#[cfg_attr(a, proc_macro_derive(T))] #[cfg_attr(not(a), proc_macro_derive(T, attributes(t)))] \
             pub fn f(i: T) -> T { i }",
            "#[cfg_attr(a,                     )] #[cfg_attr(not(a),                                    )] \
             pub fn f(i: T) -> T { i }\
             «#[cfg(a)] \"precast:derive:f:T\" derive(f)»\
             «#[cfg(not(a))] \"precast:derive:f:T, attributes(t)\" derive(f)»",
        );
    }

    #[test]
    fn a_template() {
        check(
            "a::make! { #[proc_macro] pub fn f() { x } } fn g() {}",
            "a::make! {               pub fn f() { x } }« \"precast:bang:f:\" bang(f)» fn g() {}",
        );
        check(
            "make!(#[proc_macro] pub fn f() {});",
            "make!(              pub fn f() {});« \"precast:bang:f:\" bang(f)»",
        );
        check(
            "items! { #[proc_macro] pub fn f(i: T) -> T { i } }",
            "items! {               pub fn f(i: T) -> T { i }« \"precast:bang:f:\" bang(f)» }",
        );
    }

    #[test]
    fn metavariables() {
        check(
            "macro_rules! m { ($t:ident, $f:ident) => { #[proc_macro_derive($t)] \
             $(#[$x])* pub fn $f(i: T) -> T { i } } }",
            "macro_rules! m { ($t:ident, $f:ident) => {                          \
             $(#[$x])* pub fn $f(i: T) -> T { i }\
             «$(#[$x])* concat!(\"precast:derive:\", stringify!($f), \":\", \
             stringify!($t)) derive($f)» } }",
        );
    }

    #[test]
    fn repeated_items() {
        check(
            "macro_rules! m { ($($f:ident)*) => { $( #[proc_macro] pub fn $f(i: T) -> T { i } )* } }",
            "macro_rules! m { ($($f:ident)*) => { $(               pub fn $f(i: T) -> T { i }\
             « concat!(\"precast:bang:\", stringify!($f), \":\", \
             stringify!()) bang($f)» )* } }",
        );
    }

    #[test]
    fn what_is_not_an_item_stays() {
        for source in [
            "fn f() { quote! { #[proc_macro] pub fn g(i: T) -> T { i } } }",
            "// #[proc_macro]\nfn f() {}",
            "const S: &str = \"#[proc_macro] fn f() {}\";",
            "use proc_macro::TokenStream;",
            "macro_rules! m { ($i:item) => { #[proc_macro] $i } }",
        ] {
            check(source, source);
        }
    }

    #[test]
    fn the_wasm_condition_of_syn_1() {
        check(
            "#[cfg(all(not(all(target_arch = \"wasm32\", x)), feature = \"proc-macro\"))] mod a;",
            "#[cfg(all(not(all(target_arch = \"no-cpu\", x)), feature = \"proc-macro\"))] mod a;",
        );
        let other = "#[cfg(target_arch = \"wasm32\")] mod proc_macro;";
        check(other, other);
    }

    #[test]
    fn declarations() {
        let file = rewrite(
            "/// One.\r\n#[proc_macro]\n#[doc(hidden)]\npub fn f(i: T) -> T { i }\n\
             #[cfg(a)]\n#[proc_macro_attribute]\npub fn g(a: T, i: T) -> T { i }\n",
        );
        let declared = file.expect("there are macros").declared;
        assert_eq!(declared.len(), 2);
        assert_eq!(declared[0].kind, Kind::Bang);
        assert_eq!(declared[0].function.as_deref(), Some("f"));
        assert_eq!(declared[0].attributes, ["/// One.", "#[doc(hidden)]"]);
        assert!(declared[0].always && !declared[1].always);
    }
}
