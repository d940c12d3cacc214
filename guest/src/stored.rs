//! Streams as they are stored: what the host needs to make them again, and no address.
//!
//! Ids and spans count from the expansion's epoch (docs/expansions.md).

use crate::abi::{Record, GROUP, IDENT, LITERAL, LONG, ORIGINAL, PUNCT, SPLICE};
use crate::arena::{call_site, epoch, take};
use crate::own::{Bytes, Reader};
use crate::stream::TokenStream;
use crate::trace::{absolute, relative};

/// Of a stream: it has no tokens, is the host's, or has these.
const EMPTY: u8 = 0;
const NATIVE: u8 = 1;
const BUILT: u8 = 2;

/// In the first byte of a record, above its kind: its span is `call_site`, that of the one before, or follows.
const SPAN: u8 = 3 << 3;
const CALL_SITE: u8 = 0;
const SAME: u8 = 1 << 3;
const OTHER: u8 = 2 << 3;
/// Its span is its own.
const OWN: u8 = 3 << 3;
/// It is one of the host's: its id follows.
const HOSTS: u8 = 1 << 5;
/// Of identifiers raw, of puncts joint; of groups, the delimiter.
const SUB: u8 = 6;

const DEPTH_MAX: u32 = 500;
/// Longer streams are not stored.
const BYTES_MAX: usize = 8 << 20;

/// The form of literals.
const CHARACTER: u32 = 2;
const BYTE: u32 = 3;
const C_STRING: u32 = 5;
const UNSIGNED: u32 = 6;
const SIGNED: u32 = 7;
const F32: u32 = 8;
const WIDE: u32 = 32;

pub struct Writer<'a> {
    pub out: &'a mut Bytes,
    span: u32,
    /// Something cannot be stored.
    failed: bool,
}

impl<'a> Writer<'a> {
    pub fn new(out: &'a mut Bytes) -> Writer<'a> {
        Writer { out, span: call_site(), failed: false }
    }

    pub fn is_whole(&self) -> bool {
        !self.failed
    }

    /// The stream of three words.
    pub fn stream(&mut self, at: *const u8, len: u32, id: u32, depth: u32) {
        if id > epoch() {
            self.out.byte(NATIVE);
            return self.out.number(relative(id));
        }
        if len == 0 {
            return self.out.byte(EMPTY);
        }
        if id != epoch() || depth > DEPTH_MAX || self.out.len() > BYTES_MAX {
            self.failed = true;
            return;
        }
        self.out.byte(BUILT);
        self.out.number(len);
        let mut at = at.cast::<Record>();
        for _ in 0..len {
            // SAFETY: a built stream has that many records.
            unsafe {
                self.record(&*at, depth);
                at = at.add(1);
            }
            if self.failed {
                return;
            }
        }
    }

    pub fn record(&mut self, record: &Record, depth: u32) {
        let kind = record.head & 7;
        let is_hosts = match kind {
            GROUP => record.head & ORIGINAL != 0,
            IDENT | PUNCT | LITERAL => record.id != 0,
            _ => false,
        };
        let span = match record.span {
            span if is_hosts && span == record.id << 2 => OWN,
            span if span == call_site() => CALL_SITE,
            span if span == self.span => SAME,
            _ => OTHER,
        };
        let sub = match kind {
            GROUP => record.sub() & 3,
            IDENT | PUNCT => record.sub() & 1,
            _ => 0,
        };
        let hosts = if is_hosts { HOSTS } else { 0 };
        self.out.byte(kind as u8 | span | hosts | (sub as u8) << SUB);
        if span == OTHER {
            self.span = record.span;
            if record.span < call_site() {
                self.failed = true;
            }
            self.out.number(relative(record.span >> 2));
            self.out.byte(record.span as u8 & 3);
        }
        if is_hosts {
            if record.id <= epoch() {
                self.failed = true;
            }
            return self.out.number(relative(record.id));
        }
        match kind {
            GROUP => self.stream(record.at, record.len(), record.id, depth + 1),
            SPLICE => self.stream(record.at, record.len(), record.id, depth + 1),
            PUNCT => self.out.byte(record.len() as u8),
            IDENT => self.text(record),
            LITERAL => self.literal(record),
            _ => self.failed = true,
        }
    }

    fn text(&mut self, record: &Record) {
        if record.len() == LONG {
            self.failed = true;
            return;
        }
        self.out.text(record.at, record.len());
    }

    fn literal(&mut self, record: &Record) {
        let (form, value) = (record.sub(), record.len());
        self.out.byte(form as u8);
        match form {
            CHARACTER | BYTE => self.out.number(record.at as u32),
            0..=C_STRING => self.text(record),
            _ => {
                self.out.byte(value as u8);
                match form {
                    UNSIGNED | SIGNED if value & WIDE != 0 => self.out.bytes(record.at, 16),
                    UNSIGNED | SIGNED | F32 => self.out.word(record.at as u32),
                    _ => self.out.bytes(record.at, 8),
                }
            }
        }
    }
}

pub struct Streams<'a> {
    pub from: &'a mut Reader,
    span: u32,
}

impl<'a> Streams<'a> {
    pub fn new(from: &'a mut Reader) -> Streams<'a> {
        Streams { from, span: call_site() }
    }

    /// The stream, its records in the arena. Texts stay where they are stored.
    pub fn stream(&mut self, depth: u32) -> TokenStream {
        let none = TokenStream { at: std::ptr::null(), len: 0, id: epoch() };
        match self.from.byte() {
            EMPTY => none,
            NATIVE => {
                let id = absolute(self.from.number());
                if id <= epoch() {
                    self.from.fail();
                }
                TokenStream { at: std::ptr::null(), len: LONG, id }
            }
            BUILT => {
                let len = self.from.number();
                if len as usize > self.from.left() || depth > DEPTH_MAX || len >= LONG {
                    self.from.fail();
                    return none;
                }
                let records = take(len as usize * 16).cast::<Record>();
                for i in 0..len as usize {
                    let record = self.record(depth);
                    // SAFETY: the room was just taken.
                    unsafe { records.add(i).write(record) };
                }
                TokenStream { at: records.cast(), len, id: epoch() }
            }
            _ => {
                self.from.fail();
                none
            }
        }
    }

    pub fn record(&mut self, depth: u32) -> Record {
        let first = self.from.byte();
        let (kind, sub) = ((first & 7) as u32, (first >> SUB) as u32);
        let mut span = call_site();
        match first & SPAN {
            SAME => span = self.span,
            OTHER => {
                let id = absolute(self.from.number());
                span = id << 2 | self.from.byte() as u32 & 3;
                self.span = span;
            }
            _ => {}
        }
        let mut record = Record { head: kind | sub << 3, at: std::ptr::null(), span, id: 0 };
        if first & HOSTS != 0 {
            record.id = absolute(self.from.number());
            if first & SPAN == OWN {
                record.span = record.id << 2;
            }
            if kind == GROUP {
                record.head |= ORIGINAL;
            }
            return record;
        }
        match kind {
            GROUP | SPLICE => {
                let stream = self.stream(depth + 1);
                record.head |= stream.len << 8;
                (record.at, record.id) = (stream.at, stream.id);
            }
            PUNCT => record.head |= (self.from.byte() as u32) << 8,
            IDENT => self.text(&mut record),
            LITERAL => self.literal(&mut record),
            _ => self.from.fail(),
        }
        record
    }

    fn text(&mut self, record: &mut Record) {
        let (at, len) = self.from.text();
        record.at = at;
        record.head |= len << 8;
    }

    fn literal(&mut self, record: &mut Record) {
        let form = self.from.byte() as u32 & 31;
        record.head |= form << 3;
        match form {
            CHARACTER | BYTE => record.at = self.from.number() as *const u8,
            0..=C_STRING => self.text(record),
            _ => {
                let value = self.from.byte() as u32;
                record.head |= value << 8;
                record.at = match form {
                    UNSIGNED | SIGNED if value & WIDE != 0 => self.from.take(16),
                    UNSIGNED | SIGNED | F32 => Some(self.from.word() as *const u8),
                    _ => self.from.take(8),
                }
                .unwrap_or(std::ptr::null());
            }
        }
    }
}
