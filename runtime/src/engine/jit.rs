//! Tier 1: machine code, made function by function when first called.
//!
//! Compiling is copying: a record of code per instruction (`jit/x86_64.rs`, `jit/aarch64.rs`), its
//! fields set, and in the same pass every rule of the format checked. Nothing is run of a function
//! that breaks one. Calls are calls, slots stay in memory, and whatever is rare (host calls, tables, floating
//! point) is run by `slow`. No panic crosses generated code, and no unwinding: traps and faults
//! leave through one stub, which drops the generated code's own stack.

#[cfg_attr(target_arch = "x86_64", path = "jit/x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "jit/aarch64.rs")]
mod code;
#[path = "jit/region.rs"]
mod region;

use std::any::Any;
use std::mem;
use std::panic::resume_unwind;
use std::ptr;

use self::region::Region;
use super::super::image::{op, shape, Insn, FRAME_SLOTS_MAX, SHAPES, SLOTS, STACK_SLOTS_MAX};
use super::super::instance::{guard, owned, zeros, Fault, Host, Limits, Trap};
use super::super::pages::Pages;
use super::{Engine, DEPTH, FRAME, FUEL};

/// Words below the deepest return address, for signal handlers.
const SLACK: usize = 8192;
/// The most bytes that one instruction comes to, with its share of backward branches.
const INSN_BYTES: usize = 96;

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
    engine: *mut Engine,
    host: usize,
}

/// What the emitter is given and gives back.
#[repr(C)]
struct Job {
    insn: *const Insn,
    end: *const Insn,
    out: usize,
    base: usize,
    first: *const Insn,
    branch: *mut [u64; 2],
    lanes: u64,
    begin: u32,
    n_ops: u32,
    records: usize,
    classes: *mut Class,
    offsets: *mut u32,
    narrow: usize,
    index: u64,
    low: u64,
    high: u64,
    checked: *const Insn,
    branches: *mut [u64; 2],
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

/// What this tier keeps in an engine.
pub struct Tier {
    /// None until the first call.
    region: Option<Region>,
    /// Where the next function goes, from the region's start.
    used: usize,
    entries: Vec<u64>,
    /// Address and length of each table.
    tables: Vec<u64>,
    /// `CLASSES` of them.
    classes: Pages,
    /// For each instruction of a function 4 bytes, its offset, and 16 for a branch that it may be.
    scratch: Pages,
    stack: Pages,
    /// Where the next run's return addresses begin, downwards.
    top: usize,
    fault: Option<Fault>,
    panic: Option<Box<dyn Any + Send>>,
}

impl Tier {
    pub fn new() -> Tier {
        Tier {
            region: None,
            used: code::STUBS,
            entries: Vec::new(),
            tables: Vec::new(),
            classes: Pages::none(),
            scratch: Pages::none(),
            stack: Pages::none(),
            top: 0,
            fault: None,
            panic: None,
        }
    }

    /// Takes its memory.
    pub fn take(&mut self, _: usize, limits: &Limits) -> Result<(), Fault> {
        tri!(self.classes.take(CLASSES * mem::size_of::<Class>()));
        tri!(self.scratch.take(1 << 14));
        self.stack.take((SLACK + limits.depth_max as usize + 2) * 8)
    }

    /// Before a run that is not inside another.
    pub fn rewind(&mut self) {
        self.top = self.end();
    }

    fn classes(&mut self) -> &mut [Class; CLASSES] {
        // SAFETY: the block has these records, and any bits are one.
        unsafe { &mut *(self.classes.base() as *mut [Class; CLASSES]) }
    }

    fn end(&self) -> usize {
        (self.stack.base() as usize + self.stack.bytes()) & !15
    }
}

/// The text, whose one copy is inlined here.
#[inline(never)]
fn text() -> *const u8 {
    code::text()
}

/// Word `index` of the text's header.
fn header(index: usize) -> usize {
    debug_assert!(index < code::HEADER);
    // SAFETY: the header has that many words.
    unsafe { *(text() as *const u32).add(index) as usize }
}

/// What differs from class to class.
fn describe(classes: &mut [Class; CLASSES], n_consts: usize, n_globals: usize, n_funcs: usize) {
    let mut index = 0;
    while index < CLASSES {
        classes[index] = Class {
            slots: 0,
            wide: 0,
            low: 0,
            high: 0,
            limit: u64::MAX,
            shift: 0,
            third: 6,
            kind: 0,
            unused: 0,
            bias: -(code::BEGIN as i32),
            reserved: [0; 2],
        };
        let shape = if index == SHIFT { shape::DSI } else { index as u8 };
        let class = &mut classes[index];
        if (shape as usize) < SLOTS.len() {
            let fields = SLOTS[shape as usize] as u64;
            class.slots = (fields & 1) * 0xffff_0000
                | (fields >> 1 & 1) * 0xffff_0000_0000
                | (fields >> 2) * 0xffff_0000_0000_0000;
            class.wide = class.slots & (LANES * code::FAR);
        }
        match shape {
            shape::DI => {
                class.shift = 32;
                class.low = 0xffff_ffff;
            }
            shape::DK | shape::LOAD => {
                class.shift = 48;
                class.low = 0xffff;
                class.high = 0xff_0000;
            }
            shape::STORE | shape::STORE_I | shape::SWITCH => {
                class.shift = 16;
                class.low = 0xffff;
                class.high = 0xff_0000;
            }
            shape::GLOBAL | shape::GLOBAL_SET => {
                class.shift = 29;
                class.low = 0x7_ffff_fff8;
                class.limit = n_globals as u64 * 8;
            }
            shape::GLOBAL_ADD | shape::GLOBAL_TO => {
                class.shift = 5;
                class.low = 0x7f8;
                class.limit = n_globals as u64 * 8;
            }
            shape::CALL => {
                class.shift = 32;
                class.low = 0xffff_ffff;
                class.limit = n_funcs as u64;
            }
            shape::PAIR => {
                class.shift = 16;
                class.low = 0xffff;
            }
            shape::INDIRECT => {
                class.shift = 8;
                class.low = 0xff;
            }
            _ => (),
        }
        if shape == shape::DK {
            class.limit = n_consts as u64;
        }
        if shape == shape::CALL || shape == shape::INDIRECT {
            // The window is wanted twice, in bytes.
            class.third = 2;
            class.bias = 0;
            class.wide = 0xff;
        }
        class.kind = match shape {
            shape::BRANCH | shape::BRANCH_I => BRANCH,
            shape::JUMP => JUMP,
            shape::HOST | shape::MATH | shape::BULK => NUMBERED,
            shape::INVALID | shape::SWITCH | shape::INDIRECT => CHECKED,
            _ => 0,
        };
        index += 1;
    }
    classes[SHIFT].shift = 48;
    classes[SHIFT].low = 63;
}

fn broken(func: usize) -> Fault {
    Fault::Damaged(text!("function {} breaks the rules of the format", func))
}

impl Engine {
    /// Reserves the region and copies the stubs into it.
    fn begin(&mut self) -> Result<(), Fault> {
        let n_funcs = self.funcs.len();
        let region = tri!(Region::new(self.n_insns * INSN_BYTES + (1 << 20)));
        // SAFETY: the region is larger than the stubs, and nothing else lies there.
        unsafe {
            ptr::copy_nonoverlapping(text(), region.writable as *mut u8, code::STUBS);
        }
        #[cfg(target_arch = "aarch64")]
        code::publish(region.writable, region.executable, code::STUBS);
        self.tier.entries = zeros(n_funcs);
        let mut func = 0;
        while func < n_funcs {
            self.tier.entries[func] = (region.executable + header(1)) as u64;
            func += 1;
        }
        let (n_consts, n_globals) = (self.consts.len(), self.globals.len());
        describe(self.tier.classes(), n_consts, n_globals, n_funcs);
        self.tier.region = Some(region);
        self.view_tables();
        Ok(())
    }

    fn view_tables(&mut self) {
        self.tier.tables.clear();
        let mut index = 0;
        while index < self.tables.len() {
            let items = &self.tables[index].items;
            self.tier.tables.push(items.as_ptr() as u64);
            self.tier.tables.push(items.len() as u64);
            index += 1;
        }
    }

    /// Compiles function `func` unless that was done.
    pub fn prepare(&mut self, func: u32) -> Result<(), Fault> {
        if self.tier.region.is_none() {
            tri!(self.begin());
        }
        let (writable, executable, bytes) = match self.tier.region {
            Some(ref region) => (region.writable, region.executable, region.bytes),
            None => return Ok(()),
        };
        let func = func as usize;
        if func >= self.funcs.len() {
            return Err(Fault::Damaged(text!("there is no function {}", func)));
        }
        if self.tier.entries[func] != (executable + header(1)) as u64 {
            return Ok(());
        }
        let frame = self.funcs[func].frame;
        let (first, end) = tri!(self.locate(func));
        // The last instruction must not fall through.
        let ends = first < end
            && end <= self.n_insns
            && match self.code()[end - 1] as u8 {
                op::RET | op::RET_S | op::BR | op::UNREACHABLE => true,
                _ => false,
            };
        if !ends || frame as u32 > FRAME_SLOTS_MAX {
            return Err(broken(func));
        }
        let n = end - first;
        if bytes - self.tier.used < n * INSN_BYTES + 4096 {
            return Err(Fault::Limit("the macro has more code than its limit"));
        }
        if self.tier.scratch.bytes() < n * 20 {
            tri!(self.tier.scratch.grow(n * 40));
        }
        // The slots that a pair may begin at.
        let begins = if frame == 0 { 0 } else { frame as u64 - 1 };
        self.tier.classes()[shape::PAIR as usize].limit = begins;
        let branches = self.tier.scratch.base() as usize;
        // SAFETY: these instructions lie inside the code.
        let insns = unsafe { (self.code.base() as *const Insn).add(first) };
        let out = writable + self.tier.used;
        let mut job = Job {
            insn: insns,
            end: insns.wrapping_add(n),
            out: out,
            base: writable,
            first: insns,
            branch: branches as *mut [u64; 2],
            lanes: (0x8000 - frame as u64) * LANES,
            begin: (frame as u32 * 8).wrapping_sub(code::BEGIN as u32),
            n_ops: op::COUNT as u32,
            records: text() as usize + header(3),
            classes: self.tier.classes.base() as *mut Class,
            offsets: (branches + n * 16) as *mut u32,
            narrow: header(4),
            index: first as u64,
            low: 0x7fff_7fff_7fff_0000,
            high: LANES << 15,
            checked: ptr::null(),
            branches: branches as *mut [u64; 2],
        };
        if !self.emit(&mut job, first, end, frame) {
            return Err(broken(func));
        }
        #[cfg(target_arch = "aarch64")]
        code::publish(out, executable + (out - writable), job.out - out);
        self.tier.used = ((job.out - writable) + 15) & !15;
        self.tier.entries[func] = (executable + (out - writable)) as u64;
        Ok(())
    }

    /// Emits the instructions `first..end`; `false` if one breaks a rule.
    fn emit(&mut self, job: &mut Job, first: usize, end: usize, frame: u16) -> bool {
        let executable = match self.tier.region {
            Some(ref region) => region.executable,
            None => return false,
        };
        // SAFETY: the stubs were copied to the region, and `emit` is one of them.
        let emit: extern "C" fn(*mut Job) -> u32 =
            unsafe { mem::transmute(executable + header(2)) };
        loop {
            match emit(job) {
                0 => return true,
                1 => {
                    // SAFETY: the emitter stopped at an instruction of this function.
                    let insn = unsafe { &*job.insn };
                    let at = (job.insn as usize - job.first as usize) / 8 + first;
                    let shape = SHAPES[insn.op as usize];
                    if !self.check_rare(insn, shape, at + 1, first, end, frame) {
                        return false;
                    }
                    job.checked = job.insn;
                }
                _ => return false,
            }
        }
    }

    /// Runs function `func` in the frame at slot `base`: arguments and results are its first slots.
    pub fn run_at(&mut self, func: u32, base: usize, host: &mut dyn Host) -> Result<(), Fault> {
        tri!(self.prepare(func));
        let mut host: &mut dyn Host = host;
        let executable = match self.tier.region {
            Some(ref region) => region.executable,
            None => return Ok(()),
        };
        let depth_max = self.tier.stack.bytes() / 8 - SLACK - 2;
        let frames = self.stack.base() as usize;
        let mut context = Context {
            host_stack: 0,
            stack: 0,
            // The first function pays for a call as well.
            fuel: if self.fuel == u64::MAX { self.fuel } else { self.fuel + 1 },
            frame: frames + base * 8 + code::BEGIN,
            stack_top: self.tier.top,
            stack_min: self.tier.end() - (depth_max + 1) * 8,
            frames_end: frames + STACK_SLOTS_MAX as usize * 8,
            memory: 0,
            ends: [0; 4],
            globals: self.globals.as_ptr() as usize,
            consts: self.consts.as_ptr() as usize,
            funcs: self.funcs.as_ptr() as usize,
            tables: self.tier.tables.as_ptr() as usize,
            entries: self.tier.entries.as_ptr() as usize,
            n_funcs: self.funcs.len() as u64,
            func: 0,
            slow: slow as *const () as usize,
            compile: compile as *const () as usize,
            engine: ptr::null_mut(),
            host: &mut host as *mut &mut dyn Host as usize,
        };
        context.view(self);
        context.engine = self;
        // SAFETY: `enter` is one of the stubs. What it runs was checked as it was emitted.
        let enter: extern "C" fn(*mut Context, u32) -> u32 =
            unsafe { mem::transmute(executable + header(0)) };
        let left = enter(&mut context, func);
        self.fuel = context.fuel;
        match left {
            0 => Ok(()),
            1 => Err(Fault::Trap(Trap::Unreachable)),
            2 => Err(Fault::Trap(Trap::MemoryOutOfBounds)),
            4 => Err(Fault::Trap(Trap::UndefinedElement)),
            5 => Err(Fault::Trap(Trap::UninitializedElement)),
            6 => Err(Fault::Trap(Trap::IndirectCallTypeMismatch)),
            7 => Err(Fault::Trap(Trap::IntegerOverflow)),
            8 => Err(Fault::Trap(Trap::IntegerDivideByZero)),
            10 => Err(Fault::Limit(FUEL)),
            11 => Err(Fault::Limit(DEPTH)),
            _ => {
                if let Some(panic) = self.tier.panic.take() {
                    resume_unwind(panic);
                }
                match self.tier.fault.take() {
                    Some(fault) => Err(fault),
                    None => Err(Fault::Damaged(owned("the engine left without a reason"))),
                }
            }
        }
    }

    /// Runs instruction number `at`, one of those for which machine code is not worth it.
    fn run_slow(
        &mut self,
        at: usize,
        frame: *mut [u64; FRAME],
        host: &mut dyn Host,
    ) -> Result<(), Fault> {
        // SAFETY: it was checked when its function was compiled, and every instruction is decoded
        // at that time. The frame is the running function's, with FRAME slots behind its begin.
        let i = unsafe { &*(self.code.base() as *const Insn).add(at) };
        if i.op == op::CALL_HOST {
            let number = i.b as u32 | (i.c as u32) << 16;
            return unsafe { self.call_host(number, i.a as usize, frame, host) };
        }
        let frame = unsafe { &mut *frame };
        let (a, x, y) = (i.a as usize, frame[i.b as usize], frame[i.c as usize]);
        match i.op {
            op::MATH => match Engine::math(i.x, x, y) {
                Ok(value) => {
                    frame[a] = value;
                    Ok(())
                }
                Err(trap) => Err(Fault::Trap(trap)),
            },
            _ => self.bulk(i, frame),
        }
    }
}

impl Context {
    /// Takes over what a rare instruction may have changed.
    fn view(&mut self, engine: &mut Engine) {
        self.memory = engine.memory.base() as usize;
        let bytes = engine.memory.bytes();
        // Either no access fits, or every one.
        self.ends = match bytes {
            0 => [0; 4],
            _ => [bytes, bytes - 1, bytes - 3, bytes - 7],
        };
        engine.view_tables();
        self.tables = engine.tier.tables.as_ptr() as usize;
    }
}

/// Leaves generated code with a fault or a panic: nonzero.
fn leave(
    engine: &mut Engine,
    result: Result<(), Fault>,
    panic: Option<Box<dyn Any + Send>>,
) -> u32 {
    let left = panic.is_some() || result.is_err();
    if let Err(fault) = result {
        engine.tier.fault = Some(fault);
    }
    engine.tier.panic = panic;
    if left {
        100
    } else {
        0
    }
}

/// Called by the stubs: runs instruction number `at` in the given frame.
extern "C" fn slow(context: *mut Context, at: u32, frame: *mut [u64; FRAME]) -> u32 {
    // SAFETY: `run_at` made the context, and waits.
    let context = unsafe { &mut *context };
    let (engine, host) =
        unsafe { (&mut *context.engine, &mut *(context.host as *mut &mut dyn Host)) };
    engine.fuel = context.fuel;
    engine.tier.top = context.stack & !15;
    let mut result = Ok(());
    let panic = guard(&mut || result = engine.run_slow(at as usize, frame, &mut **host));
    context.fuel = engine.fuel;
    context.view(engine);
    leave(engine, result, panic)
}

/// Called by the stubs: compiles function `func`.
extern "C" fn compile(context: *mut Context, func: u32) -> u32 {
    // SAFETY: as in `slow`.
    let engine = unsafe { &mut *(*context).engine };
    let mut result = Ok(());
    let panic = guard(&mut || result = engine.prepare(func));
    leave(engine, result, panic)
}
