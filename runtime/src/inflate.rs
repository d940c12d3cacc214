//! Decodes zstd frames (RFC 8878): what every shim's image is compressed with.
//!
//! It runs before the first expansion, where unoptimised Rust takes five times as long as the rest. So
//! on x86-64 it is the code that a compiler has made of the portable decoder, as text. Any bytes give
//! `true` and a filled buffer, or `false`; it allocates one block. Not read: frames with a checksum or
//! a dictionary, and skippable frames; precast writes none.

use std::ptr;

use super::instance::zeros;

tier! {
    #[cfg_attr(target_arch = "x86_64", path = "inflate/x86_64.rs")]
    #[cfg_attr(not(target_arch = "x86_64"), path = "inflate/portable.rs")]
    mod decoder;
    #[path = "inflate/portable.rs"]
    mod decoder;
}

/// The largest block the format allows, in bytes.
const BLOCK_BYTES_MAX: usize = 1 << 17;
/// Bytes around the input and behind the literals, so that wide reads stay inside.
const SLACK: usize = 32;
/// What the decoder keeps, in bytes.
const DECODER: usize = 1 << 15;

/// Decodes one whole frame, which must fill `out` exactly.
#[inline(always)]
pub fn inflate(frame: &[u8], out: &mut [u8]) -> bool {
    let mut literals = out.len();
    if literals > BLOCK_BYTES_MAX {
        literals = BLOCK_BYTES_MAX;
    }
    // The decoder, the literals, the frame.
    let at = DECODER + literals + 2 * SLACK;
    let mut block = zeros((at + frame.len() + SLACK) / 8 + 1);
    let base = block.as_mut_ptr() as usize;
    // SAFETY: all of it lies inside the block, as `decode` wants it.
    unsafe {
        ptr::copy_nonoverlapping(frame.as_ptr(), (base + at) as *mut u8, frame.len());
        let first = out.as_mut_ptr() as usize;
        let end = base + at + frame.len();
        decoder::decode(base, base + at, end, first, first + out.len(), base + DECODER)
    }
}
