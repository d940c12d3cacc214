//! Reads the embedded form: its container first, then the image's head and data.
//!
//! Nothing here trusts a byte: whatever is inconsistent is `Fault::Damaged`.

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

/// The tables of the head, read one after the other.
struct Head {
    bytes: Vec<u8>,
    at: usize,
}

impl Head {
    /// The next table of `n` records of `words` words; its index in words.
    fn table(&mut self, n: u32, words: usize) -> Result<usize, Fault> {
        let at = self.at;
        let end = at as u64 + n as u64 * words as u64;
        if end * 4 > self.bytes.len() as u64 {
            return damaged("a table of the head is cut off");
        }
        self.at = end as usize;
        Ok(at)
    }

    fn word(&self, index: usize) -> u32 {
        word(&self.bytes, index)
    }

    fn pair(&self, index: usize) -> u64 {
        self.word(index) as u64 | (self.word(index + 1) as u64) << 32
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
        let mut head = Head { bytes: vec![0; chunks[0].raw], at: head::WORDS };
        unpack(embedded, &chunks[0], &mut head.bytes)?;
        let mut data = vec![0; chunks[1].raw];
        unpack(embedded, &chunks[1], &mut data)?;
        if head.bytes.len() < head::WORDS * 4
            || head.word(head::MAGIC) != MAGIC
            || head.word(head::HEAD_BYTES) as usize != head.bytes.len()
            || head.word(head::DATA_BYTES) as usize != data.len()
            || head.word(head::CODE_INSNS) as usize != code_bytes / 8
            || head.word(head::TABLES) > TABLES_MAX
            || head.word(head::TYPES) > TYPES_MAX
        {
            return damaged("its head is inconsistent");
        }
        if head.word(head::VERSION) != VERSION {
            return damaged("its image format has another version than its container");
        }
        let memory = Memory::new(head.word(head::MEMORY_MIN), limits.memory_bytes_max as u64)?;
        let mut engine = Engine {
            embedded: embedded,
            chunks: chunks,
            code: vec![0; code_bytes / 8],
            funcs: Vec::new(),
            n_types: head.word(head::TYPES),
            consts: Vec::new(),
            globals: Vec::new(),
            tables: Vec::new(),
            n_items: 0,
            elems: Vec::new(),
            items: Vec::new(),
            datas: Vec::new(),
            data: data,
            exports: Vec::new(),
            start: head.word(head::START),
            memory_max: head.word(head::MEMORY_MAX),
            memory: memory,
            stack: vec![0; STACK_SLOTS_MAX as usize + FRAME],
            tier: Tier::new(0, limits),
            fuel: 0,
        };
        engine.read_funcs(&mut head)?;
        engine.tier = Tier::new(engine.funcs.len(), limits);
        engine.read_state(&mut head)?;
        engine.read_segments(&mut head)?;
        engine.read_exports(&mut head)?;
        if engine.start as usize > engine.funcs.len() {
            return damaged("its start function does not exist");
        }
        engine.initialise()?;
        Ok(engine)
    }

    fn read_funcs(&mut self, head: &mut Head) -> Result<(), Fault> {
        let n = head.word(head::FUNCS);
        let at = head.table(n, FUNC_WORDS)?;
        let end = at + n as usize * FUNC_WORDS;
        let mut at = at;
        self.funcs.reserve(n as usize);
        while at < end {
            let code = head.word(at);
            let insns = head.word(at + 1);
            let frame = head.word(at + 2);
            let signature = head.word(at + 3);
            let func = Func {
                code: code,
                insns: insns,
                frame: frame as u16,
                type_idx: (frame >> 16) as u16,
                params: signature as u16,
                results: (signature >> 16) as u16,
            };
            if code as u64 + insns as u64 > self.code.len() as u64
                || func.type_idx as u32 >= self.n_types
                || func.params > func.frame
                || func.results > func.frame
                || func.frame as u32 > FRAME_SLOTS_MAX
            {
                return damaged("a function record is inconsistent");
            }
            self.funcs.push(func);
            at += FUNC_WORDS;
        }
        Ok(())
    }

    fn read_state(&mut self, head: &mut Head) -> Result<(), Fault> {
        let n = head.word(head::CONSTS);
        let mut at = head.table(n, CONST_WORDS)?;
        while at < head.at {
            self.consts.push(head.pair(at));
            at += CONST_WORDS;
        }
        let n = head.word(head::GLOBALS);
        at = head.table(n, GLOBAL_WORDS)?;
        while at < head.at {
            self.globals.push(head.pair(at));
            at += GLOBAL_WORDS;
        }
        let n = head.word(head::TABLES);
        at = head.table(n, TABLE_WORDS)?;
        while at < head.at {
            if head.word(at) > TABLE_ITEMS_MAX - self.n_items {
                return damaged("its tables are too large");
            }
            self.n_items += head.word(at);
            self.tables
                .push(Table { items: vec![0; head.word(at) as usize], max: head.word(at + 1) });
            at += TABLE_WORDS;
        }
        Ok(())
    }

    fn read_segments(&mut self, head: &mut Head) -> Result<(), Fault> {
        let n_items = head.word(head::ITEMS);
        let n = head.word(head::ELEMS);
        let mut at = head.table(n, ELEM_WORDS)?;
        let mut next = 0u64;
        while at < head.at {
            let len = head.word(at + 3);
            let table = head.word(at + 1);
            if next + len as u64 > n_items as u64
                || (head.word(at) != 0 && table as usize >= self.tables.len())
            {
                return damaged("an element segment is inconsistent");
            }
            self.elems.push(Segment {
                active: head.word(at) != 0,
                table: table,
                to: head.word(at + 2),
                from: next as u32,
                len: len,
            });
            next += len as u64;
            at += ELEM_WORDS;
        }
        at = head.table(n_items, 1)?;
        self.items.reserve(n_items as usize);
        while at < head.at {
            self.items.push(head.word(at));
            at += 1;
        }
        let n = head.word(head::DATAS);
        at = head.table(n, DATA_WORDS)?;
        while at < head.at {
            let from = head.word(at + 2);
            let len = head.word(at + 3);
            if from as u64 + len as u64 > self.data.len() as u64 {
                return damaged("a data segment is inconsistent");
            }
            self.datas.push(Segment {
                active: head.word(at) != 0,
                table: 0,
                to: head.word(at + 1),
                from: from,
                len: len,
            });
            at += DATA_WORDS;
        }
        Ok(())
    }

    fn read_exports(&mut self, head: &mut Head) -> Result<(), Fault> {
        let mut n = head.word(head::EXPORTS);
        while n > 0 {
            let at = head.table(1, 2)?;
            let len = head.word(at + 1);
            let words = len as u64 / 4 + (len % 4 != 0) as u64;
            let text = head.table(words as u32, 1)? * 4;
            let name = match String::from_utf8(head.bytes[text..text + len as usize].to_vec()) {
                Ok(name) => name,
                Err(_) => return damaged("an export's name is not text"),
            };
            if head.word(at) as usize >= self.funcs.len() {
                return damaged("an export names a function that does not exist");
            }
            self.exports.push((name, head.word(at)));
            n -= 1;
        }
        if head.at * 4 != head.bytes.len() {
            return damaged("its head is longer than its tables");
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
                    ::std::slice::from_raw_parts_mut(first, chunk.raw)
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
