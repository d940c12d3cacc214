//! Native tokens to records.

use std::slice;

use super::super::api::{Delimiter, Spacing, TokenTree};
use super::super::calls::ABI;
use super::super::fault::Fault;
use super::super::memory::Memory;
use super::super::text::show;
use super::{little, Tokens, GROUP, HEADER_BYTES, IDENT, LITERAL, LONG};
use super::{N_RECORDS_MAX, ORIGINAL, PUNCT, RECORD_BYTES};

impl Tokens {
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
}
