//! Token trees: each of them one record, and what their methods read and write in it.

use std::fmt;

use crate::abi::{answer, host, Record, GROUP, IDENT, LONG, ORIGINAL, PUNCT};
use crate::arena::{call_site, epoch, keep};
use crate::literal::Literal;
use crate::span::Span;
use crate::stream::TokenStream;

/// A single token or a delimited sequence of token trees (e.g., `[1, (), ..]`).
#[derive(Clone)]
pub enum TokenTree {
    /// A token stream surrounded by delimiters.
    Group(Group),
    /// An identifier.
    Ident(Ident),
    /// A single punctuation character (`+`, `,`, `$`, etc.).
    Punct(Punct),
    /// A literal character (`'a'`), string (`"hello"`), number (`2.3`), etc.
    Literal(Literal),
}

impl TokenTree {
    #[inline]
    pub(crate) fn record(&self) -> Record {
        match self {
            TokenTree::Group(t) => t.0,
            TokenTree::Ident(t) => t.0,
            TokenTree::Punct(t) => t.0,
            TokenTree::Literal(t) => t.0,
        }
    }

    /// Returns the span of this tree.
    pub fn span(&self) -> Span {
        Span::from_handle(self.record().span)
    }

    /// Configures the span for *only this token*.
    pub fn set_span(&mut self, span: Span) {
        match self {
            TokenTree::Group(t) => t.set_span(span),
            TokenTree::Ident(t) => t.set_span(span),
            TokenTree::Punct(t) => t.set_span(span),
            TokenTree::Literal(t) => t.set_span(span),
        }
    }
}

/// What the host prints for a record in `{:?}`.
pub(crate) fn debug(record: &Record, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    // SAFETY: the host reads one record.
    let len = unsafe { host::debug((record as *const Record).cast(), 0, f.alternate() as u32) };
    f.write_str(&answer(len))
}

/// Prints token tree in a form convenient for debugging.
impl fmt::Debug for TokenTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(&self.record(), f)
    }
}

impl From<Group> for TokenTree {
    #[inline]
    fn from(g: Group) -> TokenTree {
        TokenTree::Group(g)
    }
}

impl From<Ident> for TokenTree {
    #[inline]
    fn from(g: Ident) -> TokenTree {
        TokenTree::Ident(g)
    }
}

impl From<Punct> for TokenTree {
    #[inline]
    fn from(g: Punct) -> TokenTree {
        TokenTree::Punct(g)
    }
}

impl From<Literal> for TokenTree {
    #[inline]
    fn from(g: Literal) -> TokenTree {
        TokenTree::Literal(g)
    }
}

/// Prints the token tree as the compiler does.
impl fmt::Display for TokenTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Natively as well the width given for the tree is not the token's.
        match self {
            TokenTree::Group(t) => write!(f, "{t}"),
            TokenTree::Ident(t) => write!(f, "{t}"),
            TokenTree::Punct(t) => write!(f, "{t}"),
            TokenTree::Literal(t) => write!(f, "{t}"),
        }
    }
}

/// Describes how a sequence of token trees is delimited.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Delimiter {
    /// `( ... )`
    Parenthesis,
    /// `{ ... }`
    Brace,
    /// `[ ... ]`
    Bracket,
    /// `∅ ... ∅`
    None,
}

/// A delimited token stream.
#[derive(Clone)]
pub struct Group(pub(crate) Record);

impl Group {
    /// Creates a new `Group` with the given delimiter and token stream.
    pub fn new(delimiter: Delimiter, stream: TokenStream) -> Group {
        stream.check();
        if stream.len > LONG || stream.len == LONG && !stream.at.is_null() {
            panic!("precast: a group of more than {} tokens", LONG - 1);
        }
        let head = GROUP | (delimiter as u32) << 3 | stream.len << 8;
        let id = if stream.id == 0 { epoch() } else { stream.id };
        Group(Record { head, at: stream.at, span: call_site(), id })
    }

    /// Returns the delimiter of this `Group`
    #[inline]
    pub fn delimiter(&self) -> Delimiter {
        match self.0.sub() & 3 {
            0 => Delimiter::Parenthesis,
            1 => Delimiter::Brace,
            2 => Delimiter::Bracket,
            _ => Delimiter::None,
        }
    }

    /// Returns the `TokenStream` of tokens that are delimited in this `Group`.
    #[inline]
    pub fn stream(&self) -> TokenStream {
        if self.0.at.is_null() && self.0.len() == 0 {
            return TokenStream::new();
        }
        TokenStream { at: self.0.at, len: self.0.len(), id: self.0.id }
    }

    /// Returns the span for the delimiters of this token stream, spanning the entire `Group`.
    #[inline]
    pub fn span(&self) -> Span {
        Span::from_handle(self.0.span)
    }

    /// Returns the span pointing to the opening delimiter of this group.
    pub fn span_open(&self) -> Span {
        self.span_of(1)
    }

    /// Returns the span pointing to the closing delimiter of this group.
    pub fn span_close(&self) -> Span {
        self.span_of(2)
    }

    fn span_of(&self, part: u32) -> Span {
        match self.0.head & ORIGINAL {
            0 => self.span(),
            _ => Span::from_handle(self.0.span + part),
        }
    }

    /// Configures the span for this `Group`'s delimiters, but not its internal tokens.
    pub fn set_span(&mut self, span: Span) {
        self.0.head &= !ORIGINAL;
        self.0.span = span.0;
    }
}

/// Prints the group as the compiler does.
impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stream = TokenStream { at: (&raw const self.0).cast(), len: 1, id: epoch() };
        // Only the host looks at this stream: it has no header.
        fmt::Display::fmt(&stream, f)
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(&self.0, f)
    }
}

/// A `Punct` is a single punctuation character such as `+`, `-` or `#`.
#[derive(Clone)]
pub struct Punct(pub(crate) Record);

/// Indicates whether a `Punct` token can join with the following token
/// to form a multi-character operator.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Spacing {
    /// A `Punct` token can join with the following token to form a multi-character operator.
    Joint,
    /// A `Punct` token cannot join with the following token to form a multi-character operator.
    Alone,
}

impl Punct {
    /// Creates a new `Punct` from the given character and spacing.
    #[inline]
    pub fn new(ch: char, spacing: Spacing) -> Punct {
        if ch as u32 >= 128 || BYTES[ch as usize] & PUNCT_BYTE == 0 {
            unsupported(ch);
        }
        let joint = (spacing == Spacing::Joint) as u32;
        let head = PUNCT | joint << 3 | (ch as u32) << 8;
        Punct(Record { head, at: std::ptr::null(), span: call_site(), id: 0 })
    }

    /// Returns the value of this punctuation character as `char`.
    #[inline]
    pub fn as_char(&self) -> char {
        self.0.len() as u8 as char
    }

    /// Returns the spacing of this punctuation character.
    #[inline]
    pub fn spacing(&self) -> Spacing {
        if self.0.sub() != 0 {
            Spacing::Joint
        } else {
            Spacing::Alone
        }
    }

    /// Returns the span for this punctuation character.
    #[inline]
    pub fn span(&self) -> Span {
        Span::from_handle(self.0.span)
    }

    /// Configure the span for this punctuation character.
    #[inline]
    pub fn set_span(&mut self, span: Span) {
        self.0.span = span.0;
    }
}

impl fmt::Display for Punct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_char())
    }
}

impl fmt::Debug for Punct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(&self.0, f)
    }
}

impl PartialEq<char> for Punct {
    fn eq(&self, rhs: &char) -> bool {
        self.as_char() == *rhs
    }
}

impl PartialEq<Punct> for char {
    fn eq(&self, rhs: &Punct) -> bool {
        *self == rhs.as_char()
    }
}

/// An identifier (`ident`).
#[derive(Clone)]
pub struct Ident(pub(crate) Record);

const START_BYTE: u8 = 1;
const IDENT_BYTE: u8 = 2;
const PUNCT_BYTE: u8 = 4;

/// For each byte: whether it may start an identifier, be in one, be a `Punct`.
static BYTES: [u8; 256] = {
    let mut table = [0; 256];
    let mut b = 0;
    while b < 128 {
        if (b as u8).is_ascii_alphabetic() || b as u8 == b'_' {
            table[b] = START_BYTE | IDENT_BYTE;
        } else if (b as u8).is_ascii_digit() {
            table[b] = IDENT_BYTE;
        }
        b += 1;
    }
    let chars = b"=<>!~+-*/%^&|@.,;:#$?'";
    let mut i = 0;
    while i < chars.len() {
        table[chars[i] as usize] = PUNCT_BYTE;
        i += 1;
    }
    table
};

fn is_ascii_ident(bytes: &[u8]) -> bool {
    if bytes.is_empty() || BYTES[bytes[0] as usize] & START_BYTE == 0 {
        return false;
    }
    for &b in bytes {
        if BYTES[b as usize] & IDENT_BYTE == 0 {
            return false;
        }
    }
    true
}

const N_KNOWN: usize = 512;

/// Constants that are known to be identifiers, by address: address and length.
static mut KNOWN: [(usize, usize); N_KNOWN] = [(0, 0); N_KNOWN];

pub(crate) fn own() -> (usize, usize) {
    crate::state::range(&raw const KNOWN)
}

/// `is_ascii_ident`, once for each constant: most names that a macro makes are some.
fn is_known(string: &str) -> bool {
    extern "C" {
        static __global_base: u8;
        static __data_end: u8;
    }
    let (at, len) = (string.as_ptr() as usize, string.len());
    // Should somebody change such a text, the host finds out when it makes the identifier.
    let constant =
        at >= (&raw const __global_base) as usize && at < (&raw const __data_end) as usize;
    // SAFETY: there is one thread.
    let known = unsafe { &mut *(&raw mut KNOWN[(at ^ at >> 9) % N_KNOWN]) };
    if constant && *known == (at, len) {
        return true;
    }
    let valid = is_ascii_ident(string.as_bytes());
    if constant && valid {
        *known = (at, len);
    }
    valid
}

#[cold]
#[inline(never)]
fn unsupported(ch: char) -> ! {
    panic!("unsupported character `{:?}`", ch)
}

impl Ident {
    /// Creates a new `Ident` with the given `string` as well as the specified `span`.
    pub fn new(string: &str, span: Span) -> Ident {
        if !is_known(string) && string != "$crate" {
            return Ident::checked(string, false, span);
        }
        Ident::unchecked(string, false, span)
    }

    /// Same as `Ident::new`, but creates a raw identifier (`r#ident`).
    pub fn new_raw(string: &str, span: Span) -> Ident {
        let special = matches!(string, "_" | "super" | "self" | "Self" | "crate" | "$crate");
        if special || !is_ascii_ident(string.as_bytes()) {
            return Ident::checked(string, true, span);
        }
        Ident::unchecked(string, true, span)
    }

    fn unchecked(string: &str, raw: bool, span: Span) -> Ident {
        let (len, at) = keep(string.as_bytes());
        Ident(Record { head: IDENT | (raw as u32) << 3 | len << 8, at, span: span.0, id: 0 })
    }

    /// The host normalises the text, or panics with the message of the compiler that runs.
    #[cold]
    fn checked(string: &str, raw: bool, span: Span) -> Ident {
        // SAFETY: the host reads the text.
        let len = unsafe { host::ident(string.as_ptr(), string.len() as u32, raw as u32) };
        Ident::unchecked(&answer(len), raw, span)
    }

    fn is_raw(&self) -> bool {
        self.0.sub() != 0
    }

    /// Returns the span of this `Ident`.
    #[inline]
    pub fn span(&self) -> Span {
        Span::from_handle(self.0.span)
    }

    /// Configures the span of this `Ident`, possibly changing its hygiene context.
    #[inline]
    pub fn set_span(&mut self, span: Span) {
        self.0.span = span.0;
    }

    /// What `ToString` gives, without a formatter: macros compare identifiers this way all day.
    #[doc(hidden)]
    pub fn to_string(&self) -> String {
        let text = self.0.text();
        match self.is_raw() {
            true => ["r#", text].concat(),
            false => String::from(text),
        }
    }
}

impl fmt::Display for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_raw() {
            f.write_str("r#")?;
        }
        fmt::Display::fmt(self.0.text(), f)
    }
}

impl fmt::Debug for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(&self.0, f)
    }
}
