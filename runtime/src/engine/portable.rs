//! Tier 0: one loop over the image's instructions.
//!
//! It is compiled at opt-level 0 with debug assertions, so it reads like C: few and wide accesses,
//! no iterator, no closure. A frame is a reference to as many slots as an operand can name, and
//! instructions are fetched from a slice, so no instruction can leave the engine's own memory,
//! checked or not.

use std::mem;
use std::ptr;
use std::slice;

use super::super::image::{op, shape, Insn, Wide, SHAPES, SLOTS, STACK_SLOTS_MAX};
use super::super::fault::{Fault, Trap};
use super::super::kernel::code::{call_host, rare, DEPTH, FUEL, RULES};
use super::super::kernel::{Image, BULK, LEVELS, LOCATE};
use super::{Engine, FRAME};

/// The entry of a function that was not checked yet.
const UNREADY: u32 = 0xffff_ffff;

/// What this tier keeps in an engine.
pub struct Tier {
    /// The first instruction of each function, once decoded and checked.
    entries: Vec<u32>,
    /// Return addresses: instruction index, and frame index in the high half.
    returns: Vec<u64>,
    /// How many there are, while a host call runs.
    depth: usize,
}

pub const NEW: Tier = Tier { entries: Vec::new(), returns: Vec::new(), depth: 0 };

#[repr(C, packed)]
struct U8(u8);
#[repr(C, packed)]
struct U16(u16);
#[repr(C, packed)]
struct U32(u32);
#[repr(C, packed)]
struct U64(u64);

impl Engine {
    /// This tier wants nothing of the kernel.
    pub fn give(_: &mut Image) {}

    /// Before a run that is not inside another.
    pub fn rewind(&mut self) {
        self.tier.depth = 0;
    }

    /// The code as far as it is decoded; the rest is `INVALID`.
    ///
    /// # Safety
    /// Not to be used after `prepare`, which writes code.
    unsafe fn insns<'a>(&self) -> &'a [Insn] {
        slice::from_raw_parts(self.image.code as *const Insn, self.image.n_insns)
    }

    /// # Safety
    /// No other reference to the globals is used meanwhile.
    unsafe fn globals_mut<'a>(&self) -> &'a mut [u64] {
        slice::from_raw_parts_mut(self.image.globals as *mut u64, self.image.n_globals)
    }

    /// # Safety
    /// Not to be used after `prepare`, which writes entries.
    unsafe fn entries<'a>(&self) -> &'a [u32] {
        slice::from_raw_parts(self.tier.entries.as_ptr(), self.tier.entries.len())
    }

    /// Runs function `func` in the frame at slot `base`: arguments and results are its first slots.
    pub fn run_at(&mut self, func: u32, base: usize) -> Result<(), Fault> {
        if self.tier.returns.is_empty() {
            self.tier.returns = vec![0; self.image.depth_max + 2 * LEVELS];
        }
        tri!(self.prepare(func));
        let mut pc = self.tier.entries[func as usize] as usize;
        let mut fuel = self.image.fuel;
        let stack = self.image.stack;
        let mut fp = base;
        let bottom = self.tier.depth;
        let mut depth = bottom;
        if fp + self.funcs()[func as usize].frame as usize > STACK_SLOTS_MAX as usize {
            return Err(self.image.fault(DEPTH));
        }
        // SAFETY: these views are taken again after whatever changes what they show: `prepare`
        // for code and functions, bulk operations and host calls for the memory. The stack has
        // FRAME slots after STACK_SLOTS_MAX, below which `fp` is kept.
        let mut frame: &mut [u64; FRAME] =
            unsafe { mem::transmute((stack + (fp << 3)) as *mut [u64; FRAME]) };
        let mut code = unsafe { self.insns() };
        let mut entries = unsafe { self.entries() };
        let funcs = self.funcs();
        let (at, n_consts) = (self.image.consts as *const u64, self.image.n_consts);
        let consts = unsafe { slice::from_raw_parts(at, n_consts) };
        let mut globals = unsafe { self.globals_mut() };
        let returns = unsafe {
            slice::from_raw_parts_mut(self.tier.returns.as_mut_ptr(), self.tier.returns.len())
        };
        let mut base = self.image.memory;
        let mut len = self.image.memory_bytes as u64;

        let fault = 'run: loop {
            let i = &code[pc];
            pc += 1;
            let x = frame[i.b as usize];

            // The second operand: a slot, or the immediate.
            macro_rules! y {
                () => {
                    frame[i.c as usize]
                };
            }
            macro_rules! k {
                () => {
                    i.c as i16 as u64
                };
            }
            // To the left by $by modulo the width, which is $mask + 1.
            macro_rules! rotate {
                ($x:expr, $by:expr, $mask:expr) => {{
                    let by = $by & $mask;
                    ($x) << by | ($x) >> (($mask + 1 - by) & $mask)
                }};
            }
            macro_rules! trap {
                ($trap:ident) => {
                    break 'run Fault::Trap(Trap::$trap)
                };
            }
            // The host address of $n guest bytes, the offset's low part being in $field.
            macro_rules! at {
                ($n:expr, $field:ident) => {{
                    let at = (x & 0xffff_ffff) + (i.$field as u64 | (i.x as u64) << 16);
                    if at + $n > len {
                        trap!(MemoryOutOfBounds);
                    }
                    base + at as usize
                }};
            }
            // SAFETY (both): the address was checked to be inside the memory.
            macro_rules! load {
                ($type:ident, $n:expr) => {
                    unsafe { (*(at!($n, c) as *const $type)).0 }
                };
            }
            macro_rules! store {
                ($type:ident, $int:ty, $n:expr, $value:expr) => {{
                    let at = at!($n, a);
                    unsafe { (*(at as *mut $type)).0 = $value as $int };
                    continue 'run;
                }};
            }
            macro_rules! wide {
                () => {
                    // SAFETY: both are eight plain bytes.
                    unsafe { &*(i as *const Insn as *const Wide) }
                };
            }
            macro_rules! refresh {
                () => {{
                    base = self.image.memory;
                    len = self.image.memory_bytes as u64;
                }};
            }

            // These loops run once. Their values are, from the outermost: the relative target of a
            // jump, the function of a call, whether a conditional branch is taken. Plain values are
            // stored inside.
            let target: isize = 'jump: loop {
                let callee: usize = 'call: loop {
                    let taken: bool = loop {
                        let value: u64 = match i.op {
                            op::MOV => x,
                            op::MOV2 => {
                                let second = y!();
                                frame[i.a as usize] = x;
                                frame[i.a as usize + 1] = second;
                                continue 'run;
                            }
                            op::CONST => wide!().imm as u64,
                            op::CONST_S => wide!().imm as i32 as u64,
                            op::CONST_K => consts[i.c as usize | (i.x as usize) << 16],
                            op::GLOBAL_GET => globals[wide!().imm as usize],
                            op::GLOBAL_SET => {
                                globals[wide!().imm as usize] = frame[i.a as usize];
                                continue 'run;
                            }
                            op::GLOBAL_ADD => {
                                let sum = ((globals[i.x as usize] & 0xffff_ffff)
                                    + (k!() & 0xffff_ffff))
                                    & 0xffff_ffff;
                                globals[i.x as usize] = sum;
                                sum
                            }
                            op::GLOBAL_TO => {
                                globals[i.x as usize] =
                                    ((x & 0xffff_ffff) + (k!() & 0xffff_ffff)) & 0xffff_ffff;
                                continue 'run;
                            }
                            op::SELECT => {
                                if x as u32 == 0 {
                                    y!()
                                } else {
                                    continue 'run;
                                }
                            }
                            op::SELECT_NOT => {
                                if x as u32 != 0 {
                                    y!()
                                } else {
                                    continue 'run;
                                }
                            }

                            // Sums and products of 32 bits do not overflow 64.
                            op::I32_ADD => ((x & 0xffff_ffff) + (y!() & 0xffff_ffff)) & 0xffff_ffff,
                            op::I32_SUB => (x as u32).wrapping_sub(y!() as u32) as u64,
                            op::I32_MUL => ((x & 0xffff_ffff) * (y!() & 0xffff_ffff)) & 0xffff_ffff,
                            op::I32_AND => x & y!() & 0xffff_ffff,
                            op::I32_OR => (x | y!()) & 0xffff_ffff,
                            op::I32_XOR => (x ^ y!()) & 0xffff_ffff,
                            op::I32_SHL => ((x as u32) << (y!() & 31)) as u64,
                            op::I32_SHR_S => ((x as i32) >> (y!() & 31)) as u32 as u64,
                            op::I32_SHR_U => ((x as u32) >> (y!() & 31)) as u64,
                            op::I32_ROTL => rotate!(x as u32, y!(), 31) as u64,
                            op::I32_ROTR => rotate!(x as u32, 32 - (y!() & 31), 31) as u64,
                            op::I32_ADD_I => {
                                ((x & 0xffff_ffff) + (k!() & 0xffff_ffff)) & 0xffff_ffff
                            }
                            op::I32_MUL_I => {
                                ((x & 0xffff_ffff) * (k!() & 0xffff_ffff)) & 0xffff_ffff
                            }
                            op::I32_AND_I => x & k!() & 0xffff_ffff,
                            op::I32_OR_I => (x | k!()) & 0xffff_ffff,
                            op::I32_XOR_I => (x ^ k!()) & 0xffff_ffff,
                            op::I32_SHL_I => ((x as u32) << (i.c & 31)) as u64,
                            op::I32_SHR_S_I => ((x as i32) >> (i.c & 31)) as u32 as u64,
                            op::I32_SHR_U_I => ((x as u32) >> (i.c & 31)) as u64,
                            op::I32_ROTL_I => rotate!(x as u32, i.c, 31) as u64,
                            op::I32_DIV_S => {
                                let y = y!() as i32;
                                if y == 0 {
                                    trap!(IntegerDivideByZero);
                                }
                                if y == -1 && x as i32 == -0x8000_0000 {
                                    trap!(IntegerOverflow);
                                }
                                (x as i32 / y) as u32 as u64
                            }
                            op::I32_DIV_U => {
                                let y = y!() as u32;
                                if y == 0 {
                                    trap!(IntegerDivideByZero);
                                }
                                (x as u32 / y) as u64
                            }
                            op::I32_REM_S => {
                                let y = y!() as i32;
                                if y == 0 {
                                    trap!(IntegerDivideByZero);
                                }
                                (if y == -1 { 0 } else { x as i32 % y }) as u32 as u64
                            }
                            op::I32_REM_U => {
                                let y = y!() as u32;
                                if y == 0 {
                                    trap!(IntegerDivideByZero);
                                }
                                (x as u32 % y) as u64
                            }
                            op::I32_CLZ => (x as u32).leading_zeros() as u64,
                            op::I32_CTZ => (x as u32).trailing_zeros() as u64,
                            op::I32_EXTEND8 => x as i8 as u32 as u64,
                            op::I32_EXTEND16 => x as i16 as u32 as u64,
                            op::I32_WRAP => x & 0xffff_ffff,

                            op::I64_ADD => x.wrapping_add(y!()),
                            op::I64_SUB => x.wrapping_sub(y!()),
                            op::I64_MUL => x.wrapping_mul(y!()),
                            op::I64_AND => x & y!(),
                            op::I64_OR => x | y!(),
                            op::I64_XOR => x ^ y!(),
                            op::I64_SHL => x << (y!() & 63),
                            op::I64_SHR_S => ((x as i64) >> (y!() & 63)) as u64,
                            op::I64_SHR_U => x >> (y!() & 63),
                            op::I64_ROTL => rotate!(x, y!(), 63),
                            op::I64_ROTR => rotate!(x, 64 - (y!() & 63), 63),
                            op::I64_ADD_I => x.wrapping_add(k!()),
                            op::I64_MUL_I => x.wrapping_mul(k!()),
                            op::I64_AND_I => x & k!(),
                            op::I64_OR_I => x | k!(),
                            op::I64_XOR_I => x ^ k!(),
                            op::I64_SHL_I => x << (i.c & 63),
                            op::I64_SHR_S_I => ((x as i64) >> (i.c & 63)) as u64,
                            op::I64_SHR_U_I => x >> (i.c & 63),
                            op::I64_ROTL_I => rotate!(x, i.c, 63),
                            op::I64_DIV_S => {
                                let y = y!() as i64;
                                if y == 0 {
                                    trap!(IntegerDivideByZero);
                                }
                                if y == -1 && x == 1 << 63 {
                                    trap!(IntegerOverflow);
                                }
                                (x as i64 / y) as u64
                            }
                            op::I64_DIV_U => {
                                let y = y!();
                                if y == 0 {
                                    trap!(IntegerDivideByZero);
                                }
                                x / y
                            }
                            op::I64_REM_S => {
                                let y = y!() as i64;
                                if y == 0 {
                                    trap!(IntegerDivideByZero);
                                }
                                (if y == -1 { 0 } else { x as i64 % y }) as u64
                            }
                            op::I64_REM_U => {
                                let y = y!();
                                if y == 0 {
                                    trap!(IntegerDivideByZero);
                                }
                                x % y
                            }
                            op::I64_CLZ => x.leading_zeros() as u64,
                            op::I64_CTZ => x.trailing_zeros() as u64,
                            op::I64_EXTEND8 => x as i8 as u64,
                            op::I64_EXTEND16 => x as i16 as u64,
                            op::I64_EXTEND32 => x as i32 as u64,

                            op::I32_EQ => (x as u32 == y!() as u32) as u64,
                            op::I32_NE => (x as u32 != y!() as u32) as u64,
                            op::I32_LT_S => ((x as i32) < y!() as i32) as u64,
                            op::I32_LT_U => ((x as u32) < y!() as u32) as u64,
                            op::I32_LE_S => (x as i32 <= y!() as i32) as u64,
                            op::I32_LE_U => (x as u32 <= y!() as u32) as u64,
                            op::I32_EQ_I => (x as u32 == k!() as u32) as u64,
                            op::I32_NE_I => (x as u32 != k!() as u32) as u64,
                            op::I32_LT_S_I => ((x as i32) < k!() as i32) as u64,
                            op::I32_LT_U_I => ((x as u32) < k!() as u32) as u64,
                            op::I32_GT_S_I => (x as i32 > k!() as i32) as u64,
                            op::I32_GT_U_I => (x as u32 > k!() as u32) as u64,
                            op::I64_EQ => (x == y!()) as u64,
                            op::I64_NE => (x != y!()) as u64,
                            op::I64_LT_S => ((x as i64) < y!() as i64) as u64,
                            op::I64_LT_U => (x < y!()) as u64,
                            op::I64_LE_S => (x as i64 <= y!() as i64) as u64,
                            op::I64_LE_U => (x <= y!()) as u64,
                            op::I64_EQ_I => (x == k!()) as u64,
                            op::I64_NE_I => (x != k!()) as u64,
                            op::I64_LT_S_I => ((x as i64) < k!() as i64) as u64,
                            op::I64_LT_U_I => (x < k!()) as u64,
                            op::I64_GT_S_I => (x as i64 > k!() as i64) as u64,
                            op::I64_GT_U_I => (x > k!()) as u64,

                            op::BR_I32_EQ => break x as u32 == y!() as u32,
                            op::BR_I32_NE => break x as u32 != y!() as u32,
                            op::BR_I32_LT_S => break (x as i32) < y!() as i32,
                            op::BR_I32_LT_U => break (x as u32) < y!() as u32,
                            op::BR_I32_LE_S => break x as i32 <= y!() as i32,
                            op::BR_I32_LE_U => break x as u32 <= y!() as u32,
                            op::BR_I32_EQ_I => break x as u32 == k!() as u32,
                            op::BR_I32_NE_I => break x as u32 != k!() as u32,
                            op::BR_I32_LT_S_I => break (x as i32) < k!() as i32,
                            op::BR_I32_LT_U_I => break (x as u32) < k!() as u32,
                            op::BR_I32_GT_S_I => break x as i32 > k!() as i32,
                            op::BR_I32_GT_U_I => break x as u32 > k!() as u32,
                            op::BR_I64_EQ => break x == y!(),
                            op::BR_I64_NE => break x != y!(),
                            op::BR_I64_LT_S => break (x as i64) < y!() as i64,
                            op::BR_I64_LT_U => break x < y!(),
                            op::BR_I64_LE_S => break x as i64 <= y!() as i64,
                            op::BR_I64_LE_U => break x <= y!(),
                            op::BR_I64_EQ_I => break x == k!(),
                            op::BR_I64_NE_I => break x != k!(),
                            op::BR_I64_LT_S_I => break (x as i64) < k!() as i64,
                            op::BR_I64_LT_U_I => break x < k!(),
                            op::BR_I64_GT_S_I => break x as i64 > k!() as i64,
                            op::BR_I64_GT_U_I => break x > k!(),
                            op::BR_I32_TEST_I => break x as u32 & k!() as u32 != 0,
                            op::BR_I32_NTEST_I => break x as u32 & k!() as u32 == 0,
                            op::BR => break 'jump wide!().imm as i32 as isize,
                            op::BR_TABLE => {
                                let last = i.a as usize | (i.x as usize) << 16;
                                let entry = x as u32 as usize;
                                pc += if entry < last { entry } else { last };
                                continue 'run;
                            }
                            op::RET | op::RET_S => {
                                if i.op == op::RET_S {
                                    frame[0] = x;
                                }
                                if depth == bottom {
                                    self.image.fuel = fuel;
                                    return Ok(());
                                }
                                depth -= 1;
                                let to = returns[depth];
                                pc = (to & 0xffff_ffff) as usize;
                                fp = (to >> 32) as usize;
                                // SAFETY: it was a frame before.
                                frame = unsafe {
                                    mem::transmute((stack + (fp << 3)) as *mut [u64; FRAME])
                                };
                                continue 'run;
                            }
                            op::UNREACHABLE => trap!(Unreachable),
                            op::CALL => break 'call wide!().imm as usize,
                            op::CALL_HOST => {
                                self.image.fuel = fuel;
                                // For whoever asks where a run inside this one was.
                                returns[depth] = pc as u64;
                                self.tier.depth = depth + 1;
                                let (number, window) = (wide!().imm, i.a as usize);
                                // SAFETY: the frame is the running function's. The views are taken
                                // again, for the call may have run functions.
                                let called = unsafe {
                                    let slots = (frame as *mut [u64; FRAME] as *mut u64).add(window);
                                    let status = call_host(&mut self.image, number as usize, slots);
                                    self.result(status)
                                };
                                if let Err(fault) = called {
                                    break 'run fault;
                                }
                                frame = unsafe {
                                    mem::transmute((stack + (fp << 3)) as *mut [u64; FRAME])
                                };
                                code = unsafe { self.insns() };
                                entries = unsafe { self.entries() };
                                globals = unsafe { self.globals_mut() };
                                fuel = self.image.fuel;
                                refresh!();
                                continue 'run;
                            }
                            op::CALL_INDIRECT => match self.resolve(i.x, x as u32, i.c) {
                                Ok(func) => break 'call func as usize,
                                Err(trap) => break 'run Fault::Trap(trap),
                            },

                            op::LOAD8 => load!(U8, 1) as u64,
                            op::LOAD16 => load!(U16, 2) as u64,
                            op::LOAD32 => load!(U32, 4) as u64,
                            op::LOAD64 => load!(U64, 8),
                            op::LOAD8_S32 => load!(U8, 1) as i8 as u32 as u64,
                            op::LOAD16_S32 => load!(U16, 2) as i16 as u32 as u64,
                            op::LOAD8_S64 => load!(U8, 1) as i8 as u64,
                            op::LOAD16_S64 => load!(U16, 2) as i16 as u64,
                            op::LOAD32_S64 => load!(U32, 4) as i32 as u64,
                            op::STORE8 => store!(U8, u8, 1, y!()),
                            op::STORE16 => store!(U16, u16, 2, y!()),
                            op::STORE32 => store!(U32, u32, 4, y!()),
                            op::STORE64 => store!(U64, u64, 8, y!()),
                            op::STORE8_I => store!(U8, u8, 1, k!()),
                            op::STORE16_I => store!(U16, u16, 2, k!()),
                            op::STORE32_I => store!(U32, u32, 4, k!()),
                            op::STORE64_I => store!(U64, u64, 8, k!()),
                            op::ADDRESS => {
                                let at = (x & 0xffff_ffff)
                                    + (consts[i.c as usize | (i.x as usize) << 16] & 0xffff_ffff);
                                if at > 0xffff_ffff {
                                    trap!(MemoryOutOfBounds);
                                }
                                at
                            }
                            op::MEMORY_COPY | op::MEMORY_FILL => {
                                let n = y!() as u32;
                                let to = frame[i.a as usize] as u32;
                                let from = x as u32;
                                let is_copy = i.op == op::MEMORY_COPY;
                                if to as u64 + n as u64 > len
                                    || is_copy && from as u64 + n as u64 > len
                                {
                                    trap!(MemoryOutOfBounds);
                                }
                                let to = (base + to as usize) as *mut u8;
                                // SAFETY: both ranges were checked to lie inside the memory.
                                unsafe {
                                    if is_copy {
                                        let from = (base + from as usize) as *const u8;
                                        ptr::copy(from, to, n as usize);
                                    } else {
                                        ptr::write_bytes(to, x as u8, n as usize);
                                    }
                                }
                                // Long ones cost fuel as the loops they replace.
                                let cost = (n >> 6) as u64;
                                if fuel < cost {
                                    break 'run self.image.fault(FUEL);
                                }
                                fuel -= cost;
                                continue 'run;
                            }
                            op::MATH => match Engine::math(i.x, x, y!()) {
                                Ok(value) => value,
                                Err(trap) => break 'run Fault::Trap(trap),
                            },
                            op::BULK => {
                                self.image.fuel = fuel;
                                let parts =
                                    [i as *const Insn as usize, frame as *mut [u64; FRAME] as usize];
                                // SAFETY: the instruction was checked, and the frame is its function's.
                                let done = unsafe { self.image.ask(BULK, parts.as_ptr() as usize) };
                                if let Err(fault) = done {
                                    break 'run fault;
                                }
                                fuel = self.image.fuel;
                                refresh!();
                                continue 'run;
                            }
                            _ => {
                                break 'run Fault::Damaged(String::from(
                                    "an instruction that does not exist",
                                ))
                            }
                        };
                        frame[i.a as usize] = value;
                        continue 'run;
                    };
                    if !taken {
                        continue 'run;
                    }
                    break 'jump i.a as i16 as isize;
                };
                // A call: the callee's frame begins at the window.
                if entries[callee] == UNREADY {
                    if let Err(fault) = self.prepare(callee as u32) {
                        break 'run fault;
                    }
                    // SAFETY: as above.
                    code = unsafe { self.insns() };
                    entries = unsafe { self.entries() };
                }
                returns[depth] = pc as u64 | (fp as u64) << 32;
                depth += 1;
                fp += code[pc - 1].a as usize;
                // Whatever is wrong now is so in the function that is called.
                pc = entries[callee] as usize + 1;
                if fuel == 0 {
                    break 'run self.image.fault(FUEL);
                }
                fuel -= 1;
                if depth > self.image.depth_max {
                    break 'run self.image.fault(DEPTH);
                }
                if fp + funcs[callee].frame as usize > STACK_SLOTS_MAX as usize {
                    break 'run self.image.fault(DEPTH);
                }
                // SAFETY: `fp` is below STACK_SLOTS_MAX.
                frame = unsafe { mem::transmute((stack + (fp << 3)) as *mut [u64; FRAME]) };
                pc -= 1;
                continue 'run;
            };
            if target < 0 {
                if fuel == 0 {
                    break 'run self.image.fault(FUEL);
                }
                fuel -= 1;
            }
            pc = (pc as isize + target) as usize;
        };
        if self.image.left == 0 {
            returns[depth] = pc as u64;
            self.image.returns = returns.as_ptr() as usize;
            self.image.left = depth + 1;
        }
        Err(fault)
    }

    /// The function that an indirect call reaches.
    fn resolve(&self, table: u8, index: u32, type_idx: u16) -> Result<u32, Trap> {
        // SAFETY: there is such a table, whose address and length the kernel keeps.
        let [items, len] = unsafe { *(self.image.tables as *const [usize; 2]).add(table as usize) };
        if index as usize >= len {
            return Err(Trap::UndefinedElement);
        }
        let item = unsafe { *(items as *const u64).add(index as usize) };
        if item == 0 {
            return Err(Trap::UninitializedElement);
        }
        let func = (item as u32).wrapping_sub(1);
        let funcs = self.funcs();
        if func as usize >= funcs.len() || funcs[func as usize].type_idx != type_idx {
            return Err(Trap::IndirectCallTypeMismatch);
        }
        Ok(func)
    }

    /// Decodes and checks function `func` once; from then on its `entry` is set.
    #[cold]
    pub fn prepare(&mut self, func: u32) -> Result<(), Fault> {
        let func = func as usize;
        if self.tier.entries.is_empty() {
            self.tier.entries = vec![UNREADY; self.image.n_funcs];
        }
        if func < self.tier.entries.len() && self.tier.entries[func] != UNREADY {
            return Ok(());
        }
        // SAFETY: nothing more is wanted.
        tri!(unsafe { self.image.ask(LOCATE, func) });
        let (code, end) = (self.image.first, self.image.end);
        if !self.check(func, code, end) {
            return Err(self.image.fault(RULES));
        }
        self.tier.entries[func] = code as u32;
        Ok(())
    }

    /// Checks the instructions `code..end`.
    fn check(&self, func: usize, code: usize, end: usize) -> bool {
        // SAFETY: nothing is decoded meanwhile.
        let insns: &[Insn] = unsafe { self.insns() };
        let frame = self.funcs()[func].frame;
        if frame > 0x7fff {
            return false;
        }
        // The last instruction must not fall through.
        match insns[end - 1].op {
            op::RET | op::RET_S | op::BR | op::UNREACHABLE => (),
            _ => return false,
        }
        let mut at = code;
        while at < end {
            let i = &insns[at];
            at += 1;
            if i.op as usize >= op::COUNT {
                return false;
            }
            let shape = SHAPES[i.op as usize];
            let slots = SLOTS[shape as usize];
            if (slots & 1 != 0 && i.a >= frame)
                || (slots & 2 != 0 && i.b >= frame)
                || (slots & 4 != 0 && i.c >= frame)
            {
                return false;
            }
            if shape <= shape::DI && shape != shape::INVALID
                || shape >= shape::LOAD && shape <= shape::STORE_I
            {
                continue;
            }
            // SAFETY: the image's instructions are decoded.
            if !unsafe { rare(&self.image, i, shape, at, code, end, frame as usize) } {
                return false;
            }
        }
        true
    }
}
