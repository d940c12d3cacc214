//! Rewrites a source file so that a macro crate compiles as an ordinary wasm crate.
//!
//! Few edits, all on tokens, all keeping every line number and every span of what stays:
//!
//! - `#[proc_macro]`, `#[proc_macro_attribute]` and `#[proc_macro_derive(…)]` become the guest's
//!   attributes, wherever they stand: on a function, in a `cfg_attr`, in the body of a `macro_rules!` or
//!   among a macro's arguments. Those make an export of the function when they are expanded. In crates of
//!   this machine that is done to what their macros write (`quote!`): proc-macro-hack declares macros
//!   for others.
//! - In `cfg` attributes that decide on a feature named `proc-macro`, `target_arch = "wasm32"` is
//!   made false: syn 1 and quote 1 turn their `proc_macro` support off for that architecture.
//! - In files that choose `SmallRng` by `target_pointer_width`, 32 and 64 bits change places: rand's generator
//!   is then the native one.
//! - Hashes become those of a 64-bit host ([`hashing`]).
//!   An attribute before it that may be a macro finds it where it was (`manyhow` looks), and the guest's before both.
//! - `#[proc_macro_error]` is told by its settings that the function is a macro.
//! - `feature(proc_macro_span)` becomes an attribute without effect: the guest has it ungated, and
//!   proc-macro2's build script, whose probe is rewritten as well, finds it.
//! - The system's name and the crate's own directories are asked of the host ([`surroundings`]).
//!
//! A form that is not understood is left alone; rustc then names it.

mod hashing;
mod surroundings;
mod tokens;

use crate::artifact::manifest::Kind;
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use std::ops::Range;
use std::str::FromStr;
use tokens::{ident, inside, is_comma, is_tree, punct, span_of};

/// The name by which crates know the attributes.
pub const PREFIX: &str = "__precast_attributes";

/// Text of which one is in every file worth rewriting.
const MARKS: [&str; 3] = ["proc_macro", "\"proc-macro\"", GENERATOR];

/// What the guest has without a gate, and what to write instead.
const GATE: &str = "feature(proc_macro_span)";
const NO_GATE: &str = "allow(unused)           ";

/// An architecture that does not exist, as long as `"wasm32"`.
const NO_ARCH: &str = "\"no-cpu\"";

/// The generator of rand that is another one where pointers have 64 bits, and with a given seed other
/// numbers: phf lays out its maps by them.
const GENERATOR: &str = "SmallRng";
const WIDTH: &str = "target_pointer_width";

/// Attributes that are no macros, and often stand before a macro's function.
const INERT: [&str; 16] = [
    "allow",
    "cfg",
    "cfg_attr",
    "clippy",
    "cold",
    "deny",
    "deprecated",
    "doc",
    "expect",
    "forbid",
    "inline",
    "must_use",
    "rustfmt",
    "rustdoc",
    "track_caller",
    "warn",
];

/// Macros whose arguments are code that runs where it stands, or items of the crate. What others do with
/// theirs is not known.
const CODE: [&str; 21] = [
    "assert",
    "assert_eq",
    "assert_ne",
    "cfg_if",
    "concat",
    "dbg",
    "debug_assert",
    "eprintln",
    "format",
    "lazy_static",
    "matches",
    "panic",
    "print",
    "println",
    "thread_local",
    "todo",
    "unimplemented",
    "unreachable",
    "vec",
    "write",
    "writeln",
];

/// A macro function found in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    pub kind: Kind,
    /// The function's name; `None` where a metavariable stands.
    pub function: Option<String>,
    /// The function exists whatever the features are: no `cfg`, not inside a macro.
    pub always: bool,
}

#[derive(Debug, Default)]
pub struct Rewritten {
    pub text: String,
    pub declared: Vec<Declared>,
}

/// Rewrites one file of a crate for wasm; `None` if there is nothing to do in it.
pub fn rewrite(source: &str) -> Option<Rewritten> {
    let mut marks = MARKS.iter().chain(&hashing::MARKS).chain(&surroundings::MARKS);
    let is_marked = marks.any(|mark| source.contains(mark));
    is_marked.then(|| pass(source, |pass, tokens| pass.sequence(tokens, 0))).flatten()
}

/// Rewrites one file of a crate for this machine: what its macros write.
pub fn rewrite_quotations(source: &str) -> Option<Rewritten> {
    // Few crates write that, and every file of the others would be lexed.
    source
        .contains("#[proc_macro")
        .then(|| pass(source, |pass, tokens| pass.quotations(tokens, false)))
        .flatten()
}

fn pass(source: &str, run: impl FnOnce(&mut Pass, TokenStream)) -> Option<Rewritten> {
    // A file that cannot be lexed is rustc's to complain about.
    let tokens = TokenStream::from_str(source).ok()?;
    let mut pass = Pass {
        source,
        edits: Vec::new(),
        declared: Vec::new(),
        is_opaque: false,
        constants: Vec::new(),
        in_use: false,
    };
    run(&mut pass, tokens);
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
    /// Constants of `std::env::consts` that the file has imported.
    constants: Vec<String>,
    /// The tokens are in the braces of a `use`.
    in_use: bool,
}

/// A run of outer attributes before an item.
#[derive(Default)]
struct Attributes {
    /// Those that make a function a macro, several where `cfg_attr` chooses among them.
    markers: Vec<Kind>,
    /// The function, or whether it is a macro, depends on a condition.
    is_conditional: bool,
    /// What to insert into `#[proc_macro_error]`, and where.
    settings: Option<(usize, &'static str)>,
    /// Where the first one begins that may be a macro, which sees those behind it.
    seeing: Option<usize>,
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
                if let Some(stream) = opaque(&tokens[at..]) {
                    self.is_opaque = true;
                    self.sequence(stream, depth + 1);
                    self.is_opaque = false;
                    at += 3;
                    continue;
                }
                let kept = hashing::kept(&tokens[at..], self.source);
                self.edits.extend(kept.into_iter().flatten());
                if let Some((methods, body)) = hashing::methods(&tokens[at..]) {
                    let start = inside(body).start;
                    self.edits.push((start..start, methods));
                }
                let constants = &mut self.constants;
                if surroundings::is_constant(&tokens, at, self.source, self.in_use, constants) {
                    let end = tokens[at].span().byte_range().end;
                    self.edits.push((end..end, surroundings::ASK.to_owned()));
                }
            }
            let (attributes, after) = self.attributes(&tokens, at);
            if !attributes.markers.is_empty() {
                self.declare(&attributes, function(&tokens[after..]), depth);
            }
            if after > at {
                at = after;
                continue;
            }
            if let TokenTree::Group(group) = &tokens[at] {
                let in_use = std::mem::replace(&mut self.in_use, is_tree(&tokens, at));
                self.sequence(group.stream(), depth + 1);
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
            } else if let Some(n_tokens) = repetition(&tokens[at..]) {
                found.is_conditional = true;
                at += n_tokens;
            } else {
                return (found, at);
            }
        }
    }

    fn attribute(&mut self, found: &mut Attributes, range: Range<usize>, body: &Group) {
        let tokens: Vec<TokenTree> = body.stream().into_iter().collect();
        if let Some(kind) = self.mark(&tokens) {
            found.markers.push(kind);
            self.put_before(found.seeing, &tokens);
            return;
        }
        let name = ident(tokens.first());
        if name.as_deref().is_some_and(|name| !INERT.contains(&name)) && settings(&tokens).is_none()
        {
            found.seeing = found.seeing.or(Some(range.start));
        }
        if matches!(name.as_deref(), Some("cfg" | "cfg_attr")) {
            found.is_conditional = true;
            self.conditions(&tokens, range);
        }
        if let (Some("cfg_attr"), Some(TokenTree::Group(group))) = (name.as_deref(), tokens.get(1))
        {
            let inner: Vec<TokenTree> = group.stream().into_iter().collect();
            for part in inner.split(is_comma).skip(1) {
                found.markers.extend(self.mark(part));
            }
        }
        found.settings = found.settings.or(settings(&tokens));
    }

    /// Leads an attribute that makes a function a macro to the guest's of that name.
    fn mark(&mut self, tokens: &[TokenTree]) -> Option<Kind> {
        let (kind, name) = match (ident(tokens.first())?.as_str(), tokens.get(1)) {
            ("proc_macro", None) => (Kind::Bang, "bang_macro"),
            ("proc_macro_attribute", None) => (Kind::Attribute, "attribute_macro"),
            ("proc_macro_derive", Some(TokenTree::Group(_))) => (Kind::Derive, "derive_macro"),
            _ => return None,
        };
        self.edits.push((tokens[0].span().byte_range(), format!("{PREFIX}::{name}")));
        Some(kind)
    }

    /// Lets the marked attribute as it was, and puts what it has become there.
    fn put_before(&mut self, place: Option<usize>, marked: &[TokenTree]) {
        let (Some(place), Some((_, name))) = (place, self.edits.last()) else { return };
        let arguments = marked[1..].iter().map(|token| &self.source[token.span().byte_range()]);
        let text = format!("#[{name}{}]", arguments.collect::<String>());
        self.edits.pop();
        self.edits.push((place..place, text));
    }

    /// The same in what a macro writes.
    fn quotations(&mut self, tokens: TokenStream, is_quoted: bool) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            if is_quotation(&tokens[at..]) {
                if let TokenTree::Group(group) = &tokens[at + 2] {
                    self.quotations(group.stream(), true);
                }
                at += 3;
                continue;
            }
            if let (true, Some((_, body))) = (is_quoted, attribute(&tokens[at..])) {
                self.mark(&body.stream().into_iter().collect::<Vec<_>>());
                at += 2;
                continue;
            }
            if let TokenTree::Group(group) = &tokens[at] {
                self.quotations(group.stream(), is_quoted);
            }
            at += 1;
        }
    }

    /// Makes conditions come out as natively.
    fn conditions(&mut self, tokens: &[TokenTree], range: Range<usize>) {
        let text = &self.source[range];
        let mut rules = Vec::new();
        if text.contains("\"proc-macro\"") && text.contains("target_arch") {
            rules.push(["target_arch", "\"wasm32\"", NO_ARCH]);
        }
        if text.contains(WIDTH) && self.source.contains(GENERATOR) {
            rules.push([WIDTH, "\"64\"", "\"32\""]);
            rules.push([WIDTH, "\"32\"", "\"64\""]);
        }
        if rules.is_empty() {
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
            let rule =
                rules.iter().find(|[name, value, _]| previous == [*name, "="] && text == *value);
            if let Some([_, _, new]) = rule {
                self.edits.push((token.span().byte_range(), (*new).to_owned()));
            }
            previous = [std::mem::take(&mut previous[1]), text];
        }
    }

    fn declare(&mut self, attributes: &Attributes, function: Option<Option<String>>, depth: usize) {
        let Some(function) = function else { return };
        if let Some((at, settings)) = attributes.settings {
            self.edits.push((at..at, settings.to_owned()));
        }
        let always = depth == 0 && !attributes.is_conditional;
        let declared = |kind: &Kind| Declared { kind: *kind, function: function.clone(), always };
        self.declared.extend(attributes.markers.iter().map(declared));
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

/// The name of the function that follows, if one does, without `r#`; no name where a metavariable stands.
fn function(tokens: &[TokenTree]) -> Option<Option<String>> {
    let end = tokens.iter().position(|token| punct(token) == Some(';')).unwrap_or(tokens.len());
    let is_fn = |token: &TokenTree| ident(Some(token)).as_deref() == Some("fn");
    let at = 1 + tokens[..end].iter().position(is_fn)?;
    let plain = |name: String| name.strip_prefix("r#").map(str::to_owned).unwrap_or(name);
    Some(ident(tokens.get(at)).map(plain))
}

/// `name!(…)` at the start of the tokens, unless its argument is known to be code.
fn opaque(tokens: &[TokenTree]) -> Option<TokenStream> {
    let [TokenTree::Ident(name), bang, TokenTree::Group(group), ..] = tokens else { return None };
    let is_opaque = punct(bang) == Some('!') && CODE.iter().all(|code| name != code);
    is_opaque.then(|| group.stream())
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

/// `$(#[…])*` at the start of the tokens: how many tokens it has.
fn repetition(tokens: &[TokenTree]) -> Option<usize> {
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
    Some(operator + 3)
}

/// Macros whose arguments are what a program writes.
const QUOTATIONS: [&str; 3] = ["quote", "quote_spanned", "parse_quote"];

/// `quote!(…)` and its kin: tokens there are a program's output, not this crate's items.
pub(crate) fn is_quotation(tokens: &[TokenTree]) -> bool {
    let [TokenTree::Ident(name), bang, TokenTree::Group(_), ..] = tokens else { return false };
    punct(bang) == Some('!') && QUOTATIONS.iter().any(|quote| name == quote)
}

/// `feature(proc_macro_span)` at the start of the tokens.
fn is_gate(tokens: &[TokenTree]) -> bool {
    let [TokenTree::Ident(_), TokenTree::Group(_), ..] = tokens else { return false };
    format!("{}{}", tokens[0], tokens[1]) == GATE
}

#[cfg(test)]
mod tests {
    use super::{rewrite, rewrite_quotations};
    use crate::artifact::manifest::Kind;

    fn rewritten(source: &str) -> String {
        rewrite(source).map_or_else(|| source.to_owned(), |file| file.text)
    }

    /// The whole text, exports and all.
    pub fn check_text(source: &str, expected: &str) {
        assert_eq!(rewritten(source), expected);
    }

    fn check(source: &str, expected: &str) {
        let text = rewritten(source);
        assert_eq!(text, expected);
        assert_eq!(text.lines().count(), source.lines().count(), "lines stay");
    }

    #[test]
    fn attributes_of_macros() {
        for (before, attribute, after) in [
            (
                "#[",
                "proc_macro_derive",
                "(A, attributes(a, b))]\n/// é\npub fn f(i: T) -> T { i }\nfn g() {}",
            ),
            ("#[", "proc_macro", "] #[cfg(feature = \"a\")] pub fn f(i: T) -> T { i }"),
            ("#[cfg_attr(not(test), ", "proc_macro_attribute", ")] fn f(a: T, i: T) -> T { i }"),
            ("make!(#[", "proc_macro", "] pub fn f() {});"),
            ("decl! { #[", "proc_macro", "] fn f = 1 }"),
            (
                "macro_rules! m { ($t:ident) => { #[",
                "proc_macro_derive",
                "($t)] $(#[$x])* pub fn $f(i: T) -> T { i } } }",
            ),
            ("macro_rules! m { ($i:item) => { #[", "proc_macro", "] $i } }"),
        ] {
            let own = match attribute {
                "proc_macro" => "bang_macro",
                "proc_macro_attribute" => "attribute_macro",
                _ => "derive_macro",
            };
            let source = format!("{before}{attribute}{after}");
            check(&source, &format!("{before}__precast_attributes::{own}{after}"));
        }
    }

    #[test]
    fn what_macros_write() {
        let check = |source: &str, expected: &str| {
            let text =
                rewrite_quotations(source).map_or_else(|| source.to_owned(), |file| file.text);
            assert_eq!(text, expected);
        };
        check(
            "fn f() { quote! { #vis fn g() { #[proc_macro] } } } #[proc_macro] fn h() {}",
            "fn f() { quote! { #vis fn g() { #[__precast_attributes::bang_macro] } } } #[proc_macro] fn h() {}",
        );
        let other = "fn f() { quote! { #[derive(A)] } } use proc_macro::TokenStream;";
        check(other, other);
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
            "#[__precast_attributes::bang_macro] #[proc_macro_error(assert_unwind_safe, allow_not_macro)] \
             pub fn f(i: T) -> T { i }",
        );
        check(
            "#[a::proc_macro_error(b)] #[proc_macro] pub fn f(i: T) -> T { i }",
            "#[a::proc_macro_error(assert_unwind_safe, allow_not_macro, b)] \
             #[__precast_attributes::bang_macro] pub fn f(i: T) -> T { i }",
        );
        check("#[proc_macro_error] fn f() {}", "#[proc_macro_error] fn f() {}");
    }

    #[test]
    fn attributes_that_look_for_it() {
        check(
            "/// A.\n#[inline]\n#[manyhow]\n#[proc_macro_derive(A, attributes(a))]\npub fn f(i: T) -> T { i }",
            "/// A.\n#[inline]\n#[__precast_attributes::derive_macro(A, attributes(a))]#[manyhow]\n\
             #[proc_macro_derive(A, attributes(a))]\npub fn f(i: T) -> T { i }",
        );
        check(
            "#[proc_macro] #[manyhow] pub fn f(i: T) -> T { i }",
            "#[__precast_attributes::bang_macro] #[manyhow] pub fn f(i: T) -> T { i }",
        );
    }

    #[test]
    fn what_is_not_an_item_stays() {
        for source in [
            "fn f() { quote! { #[proc_macro] pub fn g(i: T) -> T { i } } }",
            "// #[proc_macro]\nfn f() {}",
            "const S: &str = \"#[proc_macro] fn f() {}\";",
            "use proc_macro::TokenStream;",
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
    fn the_generator_of_rand() {
        let source = |width: u8| {
            format!(
                "#[cfg(target_pointer_width = \"{width}\")] type Rng = A;\n\
                 #[cfg(not(all(target_pointer_width = \"{width}\", x)))] type Rng = B;\n"
            )
        };
        let choice = "pub struct SmallRng(Rng);";
        check(&(source(64) + choice), &(source(32) + choice));
        check(&(source(32) + choice), &(source(64) + choice));
        check(&source(64), &source(64));
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
        assert!(declared[0].always && !declared[1].always);
    }
}
