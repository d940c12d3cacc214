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
use super::super::image::{op, Insn, STACK_SLOTS_MAX};
use super::super::instance::{guard, owned, Fault, Host, Limits, Trap};
use super::super::kernel::{Image, BEGIN, BRANCH_BYTES, CLASSES_BYTES, INSN_BYTES, PREPARE};
use super::super::pages::Pages;
use super::{Engine, DEPTH, FRAME, FUEL};

/// Words below the deepest return address, for signal handlers.
const SLACK: usize = 8192;
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

/// What this tier keeps in an engine.
pub struct Tier {
    /// None until the first call.
    region: Option<Region>,
    /// What the emitter works with: classes, entries, branches.
    block: Pages,
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
            block: Pages::none(),
            stack: Pages::none(),
            top: 0,
            fault: None,
            panic: None,
        }
    }

    /// Takes its memory.
    pub fn take(&mut self, image: &mut Image, limits: &Limits) -> Result<(), Fault> {
        let branches = CLASSES_BYTES + image.n_funcs * 8;
        tri!(self.block.take(branches + image.insns_max * BRANCH_BYTES));
        image.classes = self.block.base() as usize;
        image.entries = image.classes + CLASSES_BYTES;
        image.branches = image.classes + branches;
        self.stack.take((SLACK + limits.depth_max as usize + 2) * 8)
    }

    /// Before a run that is not inside another.
    pub fn rewind(&mut self) {
        self.top = self.end();
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

impl Engine {
    /// Reserves the region and copies the stubs into it.
    fn begin(&mut self) -> Result<(), Fault> {
        let region = tri!(Region::new(self.image.n_insns * INSN_BYTES + (1 << 20)));
        let stubs = region.executable;
        // SAFETY: the region is larger than the stubs, and nothing else lies there.
        unsafe {
            ptr::copy_nonoverlapping(text(), region.writable as *mut u8, code::STUBS);
        }
        #[cfg(target_arch = "aarch64")]
        code::publish(region.writable, region.executable, code::STUBS);
        let image = &mut self.image;
        image.writable = region.writable;
        image.executable = region.executable;
        image.bytes = region.bytes;
        image.used = code::STUBS;
        image.lazy = stubs + header(1);
        image.emit = stubs + header(2);
        image.records = text() as usize + header(3);
        image.narrow = header(4);
        image.begin = code::BEGIN;
        image.far = code::FAR as usize;
        self.tier.region = Some(region);
        // SAFETY: all of that is what the kernel wants.
        unsafe { self.image.ask(BEGIN, 0) }
    }

    /// Compiles function `func` unless that was done.
    pub fn prepare(&mut self, func: u32) -> Result<(), Fault> {
        if self.tier.region.is_none() {
            tri!(self.begin());
        }
        // SAFETY: `begin` gave what the kernel wants.
        tri!(unsafe { self.image.ask(PREPARE, func as usize) });
        #[cfg(not(proc_macro))]
        if self.image.made != 0 {
            self.called.push(func);
        }
        #[cfg(target_arch = "aarch64")]
        if self.image.made != 0 {
            let (from, at) = (self.image.made, self.image.made - self.image.writable);
            code::publish(from, self.image.executable + at, self.image.used - at);
        }
        Ok(())
    }

    /// Runs function `func` in the frame at slot `base`: arguments and results are its first slots.
    pub fn run_at(&mut self, func: u32, base: usize, host: &mut dyn Host) -> Result<(), Fault> {
        tri!(self.prepare(func));
        let mut host: &mut dyn Host = host;
        let executable = self.image.executable;
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
            globals: self.image.globals,
            consts: self.image.consts,
            funcs: self.image.funcs,
            tables: 0,
            entries: self.image.entries,
            n_funcs: self.image.n_funcs as u64,
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
        let i = unsafe { &*(self.image.code as *const Insn).add(at) };
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
        engine.view();
        self.tables = engine.image.tables;
        self.memory = engine.image.memory;
        let bytes = engine.image.memory_bytes as u64;
        // Either no access fits, or every one.
        self.ends = match bytes {
            0 => [0; 4],
            _ => [bytes, bytes - 1, bytes - 3, bytes - 7],
        };
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
