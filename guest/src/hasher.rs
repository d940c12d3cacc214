//! The standard library's hasher with the results that it has on a 64-bit host.
//!
//! Lengths, `usize` and the discriminants of enums are hashed at their own width, four bytes here.
//! A macro that iterates over a map with this hasher would put its output in another order than
//! natively (derive_more does). `std.rs` puts this type in the other's place.

use std::hash;

#[derive(Clone, Debug, Default)]
pub struct DefaultHasher(hash::DefaultHasher);

impl DefaultHasher {
    pub fn new() -> DefaultHasher {
        DefaultHasher::default()
    }
}

impl hash::Hasher for DefaultHasher {
    fn finish(&self) -> u64 {
        self.0.finish()
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    fn write_usize(&mut self, i: usize) {
        self.write_u64(i as u64);
    }

    fn write_isize(&mut self, i: isize) {
        self.write_u64(i as i64 as u64);
    }
}
