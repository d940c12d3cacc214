//! Tokens as text, as near to the source as can be: what was not changed is copied with its comments, and
//! every token of the source stays on its line where that is not behind it already.

use super::place::Place;
use proc_macro2::{Delimiter, Spacing, Span, TokenStream, TokenTree};

/// The text of a file that `tokens` are now.
pub fn print(tokens: TokenStream, source: &str, place: &Place) -> String {
    let mut printer = Printer {
        source,
        id: &place.id,
        out: String::new(),
        line: 1,
        end: Some(0),
        joint: true,
        is_comment: false,
    };
    printer.stream(tokens);
    // The comments at the end.
    match printer.end {
        Some(end) if is_blank(&source[end..]) => printer.write(&source[end..]),
        _ => printer.write("\n"),
    }
    printer.out
}

struct Printer<'a> {
    source: &'a str,
    id: &'a str,
    out: String,
    line: usize,
    /// Where in the source the last token ended, if it is from there.
    end: Option<usize>,
    /// The next token may not be set apart.
    joint: bool,
    /// The last token was a comment that ends with its line.
    is_comment: bool,
}

impl Printer<'_> {
    fn stream(&mut self, tokens: TokenStream) {
        let trees: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < trees.len() {
            match self.comment(&trees[at..]) {
                Some((start, end, n_trees)) => {
                    self.original(start, end, trees[at].span());
                    at += n_trees;
                }
                None => {
                    self.token(trees[at].clone());
                    at += 1;
                }
            }
        }
    }

    fn token(&mut self, token: TokenTree) {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                let spans = (group.span_open(), group.span_close());
                self.text(open, spans.0);
                self.joint =
                    matches!(group.delimiter(), Delimiter::Parenthesis | Delimiter::Bracket);
                self.stream(group.stream());
                self.joint = true;
                self.text(close, spans.1);
            }
            TokenTree::Punct(punct) => {
                self.text(&punct.as_char().to_string(), punct.span());
                self.joint = punct.spacing() == Spacing::Joint;
            }
            TokenTree::Ident(ident) => self.text(&ident.to_string(), ident.span()),
            TokenTree::Literal(literal) => self.text(&literal.to_string(), literal.span()),
        }
    }

    /// The comment that the first trees stand for, `#[doc = "…"]`, and their number. A comment that a macro has
    /// moved stays an attribute, for a comment takes the rest of its line.
    fn comment(&self, trees: &[TokenTree]) -> Option<(usize, usize, usize)> {
        let is = |tree: Option<&TokenTree>, c| matches!(tree, Some(TokenTree::Punct(p)) if p.as_char() == c);
        if !is(trees.first(), '#') {
            return None;
        }
        let at = 1 + usize::from(is(trees.get(1), '!'));
        let TokenTree::Group(group) = trees.get(at)? else { return None };
        let inner: Vec<TokenTree> = group.stream().into_iter().collect();
        let [TokenTree::Ident(name), TokenTree::Punct(_), TokenTree::Literal(text)] = &inner[..]
        else {
            return None;
        };
        let (start, end) = self.range(trees[0].span())?;
        let is_comment = name == "doc"
            && self.source[start..end].starts_with('/')
            && self.range(text.span()) == Some((start, end));
        let gap = self.end.filter(|last| *last <= start).map(|last| &self.source[last..start]);
        let is_in_place = gap.is_some_and(is_blank) || trees[0].span().start().line > self.line;
        (is_comment && is_in_place).then_some((start, end, at + 1))
    }

    fn range(&self, span: Span) -> Option<(usize, usize)> {
        let range = span.byte_range();
        let is_here = span.file() == self.id && !range.is_empty() && range.end <= self.source.len();
        is_here.then_some((range.start, range.end))
    }

    fn text(&mut self, text: &str, span: Span) {
        if text.is_empty() {
            return;
        }
        // A token that a macro made may have the span of another one.
        match self.range(span).filter(|(start, end)| &self.source[*start..*end] == text) {
            Some((start, end)) => self.original(start, end, span),
            None => {
                match self.is_comment {
                    true => self.write("\n"),
                    false if !self.joint => self.write(" "),
                    false => {}
                }
                self.is_comment = false;
                self.end = None;
                self.write(text);
            }
        }
        self.joint = false;
    }

    fn original(&mut self, start: usize, end: usize, span: Span) {
        let gap = self.end.filter(|last| *last <= start).map(|last| &self.source[last..start]);
        match gap.filter(|gap| is_blank(gap)) {
            Some(gap) => self.write(gap),
            None => {
                let at = span.start();
                match at.line > self.line {
                    true => {
                        self.write(&"\n".repeat(at.line - self.line));
                        self.write(&" ".repeat(at.column));
                    }
                    false if self.is_comment => self.write("\n"),
                    false if !self.joint => self.write(" "),
                    false => {}
                }
            }
        }
        let text = &self.source[start..end];
        self.write(text);
        self.is_comment = text.starts_with("//");
        self.end = Some(end);
        self.joint = false;
    }

    fn write(&mut self, text: &str) {
        self.line += text.matches('\n').count();
        self.out.push_str(text);
    }
}

/// Nothing but white space and comments.
fn is_blank(text: &str) -> bool {
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    if text.is_empty() {
        return true;
    }
    if is_documentation(text) {
        return false;
    }
    if let Some(rest) = text.strip_prefix("//") {
        return rest.split_once('\n').is_none_or(|(_, rest)| is_blank(rest));
    }
    let Some(mut rest) = text.strip_prefix("/*") else { return false };
    let mut depth = 1;
    while depth > 0 {
        let (open, close) = (rest.find("/*"), rest.find("*/"));
        match (open, close) {
            (Some(open), Some(close)) if open < close => {
                (depth, rest) = (depth + 1, &rest[open + 2..])
            }
            (_, Some(close)) => (depth, rest) = (depth - 1, &rest[close + 2..]),
            _ => return true,
        }
    }
    is_blank(rest)
}

/// Comments that are tokens: `///`, `//!`, `/**`, `/*!`, and neither `////` nor `/***` nor `/**/`.
fn is_documentation(text: &str) -> bool {
    let outer = |start: &str, not: [&str; 2]| {
        text.strip_prefix(start).is_some_and(|rest| not.iter().all(|not| !rest.starts_with(not)))
    };
    text.starts_with("//!")
        || text.starts_with("/*!")
        || outer("///", ["/", "/"])
        || outer("/**", ["*", "/"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, change: impl Fn(Vec<TokenTree>) -> Vec<TokenTree>, expected: &str) {
        let tokens: TokenStream = source.parse().unwrap();
        let trees: Vec<TokenTree> = tokens.into_iter().collect();
        let place = Place { file: "x.rs".into(), id: trees[0].span().file() };
        let changed = change(trees).into_iter().collect();
        assert_eq!(print(changed, source, &place), expected);
    }

    #[test]
    fn unchanged_text_is_copied() {
        let text = "// a\n/// doc\n#[x] /* b /* c */ */ fn f ( ) { a . b :: < c > ( ) ; } // d\n\n";
        check(text, |trees| trees, text);
    }

    #[test]
    fn lines_stay() {
        // `b` and its line go, `x y` comes: what is behind stays where it was.
        let text = "a\nb\nc { d\n }\ne // f\n";
        let change = |mut trees: Vec<TokenTree>| {
            trees.remove(1);
            let made: TokenStream = "x<y>::z(1, 2)".parse().unwrap();
            trees.splice(1..1, made);
            trees
        };
        check(text, change, "a x < y >:: z (1 , 2)\n\nc { d\n }\ne // f\n");
        // Nothing may get into a comment.
        let change = |mut trees: Vec<TokenTree>| {
            trees.splice(2..2, "x".parse::<TokenStream>().unwrap());
            trees
        };
        check("/// a\nb\n", change, "/// a\nx b\n");
        // What a macro has moved, or made at the place of a comment, is no comment.
        let change = |mut trees: Vec<TokenTree>| {
            trees.rotate_left(2);
            trees
        };
        check("/// a\nb\n", change, "\nb # [doc = \" a\"]\n");
        let change = |trees: Vec<TokenTree>| {
            let span = trees[0].span();
            let made: TokenStream = "# [allow(x)]".parse().unwrap();
            let spanned = made.into_iter().map(|mut tree| {
                tree.set_span(span);
                tree
            });
            spanned.chain(trees.into_iter().skip(2)).collect()
        };
        check("/// a\nb\n", change, "# [allow (x)]\nb\n");
    }
}
