//! Control, calls, globals, tables and bulk operations, beside wasmtime; and host calls.

use oracle::ours::{embed, Ours};
use oracle::theirs::{functions, Theirs};
use oracle::wasm;
use precast::runtime::instance::{Fault, Host, Instance, Limits};
use precast::runtime::memory::Memory;
use wasmtime::{Engine, Module, ValType};

/// Arguments that each export is called with, in every combination.
const ARGS: &[u64] = &[0, 1, 2, 3, 7, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

const GLOBALS: &str = r#"(module
    (global $a (mut i32) (i32.const 1000)) (global $b (mut i64) (i64.const -5))
    (global $c (mut f64) (f64.const 1.5)) (global $d i32 (i32.const 77))
    (func (export "down") (param i32) (result i32)
        (global.set $a (i32.sub (global.get $a) (i32.const 16))) (global.get $a))
    (func (export "down local") (param i32) (result i32) (local $sp i32)
        (global.set $a (local.tee $sp (i32.sub (global.get $a) (i32.const 32))))
        (i32.add (local.get $sp) (global.get $a)))
    (func (export "up") (param i32) (result i32)
        (global.set $a (i32.add (local.get 0) (i32.const 16)))
        (i32.add (local.get 0) (global.get $a)))
    (func (export "up far") (param i32) (result i32)
        (global.set $a (i32.add (local.get 0) (i32.const 100000))) (global.get $a))
    (func (export "twice") (param i32) (result i32)
        (i32.add (global.get $a) (i32.const 4))
        (global.set $a (i32.add (global.get $a) (i32.const 4)))
        (i32.mul (global.get $a)))
    (func (export "kept") (param i32) (result i32)
        (global.get $a)
        (global.set $a (i32.add (global.get $a) (i32.const -8)))
        (i32.xor (global.get $a)))
    (func (export "same value") (param i32) (result i32) (local $x i32)
        (local.set $x (i32.add (global.get $a) (i32.const 8)))
        (global.set $a (local.get $x))
        (i32.add (local.get $x) (global.get $d)))
    (func (export "b") (param i32) (result i64)
        (global.set $b (i64.add (global.get $b) (i64.extend_i32_s (local.get 0)))) (global.get $b))
    (func (export "c") (param i32) (result f64)
        (global.set $c (f64.add (global.get $c) (f64.convert_i32_s (local.get 0)))) (global.get $c)))"#;

const CONTROL: &str = r#"(module
    (func $fib (export "fib") (param i32) (result i32)
        (if (i32.ge_u (local.get 0) (i32.const 12)) (then (local.set 0 (i32.const 12))))
        (if (result i32) (i32.lt_u (local.get 0) (i32.const 2))
            (then (local.get 0))
            (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))
                           (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
    (func $rotate (param i32 i64 f32 f64) (result f64 i32 i64 f32)
        (local.get 3) (local.get 0) (local.get 1) (local.get 2))
    (func (export "many") (param i32 i32) (result f64 i32 i64 f32)
        (call $rotate (i32.add (local.get 0) (local.get 1)) (i64.extend_i32_u (local.get 0))
            (f32.convert_i32_s (local.get 1)) (f64.const 2.25)))
    (func (export "swap") (param i32 i32) (result i32 i32) (local.get 1) (local.get 0))
    (func (export "swap locals") (param i32 i32) (result i32)
        (local.get 0) (local.set 0 (local.get 1)) (local.set 1)
        (i32.sub (local.get 0) (local.get 1)))
    (func (export "block params") (param i32 i32) (result i32 i32)
        (local.get 0) (local.get 1)
        (block (param i32 i32) (result i32 i32)
            (if (param i32 i32) (result i32 i32) (local.get 0)
                (then (local.set 0) (local.set 1) (local.get 0) (local.get 1))
                (else (i32.const 5) (br 1)))))
    (func (export "loop params") (param i32 i32) (result i32 i64) (local $n i32)
        (i32.const 1) (i64.const 2)
        (loop (param i32 i64) (result i32 i64)
            (i64.mul (i64.const 3)) (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if 0 (i32.lt_u (local.get $n) (i32.and (local.get 0) (i32.const 7))))))
    (func (export "table") (param i32 i32) (result i32)
        (block $d (result i32) (block $c (result i32) (block $b (result i32) (block $a (result i32)
            (i32.add (local.get 1) (i32.const 100))
            (br_table $a $b $c $a $d (local.get 0)))
            (return (i32.add (i32.const 1))))
            (i32.mul (i32.const 2)) (br $d))
            (i32.xor (i32.const -1))))
    (func (export "table back") (param i32 i32) (result i32) (local $n i32)
        (loop $l (block $x
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if $x (i32.gt_u (local.get $n) (i32.const 5)))
            (br_table $l $x $l $x (local.get 0))))
        (local.get $n))
    (func (export "table of one") (param i32) (result i32)
        (block (br_table 0 (local.get 0)) (return (i32.const 1))) (i32.const 2))
    (func (export "constant branch") (param i32) (result i32)
        (block (br_if 0 (i32.const 1)) (return (i32.const 1)))
        (block (br_if 0 (i32.const 0)) (return (i32.const 2))) (i32.const 3))
    (func (export "br_if value") (param i32) (result i32)
        (block (result i32) (i32.const 10) (br_if 0 (local.get 0)) (drop) (i32.const 20)))
    (func (export "br_if locals") (param i32 i32) (result i32)
        (block (result i32) (local.get 1) (br_if 0 (local.get 0)) (local.set 1) (i32.mul (local.get 1) (i32.const 2))))
    (func (export "select") (param i32 i32) (result i32 i64 f64)
        (select (local.get 0) (i32.const 5) (local.get 1))
        (select (i64.const -1) (i64.const 0x123456789abcdef) (i32.eqz (local.get 1)))
        (select (f64.const 1) (f64.const -1) (i32.lt_s (local.get 0) (local.get 1))))
    (func (export "select same") (param i32 i32) (result i32)
        (select (local.get 0) (local.get 1) (local.get 0))
        (select (local.get 1) (local.get 1) (i32.eqz (local.get 0)))
        (i32.sub))
    (func (export "constants") (param i32) (result i64 i64 i64 i32 f32 f64)
        (i64.const 0x7fffffffffffffff) (i64.const -2147483648) (i64.const 4294967295)
        (i32.const -1) (f32.const nan:0x200000) (f64.const -0))
    (func (export "unused locals") (param i32) (result i64) (local i64 i64 f64 i32)
        (if (local.get 0) (then (local.set 1 (i64.const 9)))) (i64.add (local.get 1) (local.get 2)))
    (func (export "loop zeroes") (param i32) (result i32) (local i32 i32)
        (loop (local.set 2 (i32.add (local.get 2) (local.get 1)))
            (local.set 1 (i32.add (local.get 1) (i32.const 1)))
            (br_if 0 (i32.lt_u (local.get 1) (i32.and (local.get 0) (i32.const 15)))))
        (local.get 2))
    (func (export "unreachable") (param i32) (if (local.get 0) (then (unreachable))))
    (func (export "dead") (param i32) (result i32)
        (return (local.get 0)) (drop) (block (result i32) (unreachable)) (i32.add) (br 0))
    (func (export "dropped trap") (param i32) (drop (i32.div_u (i32.const 1) (local.get 0)))))"#;

const CALLS: &str = r#"(module
    (type $u (func (param i32) (result i32))) (type $same (func (param i32) (result i32)))
    (type $other (func (param i64) (result i32)))
    (table $t 6 8 funcref) (table $s 2 2 funcref)
    (elem (table $t) (i32.const 0) func $inc $dec $wide $late) (elem (table $s) (i32.const 1) func $dec)
    (func $inc (type $u) (i32.add (local.get 0) (i32.const 1)))
    (func $dec (type $same) (i32.sub (local.get 0) (i32.const 1)))
    (func $wide (type $other) (i32.wrap_i64 (local.get 0)))
    (func $late (type $u) (local i32 i32 i32) (local.set 3 (i32.mul (local.get 0) (local.get 0))) (local.get 3))
    (func (export "first") (param i32 i32) (result i32) (call_indirect $t (type $u) (local.get 1) (local.get 0)))
    (func (export "second") (param i32 i32) (result i32) (call_indirect $s (type $same) (local.get 1) (local.get 0)))
    (func (export "constant") (param i32) (result i32) (call_indirect $t (type $u) (local.get 0) (i32.const 3)))
    (func (export "nested") (param i32 i32) (result i32)
        (call $inc (i32.add (call $dec (local.get 0)) (call $late (call $inc (local.get 1))))))
    (func (export "kept over calls") (param i32 i32) (result i32) (local i32)
        (local.set 2 (i32.mul (local.get 0) (i32.const 3)))
        (drop (call $late (local.get 1)))
        (i32.add (local.get 2) (i32.add (local.get 0) (local.get 1))))
    (func $ack (param i32 i32) (result i32)
        (if (result i32) (i32.eqz (local.get 0)) (then (i32.add (local.get 1) (i32.const 1)))
        (else (if (result i32) (i32.eqz (local.get 1)) (then (call $ack (i32.sub (local.get 0) (i32.const 1)) (i32.const 1)))
        (else (call $ack (i32.sub (local.get 0) (i32.const 1)) (call $ack (local.get 0) (i32.sub (local.get 1) (i32.const 1)))))))))
    (func (export "ackermann") (param i32 i32) (result i32)
        (call $ack (i32.and (local.get 0) (i32.const 1)) (i32.and (local.get 1) (i32.const 15)))))"#;

const TABLES: &str = r#"(module
    (type $u (func (result i32)))
    (table $t (export "t") 5 12 funcref) (table $x 3 6 externref) (table $s 4 funcref)
    (elem (table $t) (i32.const 1) func $one $two) (elem $p func $two $one $two)
    (elem $gone func $one) (elem declare func $one $two)
    (func $one (type $u) (i32.const 11)) (func $two (type $u) (i32.const 22))
    (func (export "call") (param i32) (result i32) (call_indirect $t (type $u) (local.get 0)))
    (func (export "get is null") (param i32) (result i32) (ref.is_null (table.get $t (local.get 0))))
    (func (export "get") (param i32) (result funcref) (table.get $t (local.get 0)))
    (func (export "extern") (param i32) (result externref) (table.get $x (local.get 0)))
    (func (export "set") (param i32) (table.set $t (local.get 0) (ref.func $two)))
    (func (export "set null") (param i32) (table.set $t (local.get 0) (ref.null func)))
    (func (export "move") (param i32 i32) (table.set $s (local.get 0) (table.get $t (local.get 1))))
    (func (export "size") (param i32) (result i32 i32) (table.size $t) (table.size $x))
    (func (export "grow") (param i32) (result i32) (table.grow $t (ref.func $one) (local.get 0)))
    (func (export "grow extern") (param i32) (result i32) (table.grow $x (ref.null extern) (local.get 0)))
    (func (export "fill") (param i32 i32) (table.fill $t (local.get 0) (ref.func $one) (local.get 1)))
    (func (export "copy") (param i32 i32) (table.copy $t $t (local.get 0) (local.get 1) (i32.const 2)))
    (func (export "copy all") (param i32 i32) (table.copy $t $s (i32.const 1) (local.get 0) (local.get 1)))
    (func (export "init") (param i32 i32) (table.init $t $p (local.get 0) (local.get 1) (i32.const 2)))
    (func (export "init some") (param i32 i32) (table.init $s $p (i32.const 0) (local.get 0) (local.get 1)))
    (func (export "init gone") (param i32) (elem.drop $gone) (table.init $t $gone (i32.const 0) (i32.const 0) (local.get 0)))
    (func (export "select") (param i32) (result funcref)
        (select (result funcref) (ref.func $one) (ref.null func) (local.get 0)))
    (func (export "local") (param i32) (result i32) (local funcref) (ref.is_null (local.get 1)))
    (func (export "branch null") (param i32) (result i32)
        (if (result i32) (ref.is_null (table.get $t (i32.and (local.get 0) (i32.const 3))))
            (then (i32.const 1)) (else (i32.const 2)))))"#;

const MEMORY: &str = r#"(module
    (memory (export "memory") 1 3) (data (i32.const 4) "some bytes to copy") (data $p "passive bytes") (data $gone "gone")
    (func (export "size") (param i32) (result i32) (memory.size))
    (func (export "copy") (param i32 i32) (memory.copy (local.get 0) (local.get 1) (i32.const 9)))
    (func (export "copy back") (param i32) (memory.copy (i32.const 4) (i32.const 7) (local.get 0)))
    (func (export "copy on") (param i32) (memory.copy (i32.const 7) (i32.const 4) (local.get 0)))
    (func (export "copy end") (param i32) (memory.copy (local.get 0) (i32.const 65536) (i32.const 0)))
    (func (export "fill") (param i32 i32) (memory.fill (local.get 0) (i32.const 0x1ab) (local.get 1)))
    (func (export "fill byte") (param i32) (memory.fill (i32.const 70) (local.get 0) (i32.const 5)))
    (func (export "init") (param i32 i32) (memory.init $p (local.get 0) (local.get 1) (i32.const 6)))
    (func (export "init some") (param i32) (memory.init $p (i32.const 90) (i32.const 0) (local.get 0)))
    (func (export "init gone") (param i32) (data.drop $gone) (memory.init $gone (i32.const 0) (i32.const 0) (local.get 0)))
    (func (export "use after grow") (param i32) (result i32)
        (i32.store (i32.const 65532) (local.get 0))
        (drop (memory.grow (i32.and (local.get 0) (i32.const 1))))
        (i32.store (i32.const 65536) (i32.const 5))
        (i32.add (i32.load (i32.const 65532)) (memory.size)))
    (func (export "grow") (param i32) (result i32 i32) (memory.grow (local.get 0)) (memory.size)))"#;

pub fn run(engine: &Engine) {
    let mut failures = Vec::new();
    let mut n = 0;
    for (name, text) in [
        ("globals", GLOBALS),
        ("control", CONTROL),
        ("calls", CALLS),
        ("tables", TABLES),
        ("memory", MEMORY),
    ] {
        n += module(engine, name, text, &mut failures);
    }
    n += module(engine, "big", &big(), &mut failures);
    println!("state: {n} calls");
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
}

/// All exports in turn with all arguments, once on one instance and once each on its own.
fn module(engine: &Engine, name: &str, text: &str, failures: &mut Vec<String>) -> usize {
    let wasm = wasm(text);
    let module = Module::new(engine, &wasm).unwrap_or_else(|e| panic!("{name}: {e:?}"));
    let embedded = embed(&wasm).unwrap_or_else(|e| panic!("{name}: {e}"));
    let functions = functions(&module);
    let (mut n, mut kept) = (0, (Ours::new(embedded).unwrap(), Theirs::new(&module).unwrap()));
    for (func, params, results) in &functions {
        for &a in ARGS {
            for &b in if params.len() > 1 { ARGS } else { &[0] } {
                let args = &[a, b][..params.len()];
                n += 2;
                let mut fresh = (Ours::new(embedded).unwrap(), Theirs::new(&module).unwrap());
                for (pair, which) in [(&mut fresh, "fresh"), (&mut kept, "kept")] {
                    if let Err(e) = call(&mut pair.0, &mut pair.1, func, args, results) {
                        failures.push(format!("{name}, {func} {args:x?} ({which}): {e}"));
                    }
                }
            }
        }
    }
    n
}

fn call(
    ours: &mut Ours,
    theirs: &mut Theirs,
    func: &str,
    args: &[u64],
    results: &[ValType],
) -> Result<(), String> {
    let (mine, expected) = (ours.call(func, args), theirs.call(func, args));
    if !mine.agrees(&expected, results) {
        return Err(format!("{mine:x?}, not {expected:x?}"));
    }
    if let Some(memory) = theirs.memory() {
        if memory != ours.memory() {
            return Err("another memory".into());
        }
    }
    Ok(())
}

/// Large everything: frames, br_table, nesting, distances of branches, globals beyond 255.
fn big() -> String {
    let mut wat = String::from("(module ");
    for at in 0..300 {
        wat += &format!("(global $g{at} (mut i32) (i32.const {at}))");
    }
    wat += "(func (export \"last global\") (param i32) (result i32)
        (global.set $g299 (i32.add (global.get $g299) (i32.const 3)))
        (global.set $g256 (i32.add (local.get 0) (i32.const 3)))
        (i32.add (global.get $g299) (i32.add (global.get $g256) (global.get $g255))))";
    // 2,000 locals, each of which depends on the one before.
    wat += "(func (export \"locals\") (param i32) (result i32) (local ";
    wat += &"i32 ".repeat(2000);
    wat += ")";
    for at in 1..=2000 {
        wat += &format!("(local.set {at} (i32.add (local.get {}) (i32.const {at})))", at - 1);
    }
    wat += "(i32.add (local.get 2000) (local.get 1000)))";
    // A br_table of 3,000 targets.
    wat += "(func (export \"table\") (param i32) (result i32)";
    wat += &"(block ".repeat(30);
    wat += "(br_table ";
    for at in 0..3000 {
        wat += &format!("{} ", at * 7 % 30);
    }
    wat += "29 (local.get 0))";
    for at in 0..30 {
        wat += &format!(") (return (i32.const {}))", at * 3);
    }
    wat += "(i32.const -1))";
    // Branches over more than 32,768 instructions, forward and back.
    wat += "(func (export \"far\") (param i32) (result i32) (local i32 i32)
        (block $out (loop $again
        (local.set 1 (i32.add (local.get 1) (i32.const 1)))
        (br_if $out (i32.gt_u (local.get 1) (i32.and (local.get 0) (i32.const 3))))";
    for at in 0..35000 {
        wat += &format!(
            "(local.set 2 (i32.xor (i32.rotl (local.get 2) (i32.const 3)) (i32.const {})))",
            at % 29000
        );
    }
    wat += "(br_if $again (i32.ne (local.get 1) (i32.const 9))))) (local.get 2))";
    // 400 levels of blocks, each of which may be left at any of them.
    wat += "(func (export \"deep\") (param i32) (result i32) (local i32)";
    wat += &"(block ".repeat(400);
    for at in 0..400 {
        wat += &format!(
            "(br_if {} (i32.eq (local.get 0) (i32.const {at}))) (local.set 1 (i32.add (local.get 1) (i32.const {at})))",
            at % (400 - at)
        );
        wat += ")";
    }
    wat += "(local.get 1))";
    // A stack of 500 operands.
    wat += "(func (export \"stack\") (param i32) (result i32)";
    for at in 0..500 {
        wat += &format!("(i32.mul (local.get 0) (i32.const {at}))");
    }
    wat += &"i32.sub ".repeat(499);
    wat + "))"
}

struct Adds(Vec<(u32, Vec<u64>)>);

impl Host for Adds {
    fn call(&mut self, call: u32, args: &[u64], memory: &mut Memory) -> Result<u64, Fault> {
        self.0.push((call, args.to_vec()));
        memory.write_u32(16, self.0.len() as u32)?;
        Ok(args.iter().fold(0u64, |sum, arg| sum.wrapping_add(*arg)) & 0xffff_ffff)
    }
}

/// Host calls: directly, through a table and as an export, between other values.
pub fn host_calls() {
    let text = r#"(module
        (type $pread (func (param i32 i32 i32 i64 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_pread" (func $pread (type $pread)))
        (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
        (export "close" (func $close)) (memory 1) (table funcref (elem $pread $close))
        (func (export "direct") (param i32) (result i32) (local i32)
            (local.set 1 (i32.load (i32.const 16)))
            (i32.add (i32.mul (local.get 0) (i32.const 1000))
                (i32.add (call $pread (local.get 0) (i32.const 2) (i32.const 3) (i64.const 4) (local.get 1))
                    (i32.load (i32.const 16)))))
        (func (export "indirect") (param i32) (result i32)
            (call_indirect (type $pread) (i32.const 1) (local.get 0) (i32.const 3) (i64.const 0x123456789) (i32.const 5) (i32.const 0)))
        (func (export "dropped") (param i32) (result i32) (drop (call $close (local.get 0))) (local.get 0)))"#;
    let embedded = embed(&wasm(text)).unwrap();
    let mut instance = Instance::new(embedded, Limits::default()).unwrap();
    let mut host = Adds(Vec::new());
    let mut call = |name: &str| {
        let func = instance.export(name).unwrap();
        instance.call(func, &[7], &mut host).unwrap()
    };
    assert_eq!(call("direct"), 7000 + (7 + 2 + 3 + 4) + 1);
    assert_eq!(call("direct"), 7000 + (7 + 2 + 3 + 4 + 1) + 2);
    assert_eq!(call("indirect"), 0x2345_6789 + 1 + 7 + 3 + 5);
    assert_eq!(call("dropped"), 7);
    assert_eq!(call("close"), 7);
    let numbers: Vec<u32> = host.0.iter().map(|(call, _)| *call).collect();
    let number = |name: &str| {
        precast::runtime::calls::CALLS.iter().position(|call| call.name == name).unwrap() as u32
    };
    let (pread, close) = (number("fd_pread"), number("fd_close"));
    assert_eq!(numbers, [pread, pread, pread, close, close]);
    assert_eq!(host.0[2].1, [1, 7, 3, 0x1_2345_6789, 5]);
}
