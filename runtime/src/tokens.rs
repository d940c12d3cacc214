//! Native tokens to records in guest memory and back (docs/token-abi.md).
//!
//! This runs unoptimised, once per token: words are written and read by hand, nothing is allocated
//! but what the native interface itself wants. Bytes of the guest are never trusted.

use std::ffi::CStr;
use std::fmt::Write;
use std::iter::FromIterator;
use std::mem;
use std::slice;
use std::str;
use std::str::FromStr;

use super::api::{Delimiter, Group, Ident, Literal, Punct, Spacing, Span, TokenStream, TokenTree};
use super::calls::ABI;
use super::instance::{owned, same, Fault};
use super::memory::Memory;

type Record = [u32; 4];

const GROUP: u32 = 0;
const IDENT: u32 = 1;
const PUNCT: u32 = 2;
const LITERAL: u32 = 3;
const SPLICE: u32 = 4;
/// In the first word of a group: it is the native one.
const ORIGINAL: u32 = 1 << 5;
const LONG: u32 = 0xff_ffff;
/// In the value of an integer: it is 16 bytes of memory.
const WIDE: u32 = 32;

const HEADER_BYTES: u32 = 16;
const RECORD_BYTES: u32 = 16;
const N_RECORDS_MAX: u32 = 1 << 24;
/// Each level takes native stack.
const DEPTH_MAX: u32 = 500;

/// The tokens of one expansion.
pub struct Tokens {
    epoch: u32,
    /// Native tokens, by `id - epoch - 1`.
    natives: Vec<TokenTree>,
    /// Spans that the guest derived from others.
    derived: Vec<Span>,
    call_site: Span,
    mixed_site: Span,
    call_site_handle: u32,
    /// The span that was last looked up: the next token often has the same.
    last_handle: u32,
    last_span: Span,
    /// What is being encoded.
    records: Vec<Record>,
    texts: String,
    /// Records that may still be decoded.
    budget: u32,
    /// That many at first.
    pub records_max: u32,
    fault: Option<Fault>,
    /// Whether the macro has made an identifier `compile_error`.
    pub has_error: bool,
}

/// Records that are being decoded, by native address.
struct Cursor {
    at: usize,
    left: u32,
}

/// The memory that is being decoded, with what is asked of it for every token.
struct Window<'a> {
    memory: &'a Memory,
    /// Native address of guest address 0.
    base: usize,
    len: u64,
}

impl Tokens {
    pub fn new(epoch: u32) -> Tokens {
        Tokens {
            epoch: epoch,
            natives: Vec::new(),
            derived: Vec::new(),
            call_site: Span::call_site(),
            mixed_site: Span::mixed_site(),
            call_site_handle: epoch << 2,
            last_handle: epoch << 2,
            last_span: Span::call_site(),
            records: Vec::new(),
            texts: String::new(),
            budget: 0,
            records_max: N_RECORDS_MAX,
            fault: None,
            has_error: false,
        }
    }

    /// The first epoch whose ids do not meet those of this one.
    pub fn next_epoch(&self) -> u32 {
        let mut used = self.natives.len();
        if used < self.derived.len() {
            used = self.derived.len();
        }
        let next = self.epoch + used as u32 + 1;
        if next < 1 << 29 {
            next
        } else {
            1
        }
    }

    /// The id of a new native token.
    pub fn add(&mut self, tree: TokenTree) -> u32 {
        self.natives.push(tree);
        self.epoch + self.natives.len() as u32
    }

    /// The id of a group around `stream`.
    pub fn add_stream(&mut self, stream: TokenStream) -> u32 {
        self.add(TokenTree::Group(Group::new(Delimiter::None, stream)))
    }

    pub fn native(&self, id: u32) -> Result<&TokenTree, Fault> {
        let i = id.wrapping_sub(self.epoch + 1) as usize;
        if i >= self.natives.len() {
            return Err(stale());
        }
        Ok(&self.natives[i])
    }

    pub fn native_stream(&self, id: u32) -> Result<TokenStream, Fault> {
        match tri!(self.native(id)) {
            TokenTree::Group(group) => Ok(group.stream()),
            _ => Err(bad("a stream that is none")),
        }
    }

    /// Encodes the streams wrapped by the last `n_streams` tokens, with all that is in them. Returns
    /// the number of bytes that `write` will write.
    pub fn encode(&mut self, n_streams: u32) -> Result<u32, Fault> {
        let first = self.natives.len() - n_streams as usize;
        self.records.clear();
        self.texts.clear();
        self.records.push([ABI, self.epoch + first as u32, n_streams, 0]);
        let mut i = first;
        while i < self.natives.len() {
            let id = self.epoch + 1 + i as u32;
            let start = self.texts.len() as u32;
            let record = match self.natives[i] {
                TokenTree::Ident(ref ident) => {
                    let _ = write!(self.texts, "{}", ident);
                    let len = self.texts.len() as u32 - start;
                    let bytes = self.texts.as_bytes();
                    let from = start as usize;
                    if len > 2 && bytes[from + 1] == b'#' && bytes[from] == b'r' {
                        [IDENT | 1 << 3 | (len - 2) << 8, start + 2, id << 2, id]
                    } else {
                        [IDENT | len << 8, start, id << 2, id]
                    }
                }
                TokenTree::Punct(ref punct) => {
                    let joint = if let Spacing::Joint = punct.spacing() { 1 << 3 } else { 0 };
                    [PUNCT | joint | (punct.as_char() as u32) << 8, 0, id << 2, id]
                }
                TokenTree::Literal(ref literal) => {
                    let _ = write!(self.texts, "{}", literal);
                    let mut len = self.texts.len() as u32 - start;
                    if len >= LONG {
                        // SAFETY: where the text ended before.
                        unsafe { self.texts.as_mut_vec().set_len(start as usize) };
                        len = LONG;
                    }
                    [LITERAL | len << 8, start, id << 2, id]
                }
                TokenTree::Group(ref group) => {
                    let delimiter = match group.delimiter() {
                        Delimiter::Parenthesis => 0,
                        Delimiter::Brace => 1,
                        Delimiter::Bracket => 2,
                        Delimiter::None => 3,
                    };
                    let stream = group.stream();
                    let at = self.natives.len();
                    for tree in stream {
                        self.natives.push(tree);
                    }
                    let len = (self.natives.len() - at) as u32;
                    if len >= LONG || self.natives.len() as u64 > 4 * N_RECORDS_MAX as u64 {
                        return Err(Fault::Limit("the input has too many tokens"));
                    }
                    let offset = HEADER_BYTES + (at - first) as u32 * RECORD_BYTES;
                    [GROUP | delimiter << 3 | ORIGINAL | len << 8, offset, id << 2, id]
                }
            };
            self.records.push(record);
            i += 1;
        }
        self.records[0][3] = (i - first) as u32;
        let bytes = self.records.len() as u64 * RECORD_BYTES as u64 + self.texts.len() as u64;
        if bytes > i32::MAX as u64 {
            return Err(Fault::Limit("the input is too long"));
        }
        Ok(bytes as u32)
    }

    /// Writes what `encode` has encoded.
    pub fn write(&mut self, memory: &mut Memory, at: u32) -> Result<(), Fault> {
        swap(&mut self.records);
        let len = self.records.len() * RECORD_BYTES as usize;
        // SAFETY: the records are `len` initialised bytes.
        let bytes = unsafe { slice::from_raw_parts(self.records.as_ptr() as *const u8, len) };
        tri!(memory.write(at, bytes));
        memory.write(at + len as u32, self.texts.as_bytes())
    }

    /// The stream described by three words at `at`.
    pub fn decode(&mut self, memory: &Memory, at: u32) -> Result<TokenStream, Fault> {
        self.budget = self.records_max;
        let records = tri!(memory.read_u32(at));
        let len = tri!(memory.read_u32(at.wrapping_add(4)));
        let id = tri!(memory.read_u32(at.wrapping_add(8)));
        let window = tri!(Window::new(memory));
        self.stream(&window, records, len, id, 0)
    }

    /// The token at `at`.
    pub fn decode_one(&mut self, memory: &Memory, at: u32) -> Result<TokenTree, Fault> {
        self.budget = self.records_max;
        let mut record = [0; 4];
        let mut i = 0;
        while i < 4 {
            record[i as usize] = tri!(memory.read_u32(at.wrapping_add(i * 4)));
            i += 1;
        }
        let window = tri!(Window::new(memory));
        let tree = if record[0] & 7 == GROUP {
            self.group(&window, record, 0)
        } else {
            self.leaf(&window, record)
        };
        match tree {
            Some(tree) => Ok(tree),
            None => match self.fault.take() {
                Some(fault) => Err(fault),
                None => Err(stale()),
            },
        }
    }

    fn stream(
        &mut self,
        window: &Window,
        at: u32,
        len: u32,
        id: u32,
        depth: u32,
    ) -> Result<TokenStream, Fault> {
        if id > self.epoch {
            return self.native_stream(id);
        }
        if len == 0 {
            return Ok(TokenStream::new());
        }
        if id != self.epoch {
            return Err(stale());
        }
        if depth > DEPTH_MAX {
            return Err(Fault::Limit("the macro's output is nested too deeply"));
        }
        if len > self.budget {
            return Err(Fault::Limit("the macro's output has more tokens than its limit `tokens`"));
        }
        self.budget -= len;
        let bytes = tri!(window.memory.read(at, len * RECORD_BYTES));
        if at % 4 != 0 {
            return Err(bad("records at an odd address"));
        }
        let mut cursor = Cursor { at: bytes.as_ptr() as usize, left: len };
        let mut stream = tri!(self.run(window, &mut cursor, depth));
        // The run stopped before a splice.
        while cursor.left != 0 {
            // SAFETY: a record is left.
            let [head, at, _, id] = unsafe { cursor.next() };
            let part = tri!(self.stream(window, at, head >> 8, id, depth + 1));
            stream.extend(Some(part));
            if cursor.left != 0 {
                let part = tri!(self.run(window, &mut cursor, depth));
                stream.extend(Some(part));
            }
        }
        Ok(stream)
    }

    /// Decodes up to the end or to a splice.
    fn run(
        &mut self,
        window: &Window,
        cursor: &mut Cursor,
        depth: u32,
    ) -> Result<TokenStream, Fault> {
        let trees = Trees { tokens: self, window: window, cursor: cursor, depth: depth };
        let stream = TokenStream::from_iter(trees);
        match self.fault.take() {
            Some(fault) => Err(fault),
            None => Ok(stream),
        }
    }

    /// `None` means that `fault` is set. Apart from `leaf`, because this one nests and its stack frame
    /// should be small.
    fn group(&mut self, window: &Window, record: Record, depth: u32) -> Option<TokenTree> {
        let [head, at, span, id] = record;
        if head & ORIGINAL != 0 {
            return self.original(id);
        }
        let stream = match self.stream(window, at, head >> 8, id, depth + 1) {
            Ok(stream) => stream,
            Err(fault) => {
                self.fault = Some(fault);
                return None;
            }
        };
        let delimiter = match head >> 3 & 3 {
            0 => Delimiter::Parenthesis,
            1 => Delimiter::Brace,
            2 => Delimiter::Bracket,
            _ => Delimiter::None,
        };
        let mut group = Group::new(delimiter, stream);
        if span != self.call_site_handle {
            if span != self.last_handle && !self.look_up(span) {
                return None;
            }
            group.set_span(self.last_span);
        }
        Some(TokenTree::Group(group))
    }

    fn original(&mut self, id: u32) -> Option<TokenTree> {
        match self.native(id) {
            Ok(tree) => Some(tree.clone()),
            Err(fault) => {
                self.fault = Some(fault);
                None
            }
        }
    }

    /// `None` means that `fault` is set. Written out, because unoptimised every `?` is a call.
    fn leaf(&mut self, window: &Window, record: Record) -> Option<TokenTree> {
        let [head, at, span, id] = record;
        let kind = head & 7;
        if id != 0 {
            let mut tree = self.original(id)?;
            if span != id << 2 {
                if span != self.last_handle && !self.look_up(span) {
                    return None;
                }
                tree.set_span(self.last_span);
            }
            return Some(tree);
        }
        if span != self.last_handle && !self.look_up(span) {
            return None;
        }
        if kind == PUNCT {
            let spacing = if head & 1 << 3 != 0 { Spacing::Joint } else { Spacing::Alone };
            let mut punct = Punct::new((head >> 8) as u8 as char, spacing);
            if span != self.call_site_handle {
                punct.set_span(self.last_span);
            }
            return Some(TokenTree::Punct(punct));
        }
        if kind == IDENT {
            let len = head >> 8;
            if at as u64 + len as u64 <= window.len && len != LONG {
                // SAFETY: checked to lie in memory.
                let bytes = unsafe {
                    slice::from_raw_parts((window.base + at as usize) as *const u8, len as usize)
                };
                if let Ok(text) = str::from_utf8(bytes) {
                    if len == 13 && same(bytes, b"compile_error") {
                        self.has_error = true;
                    }
                    return Some(TokenTree::Ident(if head & 1 << 3 != 0 {
                        Ident::new_raw(text, self.last_span)
                    } else {
                        Ident::new(text, self.last_span)
                    }));
                }
            }
            self.fault = Some(bad("an identifier that is none"));
            return None;
        }
        if kind == LITERAL {
            match literal(window.memory, head, at) {
                Ok(mut literal) => {
                    literal.set_span(self.last_span);
                    return Some(TokenTree::Literal(literal));
                }
                Err(fault) => self.fault = Some(fault),
            }
            return None;
        }
        self.fault = Some(bad("a token of no known kind"));
        None
    }

    /// Makes `last_span` the native span of a handle; false if there is none.
    fn look_up(&mut self, handle: u32) -> bool {
        match self.span(handle) {
            Ok(span) => {
                self.last_handle = handle;
                self.last_span = span;
                true
            }
            Err(fault) => {
                self.fault = Some(fault);
                false
            }
        }
    }

    /// The native span of a handle.
    pub fn span(&self, handle: u32) -> Result<Span, Fault> {
        let (id, part) = (handle >> 2, handle & 3);
        if part == 3 {
            let i = id.wrapping_sub(self.epoch) as usize;
            if i >= self.derived.len() {
                return Err(stale());
            }
            return Ok(self.derived[i]);
        }
        if id == self.epoch {
            return Ok(if part == 1 { self.mixed_site } else { self.call_site });
        }
        let tree = tri!(self.native(id));
        if part != 0 {
            if let TokenTree::Group(ref group) = *tree {
                return Ok(if part == 1 { group.span_open() } else { group.span_close() });
            }
        }
        Ok(tree.span())
    }

    /// The handle of a new span.
    pub fn add_span(&mut self, span: Span) -> u32 {
        self.derived.push(span);
        (self.epoch + self.derived.len() as u32 - 1) << 2 | 3
    }
}

impl<'a> Window<'a> {
    fn new(memory: &'a Memory) -> Result<Window<'a>, Fault> {
        let base = memory.base() as usize;
        if base % 4 != 0 {
            return Err(bad("memory at an odd address"));
        }
        Ok(Window { memory: memory, base: base, len: memory.bytes() })
    }
}

impl Cursor {
    /// The caller has checked `left`, and whoever made this that so many records lie in memory.
    unsafe fn next(&mut self) -> Record {
        let record = *(self.at as *const Record);
        self.at += RECORD_BYTES as usize;
        self.left -= 1;
        if cfg!(target_endian = "big") {
            let [a, b, c, d] = record;
            return [a.swap_bytes(), b.swap_bytes(), c.swap_bytes(), d.swap_bytes()];
        }
        record
    }
}

/// The native interface takes the tokens of a stream from an iterator: this decodes as it goes.
struct Trees<'a> {
    tokens: &'a mut Tokens,
    window: &'a Window<'a>,
    cursor: &'a mut Cursor,
    depth: u32,
}

impl<'a> Iterator for Trees<'a> {
    type Item = TokenTree;

    fn next(&mut self) -> Option<TokenTree> {
        if self.cursor.left == 0 {
            return None;
        }
        // SAFETY: a record is left.
        let record = unsafe { self.cursor.next() };
        match record[0] & 7 {
            GROUP => self.tokens.group(self.window, record, self.depth),
            SPLICE => {
                self.cursor.at -= RECORD_BYTES as usize;
                self.cursor.left += 1;
                None
            }
            _ => self.tokens.leaf(self.window, record),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.cursor.left as usize, None)
    }

    /// Unoptimised, the default one would cost several calls a token.
    fn for_each<F: FnMut(TokenTree)>(mut self, mut f: F) {
        while let Some(tree) = self.next() {
            f(tree);
        }
    }
}

fn stale() -> Fault {
    Fault::Panic(owned("use-after-free in `proc_macro` handle"))
}

fn bad(what: &str) -> Fault {
    Fault::Damaged(owned(what))
}

/// The bytes of a text or of a string's value.
fn bytes(memory: &Memory, len: u32, at: u32) -> Result<&[u8], Fault> {
    if len == LONG {
        let len = tri!(memory.read_u32(at));
        return memory.read(at.wrapping_add(4), len);
    }
    memory.read(at, len)
}

/// Bytes as a text.
pub fn utf8(bytes: &[u8]) -> Result<&str, Fault> {
    match str::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(_) => Err(bad("a text that is not UTF-8")),
    }
}

fn text(memory: &Memory, len: u32, at: u32) -> Result<&str, Fault> {
    utf8(tri!(bytes(memory, len, at)))
}

/// The native literal that the guest's constructor stands for.
fn literal(memory: &Memory, head: u32, at: u32) -> Result<Literal, Fault> {
    let value = head >> 8;
    Ok(match head >> 3 & 31 {
        0 => match Literal::from_str(tri!(text(memory, value, at))) {
            Ok(literal) => literal,
            Err(_) => return Err(bad("a literal that is none")),
        },
        1 => Literal::string(tri!(text(memory, value, at))),
        2 if at > 0x10_ffff || (at >= 0xd800 && at < 0xe000) => {
            return Err(bad("a character that is none"));
        }
        // SAFETY: it is a character's number.
        2 => Literal::character(unsafe { mem::transmute::<u32, char>(at) }),
        3 => Literal::byte_character(at as u8),
        4 => Literal::byte_string(tri!(bytes(memory, value, at))),
        5 => {
            let mut string = Vec::new();
            string.extend_from_slice(tri!(bytes(memory, value, at)));
            string.extend_from_slice(&[0]);
            match CStr::from_bytes_with_nul(&string) {
                Ok(string) => Literal::c_string(string),
                Err(_) => return Err(bad("a C string with a NUL in it")),
            }
        }
        6 if value & WIDE == 0 => unsigned(at as u128, value & 31),
        6 => unsigned(tri!(wide(memory, at)), value & 31),
        7 if value & WIDE == 0 => signed(at as i32 as i128, value & 31),
        7 => signed(tri!(wide(memory, at)) as i128, value & 31),
        8 if value == 0 => Literal::f32_unsuffixed(tri!(finite32(at))),
        8 => Literal::f32_suffixed(tri!(finite32(at))),
        9 if value == 0 => Literal::f64_unsuffixed(tri!(finite64(tri!(memory.read_u64(at))))),
        9 => Literal::f64_suffixed(tri!(finite64(tri!(memory.read_u64(at))))),
        _ => return Err(bad("a literal of no known form")),
    })
}

/// 16 bytes of memory.
fn wide(memory: &Memory, at: u32) -> Result<u128, Fault> {
    Ok(tri!(memory.read_u64(at)) as u128
        | (tri!(memory.read_u64(at.wrapping_add(8))) as u128) << 64)
}

fn finite32(bits: u32) -> Result<f32, Fault> {
    if bits >> 23 & 0xff == 0xff {
        return Err(bad("a float that is not finite"));
    }
    // SAFETY: any bits are a number.
    Ok(unsafe { mem::transmute::<u32, f32>(bits) })
}

fn finite64(bits: u64) -> Result<f64, Fault> {
    if bits >> 52 & 0x7ff == 0x7ff {
        return Err(bad("a float that is not finite"));
    }
    // SAFETY: any bits are a number.
    Ok(unsafe { mem::transmute::<u64, f64>(bits) })
}

fn unsigned(n: u128, suffix: u32) -> Literal {
    match suffix {
        1 => Literal::u8_suffixed(n as u8),
        2 => Literal::u16_suffixed(n as u16),
        3 => Literal::u32_suffixed(n as u32),
        4 => Literal::u64_suffixed(n as u64),
        5 => Literal::u128_suffixed(n),
        6 => Literal::usize_suffixed(n as usize),
        _ => Literal::u128_unsuffixed(n),
    }
}

fn signed(n: i128, suffix: u32) -> Literal {
    match suffix {
        7 => Literal::i8_suffixed(n as i8),
        8 => Literal::i16_suffixed(n as i16),
        9 => Literal::i32_suffixed(n as i32),
        10 => Literal::i64_suffixed(n as i64),
        11 => Literal::i128_suffixed(n),
        12 => Literal::isize_suffixed(n as isize),
        _ => Literal::i128_unsuffixed(n),
    }
}

/// Constructors for compilers without them (before 1.79); elsewhere the inherent ones come first.
trait LiteralMethods {
    fn byte_character(byte: u8) -> Literal;
    fn c_string(string: &CStr) -> Literal;
}

impl LiteralMethods for Literal {
    fn byte_character(byte: u8) -> Literal {
        lexed(&text!("b'\\x{:02x}'", byte))
    }

    fn c_string(string: &CStr) -> Literal {
        let mut text = owned("c\"");
        for byte in string.to_bytes() {
            let _ = write!(text, "\\x{:02x}", byte);
        }
        text.push_str("\"");
        lexed(&text)
    }
}

fn lexed(text: &str) -> Literal {
    match Literal::from_str(text) {
        Ok(literal) => literal,
        Err(_) => Literal::string(text),
    }
}

/// Records are little-endian words.
fn swap(records: &mut [Record]) {
    if cfg!(target_endian = "big") {
        for record in records {
            for word in record {
                *word = word.swap_bytes();
            }
        }
    }
}
