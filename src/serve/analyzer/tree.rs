//! Tokens as lists of numbers, as rust-analyzer sends them, and back.
//!
//! The lists come from another program: whatever is in them gives tokens or an error.

use crate::tokens::{
    Delimiter, Group, Ident, Literal, Place, Punct, Spacing, Span, TokenStream, TokenTree,
};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, VecDeque};

/// One tree: subtrees in the order of their levels, each with the range of its children in `token_tree`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flat {
    /// Spans of the delimiters, kind, first child, and the one behind the last.
    subtree: Vec<u32>,
    /// Span, text, kind (in the lower byte; above it the number of hashes), and suffix or [`NONE`].
    literal: Vec<u32>,
    /// Span, character, and whether the next one joins.
    punct: Vec<u32>,
    /// Span, text, and whether it is raw.
    ident: Vec<u32>,
    /// An index into one of the lists, and in the lower two bits which.
    token_tree: Vec<u32>,
    text: Vec<String>,
}

const NONE: u32 = u32::MAX;

const SUBTREE: u32 = 0;
const LITERAL: u32 = 1;
const PUNCT: u32 = 2;
const IDENT: u32 = 3;

const DELIMITERS: [Delimiter; 4] =
    [Delimiter::None, Delimiter::Parenthesis, Delimiter::Brace, Delimiter::Bracket];

/// Kinds of literals by their numbers: what stands before the quotes, and the quote. Numbers have none, and
/// neither has the first, which is no literal.
const LITERALS: [(&str, &str); 11] = [
    ("", ""),
    ("b", "'"),
    ("", "'"),
    ("", ""),
    ("", ""),
    ("", "\""),
    ("r", "\""),
    ("b", "\""),
    ("br", "\""),
    ("c", "\""),
    ("cr", "\""),
];
const INTEGER: u32 = 3;
const FLOAT: u32 = 4;

/// The places that spans stand for.
pub enum Table {
    /// The numbers mean nothing here.
    Ids,
    Places(Vec<Place>, HashMap<Place, u32>),
}

impl Table {
    pub fn read(words: &[u32]) -> Result<Table, String> {
        let place = |words: &[u32]| Place {
            file: words[0],
            item: words[1],
            start: words[2],
            end: words[3],
            context: words[4],
        };
        let places: Vec<Place> = words.chunks_exact(5).map(place).collect();
        if places.len() * 5 != words.len() || places.is_empty() {
            return Err("the table of spans is cut off".into());
        }
        let known = (0..).zip(&places).map(|(at, place)| (*place, at)).collect();
        Ok(Table::Places(places, known))
    }

    pub fn write(self) -> Vec<u32> {
        let words = |place: Place| [place.file, place.item, place.start, place.end, place.context];
        match self {
            Table::Ids => Vec::new(),
            Table::Places(places, _) => places.into_iter().flat_map(words).collect(),
        }
    }

    pub fn place(&self, id: u32) -> Result<Place, String> {
        match self {
            Table::Ids => Ok(Place { file: id, item: NONE, start: 0, end: 0, context: 0 }),
            Table::Places(places, _) => {
                places.get(id as usize).copied().ok_or_else(|| "a span is in no table".into())
            }
        }
    }

    fn id(&mut self, place: Place) -> u32 {
        match self {
            Table::Ids => place.file,
            Table::Places(places, known) => *known.entry(place).or_insert_with(|| {
                places.push(place);
                places.len() as u32 - 1
            }),
        }
    }
}

impl Flat {
    pub fn read(&self, table: &Table) -> Result<TokenStream, String> {
        let cut = || "a tree of tokens is cut off".to_owned();
        let span = |id: u32| table.place(id).map(Span::Place);
        let n = self.subtree.len() / 5;
        let mut groups: Vec<Option<Group>> = vec![None; n];
        // What is inside comes later in the list.
        for at in (0..n).rev() {
            let [open, close, kind, first, end] = words(&self.subtree, at).ok_or_else(cut)?;
            let children = self.token_tree.get(first as usize..end as usize).ok_or_else(cut)?;
            let trees = children.iter().map(|child| {
                let inside = (child >> 2) as usize;
                Ok(match child & 3 {
                    SUBTREE => TokenTree::Group(
                        groups.get_mut(inside).and_then(Option::take).ok_or_else(cut)?,
                    ),
                    LITERAL => {
                        let [id, ..] = words::<4>(&self.literal, inside).ok_or_else(cut)?;
                        let text = self.literal(inside).ok_or_else(cut)?;
                        TokenTree::Literal(Literal::written(text, span(id)?))
                    }
                    PUNCT => {
                        let [id, char, joint] = words(&self.punct, inside).ok_or_else(cut)?;
                        let spacing = if joint == 1 { Spacing::Joint } else { Spacing::Alone };
                        let mut punct = punct(char, spacing)?;
                        punct.set_span(span(id)?);
                        TokenTree::Punct(punct)
                    }
                    _ => {
                        let [id, name, raw] = words(&self.ident, inside).ok_or_else(cut)?;
                        let name = self.text.get(name as usize).ok_or_else(cut)?;
                        TokenTree::Ident(Ident::known(name, raw == 1, span(id)?))
                    }
                })
            });
            let stream = trees.collect::<Result<TokenStream, String>>()?;
            let delimiter = *DELIMITERS.get(kind as usize).ok_or_else(cut)?;
            groups[at] = Some(Group::between(delimiter, stream, span(open)?, span(close)?));
        }
        let root = groups.first_mut().and_then(Option::take).ok_or_else(cut)?;
        Ok(match root.delimiter() {
            Delimiter::None => root.stream(),
            _ => TokenStream::from(TokenTree::Group(root)),
        })
    }

    fn literal(&self, at: usize) -> Option<String> {
        let [_, text, kind, suffix] = words(&self.literal, at)?;
        let text = self.text.get(text as usize)?;
        let (prefix, quote) = LITERALS.get((kind & 0xff) as usize)?;
        let hashes = match prefix.ends_with('r') {
            true => "#".repeat((kind >> 8 & 0xff) as usize),
            false => String::new(),
        };
        let suffix = match suffix {
            NONE => "",
            at => self.text.get(at as usize)?,
        };
        Some(format!("{prefix}{hashes}{quote}{text}{quote}{hashes}{suffix}"))
    }

    pub fn write(stream: &TokenStream, call_site: Place, table: &mut Table) -> Flat {
        let mut writer = Writer { flat: Flat::default(), texts: HashMap::new(), table, call_site };
        let mut open: VecDeque<(usize, &[TokenTree])> = VecDeque::new();
        match stream.trees() {
            [TokenTree::Group(group)] => {
                writer.group(group);
                open.push_back((0, group.trees()));
            }
            trees => {
                let site = writer.table.id(call_site);
                writer.flat.subtree.extend([site, site, 0, 0, 0]);
                open.push_back((0, trees));
            }
        }
        while let Some((at, trees)) = open.pop_front() {
            let first = writer.flat.token_tree.len() as u32;
            writer.flat.subtree[at * 5 + 3] = first;
            writer.flat.subtree[at * 5 + 4] = first + trees.len() as u32;
            for tree in trees {
                let child = match tree {
                    TokenTree::Group(group) => {
                        let at = writer.group(group);
                        open.push_back((at, group.trees()));
                        (at as u32) << 2 | SUBTREE
                    }
                    TokenTree::Literal(literal) => writer.literal(literal),
                    TokenTree::Punct(punct) => writer.punct(punct),
                    TokenTree::Ident(ident) => writer.ident(ident),
                };
                writer.flat.token_tree.push(child);
            }
        }
        writer.flat
    }
}

fn punct(char: u32, spacing: Spacing) -> Result<Punct, String> {
    const ALL: &str = "=<>!~+-*/%^&|@.,;:#$?'";
    match char::from_u32(char).filter(|char| ALL.contains(*char)) {
        Some(char) => Ok(Punct::new(char, spacing)),
        None => Err("a character that is no punctuation".into()),
    }
}

fn words<const N: usize>(list: &[u32], at: usize) -> Option<[u32; N]> {
    list.get(at.checked_mul(N)?..)?.get(..N)?.try_into().ok()
}

struct Writer<'a> {
    flat: Flat,
    texts: HashMap<String, u32>,
    table: &'a mut Table,
    call_site: Place,
}

impl Writer<'_> {
    fn span(&mut self, span: Span) -> u32 {
        match span {
            Span::Place(place) => self.table.id(place),
            Span::Text(_) | Span::After(_) => self.table.id(self.call_site),
        }
    }

    fn text(&mut self, text: &str) -> u32 {
        if let Some(known) = self.texts.get(text) {
            return *known;
        }
        let at = self.flat.text.len() as u32;
        self.flat.text.push(text.to_owned());
        self.texts.insert(text.to_owned(), at);
        at
    }

    fn group(&mut self, group: &Group) -> usize {
        let (open, close) = (self.span(group.span_open()), self.span(group.span_close()));
        let kind = DELIMITERS.iter().position(|known| *known == group.delimiter()).unwrap_or(0);
        self.flat.subtree.extend([open, close, kind as u32, 0, 0]);
        self.flat.subtree.len() / 5 - 1
    }

    fn literal(&mut self, literal: &Literal) -> u32 {
        let span = self.span(literal.span());
        let Split { kind, hashes, text, suffix } = split(literal.text());
        let text = self.text(text);
        let suffix = match suffix {
            "" | "_" => NONE,
            suffix => self.text(suffix),
        };
        self.flat.literal.extend([span, text, kind | hashes << 8, suffix]);
        (self.flat.literal.len() as u32 / 4 - 1) << 2 | LITERAL
    }

    fn punct(&mut self, punct: &Punct) -> u32 {
        let span = self.span(punct.span());
        let joint = (punct.spacing() == Spacing::Joint) as u32;
        self.flat.punct.extend([span, punct.as_char() as u32, joint]);
        (self.flat.punct.len() as u32 / 3 - 1) << 2 | PUNCT
    }

    fn ident(&mut self, ident: &Ident) -> u32 {
        let span = self.span(ident.span());
        let name = self.text(ident.name());
        self.flat.ident.extend([span, name, ident.is_raw() as u32]);
        (self.flat.ident.len() as u32 / 3 - 1) << 2 | IDENT
    }
}

/// A literal's parts: its number in [`LITERALS`], what is between the quotes, and what is behind them.
#[derive(Debug, PartialEq, Eq)]
struct Split<'a> {
    kind: u32,
    hashes: u32,
    text: &'a str,
    suffix: &'a str,
}

fn split(literal: &str) -> Split<'_> {
    if literal.starts_with(|c: char| c.is_ascii_digit()) {
        let (kind, end) = number(literal.as_bytes());
        let (text, suffix) = literal.split_at(end);
        return Split { kind, hashes: 0, text, suffix };
    }
    quoted(literal).unwrap_or(Split { kind: 0, hashes: 0, text: literal, suffix: "" })
}

fn quoted(literal: &str) -> Option<Split<'_>> {
    let start = literal.find(['\'', '"', '#'])?;
    let (prefix, rest) = literal.split_at(start);
    let inside = rest.trim_start_matches('#');
    let hashes = &rest[..rest.len() - inside.len()];
    let quote = inside.get(..1)?;
    let is_kind = |(_, known): &(u32, &(&str, &str))| *known == &(prefix, quote);
    let (kind, _) = (0..).zip(&LITERALS).find(is_kind)?;
    let close = format!("{quote}{hashes}");
    let (text, suffix) = inside[1..].rsplit_once(close.as_str())?;
    Some(Split { kind, hashes: hashes.len() as u32, text, suffix })
}

/// Whether it has a fraction or an exponent, and where its suffix begins.
fn number(text: &[u8]) -> (u32, usize) {
    let digits = |mut at: usize, is: fn(&u8) -> bool| {
        while text.get(at).is_some_and(|c| *c == b'_' || is(c)) {
            at += 1;
        }
        at
    };
    match text.get(..2) {
        Some(b"0x") => return (INTEGER, digits(2, u8::is_ascii_hexdigit)),
        Some(b"0o" | b"0b") => return (INTEGER, digits(2, u8::is_ascii_digit)),
        _ => {}
    }
    let mut end = digits(0, u8::is_ascii_digit);
    let mut kind = INTEGER;
    if text.get(end) == Some(&b'.') {
        (kind, end) = (FLOAT, digits(end + 1, u8::is_ascii_digit));
    }
    if matches!(text.get(end), Some(b'e' | b'E')) {
        let sign = matches!(text.get(end + 1), Some(b'+' | b'-')) as usize;
        let exponent = digits(end + 1 + sign, u8::is_ascii_digit);
        if text[end + 1..exponent].iter().any(u8::is_ascii_digit) {
            (kind, end) = (FLOAT, exponent);
        }
    }
    (kind, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(literal: &str, kind: u32, hashes: u32, text: &str, suffix: &str) {
        assert_eq!(split(literal), Split { kind, hashes, text, suffix });
        let flat = Flat {
            literal: vec![0, 0, kind | hashes << 8, 1],
            text: vec![text.into(), suffix.into()],
            ..Flat::default()
        };
        assert_eq!(flat.literal(0).unwrap(), literal);
    }

    #[test]
    fn literals() {
        check("b'x'", 1, 0, "x", "");
        check("'\\''", 2, 0, "\\'", "");
        check("0x1f_u8", 3, 0, "0x1f_", "u8");
        check("0b10u8", 3, 0, "0b10", "u8");
        check("1f32", 3, 0, "1", "f32");
        check("1.5e-3f64", 4, 0, "1.5e-3", "f64");
        check("2.", 4, 0, "2.", "");
        check("1e9", 4, 0, "1e9", "");
        check("\"a\\\"b\"_x", 5, 0, "a\\\"b", "_x");
        check("r##\"a\"#b\"##", 6, 2, "a\"#b", "");
        check("b\"x\"", 7, 0, "x", "");
        check("br#\"x\"#", 8, 1, "x", "");
        check("c\"x\"", 9, 0, "x", "");
        check("cr\"x\"", 10, 0, "x", "");
        check("?", 0, 0, "?", "");
    }

    fn table() -> Table {
        let places: Vec<u32> = (0..10).flat_map(|at| [7, 9, at, at + 1, 3]).collect();
        Table::read(&places).unwrap()
    }

    #[test]
    fn there_and_back() {
        let flat = Flat {
            subtree: vec![0, 0, 0, 0, 3, 4, 5, 2, 3, 5],
            literal: vec![6, 1, 5, NONE],
            punct: vec![3, '#' as u32, 1],
            ident: vec![1, 0, 0, 7, 2, 1],
            token_tree: vec![3, 2, 4, 1, 7],
            text: vec!["$crate".into(), "x".into(), "type".into()],
        };
        let mut table = table();
        let stream = flat.read(&table).unwrap();
        assert_eq!(stream.to_string(), "$crate #{ \"x\" r#type }");
        let site = table.place(0).unwrap();
        assert_eq!(Flat::write(&stream, site, &mut table), flat);
        assert_eq!(table.write().len(), 50);
    }

    #[test]
    fn whatever_comes_is_tokens_or_an_error() {
        let whole =
            Flat::write(&"a (b, 1) 'c".parse().unwrap(), table().place(0).unwrap(), &mut table());
        let lists: [fn(&mut Flat) -> &mut Vec<u32>; 5] = [
            |flat| &mut flat.subtree,
            |flat| &mut flat.literal,
            |flat| &mut flat.punct,
            |flat| &mut flat.ident,
            |flat| &mut flat.token_tree,
        ];
        let mut n_errors = 0;
        for list in lists {
            for at in 0..list(&mut whole.clone()).len() {
                for value in [0, 1, 4, 7, 1000, u32::MAX] {
                    let mut flat = whole.clone();
                    list(&mut flat)[at] = value;
                    n_errors += flat.read(&table()).is_err() as usize;
                }
            }
        }
        assert!(n_errors > 30, "{n_errors}");
        assert!(Flat::default().read(&table()).is_err());
        assert!(Table::read(&[1, 2, 3]).is_err());
    }
}
