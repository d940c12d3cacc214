//! The inner loops of the decoder, for any machine.

use super::{Eight, Run, Stream, HUFFMAN_BITS_MAX};

/// The eight bytes at an address.
#[inline(always)]
unsafe fn eight(at: usize) -> u64 {
    u64::from_le((*(at as *const Eight)).0)
}

impl Stream {
    /// Decodes symbols up to `end`; false if the stream is too short.
    ///
    /// # Safety
    /// The fields must say the truth; the input has slack before its start.
    #[allow(unused_assignments)]
    pub unsafe fn decode(&mut self) -> bool {
        let mut cursor = self.cursor;
        let mut out = self.out;
        let (start, end, shift) = (self.start, self.end, self.shift);
        let table = &*(self.table as *const [u16; 1 << HUFFMAN_BITS_MAX]);
        let mut word: u64;
        macro_rules! symbol {
            () => {
                let entry = table[(word >> shift) as usize & ((1 << HUFFMAN_BITS_MAX) - 1)];
                word <<= entry >> 8;
                cursor -= (entry >> 8) as usize;
                *(out as *mut u8) = entry as u8;
                out += 1;
            };
        }
        while out < end {
            if cursor < start {
                return false;
            }
            // The eight bytes that end with the cursor's give at least 57 bits: five symbols.
            let byte = (cursor + 7) >> 3;
            word = eight(self.input + byte - 8);
            word <<= byte * 8 - cursor;
            symbol!();
            if out + 4 <= end {
                symbol!();
                symbol!();
                symbol!();
                symbol!();
            }
        }
        self.cursor = cursor;
        true
    }
}

impl Run {
    /// Runs all sequences; false if one leaves the input, the literals or the output.
    ///
    /// # Safety
    /// The fields must say the truth; the input has slack before its start, the literals behind
    /// their end.
    pub unsafe fn run(&mut self) -> bool {
        let mut cursor = self.cursor;
        let (mut literal, mut out) = (self.literal, self.out);
        let lengths = self.lengths as *const u32;
        let offsets = self.offsets as *const u32;
        let matches = self.matches as *const u32;
        // At most 56 bits below the cursor.
        macro_rules! read {
            ($bits:expr) => {{
                let bits = $bits as usize;
                cursor -= bits;
                let word = eight(self.input + (cursor >> 3));
                (word >> (cursor & 7)) as usize & ((1 << bits) - 1)
            }};
        }
        while self.left != 0 {
            self.left -= 1;
            let length_entry = *lengths.add(self.length_state);
            let offset_entry = *offsets.add(self.offset_state);
            let match_entry = *matches.add(self.match_state);
            let offset_bits = offset_entry >> 24;
            let value = (1 << offset_bits) + read!(offset_bits);
            let values = *(self.match_values as *const u32).add((match_entry >> 24) as usize);
            let size = (values & 0xff_ffff) as usize + read!(values >> 24);
            let values = *(self.length_values as *const u32).add((length_entry >> 24) as usize);
            let length = (values & 0xff_ffff) as usize + read!(values >> 24);
            let offset = self.offset(value, length);
            if self.left != 0 {
                self.length_state =
                    (length_entry & 0xffff) as usize + read!(length_entry >> 16 & 0xff);
                self.match_state =
                    (match_entry & 0xffff) as usize + read!(match_entry >> 16 & 0xff);
                self.offset_state =
                    (offset_entry & 0xffff) as usize + read!(offset_entry >> 16 & 0xff);
            }
            // A sequence reads less than 90 bits: the slack before the input covers the excess.
            if cursor < self.start
                || length > self.literal_end - literal
                || length + size > self.out_end - out
                || offset == 0
                || offset > out - self.out_start + length
            {
                return false;
            }
            let wide = out + length + size + 16 <= self.out_end;
            copy(literal, out, length, wide);
            out += length;
            // Near copies repeat byte by byte.
            copy(out - offset, out, size, wide && offset >= 8);
            out += size;
            literal += length;
        }
        self.cursor = cursor;
        self.literal = literal;
        self.out = out;
        true
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
