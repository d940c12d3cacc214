//! Source text in which a crate has another name. Nothing else of the text is changed.

use crate::base::error::{Class, Context, Error, Result};
use proc_macro2::{Delimiter, Group, Ident, Literal, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// What becomes of a feature of the macros in `cfg(feature = "…")`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flag {
    Named(String),
    /// It was always enabled.
    Always,
}

/// The new names.
#[derive(Default)]
pub struct Rules {
    /// Names of the crate.
    pub old: BTreeSet<String>,
    /// Its path in code, and the one in the code's documentation.
    pub code: String,
    pub documentation: String,
    /// What `extern crate` names.
    pub crate_name: String,
    /// Paths begin at the crate's root, as in the edition of 2015: only `extern crate` is changed.
    pub is_rooted: bool,
    pub features: BTreeMap<String, Flag>,
    /// Files that are included: the text in the source, and the new one.
    pub included: BTreeMap<String, String>,
}

/// The text of a file of Rust with the new names.
pub fn rewrite(text: &str, rules: &Rules) -> Result<String> {
    let tokens = tokens(text)?;
    let mut edits = Edits { rules, text, all: Vec::new(), has_alias: rules.is_rooted };
    edits.has_alias |= edits.declares(&tokens);
    edits.stream(&tokens);
    edits.all.sort_by_key(|(range, _)| range.start);
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (range, new) in edits.all {
        out += &text[at..range.start];
        out += &new;
        at = range.end;
    }
    Ok(out + &text[at..])
}

/// Files that a source includes, as it names them: relative to its own folder.
pub fn included(text: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    each_included(&tokens(text)?.trees, &mut |literal| found.extend(value(literal)));
    Ok(found)
}

/// Whether a text names the crate, as a word.
pub fn names(text: &str, name: &str) -> bool {
    words(text, name).next().is_some()
}

struct Tokens {
    trees: Vec<TokenTree>,
    /// Bytes before the text that was parsed.
    shift: usize,
}

fn tokens(text: &str) -> Result<Tokens> {
    let start = text.strip_prefix('\u{feff}').unwrap_or(text);
    // A line for a shell is no Rust; an inner attribute is.
    let start = match start.starts_with("#!") && !start[2..].trim_start().starts_with('[') {
        true => &start[start.find('\n').unwrap_or(start.len())..],
        false => start,
    };
    let stream: std::result::Result<TokenStream, _> = start.parse();
    let stream = stream.class(Class::Package, "this is no Rust")?;
    Ok(Tokens { trees: stream.into_iter().collect(), shift: text.len() - start.len() })
}

struct Edits<'a> {
    rules: &'a Rules,
    text: &'a str,
    all: Vec<(Range<usize>, String)>,
    /// The crate keeps its old name in this file.
    has_alias: bool,
}

impl Edits<'_> {
    fn is_old(&self, tree: Option<&TokenTree>) -> bool {
        matches!(tree, Some(TokenTree::Ident(name)) if self.rules.old.contains(&name.to_string()))
    }

    fn declares(&self, tokens: &Tokens) -> bool {
        tokens.trees.windows(3).any(|trees| is_extern_crate(trees) && self.is_old(trees.get(2)))
    }

    fn stream(&mut self, tokens: &Tokens) {
        self.trees(&tokens.trees, tokens.shift);
        let mut found = Vec::new();
        each_included(&tokens.trees, &mut |literal| found.push(literal.clone()));
        for literal in found {
            let new = value(&literal).and_then(|old| self.rules.included.get(&old));
            if let Some(new) = new {
                self.put(literal.span().byte_range(), tokens.shift, format!("{new:?}"));
            }
        }
    }

    fn put(&mut self, range: Range<usize>, shift: usize, new: String) {
        let range = range.start + shift..range.end + shift;
        if self.all.iter().all(|(known, _)| *known != range) {
            self.all.push((range, new));
        }
    }

    fn trees(&mut self, trees: &[TokenTree], shift: usize) {
        for (at, tree) in trees.iter().enumerate() {
            match tree {
                TokenTree::Ident(name) => self.ident(name, trees, at, shift),
                TokenTree::Punct(punct) if punct.as_char() == '#' => {
                    self.comment(punct.span().byte_range(), shift);
                }
                TokenTree::Group(group) => {
                    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                    self.trees(&inner, shift);
                }
                _ => {}
            }
        }
    }

    fn ident(&mut self, name: &Ident, trees: &[TokenTree], at: usize, shift: usize) {
        if name == "feature" {
            self.feature(trees, at, shift);
        }
        if !self.is_old(Some(&trees[at])) {
            return;
        }
        let range = name.span().byte_range();
        let declared = at >= 2 && is_extern_crate(&trees[at - 2..]);
        if declared {
            let is_renamed = is_word(trees.get(at + 1), "as");
            let alias = if is_renamed { String::new() } else { format!(" as {name}") };
            self.put(range, shift, self.rules.crate_name.clone() + &alias);
        } else if !self.has_alias && is_first(trees, at) {
            self.put(range, shift, self.rules.code.clone());
        }
    }

    /// `feature = "name"`.
    fn feature(&mut self, trees: &[TokenTree], at: usize, shift: usize) {
        let [Some(TokenTree::Punct(equals)), Some(TokenTree::Literal(literal))] =
            [trees.get(at + 1), trees.get(at + 2)]
        else {
            return;
        };
        let Some(name) = value(literal).filter(|_| equals.as_char() == '=') else { return };
        let start = trees[at].span().byte_range().start;
        let literal = literal.span().byte_range();
        match self.rules.features.get(&name) {
            Some(Flag::Named(new)) if *new != name => self.put(literal, shift, format!("{new:?}")),
            Some(Flag::Always) => self.put(start..literal.end, shift, "all()".into()),
            _ => {}
        }
    }

    /// A comment that is documentation: the compiler's tokens for it have its place.
    fn comment(&mut self, range: Range<usize>, shift: usize) {
        let text = &self.text[range.start + shift..range.end + shift];
        if !text.starts_with("//") && !text.starts_with("/*") {
            return;
        }
        let new = documentation(text, self.rules);
        if new != text {
            self.put(range, shift, new);
        }
    }
}

/// A text about the code, in which the crate is named by paths, or declared.
pub fn documentation(text: &str, rules: &Rules) -> String {
    let mut out = text.to_owned();
    for old in &rules.old {
        let is_path = |range: &Range<usize>| {
            let rest = &out[range.end..];
            let before = out[..range.start].trim_end();
            rest.starts_with("::")
                || rest.starts_with(';') && (before.ends_with("use") || before.ends_with("crate"))
        };
        let ranges: Vec<Range<usize>> = words(&out, old).filter(is_path).collect();
        for range in ranges.into_iter().rev() {
            let is_declared = out[..range.start].trim_end().ends_with("crate");
            let new = if is_declared { &rules.crate_name } else { &rules.documentation };
            out.replace_range(range, new);
        }
    }
    out
}

fn words<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    text.match_indices(name).filter_map(move |(at, _)| {
        let end = at + name.len();
        let is_word = !text[..at].ends_with(is_part) && !text[end..].starts_with(is_part);
        is_word.then_some(at..end)
    })
}

fn is_word(tree: Option<&TokenTree>, word: &str) -> bool {
    matches!(tree, Some(TokenTree::Ident(name)) if name == word)
}

/// Whether a name stands where a crate's would: it begins a path, and is no helper attribute of that name.
fn is_first(trees: &[TokenTree], at: usize) -> bool {
    let is_colon =
        |at: usize| matches!(trees.get(at), Some(TokenTree::Punct(p)) if p.as_char() == ':');
    let begins_path = is_colon(at + 1) && is_colon(at + 2);
    let is_imported = at >= 1 && is_word(trees.get(at - 1), "use");
    let is_behind = at >= 2 && is_colon(at - 1) && is_colon(at - 2);
    // `::name` is a crate, `module::name` is not.
    let has_parent = is_behind && at >= 3 && is_path_part(&trees[at - 3]);
    (begins_path || is_imported) && !has_parent
}

fn is_path_part(tree: &TokenTree) -> bool {
    let words = ["use", "as", "in", "mut", "dyn", "impl", "return", "else", "ref", "move", "for"];
    match tree {
        TokenTree::Ident(name) => !words.iter().any(|word| name == word),
        TokenTree::Punct(punct) => punct.as_char() == '>',
        _ => false,
    }
}

fn is_extern_crate(trees: &[TokenTree]) -> bool {
    is_word(trees.first(), "extern") && is_word(trees.get(1), "crate")
}

/// `include_str!("…")` and its like, and `#[path = "…"]`.
fn each_included(trees: &[TokenTree], found: &mut dyn FnMut(&Literal)) {
    for (at, tree) in trees.iter().enumerate() {
        if let TokenTree::Group(group) = tree {
            let inner: Vec<TokenTree> = group.stream().into_iter().collect();
            if is_including(trees, at) {
                if let [TokenTree::Literal(literal)] = &inner[..] {
                    found(literal);
                }
            } else if group.delimiter() == Delimiter::Bracket {
                path_of(group).iter().for_each(&mut *found);
            }
            each_included(&inner, found);
        }
    }
}

fn is_including(trees: &[TokenTree], at: usize) -> bool {
    let is_call = |tree: &TokenTree| matches!(tree, TokenTree::Punct(p) if p.as_char() == '!');
    let macros = ["include", "include_str", "include_bytes"];
    at >= 2 && is_call(&trees[at - 1]) && macros.iter().any(|name| is_word(trees.get(at - 2), name))
}

fn path_of(attribute: &Group) -> Option<Literal> {
    let inner: Vec<TokenTree> = attribute.stream().into_iter().collect();
    match &inner[..] {
        [TokenTree::Ident(name), TokenTree::Punct(equals), TokenTree::Literal(literal)]
            if name == "path" && equals.as_char() == '=' =>
        {
            Some(literal.clone())
        }
        _ => None,
    }
}

fn value(literal: &Literal) -> Option<String> {
    syn::parse_str::<syn::LitStr>(&literal.to_string()).ok().map(|text| text.value())
}

/// The text of a build script that also calls the macros' part, which lies at a path from it.
pub fn calling(text: &str, module: &str, path: &str) -> Result<String> {
    use syn::spanned::Spanned;
    let file = syn::parse_file(text).class(Class::Package, "the build script is no Rust")?;
    let main = file.items.iter().find_map(|item| match item {
        syn::Item::Fn(function) if function.sig.ident == "main" => Some(function),
        _ => None,
    });
    let Some((main, first)) = main.zip(file.items.first()) else {
        let error = Error::new(Class::Usage, "the build script has no `fn main`");
        return Err(error.help(format!("write one that calls `{module}::build()` of {path}")));
    };
    let shift = text.len() - tokens(text)?.text_len(text);
    let open = main.block.brace_token.span.open().byte_range().end + shift;
    let first = first.span().byte_range().start + shift;
    let mut out = text.to_owned();
    out.insert_str(open, &format!("\n    {module}::build();"));
    out.insert_str(first, &format!("#[path = {path:?}]\nmod {module};\n\n"));
    Ok(out)
}

impl Tokens {
    fn text_len(&self, text: &str) -> usize {
        text.len() - self.shift
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        Rules {
            old: BTreeSet::from(["lib_derive".to_owned()]),
            code: "proc_macro".into(),
            documentation: "lib".into(),
            crate_name: "proc_macro".into(),
            features: BTreeMap::from([
                ("a".into(), Flag::Always),
                ("b".into(), Flag::Named("lib-b".into())),
            ]),
            included: BTreeMap::from([("../R.md".into(), "R.md".into())]),
            ..Rules::default()
        }
    }

    #[test]
    fn names_are_changed_and_nothing_else() {
        let check = |from: &str, to: &str| assert_eq!(rewrite(from, &rules()).unwrap(), to);
        check(
            "pub use  lib_derive::*; // lib_derive::x\n",
            "pub use  proc_macro::*; // lib_derive::x\n",
        );
        check(
            "m!{ ::lib_derive::X, lib_derives, a::lib_derive::b }",
            "m!{ ::proc_macro::X, lib_derives, a::lib_derive::b }",
        );
        check(
            "#[lib_derive(x)] fn lib_derive() { return ::lib_derive::a!(lib_derive) }",
            "#[lib_derive(x)] fn lib_derive() { return ::proc_macro::a!(lib_derive) }",
        );
        check(
            "/// [`lib_derive::X`] of lib_derive, my_lib_derive::Y\nfn ä() { \"lib_derive\" }",
            "/// [`lib::X`] of lib_derive, my_lib_derive::Y\nfn ä() { \"lib_derive\" }",
        );
        check("\u{feff}//! ä\nuse lib_derive::A;", "\u{feff}//! ä\nuse proc_macro::A;");
        check(
            "#[macro_use] extern crate lib_derive; use lib_derive::A;",
            "#[macro_use] extern crate proc_macro as lib_derive; use lib_derive::A;",
        );
        check("extern crate lib_derive as x;", "extern crate proc_macro as x;");
        check(
            "#[cfg(all(feature = \"a\", not(feature = \"b\"), feature = \"c\"))] struct S;",
            "#[cfg(all(all(), not(feature = \"lib-b\"), feature = \"c\"))] struct S;",
        );
        check("#![doc = include_str!(\"../R.md\")]", "#![doc = include_str!(\"R.md\")]");
        assert_eq!(
            included("#[path = \"x.rs\"] mod m; f!(include_bytes!(\"y\"))").unwrap(),
            ["x.rs", "y"]
        );
        assert!(rewrite("\"", &rules()).is_err());
        let rooted = Rules { is_rooted: true, ..rules() };
        assert_eq!(rewrite("use lib_derive::A;", &rooted).unwrap(), "use lib_derive::A;");
    }

    #[test]
    fn build_scripts_call_the_macros() {
        let text = "//! Says.\n#![allow(x)]\n\nuse std::env;\nfn main() -> R {\n    f()\n}\n";
        assert_eq!(
            calling(text, "proc_macro", "proc-macro/precast/build.rs").unwrap(),
            "//! Says.\n#![allow(x)]\n\n#[path = \"proc-macro/precast/build.rs\"]\nmod proc_macro;\n\n\
             use std::env;\nfn main() -> R {\n    proc_macro::build();\n    f()\n}\n"
        );
        assert!(calling("fn f() {}", "m", "p").is_err());
    }
}
