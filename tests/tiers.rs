//! Tier 1 against tier 0: equal results, memories and faults, whatever the image says.

#[path = "tiers/image.rs"]
mod image;
#[allow(dead_code, unused_imports, clippy::all)]
#[path = "tiers/portable.rs"]
mod portable;

use image::{embed, insn, raw, wide, Func};
use precast::runtime as native;
use precast::runtime::image::{bulk, math, op, shape, SHAPES};

/// What a run of one function left behind.
#[derive(Debug, PartialEq)]
struct Outcome {
    result: Result<Vec<u64>, String>,
    pages: u32,
    /// The functions that had not returned.
    trace: String,
}

macro_rules! tier {
    ($name:ident, $runtime:ident) => {
        mod $name {
            use super::{$runtime, Outcome};
            use $runtime::calls::CALLS;
            use $runtime::instance::{Fault, Host, Instance, Limits};
            use $runtime::memory::Memory;

            /// Answers with the sum of its arguments, faults, or panics.
            struct Sum;

            impl Host for Sum {
                fn call(
                    &mut self,
                    call: u32,
                    args: &[u64],
                    memory: &mut Memory,
                ) -> Result<u64, Fault> {
                    let sum = args.iter().fold(call as u64, |a, b| a.wrapping_add(*b));
                    memory.write_u64(8 * call, sum)?;
                    match sum % 7 {
                        3 => Err(Fault::Denied(CALLS[call as usize].name.to_owned())),
                        5 => panic!("sum"),
                        _ => Ok(sum),
                    }
                }
            }

            pub struct Machine(Instance);

            pub fn new(embedded: &'static [u8], fuel: u64, depth: u32) -> Result<Machine, String> {
                let limits = Limits { fuel, depth_max: depth, ..Limits::default() };
                Instance::new(embedded, limits).map(Machine).map_err(|fault| fault.to_string())
            }

            impl Machine {
                pub fn call(&mut self, func: u32, args: &[u64]) -> Outcome {
                    let called = || self.0.call(func, args, &mut Sum).map(|_| ());
                    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(called));
                    let result = match caught {
                        Ok(Ok(())) => Ok(self.0.results(func).to_vec()),
                        Ok(Err(fault)) => Err(fault.to_string()),
                        Err(panic) => Err(format!("panic: {:?}", panic.downcast_ref::<&str>())),
                    };
                    let mut trace = String::new();
                    if result.as_ref().is_err_and(|text| !text.starts_with("panic")) {
                        self.0.trace(&[], 1000, &mut trace);
                    }
                    Outcome { result, pages: self.0.memory().pages(), trace }
                }

                pub fn bytes(&mut self) -> &[u8] {
                    let pages = self.0.memory().pages();
                    self.0.memory().read(0, pages * 65536).unwrap()
                }

                pub fn poke(&mut self, addr: u32, value: u64) {
                    self.0.memory().write_u64(addr, value).unwrap();
                }
            }
        }
    };
}

tier!(tier0, portable);
tier!(tier1, native);

const EDGES: [u64; 19] = [
    0,
    1,
    2,
    3,
    31,
    64,
    127,
    0xfff8,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_8000_0000,
    0xffff_ffff_ffff_ffff,
    0x0123_4567_89ab_cdef,
];
const IMMEDIATES: [u16; 12] = [0, 1, 2, 31, 32, 63, 64, 0x7f, 0x80, 0x7fff, 0x8000, 0xffff];

/// The function `(p, q, r) -> r'`: p, q, r go to the slots b, c, a, `insns` run, a is the result.
fn around(slots: [u16; 3], insns: &[u64]) -> Func {
    let [a, b, c] = slots;
    let mut code = vec![
        insn(op::MOV, 0, 60, 0, 0),
        insn(op::MOV, 0, 61, 1, 0),
        insn(op::MOV, 0, 62, 2, 0),
        insn(op::MOV, 0, a, 62, 0),
        insn(op::MOV, 0, b, 60, 0),
        insn(op::MOV, 0, c, 61, 0),
    ];
    code.extend(insns);
    code.extend([
        insn(op::MOV, 0, 1, a + 1, 0),
        insn(op::MOV, 0, 0, a, 0),
        insn(op::RET, 0, 0, 0, 0),
    ]);
    Func { insns: code, slots: 64, params: 3, results: 2 }
}

/// Forms of one instruction, as function bodies.
fn forms(number: u8, [a, b, c]: [u16; 3]) -> Vec<Vec<u64>> {
    let i = |x, c| vec![insn(number, x, a, b, c)];
    let mark = |value| wide(op::CONST, a, value);
    let kinds: Vec<u16> = IMMEDIATES.to_vec();
    match SHAPES[number as usize] {
        shape::DSS | shape::DS | shape::SELECT | shape::PAIR => vec![i(0, c)],
        shape::DSI => kinds.iter().map(|k| i(0, *k)).collect(),
        shape::DI => {
            [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff].map(|k| vec![wide(number, a, k)]).to_vec()
        }
        shape::DK => vec![i(0, 0), i(0, 1), i(0, 2)],
        shape::LOAD => vec![i(0, 0), i(0, 1), i(0, 0xffff), i(1, 0), i(0xff, 0xffff)],
        shape::STORE | shape::STORE_I => [(0, 0), (0, 1), (0, 0xffff), (1, 0), (0xff, 0xffff)]
            .iter()
            .flat_map(|(x, offset)| {
                let values = match SHAPES[number as usize] {
                    shape::STORE => vec![c],
                    _ => IMMEDIATES.to_vec(),
                };
                values.into_iter().map(|value| vec![insn(number, *x, *offset, b, value)])
            })
            .collect(),
        // Forward over a constant, and once backward.
        shape::BRANCH | shape::BRANCH_I => {
            let last = if SHAPES[number as usize] == shape::BRANCH { vec![c] } else { kinds };
            let mut all = Vec::new();
            for k in last {
                all.push(vec![mark(5), insn(number, 0, 1, b, k), mark(6)]);
                all.push(vec![
                    wide(op::BR, 0, 2),
                    mark(7),
                    wide(op::BR, 0, 2),
                    mark(8),
                    insn(number, 0, -4i16 as u16, b, k),
                ]);
            }
            all
        }
        shape::JUMP => vec![vec![mark(5), wide(op::BR, 0, 1), mark(6)]],
        shape::SWITCH => vec![vec![
            mark(1),
            insn(number, 0, 3, b, 0),
            wide(op::BR, 0, 4),
            wide(op::BR, 0, 4),
            wide(op::BR, 0, 1),
            wide(op::BR, 0, 0),
            mark(2),
            mark(3),
        ]],
        shape::GLOBAL | shape::GLOBAL_SET => vec![
            vec![wide(number, a, 1), wide(op::GLOBAL_GET, a + 1, 1)],
            vec![wide(number, a, 0), wide(op::GLOBAL_GET, a + 1, 0)],
        ],
        shape::GLOBAL_ADD | shape::GLOBAL_TO => kinds
            .iter()
            .map(|k| vec![insn(number, 1, a, b, *k), wide(op::GLOBAL_GET, a + 1, 1)])
            .collect(),
        shape::END => vec![i(0, 0)],
        shape::END_S => vec![i(0, 0)],
        shape::CALL => vec![vec![wide(number, 40, 1), insn(op::MOV, 0, a, 40, 0)]],
        shape::HOST => (0..precast::runtime::calls::CALLS.len() as u32)
            .map(|call| vec![wide(number, 40, call), insn(op::MOV, 0, a, 40, 0)])
            .collect(),
        shape::INDIRECT => vec![
            vec![insn(number, 0, 40, b, 0), insn(op::MOV, 0, a, 40, 0)],
            vec![insn(number, 0, 40, b, 1)],
        ],
        shape::SSS => vec![i(0, c)],
        shape::MATH => (0..math::COUNT).map(|x| vec![insn(number, x, a, b, c)]).collect(),
        shape::BULK => (0..bulk::COUNT)
            .filter(|x| !matches!(*x, bulk::MEMORY_INIT | bulk::DATA_DROP))
            .map(|x| {
                let window = [
                    insn(op::MOV, 0, 40, b, 0),
                    insn(op::MOV, 0, 41, c, 0),
                    wide(op::CONST, 42, 2),
                    insn(number, x, 40, 0, 0),
                    insn(op::MOV, 0, a, 40, 0),
                ];
                window.to_vec()
            })
            .collect(),
        _ => vec![i(0, 0)],
    }
}

fn both(embedded: &'static [u8], fuel: u64, depth: u32) -> (tier0::Machine, tier1::Machine) {
    (tier0::new(embedded, fuel, depth).unwrap(), tier1::new(embedded, fuel, depth).unwrap())
}

#[test]
fn every_instruction_with_edge_operands() {
    std::panic::set_hook(Box::new(|_| ()));
    for number in 0..op::COUNT as u8 {
        let mut funcs = vec![
            Func { insns: vec![insn(op::RET_S, 0, 0, 2, 0)], slots: 3, params: 3, results: 1 },
            Func { insns: vec![insn(op::RET_S, 0, 0, 0, 0)], slots: 3, params: 3, results: 1 },
        ];
        for slots in [[3, 4, 5], [50, 51, 53], [31, 32, 30], [4, 4, 5], [5, 4, 5], [6, 6, 6]] {
            funcs.extend(forms(number, slots).iter().map(|form| around(slots, form)));
        }
        let consts = [0x1_0000, 0xffff_fff0, 0x8000_0000_0000_0001];
        let image = embed(&raw(&funcs, &consts, &[0x1_0000_0007, 9]));
        // How many of the values the third operand takes; most forms have none.
        let step = match SHAPES[number as usize] {
            shape::DSS | shape::MATH | shape::STORE | shape::BRANCH | shape::SELECT => 1,
            shape::SSS | shape::PAIR | shape::INDIRECT => 3,
            _ => 9,
        };
        let (mut zero, mut one) = both(image, 1000, 20);
        for word in 0..64 {
            let value = 0x8182_8384_8586_8788u64.wrapping_mul(word | 1);
            zero.poke(word as u32 * 8, value);
            one.poke(word as u32 * 8, value);
        }
        let name = precast::runtime::image::NAMES[number as usize];
        for func in 2..funcs.len() as u32 {
            for p in &EDGES {
                for q in EDGES.iter().step_by(step) {
                    let args = [*p, *q, p ^ 0x5555_1111];
                    assert_eq!(
                        zero.call(func, &args),
                        one.call(func, &args),
                        "{name} {args:x?} {func}"
                    );
                }
            }
            assert!(zero.bytes() == one.bytes(), "{name} {func}: the memories differ");
        }
    }
}

/// Every length to beyond three blocks of sixteen bytes, with every overlap, and at the memory's end.
#[test]
fn copies_and_fills_of_every_length() {
    let image = wasm(
        r#"(module (memory 1)
            (func (param i32 i32 i32) (memory.copy (local.get 0) (local.get 1) (local.get 2)))
            (func (param i32 i32 i32) (memory.fill (local.get 0) (local.get 1) (local.get 2))))"#,
    );
    let (mut zero, mut one) = both(image, 1 << 20, 20);
    for word in 0..256 {
        let value = 0x8182_8384_8586_8788u64.wrapping_mul(word * 2 + 1);
        zero.poke(word as u32 * 8, value);
        one.poke(word as u32 * 8, value);
    }
    for len in (0..=150).chain([700]) {
        let end = 65536 - len;
        let near = (0..=2 * len + 4).map(|to| [300 + to, 300 + len, len]);
        let edges = [[end, 7, len], [end + 1, 7, len], [7, end, len], [7, end + 1, len]];
        for args in near.chain(edges) {
            for func in [0, 1] {
                assert_eq!(zero.call(func, &args), one.call(func, &args), "{func} {args:?}");
            }
            let (zero, one) = (&zero.bytes()[..2048], &one.bytes()[..2048]);
            assert!(zero == one, "{args:?}: the memories differ");
        }
        assert!(zero.bytes() == one.bytes(), "{len}: the memories differ");
    }
    // A limit is noticed after the bytes were moved.
    let (mut zero, mut one) = both(image, 3, 20);
    for (func, len) in [(0, 191), (0, 192), (0, 256), (1, 192), (1, 256)] {
        let args = [len, 3, len];
        assert_eq!(zero.call(func, &args), one.call(func, &args), "{func} {len}");
        assert!(zero.bytes() == one.bytes(), "{func} {len}: the memories differ");
    }
}

/// Small numbers which look random.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 33) % n
    }
}

#[test]
fn damaged_code_does_the_same_in_both() {
    std::panic::set_hook(Box::new(|_| ()));
    let mut sound = 0;
    let mut refused = 0;
    let mut random = Random(7);
    for round in 0..200 {
        let mut funcs = Vec::new();
        for _ in 0..40 {
            let number = random.below(op::COUNT as u64) as u8;
            let slots = [[3, 4, 5], [50, 51, 53], [31, 32, 30]][random.below(3) as usize];
            let all = forms(number, slots);
            funcs.push(around(slots, &all[random.below(all.len() as u64) as usize]));
        }
        for func in &mut funcs {
            for _ in 0..1 + random.below(3) {
                let at = random.below(func.insns.len() as u64) as usize;
                // One field, or all of it; often by little.
                func.insns[at] = match random.below(6) {
                    0 => func.insns[at] ^ random.below(1 << 31) << random.below(33),
                    1 => func.insns[at] ^ 1 << random.below(64),
                    2 => func.insns[at] & !0xff | random.below(op::COUNT as u64 + 2),
                    3 => func.insns[at].wrapping_add(1 << (16 * random.below(4))),
                    4 => func.insns[at].wrapping_sub(1 << (16 * random.below(4))),
                    _ => func.insns[at] & !(0xffff << 16) | random.below(80) << 16,
                };
            }
            if random.below(8) == 0 {
                func.slots = 3 + random.below(64) as u32;
            }
        }
        let image = embed(&raw(&funcs, &[1, u64::MAX], &[0x1_0000_0007, 9]));
        let (mut zero, mut one) = both(image, 300, 20);
        for func in 0..funcs.len() as u32 {
            let args = [0, 1, 2].map(|_| EDGES[random.below(EDGES.len() as u64) as usize]);
            let outcome = zero.call(func, &args);
            match &outcome.result {
                Err(text) if text.contains("breaks the rules") => refused += 1,
                _ => sound += 1,
            }
            assert_eq!(
                outcome,
                one.call(func, &args),
                "{round} {func} {:x?}",
                funcs[func as usize].insns
            );
        }
        assert!(zero.bytes() == one.bytes(), "{round}: the memories differ");
    }
    assert!(sound > 1000 && refused > 1000, "{sound} sound, {refused} refused");
}

fn wasm(wat: &str) -> &'static [u8] {
    embed(&precast::lower::lower(&wat::parse_str(wat).unwrap()).unwrap())
}

/// Each way to stop, in a function that another one calls through a table after it has called a third: both name
/// the three that have not returned.
#[test]
fn both_tell_where_a_run_stopped() {
    let wat = r#"(module
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory 1)
        (type $t (func (param i32)))
        (table 4 funcref)
        (elem (i32.const 1) func $stop $other)
        (func $other)
        (func $stop (param i32) (local i32)
            (call $other)
            (block (block (block (block (block (block (block (block (block
                (br_table 0 1 2 3 4 5 6 7 8 (local.get 0)))
                unreachable)
                (local.set 1 (i32.load (i32.const -1))))
                (memory.copy (i32.const -1) (i32.const 0) (i32.const 20)))
                (memory.fill (i32.const 0) (i32.const 0) (i32.const -1)))
                (local.set 1 (i32.div_u (i32.const 1) (local.get 1))))
                (call_indirect (type $t) (i32.const 0) (local.get 1)))
                (call $exit (i32.const CODE)))
            (call $stop (i32.const 8)))
            (loop (br 0)))
        (func $middle (param i32)
            (call $other)
            (call_indirect (type $t) (local.get 0) (i32.const 1))
            (call $other))
        (func (export "start") (param i32)
            (call $middle (local.get 0))))"#;
    // The host answers with a fault if the sum of the call's number and this leaves 3.
    let number = native::calls::CALLS.iter().position(|call| call.name == "proc_exit").unwrap();
    let wat = wat.replace("CODE", &((10 - number % 7) % 7).to_string());
    let lines = |funcs: &[u32]| -> String {
        funcs.iter().map(|func| format!("\n  at function {func}")).collect()
    };
    let (stop, middle, start) = (2, 3, 4);
    for way in 0..9 {
        let (mut zero, mut one) = both(wasm(&wat), 100_000, 20);
        let outcome = zero.call(start, &[way]);
        assert!(outcome.result.is_err(), "{way}");
        assert_eq!(outcome, one.call(start, &[way]), "{way}");
        let expected = match way {
            7 => lines(&[stop, stop, middle, start]),
            _ => lines(&[stop, middle, start]),
        };
        assert_eq!(outcome.trace, expected, "{way}: {:?}", outcome.result);
    }
}

/// A loop in a recursion: each level costs calls and backward branches, and grows nothing.
const NESTED: &str = r#"(module (memory (export "memory") 1)
    (func $nest (export "nest") (param i32 i32) (result i32) (local i32)
        (if (i32.eqz (local.get 0)) (then (return (local.get 1))))
        (loop $again
            (i32.store (i32.mul (local.get 2) (i32.const 4)) (local.get 0))
            (local.set 2 (i32.add (local.get 2) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get 2) (i32.const 3))))
        (call $nest (i32.sub (local.get 0) (i32.const 1)) (i32.add (local.get 1) (local.get 2)))))"#;

#[test]
fn limits_are_reached_at_the_same_point() {
    let image = wasm(NESTED);
    for fuel in 0..60 {
        for depth in [0, 1, 2, 7, 100] {
            let (mut zero, mut one) = both(image, fuel, depth);
            let outcome = zero.call(0, &[8, 0]);
            assert_eq!(outcome, one.call(0, &[8, 0]), "fuel {fuel}, depth {depth}");
            assert!(zero.bytes() == one.bytes(), "fuel {fuel}, depth {depth}");
        }
    }
    let (mut zero, mut one) = both(image, u64::MAX, 100_000);
    assert_eq!(one.call(0, &[99_999, 0]).result.unwrap()[0], 299_997);
    assert_eq!(zero.call(0, &[200_000, 0]), one.call(0, &[200_000, 0]));
}

#[test]
fn instances_and_threads_do_not_meet() {
    let image = wasm(NESTED);
    let run = move |n: u64| {
        let mut first = tier1::new(image, 1 << 40, 1000).unwrap();
        let mut second = tier1::new(image, 1 << 40, 1000).unwrap();
        for i in 0..n {
            assert_eq!(first.call(0, &[i, 0]).result.unwrap()[0], 3 * i);
            assert_eq!(second.call(0, &[n, i]).result.unwrap()[0], 3 * n + i);
        }
    };
    let threads: Vec<_> = (90..94).map(|n| std::thread::spawn(move || run(n))).collect();
    run(50);
    for thread in threads {
        thread.join().unwrap();
    }
}

/// Tier 1 keeps nothing in an engine.
#[test]
#[cfg(all(
    any(
        all(target_arch = "x86_64", any(target_os = "linux", windows)),
        all(target_arch = "aarch64", target_os = "linux")
    ),
    not(precast_portable),
    not(miri)
))]
fn the_tiers_are_two() {
    let sizes = [size_of::<native::engine::Engine>(), size_of::<portable::engine::Engine>()];
    assert!(sizes[0] < sizes[1], "{sizes:?}");
}

/// A system call which takes what this process may do from it.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn renounce(number: usize, first: usize, second: usize) -> isize {
    let result: isize;
    // SAFETY: setrlimit reads two words; prctl none.
    unsafe {
        std::arch::asm!(
            "syscall", inlateout("rax") number => result, in("rdi") first, in("rsi") second,
            in("rdx") 0, in("r10") 0, in("r8") 0, out("rcx") _, out("r11") _,
        );
    }
    result
}

/// In a process of its own: memory for code is refused, and the fault says what helps.
#[test]
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn refused_executable_memory_is_explained() {
    const VARIABLE: &str = "PRECAST_TEST_RENOUNCE";
    let Ok(what) = std::env::var(VARIABLE) else {
        for what in ["address space", "executable memory"] {
            let mut child = std::process::Command::new(std::env::current_exe().unwrap());
            child.args(["--exact", "refused_executable_memory_is_explained"]).env(VARIABLE, what);
            let output = child.output().unwrap();
            assert!(output.status.success(), "{what}: {output:?}");
        }
        return;
    };
    let mut one = tier1::new(wasm(NESTED), 1000, 100).unwrap();
    if what == "address space" {
        // RLIMIT_AS
        assert_eq!(renounce(160, 9, [1usize; 2].as_ptr() as usize), 0);
    } else if renounce(157, 65, 1) < 0 {
        // PR_SET_MDWE is younger than this kernel.
        return;
    }
    let text = one.call(0, &[1, 0]).result.unwrap_err();
    assert!(text.contains("RUSTFLAGS='--cfg precast_portable'"), "{text}");
}
