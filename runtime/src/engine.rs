//! The engine: what tiers share, which is all but running the image's instructions.
//!
//! Tier 0 (`portable.rs`) is a loop over them, tier 1 (`jit.rs`) turns them into machine code.
//! `tier!` says which of them is compiled; whoever mounts the runtime defines it.

// With paths, for the tests mount this file as well, with the other tier.
#[path = "engine/bulk.rs"]
mod bulk;
#[path = "engine/check.rs"]
mod check;
#[path = "engine/load.rs"]
mod load;

part! {
    math {
        #[path = "engine/math.rs"]
        mod math;
    }
    {
        impl Engine {
            fn math(_: u8, _: u64, _: u64) -> Result<u64, Trap> {
                Err(Trap::Unreachable)
            }
        }
    }
}
part! {
    tables {
        #[path = "engine/tables.rs"]
        mod tables;
    }
    {
        impl Engine {
            fn table(&mut self, _: &Insn, _: &mut [u64; FRAME]) -> Result<(), Fault> {
                Err(Fault::Trap(Trap::Unreachable))
            }
        }
    }
}

part! {
    unwind {
        #[path = "engine/unwind.rs"]
        mod unwind;
    }
    {
        impl Engine {
            fn attempt(&mut self, _: u32, _: usize, _: &mut dyn Host) -> Result<u64, Fault> {
                Err(Fault::Trap(Trap::Unreachable))
            }
        }
    }
}

tier! {
    #[path = "engine/jit.rs"]
    mod tier;
    #[path = "engine/portable.rs"]
    mod tier;
}

use std::slice;

use super::calls::{ATTEMPT, COUNTS};
use super::image::{head, Insn, STACK_SLOTS_MAX};
use super::instance::{same, Fault, Host, Limits, Trap};
use super::memory::Memory;
use super::pages::Pages;

use self::tier::Tier;

/// As many slots as a 16-bit operand can name; the stack has that many after its last frame.
const FRAME: usize = 65536;

/// Slots of the stack's block.
const STACK_SLOTS: usize = STACK_SLOTS_MAX as usize + FRAME;

/// Fuel of a host call, beside that for the memory it reads and writes.
const HOST_CALL: u64 = 32;

const FUEL: &str = "the macro ran longer than its limit `fuel` (an endless loop?)";
const DEPTH: &str = "the macro's calls nest deeper than its limit `depth` (an endless recursion?)";

/// A function's record, as it is in the head.
#[repr(C)]
pub struct Func {
    code: u32,
    insns: u32,
    frame: u16,
    type_idx: u16,
    params: u16,
    results: u16,
}

/// References are kept as the function's index plus one, 0 being null.
pub struct Table {
    items: Vec<u64>,
    max: u32,
}

/// A data or element segment: a range of `data` or `items`.
pub struct Segment {
    /// 0: passive; otherwise the table or memory it goes to, plus one.
    active: u32,
    /// Memory address or table index.
    to: u32,
    from: u32,
    len: u32,
}

pub struct Engine {
    embedded: &'static [u8],
    /// Where the packed bytes of the code's first chunk begin.
    code_chunks_at: usize,
    /// Eight bytes each: `Insn`, in chunks which are decoded when first needed.
    code: Pages,
    n_insns: usize,
    /// The head's words. The three tables below are views of it: it never changes or moves.
    head: Vec<u64>,
    funcs: &'static [Func],
    consts: &'static [u64],
    items: &'static [u32],
    n_types: u32,
    pub globals: Vec<u64>,
    tables: Vec<Table>,
    /// Items of all tables, at most TABLE_ITEMS_MAX.
    n_items: u32,
    /// Where the segments' records begin in the head, in words: elements, then data.
    segments_at: usize,
    n_elems: usize,
    n_datas: usize,
    /// 1 for each segment that was dropped.
    dropped: Vec<u64>,
    data: Vec<u64>,
    /// Where the exports begin in the head, in words.
    exports_at: usize,
    start: u32,
    memory_max: u32,
    pub memory: Memory,
    stack: Pages,
    tier: Tier,
    fuel: u64,
    /// The functions that were called, in the order of their first calls: what `pack` lays code
    /// out by.
    #[cfg(not(proc_macro))]
    pub called: Vec<u32>,
    /// Calls of `attempt` that have not returned.
    guards: u32,
}

impl Engine {
    /// Runs function `func`, whose arguments are in the first slots; its results will be there.
    pub fn run(&mut self, func: u32, limits: &Limits, host: &mut dyn Host) -> Result<(), Fault> {
        self.fuel = limits.fuel;
        self.guards = 0;
        self.tier.rewind();
        self.guarded(func, 0, host)
    }

    /// Runs `func` in the frame that begins at slot `base`. A panic leaves the memory as it is, and
    /// the globals, of which the guest's stack pointer is one, as they were.
    fn guarded(&mut self, func: u32, base: usize, host: &mut dyn Host) -> Result<(), Fault> {
        let mut globals = Vec::new();
        globals.extend_from_slice(&self.globals);
        let result = self.run_at(func, base, host);
        if let Err(Fault::Panic(_)) = result {
            self.globals.copy_from_slice(&globals);
        }
        result
    }

    /// The code as far as it is decoded; the rest is `INVALID`.
    ///
    /// # Safety
    /// Not to be used after `prepare`, which writes code.
    unsafe fn insns<'a>(&self) -> &'a [Insn] {
        slice::from_raw_parts(self.code.base() as *const Insn, self.n_insns)
    }

    /// The code as numbers, to decode it to.
    fn code(&mut self) -> &mut [u64] {
        // SAFETY: the block has so many.
        unsafe { slice::from_raw_parts_mut(self.code.base() as *mut u64, self.n_insns) }
    }

    /// Calls the embedding: arguments from the window on, the result into its first slot.
    ///
    /// # Safety
    /// `frame` is one of the stack; a reference to it is not to be used afterwards.
    unsafe fn call_host(
        &mut self,
        number: u32,
        window: usize,
        frame: *mut [u64; FRAME],
        host: &mut dyn Host,
    ) -> Result<(), Fault> {
        let (n_params, n_results) = COUNTS[number as usize];
        let slots = (frame as *mut u64).add(window);
        if self.fuel < HOST_CALL {
            return Err(Fault::Limit(FUEL));
        }
        self.fuel -= HOST_CALL;
        let result = if number == ATTEMPT as u32 {
            let base = (slots as usize - self.stack.base() as usize) / 8;
            tri!(self.attempt(*slots.add(1) as u32, base, host))
        } else {
            let args = slice::from_raw_parts(slots, n_params as usize);
            self.memory.work.set(0);
            let result = tri!(host.call(number, args, &mut self.memory));
            let cost = self.memory.work.get() >> 6;
            if self.fuel < cost {
                return Err(Fault::Limit(FUEL));
            }
            self.fuel -= cost;
            result
        };
        if n_results != 0 {
            *slots = result;
        }
        Ok(())
    }

    /// The slots where a call's arguments go and its results come from.
    pub fn slots(&mut self) -> &mut [u64] {
        // SAFETY: the block has these slots, and any bits are one.
        unsafe { slice::from_raw_parts_mut(self.stack.base() as *mut u64, STACK_SLOTS) }
    }

    pub fn export(&self, name: &str) -> Option<u32> {
        let words = Self::words(&self.head);
        let mut at = self.exports_at;
        let mut left = words[head::EXPORTS];
        while left > 0 && at + 2 <= words.len() {
            let len = words[at + 1] as usize;
            if len > words.len() * 4 {
                return None;
            }
            let text = Self::bytes(&self.head).get(at * 4 + 8..at * 4 + 8 + len)?;
            if same(text, name.as_bytes()) {
                return Some(words[at]);
            }
            at += 2 + (len + 3) / 4;
            left -= 1;
        }
        None
    }

    #[cfg(not(proc_macro))]
    pub fn start(&self) -> Option<u32> {
        if self.start == 0 {
            return None;
        }
        Some(self.start - 1)
    }

    /// Number of parameters of a function, if there is one.
    pub fn params(&self, func: u32) -> Option<(usize, usize)> {
        if func as usize >= self.funcs.len() {
            return None;
        }
        let f = &self.funcs[func as usize];
        Some((f.params as usize, f.results as usize))
    }
}
