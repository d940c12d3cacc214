//! Views of an expansion: its difference to the input, and its tokens with their spans.

use super::{format, Expansion};
use crate::artifact::manifest::Kind;
use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use serde::Serialize;

/// What stands after an expansion where the macro was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The item is as it was.
    Unchanged,
    /// It is there, and more.
    Extended,
    /// It is there, and otherwise.
    Changed,
    /// It is gone.
    Removed,
}

#[derive(Debug, Serialize)]
/// What an expansion changes.
#[non_exhaustive]
pub struct Change {
    /// In one word.
    pub verdict: Verdict,
    /// A unified diff of the formatted code.
    pub diff: String,
}

/// One token, or the start of a group.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Token {
    /// How many groups it is in.
    pub depth: usize,
    /// `group`, `ident`, `punct` or `literal`.
    pub kind: &'static str,
    /// The token, of a group its delimiters.
    pub text: String,
    /// Line and column of its start and its end in the input, both from 1; none for the call site.
    pub span: Option<[usize; 4]>,
}

impl Expansion {
    /// What has become of the item. A function-like macro has none: all of its output is new.
    pub fn change(&self) -> Change {
        let after = match (self.kind, &self.item) {
            // A derive leaves the item, and adds.
            (Kind::Derive, Some(item)) => {
                let both = item.clone().into_iter().chain(self.stream.clone());
                format(both.collect())
            }
            _ => self.text.clone(),
        };
        let before = self.item.clone().map(format).unwrap_or_default();
        let verdict = match () {
            () if before == after => Verdict::Unchanged,
            () if after.is_empty() => Verdict::Removed,
            () if keeps(&before, &after) => Verdict::Extended,
            () => Verdict::Changed,
        };
        Change { verdict, diff: diff(&before, &after) }
    }

    /// The output's tokens, one after another.
    pub fn tokens(&self) -> Vec<Token> {
        let mut all = Vec::new();
        dump(self.stream.clone(), 0, &self.source, &mut all);
        all
    }
}

/// Whether all lines of the first text stand in the second one without a break.
fn keeps(before: &str, after: &str) -> bool {
    !before.is_empty() && format!("\n{after}").contains(&format!("\n{before}"))
}

/// The lines that are in one text alone, each with three lines around it.
pub(crate) fn diff(from: &str, to: &str) -> String {
    similar::TextDiff::from_lines(from, to).unified_diff().context_radius(3).to_string()
}

fn dump(stream: TokenStream, depth: usize, source: &str, all: &mut Vec<Token>) {
    for token in stream {
        let (kind, text) = match &token {
            TokenTree::Group(group) => ("group", delimiters(group.delimiter()).to_owned()),
            TokenTree::Ident(ident) => ("ident", ident.to_string()),
            TokenTree::Punct(punct) => ("punct", punct.as_char().to_string()),
            TokenTree::Literal(literal) => ("literal", literal.to_string()),
        };
        all.push(Token { depth, kind, text, span: place(token.span(), source) });
        if let TokenTree::Group(group) = token {
            dump(group.stream(), depth + 1, source, all);
        }
    }
}

fn delimiters(delimiter: Delimiter) -> &'static str {
    match delimiter {
        Delimiter::Parenthesis => "( )",
        Delimiter::Brace => "{ }",
        Delimiter::Bracket => "[ ]",
        Delimiter::None => "none",
    }
}

/// A token that the macro has made, also out of a text, is at the call site.
fn place(span: Span, source: &str) -> Option<[usize; 4]> {
    let (start, end) = (span.start(), span.end());
    let is_input = start.line > 0 && start != end && span.file() == source;
    is_input.then(|| [start.line, start.column + 1, end.line, end.column + 1])
}

impl Token {
    /// `    ident   Foo                  3:8-3:11`
    pub fn line(&self) -> String {
        let text = format!("{:indent$}{:7} {}", "", self.kind, self.text, indent = self.depth * 2);
        let span = match self.span {
            Some([a, b, c, d]) => format!("{a}:{b}-{c}:{d}"),
            None => "call site".to_owned(),
        };
        format!("{text:<50} {span}\n")
    }
}
