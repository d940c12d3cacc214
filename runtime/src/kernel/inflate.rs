//! The whole decoder, for any machine; `x86_64.rs` is what a compiler makes of this file.
//!
//! So it calls nothing, allocates nothing and cannot panic: indices are masked, addresses are checked.

/// Zero bytes around the input and behind the literals, so that wide reads stay inside.
const SLACK: usize = 32;
/// The largest block the format allows, in bytes.
const BLOCK_BYTES_MAX: usize = 1 << 17;

const MAGIC: usize = 0xfd2f_b528;
const HUFFMAN_BITS_MAX: u32 = 11;

/// Largest accuracy and number of symbols of the three sequence codes, and of the weights' code.
const LENGTHS: Code = Code { log_max: 9, symbols: 36, values: 0 };
const OFFSETS: Code = Code { log_max: 8, symbols: 32, values: 1 };
const MATCHES: Code = Code { log_max: 9, symbols: 53, values: 2 };
const WEIGHTS: Code = Code { log_max: 6, symbols: 12, values: 3 };

struct Code {
    log_max: u32,
    symbols: usize,
    /// Which of `VALUES`.
    values: usize,
}

/// What the symbols of the four codes mean: the least value, and in the high byte the bits that are
/// added. An offset's least value is a power of two, which `value` adds.
#[rustfmt::skip]
static VALUES: [[u32; 64]; 4] = [
    [
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 | 1 << 24, 18 | 1 << 24,
        20 | 1 << 24, 22 | 1 << 24, 24 | 2 << 24, 28 | 2 << 24, 32 | 3 << 24, 40 | 3 << 24,
        48 | 4 << 24, 64 | 6 << 24, 128 | 7 << 24, 256 | 8 << 24, 512 | 9 << 24, 1024 | 10 << 24,
        2048 | 11 << 24, 4096 | 12 << 24, 8192 | 13 << 24, 16384 | 14 << 24, 32768 | 15 << 24,
        65536 | 16 << 24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0,
    ],
    [
        0, 1 << 24, 2 << 24, 3 << 24, 4 << 24, 5 << 24, 6 << 24, 7 << 24, 8 << 24, 9 << 24,
        10 << 24, 11 << 24, 12 << 24, 13 << 24, 14 << 24, 15 << 24, 16 << 24, 17 << 24, 18 << 24,
        19 << 24, 20 << 24, 21 << 24, 22 << 24, 23 << 24, 24 << 24, 25 << 24, 26 << 24, 27 << 24,
        28 << 24, 29 << 24, 30 << 24, 31 << 24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ],
    [
        3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27,
        28, 29, 30, 31, 32, 33, 34, 35 | 1 << 24, 37 | 1 << 24, 39 | 1 << 24, 41 | 1 << 24,
        43 | 2 << 24, 47 | 2 << 24, 51 | 3 << 24, 59 | 3 << 24, 67 | 4 << 24, 83 | 4 << 24,
        99 | 5 << 24, 131 | 7 << 24, 259 | 8 << 24, 515 | 9 << 24, 1027 | 10 << 24, 2051 | 11 << 24,
        4099 | 12 << 24, 8195 | 13 << 24, 16387 | 14 << 24, 32771 | 15 << 24, 65539 | 16 << 24, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ],
    [
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24,
        25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47,
        48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63,
    ],
];

type Counts = [i16; 64];
static LENGTH_COUNTS: Counts = [
    4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1,
    -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0,
];
static OFFSET_COUNTS: Counts = [
    1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0,
];
static MATCH_COUNTS: Counts = [
    1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0,
];

/// Read and written without a demand on alignment.
#[repr(C, packed)]
struct Eight(u64);
#[repr(C, packed)]
struct Sixteen(u128);

/// An FSE table. An entry is the next state's base, from bit 16 on the bits to add to that, from 24
/// on the bits to add to the value, and from 32 on the value.
#[repr(C)]
struct Fse {
    entries: [u64; 512],
    log: u32,
    ready: u32,
}

/// A decoder at work, all zero at first. The tables outlive a block: later ones may repeat them.
#[repr(C)]
struct Decoder {
    lengths: Fse,
    offsets: Fse,
    matches: Fse,
    weights_code: Fse,
    counts: Counts,
    /// symbol | bits << 8, by the next `huffman_bits` bits.
    huffman: [u16; 1 << HUFFMAN_BITS_MAX],
    weights: [u8; 256],
    repeats: [usize; 3],
    /// 0 while there is no table.
    huffman_bits: u32,
    /// Addresses: what is decoded, which has slack on both sides; the output; room for literals, with
    /// slack behind.
    input: usize,
    out: usize,
    out_start: usize,
    out_end: usize,
    literals: usize,
    literals_max: usize,
}

/// Decodes the frame in `frame..end`, which must fill `out..out_end` exactly; `true` if it does.
///
/// # Safety
/// `decoder` is the address of one that is zero. The frame has `SLACK` bytes on both sides, and there is room for as many
/// literals as `out` has bytes, at most `BLOCK_BYTES_MAX`, and `SLACK` more.
pub unsafe fn decode(
    decoder: usize,
    frame: usize,
    end: usize,
    out: usize,
    out_end: usize,
    literals: usize,
) -> bool {
    let decoder = &mut *(decoder as *mut Decoder);
    // Positions count from before the slack, so that a cursor of bits can fall below the frame.
    decoder.input = frame - SLACK;
    decoder.out = out;
    decoder.out_start = out;
    decoder.out_end = out_end;
    decoder.literals = literals;
    decoder.literals_max = out_end - out;
    if decoder.literals_max > BLOCK_BYTES_MAX {
        decoder.literals_max = BLOCK_BYTES_MAX;
    }
    decoder.repeats = [1, 4, 8];
    decoder.frame(end - decoder.input)
}

impl Decoder {
    unsafe fn byte(&self, at: usize) -> usize {
        *((self.input + at) as *const u8) as usize
    }

    unsafe fn eight(&self, at: usize) -> u64 {
        u64::from_le((*((self.input + at) as *const Eight)).0)
    }

    /// Up to seven bytes as a number.
    unsafe fn little(&self, at: usize, bytes: usize) -> usize {
        self.eight(at) as usize & ((1 << (bytes * 8)) - 1)
    }

    /// `bits` (at most 56) below the bit `cursor`. Reads up to eight bytes on either side of the bits,
    /// which the slack and the headers before every bitstream cover.
    unsafe fn peek(&self, cursor: usize, bits: u32) -> usize {
        let low = cursor - bits as usize;
        (self.eight(low >> 3) >> (low & 7)) as usize & ((1 << bits) - 1)
    }

    /// The bit behind the last one of the backward bitstream `at..end`.
    unsafe fn last_bit(&self, at: usize, end: usize) -> Option<usize> {
        if at >= end {
            return None;
        }
        let byte = self.byte(end - 1) as u32;
        if byte == 0 {
            return None;
        }
        Some(end * 8 + 23 - byte.leading_zeros() as usize)
    }

    unsafe fn frame(&mut self, end: usize) -> bool {
        let mut at = match self.header(end) {
            Some(at) => at,
            None => return false,
        };
        loop {
            if at + 3 > end {
                return false;
            }
            let head = self.little(at, 3);
            at += 3;
            let size = head >> 3;
            let kind = head >> 1 & 3;
            if kind == 2 {
                if size > end - at || size > BLOCK_BYTES_MAX || !self.block(at, at + size) {
                    return false;
                }
                at += size;
            } else {
                let stored = if kind == 0 { size } else { 1 };
                if kind == 3 || stored > end - at || size > self.out_end - self.out {
                    return false;
                }
                if kind == 0 {
                    copy(self.input + at, self.out, size);
                } else {
                    fill(self.out, self.byte(at) as u8, size);
                }
                self.out += size;
                at += stored;
            }
            if head & 1 == 1 {
                return at == end && self.out == self.out_end;
            }
        }
    }

    /// Checks the frame header; gives the place of the first block.
    unsafe fn header(&self, end: usize) -> Option<usize> {
        // Magic, descriptor, window and content size take at most 10 bytes; the slack covers a cut.
        let descriptor = self.byte(SLACK + 4);
        if self.little(SLACK, 4) != MAGIC || descriptor & 0x1f != 0 {
            return None;
        }
        let single = descriptor >> 5 & 1;
        let at = SLACK + 6 - single;
        let (bytes, bias) = match descriptor >> 6 {
            0 => (single, 0),
            1 => (2, 256),
            2 => (4, 0),
            // A size of eight bytes is for what no machine holds.
            _ => return None,
        };
        let content = self.little(at, bytes) + bias;
        if at + bytes > end || (bytes != 0 && content != self.out_end - self.out) {
            return None;
        }
        Some(at + bytes)
    }

    /// Decodes the compressed block `at..end`.
    unsafe fn block(&mut self, at: usize, end: usize) -> bool {
        let (mut at, count) = match self.read_literals(at, end) {
            Some(found) => found,
            None => return false,
        };
        if at >= end {
            return false;
        }
        let first = self.byte(at);
        let next = self.byte(at + 1);
        let sequences = match first {
            0..=127 => first,
            128..=254 => (first - 128) << 8 | next,
            _ => (next | self.byte(at + 2) << 8) + 0x7f00,
        };
        at += 1 + (first >= 128) as usize + (first == 255) as usize;
        if sequences == 0 {
            return at == end && self.rest(self.literals, self.literals + count);
        }
        if at >= end {
            return false;
        }
        let modes = self.byte(at);
        if modes & 3 != 0 {
            return false;
        }
        at += 1;
        // The table, a mode in its place, and what the default has.
        let mut which = 0;
        while which < 3 {
            match self.table(which, modes >> (6 - 2 * which) & 3, at, end) {
                Some(next) => at = next,
                None => return false,
            }
            which += 1;
        }
        self.run(at, end, sequences, self.literals + count)
    }

    /// Writes the literals in `from..to`, which follow the last sequence.
    unsafe fn rest(&mut self, from: usize, to: usize) -> bool {
        if to - from > self.out_end - self.out {
            return false;
        }
        copy(from, self.out, to - from);
        self.out += to - from;
        true
    }

    /// Reads the literals section; gives where the sequences begin and how many literals there are.
    unsafe fn read_literals(&mut self, at: usize, end: usize) -> Option<(usize, usize)> {
        let head = self.eight(at);
        let (kind, format) = (head & 3, head >> 2 & 3);
        if kind < 2 {
            let (bytes, size) = match format {
                0 | 2 => (1, head >> 3 & 0x1f),
                1 => (2, head >> 4 & 0xfff),
                _ => (3, head >> 4 & 0xf_ffff),
            };
            let (at, size) = (at + bytes, size as usize);
            let stored = if kind == 0 { size } else { 1 };
            if size > self.literals_max || at + stored > end {
                return None;
            }
            if kind == 0 {
                copy(self.input + at, self.literals, size);
            } else {
                fill(self.literals, self.byte(at) as u8, size);
            }
            return Some((at + stored, size));
        }
        let (bytes, bits) = match format {
            0 | 1 => (3, 10),
            2 => (4, 14),
            _ => (5, 18),
        };
        let size = (head >> 4) as usize & ((1 << bits) - 1);
        let stored = (head >> (4 + bits)) as usize & ((1 << bits) - 1);
        let mut at = at + bytes;
        let next = at + stored;
        if size > self.literals_max || next > end {
            return None;
        }
        if kind == 2 {
            at = self.read_huffman(at, next)?;
        }
        if self.huffman_bits == 0 {
            return None;
        }
        if format == 0 {
            return if self.stream(at, next, 0, size) { Some((next, size)) } else { None };
        }
        if next < at + 6 || size < 6 {
            return None;
        }
        let part = (size + 3) / 4;
        let mut from = at + 6;
        let mut i = 0;
        while i < 4 {
            let to = if i == 3 { next } else { from + self.little(at + 2 * i, 2) };
            let last = if i == 3 { size } else { part * (i + 1) };
            if to > next || last > size || !self.stream(from, to, part * i, last) {
                return None;
            }
            from = to;
            i += 1;
        }
        Some((next, size))
    }

    /// Reads a Huffman table; gives the place behind it.
    unsafe fn read_huffman(&mut self, at: usize, end: usize) -> Option<usize> {
        if at >= end {
            return None;
        }
        let head = self.byte(at);
        let bytes = if head < 128 { head } else { (head - 126) / 2 };
        let next = at + 1 + bytes;
        if next > end {
            return None;
        }
        let mut count = 0;
        if head < 128 {
            count = self.read_weights(at + 1, next)?;
        } else {
            while count < head - 127 {
                let pair = self.byte(at + 1 + count / 2);
                self.weights[count & 255] = (pair >> (4 - count % 2 * 4) & 15) as u8;
                count += 1;
            }
        }
        if self.build_huffman(count) {
            Some(next)
        } else {
            None
        }
    }

    /// Builds the table from the first `count` weights; that of the last symbol is what is missing to
    /// a power of two.
    fn build_huffman(&mut self, count: usize) -> bool {
        let mut sum = 0u32;
        let mut i = 0;
        while i < count {
            let weight = self.weights[i & 255] as u32;
            if weight > HUFFMAN_BITS_MAX {
                return false;
            }
            sum += 1 << weight >> 1;
            i += 1;
        }
        let bits = 32 - sum.leading_zeros();
        if sum == 0 || bits > HUFFMAN_BITS_MAX {
            return false;
        }
        let left = (1u32 << bits) - sum;
        if left & (left - 1) != 0 || count > 255 {
            return false;
        }
        self.weights[count & 255] = left.trailing_zeros() as u8 + 1;
        let mut place = 0;
        let mut weight = 1;
        while weight <= bits {
            let mut symbol = 0;
            while symbol <= count {
                if self.weights[symbol & 255] as u32 == weight {
                    let entry = symbol as u16 | ((bits + 1 - weight) as u16) << 8;
                    let stop = place + (1 << (weight - 1));
                    while place < stop {
                        self.huffman[place & ((1 << HUFFMAN_BITS_MAX) - 1)] = entry;
                        place += 1;
                    }
                }
                symbol += 1;
            }
            weight += 1;
        }
        self.huffman_bits = bits;
        true
    }

    /// Decodes the Huffman stream `at..end` into the literals `from..to`.
    #[allow(unused_assignments)]
    unsafe fn stream(&mut self, at: usize, end: usize, from: usize, to: usize) -> bool {
        let mut cursor = match self.last_bit(at, end) {
            Some(cursor) => cursor,
            None => return false,
        };
        let start = at * 8;
        let shift = 64 - self.huffman_bits;
        let (mut out, stop) = (self.literals + from, self.literals + to);
        let mut word: u64;
        macro_rules! symbol {
            () => {
                let entry = self.huffman[(word >> shift) as usize & ((1 << HUFFMAN_BITS_MAX) - 1)];
                word <<= entry >> 8 & 63;
                cursor -= (entry >> 8) as usize;
                *(out as *mut u8) = entry as u8;
                out += 1;
            };
        }
        while out < stop {
            if cursor < start {
                return false;
            }
            // The eight bytes that end with the cursor's give at least 57 bits: five symbols.
            let byte = (cursor + 7) >> 3;
            word = self.eight(byte - 8);
            word <<= byte * 8 - cursor & 63;
            symbol!();
            if out + 4 <= stop {
                symbol!();
                symbol!();
                symbol!();
                symbol!();
            }
        }
        cursor == start
    }

    /// Makes one of the three sequence tables by its mode; gives the place behind its description.
    unsafe fn table(&mut self, which: usize, mode: usize, at: usize, end: usize) -> Option<usize> {
        let (code, fse, default, log, n) = match which {
            0 => (LENGTHS, &mut self.lengths, &LENGTH_COUNTS, 6, 36),
            1 => (OFFSETS, &mut self.offsets, &OFFSET_COUNTS, 5, 29),
            _ => (MATCHES, &mut self.matches, &MATCH_COUNTS, 6, 53),
        };
        let fse: *mut Fse = fse;
        if mode == 0 {
            return if build(&mut *fse, &code, default, n, log) { Some(at) } else { None };
        }
        if mode == 1 {
            let symbol = self.byte(at);
            if at >= end || symbol >= code.symbols {
                return None;
            }
            (*fse).entries[0] = value(&code, symbol);
            (*fse).log = 0;
            (*fse).ready = 1;
            return Some(at + 1);
        }
        if mode == 2 {
            let (next, log, n) = self.read_counts(at, end, &code)?;
            return if build(&mut *fse, &code, &self.counts, n, log) { Some(next) } else { None };
        }
        if (*fse).ready != 0 {
            Some(at)
        } else {
            None
        }
    }

    /// Reads normalized counts; gives the place behind them, the accuracy and the number of symbols.
    unsafe fn read_counts(
        &mut self,
        at: usize,
        end: usize,
        code: &Code,
    ) -> Option<(usize, u32, usize)> {
        self.counts = [0; 64];
        let mut bit = at * 8;
        let log = self.peek(bit + 4, 4) as u32 + 5;
        bit += 4;
        if log > code.log_max {
            return None;
        }
        let mut left = 1i32 << log;
        let mut n = 0;
        while left > 0 {
            if n >= code.symbols || bit > end * 8 {
                return None;
            }
            let bits = 32 - (left as u32 + 1).leading_zeros();
            let mut value = self.peek(bit + bits as usize, bits) as i32;
            bit += bits as usize;
            let mask = (1 << (bits - 1)) - 1;
            let threshold = (1 << bits) - 1 - (left + 1);
            if value & mask < threshold {
                bit -= 1;
                value &= mask;
            } else if value > mask {
                value -= threshold;
            }
            self.counts[n & 63] = value as i16 - 1;
            left -= if value == 0 { 1 } else { value - 1 };
            n += 1;
            while value == 1 {
                let repeat = self.peek(bit + 2, 2);
                bit += 2;
                n += repeat;
                if repeat < 3 {
                    break;
                }
                if n > code.symbols {
                    return None;
                }
            }
        }
        let next = (bit + 7) / 8;
        if left != 0 || n > code.symbols || next > end {
            return None;
        }
        Some((next, log, n))
    }

    /// Reads the weights of a Huffman table, FSE-coded with two states in turn; gives their number.
    unsafe fn read_weights(&mut self, at: usize, end: usize) -> Option<usize> {
        let (at, log, n) = self.read_counts(at, end, &WEIGHTS)?;
        if !build(&mut self.weights_code, &WEIGHTS, &self.counts, n, log) {
            return None;
        }
        let start = at * 8;
        let mut cursor = self.last_bit(at, end)?;
        if cursor - start < 2 * log as usize {
            return None;
        }
        let mut state = self.peek(cursor, log);
        let mut other = self.peek(cursor - log as usize, log);
        cursor -= 2 * log as usize;
        let mut count = 0;
        while count < 254 {
            let entry = self.weights_code.entries[state & 511];
            self.weights[count & 255] = (entry >> 32) as u8;
            count += 1;
            let bits = (entry >> 16) as u32 & 0xff;
            if cursor < start + bits as usize {
                let entry = self.weights_code.entries[other & 511];
                self.weights[count & 255] = (entry >> 32) as u8;
                return Some(count + 1);
            }
            state = other;
            other = (entry & 0xffff) as usize + self.peek(cursor, bits);
            cursor -= bits as usize;
        }
        None
    }

    /// Runs the sequences of the bitstream `at..end`, whose literals end at `literal_end`.
    #[allow(unused_assignments)]
    unsafe fn run(&mut self, at: usize, end: usize, sequences: usize, literal_end: usize) -> bool {
        let start = at * 8;
        let mut cursor = match self.last_bit(at, end) {
            Some(cursor) => cursor,
            None => return false,
        };
        let (lengths, offsets, matches) = (self.lengths.log, self.offsets.log, self.matches.log);
        if cursor - start < (lengths + offsets + matches) as usize {
            return false;
        }
        let mut length_state = self.peek(cursor, lengths);
        cursor -= lengths as usize;
        let mut offset_state = self.peek(cursor, offsets);
        cursor -= offsets as usize;
        let mut match_state = self.peek(cursor, matches);
        cursor -= matches as usize;
        let (mut literal, mut out) = (self.literals, self.out);
        let [mut near, mut middle, mut far] = self.repeats;
        let mut left = sequences;
        let mut word;
        // The 57 bits below the cursor, or more, become the high ones of the word.
        macro_rules! load {
            () => {
                let byte = (cursor + 7) >> 3;
                word = self.eight(byte - 8) << (byte * 8 - cursor & 63);
            };
        }
        macro_rules! read {
            ($bits:expr) => {{
                let bits = $bits as u32 & 63;
                let value = word >> 1 >> (!bits & 63);
                word <<= bits;
                cursor -= bits as usize;
                value as usize
            }};
        }
        while left != 0 {
            left -= 1;
            let length_entry = self.lengths.entries[length_state & 511];
            let offset_entry = self.offsets.entries[offset_state & 511];
            let match_entry = self.matches.entries[match_state & 511];
            // Up to 31 and 16 bits.
            load!();
            let value = (offset_entry >> 32) as usize + read!(offset_entry >> 24);
            let size = (match_entry >> 32) as usize + read!(match_entry >> 24);
            // Up to 16 bits, and 9, 9 and 8 for the states.
            load!();
            let length = (length_entry >> 32) as usize + read!(length_entry >> 24);
            if left != 0 {
                length_state = length_entry as u16 as usize + read!(length_entry >> 16);
                match_state = match_entry as u16 as usize + read!(match_entry >> 16);
                offset_state = offset_entry as u16 as usize + read!(offset_entry >> 16);
            }
            let mut offset = value.wrapping_sub(3);
            if value > 3 {
                far = middle;
                middle = near;
                near = offset;
            } else {
                // One of the three last distances, which comes to the front.
                let which = value - 1 + (length == 0) as usize;
                offset = near;
                if which != 0 {
                    offset = middle;
                    if which != 1 {
                        offset = if which == 2 { far } else { near.wrapping_sub(1) };
                        far = middle;
                    }
                    middle = near;
                    near = offset;
                }
            }
            // A sequence reads less than 90 bits: the slack before the input covers the excess.
            if cursor < start
                || length > literal_end - literal
                || length + size > self.out_end - out
                || offset == 0
                || offset > out - self.out_start + length
            {
                return false;
            }
            if out + length + size + 16 <= self.out_end {
                copy_wide(literal, out, length);
                out += length;
                // Near copies repeat what they have written.
                if offset >= 16 {
                    copy_wide(out - offset, out, size);
                } else {
                    copy_bytes(out - offset, out, size);
                }
            } else {
                copy_bytes(literal, out, length);
                out += length;
                copy_bytes(out - offset, out, size);
            }
            out += size;
            literal += length;
        }
        self.out = out;
        self.repeats = [near, middle, far];
        cursor == start && self.rest(literal, literal_end)
    }
}

/// Builds a decoding table from the normalized counts of `n` symbols, whose sum must be `1 << log`.
fn build(fse: &mut Fse, code: &Code, counts: &Counts, n: usize, log: u32) -> bool {
    let size = 1usize << log;
    let mut next = [0u16; 64];
    let mut high = size;
    let mut symbol = 0;
    while symbol < n {
        let count = counts[symbol & 63];
        next[symbol & 63] = count as u16;
        if count < 0 {
            if high == 0 {
                return false;
            }
            high -= 1;
            fse.entries[high & 511] = symbol as u64;
            next[symbol & 63] = 1;
        }
        symbol += 1;
    }
    let step = (size >> 1) + (size >> 3) + 3;
    let mut place = 0;
    symbol = 0;
    while symbol < n {
        let mut left = counts[symbol & 63];
        while left > 0 {
            fse.entries[place & 511] = symbol as u64;
            place = (place + step) & (size - 1);
            while place >= high {
                place = (place + step) & (size - 1);
            }
            left -= 1;
        }
        symbol += 1;
    }
    if place != 0 {
        return false;
    }
    let mut i = 0;
    while i < size {
        let symbol = fse.entries[i & 511] as usize & 63;
        let x = next[symbol] as u32;
        next[symbol] += 1;
        let bits = log - (31 - x.leading_zeros());
        let state = (x << bits) - size as u32;
        fse.entries[i & 511] = (state | bits << 16) as u64 | value(code, symbol);
        i += 1;
    }
    fse.log = log;
    fse.ready = 1;
    true
}

/// What a symbol means, as an entry has it.
fn value(code: &Code, symbol: usize) -> u64 {
    let value = VALUES[code.values & 3][symbol & 63] as u64;
    if code.values == OFFSETS.values {
        return value | 1 << (32 + (symbol & 31));
    }
    value & 0xff00_0000 | (value & 0xff_ffff) << 32
}

/// Copies forward, byte by byte.
unsafe fn copy_bytes(from: usize, to: usize, bytes: usize) {
    let mut i = 0;
    while i < bytes {
        *((to + i) as *mut u8) = *((from + i) as *const u8);
        i += 1;
    }
}

/// Copies forward, sixteen bytes at a time and up to sixteen too many, for which there is room;
/// `from` is sixteen or more bytes before `to`, or apart from it.
unsafe fn copy_wide(from: usize, to: usize, bytes: usize) {
    let mut i = 0;
    loop {
        (*((to + i) as *mut Sixteen)).0 = (*((from + i) as *const Sixteen)).0;
        i += 16;
        if i >= bytes {
            return;
        }
    }
}

/// Copies exactly as many bytes, between ranges that are apart.
unsafe fn copy(from: usize, to: usize, bytes: usize) {
    let whole = bytes & !15;
    if whole != 0 {
        copy_wide(from, to, whole);
    }
    copy_bytes(from + whole, to + whole, bytes - whole);
}

unsafe fn fill(to: usize, byte: u8, bytes: usize) {
    let mut i = 0;
    while i < bytes {
        *((to + i) as *mut u8) = byte;
        i += 1;
    }
}
