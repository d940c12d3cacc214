//! `TokenStream`: a view of records that never change, in one of two forms.
//!
//! - native: records which the host wrote, or has not written yet; `id` is above the epoch.
//! - built: records that the macro collected, behind a header; `id` is the epoch.
//!
//! A stream is appended to in place where no longer view of the same records exists, so that building
//! token by token takes linear time; else its records are copied. Native streams are never copied
//! but spliced, and stay native until somebody iterates.

use std::fmt;
use std::str::FromStr;

use crate::abi::{answer, host, stale, Record, GROUP, IDENT, LITERAL, LONG, SPLICE};
use crate::arena::{add_block, block_of, call_site, epoch, extend, take, Block};
use crate::literal::{is_negative, split, Literal};
use crate::tree::{Group, Ident, Punct, TokenTree};

/// An abstract stream of tokens, or, more specifically, a sequence of token trees.
#[derive(Clone)]
#[repr(C)]
pub struct TokenStream {
    /// The first record; null for an empty stream and for one that is not read.
    pub(crate) at: *const u8,
    pub(crate) len: u32,
    /// 0 for an empty stream.
    pub(crate) id: u32,
}

/// What precedes the records of a built stream.
#[repr(C)]
struct Header {
    len: u32,
    cap: u32,
    /// Whether any record is not what iterating gives: a splice or a negative number.
    spliced: u32,
    unused: u32,
}

const RECORD_BYTES: usize = 16;

/// Error returned from `TokenStream::from_str`.
#[non_exhaustive]
pub struct LexError {
    display: String,
    debug: String,
    alternate: String,
    not_send: std::marker::PhantomData<*const ()>,
}

impl LexError {
    pub(crate) fn from_answer(len: u32) -> LexError {
        let text = answer(len);
        let mut parts = text.split('\0').map(String::from);
        let mut part = || parts.next().unwrap_or_default();
        LexError {
            display: part(),
            debug: part(),
            alternate: part(),
            not_send: std::marker::PhantomData,
        }
    }
}

impl fmt::Debug for LexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if f.alternate() { &self.alternate } else { &self.debug })
    }
}

impl fmt::Display for LexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.display)
    }
}

impl std::error::Error for LexError {}

impl TokenStream {
    /// Returns an empty `TokenStream` containing no token trees.
    #[inline]
    pub fn new() -> TokenStream {
        TokenStream { at: std::ptr::null(), len: 0, id: 0 }
    }

    /// Checks if this `TokenStream` is empty.
    pub fn is_empty(&self) -> bool {
        self.check();
        if self.len == 0 {
            return true;
        }
        let stream = self.read();
        if !stream.is_spliced() {
            return stream.len == 0;
        }
        stream.flatten().len == 0
    }

    /// Natively the handle of an earlier expansion is a panic.
    #[inline]
    pub(crate) fn check(&self) {
        if self.id != 0 && self.id < epoch() {
            stale("use-after-free in `proc_macro` handle");
        }
    }

    /// Its records are its own: not the host's, and not none.
    #[inline]
    fn is_built(&self) -> bool {
        self.id == epoch()
    }

    fn header(&self) -> *mut Header {
        (self.at as usize - std::mem::size_of::<Header>()) as *mut Header
    }

    fn is_spliced(&self) -> bool {
        // SAFETY: a built stream has a header.
        self.is_built() && unsafe { (*self.header()).spliced != 0 }
    }

    /// The stream with its records, should it be one that nobody has read.
    fn read(&self) -> TokenStream {
        if !self.at.is_null() || self.len != LONG {
            return self.clone();
        }
        // SAFETY: the call takes and gives a number; the answer has room.
        let base = unsafe {
            let len = host::read_stream(self.id);
            let base = take(len as usize);
            host::answer(base);
            base
        };
        adopt(base, 0)
    }

    /// The stream without splices.
    fn flatten(&self) -> TokenStream {
        let mut flat = TokenStream::new();
        for i in 0..self.len as usize {
            // SAFETY: `i` is below the number of records.
            let record = unsafe { *self.at.cast::<Record>().add(i) };
            if record.head & 7 == LITERAL && is_negative(&record) {
                for part in split(record) {
                    flat.push(part);
                }
                continue;
            }
            if record.head & 7 != SPLICE {
                flat.push(record);
                continue;
            }
            let stream = TokenStream { at: record.at, len: record.len(), id: record.id }.read();
            for tree in stream {
                flat.push(tree.record());
            }
        }
        flat
    }

    #[inline]
    pub(crate) fn push(&mut self, record: Record) {
        if !self.is_built() {
            self.reserve(1);
        }
        let header = self.header();
        // SAFETY: a built stream has a header, and room for `cap` records.
        unsafe {
            if (*header).len != self.len || self.len == (*header).cap {
                return self.push_slow(record);
            }
            self.at.cast_mut().cast::<Record>().add(self.len as usize).write(record);
            self.len += 1;
            (*header).len = self.len;
            if record.head & 7 == LITERAL && is_negative(&record) {
                (*header).spliced = 1;
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn push_slow(&mut self, record: Record) {
        self.reserve(1);
        self.push(record);
    }

    /// Makes this a built stream that ends its records, with room for `more` of them.
    fn reserve(&mut self, more: usize) {
        self.check();
        let len = self.len as usize;
        if !self.is_built() {
            let base = self.clone();
            *self = built(if base.id == 0 { more } else { more + 1 }.max(4));
            if base.id != 0 {
                self.append(&base);
            }
            return;
        }
        // SAFETY: a built stream has a header; the records of both blocks are `len` at least.
        unsafe {
            let header = self.header();
            let cap = (*header).cap as usize;
            let tail = (*header).len as usize == len;
            if tail && cap - len >= more {
                return;
            }
            let wanted = (len + more).max(2 * len).max(4);
            let end = self.at as usize + cap * RECORD_BYTES;
            if tail && extend(end, (wanted - cap) * RECORD_BYTES) {
                (*header).cap = wanted as u32;
                return;
            }
            let longer = built(wanted);
            std::ptr::copy_nonoverlapping(self.at, longer.at.cast_mut(), len * RECORD_BYTES);
            (*longer.header()).len = len as u32;
            (*longer.header()).spliced = (*header).spliced;
            self.at = longer.at;
        }
    }

    fn append(&mut self, stream: &TokenStream) {
        stream.check();
        if stream.len == 0 {
            return;
        }
        if self.id == 0 {
            *self = stream.clone();
            return;
        }
        if !stream.is_built() {
            self.reserve(1);
            let head = SPLICE | stream.len << 8;
            self.push(Record { head, at: stream.at, span: call_site(), id: stream.id });
            // SAFETY: it is built now.
            unsafe { (*self.header()).spliced = 1 };
            return;
        }
        let len = stream.len as usize;
        self.reserve(len);
        // SAFETY: there is room for `len` records behind ours, and views of the same block do not
        // reach there.
        unsafe {
            let to = self.at.cast_mut().add(self.len as usize * RECORD_BYTES);
            std::ptr::copy_nonoverlapping(stream.at, to, len * RECORD_BYTES);
            self.len += len as u32;
            (*self.header()).len = self.len;
            (*self.header()).spliced |= (*stream.header()).spliced;
        }
    }
}

/// An empty built stream with room for `cap` records.
fn built(cap: usize) -> TokenStream {
    let header = take(std::mem::size_of::<Header>() + cap * RECORD_BYTES);
    // SAFETY: the room was just taken.
    unsafe {
        header.cast::<Header>().write(Header { len: 0, cap: cap as u32, spliced: 0, unused: 0 });
        TokenStream { at: header.add(std::mem::size_of::<Header>()), len: 0, id: epoch() }
    }
}

/// Takes over what the host wrote at `base`: the stream that record `i` wraps.
pub(crate) fn adopt(base: *mut u8, i: usize) -> TokenStream {
    // SAFETY: the host has written a header of four words, then at least `i` records.
    unsafe {
        let first_id = base.cast::<u32>().add(1).read() + 1;
        if i == 0 {
            let n_records = base.cast::<u32>().add(3).read() as usize;
            let texts = base as usize + (1 + n_records) * RECORD_BYTES;
            add_block(Block { first_id, base: base as usize, texts });
        }
        let group = *base.add(16).cast::<Record>().add(i);
        TokenStream { at: group.at.wrapping_add(base as usize), len: group.len(), id: group.id }
    }
}

/// Attempts to break the string into tokens and parse those tokens into a token stream.
impl FromStr for TokenStream {
    type Err = LexError;

    fn from_str(src: &str) -> Result<TokenStream, LexError> {
        let src = &*crate::errno::native(src);
        // SAFETY: the host reads the text.
        let result = unsafe { host::parse_stream(src.as_ptr(), src.len() as u32) };
        match result as u32 {
            0 => Err(LexError::from_answer((result >> 32) as u32)),
            id => Ok(TokenStream { at: std::ptr::null(), len: LONG, id }),
        }
    }
}

/// Prints the token stream as the compiler does.
impl fmt::Display for TokenStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.check();
        if self.id == 0 {
            return Ok(());
        }
        // SAFETY: a stream has the layout that the host expects.
        let len = unsafe { host::display((self as *const TokenStream).cast()) };
        f.write_str(&answer(len))
    }
}

/// Prints tokens in a form convenient for debugging.
impl fmt::Debug for TokenStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.check();
        // SAFETY: a stream has the layout that the host expects.
        let len =
            unsafe { host::debug((self as *const TokenStream).cast(), 1, f.alternate() as u32) };
        f.write_str(&answer(len))
    }
}

impl Default for TokenStream {
    fn default() -> Self {
        TokenStream::new()
    }
}

/// Creates a token stream containing a single token tree.
impl From<TokenTree> for TokenStream {
    fn from(tree: TokenTree) -> TokenStream {
        let mut stream = built(1);
        stream.push(tree.record());
        stream
    }
}

/// Collects a number of token trees into a single stream.
impl FromIterator<TokenTree> for TokenStream {
    fn from_iter<I: IntoIterator<Item = TokenTree>>(trees: I) -> Self {
        let mut stream = TokenStream::new();
        stream.extend(trees);
        stream
    }
}

/// Collects token trees from multiple token streams into a single stream.
impl FromIterator<TokenStream> for TokenStream {
    fn from_iter<I: IntoIterator<Item = TokenStream>>(streams: I) -> Self {
        let mut stream = TokenStream::new();
        stream.extend(streams);
        stream
    }
}

impl Extend<TokenTree> for TokenStream {
    fn extend<I: IntoIterator<Item = TokenTree>>(&mut self, trees: I) {
        let trees = trees.into_iter();
        let more = trees.size_hint().0;
        if more == 0 {
            trees.for_each(|tree| self.push(tree.record()));
            return;
        }
        self.reserve(more);
        let (header, start) = (self.header(), self.len);
        // SAFETY: there is room for `more` records. They are claimed first, since the iterator may
        // append to another view of this stream.
        unsafe {
            let to = self.at.cast_mut().cast::<Record>().add(start as usize);
            (*header).len = start + more as u32;
            let mut n = 0;
            trees.for_each(|tree| {
                let record = tree.record();
                if n == more {
                    self.len = start + more as u32;
                    n += 1;
                }
                if n > more {
                    return self.push(record);
                }
                if record.head & 7 == LITERAL && is_negative(&record) {
                    (*header).spliced = 1;
                }
                to.add(n).write(record);
                n += 1;
            });
            if n <= more {
                self.len = start + n as u32;
                if (*header).len == start + more as u32 {
                    (*header).len = self.len;
                }
            }
        }
    }
}

impl Extend<TokenStream> for TokenStream {
    fn extend<I: IntoIterator<Item = TokenStream>>(&mut self, streams: I) {
        streams.into_iter().for_each(|stream| self.append(&stream));
    }
}

impl Extend<Group> for TokenStream {
    fn extend<I: IntoIterator<Item = Group>>(&mut self, items: I) {
        items.into_iter().for_each(|item| self.push(item.0));
    }
}

impl Extend<Literal> for TokenStream {
    fn extend<I: IntoIterator<Item = Literal>>(&mut self, items: I) {
        items.into_iter().for_each(|item| self.push(item.0));
    }
}

impl Extend<Punct> for TokenStream {
    fn extend<I: IntoIterator<Item = Punct>>(&mut self, items: I) {
        items.into_iter().for_each(|item| self.push(item.0));
    }
}

impl Extend<Ident> for TokenStream {
    fn extend<I: IntoIterator<Item = Ident>>(&mut self, items: I) {
        items.into_iter().for_each(|item| self.push(item.0));
    }
}

impl IntoIterator for TokenStream {
    type Item = TokenTree;
    type IntoIter = IntoIter;

    fn into_iter(self) -> IntoIter {
        self.check();
        if self.len == 0 {
            return IntoIter { next: std::ptr::null(), end: std::ptr::null(), base: 0, texts: 0 };
        }
        let stream = match self.is_spliced() {
            true => self.flatten(),
            false => self.read(),
        };
        let (base, texts) = match stream.is_built() {
            true => (0, 0),
            false => {
                let block = block_of(stream.id);
                (block.base, block.texts)
            }
        };
        let next = stream.at.cast::<Record>();
        IntoIter { next, end: next.wrapping_add(stream.len as usize), base, texts }
    }
}

/// An iterator over `TokenStream`'s `TokenTree`s.
#[derive(Clone)]
pub struct IntoIter {
    next: *const Record,
    end: *const Record,
    /// What the addresses of streams and of texts are relative to.
    base: usize,
    texts: usize,
}

impl Iterator for IntoIter {
    type Item = TokenTree;

    #[inline]
    fn next(&mut self) -> Option<TokenTree> {
        if self.next == self.end {
            return None;
        }
        // SAFETY: it is before the end of the records.
        let mut record = unsafe { *self.next };
        self.next = self.next.wrapping_add(1);
        Some(match record.head & 7 {
            GROUP => {
                record.at = record.at.wrapping_add(self.base);
                TokenTree::Group(Group(record))
            }
            IDENT => {
                record.at = record.at.wrapping_add(self.texts);
                TokenTree::Ident(Ident(record))
            }
            LITERAL => {
                record.at = record.at.wrapping_add(self.texts);
                TokenTree::Literal(Literal(record))
            }
            _ => TokenTree::Punct(Punct(record)),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = (self.end as usize - self.next as usize) / RECORD_BYTES;
        (len, Some(len))
    }

    fn count(self) -> usize {
        self.size_hint().0
    }
}
