//! The whole kernel, for any machine; `x86_64.rs` is what a compiler makes of this file.
//!
//! So it calls nothing outside, allocates nothing and cannot panic. Nothing here trusts a byte of the image: addresses
//! are checked before they are read, and whatever is inconsistent is a fault.

/// `?` for a status.
macro_rules! check {
    ($status:expr) => {
        match $status {
            0 => (),
            status => return status,
        }
    };
}

#[path = "counts.rs"]
mod counts;
#[path = "inflate.rs"]
mod inflate;
tier! {
    #[path = "machine.rs"]
    mod machine;
    mod machine {
        use super::super::layout::Image;

        /// There is no machine code.
        pub unsafe fn prepare(_: &mut Image, _: usize) -> u32 {
            0
        }

        pub unsafe fn run(_: *mut Image, _: usize) -> u32 {
            0
        }

        /// As in `machine.rs`; `left` is the number of return addresses, which are instructions' indexes.
        pub unsafe fn frame(image: &mut Image) -> usize {
            let mut func = image.n_funcs;
            if image.left != 0 {
                image.left -= 1;
                let at = super::word(image.returns, image.left * 2).wrapping_sub(1);
                func = 0;
                while func < image.n_funcs {
                    let record = image.funcs + func * super::FUNC_WORDS * 4;
                    if at.wrapping_sub(super::word(record, 0)) < super::word(record, 1) {
                        break;
                    }
                    func += 1;
                }
            }
            func
        }

        pub unsafe fn close(_: &mut Image) {}
    }
}
#[path = "state.rs"]
mod state;

tier! {
    #[cfg_attr(target_arch = "x86_64", path = "anywhere.rs")]
    #[cfg_attr(not(target_arch = "x86_64"), path = "linux.rs")]
    mod pages;
    #[cfg_attr(
        all(
            any(target_arch = "x86_64", target_arch = "aarch64"),
            target_pointer_width = "64",
            target_os = "linux",
            not(miri)
        ),
        path = "linux.rs"
    )]
    #[cfg_attr(
        not(all(
            any(target_arch = "x86_64", target_arch = "aarch64"),
            target_pointer_width = "64",
            target_os = "linux",
            not(miri)
        )),
        path = "pages.rs"
    )]
    mod pages;
}

use self::counts::COUNTS;
use super::super::calls::ATTEMPT;
use super::super::image::*;
use super::layout::*;
use std::mem;

macro_rules! numbers {
    ($($name:ident $message:literal;)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum Number { $($name,)* }

        $(pub const $name: u32 = FIRST + Number::$name as u32;)*
    };
}

faults!(numbers);

/// Read without a demand on alignment.
#[repr(C, packed)]
struct Four(u32);
#[repr(C, packed)]
struct Eight(u64);

/// Zero bytes around a frame and behind the literals, for wide reads.
const SLACK: usize = 32;
const DECODER_BYTES: usize = 1 << 14;

const PAGE_BYTES: u64 = 65536;
/// Bytes after the last addressable one, so that an empty memory has a block as well.
const MEMORY_SLACK: usize = 64;
/// As many slots as a 16-bit operand can name follow the last frame.
const STACK_BYTES: usize = (STACK_SLOTS_MAX as usize + 65536) * 8;
/// Fuel of a host call, beside that for the memory it reads and writes.
const HOST_CALL: u64 = 32;

impl Image {
    /// Does what the number says, for whoever is outside.
    ///
    /// # Safety
    /// As for `run`.
    pub unsafe fn run(what: usize, image: usize, value: usize) -> u32 {
        run(what, image, value)
    }
}

/// Does what the number `what` of `layout.rs` says; 0, or what is wrong.
///
/// # Safety
/// As there: `image` is the address of one, and given is what the number wants.
pub unsafe fn run(what: usize, image: usize, value: usize) -> u32 {
    if what == INFLATE {
        let range = &*(value as *const [usize; 5]);
        let at = surround(range[0], range[1], range[2]);
        return inflate(range[0], at, range[2], range[3], range[4]);
    }
    if what == COPY {
        let range = &*(value as *const [usize; 3]);
        copy(range[0], range[1], range[2]);
        return 0;
    }
    if what == PRINT {
        let range = &*(value as *const [usize; 4]);
        return pages::print(range[3], range[0], range[1], range[2]) as u32;
    }
    if what == ASK {
        return pages::ask(&*(value as *const [usize; 6])) as u32;
    }
    if what == RUN {
        return machine::run(image as *mut Image, value);
    }
    let image = &mut *(image as *mut Image);
    match what {
        LOAD => load(image),
        CLOSE => close(image),
        LOCATE => locate(image, value),
        EXPORT => export(image, &*(value as *const [usize; 2])),
        SAVE => save(image),
        RESTORE => restore(image, value),
        BULK => {
            let parts = &*(value as *const [usize; 2]);
            state::run(image, &*(parts[0] as *const Insn), parts[1] as *mut u64)
        }
        PREPARE => machine::prepare(image, value),
        FRAME => frame(image, &*(value as *const [usize; 2])),
        _ => {
            let range = &*(value as *const [usize; 2]);
            image.detail = checksum(range[0], range[1]) as usize;
            0
        }
    }
}

unsafe fn load(image: &mut Image) -> u32 {
    check!(open(image));
    image.block = pages::take(image, image.block_bytes);
    if image.block == 0 {
        return NO_MEMORY;
    }
    check!(read(image));
    let memory = image.memory_min as u64 * PAGE_BYTES;
    if memory > image.memory_limit as u64 {
        return MEMORY_NEED;
    }
    if memory > usize::MAX as u64 / 4 {
        return TOO_LARGE_HERE;
    }
    image.memory_bytes = memory as usize;
    image.memory_block = image.memory_bytes + MEMORY_SLACK;
    image.memory = pages::take(image, image.memory_block);
    image.stack = pages::take(image, STACK_BYTES);
    let side = state::side_bytes(image);
    if side > usize::MAX as u64 / 4 {
        return TOO_LARGE_HERE;
    }
    image.side_bytes = side as usize;
    image.side = pages::take(image, image.side_bytes);
    if image.memory == 0 || image.stack == 0 || image.side == 0 {
        return NO_MEMORY;
    }
    state::lay_out(image);
    let mut at = state::first_item(image);
    let mut index = 0;
    while index < image.n_tables {
        let len = word(image.table_records, index * TABLE_WORDS);
        *(image.tables as *mut [usize; 2]).add(index) = [at, len];
        at += len * 8;
        index += 1;
    }
    check!(apply(image));
    if image.data == image.code {
        clear(image.code, image.data_bytes);
    }
    0
}

unsafe fn close(image: &mut Image) -> u32 {
    machine::close(image);
    pages::give(image, image.block, image.block_bytes);
    pages::give(image, image.memory, image.memory_block);
    pages::give(image, image.stack, STACK_BYTES);
    pages::give(image, image.side, image.side_bytes);
    pages::give(image, image.names_block, image.names_block_bytes);
    0
}

unsafe fn save(image: &mut Image) -> u32 {
    if image.level > LEVELS {
        return DEPTH;
    }
    let bytes = image.n_globals * 8;
    copy(image.globals, image.saved + image.level * bytes, bytes);
    image.level += 1;
    0
}

unsafe fn restore(image: &mut Image, wanted: usize) -> u32 {
    let bytes = image.n_globals * 8;
    image.level -= 1;
    if wanted != 0 {
        copy(image.saved + image.level * bytes, image.globals, bytes);
        image.left = 0;
    }
    0
}

/// The next function that had not returned. Parts of functions have no line in a table of names, and are passed over: who
/// called them is the rest of it.
unsafe fn frame(image: &mut Image, table: &[usize; 2]) -> u32 {
    if image.names_block == 0 && table[1] > 4 {
        open_names(image, table[0], table[1]);
    }
    loop {
        let func = machine::frame(image);
        if func >= image.n_funcs {
            return NO_FUNCTION;
        }
        image.detail = func;
        image.first = 0;
        image.end = 0;
        let (mut at, end) = (image.names, image.names + image.names_bytes);
        let mut line = 0;
        while line < func && at < end {
            if byte(at) == b'\n' as usize {
                line += 1;
            }
            at += 1;
        }
        if at < end {
            image.first = at;
            while byte(at) != b'\n' as usize {
                at += 1;
            }
            image.end = at - image.first;
        }
        if image.first != 0 || image.names == 0 {
            return 0;
        }
    }
}

/// Decodes a table of names: the length of its text, and a frame. What does not decode, or does not end with a line,
/// is none.
unsafe fn open_names(image: &mut Image, at: usize, bytes: usize) {
    let raw = word(at, 0);
    if raw == 0 || raw > NAMES_BYTES_MAX {
        return;
    }
    image.names_block_bytes = whole(raw) + whole(SCRATCH_BYTES + bytes);
    let block = pages::take(image, image.names_block_bytes);
    if block == 0 {
        return;
    }
    image.names_block = block;
    let scratch = block + whole(raw);
    let frame = surround(scratch, at + 4, bytes - 4);
    if inflate(scratch, frame, bytes - 4, block, raw) == 0
        && byte(block + raw - 1) == b'\n' as usize
    {
        image.names = block;
        image.names_bytes = raw;
    }
}

/// Word `index` of the little-endian words from `at` on.
unsafe fn word(at: usize, index: usize) -> usize {
    u32::from_le((*((at + index * 4) as *const Four)).0) as usize
}

unsafe fn eight(at: usize) -> u64 {
    u64::from_le((*(at as *const Eight)).0)
}

unsafe fn byte(at: usize) -> usize {
    *(at as *const u8) as usize
}

/// Copies bytes to where they do not overlap.
unsafe fn copy(from: usize, to: usize, bytes: usize) {
    let mut n = 0;
    while n + 8 <= bytes {
        (*((to + n) as *mut Eight)).0 = (*((from + n) as *const Eight)).0;
        n += 8;
    }
    while n < bytes {
        *((to + n) as *mut u8) = *((from + n) as *const u8);
        n += 1;
    }
}

/// Zeros, in steps of eight bytes.
unsafe fn clear(to: usize, bytes: usize) {
    let mut n = 0;
    while n < bytes {
        (*((to + n) as *mut Eight)).0 = 0;
        n += 8;
    }
}

/// The container's checksum. Each step is a bijection, so only the last one, which halves the sum,
/// can lose a difference.
unsafe fn checksum(at: usize, bytes: usize) -> u32 {
    let mut sum = bytes as u64 ^ 0x9e37_79b9_7f4a_7c15;
    let mut n = 0;
    while n + 8 <= bytes {
        sum = (sum ^ eight(at + n)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        sum ^= sum >> 32;
        n += 8;
    }
    while n < bytes {
        sum = (sum ^ byte(at + n) as u64).wrapping_mul(0xff51_afd7_ed55_8ccd);
        sum ^= sum >> 32;
        n += 1;
    }
    (sum.wrapping_mul(0xff51_afd7_ed55_8ccd) >> 32) as u32
}

/// Copies a frame to where it has zeros on both sides.
unsafe fn surround(scratch: usize, frame: usize, bytes: usize) -> usize {
    let at = scratch + SCRATCH_BYTES - SLACK;
    clear(at - SLACK, SLACK);
    copy(frame, at, bytes);
    clear(at + bytes, SLACK);
    at
}

/// Decodes a frame, which must fill the output exactly.
unsafe fn inflate(scratch: usize, at: usize, bytes: usize, out: usize, out_bytes: usize) -> u32 {
    let literals = scratch + DECODER_BYTES;
    match inflate::decode(scratch, at, at + bytes, out, out + out_bytes, literals) {
        true => 0,
        false => CHUNK,
    }
}

fn whole(bytes: usize) -> usize {
    (bytes + 71) & !63
}

/// Checks the container's header and its directory.
unsafe fn open(image: &mut Image) -> u32 {
    let (embedded, bytes) = (image.embedded, image.embedded_bytes);
    if cfg!(target_endian = "big") {
        return BIG_ENDIAN;
    }
    if bytes < EMBEDDED_WORDS * 4 || word(embedded, 0) != MAGIC_EMBEDDED as usize {
        return NO_IMAGE;
    }
    image.detail = word(embedded, 1);
    if image.detail != VERSION as usize {
        return OTHER_VERSION;
    }
    let n = word(embedded, 3);
    if word(embedded, 2) != bytes || n < 2 || n > bytes / (CHUNK_WORDS * 4) {
        return CUT_OFF;
    }
    let directory = n * CHUNK_WORDS * 4;
    if EMBEDDED_WORDS * 4 + directory > bytes
        || word(embedded, 5) != 0
        || word(embedded, 4) != checksum(embedded + EMBEDDED_WORDS * 4, directory) as usize
    {
        return DIRECTORY;
    }
    image.head_bytes = word(embedded, EMBEDDED_WORDS);
    image.data_bytes = word(embedded, EMBEDDED_WORDS + CHUNK_WORDS);
    image.code_bytes = 0;
    let mut packed = 0;
    let mut index = 0;
    while index < n {
        let record = EMBEDDED_WORDS + index * CHUNK_WORDS;
        if index >= 2 {
            if word(embedded, record) > CODE_INSNS_MAX as usize * 8 - image.code_bytes {
                return TOO_LARGE;
            }
            image.code_bytes += word(embedded, record);
        }
        if word(embedded, record + 1) > packed {
            packed = word(embedded, record + 1);
        }
        index += 1;
    }
    if image.head_bytes > HEAD_BYTES_MAX as usize || image.data_bytes > DATA_BYTES_MAX as usize {
        return TOO_LARGE;
    }
    if packed > bytes {
        return CHUNK_CUT_OFF;
    }
    image.block_bytes = whole(image.head_bytes)
        + whole(image.data_bytes)
        + whole(image.code_bytes)
        + whole(SCRATCH_BYTES + packed);
    0
}

/// Decodes chunk `index`, whose packed bytes begin at offset `at`, to `out`; `detail` becomes their end.
unsafe fn unpack(image: &mut Image, index: usize, at: usize, out: usize) -> u32 {
    let record = image.embedded + (EMBEDDED_WORDS + index * CHUNK_WORDS) * 4;
    let (raw, packed, method) = (word(record, 0), word(record, 1), word(record, 2));
    if at > image.embedded_bytes || packed > image.embedded_bytes - at {
        return CHUNK_CUT_OFF;
    }
    let from = image.embedded + at;
    if checksum(from, packed) as usize != word(record, 3) {
        return CHUNK_CHECKSUM;
    }
    image.detail = at + packed;
    if method == 0 && packed == raw {
        copy(from, out, raw);
        return 0;
    }
    if method != 1 {
        return CHUNK;
    }
    // The directory stands before all chunks, but behind the last one there is nothing.
    let mut frame = from;
    if image.embedded_bytes - at - packed < SLACK {
        frame = surround(image.scratch, from, packed);
    }
    inflate(image.scratch, frame, packed, out, raw)
}

/// Lays out the block, decodes head and data into it, and finds the head's tables.
unsafe fn read(image: &mut Image) -> u32 {
    let head = image.block;
    image.data = head + whole(image.head_bytes);
    image.code = image.data + whole(image.data_bytes);
    image.scratch = image.code + whole(image.code_bytes);
    let n = word(image.embedded, 3);
    check!(unpack(image, 0, (EMBEDDED_WORDS + n * CHUNK_WORDS) * 4, head));
    let at = image.detail;
    if image.head_bytes < head::WORDS * 4 {
        return HEAD_CUT_OFF;
    }
    let insns = word(head, head::CODE_INSNS);
    if word(head, head::MAGIC) != MAGIC as usize
        || word(head, head::VERSION) != VERSION as usize
        || word(head, head::HEAD_BYTES) != image.head_bytes
        || word(head, head::DATA_BYTES) != image.data_bytes
        || insns > CODE_INSNS_MAX as usize
        || word(head, head::TABLES) > TABLES_MAX as usize
        || word(head, head::TYPES) > TYPES_MAX as usize
        || word(head, head::START) > word(head, head::FUNCS)
    {
        return HEAD;
    }
    image.n_insns = insns;
    image.n_types = word(head, head::TYPES);
    image.n_exports = word(head, head::EXPORTS);
    image.memory_min = word(head, head::MEMORY_MIN);
    image.memory_max = word(head, head::MEMORY_MAX);
    image.start = word(head, head::START);
    image.n_consts = word(head, head::CONSTS);
    image.n_globals = word(head, head::GLOBALS);
    image.n_funcs = word(head, head::FUNCS);
    image.n_tables = word(head, head::TABLES);
    image.n_elems = word(head, head::ELEMS);
    image.n_datas = word(head, head::DATAS);
    image.n_items = word(head, head::ITEMS);
    // Counts have 32 bits: of 64 no sum of these overflows.
    let words = image.n_consts as u64 * CONST_WORDS as u64
        + image.n_globals as u64 * GLOBAL_WORDS as u64
        + image.n_funcs as u64 * FUNC_WORDS as u64
        + image.n_tables as u64 * TABLE_WORDS as u64
        + (image.n_elems as u64 + image.n_datas as u64) * SEGMENT_WORDS as u64
        + image.n_items as u64
        + head::WORDS as u64;
    if words > image.head_bytes as u64 / 4 {
        return TABLE_CUT_OFF;
    }
    image.head_end = head + image.head_bytes;
    image.consts = head + head::WORDS * 4;
    image.globals = image.consts + image.n_consts * CONST_WORDS * 4;
    image.funcs = image.globals + image.n_globals * GLOBAL_WORDS * 4;
    image.table_records = image.funcs + image.n_funcs * FUNC_WORDS * 4;
    image.segments = image.table_records + image.n_tables * TABLE_WORDS * 4;
    image.items = image.segments + (image.n_elems + image.n_datas) * SEGMENT_WORDS * 4;
    image.exports = image.items + image.n_items * 4;
    if insns * 8 > image.code_bytes {
        return CODE_CUT_OFF;
    }
    let mut items = 0;
    let mut index = 0;
    while index < image.n_tables {
        items += word(image.table_records, index * TABLE_WORDS) as u64;
        index += 1;
    }
    if items > TABLE_ITEMS_MAX as u64 {
        return TABLES;
    }
    image.table_items = items as usize;
    index = 0;
    while index < image.n_funcs {
        let n = word(image.funcs, index * FUNC_WORDS + 1);
        if n > image.insns_max && n <= insns {
            image.insns_max = n;
        }
        index += 1;
    }
    // Nobody asks again for data of active segments: it lies where code will be, until they are applied, for a page that is
    // touched first costs as much as decoding a kilobyte.
    let mut place = image.code;
    if image.data_bytes > image.code_bytes {
        place = image.data;
    }
    index = image.n_elems;
    while index < image.n_elems + image.n_datas {
        if word(image.segments, index * SEGMENT_WORDS) == 0 {
            place = image.data;
        }
        index += 1;
    }
    image.data = place;
    check!(unpack(image, 1, at, place));
    image.code_chunks = image.detail;
    0
}

/// Checks the segments; applies the active ones, in order, and drops them.
unsafe fn apply(image: &mut Image) -> u32 {
    let n = image.n_elems + image.n_datas;
    let mut index = 0;
    while index < n {
        let segment = image.segments + index * SEGMENT_WORDS * 4;
        let (active, to) = (word(segment, 0), word(segment, 1));
        let (from, len) = (word(segment, 2), word(segment, 3));
        let is_data = index >= image.n_elems;
        let end = if is_data { image.data_bytes } else { image.n_items };
        let targets = if is_data { 1 } else { image.n_tables };
        if from as u64 + len as u64 > end as u64 || active > targets {
            return SEGMENT;
        }
        if active != 0 {
            let target = if is_data { 0 } else { active - 1 };
            check!(state::init(image, index, target, to, 0, len));
            state::empty(image, index);
        }
        index += 1;
    }
    0
}

/// Finds the function that is exported under a name.
unsafe fn export(image: &mut Image, name: &[usize; 2]) -> u32 {
    let mut at = image.exports;
    let mut left = image.n_exports;
    while left > 0 && at + 8 <= image.head_end {
        let len = word(at, 1);
        if len > image.head_end - at - 8 {
            return NO_EXPORT;
        }
        if len == name[1] {
            let mut same = 0;
            while same < len && byte(at + 8 + same) == byte(name[0] + same) {
                same += 1;
            }
            if same == len {
                image.detail = word(at, 0);
                return 0;
            }
        }
        at += 8 + (len + 3) / 4 * 4;
        left -= 1;
    }
    NO_EXPORT
}

/// Where the instructions of function `func` begin and end, now decoded but not checked.
unsafe fn locate(image: &mut Image, func: usize) -> u32 {
    image.detail = func;
    if func >= image.n_funcs {
        return NO_FUNCTION;
    }
    let record = image.funcs + func * FUNC_WORDS * 4;
    image.first = word(record, 0);
    let insns = word(record, 1);
    if insns == 0 || image.first > image.n_insns || insns > image.n_insns - image.first {
        return OUTSIDE;
    }
    image.end = image.first + insns;
    if image.n_located < image.n_funcs {
        *(image.order as *mut u32).add(image.n_located) = func as u32;
        image.n_located += 1;
    }
    // Code that is not decoded yet is `INVALID`.
    if eight(image.code + image.first * 8) != 0 {
        return 0;
    }
    let at = image.first * 8;
    let n = word(image.embedded, 3);
    let mut packed = image.code_chunks;
    let mut from = 0;
    let mut index = 2;
    while index < n {
        let record = image.embedded + (EMBEDDED_WORDS + index * CHUNK_WORDS) * 4;
        let raw = word(record, 0);
        if from + raw > at {
            if from % 8 != 0 || from + raw > image.n_insns * 8 {
                return CODE_CUT_OFF;
            }
            let out = image.code + from;
            let status = unpack(image, index, packed, out);
            image.detail = func;
            return status;
        }
        from += raw;
        packed = packed.saturating_add(word(record, 1));
        index += 1;
    }
    OUTSIDE
}

/// Calls the embedding: arguments from the window on, the result into its first slot. The embedding uses the image as
/// well, so there is no reference to it meanwhile.
pub unsafe fn call_host(image: *mut Image, number: usize, slots: *mut u64) -> u32 {
    if (*image).fuel < HOST_CALL {
        return FUEL;
    }
    (*image).fuel -= HOST_CALL;
    let counts = *COUNTS.as_ptr().add(number);
    let host: called!(fn(usize, u32, *mut u64, u32) -> u32) = mem::transmute((*image).host);
    (*image).work = 0;
    (*image).base = (slots as usize - (*image).stack) / 8;
    check!(host((*image).engine, number as u32, slots, counts.0 as u32));
    if number != ATTEMPT as usize {
        let cost = (*image).work >> 6;
        if (*image).fuel < cost {
            return FUEL;
        }
        (*image).fuel -= cost;
    }
    if counts.1 != 0 {
        *slots = (*image).result;
    }
    0
}

/// Checks what is not a slot of an instruction (docs/image.md). `next` is the index of the following one,
/// `first..end` are those of the function.
pub unsafe fn rare(
    image: &Image,
    i: &Insn,
    shape: u8,
    next: usize,
    first: usize,
    end: usize,
    frame: usize,
) -> bool {
    let imm = i.b as usize | (i.c as usize) << 16;
    let (a, b, c, x) = (i.a as usize, i.b as usize, i.c as usize, i.x as usize);
    match shape {
        shape::BRANCH | shape::BRANCH_I | shape::JUMP => {
            let by = if shape == shape::JUMP { imm as u32 as i32 as isize } else { i.a as i16 as isize };
            let target = next as isize + by;
            target >= first as isize && target < end as isize
        }
        shape::SWITCH => {
            let stop = next + (a | x << 16) + 1;
            if stop > end {
                return false;
            }
            let mut at = next;
            while at < stop {
                if byte(image.code + at * 8) != op::BR as usize {
                    return false;
                }
                at += 1;
            }
            true
        }
        shape::END | shape::END_S | shape::SELECT | shape::SSS => true,
        shape::DK => (c | x << 16) < image.n_consts,
        shape::GLOBAL | shape::GLOBAL_SET => imm < image.n_globals,
        shape::CALL => imm < image.n_funcs,
        shape::HOST => {
            if imm >= COUNTS.len() {
                return false;
            }
            let counts = *COUNTS.as_ptr().add(imm);
            a < frame && a + counts.0 as usize <= frame && counts.1 <= 1
        }
        shape::INDIRECT => x < image.n_tables && c < image.n_types,
        shape::PAIR => a + 1 < frame,
        shape::GLOBAL_ADD | shape::GLOBAL_TO => x < image.n_globals,
        shape::MATH => i.x < math::COUNT,
        shape::BULK => {
            a + 3 <= frame
                && match i.x {
                    bulk::MEMORY_SIZE | bulk::MEMORY_GROW => true,
                    bulk::MEMORY_INIT | bulk::DATA_DROP => b < image.n_datas,
                    bulk::TABLE_COPY => b < image.n_tables && c < image.n_tables,
                    bulk::TABLE_INIT => b < image.n_tables && c < image.n_elems,
                    bulk::ELEM_DROP => b < image.n_elems,
                    x => x < bulk::COUNT && b < image.n_tables,
                }
        }
        _ => false,
    }
}
