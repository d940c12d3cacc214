//! Reads the embedded form: its container first, then the image's head and data.
//!
//! Nothing here trusts a byte: whatever is inconsistent is `Fault::Damaged`.

use std::slice;

use super::super::image::*;
use super::super::inflate::inflate;
use super::super::instance::{owned, zeros, Fault, Limits};
use super::super::memory::{Eight, Memory};
use super::super::pages::Pages;
use super::{Engine, Func, Segment, Table, Tier, STACK_SLOTS};

/// Where the tables of the head begin, in words; the last is the end.
type Tables = [usize; 8];

impl Engine {
    fn damaged<T>(what: &str) -> Result<T, Fault> {
        Err(Fault::Damaged(owned(what)))
    }

    /// Word `index` of little-endian bytes; the caller knows that it exists.
    fn word(bytes: &[u8], index: usize) -> u32 {
        let at = index * 4;
        bytes[at] as u32
            | (bytes[at + 1] as u32) << 8
            | (bytes[at + 2] as u32) << 16
            | (bytes[at + 3] as u32) << 24
    }

    /// The container's checksum. Each step is a bijection, so only the last one, which halves the sum,
    /// can lose a difference.
    pub fn checksum(bytes: &[u8]) -> u32 {
        let mut sum = bytes.len() as u64 ^ 0x9e37_79b9_7f4a_7c15;
        let whole = bytes.len() / 8;
        let mut at = bytes.as_ptr() as *const Eight;
        let mut n = 0;
        while n < whole {
            // SAFETY: `whole` words of eight bytes lie inside the slice; the type needs no alignment.
            unsafe {
                sum = (sum ^ u64::from_le((*at).0)).wrapping_mul(0xff51_afd7_ed55_8ccd);
                at = at.add(1);
            }
            sum ^= sum >> 32;
            n += 1;
        }
        n = whole * 8;
        while n < bytes.len() {
            sum = (sum ^ bytes[n] as u64).wrapping_mul(0xff51_afd7_ed55_8ccd);
            sum ^= sum >> 32;
            n += 1;
        }
        (sum.wrapping_mul(0xff51_afd7_ed55_8ccd) >> 32) as u32
    }

    /// The head as words.
    pub fn words(head: &[u64]) -> &[u32] {
        // SAFETY: any bytes are words, and those of 64 bits are aligned more strictly.
        unsafe { slice::from_raw_parts(head.as_ptr() as *const u32, head.len() * 2) }
    }

    /// Numbers as bytes.
    pub fn bytes(words: &[u64]) -> &[u8] {
        // SAFETY: as above.
        unsafe { slice::from_raw_parts(words.as_ptr() as *const u8, words.len() * 8) }
    }

    /// A block for the bytes of a chunk: one number more, so that a rest has its own.
    fn block(embedded: &[u8], index: usize, max: u32, block: &mut Vec<u64>) -> Result<(), Fault> {
        let raw = Self::word(embedded, EMBEDDED_WORDS + index * CHUNK_WORDS);
        if raw > max {
            return Self::damaged("a chunk is too large");
        }
        *block = zeros(raw as usize / 8 + 1);
        Ok(())
    }

    /// Decodes chunk `index`, whose packed bytes begin at `at`, to the front of `out`. Gives the end of
    /// the packed bytes.
    fn unpack(embedded: &[u8], index: usize, at: usize, out: &mut [u64]) -> Result<usize, Fault> {
        let record = EMBEDDED_WORDS + index * CHUNK_WORDS;
        let raw = Self::word(embedded, record) as usize;
        let end = at as u64 + Self::word(embedded, record + 1) as u64;
        if end > embedded.len() as u64 || raw > out.len() * 8 {
            return Self::damaged("a chunk is cut off");
        }
        let packed = &embedded[at..end as usize];
        if Self::checksum(packed) != Self::word(embedded, record + 3) {
            return Self::damaged("a chunk has a wrong checksum");
        }
        // SAFETY: any bytes are numbers, and there are enough.
        let out = unsafe { slice::from_raw_parts_mut(out.as_mut_ptr() as *mut u8, raw) };
        let method = Self::word(embedded, record + 2);
        if method == 0 && packed.len() == raw {
            out.copy_from_slice(packed);
        } else if method != 1 || !inflate(packed, out) {
            return Self::damaged("a chunk does not decode");
        }
        Ok(end as usize)
    }

    /// Checks the container's header; the end of the directory.
    fn open(embedded: &[u8]) -> Result<usize, Fault> {
        if cfg!(target_endian = "big") {
            return Err(Fault::Limit(
                "precompiled macros need a little-endian host; build with RUSTFLAGS='--cfg precast_from_source'",
            ));
        }
        if embedded.len() < EMBEDDED_WORDS * 4 || Self::word(embedded, 0) != MAGIC_EMBEDDED {
            return Self::damaged("it does not begin as an image");
        }
        let version = Self::word(embedded, 1);
        if version != VERSION {
            return Err(Fault::Damaged(text!(
                "its image format has version {}, this runtime reads version {}",
                version,
                VERSION
            )));
        }
        let n = Self::word(embedded, 3) as usize;
        if Self::word(embedded, 2) as usize != embedded.len()
            || n < 2
            || n > embedded.len() / (CHUNK_WORDS * 4)
        {
            return Self::damaged("it is cut off");
        }
        let end = (EMBEDDED_WORDS + n * CHUNK_WORDS) * 4;
        if end > embedded.len()
            || Self::word(embedded, 5) != 0
            || Self::word(embedded, 4) != Self::checksum(&embedded[EMBEDDED_WORDS * 4..end])
        {
            return Self::damaged("its directory has a wrong checksum");
        }
        Ok(end)
    }

    /// Checks the head's header and finds its tables.
    fn tables(head: &[u64], raw: usize, data: usize) -> Result<Tables, Fault> {
        if raw < head::WORDS * 4 {
            return Self::damaged("its head is cut off");
        }
        // SAFETY: as many words were found to be there.
        let w: &[u32; head::WORDS] = unsafe { &*(head.as_ptr() as *const [u32; head::WORDS]) };
        if w[head::MAGIC] != MAGIC
            || w[head::VERSION] != VERSION
            || w[head::HEAD_BYTES] as usize != raw
            || w[head::DATA_BYTES] as usize != data
            || w[head::CODE_INSNS] > CODE_INSNS_MAX
            || w[head::TABLES] > TABLES_MAX
            || w[head::TYPES] > TYPES_MAX
            || w[head::START] > w[head::FUNCS]
        {
            return Self::damaged("its head is inconsistent");
        }
        let sizes: [(u32, usize); 7] = [
            (w[head::CONSTS], CONST_WORDS),
            (w[head::GLOBALS], GLOBAL_WORDS),
            (w[head::FUNCS], FUNC_WORDS),
            (w[head::TABLES], TABLE_WORDS),
            (w[head::ELEMS], SEGMENT_WORDS),
            (w[head::DATAS], SEGMENT_WORDS),
            (w[head::ITEMS], 1),
        ];
        let mut tables: Tables = [0; 8];
        let mut at = head::WORDS as u64;
        let mut index = 0;
        while index < 7 {
            tables[index] = at as usize;
            at += sizes[index].0 as u64 * sizes[index].1 as u64;
            if at > raw as u64 / 4 {
                return Self::damaged("a table of the head is cut off");
            }
            index += 1;
        }
        tables[7] = at as usize;
        Ok(tables)
    }

    /// Reads head and data, and initialises memory, tables and globals.
    pub fn new(embedded: &'static [u8], limits: &Limits) -> Result<Engine, Fault> {
        // Empty at first: an error then drops one value, not a dozen.
        let mut engine = Engine {
            embedded: embedded,
            code_chunks_at: 0,
            code: Pages::none(),
            n_insns: 0,
            head: Vec::new(),
            funcs: &[],
            consts: &[],
            items: &[],
            n_types: 0,
            globals: Vec::new(),
            tables: Vec::new(),
            n_items: 0,
            segments_at: 0,
            n_elems: 0,
            n_datas: 0,
            dropped: Vec::new(),
            data: Vec::new(),
            exports_at: 0,
            start: 0,
            memory_max: 0,
            memory: Memory::none(limits.memory_bytes_max as u64),
            stack: Pages::none(),
            tier: Tier::new(),
            fuel: 0,
            #[cfg(not(proc_macro))]
            called: Vec::new(),
            guards: 0,
        };
        tri!(engine.load(limits));
        Ok(engine)
    }

    fn load(&mut self, limits: &Limits) -> Result<(), Fault> {
        let embedded = self.embedded;
        let at = tri!(Self::open(embedded));
        tri!(Self::block(embedded, 0, HEAD_BYTES_MAX, &mut self.head));
        let at = tri!(Self::unpack(embedded, 0, at, &mut self.head));
        tri!(Self::block(embedded, 1, DATA_BYTES_MAX, &mut self.data));
        self.code_chunks_at = tri!(Self::unpack(embedded, 1, at, &mut self.data));
        let data_bytes = Self::word(embedded, EMBEDDED_WORDS + CHUNK_WORDS) as usize;
        let raw = Self::word(embedded, EMBEDDED_WORDS) as usize;
        let tables = tri!(Self::tables(&self.head, raw, data_bytes));
        // SAFETY: the words live in the engine, which never changes or moves them.
        let w: &[u32] = unsafe { &*(Self::words(&self.head) as *const [u32]) };
        // SAFETY: each table was found to lie inside the head, at an address its records may have;
        // the views live in the engine as well.
        unsafe {
            let first = w.as_ptr();
            self.consts =
                slice::from_raw_parts(first.add(tables[0]) as *const u64, w[head::CONSTS] as usize);
            self.funcs =
                slice::from_raw_parts(first.add(tables[2]) as *const Func, w[head::FUNCS] as usize);
            self.items = slice::from_raw_parts(first.add(tables[6]), w[head::ITEMS] as usize);
        }
        self.n_insns = w[head::CODE_INSNS] as usize;
        self.n_types = w[head::TYPES];
        self.n_elems = w[head::ELEMS] as usize;
        self.n_datas = w[head::DATAS] as usize;
        self.segments_at = tables[4];
        self.exports_at = tables[7];
        self.start = w[head::START];
        self.memory_max = w[head::MEMORY_MAX];
        self.globals.extend_from_slice(&self.head[tables[1] / 2..][..w[head::GLOBALS] as usize]);
        self.dropped = zeros(self.n_elems + self.n_datas);
        tri!(self.code.take(self.n_insns * 8));
        tri!(self.memory.take(w[head::MEMORY_MIN]));
        tri!(self.stack.take(STACK_SLOTS * 8));
        tri!(self.tier.take(self.funcs.len(), limits));
        tri!(self.read_tables(tables[3], tables[4]));
        self.initialise(data_bytes)
    }

    fn read_tables(&mut self, at: usize, end: usize) -> Result<(), Fault> {
        let w = Self::words(&self.head);
        let mut at = at;
        while at < end {
            if w[at] > TABLE_ITEMS_MAX - self.n_items {
                return Self::damaged("its tables are too large");
            }
            self.n_items += w[at];
            self.tables.push(Table { items: zeros(w[at] as usize), max: w[at + 1] });
            at += TABLE_WORDS;
        }
        Ok(())
    }

    /// An element segment, or behind them all a data segment. A dropped one is empty.
    pub fn segment(&self, index: usize) -> Segment {
        let w = Self::words(&self.head);
        let at = self.segments_at + index * SEGMENT_WORDS;
        let len = if self.dropped[index] != 0 { 0 } else { w[at + 3] };
        Segment { active: w[at], to: w[at + 1], from: w[at + 2], len: len }
    }

    /// Checks the segments; applies the active ones, in order, and drops them.
    fn initialise(&mut self, data_bytes: usize) -> Result<(), Fault> {
        let mut index = 0;
        while index < self.n_elems + self.n_datas {
            let is_data = index >= self.n_elems;
            let s = self.segment(index);
            let end = if is_data { data_bytes } else { self.items.len() };
            let targets = if is_data { 1 } else { self.tables.len() };
            if s.from as u64 + s.len as u64 > end as u64 || s.active as usize > targets {
                return Self::damaged("a segment is inconsistent");
            }
            if s.active != 0 {
                if is_data {
                    tri!(self.memory_init(index - self.n_elems, s.to, 0, s.len));
                } else {
                    tri!(self.table_init(index, s.active as usize - 1, s.to, 0, s.len));
                }
                self.dropped[index] = 1;
            }
            index += 1;
        }
        Ok(())
    }

    /// Where the instructions of function `func` begin and end, now decoded but not checked.
    pub fn locate(&mut self, func: usize) -> Result<(usize, usize), Fault> {
        #[cfg(not(proc_macro))]
        self.called.push(func as u32);
        let first = self.funcs[func].code as usize;
        let end = first as u64 + self.funcs[func].insns as u64;
        if first as u64 >= end || end > self.n_insns as u64 {
            return Self::damaged("a function lies outside the code");
        }
        // Code that is not decoded yet is `INVALID`.
        if self.code()[first] == 0 {
            tri!(self.decode(first * 8));
        }
        Ok((first, end as usize))
    }

    /// Decodes the chunk with byte `at` of the code.
    fn decode(&mut self, at: usize) -> Result<(), Fault> {
        let n = Self::word(self.embedded, 3) as usize;
        let mut packed = self.code_chunks_at;
        let mut from = 0u64;
        let mut index = 2;
        while index < n {
            let record = EMBEDDED_WORDS + index * CHUNK_WORDS;
            let raw = Self::word(self.embedded, record) as u64;
            if from + raw > at as u64 {
                if from % 8 != 0 || from + raw > self.n_insns as u64 * 8 {
                    return Self::damaged("the code is cut off");
                }
                let embedded = self.embedded;
                let out = &mut self.code()[from as usize / 8..];
                return match Self::unpack(embedded, index, packed, out) {
                    Ok(_) => Ok(()),
                    Err(fault) => Err(fault),
                };
            }
            from += raw;
            packed = packed.saturating_add(Self::word(self.embedded, record + 1) as usize);
            index += 1;
        }
        Self::damaged("a function lies outside the code")
    }

    /// Decodes and checks everything: what a run would otherwise do bit by bit.
    #[cfg(not(proc_macro))]
    pub fn check_all(&mut self) -> Result<(), Fault> {
        let mut func = 0;
        while func < self.funcs.len() {
            tri!(self.prepare(func as u32));
            func += 1;
        }
        Ok(())
    }
}
