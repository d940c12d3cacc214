//! Native tokens to records in guest memory and back (docs/token-abi.md).
//!
//! This runs unoptimised, once per token: words are written and read by hand, nothing is allocated
//! but what the native interface itself wants. Bytes of the guest are never trusted.

use std::ffi::CStr;
use std::fmt::Write;
use std::iter::FromIterator;
use std::slice;
use std::str;
use std::str::FromStr;

use super::api::{Delimiter, Group, Ident, Literal, Punct, Spacing, Span, TokenStream, TokenTree};
use super::calls::ABI;
use super::instance::Fault;
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
const N_RECORDS_MAX: u32 = 1 << 26;
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
    /// What is being encoded.
    records: Vec<Record>,
    texts: String,
    /// Records that may still be decoded.
    budget: u32,
    fault: Option<Fault>,
    /// Whether the macro has made an identifier `compile_error`.
    pub has_error: bool,
}

/// Records that are being decoded.
struct Cursor {
    at: *const Record,
    left: u32,
}

impl Tokens {
    pub fn new(epoch: u32) -> Tokens {
        Tokens {
            epoch: epoch,
            natives: Vec::new(),
            derived: Vec::new(),
            call_site: Span::call_site(),
            mixed_site: Span::mixed_site(),
            records: Vec::new(),
            texts: String::new(),
            budget: N_RECORDS_MAX,
            fault: None,
            has_error: false,
        }
    }

    /// The first epoch whose ids do not meet those of this one.
    pub fn next_epoch(&self) -> u32 {
        let used = self.natives.len().max(self.derived.len()) as u32 + 1;
        let next = self.epoch + used;
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
        match self.native(id)? {
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
                        self.texts.truncate(start as usize);
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
                    if len >= LONG || self.natives.len() as u32 > N_RECORDS_MAX {
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
        memory.write(at, bytes)?;
        memory.write(at + len as u32, self.texts.as_bytes())
    }

    /// The stream described by three words at `at`.
    pub fn decode(&mut self, memory: &Memory, at: u32) -> Result<TokenStream, Fault> {
        self.budget = N_RECORDS_MAX;
        let records = memory.read_u32(at)?;
        let len = memory.read_u32(at.wrapping_add(4))?;
        let id = memory.read_u32(at.wrapping_add(8))?;
        self.stream(memory, records, len, id, 0)
    }

    /// The token at `at`.
    pub fn decode_one(&mut self, memory: &Memory, at: u32) -> Result<TokenTree, Fault> {
        self.budget = N_RECORDS_MAX;
        let mut record = [0; 4];
        for i in 0..4 {
            record[i as usize] = memory.read_u32(at.wrapping_add(i * 4))?;
        }
        if record[0] & 7 == GROUP {
            return self.group(memory, record, 0);
        }
        self.leaf(memory, record)
    }

    fn stream(
        &mut self,
        memory: &Memory,
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
            return Err(Fault::Limit("the macro's output has too many tokens"));
        }
        self.budget -= len;
        let bytes = memory.read(at, len * RECORD_BYTES)?;
        if bytes.as_ptr() as usize % 4 != 0 {
            return Err(bad("records at an odd address"));
        }
        let mut cursor = Cursor { at: bytes.as_ptr() as *const Record, left: len };
        let mut stream = self.run(memory, &mut cursor, depth)?;
        // The run stopped before a splice.
        while cursor.left != 0 {
            let record = cursor.next();
            let part = self.stream(memory, record[1], record[0] >> 8, record[3], depth + 1)?;
            stream.extend(Some(part));
            if cursor.left != 0 {
                let part = self.run(memory, &mut cursor, depth)?;
                stream.extend(Some(part));
            }
        }
        Ok(stream)
    }

    /// Decodes up to the end or to a splice.
    fn run(
        &mut self,
        memory: &Memory,
        cursor: &mut Cursor,
        depth: u32,
    ) -> Result<TokenStream, Fault> {
        let trees = Trees { tokens: self, memory: memory, cursor: cursor, depth: depth };
        let stream = TokenStream::from_iter(trees);
        match self.fault.take() {
            Some(fault) => Err(fault),
            None => Ok(stream),
        }
    }

    /// Apart from `leaf`, because this one nests and its stack frame should be small.
    fn group(&mut self, memory: &Memory, record: Record, depth: u32) -> Result<TokenTree, Fault> {
        let [head, at, span, id] = record;
        if head & ORIGINAL != 0 {
            return Ok(self.native(id)?.clone());
        }
        let stream = self.stream(memory, at, head >> 8, id, depth + 1)?;
        let delimiter = match head >> 3 & 3 {
            0 => Delimiter::Parenthesis,
            1 => Delimiter::Brace,
            2 => Delimiter::Bracket,
            _ => Delimiter::None,
        };
        let mut group = Group::new(delimiter, stream);
        if span != self.epoch << 2 {
            group.set_span(self.span(span)?);
        }
        Ok(TokenTree::Group(group))
    }

    fn leaf(&mut self, memory: &Memory, record: Record) -> Result<TokenTree, Fault> {
        let [head, at, span, id] = record;
        let kind = head & 7;
        let mut tree = if id != 0 {
            let tree = self.native(id)?.clone();
            if span == id << 2 {
                return Ok(tree);
            }
            tree
        } else if kind == PUNCT {
            let spacing = if head & 1 << 3 != 0 { Spacing::Joint } else { Spacing::Alone };
            TokenTree::Punct(Punct::new((head >> 8) as u8 as char, spacing))
        } else if kind == IDENT {
            let text = text(memory, head >> 8, at)?;
            if head >> 8 == 13 && text == "compile_error" {
                self.has_error = true;
            }
            let span = self.span(span)?;
            return Ok(TokenTree::Ident(if head & 1 << 3 != 0 {
                Ident::new_raw(text, span)
            } else {
                Ident::new(text, span)
            }));
        } else if kind == LITERAL {
            TokenTree::Literal(literal(memory, head, at)?)
        } else {
            return Err(bad("a token of no known kind"));
        };
        if span != self.epoch << 2 {
            tree.set_span(self.span(span)?);
        }
        Ok(tree)
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
        let tree = self.native(id)?;
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

impl Cursor {
    fn next(&mut self) -> Record {
        // SAFETY: callers have checked `left`, and whoever made this that so many lie in memory.
        let record = unsafe { *self.at };
        self.at = self.at.wrapping_add(1);
        self.left -= 1;
        #[cfg(target_endian = "big")]
        let record = [
            record[0].swap_bytes(),
            record[1].swap_bytes(),
            record[2].swap_bytes(),
            record[3].swap_bytes(),
        ];
        record
    }
}

/// The native interface takes the tokens of a stream from an iterator: this decodes as it goes.
struct Trees<'a> {
    tokens: &'a mut Tokens,
    memory: &'a Memory,
    cursor: &'a mut Cursor,
    depth: u32,
}

impl Iterator for Trees<'_> {
    type Item = TokenTree;

    fn next(&mut self) -> Option<TokenTree> {
        if self.cursor.left == 0 {
            return None;
        }
        let before = (self.cursor.at, self.cursor.left);
        let record = self.cursor.next();
        if record[0] & 7 == SPLICE {
            (self.cursor.at, self.cursor.left) = before;
            return None;
        }
        let tree = if record[0] & 7 == GROUP {
            self.tokens.group(self.memory, record, self.depth)
        } else {
            self.tokens.leaf(self.memory, record)
        };
        match tree {
            Ok(tree) => Some(tree),
            Err(fault) => {
                self.tokens.fault = Some(fault);
                None
            }
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
    Fault::Panic(String::from("use-after-free in `proc_macro` handle"))
}

fn bad(what: &str) -> Fault {
    Fault::Damaged(String::from(what))
}

/// The bytes of a text or of a string's value.
fn bytes(memory: &Memory, len: u32, at: u32) -> Result<&[u8], Fault> {
    if len == LONG {
        let len = memory.read_u32(at)?;
        return memory.read(at.wrapping_add(4), len);
    }
    memory.read(at, len)
}

fn text(memory: &Memory, len: u32, at: u32) -> Result<&str, Fault> {
    match str::from_utf8(bytes(memory, len, at)?) {
        Ok(text) => Ok(text),
        Err(_) => Err(bad("a text that is not UTF-8")),
    }
}

/// The native literal that the guest's constructor stands for.
fn literal(memory: &Memory, head: u32, at: u32) -> Result<Literal, Fault> {
    let value = head >> 8;
    Ok(match head >> 3 & 31 {
        0 => match Literal::from_str(text(memory, value, at)?) {
            Ok(literal) => literal,
            Err(_) => return Err(bad("a literal that is none")),
        },
        1 => Literal::string(text(memory, value, at)?),
        2 => match char::from_u32(at) {
            Some(ch) => Literal::character(ch),
            None => return Err(bad("a character that is none")),
        },
        3 => Literal::byte_character(at as u8),
        4 => Literal::byte_string(bytes(memory, value, at)?),
        5 => {
            let mut bytes = bytes(memory, value, at)?.to_vec();
            bytes.push(0);
            match CStr::from_bytes_with_nul(&bytes) {
                Ok(string) => Literal::c_string(string),
                Err(_) => return Err(bad("a C string with a NUL in it")),
            }
        }
        6 if value & WIDE == 0 => unsigned(at as u128, value & 31),
        6 => unsigned(wide(memory, at)?, value & 31),
        7 if value & WIDE == 0 => signed(at as i32 as i128, value & 31),
        7 => signed(wide(memory, at)? as i128, value & 31),
        8 if value == 0 => Literal::f32_unsuffixed(finite32(at)?),
        8 => Literal::f32_suffixed(finite32(at)?),
        9 if value == 0 => Literal::f64_unsuffixed(finite64(memory.read_u64(at)?)?),
        9 => Literal::f64_suffixed(finite64(memory.read_u64(at)?)?),
        _ => return Err(bad("a literal of no known form")),
    })
}

/// 16 bytes of memory.
fn wide(memory: &Memory, at: u32) -> Result<u128, Fault> {
    Ok(memory.read_u64(at)? as u128 | (memory.read_u64(at.wrapping_add(8))? as u128) << 64)
}

fn finite32(bits: u32) -> Result<f32, Fault> {
    let n = f32::from_bits(bits);
    if n.is_finite() {
        Ok(n)
    } else {
        Err(bad("a float that is not finite"))
    }
}

fn finite64(bits: u64) -> Result<f64, Fault> {
    let n = f64::from_bits(bits);
    if n.is_finite() {
        Ok(n)
    } else {
        Err(bad("a float that is not finite"))
    }
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
        lexed(&format!("b'\\x{:02x}'", byte))
    }

    fn c_string(string: &CStr) -> Literal {
        let mut text = String::from("c\"");
        for byte in string.to_bytes() {
            let _ = write!(text, "\\x{:02x}", byte);
        }
        text.push('"');
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
