//! Decodes zstd frames (RFC 8878): what every shim's image is compressed with.
//!
//! It runs at opt-level 0 before the first expansion, so its two inner loops (`loops`) read eight bytes
//! at a time and call nothing, or are machine code. Any bytes give `true` and a filled buffer, or `false`; it allocates one block.
//! Not read: frames with a checksum or a dictionary, and skippable frames; precast writes none.

tier! {
    #[path = "inflate/x86_64.rs"]
    mod loops;
    #[path = "inflate/portable.rs"]
    mod loops;
}

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

/// What the codes of lengths mean: the least value, and in the high byte the bits that are added.
static LENGTH_VALUES: [u32; 36] = [
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    11,
    12,
    13,
    14,
    15,
    16 | 1 << 24,
    18 | 1 << 24,
    20 | 1 << 24,
    22 | 1 << 24,
    24 | 2 << 24,
    28 | 2 << 24,
    32 | 3 << 24,
    40 | 3 << 24,
    48 | 4 << 24,
    64 | 6 << 24,
    128 | 7 << 24,
    256 | 8 << 24,
    512 | 9 << 24,
    1024 | 10 << 24,
    2048 | 11 << 24,
    4096 | 12 << 24,
    8192 | 13 << 24,
    16384 | 14 << 24,
    32768 | 15 << 24,
    65536 | 16 << 24,
];
static MATCH_VALUES: [u32; 53] = [
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    11,
    12,
    13,
    14,
    15,
    16,
    17,
    18,
    19,
    20,
    21,
    22,
    23,
    24,
    25,
    26,
    27,
    28,
    29,
    30,
    31,
    32,
    33,
    34,
    35 | 1 << 24,
    37 | 1 << 24,
    39 | 1 << 24,
    41 | 1 << 24,
    43 | 2 << 24,
    47 | 2 << 24,
    51 | 3 << 24,
    59 | 3 << 24,
    67 | 4 << 24,
    83 | 4 << 24,
    99 | 5 << 24,
    131 | 7 << 24,
    259 | 8 << 24,
    515 | 9 << 24,
    1027 | 10 << 24,
    2051 | 11 << 24,
    4099 | 12 << 24,
    8195 | 13 << 24,
    16387 | 14 << 24,
    32771 | 15 << 24,
    65539 | 16 << 24,
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

/// A Huffman stream that is being decoded; all but `cursor` and `shift` are addresses, or bits from
/// `input` on. `loops` knows the offsets.
#[repr(C)]
struct Stream {
    input: usize,
    cursor: usize,
    start: usize,
    table: usize,
    shift: usize,
    out: usize,
    end: usize,
}

/// Sequences that are being run, likewise.
#[repr(C)]
struct Run {
    input: usize,
    cursor: usize,
    start: usize,
    lengths: usize,
    offsets: usize,
    matches: usize,
    length_state: usize,
    match_state: usize,
    offset_state: usize,
    left: usize,
    literal: usize,
    literal_end: usize,
    out: usize,
    out_start: usize,
    out_end: usize,
    repeats: [usize; 3],
    length_values: usize,
    match_values: usize,
}

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
    fn read_stream(
        &mut self,
        input: &[u8],
        at: usize,
        end: usize,
        from: usize,
        to: usize,
    ) -> Option<()> {
        let literals = self.literals.as_mut_ptr() as usize;
        let mut stream = Stream {
            input: input.as_ptr() as usize,
            cursor: last_bit(input, at, end)?,
            start: at * 8,
            table: self.huffman.as_ptr() as usize,
            shift: 64 - self.huffman_bits as usize,
            out: literals + from,
            end: literals + to,
        };
        // SAFETY: the stream lies in the input, which has slack around it; the table has an entry for
        // as many bits as the shift leaves; `from..to` lies in the literals.
        if unsafe { stream.decode() } && stream.cursor == stream.start {
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
        done: usize,
    ) -> Option<usize> {
        let start = at * 8;
        let cursor = last_bit(input, at, end)?;
        let (lengths, offsets, matches) = (self.lengths.log, self.offsets.log, self.matches.log);
        if cursor - start < (lengths + offsets + matches) as usize {
            return None;
        }
        let first = out.as_mut_ptr() as usize;
        let literal = self.literals.as_ptr() as usize;
        let mut run = Run {
            input: input.as_ptr() as usize,
            cursor: cursor - (lengths + offsets + matches) as usize,
            start: start,
            lengths: self.lengths.entries.as_ptr() as usize,
            offsets: self.offsets.entries.as_ptr() as usize,
            matches: self.matches.entries.as_ptr() as usize,
            length_state: peek(input, cursor, lengths),
            offset_state: peek(input, cursor - lengths as usize, offsets),
            match_state: peek(input, cursor - (lengths + offsets) as usize, matches),
            left: sequences,
            literal: literal,
            literal_end: literal + literals,
            out: first + done,
            out_start: first,
            out_end: first + out.len(),
            repeats: self.repeats,
            length_values: LENGTH_VALUES.as_ptr() as usize,
            match_values: MATCH_VALUES.as_ptr() as usize,
        };
        // SAFETY: the bitstream lies in the input and the literals in their vector, which both have
        // slack; states and codes of a table that was built are within their tables.
        if !unsafe { run.run() } || run.cursor != start {
            return None;
        }
        self.repeats = run.repeats;
        self.copy_literals(run.literal - literal, literals, out, run.out - first)
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
            build(fse, counts, counts.len(), log)?;
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
            build(fse, &counts, n, log)?;
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
fn build(fse: &mut Fse, counts: &[i16], n: usize, log: u32) -> Option<()> {
    let size = 1usize << log;
    let mut next = [0u16; 256];
    let mut high = size;
    let mut symbol = 0;
    while symbol < n {
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
    while symbol < n {
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
    build(&mut fse, &counts, n, log)?;
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
