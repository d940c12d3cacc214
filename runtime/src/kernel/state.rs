//! The rare operations on memory and tables.

use super::super::super::image::{bulk, Insn, TABLE_ITEMS_MAX, TABLE_WORDS};
use super::super::layout::{Image, LEVELS};
use super::{copy, pages, word, FUEL, MEMORY_LIMIT, MEMORY_SLACK, NO_MEMORY, PAGE_BYTES};
use super::super::super::image::SEGMENT_WORDS;

const MEMORY_TRAP: u32 = 2;
const TABLE_TRAP: u32 = 3;

/// Runs one instruction `BULK`: operands from its window on, the result into its first slot. What traps, or cannot
/// grow, costs nothing.
pub unsafe fn run(image: &mut Image, i: &Insn, frame: *mut u64) -> u32 {
    let window = frame.add(i.a as usize);
    let (full, p) = (*window, *window as u32 as usize);
    let (value, q) = (*window.add(1), *window.add(1) as u32 as usize);
    let r = *window.add(2) as u32 as usize;
    let (b, c) = (i.b as usize, i.c as usize);
    let mut cost = 0;
    match i.x {
        bulk::MEMORY_SIZE => *window = image.memory_bytes as u64 / PAGE_BYTES,
        bulk::MEMORY_GROW => return grow(image, p, window),
        bulk::MEMORY_INIT => {
            let data = image.n_elems + b;
            check!(init(image, data, 0, p, q, r));
            cost = r >> 6;
        }
        bulk::DATA_DROP => empty(image, image.n_elems + b),
        bulk::ELEM_DROP => empty(image, b),
        bulk::TABLE_GET => {
            let items = check_range(image, b, p, 1);
            if items == 0 {
                return TABLE_TRAP;
            }
            *window = *(items as *const u64);
        }
        bulk::TABLE_SET => {
            let items = check_range(image, b, p, 1);
            if items == 0 {
                return TABLE_TRAP;
            }
            *(items as *mut u64) = value;
        }
        bulk::TABLE_SIZE => *window = view(image, b)[1] as u64,
        bulk::TABLE_GROW => {
            let before = view(image, b)[1];
            let max = word(image.table_records, b * TABLE_WORDS + 1) as u64;
            let room = TABLE_ITEMS_MAX as usize - image.table_items;
            if before as u64 + q as u64 > max || q > room {
                *window = 0xffff_ffff;
                return 0;
            }
            check!(grow_table(image, b, q, full));
            *window = before as u64;
            // All items have moved.
            cost = image.table_items >> 3;
        }
        bulk::TABLE_FILL => {
            let items = check_range(image, b, p, r);
            if items == 0 {
                return TABLE_TRAP;
            }
            fill(items, r, value);
            cost = r >> 3;
        }
        bulk::TABLE_COPY => {
            let (to, from) = (check_range(image, b, p, r), check_range(image, c, q, r));
            if to == 0 || from == 0 {
                return TABLE_TRAP;
            }
            // Backwards where the destination overlaps the rest of the source.
            let mut n = 0;
            while n < r {
                let at = if to > from { r - 1 - n } else { n };
                *(to as *mut u64).add(at) = *(from as *const u64).add(at);
                n += 1;
            }
            cost = r >> 3;
        }
        bulk::TABLE_INIT => {
            check!(init(image, c, b, p, q, r));
            cost = r >> 3;
        }
        _ => (),
    }
    if image.fuel < cost as u64 {
        return FUEL;
    }
    image.fuel -= cost as u64;
    0
}

/// Address and length of a table.
unsafe fn view(image: &Image, table: usize) -> [usize; 2] {
    *(image.tables as *const [usize; 2]).add(table)
}

/// The address of an item which is followed by `len` ones, itself included; 0 if there are less.
unsafe fn check_range(image: &Image, table: usize, from: usize, len: usize) -> usize {
    let [items, n] = view(image, table);
    if from as u64 + len as u64 > n as u64 {
        return 0;
    }
    items + from * 8
}

unsafe fn fill(items: usize, n: usize, value: u64) {
    let mut index = 0;
    while index < n {
        *(items as *mut u64).add(index) = value;
        index += 1;
    }
}

/// Adds pages to the memory.
unsafe fn grow(image: &mut Image, pages: usize, result: *mut u64) -> u32 {
    let before = image.memory_bytes as u64 / PAGE_BYTES;
    let bytes = image.memory_bytes as u64 + pages as u64 * PAGE_BYTES;
    if bytes > image.memory_max as u64 * PAGE_BYTES || bytes > usize::MAX as u64 / 4 {
        *result = 0xffff_ffff;
        return 0;
    }
    if bytes > image.memory_limit as u64 {
        return MEMORY_LIMIT;
    }
    if bytes as usize + MEMORY_SLACK > image.memory_block {
        // Twice as much: what is not touched costs nothing, and moving it does.
        let mut capacity = image.memory_bytes * 2;
        if capacity < bytes as usize {
            capacity = bytes as usize;
        }
        capacity += MEMORY_SLACK;
        let moved = pages::grow(image, capacity);
        if moved == 0 {
            return NO_MEMORY;
        }
        image.memory = moved;
        image.memory_block = capacity;
    }
    image.memory_bytes = bytes as usize;
    *result = before;
    0
}

/// What the second block has to hold, in bytes.
pub unsafe fn side_bytes(image: &Image) -> u64 {
    image.n_globals as u64 * 8 * (LEVELS as u64 + 2)
        + image.n_tables as u64 * 16
        + image.n_funcs as u64 * 4
        + image.table_items as u64 * 8
        + 64
}

/// Finds the places in the second block; the tables' items are its last.
pub unsafe fn lay_out(image: &mut Image) {
    image.saved = image.side;
    image.tables = image.saved + image.n_globals * 8 * (LEVELS + 2);
    image.order = image.tables + image.n_tables * 16;
}

pub unsafe fn first_item(image: &Image) -> usize {
    (image.order + image.n_funcs * 4 + 7) & !7
}

/// Adds items to a table: everything moves to another block.
unsafe fn grow_table(image: &mut Image, table: usize, n: usize, value: u64) -> u32 {
    let (old, old_bytes) = (image.side, image.side_bytes);
    let (views, items) = (image.tables, first_item(image));
    image.table_items += n;
    image.side_bytes = side_bytes(image) as usize;
    image.side = pages::take(image, image.side_bytes);
    if image.side == 0 {
        image.side = old;
        image.side_bytes = old_bytes;
        return NO_MEMORY;
    }
    copy(old, image.side, items - old);
    lay_out(image);
    let mut at = first_item(image);
    let mut index = 0;
    while index < image.n_tables {
        let [items, len] = *(views as *const [usize; 2]).add(index);
        copy(items, at, len * 8);
        let mut grown = len;
        if index == table {
            fill(at + len * 8, n, value);
            grown += n;
        }
        *(image.tables as *mut [usize; 2]).add(index) = [at, grown];
        at += grown * 8;
        index += 1;
    }
    pages::give(image, old, old_bytes);
    0
}

/// From now on the segment is empty.
pub unsafe fn empty(image: &mut Image, segment: usize) {
    *((image.segments + (segment * SEGMENT_WORDS + 3) * 4) as *mut u32) = 0;
}

/// Copies from a segment to a table or to the memory. All numbers have 32 bits.
pub unsafe fn init(
    image: &mut Image,
    segment: usize,
    table: usize,
    to: usize,
    from: usize,
    len: usize,
) -> u32 {
    let record = image.segments + segment * SEGMENT_WORDS * 4;
    let is_inside = from as u64 + len as u64 <= word(record, 3) as u64;
    let first = word(record, 2).wrapping_add(from);
    if segment >= image.n_elems {
        if !is_inside || to as u64 + len as u64 > image.memory_bytes as u64 {
            return MEMORY_TRAP;
        }
        copy(image.data + first, image.memory + to, len);
        return 0;
    }
    let items = check_range(image, table, to, len);
    if !is_inside || items == 0 {
        return TABLE_TRAP;
    }
    let mut index = 0;
    while index < len {
        *(items as *mut u64).add(index) = word(image.items, first + index) as u64;
        index += 1;
    }
    0
}
