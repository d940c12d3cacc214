//! The whole decoder, for any machine; `x86_64.rs` is what a compiler makes of this file.
//!
//! So it calls nothing, allocates nothing and cannot panic: indices are masked, addresses are checked.

use std::mem;

/// Zero bytes around the input and behind the literals, so that wide reads stay inside.
const SLACK: usize = 32;
/// The largest block the format allows, in bytes.
const BLOCK_BYTES_MAX: usize = 1 << 17;

const MAGIC: usize = 0xfd2f_b528;
const HUFFMAN_BITS_MAX: u32 = 11;

/// Largest accuracy and number of symbols of the three sequence codes, and of the weights' code.
const LENGTHS: Code = Code { log_max: 9, symbols: 36, number: 0, entries: 0 };
const OFFSETS: Code = Code { log_max: 8, symbols: 32, number: 1, entries: 1024 };
const MATCHES: Code = Code { log_max: 9, symbols: 53, number: 2, entries: 512 };
const WEIGHTS: Code = Code { log_max: 6, symbols: 12, number: 3, entries: 1280 };
const ENTRIES: usize = 1280 + 64;

struct Code {
    log_max: u32,
    symbols: usize,
    /// Which of `VALUES`, and of a decoder's tables.
    number: usize,
    /// Where its table begins among the decoder's entries.
    entries: usize,
}

/// What the symbols of the four codes mean: the least value, and in the high byte the bits that are
/// added. An offset's least value is made of its symbol (`meaning`).
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

/// An entry of an FSE table: what its symbol means, and the next state's base, with the bits to add to the
/// value from bit 16 on, and those to add to the state from 24 on.
#[repr(C)]
struct Entry {
    next: u32,
    value: u32,
}

/// A decoder at work. The tables outlive a block: later ones may repeat them.
#[repr(C)]
struct Decoder {
    /// The FSE tables.
    entries: [Entry; ENTRIES],
    /// Their accuracies, plus one; 0 while there is no table.
    logs: [u32; 4],
    counts: Counts,
    /// bits | symbol << 8, by the next `HUFFMAN_BITS_MAX` bits.
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
/// `decoder` is the address of one, with any bytes. The frame has `SLACK` bytes on both sides, and there is room for as many
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
    decoder.logs = [0; 4];
    decoder.huffman_bits = 0;
    decoder.frame(end - decoder.input)
}

/// Decodes one symbol from the high bits of a word. This and what else is done for each symbol or sequence calls
/// nothing, for it is also compiled without optimisation.
macro_rules! symbol {
    ($decoder:expr, $word:ident, $to:expr) => {
        let index = ($word >> (64 - HUFFMAN_BITS_MAX)) as usize;
        let entry = $decoder.huffman[index & ((1 << HUFFMAN_BITS_MAX) - 1)];
        $word <<= entry & 63;
        *(($to) as *mut u8) = (entry >> 8) as u8;
    };
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
        if from > to || to - from > self.out_end - self.out {
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
            let stream = Stream { cursor: self.last_bit(at, next)?, start: at * 8 };
            return if self.finish(stream, 0, size) { Some((next, size)) } else { None };
        }
        if next < at + 6 || size < 6 || !self.streams(at, next, size) {
            return None;
        }
        Some((next, size))
    }

    /// Decodes the literals from the four streams in `at..end`, with the jump table before them.
    unsafe fn streams(&mut self, at: usize, end: usize, size: usize) -> bool {
        let part = (size + 3) / 4;
        let second = at + 6 + self.little(at, 2);
        let third = second + self.little(at + 2, 2);
        let fourth = third + self.little(at + 4, 2);
        if fourth > end || part * 3 > size {
            return false;
        }
        macro_rules! stream {
            ($at:expr, $end:expr) => {
                match self.last_bit($at, $end) {
                    Some(cursor) => Stream { cursor: cursor, start: $at * 8 },
                    None => return false,
                }
            };
        }
        let mut a = stream!(at + 6, second);
        let mut b = stream!(second, third);
        let mut c = stream!(third, fourth);
        let mut d = stream!(fourth, end);
        // All four in turn, for each waits for what it has read; five symbols a round.
        let out = self.literals;
        let (mut done, last) = (0, size - part * 3);
        while done + 5 <= last
            && a.cursor >= a.start
            && b.cursor >= b.start
            && c.cursor >= c.start
            && d.cursor >= d.start
        {
            let (mut first, mut second) = (self.word(&a), self.word(&b));
            let (mut third, mut fourth) = (self.word(&c), self.word(&d));
            let stop = done + 5;
            while done < stop {
                let to = out + done;
                symbol!(self, first, to);
                symbol!(self, second, to + part);
                symbol!(self, third, to + part * 2);
                symbol!(self, fourth, to + part * 3);
                done += 1;
            }
            a.cursor -= first.trailing_zeros() as usize;
            b.cursor -= second.trailing_zeros() as usize;
            c.cursor -= third.trailing_zeros() as usize;
            d.cursor -= fourth.trailing_zeros() as usize;
        }
        self.finish(a, done, part)
            && self.finish(b, part + done, part * 2)
            && self.finish(c, part * 2 + done, part * 3)
            && self.finish(d, part * 3 + done, size)
    }

    /// The eight bytes that end with a cursor's: at least 57 bits, of which 56 are to be read. The lowest
    /// one becomes 1, so that the zeros below it count those that are shifted out.
    unsafe fn word(&self, stream: &Stream) -> u64 {
        let byte = (stream.cursor + 7) >> 3;
        self.eight(byte - 8) << (byte * 8 - stream.cursor & 63) | 1
    }

    /// Decodes the rest of a Huffman stream into the literals `from..to`.
    unsafe fn finish(&self, mut stream: Stream, from: usize, to: usize) -> bool {
        let (mut out, stop) = (self.literals + from, self.literals + to);
        while out < stop {
            if stream.cursor < stream.start {
                return false;
            }
            let mut word = self.word(&stream);
            symbol!(self, word, out);
            stream.cursor -= word.trailing_zeros() as usize;
            out += 1;
        }
        stream.cursor == stream.start
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
        // Shorter codes fill the table as well: all are looked up by the same number of bits.
        let scale = HUFFMAN_BITS_MAX - bits;
        let mut places = [0; 16];
        i = 0;
        while i <= count {
            let weight = self.weights[i & 255] as usize & 15;
            places[weight + 1 & 15] += 1 << weight >> 1 << scale;
            i += 1;
        }
        i = 2;
        while i < 16 {
            places[i] += places[i - 1];
            i += 1;
        }
        let mut symbol = 0;
        while symbol <= count {
            let weight = self.weights[symbol & 255] as usize & 15;
            let entry = (bits + 1 - weight as u32) as u16 | (symbol as u16) << 8;
            let mut left = 1 << weight >> 1 << scale;
            while left != 0 {
                self.huffman[places[weight] & ((1 << HUFFMAN_BITS_MAX) - 1)] = entry;
                places[weight] += 1;
                left -= 1;
            }
            symbol += 1;
        }
        self.huffman_bits = bits;
        true
    }

    /// Makes one of the three sequence tables by its mode; gives the place behind its description.
    unsafe fn table(&mut self, which: usize, mode: usize, at: usize, end: usize) -> Option<usize> {
        let (code, default, log, n) = match which {
            0 => (LENGTHS, &LENGTH_COUNTS, 6, 36),
            1 => (OFFSETS, &OFFSET_COUNTS, 5, 29),
            _ => (MATCHES, &MATCH_COUNTS, 6, 53),
        };
        if mode == 0 {
            let counts = &mut self.counts as *mut Counts as usize;
            copy_wide(default as *const Counts as usize, counts, mem::size_of::<Counts>());
            return if self.build(&code, n, log) { Some(at) } else { None };
        }
        if mode == 1 {
            let symbol = self.byte(at);
            if at >= end || symbol >= code.symbols {
                return None;
            }
            let Entry { next, value } = meaning(&code, symbol);
            self.entries[code.entries] = Entry { next: next & 0xff_0000, value: value };
            self.logs[code.number & 3] = 1;
            return Some(at + 1);
        }
        if mode == 2 {
            let (next, log, n) = self.read_counts(at, end, &code)?;
            return if self.build(&code, n, log) { Some(next) } else { None };
        }
        if self.logs[code.number & 3] != 0 {
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
        if !self.build(&WEIGHTS, n, log) {
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
            let entry = &self.entries[WEIGHTS.entries + (state & 63)];
            self.weights[count & 255] = entry.value as u8;
            count += 1;
            let (next, bits) = (entry.next as u16 as usize, entry.next >> 24);
            if cursor < start + bits as usize {
                let entry = &self.entries[WEIGHTS.entries + (other & 63)];
                self.weights[count & 255] = entry.value as u8;
                return Some(count + 1);
            }
            state = other;
            other = next + self.peek(cursor, bits);
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
        let [lengths, offsets, matches, _] = self.logs;
        let (lengths, offsets, matches) = (lengths - 1, offsets - 1, matches - 1);
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
        // No block has more, and so there is room for as many literals.
        let mut limit = self.out_end;
        if limit - out > BLOCK_BYTES_MAX {
            limit = out + BLOCK_BYTES_MAX;
        }
        // The three last distances, one less than the last, and a new one.
        let [near, middle, far] = self.repeats;
        let mut distances = [near, middle, far, 0, 0, 0, 0, 0];
        let mut left = sequences;
        let mut word;
        // The 57 bits below the cursor, or more, become the high ones of the word.
        macro_rules! load {
            () => {
                let byte = (cursor + 7) >> 3;
                word = self.eight(byte - 8) << (byte * 8 - cursor & 63);
            };
        }
        // As many of them as the low six bits of a number say.
        macro_rules! read {
            ($bits:expr) => {{
                let bits = $bits;
                let value = word >> 1 >> (!bits & 63);
                word <<= bits & 63;
                value as usize
            }};
        }
        while left != 0 {
            left -= 1;
            let lengths = &self.entries[LENGTHS.entries + (length_state & 511)];
            let offsets = &self.entries[OFFSETS.entries + (offset_state & 255)];
            let matches = &self.entries[MATCHES.entries + (match_state & 511)];
            load!();
            let value = offsets.value as usize + read!(offsets.next >> 16);
            let more = (offsets.next >> 16 & 63) as usize;
            cursor -= more;
            let (mut length, mut size) = (lengths.value as usize, matches.value as usize);
            // Few have more bits: up to 16 each, beside up to 31 of the offset and 26 of the states.
            if (matches.next | lengths.next) & 0xff_0000 != 0 {
                size += read!(matches.next >> 16);
                cursor -= (matches.next >> 16 & 63) as usize;
                load!();
                length += read!(lengths.next >> 16);
                cursor -= (lengths.next >> 16 & 63) as usize;
            }
            if left != 0 {
                let bits = (lengths.next + matches.next + offsets.next) >> 24;
                length_state = lengths.next as u16 as usize + read!(lengths.next >> 24);
                match_state = matches.next as u16 as usize + read!(matches.next >> 24);
                offset_state = offsets.next as u16 as usize + read!(offsets.next >> 24);
                cursor -= bits as usize;
            }
            // Without branches, for nothing foretells which distance it is. It comes to the front.
            let mut which = value - 1 + (length == 0) as usize;
            if more >= 2 {
                which = 4;
            }
            distances[3] = distances[0] - 1;
            distances[4] = value;
            let offset = distances[which & 7];
            distances[2] = distances[if which < 2 { 2 } else { 1 }];
            distances[1] = distances[(which == 0) as usize];
            distances[0] = offset;
            // A sequence reads less than 90 bits: the slack before the input covers the excess.
            let total = length + size;
            if cursor < start || offset == 0 || offset > out - self.out_start + length {
                return false;
            }
            if total + 16 <= limit - out {
                copy_wide(literal, out, length);
                // Near copies repeat what they have written.
                if offset >= 16 {
                    copy_wide(out + length - offset, out + length, size);
                } else {
                    repeat(out + length, offset, size);
                }
            } else {
                if total > limit - out {
                    return false;
                }
                copy_bytes(literal, out, length);
                copy_bytes(out + length - offset, out + length, size);
            }
            out += total;
            literal += length;
        }
        self.out = out;
        self.repeats = [distances[0], distances[1], distances[2]];
        cursor == start && self.rest(literal, literal_end)
    }

    /// Builds a decoding table from the normalized counts of `n` symbols, whose sum must be `1 << log`.
    unsafe fn build(&mut self, code: &Code, n: usize, log: u32) -> bool {
        let size = 1usize << log;
        // The table is that of the code, and no index is beyond its largest accuracy.
        let table = &mut self.entries as *mut [Entry; ENTRIES] as usize + code.entries * 8;
        let mask = (1 << code.log_max) - 1;
        let mut next = [0u16; 64];
        let mut high = size;
        let mut symbol = 0;
        while symbol < n {
            let count = self.counts[symbol & 63];
            next[symbol & 63] = count as u16;
            if count < 0 {
                if high == 0 {
                    return false;
                }
                high -= 1;
                *((table + (high & mask) * 8) as *mut Entry) = meaning(code, symbol);
                next[symbol & 63] = 1;
            }
            symbol += 1;
        }
        let step = (size >> 1) + (size >> 3) + 3;
        let mut place = 0;
        symbol = 0;
        while symbol < n {
            let Entry { next, value } = meaning(code, symbol);
            let mut left = self.counts[symbol & 63];
            while left > 0 {
                *((table + (place & mask) * 8) as *mut Entry) = Entry { next: next, value: value };
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
            let entry = &mut *((table + (i & mask) * 8) as *mut Entry);
            let symbol = entry.next as usize & 63;
            let x = next[symbol] as u32;
            next[symbol] += 1;
            let bits = log - (31 - x.leading_zeros());
            let state = (x << bits) - size as u32;
            entry.next = entry.next & 0xff_0000 | state | bits << 24;
            i += 1;
        }
        self.logs[code.number & 3] = log + 1;
        true
    }
}

/// A Huffman stream: the bit behind those that are left, and its first one.
struct Stream {
    cursor: usize,
    start: usize,
}

/// What a symbol means, with the symbol in the state's place.
fn meaning(code: &Code, symbol: usize) -> Entry {
    let value = VALUES[code.number & 3][symbol & 63];
    let next = symbol as u32 | value >> 24 << 16;
    if code.number == OFFSETS.number {
        // The least distance, but of the symbols that name one of the last.
        let bias = if symbol < 2 { 0 } else { 3 };
        return Entry { next: next, value: (1 << (symbol & 31)) - bias };
    }
    Entry { next: next, value: value & 0xff_ffff }
}

/// Copies forward, byte by byte.
unsafe fn copy_bytes(from: usize, to: usize, bytes: usize) {
    let mut i = 0;
    while i < bytes {
        *((to + i) as *mut u8) = *((from + i) as *const u8);
        i += 1;
    }
}

/// Repeats the `offset` bytes before `out`, less than 16 of them, with room for eight bytes more.
unsafe fn repeat(out: usize, offset: usize, bytes: usize) {
    // Eight bytes at a time, from as many whole periods before.
    let mut period = offset;
    while period < 8 {
        period += offset;
    }
    let mut done = period - offset;
    copy_bytes(out - offset, out, done);
    while done < bytes {
        (*((out + done) as *mut Eight)).0 = (*((out + done - period) as *const Eight)).0;
        done += 8;
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
