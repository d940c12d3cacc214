//! What prepares functions for the emitter of tier 1 (`engine/jit`), which compiles and checks in one pass.

use super::super::super::image::*;
use super::super::layout::{Image, CLASSES_BYTES, INSN_BYTES};
use super::{locate, rare, word, RULES, TOO_MUCH_CODE};
use std::mem;
use std::ptr;

/// What the emitter is given and gives back; it knows the offsets.
#[repr(C)]
struct Job {
    insn: *const Insn,
    end: *const Insn,
    out: usize,
    base: usize,
    first: *const Insn,
    branch: usize,
    lanes: u64,
    begin: u32,
    n_ops: u32,
    records: usize,
    classes: usize,
    offsets: usize,
    narrow: usize,
    index: u64,
    low: u64,
    high: u64,
    checked: *const Insn,
    branches: usize,
}

/// How the fields of a record's instruction are read and checked.
#[repr(C)]
struct Class {
    /// The fields that are slots, and those of their bits that do not fit a narrow record.
    slots: u64,
    wide: u64,
    /// The index is `insn >> shift & low | insn << 8 & high`, and below `limit`.
    low: u64,
    high: u64,
    limit: u64,
    shift: u8,
    /// Where the third field is read: at `c`, or at `a` again.
    third: u8,
    kind: u8,
    unused: u8,
    /// Added to the offsets of the fields a and c.
    bias: i32,
    reserved: [u64; 2],
}

/// `Class::kind`
const BRANCH: u8 = 1;
const JUMP: u8 = 2;
const NUMBERED: u8 = 3;
const CHECKED: u8 = 4;

/// Classes are the shapes, but for shifts by an immediate.
const SHIFT: usize = 31;
const CLASSES: usize = CLASSES_BYTES / mem::size_of::<Class>();

const LANES: u64 = 0x0001_0001_0001_0000;

unsafe fn class(image: &mut Image, index: usize) -> &mut Class {
    &mut *(image.classes as *mut Class).add(index)
}

/// Writes the classes, and entries that lead to the compiler.
pub unsafe fn begin(image: &mut Image) -> u32 {
    let mut index = 0;
    while index < CLASSES {
        describe(image, index);
        index += 1;
    }
    index = 0;
    while index < image.n_funcs {
        *(image.entries as *mut usize).add(index) = image.lazy;
        index += 1;
    }
    0
}

/// What differs from class to class.
unsafe fn describe(image: &mut Image, index: usize) {
    let shape = if index == SHIFT { shape::DSI } else { index as u8 };
    let fields = if index < SLOTS.len() || index == SHIFT {
        *SLOTS.as_ptr().add(shape as usize) as u64
    } else {
        0
    };
    let slots = (fields & 1) * 0xffff_0000
        | (fields >> 1 & 1) * 0xffff_0000_0000
        | (fields >> 2) * 0xffff_0000_0000_0000;
    let (mut shift, mut low, mut high, mut limit) = (0, 0, 0, u64::MAX);
    match shape {
        shape::DI => {
            shift = 32;
            low = 0xffff_ffff;
        }
        shape::DK | shape::LOAD => {
            shift = 48;
            low = 0xffff;
            high = 0xff_0000;
        }
        shape::STORE | shape::STORE_I | shape::SWITCH => {
            shift = 16;
            low = 0xffff;
            high = 0xff_0000;
        }
        shape::GLOBAL | shape::GLOBAL_SET => {
            shift = 29;
            low = 0x7_ffff_fff8;
            limit = image.n_globals as u64 * 8;
        }
        shape::GLOBAL_ADD | shape::GLOBAL_TO => {
            shift = 5;
            low = 0x7f8;
            limit = image.n_globals as u64 * 8;
        }
        shape::CALL => {
            shift = 32;
            low = 0xffff_ffff;
            limit = image.n_funcs as u64;
        }
        shape::PAIR => {
            shift = 16;
            low = 0xffff;
        }
        shape::INDIRECT => {
            shift = 8;
            low = 0xff;
        }
        _ => (),
    }
    if shape == shape::DK {
        limit = image.n_consts as u64;
    }
    if index == SHIFT {
        shift = 48;
        low = 63;
    }
    // The window of a call is wanted twice, in bytes.
    let is_call = shape == shape::CALL || shape == shape::INDIRECT;
    let (begin, far) = (image.begin as i32, image.far as u64);
    *class(image, index) = Class {
        slots: slots,
        wide: if is_call { 0xff } else { slots & (LANES * far) },
        low: low,
        high: high,
        limit: limit,
        shift: shift,
        third: if is_call { 2 } else { 6 },
        kind: match shape {
            shape::BRANCH | shape::BRANCH_I => BRANCH,
            shape::JUMP => JUMP,
            shape::HOST | shape::MATH | shape::BULK => NUMBERED,
            shape::INVALID | shape::SWITCH | shape::INDIRECT => CHECKED,
            _ => 0,
        },
        unused: 0,
        bias: if is_call { 0 } else { -begin },
        reserved: [0; 2],
    };
}

/// Compiles function `func` unless that was done.
pub unsafe fn prepare(image: &mut Image, func: usize) -> u32 {
    image.made = 0;
    if func < image.n_funcs && *(image.entries as *const usize).add(func) != image.lazy {
        return 0;
    }
    check!(locate(image, func));
    let (first, end) = (image.first, image.end);
    let frame = word(image.funcs, func * FUNC_WORDS + 2) & 0xffff;
    let n = end - first;
    // The last instruction must not fall through.
    let last = (*(image.code as *const Insn).add(end - 1)).op;
    let ends = last == op::RET || last == op::RET_S || last == op::BR || last == op::UNREACHABLE;
    if !ends || frame > FRAME_SLOTS_MAX as usize {
        return RULES;
    }
    if image.bytes - image.used < n * INSN_BYTES + 4096 {
        return TOO_MUCH_CODE;
    }
    // The slots that a pair may begin at.
    let begins = if frame == 0 { 0 } else { frame as u64 - 1 };
    class(image, shape::PAIR as usize).limit = begins;
    let insns = (image.code as *const Insn).add(first);
    let out = image.writable + image.used;
    let mut job = Job {
        insn: insns,
        end: insns.add(n),
        out: out,
        base: image.writable,
        first: insns,
        branch: image.branches,
        lanes: (0x8000 - frame as u64) * LANES,
        begin: (frame as u32 * 8).wrapping_sub(image.begin as u32),
        n_ops: op::COUNT as u32,
        records: image.records,
        classes: image.classes,
        offsets: image.branches + n * 16,
        narrow: image.narrow,
        index: first as u64,
        low: 0x7fff_7fff_7fff_0000,
        high: LANES << 15,
        checked: ptr::null(),
        branches: image.branches,
    };
    let emit: extern "C" fn(*mut Job) -> u32 = mem::transmute(image.emit);
    loop {
        match emit(&mut job) {
            0 => break,
            1 => {
                // The emitter stopped at an instruction that it does not check itself.
                let insn = &*job.insn;
                let at = (job.insn as usize - insns as usize) / 8 + first;
                let shape = *SHAPES.as_ptr().add(insn.op as usize);
                if !rare(image, insn, shape, at + 1, first, end, frame) {
                    return RULES;
                }
                job.checked = job.insn;
            }
            _ => return RULES,
        }
    }
    image.made = out;
    image.used = ((job.out - image.writable) + 15) & !15;
    *(image.entries as *mut usize).add(func) = image.executable + (out - image.writable);
    0
}
