//! The engine: what tiers share, which is all but running the image's instructions.
//!
//! Tier 0 (`portable.rs`) is a loop over them, tier 1 (`jit.rs`) turns them into machine code.
//! `tier!` says which of them is compiled; whoever mounts the runtime defines it.

// With paths, for the tests mount this file as well, with the other tier.
part! {
    math {
        #[path = "engine/math.rs"]
        mod math;

        // An instruction `MATH`, which leaves its result in the image.
        called! {
            fn math(engine: *mut Engine, number: u32, x: u64, y: u64) -> u32 {
                match Engine::math(number as u8, x, y) {
                    Ok(value) => {
                        // SAFETY: `run` gave its address, and waits.
                        unsafe { (*engine).image.result = value };
                        0
                    }
                    Err(trap) => trap as u32,
                }
            }
        }
    }
    {
        impl Engine {
            fn math(_: u8, _: u64, _: u64) -> Result<u64, Trap> {
                Err(Trap::Unreachable)
            }
        }

        called! {
            fn math(_: *mut Engine, _: u32, _: u64, _: u64) -> u32 {
                Trap::Unreachable as u32
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
            fn attempt(&mut self, _: u32, _: usize) -> Result<u64, Fault> {
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

use std::any::Any;
use std::panic::resume_unwind;
use std::slice;

use super::calls::ATTEMPT;
use super::fault::{guard, Fault, Limits, Trap};
use super::kernel::{Image, CALLER, EXPORT, FRAME as NEXT, LOAD, RESTORE, SAVE};
use super::memory::Memory;
use super::text::{owned, show, utf8};

use self::tier::Tier;

/// As many slots as a 16-bit operand can name; the stack has that many after its last frame.
const FRAME: usize = 65536;

/// Where host calls go. `call` is a `calls::Number`.
pub trait Host {
    fn call(&mut self, call: u32, args: &[u64], memory: &mut Memory) -> Result<u64, Fault>;
}

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

pub struct Engine {
    image: Image,
    memory: Memory,
    tier: Tier,
    /// The address of the host, a fat reference, while something runs.
    host: usize,
    /// Why a host call did not return.
    fault: Option<Fault>,
    panic: Option<Box<dyn Any + Send>>,
}

impl Engine {
    /// Reads an image, and initialises memory, tables and globals.
    pub fn new(embedded: &'static [u8], limits: &Limits) -> Result<Engine, Fault> {
        let mut engine = Engine {
            image: Image::new(embedded),
            memory: Memory::none(),
            tier: tier::NEW,
            host: 0,
            fault: None,
            panic: None,
        };
        engine.image.memory_limit = limits.memory_bytes_max as usize;
        engine.image.depth_max = limits.depth_max as usize;
        engine.image.host = answer as *const () as usize;
        engine.image.math = math as *const () as usize;
        Engine::give(&mut engine.image);
        // SAFETY: all of that is what the kernel wants.
        tri!(unsafe { engine.image.ask(LOAD, 0) });
        Ok(engine)
    }

    /// Runs function `func`, whose arguments are in the first slots; its results will be there.
    pub fn run(&mut self, func: u32, limits: &Limits, host: &mut dyn Host) -> Result<(), Fault> {
        let mut host: &mut dyn Host = host;
        self.host = &mut host as *mut &mut dyn Host as usize;
        self.image.engine = self as *mut Engine as usize;
        self.image.fuel = limits.fuel;
        self.image.level = 0;
        self.image.left = 0;
        self.rewind();
        self.guarded(func, 0)
    }

    /// Runs `func` in the frame that begins at slot `base`. A panic leaves the memory as it is, and
    /// the globals, of which the guest's stack pointer is one, as they were.
    fn guarded(&mut self, func: u32, base: usize) -> Result<(), Fault> {
        // SAFETY: each copy is taken back once.
        tri!(unsafe { self.image.ask(SAVE, 0) });
        let result = self.run_at(func, base);
        let panics = if let Err(Fault::Panic(_)) = result { 1 } else { 0 };
        tri!(unsafe { self.image.ask(RESTORE, panics) });
        result
    }

    /// What a status means of a call in which the embedding may have been asked.
    fn result(&mut self, status: u32) -> Result<(), Fault> {
        match status {
            0 => Ok(()),
            CALLER => {
                if let Some(panic) = self.panic.take() {
                    resume_unwind(panic);
                }
                match self.fault.take() {
                    Some(fault) => Err(fault),
                    None => Err(Fault::Damaged(owned("the engine left without a reason"))),
                }
            }
            status => Err(self.image.fault(status)),
        }
    }

    /// Adds where a run that stopped was: the functions that had not returned, the innermost first, as the table has
    /// their names. At most so many, and a word if there are more.
    pub fn trace(&mut self, names: &[u8], most: usize, text: &mut String) {
        let table = [names.as_ptr() as usize, names.len()];
        let mut n = 0;
        loop {
            let image = &mut self.image as *mut Image as usize;
            // SAFETY: the table is there.
            if unsafe { Image::run(NEXT, image, table.as_ptr() as usize) } != 0 {
                return;
            }
            if n == most {
                text.push_str("\n  … (`cargo precast expand --backtrace` shows more)");
                return;
            }
            text.push_str("\n  at ");
            if self.image.first == 0 {
                text.push_str("function ");
                show(text, &self.image.detail);
            } else {
                // SAFETY: the kernel found a line of the table there.
                let name =
                    unsafe { slice::from_raw_parts(self.image.first as *const u8, self.image.end) };
                text.push_str(utf8(name));
            }
            n += 1;
        }
    }

    /// The linear memory, as it is now.
    pub fn memory(&mut self) -> &mut Memory {
        // SAFETY: it grows only while something runs.
        unsafe {
            let work = &mut self.image.work as *mut u64;
            self.memory.see(self.image.memory, self.image.memory_bytes, work);
        }
        &mut self.memory
    }

    /// Answers a host call; the result is left in the image, or the fault here.
    fn serve(&mut self, number: u32, args: &[u64]) {
        // SAFETY: `run` has put it there, and waits.
        let host = unsafe { &mut *(self.host as *mut &mut dyn Host) };
        let result = if number == ATTEMPT as u32 {
            let base = self.image.base;
            self.attempt(args[1] as u32, base)
        } else {
            host.call(number, args, self.memory())
        };
        match result {
            Ok(value) => self.image.result = value,
            Err(fault) => self.fault = Some(fault),
        }
    }

    fn funcs(&self) -> &'static [Func] {
        // SAFETY: the image was found to have so many; nobody writes them, and only the engine keeps them.
        unsafe { slice::from_raw_parts(self.image.funcs as *const Func, self.image.n_funcs) }
    }

    /// The module's globals.
    #[cfg(not(proc_macro))]
    pub fn globals(&self) -> &[u64] {
        // SAFETY: the image has so many, and nobody writes them while this is borrowed.
        unsafe { slice::from_raw_parts(self.image.globals as *const u64, self.image.n_globals) }
    }

    /// The functions that were called, in the order of their first calls: what `pack` lays code
    /// out by.
    #[cfg(not(proc_macro))]
    pub fn called(&self) -> &[u32] {
        // SAFETY: the kernel wrote so many.
        unsafe { slice::from_raw_parts(self.image.order as *const u32, self.image.n_located) }
    }

    /// The slots where a call's arguments go and its results come from.
    pub fn slots(&mut self) -> &mut [u64] {
        // SAFETY: the block has more slots, and any bits are one.
        unsafe { slice::from_raw_parts_mut(self.image.stack as *mut u64, FRAME) }
    }

    pub fn export(&mut self, name: &str) -> Option<u32> {
        let name = name.as_bytes();
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

// A host call. No panic passes the kernel or generated code.
called! {
    fn answer(engine: *mut Engine, number: u32, args: *const u64, n_args: u32) -> u32 {
        // SAFETY: `run` gave its address, and waits; there are so many arguments.
        let (engine, args) = unsafe { (&mut *engine, slice::from_raw_parts(args, n_args as usize)) };
        engine.panic = guard(&mut || engine.serve(number, args));
        match (&engine.fault, &engine.panic) {
            (None, None) => 0,
            _ => CALLER,
        }
    }
}
