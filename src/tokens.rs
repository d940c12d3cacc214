//! Tokens where there is no compiler: what the runtime exchanges with a module in `expand` and `serve`.
//!
//! They are to the runtime what `proc_macro`'s are in a shim. Text is lexed by proc-macro2. Its own tokens
//! would not do: they have no `$crate`, and no spans that somebody else has made.

mod leaf;
mod span;

pub use leaf::{Ident, Literal, Punct};
pub use proc_macro2::{Delimiter, LexError, Spacing};
pub use span::{answer, derive, marked, number, text, Place, Questions, Sites, Span};

use std::fmt::{self, Debug, Display, Write};
use std::rc::Rc;
use std::str::FromStr;

#[derive(Clone, Default)]
pub struct TokenStream(Rc<Vec<TokenTree>>);

#[derive(Clone)]
pub enum TokenTree {
    Group(Group),
    Ident(Ident),
    Punct(Punct),
    Literal(Literal),
}

#[derive(Clone)]
pub struct Group {
    delimiter: Delimiter,
    stream: TokenStream,
    span: Span,
    open: Span,
    close: Span,
}

impl TokenStream {
    pub fn new() -> TokenStream {
        TokenStream::default()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn trees(&self) -> &[TokenTree] {
        &self.0
    }

    /// As natively, a negative number becomes two tokens.
    fn push(&mut self, tree: TokenTree) {
        let trees = Rc::make_mut(&mut self.0);
        match tree {
            TokenTree::Literal(literal) if literal.text().starts_with('-') => {
                let mut minus = Punct::new('-', Spacing::Alone);
                minus.set_span(literal.span());
                trees.push(TokenTree::Punct(minus));
                trees.push(TokenTree::Literal(literal.positive()));
            }
            tree => trees.push(tree),
        }
    }

    /// Moves the tokens that nobody else has.
    fn give(&mut self, to: &mut Vec<TokenTree>) {
        if let Some(trees) = Rc::get_mut(&mut self.0) {
            to.append(trees);
        }
    }
}

/// Without recursion: any depth can be lexed.
impl Drop for TokenStream {
    fn drop(&mut self) {
        let mut left = Vec::new();
        self.give(&mut left);
        while let Some(tree) = left.pop() {
            if let TokenTree::Group(mut group) = tree {
                group.stream.give(&mut left);
            }
        }
    }
}

impl FromIterator<TokenTree> for TokenStream {
    fn from_iter<I: IntoIterator<Item = TokenTree>>(trees: I) -> TokenStream {
        let mut stream = TokenStream::new();
        stream.extend(trees);
        stream
    }
}

impl Extend<TokenTree> for TokenStream {
    fn extend<I: IntoIterator<Item = TokenTree>>(&mut self, trees: I) {
        trees.into_iter().for_each(|tree| self.push(tree));
    }
}

impl Extend<TokenStream> for TokenStream {
    fn extend<I: IntoIterator<Item = TokenStream>>(&mut self, streams: I) {
        for stream in streams {
            match self.is_empty() {
                true => *self = stream,
                false => Rc::make_mut(&mut self.0).extend(stream),
            }
        }
    }
}

impl From<TokenTree> for TokenStream {
    fn from(tree: TokenTree) -> TokenStream {
        TokenStream::from_iter([tree])
    }
}

impl IntoIterator for TokenStream {
    type Item = TokenTree;
    type IntoIter = std::vec::IntoIter<TokenTree>;

    fn into_iter(mut self) -> Self::IntoIter {
        let trees = std::mem::take(&mut self.0);
        Rc::try_unwrap(trees).unwrap_or_else(|trees| trees.to_vec()).into_iter()
    }
}

impl FromStr for TokenStream {
    type Err = LexError;

    /// What a macro lexes is at its call site, if somebody has said where that is.
    fn from_str(text: &str) -> Result<TokenStream, LexError> {
        Ok(adopt(text.parse()?, &span::lexed))
    }
}

impl From<proc_macro2::TokenStream> for TokenStream {
    fn from(stream: proc_macro2::TokenStream) -> TokenStream {
        adopt(stream, &Span::Text)
    }
}

/// Without recursion: any depth can be lexed.
fn adopt(stream: proc_macro2::TokenStream, at: &dyn Fn(proc_macro2::Span) -> Span) -> TokenStream {
    type Level = (Option<proc_macro2::Group>, proc_macro2::token_stream::IntoIter, Vec<TokenTree>);
    let mut levels: Vec<Level> = Vec::new();
    let mut level: Level = (None, stream.into_iter(), Vec::new());
    loop {
        match level.1.next() {
            Some(proc_macro2::TokenTree::Group(group)) => {
                let inside = group.stream().into_iter();
                levels.push(std::mem::replace(&mut level, (Some(group), inside, Vec::new())));
            }
            Some(proc_macro2::TokenTree::Ident(ident)) => {
                level.2.push(TokenTree::Ident(Ident::adopt(&ident, at(ident.span()))));
            }
            Some(proc_macro2::TokenTree::Punct(found)) => {
                let mut punct = Punct::new(found.as_char(), found.spacing());
                punct.set_span(at(found.span()));
                level.2.push(TokenTree::Punct(punct));
            }
            Some(proc_macro2::TokenTree::Literal(literal)) => {
                let text = literal.to_string();
                level.2.push(TokenTree::Literal(Literal::written(text, at(literal.span()))));
            }
            None => {
                let stream = TokenStream(Rc::new(std::mem::take(&mut level.2)));
                let (Some(group), Some(outer)) = (level.0.take(), levels.pop()) else {
                    return stream;
                };
                level = outer;
                level.2.push(TokenTree::Group(Group {
                    delimiter: group.delimiter(),
                    stream,
                    span: at(group.span()),
                    open: at(group.span_open()),
                    close: at(group.span_close()),
                }));
            }
        }
    }
}

/// Spans of others than proc-macro2 become its call site.
impl From<TokenStream> for proc_macro2::TokenStream {
    fn from(stream: TokenStream) -> proc_macro2::TokenStream {
        type Level = (Option<Group>, std::vec::IntoIter<TokenTree>, Vec<proc_macro2::TokenTree>);
        let mut levels: Vec<Level> = Vec::new();
        let mut level: Level = (None, stream.into_iter(), Vec::new());
        loop {
            match level.1.next() {
                Some(TokenTree::Group(group)) => {
                    let inside = group.stream().into_iter();
                    levels.push(std::mem::replace(&mut level, (Some(group), inside, Vec::new())));
                }
                Some(TokenTree::Ident(ident)) => level.2.push(ident.given().into()),
                Some(TokenTree::Punct(punct)) => level.2.push(punct.given().into()),
                Some(TokenTree::Literal(literal)) => level.2.push(literal.given().into()),
                None => {
                    let stream = level.2.drain(..).collect();
                    let (Some(group), Some(outer)) = (level.0.take(), levels.pop()) else {
                        return stream;
                    };
                    level = outer;
                    let mut given = proc_macro2::Group::new(group.delimiter, stream);
                    given.set_span(group.span.given());
                    level.2.push(given.into());
                }
            }
        }
    }
}

impl Display for TokenStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut space = false;
        for tree in self.trees() {
            if std::mem::replace(&mut space, true) {
                f.write_char(' ')?;
            }
            match tree {
                TokenTree::Group(group) => write!(f, "{group}")?,
                TokenTree::Ident(ident) => write!(f, "{ident}")?,
                TokenTree::Literal(literal) => write!(f, "{literal}")?,
                TokenTree::Punct(punct) => {
                    space = punct.spacing() == Spacing::Alone;
                    f.write_char(punct.as_char())?;
                }
            }
        }
        Ok(())
    }
}

/// As proc-macro2's.
impl Debug for TokenStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Debug::fmt(&proc_macro2::TokenStream::from(self.clone()), f)
    }
}

impl TokenTree {
    pub fn span(&self) -> Span {
        match self {
            TokenTree::Group(group) => group.span,
            TokenTree::Ident(ident) => ident.span(),
            TokenTree::Punct(punct) => punct.span(),
            TokenTree::Literal(literal) => literal.span(),
        }
    }

    pub fn set_span(&mut self, span: Span) {
        match self {
            TokenTree::Group(group) => group.set_span(span),
            TokenTree::Ident(ident) => ident.set_span(span),
            TokenTree::Punct(punct) => punct.set_span(span),
            TokenTree::Literal(literal) => literal.set_span(span),
        }
    }
}

impl Display for TokenTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TokenTree::Group(group) => Display::fmt(group, f),
            TokenTree::Ident(ident) => Display::fmt(ident, f),
            TokenTree::Punct(punct) => f.write_char(punct.as_char()),
            TokenTree::Literal(literal) => Display::fmt(literal, f),
        }
    }
}

/// As proc-macro2's.
impl Debug for TokenTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not through `push`, which makes two tokens of some.
        let alone = TokenStream(Rc::new(vec![self.clone()]));
        match proc_macro2::TokenStream::from(alone).into_iter().next() {
            Some(tree) => Debug::fmt(&tree, f),
            None => Ok(()),
        }
    }
}

impl Group {
    pub fn new(delimiter: Delimiter, stream: TokenStream) -> Group {
        let span = Span::call_site();
        Group { delimiter, stream, span, open: span, close: span }
    }

    /// With the spans of its delimiters.
    pub fn between(delimiter: Delimiter, stream: TokenStream, open: Span, close: Span) -> Group {
        Group { delimiter, stream, span: open.to(close), open, close }
    }

    pub fn delimiter(&self) -> Delimiter {
        self.delimiter
    }

    pub fn stream(&self) -> TokenStream {
        self.stream.clone()
    }

    pub fn trees(&self) -> &[TokenTree] {
        self.stream.trees()
    }

    pub fn span_open(&self) -> Span {
        self.open
    }

    pub fn span_close(&self) -> Span {
        self.close
    }

    pub fn set_span(&mut self, span: Span) {
        (self.span, self.open, self.close) = (span, span, span);
    }
}

/// As `proc_macro`'s.
impl Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, close) = match self.delimiter {
            Delimiter::Parenthesis => ("(", ")"),
            Delimiter::Brace if self.stream.is_empty() => ("{ ", "}"),
            Delimiter::Brace => ("{ ", " }"),
            Delimiter::Bracket => ("[", "]"),
            Delimiter::None => ("", ""),
        };
        write!(f, "{open}{}{close}", self.stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        for text in ["a :: b", "{ } { x } [1 , - 2] (r#type , 'a' , 'b)", "x ..= y", "- 5i32"] {
            let stream: TokenStream = text.parse().unwrap();
            assert_eq!(
                stream.to_string(),
                text.parse::<proc_macro2::TokenStream>().unwrap().to_string()
            );
            let native = proc_macro2::TokenStream::from(stream.clone());
            assert_eq!(native.to_string(), stream.to_string());
            assert_eq!(format!("{native:?}"), format!("{stream:?}"));
        }
        assert!("a ) b".parse::<TokenStream>().is_err());
    }

    #[test]
    fn negative_numbers_are_two_tokens() {
        let stream = TokenStream::from(TokenTree::Literal(Literal::i128_unsuffixed(-7)));
        assert_eq!((stream.trees().len(), stream.to_string().as_str()), (2, "- 7"));
    }

    #[test]
    fn any_depth() {
        let text = "(".repeat(100_000) + &")".repeat(100_000);
        let stream: TokenStream = text.parse().unwrap();
        drop(proc_macro2::TokenStream::from(stream.clone()));
        drop(stream);
    }
}
