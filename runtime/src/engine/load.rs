//! Reads the embedded form: its container first, then the image's head and data.
//!
//! Nothing here trusts a byte: whatever is inconsistent is `Fault::Damaged`.

use std::slice;

use super::super::image::*;
use super::super::inflate::inflate;
use super::super::instance::{Fault, Limits};
use super::super::memory::Memory;
use super::{Chunk, Engine, Func, Segment, Table, Tier, FRAME};

fn damaged<T>(what: &str) -> Result<T, Fault> {
    Err(Fault::Damaged(String::from(what)))
}

/// Word `index` of little-endian bytes; the caller knows that it exists.
fn word(bytes: &[u8], index: usize) -> u32 {
    let at = index * 4;
    bytes[at] as u32
        | (bytes[at + 1] as u32) << 8
        | (bytes[at + 2] as u32) << 16
        | (bytes[at + 3] as u32) << 24
}

#[repr(C, packed)]
struct Packed(u64);

/// The container's checksum. Each step is a bijection, so only the last one, which halves the sum,
/// can lose a difference.
pub fn checksum(bytes: &[u8]) -> u32 {
    let mut sum = bytes.len() as u64 ^ 0x9e37_79b9_7f4a_7c15;
    let whole = bytes.len() / 8;
    let mut at = bytes.as_ptr() as *const Packed;
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
    for byte in &bytes[whole * 8..] {
        sum = (sum ^ *byte as u64).wrapping_mul(0xff51_afd7_ed55_8ccd);
        sum ^= sum >> 32;
    }
    (sum.wrapping_mul(0xff51_afd7_ed55_8ccd) >> 32) as u32
}

/// The head as words.
pub fn words(head: &[u64]) -> &[u32] {
    // SAFETY: any bytes are words, and those of 64 bits are aligned more strictly.
    unsafe { slice::from_raw_parts(head.as_ptr() as *const u32, head.len() * 2) }
}

/// The head as bytes.
pub fn bytes(head: &[u64]) -> &[u8] {
    // SAFETY: as above.
    unsafe { slice::from_raw_parts(head.as_ptr() as *const u8, head.len() * 8) }
}

/// Walks over the tables of the head.
struct Tables {
    at: usize,
    end: usize,
}

impl Tables {
    /// The first word of the next table, of `n` records of `size` words.
    fn next(&mut self, n: u32, size: usize) -> Result<usize, Fault> {
        let at = self.at;
        let end = at as u64 + n as u64 * size as u64;
        if end > self.end as u64 {
            return damaged("a table of the head is cut off");
        }
        self.at = end as usize;
        Ok(at)
    }
}

/// The chunks' directory and the length of the code in bytes.
fn directory(embedded: &'static [u8]) -> Result<(Vec<Chunk>, usize), Fault> {
    if embedded.len() < EMBEDDED_WORDS * 4 {
        return damaged("it is cut off");
    }
    if word(embedded, 0) != MAGIC_EMBEDDED {
        return damaged("it does not begin as an image");
    }
    if word(embedded, 1) != VERSION {
        return Err(Fault::Damaged(format!(
            "its image format has version {}, this runtime reads version {}",
            word(embedded, 1),
            VERSION
        )));
    }
    if word(embedded, 2) as usize != embedded.len() {
        return damaged("its length is wrong");
    }
    let n = word(embedded, 3) as usize;
    let first = (EMBEDDED_WORDS + n * CHUNK_WORDS) * 4;
    if n < 2 || n > embedded.len() || first > embedded.len() {
        return damaged("its directory is cut off");
    }
    if word(embedded, 5) != 0 || word(embedded, 4) != checksum(&embedded[EMBEDDED_WORDS * 4..first])
    {
        return damaged("its directory has a wrong checksum");
    }
    let mut chunks = Vec::with_capacity(n);
    let mut at = first;
    let mut code_at = 0usize;
    let mut index = 0;
    while index < n {
        let record = EMBEDDED_WORDS + index * CHUNK_WORDS;
        let raw = word(embedded, record) as usize;
        let packed = word(embedded, record + 1) as usize;
        let max = if index == 0 { HEAD_BYTES_MAX } else { DATA_BYTES_MAX } as usize;
        if raw > max || packed > embedded.len() - at || code_at > CODE_INSNS_MAX as usize * 8 {
            return damaged("a chunk is cut off");
        }
        chunks.push(Chunk {
            at: at,
            packed: packed,
            method: word(embedded, record + 2),
            checksum: word(embedded, record + 3),
            raw: raw,
            code_at: code_at,
            ready: false,
        });
        if index >= 2 {
            code_at += raw;
        }
        at += packed;
        index += 1;
    }
    if at != embedded.len() || code_at % 8 != 0 {
        return damaged("its length is wrong");
    }
    Ok((chunks, code_at))
}

/// Decodes one chunk into `out`, which has its length.
fn unpack(embedded: &[u8], chunk: &Chunk, out: &mut [u8]) -> Result<(), Fault> {
    let packed = &embedded[chunk.at..chunk.at + chunk.packed];
    if checksum(packed) != chunk.checksum {
        return damaged("a chunk has a wrong checksum");
    }
    if chunk.method == 0 && packed.len() == out.len() {
        out.copy_from_slice(packed);
        return Ok(());
    }
    if chunk.method != 1 || !inflate(packed, out) {
        return damaged("a chunk does not decode");
    }
    Ok(())
}

impl Engine {
    /// Reads head and data, and initialises memory, tables and globals.
    pub fn new(embedded: &'static [u8], limits: &Limits) -> Result<Engine, Fault> {
        if cfg!(target_endian = "big") {
            return Err(Fault::Limit(
                "precompiled macros need a little-endian host; build with RUSTFLAGS='--cfg precast_from_source'",
            ));
        }
        let (chunks, code_bytes) = directory(embedded)?;
        // One word more, so that a head of odd length has its own.
        let mut head: Vec<u64> = vec![0; chunks[0].raw / 8 + 1];
        // SAFETY: the block is longer than the chunk, and any bytes are numbers.
        let out = unsafe { slice::from_raw_parts_mut(head.as_mut_ptr() as *mut u8, chunks[0].raw) };
        unpack(embedded, &chunks[0], out)?;
        let mut data = vec![0; chunks[1].raw];
        unpack(embedded, &chunks[1], &mut data)?;
        let w = words(&head);
        if chunks[0].raw < head::WORDS * 4
            || w[head::MAGIC] != MAGIC
            || w[head::HEAD_BYTES] as usize != chunks[0].raw
            || w[head::DATA_BYTES] as usize != data.len()
            || w[head::CODE_INSNS] as usize != code_bytes / 8
            || w[head::TABLES] > TABLES_MAX
            || w[head::TYPES] > TYPES_MAX
            || w[head::START] > w[head::FUNCS]
        {
            return damaged("its head is inconsistent");
        }
        if w[head::VERSION] != VERSION {
            return damaged("its image format has another version than its container");
        }
        let mut tables = Tables { at: head::WORDS, end: chunks[0].raw / 4 };
        let consts_at = tables.next(w[head::CONSTS], CONST_WORDS)?;
        let globals_at = tables.next(w[head::GLOBALS], GLOBAL_WORDS)?;
        let funcs_at = tables.next(w[head::FUNCS], FUNC_WORDS)?;
        let tables_at = tables.next(w[head::TABLES], TABLE_WORDS)?;
        let elems_at = tables.next(w[head::ELEMS], ELEM_WORDS)?;
        let items_at = tables.next(w[head::ITEMS], 1)?;
        let datas_at = tables.next(w[head::DATAS], DATA_WORDS)?;
        let exports_at = tables.at;
        // SAFETY: each table was found to lie inside the head, at an address its records may have;
        // the views live in the engine, which keeps the head and never changes it.
        let (consts, funcs, items) = unsafe {
            let first = w.as_ptr();
            (
                slice::from_raw_parts(first.add(consts_at) as *const u64, w[head::CONSTS] as usize),
                slice::from_raw_parts(first.add(funcs_at) as *const Func, w[head::FUNCS] as usize),
                slice::from_raw_parts(first.add(items_at), w[head::ITEMS] as usize),
            )
        };
        let globals = head[globals_at / 2..][..w[head::GLOBALS] as usize].to_vec();
        let mut engine = Engine {
            embedded: embedded,
            chunks: chunks,
            code: vec![0; code_bytes / 8],
            funcs: funcs,
            consts: consts,
            items: items,
            n_types: w[head::TYPES],
            globals: globals,
            tables: Vec::new(),
            n_items: 0,
            elems: Vec::new(),
            datas: Vec::new(),
            data: data,
            exports_at: exports_at,
            start: w[head::START],
            memory_max: w[head::MEMORY_MAX],
            memory: Memory::new(w[head::MEMORY_MIN], limits.memory_bytes_max as u64)?,
            stack: vec![0; STACK_SLOTS_MAX as usize + FRAME],
            tier: Tier::new(funcs.len(), limits),
            fuel: 0,
            head: head,
        };
        engine.read_tables(tables_at)?;
        engine.read_segments(elems_at, datas_at)?;
        engine.initialise()?;
        Ok(engine)
    }

    fn read_tables(&mut self, at: usize) -> Result<(), Fault> {
        let w = words(&self.head);
        let mut at = at;
        let mut left = w[head::TABLES];
        while left > 0 {
            if w[at] > TABLE_ITEMS_MAX - self.n_items {
                return damaged("its tables are too large");
            }
            self.n_items += w[at];
            self.tables.push(Table { items: vec![0; w[at] as usize], max: w[at + 1] });
            at += TABLE_WORDS;
            left -= 1;
        }
        Ok(())
    }

    fn read_segments(&mut self, elems_at: usize, datas_at: usize) -> Result<(), Fault> {
        let w = words(&self.head);
        let mut at = elems_at;
        let mut left = w[head::ELEMS];
        let mut next = 0u64;
        while left > 0 {
            let segment = Segment {
                active: w[at] != 0,
                table: w[at + 1],
                to: w[at + 2],
                from: next as u32,
                len: w[at + 3],
            };
            next += segment.len as u64;
            if next > self.items.len() as u64
                || segment.active && segment.table as usize >= self.tables.len()
            {
                return damaged("an element segment is inconsistent");
            }
            self.elems.push(segment);
            at += ELEM_WORDS;
            left -= 1;
        }
        at = datas_at;
        left = w[head::DATAS];
        while left > 0 {
            let segment = Segment {
                active: w[at] != 0,
                table: 0,
                to: w[at + 1],
                from: w[at + 2],
                len: w[at + 3],
            };
            if segment.from as u64 + segment.len as u64 > self.data.len() as u64 {
                return damaged("a data segment is inconsistent");
            }
            self.datas.push(segment);
            at += DATA_WORDS;
            left -= 1;
        }
        Ok(())
    }

    /// Applies the active segments, in order, and drops them.
    fn initialise(&mut self) -> Result<(), Fault> {
        let mut index = 0;
        while index < self.elems.len() {
            if self.elems[index].active {
                let (table, to, len) =
                    (self.elems[index].table, self.elems[index].to, self.elems[index].len);
                self.table_init(index, table as usize, to, 0, len)?;
                self.elems[index].len = 0;
            }
            index += 1;
        }
        index = 0;
        while index < self.datas.len() {
            if self.datas[index].active {
                let (to, len) = (self.datas[index].to, self.datas[index].len);
                self.memory_init(index, to, 0, len)?;
                self.datas[index].len = 0;
            }
            index += 1;
        }
        Ok(())
    }

    /// Decodes the chunks which hold the bytes `from..to` of the code.
    pub fn decode(&mut self, from: usize, to: usize) -> Result<(), Fault> {
        let mut index = 2;
        while index < self.chunks.len() {
            let chunk = &mut self.chunks[index];
            let end = chunk.code_at + chunk.raw;
            if !chunk.ready && chunk.code_at < to && from < end {
                chunk.ready = true;
                // SAFETY: the code is plain bytes, and the directory's chunks fill it exactly.
                let out = unsafe {
                    let first = (self.code.as_mut_ptr() as *mut u8).add(chunk.code_at);
                    slice::from_raw_parts_mut(first, chunk.raw)
                };
                unpack(self.embedded, chunk, out)?;
            }
            index += 1;
        }
        Ok(())
    }

    /// Decodes and checks everything: what a run would otherwise do bit by bit.
    pub fn check_all(&mut self) -> Result<(), Fault> {
        let end = self.code.len() * 8;
        self.decode(0, end)?;
        let mut func = 0;
        while func < self.funcs.len() {
            self.prepare(func as u32)?;
            func += 1;
        }
        Ok(())
    }
}
