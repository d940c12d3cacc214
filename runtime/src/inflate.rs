//! Decodes zstd frames (RFC 8878): what every shim's image is compressed with.
//!
//! It runs at opt-level 0 before the first expansion, so its loops read eight bytes at a time and
//! call nothing. Any bytes give `true` and a filled buffer, or `false`; it allocates one block.
//! Not read: frames with a checksum or a dictionary, and skippable frames; precast writes none.

const MAGIC: u32 = 0xfd2f_b528;
/// The largest block the format allows, in bytes.
const BLOCK_BYTES_MAX: usize = 1 << 17;
/// Zero bytes around the input and behind the literals, so that wide reads stay inside.
const SLACK: usize = 32;
const HUFFMAN_BITS_MAX: u32 = 11;

/// Largest accuracy and number of symbols of the three sequence codes.
const LENGTHS: Code = Code { log_max: 9, symbols: 36 };
const OFFSETS: Code = Code { log_max: 8, symbols: 32 };
const MATCHES: Code = Code { log_max: 9, symbols: 53 };

struct Code {
    log_max: u32,
    symbols: usize,
}

static LENGTH_BASE: [u32; 36] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 20, 22, 24, 28, 32, 40, 48, 64,
    128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536,
];
static LENGTH_BITS: [u8; 36] = [
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11,
    12, 13, 14, 15, 16,
];
static MATCH_BASE: [u32; 53] = [
    3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27,
    28, 29, 30, 31, 32, 33, 34, 35, 37, 39, 41, 43, 47, 51, 59, 67, 83, 99, 131, 259, 515, 1027,
    2051, 4099, 8195, 16387, 32771, 65539,
];
static MATCH_BITS: [u8; 53] = [
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
];
static LENGTH_COUNTS: [i16; 36] = [
    4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1,
    -1, -1, -1, -1,
];
static OFFSET_COUNTS: [i16; 29] =
    [1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1];
static MATCH_COUNTS: [i16; 53] = [
    1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
];

/// Reads without a demand on alignment.
#[repr(C, packed)]
struct Eight(u64);

/// An FSE table. An entry is base | bits << 16 | symbol << 24.
struct Fse {
    entries: [u32; 512],
    log: u32,
    ready: bool,
}

impl Fse {
    fn new() -> Fse {
        Fse { entries: [0; 512], log: 0, ready: false }
    }
}

/// What outlives a block: the tables that later blocks may repeat.
struct Decoder {
    /// symbol | bits << 8, by the next `huffman_bits` bits.
    huffman: [u16; 1 << HUFFMAN_BITS_MAX],
    /// 0 while there is no table.
    huffman_bits: u32,
    lengths: Fse,
    offsets: Fse,
    matches: Fse,
    repeats: [usize; 3],
    literals: Vec<u8>,
}

/// Decodes one whole frame, which must fill `out` exactly.
pub fn inflate(frame: &[u8], out: &mut [u8]) -> bool {
    let mut input = Vec::with_capacity(frame.len() + 2 * SLACK);
    input.resize(SLACK, 0);
    input.extend_from_slice(frame);
    let end = input.len();
    input.resize(end + SLACK, 0);
    frame_into(&input, end, out).is_some()
}

fn frame_into(input: &[u8], end: usize, out: &mut [u8]) -> Option<()> {
    let mut at = header(input, end, out.len())?;
    let mut decoder = Decoder {
        huffman: [0; 1 << HUFFMAN_BITS_MAX],
        huffman_bits: 0,
        lengths: Fse::new(),
        offsets: Fse::new(),
        matches: Fse::new(),
        repeats: [1, 4, 8],
        literals: Vec::new(),
    };
    let mut done = 0;
    loop {
        if end - at < 3 {
            return None;
        }
        let head = little(input, at, 3);
        at += 3;
        let size = head >> 3;
        match (head >> 1) & 3 {
            0 if size <= end - at && size <= out.len() - done => {
                out[done..done + size].copy_from_slice(&input[at..at + size]);
                at += size;
                done += size;
            }
            1 if at < end && size <= out.len() - done => {
                fill(&mut out[done..done + size], input[at]);
                at += 1;
                done += size;
            }
            2 if size <= end - at && size <= BLOCK_BYTES_MAX => {
                done = decoder.block(input, at, at + size, out, done)?;
                at += size;
            }
            _ => return None,
        }
        if head & 1 == 1 {
            return if at == end && done == out.len() { Some(()) } else { None };
        }
    }
}

/// Checks the frame header; gives the place of the first block.
fn header(input: &[u8], end: usize, content: usize) -> Option<usize> {
    // Magic, descriptor, window and content size take at most 14 bytes; the slack covers a cut.
    let descriptor = input[SLACK + 4];
    if little(input, SLACK, 4) as u32 != MAGIC || descriptor & 0x1f != 0 {
        return None;
    }
    let single = descriptor >> 5 & 1;
    let at = SLACK + 6 - single as usize;
    let (bytes, bias) = match descriptor >> 6 {
        0 => (single as usize, 0),
        1 => (2, 256),
        2 => (4, 0),
        _ => (8, 0),
    };
    if at + bytes > end || (bytes != 0 && little(input, at, bytes) + bias != content) {
        return None;
    }
    Some(at + bytes)
}

/// Up to eight bytes as a little-endian number.
fn little(input: &[u8], at: usize, bytes: usize) -> usize {
    let mut value = 0;
    let mut i = bytes;
    while i > 0 {
        i -= 1;
        value = value << 8 | input[at + i] as usize;
    }
    value
}

fn fill(out: &mut [u8], byte: u8) {
    let mut i = 0;
    while i < out.len() {
        out[i] = byte;
        i += 1;
    }
}

/// The bit behind the last one of a backward bitstream `at..end`, counted from the input's start.
fn last_bit(input: &[u8], at: usize, end: usize) -> Option<usize> {
    if at >= end || input[end - 1] == 0 {
        return None;
    }
    Some(end * 8 - 1 - input[end - 1].leading_zeros() as usize)
}

/// `bits` (at most 56) below the bit `cursor`. Reads up to eight bytes on either side of the bits,
/// which the slack and the headers before every bitstream cover.
#[inline(always)]
fn peek(input: &[u8], cursor: usize, bits: u32) -> usize {
    let low = cursor - bits as usize;
    // SAFETY: cursors stay between the slack before and the slack behind the input.
    let word = unsafe { (*((input.as_ptr() as usize + (low >> 3)) as *const Eight)).0 };
    (word >> (low & 7)) as usize & ((1 << bits) - 1)
}

impl Decoder {
    /// Decodes the compressed block `at..end` behind `out[..done]`; gives the new `done`.
    fn block(
        &mut self,
        input: &[u8],
        at: usize,
        end: usize,
        out: &mut [u8],
        done: usize,
    ) -> Option<usize> {
        let (mut at, count) = self.read_literals(input, at, end)?;
        if at >= end {
            return None;
        }
        let first = input[at] as usize;
        let sequences = match first {
            0..=127 => first,
            128..=254 => (first - 128) << 8 | input[at + 1] as usize,
            _ => (input[at + 1] as usize | (input[at + 2] as usize) << 8) + 0x7f00,
        };
        at += 1 + (first >= 128) as usize + (first == 255) as usize;
        if sequences == 0 {
            if at != end {
                return None;
            }
            return self.copy_literals(0, count, out, done);
        }
        if at >= end || input[at] & 3 != 0 {
            return None;
        }
        let modes = input[at];
        at += 1;
        at = table(&mut self.lengths, &LENGTHS, modes >> 6, &LENGTH_COUNTS, 6, input, at, end)?;
        at = table(&mut self.offsets, &OFFSETS, modes >> 4 & 3, &OFFSET_COUNTS, 5, input, at, end)?;
        at = table(&mut self.matches, &MATCHES, modes >> 2 & 3, &MATCH_COUNTS, 6, input, at, end)?;
        self.run(input, at, end, sequences, count, out, done)
    }

    fn copy_literals(&self, from: usize, to: usize, out: &mut [u8], done: usize) -> Option<usize> {
        if to - from > out.len() - done {
            return None;
        }
        out[done..done + (to - from)].copy_from_slice(&self.literals[from..to]);
        Some(done + (to - from))
    }

    /// Reads the literals section; gives where the sequences begin and how many literals there are.
    fn read_literals(&mut self, input: &[u8], at: usize, end: usize) -> Option<(usize, usize)> {
        let head = little(input, at, 5);
        let (kind, format) = (head & 3, head >> 2 & 3);
        if kind < 2 {
            let (bytes, size) = match format {
                0 | 2 => (1, head >> 3 & 0x1f),
                1 => (2, head >> 4 & 0xfff),
                _ => (3, head >> 4 & 0xf_ffff),
            };
            let at = at + bytes;
            let stored = if kind == 0 { size } else { 1 };
            if size > BLOCK_BYTES_MAX || at + stored > end {
                return None;
            }
            self.grow_literals(size);
            if kind == 0 {
                self.literals[..size].copy_from_slice(&input[at..at + size]);
            } else {
                fill(&mut self.literals[..size], input[at]);
            }
            return Some((at + stored, size));
        }
        let (bytes, bits) = match format {
            0 | 1 => (3, 10),
            2 => (4, 14),
            _ => (5, 18),
        };
        let size = head >> 4 & ((1 << bits) - 1);
        let stored = head >> (4 + bits) & ((1 << bits) - 1);
        let mut at = at + bytes;
        let next = at + stored;
        if size > BLOCK_BYTES_MAX || next > end {
            return None;
        }
        if kind == 2 {
            at = self.read_huffman(input, at, next)?;
        }
        if self.huffman_bits == 0 {
            return None;
        }
        self.grow_literals(size);
        if format == 0 {
            self.read_stream(input, at, next, 0, size)?;
            return Some((next, size));
        }
        if next < at + 6 || size < 6 {
            return None;
        }
        let part = (size + 3) / 4;
        let mut from = at + 6;
        let mut i = 0;
        while i < 4 {
            let to = if i == 3 { next } else { from + little(input, at + 2 * i, 2) };
            let last = if i == 3 { size } else { part * (i + 1) };
            if to > next || last > size {
                return None;
            }
            self.read_stream(input, from, to, part * i, last)?;
            from = to;
            i += 1;
        }
        Some((next, size))
    }

    fn grow_literals(&mut self, size: usize) {
        if self.literals.len() < size + SLACK {
            // Not `resize`, whose loop is slow here.
            self.literals = vec![0; size + SLACK];
        }
    }

    /// Reads a Huffman table; gives the place behind it.
    fn read_huffman(&mut self, input: &[u8], at: usize, end: usize) -> Option<usize> {
        if at >= end {
            return None;
        }
        let mut weights = [0u8; 256];
        let head = input[at] as usize;
        let bytes = if head < 128 { head } else { (head - 126) / 2 };
        let next = at + 1 + bytes;
        if next > end {
            return None;
        }
        let mut count = 0;
        if head < 128 {
            count = read_weights(input, at + 1, next, &mut weights)?;
        } else {
            while count < head - 127 {
                weights[count] = input[at + 1 + count / 2] >> (4 - count % 2 * 4) & 15;
                count += 1;
            }
        }
        self.build_huffman(&mut weights, count)?;
        Some(next)
    }

    /// Builds the table; the last symbol's weight is what is missing to a power of two.
    fn build_huffman(&mut self, weights: &mut [u8; 256], count: usize) -> Option<()> {
        let mut sum = 0u32;
        let mut i = 0;
        while i < count {
            if weights[i] as u32 > HUFFMAN_BITS_MAX {
                return None;
            }
            sum += 1 << weights[i] >> 1;
            i += 1;
        }
        let bits = 32 - sum.leading_zeros();
        if sum == 0 || bits > HUFFMAN_BITS_MAX {
            return None;
        }
        let left = (1u32 << bits) - sum;
        if left & (left - 1) != 0 || count > 255 {
            return None;
        }
        weights[count] = left.trailing_zeros() as u8 + 1;
        let mut place = 0;
        let mut weight = 1;
        while weight <= bits {
            let mut symbol = 0;
            while symbol <= count {
                if weights[symbol] as u32 == weight {
                    let entry = symbol as u16 | ((bits + 1 - weight) as u16) << 8;
                    let stop = place + (1 << (weight - 1));
                    while place < stop {
                        self.huffman[place] = entry;
                        place += 1;
                    }
                }
                symbol += 1;
            }
            weight += 1;
        }
        self.huffman_bits = bits;
        Some(())
    }

    /// Decodes one Huffman stream into `literals[from..to]`.
    #[allow(unused_assignments)]
    fn read_stream(
        &mut self,
        input: &[u8],
        at: usize,
        end: usize,
        from: usize,
        to: usize,
    ) -> Option<()> {
        let mut cursor = last_bit(input, at, end)?;
        let shift = 64 - self.huffman_bits;
        let start = at * 8;
        let base = input.as_ptr() as usize;
        let literals = self.literals.as_mut_ptr() as usize;
        let mut i = from;
        let mut word: u64;
        macro_rules! symbol {
            () => {
                let entry = self.huffman[(word >> shift) as usize & ((1 << HUFFMAN_BITS_MAX) - 1)];
                word <<= entry >> 8;
                cursor -= (entry >> 8) as usize;
                // SAFETY: i < to, within the literals.
                unsafe { *((literals + i) as *mut u8) = entry as u8 };
                i += 1;
            };
        }
        while i < to {
            if cursor < start {
                return None;
            }
            // The eight bytes that end with the cursor's give at least 57 bits: five symbols.
            let byte = (cursor + 7) >> 3;
            // SAFETY: a bitstream has the slack before it, and `byte` is at most its end.
            word = unsafe { (*((base + byte - 8) as *const Eight)).0 };
            word <<= byte * 8 - cursor;
            symbol!();
            if i + 4 <= to {
                symbol!();
                symbol!();
                symbol!();
                symbol!();
            }
        }
        if cursor == start {
            Some(())
        } else {
            None
        }
    }

    /// Runs the sequences of the bitstream `at..end`.
    #[allow(clippy::too_many_arguments)]
    fn run(
        &mut self,
        input: &[u8],
        at: usize,
        end: usize,
        sequences: usize,
        literals: usize,
        out: &mut [u8],
        mut done: usize,
    ) -> Option<usize> {
        let start = at * 8;
        let mut cursor = last_bit(input, at, end)?;
        let states = (self.lengths.log + self.offsets.log + self.matches.log) as usize;
        if cursor - start < states {
            return None;
        }
        macro_rules! read {
            ($bits:expr) => {{
                let bits = $bits;
                let value = peek(input, cursor, bits);
                cursor -= bits as usize;
                value
            }};
        }
        let mut length_state = read!(self.lengths.log);
        let mut offset_state = read!(self.offsets.log);
        let mut match_state = read!(self.matches.log);
        let mut taken = 0;
        let mut left = sequences;
        loop {
            let length_entry = self.lengths.entries[length_state];
            let offset_entry = self.offsets.entries[offset_state];
            let match_entry = self.matches.entries[match_state];
            let offset_code = offset_entry >> 24;
            let length_code = (length_entry >> 24) as usize;
            let match_code = (match_entry >> 24) as usize;
            let value = (1 << offset_code) + read!(offset_code);
            let size = MATCH_BASE[match_code] as usize + read!(MATCH_BITS[match_code] as u32);
            let length = LENGTH_BASE[length_code] as usize + read!(LENGTH_BITS[length_code] as u32);
            let offset = self.offset(value, length);
            left -= 1;
            if left != 0 {
                length_state = (length_entry & 0xffff) as usize + read!(length_entry >> 16 & 0xff);
                match_state = (match_entry & 0xffff) as usize + read!(match_entry >> 16 & 0xff);
                offset_state = (offset_entry & 0xffff) as usize + read!(offset_entry >> 16 & 0xff);
            }
            // A sequence reads less than 90 bits: the slack before the input covers the excess.
            if cursor < start || length > literals - taken || length + size > out.len() - done {
                return None;
            }
            if offset == 0 || offset > done + length {
                return None;
            }
            let wide = done + length + size + 16 <= out.len();
            let to = out.as_mut_ptr() as usize + done;
            let from = self.literals.as_ptr() as usize + taken;
            // SAFETY: both ranges were checked; the literals have slack behind them.
            unsafe { copy(from, to, length, wide) };
            // SAFETY: the offset stays inside what is written; near copies repeat byte by byte.
            unsafe { copy(to + length - offset, to + length, size, wide && offset >= 8) };
            taken += length;
            done += length + size;
            if left == 0 {
                break;
            }
        }
        if cursor != start {
            return None;
        }
        self.copy_literals(taken, literals, out, done)
    }

    /// The distance a sequence's offset value means, with the three repeated ones kept.
    fn offset(&mut self, value: usize, length: usize) -> usize {
        let repeats = &mut self.repeats;
        if value > 3 {
            *repeats = [value - 3, repeats[0], repeats[1]];
            return value - 3;
        }
        let which = value - 1 + (length == 0) as usize;
        let offset = if which == 3 { repeats[0].wrapping_sub(1) } else { repeats[which] };
        if which == 1 {
            *repeats = [offset, repeats[0], repeats[2]];
        } else if which > 1 {
            *repeats = [offset, repeats[0], repeats[1]];
        }
        offset
    }
}

/// Copies forward, eight bytes at a time if `wide` (up to seven too many), else one by one.
///
/// # Safety
/// Both ranges must be valid, with eight bytes more where `wide`, and `from` eight or more bytes
/// before `to` or apart from it.
unsafe fn copy(from: usize, to: usize, bytes: usize, wide: bool) {
    let mut i = 0;
    if wide {
        while i < bytes {
            (*((to + i) as *mut Eight)).0 = (*((from + i) as *const Eight)).0;
            i += 8;
        }
    } else {
        while i < bytes {
            *((to + i) as *mut u8) = *((from + i) as *const u8);
            i += 1;
        }
    }
}

/// Makes one of the three sequence tables by its mode; gives the place behind its description.
#[allow(clippy::too_many_arguments)]
fn table(
    fse: &mut Fse,
    code: &Code,
    mode: u8,
    counts: &[i16],
    log: u32,
    input: &[u8],
    at: usize,
    end: usize,
) -> Option<usize> {
    match mode {
        0 => {
            build(fse, counts, log)?;
            Some(at)
        }
        1 if at < end && (input[at] as usize) < code.symbols => {
            fse.entries[0] = (input[at] as u32) << 24;
            fse.log = 0;
            fse.ready = true;
            Some(at + 1)
        }
        2 => {
            let mut counts = [0i16; 256];
            let (next, log, n) = read_counts(input, at, end, code, &mut counts)?;
            build(fse, &counts[..n], log)?;
            Some(next)
        }
        3 if fse.ready => Some(at),
        _ => None,
    }
}

/// Reads normalized counts; gives the place behind them, the accuracy and the number of symbols.
fn read_counts(
    input: &[u8],
    at: usize,
    end: usize,
    code: &Code,
    counts: &mut [i16; 256],
) -> Option<(usize, u32, usize)> {
    let mut bit = at * 8;
    let log = peek(input, bit + 4, 4) as u32 + 5;
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
        let mut value = peek(input, bit + bits as usize, bits) as i32;
        bit += bits as usize;
        let mask = (1 << (bits - 1)) - 1;
        let threshold = (1 << bits) - 1 - (left + 1);
        if value & mask < threshold {
            bit -= 1;
            value &= mask;
        } else if value > mask {
            value -= threshold;
        }
        counts[n] = value as i16 - 1;
        left -= if value == 0 { 1 } else { value - 1 };
        n += 1;
        while value == 1 {
            let repeat = peek(input, bit + 2, 2);
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

/// Builds a decoding table from normalized counts, whose sum must be `1 << log`.
fn build(fse: &mut Fse, counts: &[i16], log: u32) -> Option<()> {
    let size = 1usize << log;
    let mut next = [0u16; 256];
    let mut high = size;
    let mut symbol = 0;
    while symbol < counts.len() {
        next[symbol] = counts[symbol] as u16;
        if counts[symbol] < 0 {
            if high == 0 {
                return None;
            }
            high -= 1;
            fse.entries[high] = symbol as u32;
            next[symbol] = 1;
        }
        symbol += 1;
    }
    let step = (size >> 1) + (size >> 3) + 3;
    let mut place = 0;
    symbol = 0;
    while symbol < counts.len() {
        let mut i = 0;
        while i < counts[symbol] {
            fse.entries[place] = symbol as u32;
            place = (place + step) & (size - 1);
            while place >= high {
                place = (place + step) & (size - 1);
            }
            i += 1;
        }
        symbol += 1;
    }
    if place != 0 {
        return None;
    }
    let mut i = 0;
    while i < size {
        let symbol = fse.entries[i];
        let x = next[symbol as usize] as u32;
        next[symbol as usize] += 1;
        let bits = log - (31 - x.leading_zeros());
        fse.entries[i] = ((x << bits) - size as u32) | bits << 16 | symbol << 24;
        i += 1;
    }
    fse.log = log;
    fse.ready = true;
    Some(())
}

/// Reads the weights of a Huffman table, FSE-coded with two states in turn; gives their number.
fn read_weights(input: &[u8], at: usize, end: usize, weights: &mut [u8; 256]) -> Option<usize> {
    let code = Code { log_max: 6, symbols: 12 };
    let mut counts = [0i16; 256];
    let (at, log, n) = read_counts(input, at, end, &code, &mut counts)?;
    let mut fse = Fse::new();
    build(&mut fse, &counts[..n], log)?;
    let start = at * 8;
    let mut cursor = last_bit(input, at, end)?;
    if cursor - start < 2 * log as usize {
        return None;
    }
    let mut states = [0usize; 2];
    states[0] = peek(input, cursor, log);
    states[1] = peek(input, cursor - log as usize, log);
    cursor -= 2 * log as usize;
    let mut count = 0;
    while count < 254 {
        let entry = fse.entries[states[count & 1]];
        weights[count] = (entry >> 24) as u8;
        count += 1;
        let bits = entry >> 16 & 0xff;
        if cursor < start + bits as usize {
            weights[count] = (fse.entries[states[count & 1]] >> 24) as u8;
            return Some(count + 1);
        }
        states[(count - 1) & 1] = (entry & 0xffff) as usize + peek(input, cursor, bits);
        cursor -= bits as usize;
    }
    None
}
