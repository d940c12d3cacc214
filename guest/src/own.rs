//! Memory of the guest's own, apart from the macro's heap: what remembers expansions must not change what
//! the macro finds there.

use crate::heap;

/// Bytes that grow. Without memory for more it says so, and takes none.
pub struct Bytes {
    at: usize,
    len: usize,
    room: usize,
    failed: bool,
}

impl Bytes {
    pub const fn new() -> Bytes {
        Bytes { at: 0, len: 0, room: 0, failed: false }
    }

    pub fn clear(&mut self) {
        self.len = 0;
        self.failed = false;
    }

    pub fn at(&self) -> *mut u8 {
        self.at as *mut u8
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// Room for `more` bytes, and where they go.
    pub fn reserve(&mut self, more: usize) -> Option<*mut u8> {
        if more > self.room - self.len && !self.grow(more) {
            self.failed = true;
            return None;
        }
        Some((self.at + self.len) as *mut u8)
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, more: usize) -> bool {
        let room = (self.len + more).max(2 * self.room);
        let (at, room) = heap::own_pages(room);
        if at == 0 {
            return false;
        }
        // SAFETY: the new block is longer.
        unsafe { std::ptr::copy_nonoverlapping(self.at(), at as *mut u8, self.len) };
        (self.at, self.room) = (at, room);
        true
    }

    /// As many zeros.
    pub fn zeros(&mut self, bytes: usize) {
        if let Some(to) = self.reserve(bytes) {
            // SAFETY: there is room.
            unsafe { std::ptr::write_bytes(to, 0, bytes) };
            self.len += bytes;
        }
    }

    pub fn byte(&mut self, byte: u8) {
        if let Some(to) = self.reserve(1) {
            // SAFETY: there is room.
            unsafe { to.write(byte) };
            self.len += 1;
        }
    }

    pub fn word(&mut self, word: u32) {
        if let Some(to) = self.reserve(4) {
            // SAFETY: there is room.
            unsafe { to.cast::<u32>().write_unaligned(word) };
            self.len += 4;
        }
    }

    pub fn long(&mut self, long: u64) {
        if let Some(to) = self.reserve(8) {
            // SAFETY: there is room.
            unsafe { to.cast::<u64>().write_unaligned(long) };
            self.len += 8;
        }
    }

    /// A number in groups of seven bits, the lowest first.
    pub fn number(&mut self, mut number: u32) {
        let Some(to) = self.reserve(5) else { return };
        let mut n = 0;
        // SAFETY: there is room for five.
        unsafe {
            while number >= 128 {
                to.add(n).write(number as u8 | 128);
                number >>= 7;
                n += 1;
            }
            to.add(n).write(number as u8);
        }
        self.len += n + 1;
    }

    /// Their number and they.
    pub fn text(&mut self, at: *const u8, len: u32) {
        self.number(len);
        self.bytes(at, len as usize);
    }

    pub fn bytes(&mut self, at: *const u8, len: usize) {
        if let Some(to) = self.reserve(len) {
            // SAFETY: there is room, and the block is our own.
            unsafe { std::ptr::copy_nonoverlapping(at, to, len) };
            self.len += len;
        }
    }
}

/// Reads what `Bytes` wrote. Behind the end there are zeros, and it says so.
pub struct Reader {
    at: usize,
    end: usize,
    failed: bool,
}

impl Reader {
    pub fn new(at: usize, end: usize) -> Reader {
        Reader { at, end, failed: false }
    }

    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// As what is read makes no sense.
    pub fn fail(&mut self) {
        self.failed = true;
        self.at = self.end;
    }

    pub fn left(&self) -> usize {
        self.end - self.at
    }

    /// The address of the next bytes. There is one only if they are there.
    pub fn take(&mut self, bytes: usize) -> Option<*const u8> {
        if bytes > self.left() {
            self.fail();
            return None;
        }
        self.at += bytes;
        Some((self.at - bytes) as *const u8)
    }

    pub fn byte(&mut self) -> u8 {
        // SAFETY: it is there.
        self.take(1).map_or(0, |at| unsafe { at.read() })
    }

    pub fn word(&mut self) -> u32 {
        // SAFETY: they are there.
        self.take(4).map_or(0, |at| unsafe { at.cast::<u32>().read_unaligned() })
    }

    pub fn long(&mut self) -> u64 {
        // SAFETY: they are there.
        self.take(8).map_or(0, |at| unsafe { at.cast::<u64>().read_unaligned() })
    }

    pub fn number(&mut self) -> u32 {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            number |= ((byte & 127) as u32) << shift;
            if byte < 128 || shift == 28 {
                return number;
            }
            shift += 7;
        }
    }

    pub fn text(&mut self) -> (*const u8, u32) {
        let len = self.number();
        match self.take(len as usize) {
            Some(at) => (at, len),
            None => (std::ptr::null(), 0),
        }
    }
}

/// A hash of 128 bits, of words.
#[derive(Clone, Copy, PartialEq)]
pub struct Sum {
    a: u64,
    b: u64,
}

impl Sum {
    pub const fn new() -> Sum {
        Sum { a: 0x243f_6a88_85a3_08d3, b: 0x1319_8a2e_0370_7344 }
    }

    #[inline(always)]
    pub fn add(&mut self, word: u64) {
        let a = (self.a ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.a = a ^ a >> 29;
        let b = self.b.rotate_left(27).wrapping_add(word).wrapping_mul(0xd6e8_feb8_6659_fd93);
        self.b = b ^ b >> 32;
    }

    /// Bytes and their number.
    pub fn bytes(&mut self, at: *const u8, len: usize) {
        let mut i = 0;
        // SAFETY: the caller's bytes.
        unsafe {
            while i + 8 <= len {
                self.add(at.add(i).cast::<u64>().read_unaligned());
                i += 8;
            }
            let mut last = len as u64;
            while i < len {
                last = last << 8 | at.add(i).read() as u64;
                i += 1;
            }
            self.add(last ^ (len as u64) << 56);
        }
    }

    pub fn pair(&self) -> (u64, u64) {
        let mut end = *self;
        end.add(self.b);
        end.add(self.a);
        (end.a, end.b)
    }
}

/// What is left of a hash where two are compared.
pub fn short(sum: &Sum) -> u64 {
    let (a, b) = sum.pair();
    a ^ b.rotate_left(32)
}
