//! Writes images by hand: instructions that lowering would not write are wanted as well.

use precast::lower::compress;
use precast::runtime::image::{head, MAGIC, VERSION};

pub struct Func {
    pub insns: Vec<u64>,
    pub slots: u32,
    pub params: u32,
    pub results: u32,
}

/// An instruction from its fields.
pub fn insn(op: u8, x: u8, a: u16, b: u16, c: u16) -> u64 {
    op as u64 | (x as u64) << 8 | (a as u64) << 16 | (b as u64) << 32 | (c as u64) << 48
}

/// An instruction with a 32-bit immediate.
pub fn wide(op: u8, a: u16, imm: u32) -> u64 {
    insn(op, 0, a, imm as u16, (imm >> 16) as u16)
}

/// A raw image with one table of ten items (null, then functions 0, 1, ...), a page of memory
/// which may grow to three, two types, and the given functions, all of type 0.
pub fn raw(funcs: &[Func], consts: &[u64], globals: &[u64]) -> Vec<u8> {
    let mut words: Vec<u32> = vec![0; head::WORDS];
    for value in consts.iter().chain(globals) {
        words.extend([*value as u32, (*value >> 32) as u32]);
    }
    let mut code = 0;
    for func in funcs {
        let n = func.insns.len() as u32;
        words.extend([code, n, func.slots, func.params | func.results << 16]);
        code += n;
    }
    words.extend([10, 12]);
    words.extend([1, 1, 0, 9]);
    words.extend((0..9).map(|item| if item < funcs.len() as u32 { item + 1 } else { 0 }));
    let set = [
        (head::MAGIC, MAGIC),
        (head::VERSION, VERSION),
        (head::HEAD_BYTES, words.len() as u32 * 4),
        (head::CODE_INSNS, code),
        (head::FUNCS, funcs.len() as u32),
        (head::TYPES, 2),
        (head::CONSTS, consts.len() as u32),
        (head::GLOBALS, globals.len() as u32),
        (head::TABLES, 1),
        (head::ELEMS, 1),
        (head::ITEMS, 9),
        (head::MEMORY_MIN, 1),
        (head::MEMORY_MAX, 3),
    ];
    for (index, value) in set {
        words[index] = value;
    }
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    for func in funcs {
        bytes.extend(func.insns.iter().flat_map(|insn| insn.to_le_bytes()));
    }
    bytes
}

pub fn embed(raw: &[u8]) -> &'static [u8] {
    Box::leak(compress(raw).unwrap().into_boxed_slice())
}
