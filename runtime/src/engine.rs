//! The engine: what tiers share, which is all but running the image's instructions.
//!
//! Tier 0 (`portable.rs`) is a loop over them, tier 1 (`jit.rs`) turns them into machine code.
//! `tier!` says which of them is compiled; whoever mounts the runtime defines it.

// With paths, for the tests mount this file as well, with the other tier.
#[path = "engine/bulk.rs"]
mod bulk;

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

use std::ptr;
use std::slice;

use super::calls::{ATTEMPT, COUNTS};
use super::image::{Insn, STACK_SLOTS_MAX, TABLE_WORDS};
use super::instance::{zeros, Fault, Host, Limits, Trap};
use super::kernel::{Image, Init, APPLY, EXPORT, INIT, OPEN, READ};
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

pub struct Engine {
    image: Image,
    /// What the image was given.
    block: Pages,
    tables: Vec<Table>,
    /// Items of all tables, at most TABLE_ITEMS_MAX.
    n_items: u32,
    /// Address and length of each table.
    views: Vec<u64>,
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
    /// Reads an image, and initialises memory, tables and globals.
    pub fn new(embedded: &'static [u8], limits: &Limits) -> Result<Engine, Fault> {
        // Empty at first: an error then drops one value, not a dozen.
        let mut engine = Engine {
            image: Image::new(embedded),
            block: Pages::none(),
            tables: Vec::new(),
            n_items: 0,
            views: Vec::new(),
            memory: Memory::none(limits.memory_bytes_max as u64),
            stack: Pages::none(),
            tier: Tier::new(),
            fuel: 0,
            #[cfg(not(proc_macro))]
            called: Vec::new(),
            guards: 0,
        };
        tri!(engine.load(limits));
        Ok(engine)
    }

    fn load(&mut self, limits: &Limits) -> Result<(), Fault> {
        // SAFETY: here and below, what the kernel wants is given.
        tri!(unsafe { self.image.ask(OPEN, 0) });
        tri!(self.block.take(self.image.block_bytes));
        self.image.block = self.block.base() as usize;
        tri!(unsafe { self.image.ask(READ, 0) });
        tri!(self.memory.take(self.image.memory_min as u32));
        tri!(self.stack.take(STACK_SLOTS * 8));
        tri!(self.tier.take(&mut self.image, limits));
        let mut at = self.image.table_records as *const u32;
        let mut index = 0;
        while index < self.image.n_tables {
            // SAFETY: the image has so many records, of two words each.
            let (items, max) = unsafe { (*at, *at.add(1)) };
            self.n_items += items;
            self.tables.push(Table { items: zeros(items as usize), max: max });
            at = unsafe { at.add(TABLE_WORDS) };
            index += 1;
        }
        self.view();
        unsafe { self.image.ask(APPLY, 0) }
    }

    /// Tells the image where tables and memory are now.
    fn view(&mut self) {
        self.views.clear();
        let mut index = 0;
        while index < self.tables.len() {
            let items = &mut self.tables[index].items;
            self.views.push(items.as_mut_ptr() as u64);
            self.views.push(items.len() as u64);
            index += 1;
        }
        self.image.tables = self.views.as_ptr() as usize;
        self.image.memory = self.memory.base() as usize;
        self.image.memory_bytes = self.memory.bytes() as usize;
    }

    /// Copies from a segment to a table or to the memory.
    fn init(&mut self, init: &Init) -> Result<(), Fault> {
        self.view();
        // SAFETY: the segment and the table were found to be there, and are seen where they are.
        unsafe { self.image.ask(INIT, init as *const Init as usize) }
    }

    fn funcs(&self) -> &'static [Func] {
        // SAFETY: the image was found to have so many; nobody writes them, and only the engine keeps them.
        unsafe { slice::from_raw_parts(self.image.funcs as *const Func, self.image.n_funcs) }
    }

    pub fn globals(&self) -> &[u64] {
        // SAFETY: the image has so many, and nobody writes them while this is borrowed.
        unsafe { slice::from_raw_parts(self.image.globals as *const u64, self.image.n_globals) }
    }

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
        globals.extend_from_slice(self.globals());
        let result = self.run_at(func, base, host);
        if let Err(Fault::Panic(_)) = result {
            // SAFETY: there are as many as there were.
            unsafe {
                let to = self.image.globals as *mut u64;
                ptr::copy_nonoverlapping(globals.as_ptr(), to, globals.len());
            }
        }
        result
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

    pub fn export(&mut self, name: &str) -> Option<u32> {
        let range = [name.as_ptr() as usize, name.len()];
        // SAFETY: the range is that of the name.
        match unsafe { self.image.ask(EXPORT, range.as_ptr() as usize) } {
            Ok(()) => Some(self.image.detail as u32),
            Err(_) => None,
        }
    }

    #[cfg(not(proc_macro))]
    pub fn start(&self) -> Option<u32> {
        (self.image.start as u32).checked_sub(1)
    }

    /// Number of parameters of a function, if there is one.
    pub fn params(&self, func: u32) -> Option<(usize, usize)> {
        let funcs = self.funcs();
        if func as usize >= funcs.len() {
            return None;
        }
        let f = &funcs[func as usize];
        Some((f.params as usize, f.results as usize))
    }

    /// Decodes and checks everything: what a run would otherwise do bit by bit.
    #[cfg(not(proc_macro))]
    pub fn check_all(&mut self) -> Result<(), Fault> {
        let mut func = 0;
        while func < self.image.n_funcs {
            tri!(self.prepare(func as u32));
            func += 1;
        }
        Ok(())
    }
}
