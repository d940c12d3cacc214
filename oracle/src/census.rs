//! Which opcodes the images of this process hold.

use std::collections::BTreeSet;
use std::sync::Mutex;

use precast::runtime::image::{bulk, head, math, op, NAMES};

/// Opcodes, and of `MATH` and `BULK` the field `x`.
static SEEN: Mutex<BTreeSet<(u8, u8)>> = Mutex::new(BTreeSet::new());

fn word(image: &[u8], index: usize) -> usize {
    let bytes = image[index * 4..][..4].try_into().expect("four bytes");
    u32::from_le_bytes(bytes) as usize
}

pub fn count(image: &[u8]) {
    let code = word(image, head::HEAD_BYTES) + word(image, head::DATA_BYTES);
    let mut seen = SEEN.lock().unwrap();
    for insn in image[code..].chunks_exact(8) {
        let x = if matches!(insn[0], op::MATH | op::BULK) { insn[1] } else { 0 };
        seen.insert((insn[0], x));
    }
}

/// Names of the opcodes that no image has held so far.
pub fn missing() -> Vec<String> {
    let seen = SEEN.lock().unwrap();
    let plain = (1..op::COUNT as u8).filter(|op| !matches!(*op, op::MATH | op::BULK));
    let plain = plain.map(|op| (op, 0));
    let math = (0..math::COUNT).map(|x| (op::MATH, x));
    let bulk = (0..bulk::COUNT).map(|x| (op::BULK, x));
    let missing = plain.chain(math).chain(bulk).filter(|entry| !seen.contains(entry));
    missing.map(|(op, x)| format!("{} {x}", NAMES[op as usize])).collect()
}
