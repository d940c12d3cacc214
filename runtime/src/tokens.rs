//! Native tokens to records in guest memory and back (docs/token-abi.md).
//!
//! This runs unoptimised, once per token: words are written and read by hand, nothing is allocated
//! but what the native interface itself wants. Bytes of the guest are never trusted.

use std::ffi::CStr;
use std::iter::FromIterator;
use std::mem;
use std::slice;
use std::str;
use std::str::FromStr;

use super::api::{Delimiter, Group, Ident, Literal, Punct, Spacing, Span, TokenStream, TokenTree};
use super::calls::ABI;
use super::fault::{Fault, Trap};
use super::memory::Memory;
use super::text::{owned, print, same, show};
use super::wasi::placed;

/// `tri!` of an `Option`.
macro_rules! some {
    ($option:expr) => {
        match $option {
            Some(value) => value,
            None => return None,
        }
    };
}

type Record = [u32; 4];

const GROUP: u32 = 0;
const IDENT: u32 = 1;
const PUNCT: u32 = 2;
const LITERAL: u32 = 3;
const SPLICE: u32 = 4;
/// In the first word of a group: it is the native one.
const ORIGINAL: u32 = 1 << 5;
const LONG: u32 = 0xff_ffff;
/// Of literals: those with a text or bytes, in either form, and integers.
const LEXED: u32 = 0;
const STRING: u32 = 1;
const CHARACTER: u32 = 2;
const BYTE: u32 = 3;
const BYTES: u32 = 4;
const C_STRING: u32 = 5;
const UNSIGNED: u32 = 6;
const SIGNED: u32 = 7;
const SINGLE: u32 = 8;
const DOUBLE: u32 = 9;
const NO_TEXT: &str = "a text that is not UTF-8";
const INFINITE: &str = "a float that is not finite";
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
    /// Where the package's own files are.
    pub own: Option<(&'static str, &'static str)>,
    refusal: Refusal,
    /// Whether the macro has made an identifier `compile_error`.
    pub has_error: bool,
    /// Tokens of the input.
    pub n_in: u32,
    /// Semicolons and braces of what was decoded last.
    pub n_lines: u32,
}

/// Why a token is not decoded. Whoever gives `None` says it: a result with a `Fault`, which is to be dropped,
/// takes four times as long to compile.
enum Refusal {
    Nothing,
    Stale,
    Memory,
    Damaged(&'static str),
    Limit(&'static str),
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
        let call_site = Span::call_site();
        Tokens {
            epoch: epoch,
            natives: Vec::new(),
            call_site: call_site,
            mixed_site: Span::mixed_site(),
            call_site_handle: epoch << 2,
            last_handle: epoch << 2,
            last_span: call_site,
            records: Vec::new(),
            texts: String::new(),
            budget: 0,
            records_max: N_RECORDS_MAX,
            own: None,
            refusal: Refusal::Nothing,
            has_error: false,
            n_in: 0,
            n_lines: 0,
        }
    }

    pub fn n_natives(&self) -> u32 {
        self.natives.len() as u32
    }

    /// Records that were decoded last.
    pub fn n_out(&self) -> u32 {
        self.records_max - self.budget
    }

    /// The first epoch whose ids do not meet those of this one.
    pub fn next_epoch(&self) -> u32 {
        let next = self.epoch + self.natives.len() as u32 + 1;
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

    /// The handle of a new span: that of a token which has it.
    pub fn add_span(&mut self, span: Span) -> u32 {
        let mut punct = Punct::new('.', Spacing::Alone);
        punct.set_span(span);
        self.add(TokenTree::Punct(punct)) << 2
    }

    /// `None`: it is stale.
    fn native(&self, id: u32) -> Option<&TokenTree> {
        let i = id.wrapping_sub(self.epoch + 1) as usize;
        if i >= self.natives.len() {
            return None;
        }
        Some(&self.natives[i])
    }

    pub fn native_stream(&mut self, id: u32) -> Option<TokenStream> {
        self.refusal = match self.native(id) {
            Some(TokenTree::Group(group)) => return Some(group.stream()),
            Some(_) => Refusal::Damaged("a stream that is none"),
            None => Refusal::Stale,
        };
        None
    }

    /// Why there is nothing, which something has just answered.
    pub fn fault(&mut self) -> Fault {
        let fault = match self.refusal {
            Refusal::Damaged(what) => Fault::Damaged(owned(what)),
            Refusal::Limit(what) => Fault::Limit(what),
            Refusal::Memory => Fault::Trap(Trap::MemoryOutOfBounds),
            Refusal::Stale | Refusal::Nothing => {
                Fault::Panic(owned("use-after-free in `proc_macro` handle"))
            }
        };
        self.refusal = Refusal::Nothing;
        fault
    }

    /// Encodes the streams wrapped by the last `n_streams` tokens, with all that is in them. Returns
    /// the number of bytes that `write` will write.
    pub fn encode(&mut self, n_streams: u32) -> Result<u32, Fault> {
        let first = self.natives.len() - n_streams as usize;
        self.records.clear();
        self.texts.clear();
        let mut id = self.epoch + first as u32;
        self.records.push([ABI, id, n_streams, 0]);
        let mut i = first;
        while i < self.natives.len() {
            id += 1;
            let start = self.texts.len();
            let mut at = start as u32;
            let head = match self.natives[i] {
                TokenTree::Ident(ref ident) => {
                    show(&mut self.texts, ident);
                    let len = (self.texts.len() - start) as u32;
                    let bytes = self.texts.as_bytes();
                    if len > 2 && bytes[start + 1] == b'#' && bytes[start] == b'r' {
                        at += 2;
                        IDENT | 1 << 3 | (len - 2) << 8
                    } else {
                        IDENT | len << 8
                    }
                }
                TokenTree::Punct(ref punct) => {
                    at = 0;
                    let joint = if let Spacing::Joint = punct.spacing() { 1 << 3 } else { 0 };
                    PUNCT | joint | (punct.as_char() as u32) << 8
                }
                TokenTree::Literal(ref literal) => {
                    show(&mut self.texts, literal);
                    let mut len = (self.texts.len() - start) as u32;
                    if len >= LONG {
                        // SAFETY: where the text ended before.
                        unsafe { self.texts.as_mut_vec().set_len(start) };
                        len = LONG;
                    }
                    LITERAL | len << 8
                }
                TokenTree::Group(ref group) => {
                    let delimiter = match group.delimiter() {
                        Delimiter::Parenthesis => 0,
                        Delimiter::Brace => 1,
                        Delimiter::Bracket => 2,
                        Delimiter::None => 3,
                    };
                    let stream = group.stream();
                    let from = self.natives.len();
                    for tree in stream {
                        self.natives.push(tree);
                    }
                    let len = (self.natives.len() - from) as u32;
                    if len >= LONG || self.natives.len() as u64 > 4 * N_RECORDS_MAX as u64 {
                        return Err(Fault::Limit("the input has too many tokens"));
                    }
                    at = HEADER_BYTES + (from - first) as u32 * RECORD_BYTES;
                    GROUP | delimiter << 3 | ORIGINAL | len << 8
                }
            };
            self.records.push(little([head, at, id << 2, id]));
            i += 1;
        }
        let n = (i - first) as u32;
        // SAFETY: the header is the first.
        unsafe { *self.records.as_mut_ptr() = little([ABI, id - n, n_streams, n]) };
        let bytes = self.records.len() as u64 * RECORD_BYTES as u64 + self.texts.len() as u64;
        if bytes > i32::MAX as u64 {
            return Err(Fault::Limit("the input is too long"));
        }
        Ok(bytes as u32)
    }

    /// Writes what `encode` has encoded.
    pub fn write(&mut self, memory: &mut Memory, at: u32) -> Result<(), Fault> {
        let len = self.records.len() * RECORD_BYTES as usize;
        // SAFETY: the records are `len` initialised bytes.
        let bytes = unsafe { slice::from_raw_parts(self.records.as_mut_ptr() as *const u8, len) };
        tri!(memory.write(at, bytes));
        memory.write(at + len as u32, self.texts.as_bytes())
    }

    /// The stream described by three words at `at`.
    pub fn decode(&mut self, memory: &Memory, at: u32) -> Result<TokenStream, Fault> {
        let [records, len, id, _] = tri!(words(memory, at, 3));
        let window = tri!(self.window(memory));
        match self.stream(&window, records, len, id, 0) {
            Some(stream) => Ok(stream),
            None => Err(self.fault()),
        }
    }

    /// The token at `at`.
    pub fn decode_one(&mut self, memory: &Memory, at: u32) -> Result<TokenTree, Fault> {
        let record = tri!(words(memory, at, 4));
        let window = tri!(self.window(memory));
        let tree = if record[0] & 7 == GROUP {
            self.group(&window, record, 0)
        } else {
            self.leaf(&window, record)
        };
        match tree {
            Some(tree) => Ok(tree),
            None => Err(self.fault()),
        }
    }

    /// What is to be decoded.
    fn window<'a>(&mut self, memory: &'a Memory) -> Result<Window<'a>, Fault> {
        self.budget = self.records_max;
        self.refusal = Refusal::Nothing;
        self.n_lines = 0;
        let base = memory.base() as usize;
        if base % 4 != 0 {
            return Err(Fault::Damaged(owned("memory at an odd address")));
        }
        Ok(Window { memory: memory, base: base, len: memory.bytes() })
    }

    /// Here and below, `None` means that `refusal` is set.
    fn stream(
        &mut self,
        window: &Window,
        at: u32,
        len: u32,
        id: u32,
        depth: u32,
    ) -> Option<TokenStream> {
        if id > self.epoch {
            return self.native_stream(id);
        }
        if len == 0 {
            return Some(TokenStream::new());
        }
        if id != self.epoch {
            self.refusal = Refusal::Stale;
            return None;
        }
        if depth > DEPTH_MAX {
            self.refusal = Refusal::Limit("the macro's output is nested too deeply");
            return None;
        }
        if len > self.budget {
            self.refusal =
                Refusal::Limit("the macro's output has more tokens than its limit `tokens`");
            return None;
        }
        self.budget -= len;
        let bytes = some!(self.read(window.memory, at, len * RECORD_BYTES));
        if at % 4 != 0 {
            self.refusal = Refusal::Damaged("records at an odd address");
            return None;
        }
        let mut cursor = Cursor { at: bytes.as_ptr() as usize, left: len };
        let mut stream = some!(self.run(window, &mut cursor, depth));
        // The run stopped before a splice.
        let mut is_splice = true;
        while cursor.left != 0 {
            let part = if is_splice {
                // SAFETY: a record is left.
                let [head, at, _, id] = unsafe { cursor.next() };
                self.stream(window, at, head >> 8, id, depth + 1)
            } else {
                self.run(window, &mut cursor, depth)
            };
            stream.extend(Some(some!(part)));
            is_splice = !is_splice;
        }
        Some(stream)
    }

    /// Decodes up to the end or to a splice.
    fn run(&mut self, window: &Window, cursor: &mut Cursor, depth: u32) -> Option<TokenStream> {
        let trees = Trees { tokens: self, window: window, cursor: cursor, depth: depth };
        let stream = TokenStream::from_iter(trees);
        match self.refusal {
            Refusal::Nothing => Some(stream),
            _ => None,
        }
    }

    /// Apart from `leaf`, because this one nests and its stack frame should be small.
    fn group(&mut self, window: &Window, record: Record, depth: u32) -> Option<TokenTree> {
        let [head, at, span, id] = record;
        if head & ORIGINAL != 0 {
            return self.original(id);
        }
        let stream = some!(self.stream(window, at, head >> 8, id, depth + 1));
        let delimiter = match head >> 3 & 3 {
            0 => Delimiter::Parenthesis,
            1 => {
                self.n_lines += 2;
                Delimiter::Brace
            }
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
            Some(tree) => Some(tree.clone()),
            None => {
                self.refusal = Refusal::Stale;
                None
            }
        }
    }

    fn leaf(&mut self, window: &Window, record: Record) -> Option<TokenTree> {
        let [head, at, span, id] = record;
        if id != 0 {
            let mut tree = some!(self.original(id));
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
        Some(match head & 7 {
            PUNCT => {
                let spacing = if head & 1 << 3 != 0 { Spacing::Joint } else { Spacing::Alone };
                let char = (head >> 8) as u8 as char;
                if char == ';' {
                    self.n_lines += 1;
                }
                let mut punct = Punct::new(char, spacing);
                if span != self.call_site_handle {
                    punct.set_span(self.last_span);
                }
                TokenTree::Punct(punct)
            }
            IDENT => {
                let len = head >> 8;
                let mut bytes: &[u8] = b"\xff";
                if at as u64 + len as u64 <= window.len && len != LONG {
                    // SAFETY: checked to lie in memory.
                    bytes = unsafe {
                        slice::from_raw_parts(
                            (window.base + at as usize) as *const u8,
                            len as usize,
                        )
                    };
                }
                let text = some!(self.text(bytes, "an identifier that is none"));
                if len == 13 && same(bytes, b"compile_error") {
                    self.has_error = true;
                }
                TokenTree::Ident(if head & 1 << 3 != 0 {
                    Ident::new_raw(text, self.last_span)
                } else {
                    Ident::new(text, self.last_span)
                })
            }
            LITERAL => {
                let mut literal = some!(self.literal(window.memory, head, at));
                literal.set_span(self.last_span);
                TokenTree::Literal(literal)
            }
            _ => {
                self.refusal = Refusal::Damaged("a token of no known kind");
                return None;
            }
        })
    }

    /// Makes `last_span` the native span of a handle; false if there is none.
    fn look_up(&mut self, handle: u32) -> bool {
        match self.span(handle) {
            Some(span) => {
                self.last_handle = handle;
                self.last_span = span;
                true
            }
            None => {
                self.refusal = Refusal::Stale;
                false
            }
        }
    }

    /// The native span of a handle, if it is not stale.
    pub fn span(&self, handle: u32) -> Option<Span> {
        let (id, part) = (handle >> 2, handle & 3);
        if part == 3 {
            return None;
        }
        if id == self.epoch {
            return Some(if part == 1 { self.mixed_site } else { self.call_site });
        }
        let tree = some!(self.native(id));
        if part != 0 {
            if let TokenTree::Group(ref group) = *tree {
                return Some(if part == 1 { group.span_open() } else { group.span_close() });
            }
        }
        Some(tree.span())
    }

    /// The native literal that the guest's constructor stands for.
    fn literal(&mut self, memory: &Memory, head: u32, at: u32) -> Option<Literal> {
        let (form, value) = (head >> 3 & 31, head >> 8);
        let mut bytes: &[u8] = &[];
        if form != CHARACTER && form != BYTE && form <= C_STRING {
            bytes = some!(self.bytes(memory, value, at));
        }
        let mut number = at as u128;
        if form == SIGNED {
            number = at as i32 as u128;
        }
        if value & WIDE != 0 && (form == UNSIGNED || form == SIGNED) {
            let low = some!(self.long(memory, at));
            number = low as u128 | (some!(self.long(memory, at.wrapping_add(8))) as u128) << 64;
        }
        Some(match form {
            LEXED => match Literal::from_str(some!(self.text(bytes, NO_TEXT))) {
                Ok(literal) => literal,
                Err(_) => return self.no_literal("a literal that is none"),
            },
            STRING => {
                let text = some!(self.text(bytes, NO_TEXT));
                match placed(self.own, text) {
                    Some(text) => Literal::string(&text),
                    None => Literal::string(text),
                }
            }
            CHARACTER if at > 0x10_ffff || (at >= 0xd800 && at < 0xe000) => {
                return self.no_literal("a character that is none");
            }
            // SAFETY: it is a character's number.
            CHARACTER => Literal::character(unsafe { mem::transmute::<u32, char>(at) }),
            BYTE => Literal::byte_character(at as u8),
            BYTES => Literal::byte_string(bytes),
            C_STRING => {
                let mut string = Vec::new();
                string.extend_from_slice(bytes);
                string.extend_from_slice(&[0]);
                match CStr::from_bytes_with_nul(&string) {
                    Ok(string) => Literal::c_string(string),
                    Err(_) => return self.no_literal("a C string with a NUL in it"),
                }
            }
            UNSIGNED => unsigned(number, value & 31),
            SIGNED => signed(number as i128, value & 31),
            SINGLE if at >> 23 & 0xff == 0xff => return self.no_literal(INFINITE),
            SINGLE => {
                // SAFETY: any bits are a number.
                let number = unsafe { mem::transmute::<u32, f32>(at) };
                if value == 0 {
                    Literal::f32_unsuffixed(number)
                } else {
                    Literal::f32_suffixed(number)
                }
            }
            DOUBLE => {
                let bits = some!(self.long(memory, at));
                if bits >> 52 & 0x7ff == 0x7ff {
                    return self.no_literal(INFINITE);
                }
                // SAFETY: any bits are a number.
                let number = unsafe { mem::transmute::<u64, f64>(bits) };
                if value == 0 {
                    Literal::f64_unsuffixed(number)
                } else {
                    Literal::f64_suffixed(number)
                }
            }
            _ => return self.no_literal("a literal of no known form"),
        })
    }

    fn no_literal(&mut self, why: &'static str) -> Option<Literal> {
        self.refusal = Refusal::Damaged(why);
        None
    }

    /// The bytes of a text or of a string's value.
    fn bytes<'a>(&mut self, memory: &'a Memory, len: u32, at: u32) -> Option<&'a [u8]> {
        if len != LONG {
            return self.read(memory, at, len);
        }
        match memory.read_u32(at) {
            Ok(len) => self.read(memory, at.wrapping_add(4), len),
            Err(_) => {
                self.refusal = Refusal::Memory;
                None
            }
        }
    }

    fn read<'a>(&mut self, memory: &'a Memory, at: u32, len: u32) -> Option<&'a [u8]> {
        match memory.read(at, len) {
            Ok(bytes) => Some(bytes),
            Err(_) => {
                self.refusal = Refusal::Memory;
                None
            }
        }
    }

    fn long(&mut self, memory: &Memory, at: u32) -> Option<u64> {
        match memory.read_u64(at) {
            Ok(value) => Some(value),
            Err(_) => {
                self.refusal = Refusal::Memory;
                None
            }
        }
    }

    fn text<'a>(&mut self, bytes: &'a [u8], what: &'static str) -> Option<&'a str> {
        match str::from_utf8(bytes) {
            Ok(text) => Some(text),
            Err(_) => {
                self.refusal = Refusal::Damaged(what);
                None
            }
        }
    }
}

impl Cursor {
    /// The caller has checked `left`, and whoever made this that so many records lie in memory.
    unsafe fn next(&mut self) -> Record {
        let record = *(self.at as *const Record);
        self.at += RECORD_BYTES as usize;
        self.left -= 1;
        little(record)
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

/// Words of memory.
fn words(memory: &Memory, at: u32, n: u32) -> Result<Record, Fault> {
    let mut words = [0; 4];
    let mut i = 0;
    while i < n {
        words[i as usize] = tri!(memory.read_u32(at.wrapping_add(i * 4)));
        i += 1;
    }
    Ok(words)
}

/// A record as it is in memory, and back.
fn little(record: Record) -> Record {
    if cfg!(target_endian = "big") {
        let [a, b, c, d] = record;
        return [a.swap_bytes(), b.swap_bytes(), c.swap_bytes(), d.swap_bytes()];
    }
    record
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
    fn byte_character(byte: u8) -> Literal {
        escaped("b'", &[byte], "'")
    }

    fn c_string(string: &CStr) -> Literal {
        escaped("c\"", string.to_bytes(), "\"")
    }
}

impl LiteralMethods for Literal {}

fn escaped(start: &str, bytes: &[u8], end: &str) -> Literal {
    let mut text = owned(start);
    let mut i = 0;
    while i < bytes.len() {
        print(&mut text, format_args!("\\x{:02x}", bytes[i]));
        i += 1;
    }
    text.push_str(end);
    match Literal::from_str(&text) {
        Ok(literal) => literal,
        Err(_) => Literal::string(&text),
    }
}
