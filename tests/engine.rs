//! The engine through its interface: lower, compress, instantiate, call.

use precast::lower::{compress, disassemble, host_call, lower, lower_cold, stats, store};
use precast::runtime::instance::{Fault, Host, Instance, Limits};
use precast::runtime::memory::Memory;

struct NoHost;

impl Host for NoHost {
    fn call(&mut self, call: u32, _: &[u64], _: &mut Memory) -> Result<u64, Fault> {
        Err(Fault::Denied(format!("host call {call}")))
    }
}

fn embedded(wat: &str) -> &'static [u8] {
    let wasm = wat::parse_str(wat).unwrap();
    Box::leak(compress(&lower(&wasm).unwrap()).unwrap().into_boxed_slice())
}

fn run(wat: &str, name: &str, args: &[u64], limits: Limits) -> Result<u64, Fault> {
    let mut instance = Instance::new(embedded(wat), limits)?;
    let func = instance.export(name).unwrap();
    instance.call(func, args, &mut NoHost)
}

#[test]
fn recursion_and_loops() {
    let wat = r#"(module
        (func $fib (export "fib") (param i32) (result i32)
            (if (result i32) (i32.lt_u (local.get 0) (i32.const 2))
                (then (local.get 0))
                (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))
                               (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
        (func (export "sum") (param i64) (result i64) (local i64)
            (loop (local.set 1 (i64.add (local.get 1) (local.get 0)))
                (br_if 0 (i64.ne (local.tee 0 (i64.sub (local.get 0) (i64.const 1))) (i64.const 0))))
            (local.get 1)))"#;
    assert_eq!(run(wat, "fib", &[20], Limits::default()).unwrap(), 6765);
    assert_eq!(run(wat, "sum", &[1000], Limits::default()).unwrap(), 500500);
}

/// Something of everything: calls, tables, bulk memory, floats, multiple values, a br_table.
const ALL: &str = r#"(module
    (type $unary (func (param i32) (result i32)))
    (memory (export "memory") 1 4)
    (table 4 8 funcref)
    (global $sp (mut i32) (i32.const 1024))
    (data (i32.const 16) "precast")
    (data $late "passive")
    (elem (i32.const 0) $double $square)
    (elem $more func $double)
    (func $double (type $unary) (i32.mul (local.get 0) (i32.const 2)))
    (func $square (type $unary) (i32.mul (local.get 0) (local.get 0)))
    (func $swap (param i32 i64) (result i64 i32) (local.get 1) (local.get 0))
    (func (export "main") (param $n i32) (result i32) (local $i i32) (local $sum i32) (local $f f64)
        (global.set $sp (i32.sub (global.get $sp) (i32.const 32)))
        (memory.init $late (i32.const 64) (i32.const 0) (i32.const 7))
        (memory.copy (i32.const 100) (i32.const 16) (i32.const 30))
        (memory.fill (i32.const 200) (i32.const 7) (i32.const 9))
        (table.init $more (i32.const 2) (i32.const 0) (i32.const 1))
        (drop (table.grow (ref.null func) (i32.const 1)))
        (loop $again
            (block $c (block $b (block $a
                (br_table $a $b $c (i32.rem_u (local.get $i) (i32.const 3))))
                (local.set $sum (i32.add (local.get $sum)
                    (call_indirect (type $unary) (local.get $i) (i32.and (local.get $i) (i32.const 1)))))
                (br $c))
                (local.set $f (f64.add (local.get $f) (f64.convert_i32_s (local.get $i))))
                (i64.store offset=8 (global.get $sp) (i64.extend_i32_u (local.get $i))))
            (call $swap (local.get $sum) (i64.load8_u (local.get $i)))
            (local.set $sum)
            i32.wrap_i64 local.get $sum i32.add local.set $sum
            (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
        (global.set $sp (i32.add (global.get $sp) (i32.const 32)))
        (i32.add (local.get $sum) (i32.trunc_sat_f64_s (local.get $f)))))"#;

fn leak(bytes: Vec<u8>) -> &'static [u8] {
    Box::leak(bytes.into_boxed_slice())
}

fn main_of(embedded: &'static [u8], limits: Limits) -> Result<u64, Fault> {
    let mut instance = Instance::new(embedded, limits)?;
    instance.check_all()?;
    let Some(func) = instance.export("main") else { return Ok(0) };
    instance.call(func, &[100], &mut NoHost)
}

#[test]
fn limits_are_clear_faults() {
    let limit = |wat: &str, limits: Limits| match run(wat, "main", &[], limits) {
        Err(Fault::Limit(text)) => text,
        other => panic!("{other:?}"),
    };
    let small = || Limits {
        memory_bytes_max: 1 << 20,
        fuel: 1_000_000,
        depth_max: 1000,
        ..Limits::DEFAULT
    };
    let text = limit(r#"(module (func (export "main") (loop (br 0))))"#, small());
    assert!(text.contains("endless loop"), "{text}");
    let text = limit(r#"(module (func $f (export "main") (call $f)))"#, small());
    assert!(text.contains("endless recursion"), "{text}");
    // Deep frames end at the stack's end, long before the depth limit.
    let wide =
        format!(r#"(module (func $f (export "main") (local {}) (call $f)))"#, "i64 ".repeat(5000));
    limit(&wide, Limits { depth_max: 1_000_000, ..small() });
    let grow = r#"(module (memory 1) (func (export "main") (loop (drop (memory.grow (i32.const 1))) (br 0))))"#;
    let text = limit(grow, small());
    assert!(text.contains("memory"), "{text}");
    // A long copy costs what the loop it replaces costs.
    let copy = r#"(module (memory 16) (func (export "main")
        (loop (memory.fill (i32.const 0) (i32.const 1) (i32.const 1000000)) (br 0))))"#;
    limit(copy, small());
    let big = Instance::new(embedded("(module (memory 100))"), small());
    assert!(matches!(big, Err(Fault::Limit(_))));
}

/// Machines differ in the sign of what is not a number; expansions may not.
#[test]
fn no_number_has_the_same_bits_on_every_machine() {
    let wat = r#"(module
        (func (export "single") (param f32 f32) (result f32) (f32.div (local.get 0) (local.get 1)))
        (func (export "double") (param f64 f64) (result f64) (f64.div (local.get 0) (local.get 1)))
        (func (export "sqrt") (param f64) (result f64) (f64.sqrt (local.get 0))))"#;
    let call = |name: &str, args: &[u64]| run(wat, name, args, Limits::default()).unwrap();
    assert_eq!(call("single", &[0, 0]), 0x7fc0_0000);
    assert_eq!(call("single", &[0xffa0_1234, 0]), 0x7fc0_0000);
    assert_eq!(call("double", &[0, 0]), 0x7ff8 << 48);
    assert_eq!(call("sqrt", &[(-1f64).to_bits()]), 0x7ff8 << 48);
}

#[test]
fn exact_fuel() {
    // Two calls into the engine's own loop: 1 backward branch each but the last.
    let wat = r#"(module (func (export "main") (param i32)
        (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))"#;
    let fuel = |fuel: u64| run(wat, "main", &[10], Limits { fuel, ..Limits::default() }).is_ok();
    assert!(fuel(9) && !fuel(8));
}

#[test]
fn every_flipped_bit_and_every_cut_is_damage() {
    let good = embedded(ALL);
    let value = main_of(good, Limits::default()).unwrap();
    assert_eq!(main_of(good, Limits::default()).unwrap(), value);
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bytes = good.to_vec();
            bytes[at] ^= 1 << bit;
            let result = main_of(leak(bytes), Limits::default());
            assert!(matches!(result, Err(Fault::Damaged(_))), "byte {at} bit {bit}: {result:?}");
        }
    }
    for len in 0..good.len() {
        let result = main_of(&good[..len], Limits::default());
        assert!(matches!(result, Err(Fault::Damaged(_))), "{len} bytes: {result:?}");
    }
}

#[test]
fn another_version_is_named() {
    let mut bytes = embedded(ALL).to_vec();
    bytes[4] = 77;
    let text = main_of(leak(bytes), Limits::default()).unwrap_err().to_string();
    let mine = format!("version {}", precast::runtime::image::VERSION);
    assert!(text.contains("version 77") && text.contains(&mine), "{text}");
}

/// Numbers without a pattern, the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % below
    }
}

/// Images that lowering would not write: a result, a trap or another fault, never more.
#[test]
fn hostile_images_do_no_harm() {
    let wasm = wat::parse_str(ALL).unwrap();
    let image = lower(&wasm).unwrap();
    let mut random = Random(0x1234_5678_9abc_def1);
    let (mut ran, mut refused) = (0, 0);
    for _ in 0..3000 {
        let mut bytes = image.clone();
        for _ in 0..1 + random.next(4) {
            let at = random.next(bytes.len());
            bytes[at] = match random.next(3) {
                0 => bytes[at] ^ 1 << random.next(8),
                1 => random.next(256) as u8,
                _ => bytes[random.next(bytes.len())],
            };
        }
        let Ok(embedded) = compress(&bytes) else { continue };
        let limits =
            Limits { memory_bytes_max: 1 << 20, fuel: 20_000, depth_max: 100, ..Limits::DEFAULT };
        match main_of(leak(embedded), limits) {
            Err(Fault::Damaged(_)) => refused += 1,
            _ => ran += 1,
        }
    }
    // Both happen often, or the test would prove little.
    assert!(ran > 250 && refused > 250, "{ran} ran, {refused} were refused");
}

/// Leaves its cold part by a jump to the end, by a jump to a join, by a return and by a trap.
const WAYS: &str = r#"(module
    (func (export "ways") (param i32 i32) (result i32) (local i32)
        (block $end
            (block $join
                (br_if $join (i32.eqz (local.get 0)))
                (local.set 2 (i32.mul (local.get 1) (local.get 1)))
                (br_if $end (i32.eq (local.get 0) (i32.const 1)))
                (if (i32.eq (local.get 0) (i32.const 2)) (then (return (local.get 2))))
                (if (i32.eq (local.get 0) (i32.const 3)) (then (unreachable)))
                (loop $again
                    (local.set 2 (i32.add (local.get 2) (i32.const 7)))
                    (br_if $again (i32.lt_s (local.get 2) (local.get 0)))))
            (return (i32.add (local.get 2) (i32.const 1000))))
        (i32.sub (i32.const 0) (local.get 2))))"#;

#[test]
fn cold_code_is_apart_and_does_the_same() {
    let wasm = wat::parse_str(WAYS).unwrap();
    let plain = lower(&wasm).unwrap();
    let cold = lower_cold(&wasm, &host_call).unwrap();
    let n_funcs = |image: &[u8]| stats(image).unwrap().funcs.len();
    assert!(n_funcs(&plain) == 1 && n_funcs(&cold) > 1, "{}", disassemble(&cold, 0).unwrap());
    let new = |image: &[u8]| {
        let embedded = store(image).unwrap().leak();
        Instance::new(embedded, Limits::default()).unwrap()
    };
    let (mut plain, mut cold) = (new(&plain), new(&cold));
    for way in 0..60 {
        for value in [0, 1, 9, 50] {
            let (a, b) = (run(&mut plain, &[way, value]), run(&mut cold, &[way, value]));
            assert_eq!(a, b, "{way} {value}");
        }
    }

    fn run(instance: &mut Instance, args: &[u64]) -> Result<u64, String> {
        let func = instance.export("ways").unwrap();
        instance.call(func, args, &mut NoHost).map_err(|fault| fault.to_string())
    }
}
