//! Tier 1: what stands around the code of `engine/jit`, which is compiled and checked in one pass by its emitter.

use super::super::super::image::*;
use super::super::layout::*;
use super::pages::{self, call, number, READ, WRITE};
use super::*;
use std::mem;
use std::ptr;

const EXEC: usize = 4;
/// Words below the deepest return address, for signal handlers.
const SLACK: usize = 8192;
/// Pages of code are taken so many bytes at a time, a power of two.
const STEP: usize = 1 << 15;
/// The most bytes that one instruction comes to, with its share of backward branches.
const INSN_BYTES: usize = 96;
/// Bytes for each instruction of the largest function: a branch that it may be, and its offset.
const BRANCH_BYTES: usize = 20;

/// What generated code and stubs know; they know the offsets.
#[repr(C)]
struct Context {
    host_stack: usize,
    stack: usize,
    fuel: u64,
    frame: usize,
    stack_top: usize,
    stack_min: usize,
    frames_end: usize,
    memory: usize,
    /// The first address at which an access of 1, 2, 4, 8 bytes ends behind the memory.
    ends: [u64; 4],
    globals: usize,
    consts: usize,
    funcs: usize,
    tables: usize,
    entries: usize,
    n_funcs: u64,
    func: u64,
    slow: usize,
    compile: usize,
    // Only for `slow` and `compile`:
    image: *mut Image,
}

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
const CLASSES: usize = 32;

const LANES: u64 = 0x0001_0001_0001_0000;

unsafe fn class(image: &mut Image, index: usize) -> &mut Class {
    &mut *(image.classes as *mut Class).add(index)
}

/// Word `index` of the text's header.
unsafe fn header(image: &Image, index: usize) -> usize {
    word(image.text, index)
}

/// Reserves the region with the stubs at its start, writes the classes, and entries that lead to the compiler.
unsafe fn take(image: &mut Image) -> u32 {
    let bytes = (image.n_insns * INSN_BYTES + (1 << 20) + 4095) & !4095;
    image.bytes = if bytes > image.reach { image.reach } else { bytes };
    let error = map(image);
    if error < 0 {
        image.detail = -error as usize;
        return REFUSED;
    }
    check!(touch(image, image.stubs));
    copy(image.text, image.writable, image.stubs);
    image.used = image.stubs;
    publish(image, image.writable, image.stubs);
    let entries = CLASSES * mem::size_of::<Class>();
    let branches = entries + image.n_funcs * 8;
    image.classes_bytes = branches + image.insns_max * BRANCH_BYTES;
    image.classes = pages::take(image, image.classes_bytes);
    image.returns_bytes = (SLACK + image.depth_max + 2) * 8;
    image.returns = pages::take(image, image.returns_bytes);
    if image.classes == 0 || image.returns == 0 {
        return NO_MEMORY;
    }
    image.entries = image.classes + entries;
    image.branches = image.classes + branches;
    let mut index = 0;
    while index < CLASSES {
        describe(image, index);
        index += 1;
    }
    index = 0;
    let lazy = image.executable + header(image, 1);
    while index < image.n_funcs {
        *(image.entries as *mut usize).add(index) = lazy;
        index += 1;
    }
    0
}

pub unsafe fn close(image: &mut Image) {
    unmap(image, image.writable);
    unmap(image, image.executable);
    pages::give(image, image.classes, image.classes_bytes);
    pages::give(image, image.returns, image.returns_bytes);
}

/// One block of pages, mapped twice, so that none is ever both writable and executable. They are taken when they
/// are written.
#[cfg(target_arch = "x86_64")]
unsafe fn map(image: &mut Image) -> isize {
    if let Some(system) = pages::system(image.system) {
        return -((system.map)(image.bytes, &mut image.writable, &mut image.executable) as isize);
    }
    // MAP_SHARED, MAP_ANONYMOUS, MAP_NORESERVE
    let writable = call(number::MMAP, [0, image.bytes, READ | WRITE, 0x4021, !0]);
    if writable < 0 {
        return writable;
    }
    image.writable = writable as usize;
    // MREMAP_MAYMOVE: of shared memory, an old size of 0 asks for a second mapping.
    let executable = call(number::MREMAP, [image.writable, 0, image.bytes, 1, 0]);
    if executable < 0 {
        return executable;
    }
    image.executable = executable as usize;
    call(number::MPROTECT, [image.executable, image.bytes, READ | EXEC, 0, 0])
}

/// Gives one of both mappings back, if it is there.
unsafe fn unmap(image: &Image, at: usize) {
    if at == 0 {
        return;
    }
    #[cfg(target_arch = "x86_64")]
    if let Some(system) = pages::system(image.system) {
        (system.unmap)(at, image.bytes);
        return;
    }
    call(number::MUNMAP, [at, image.bytes, 0, 0, 0]);
}

/// By a file without a name, for emulators know no second mapping of anything else.
#[cfg(target_arch = "aarch64")]
unsafe fn map(image: &mut Image) -> isize {
    // MFD_CLOEXEC
    let file = call(number::MEMFD_CREATE, [b"precast\0".as_ptr() as usize, 1, 0, 0, 0]);
    if file < 0 {
        return file;
    }
    let mut result = call(number::FTRUNCATE, [file as usize, image.bytes, 0, 0, 0]);
    if result >= 0 {
        result = map_file(image, file as usize);
    }
    call(number::CLOSE, [file as usize, 0, 0, 0, 0]);
    result
}

#[cfg(target_arch = "aarch64")]
unsafe fn map_file(image: &mut Image, file: usize) -> isize {
    // MAP_SHARED, MAP_NORESERVE
    let writable = call(number::MMAP, [0, image.bytes, READ | WRITE, 0x4001, file]);
    if writable < 0 {
        return writable;
    }
    image.writable = writable as usize;
    let executable = call(number::MMAP, [0, image.bytes, READ | EXEC, 0x4001, file]);
    if executable > 0 {
        image.executable = executable as usize;
    }
    executable
}

/// Makes what was written visible to what runs it, where the processor does not.
#[cfg(target_arch = "x86_64")]
unsafe fn publish(_: &Image, _: usize, _: usize) {}

#[cfg(target_arch = "aarch64")]
unsafe fn publish(image: &Image, at: usize, bytes: usize) {
    pages::publish(at, image.executable + (at - image.writable), bytes);
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
    if image.executable == 0 {
        check!(take(image));
    }
    let lazy = image.executable + header(image, 1);
    if func < image.n_funcs && *(image.entries as *const usize).add(func) != lazy {
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
    let bytes = n * INSN_BYTES + 4096;
    if image.bytes - image.used < bytes {
        return TOO_MUCH_CODE;
    }
    check!(touch(image, bytes));
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
        records: image.text + header(image, 3),
        classes: image.classes,
        offsets: image.branches + n * 16,
        narrow: header(image, 4),
        index: first as u64,
        low: 0x7fff_7fff_7fff_0000,
        high: LANES << 15,
        checked: ptr::null(),
        branches: image.branches,
    };
    let emit: extern "C" fn(*mut Job) -> u32 = mem::transmute(image.executable + header(image, 2));
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
    publish(image, out, job.out - out);
    image.used = ((job.out - image.writable) + 15) & !15;
    *(image.entries as *mut usize).add(func) = image.executable + (out - image.writable);
    0
}

/// Takes the next pages of the region before at most so many bytes are written there. Linux takes each that is written to,
/// but when one of them is run first, it maps all beside it that are there.
#[cfg_attr(not(target_arch = "x86_64"), allow(unused_variables))]
unsafe fn touch(image: &mut Image, bytes: usize) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if let Some(system) = pages::system(image.system) {
        return commit(image, system, image.used + bytes);
    }
    if image.used + 4096 < image.taken {
        return 0;
    }
    let mut page = (image.used + 4095) & !4095;
    let mut end = ((image.executable + page + STEP) & !(STEP - 1)) - image.executable;
    if end > image.bytes {
        end = image.bytes;
    }
    image.taken = end;
    while page < end {
        ptr::write_volatile((image.writable + page) as *mut u8, 0);
        page += 4096;
    }
    0
}

/// Asks for the region's pages up to `end`, which it has, and for what follows up to the next step.
#[cfg(target_arch = "x86_64")]
unsafe fn commit(image: &mut Image, system: &pages::System, end: usize) -> u32 {
    let from = image.taken;
    if end <= from {
        return 0;
    }
    let mut to = (end + STEP - 1) & !(STEP - 1);
    if to > image.bytes {
        to = image.bytes;
    }
    if (system.commit)(image.writable + from, image.executable + from, to - from) == 0 {
        return NO_MEMORY;
    }
    image.taken = to;
    0
}

fn returns_end(image: &Image) -> usize {
    (image.returns + image.returns_bytes) & !15
}

/// Runs function `func` in the frame at slot `base`: arguments and results are its first slots. What it calls uses
/// the image as well, so there is no reference to it meanwhile.
pub unsafe fn run(image: *mut Image, func: usize) -> u32 {
    check!(prepare(&mut *image, func));
    // A run that is not inside another begins at the end.
    if (*image).level <= 1 {
        (*image).top = returns_end(&*image);
    }
    let top = (*image).top;
    let fuel = (*image).fuel;
    let mut context = Context {
        host_stack: 0,
        stack: 0,
        // The first function pays for a call as well.
        fuel: if fuel == u64::MAX { fuel } else { fuel + 1 },
        frame: (*image).stack + (*image).base * 8 + (*image).begin,
        stack_top: top,
        stack_min: returns_end(&*image) - ((*image).depth_max + 1) * 8,
        frames_end: (*image).stack + STACK_SLOTS_MAX as usize * 8,
        memory: 0,
        ends: [0; 4],
        globals: (*image).globals,
        consts: (*image).consts,
        funcs: (*image).funcs,
        tables: 0,
        entries: (*image).entries,
        n_funcs: (*image).n_funcs as u64,
        func: 0,
        slow: slow as *const () as usize,
        compile: compile as *const () as usize,
        image: image,
    };
    view(&mut context, &*image);
    let enter: extern "C" fn(*mut Context, u32) -> u32 =
        mem::transmute((*image).executable + header(&*image, 0));
    let left = enter(&mut context, func as u32);
    (*image).fuel = context.fuel;
    (*image).top = top;
    if left != 0 && (*image).left == 0 {
        (*image).left = context.stack - 8;
    }
    left
}

/// The next function that had not returned, or as many as there are. In the words of the stack are return addresses; the
/// one below the last of them belongs to the function that has stopped, and may also be its number.
pub unsafe fn frame(image: &mut Image) -> usize {
    let end = returns_end(image);
    while image.left != 0 && image.left < end {
        let word = *(image.left as *const usize);
        image.left += 8;
        if word < image.n_funcs {
            return word;
        }
        let code = image.executable + image.stubs;
        if word <= code || word > image.executable + image.used {
            continue;
        }
        // The last one that begins before it; those that are not compiled yet begin in the stubs.
        let (mut found, mut begin, mut func) = (image.n_funcs, code, 0);
        while func < image.n_funcs {
            let entry = *(image.entries as *const usize).add(func);
            if entry >= begin && entry < word {
                begin = entry;
                found = func;
            }
            func += 1;
        }
        if found < image.n_funcs {
            return found;
        }
    }
    image.n_funcs
}

/// Takes over what a rare instruction may have changed.
unsafe fn view(context: &mut Context, image: &Image) {
    context.tables = image.tables;
    context.memory = image.memory;
    let bytes = image.memory_bytes as u64;
    // Either no access fits, or every one.
    context.ends = [0; 4];
    if bytes != 0 {
        context.ends = [bytes, bytes - 1, bytes - 3, bytes - 7];
    }
}

/// Called by the stubs: runs instruction number `at`, one of those for which machine code is not worth it.
unsafe extern "C" fn slow(context: *mut Context, at: u32, frame: *mut u64) -> u32 {
    let image = (*context).image;
    (*image).fuel = (*context).fuel;
    (*image).top = (*context).stack & !15;
    // What is there is no function: it may be a gap before the stack of a run inside this one.
    *(((*context).stack - 8) as *mut usize) = !0;
    // It was checked when its function was compiled.
    let i = &*((*image).code as *const Insn).add(at as usize);
    let status = if i.op == op::CALL_HOST {
        call_host(image, i.b as usize | (i.c as usize) << 16, frame.add(i.a as usize))
    } else if i.op == op::MATH {
        let (x, y) = (*frame.add(i.b as usize), *frame.add(i.c as usize));
        let math: called!(fn(usize, u32, u64, u64) -> u32) = mem::transmute((*image).math);
        let status = math((*image).engine, i.x as u32, x, y);
        if status == 0 {
            *frame.add(i.a as usize) = (*image).result;
        }
        status
    } else {
        state::run(&mut *image, i, frame)
    };
    (*context).fuel = (*image).fuel;
    view(&mut *context, &*image);
    status
}

/// Called by the stubs: compiles function `func`.
unsafe extern "C" fn compile(context: *mut Context, func: u32) -> u32 {
    *(((*context).stack - 8) as *mut usize) = !0;
    prepare(&mut *(*context).image, func as usize)
}
