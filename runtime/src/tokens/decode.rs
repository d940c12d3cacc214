//! Records to native tokens, one level of a stream after another.

use std::iter::FromIterator;
use std::slice;

use super::super::api::{Delimiter, Group, Ident, Punct, Spacing, TokenStream, TokenTree};
use super::super::fault::Fault;
use super::super::memory::Memory;
use super::super::text::{owned, same};
use super::{little, Record, Refusal, Tokens, GROUP, IDENT, LITERAL, LONG};
use super::{ORIGINAL, PUNCT, RECORD_BYTES, SPLICE};

/// Each level takes native stack.
const DEPTH_MAX: u32 = 500;

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
