//! Every numeric instruction on its own: edge operands, in each shape in which operands and
//! results can reach lowering, so that every folded and fused form runs. wasmtime computes what
//! each shape must give from the plain instruction.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;

use oracle::ours::{embed, Ours};
use oracle::theirs::{Theirs, STACK_BYTES};
use oracle::{wasm, Outcome};
use wasmtime::{Module, ValType};

const I32: &[&str] = &[
    "add", "sub", "mul", "div_s", "div_u", "rem_s", "rem_u", "and", "or", "xor", "shl", "shr_s",
    "shr_u", "rotl", "rotr", "eq", "ne", "lt_s", "lt_u", "gt_s", "gt_u", "le_s", "le_u", "ge_s",
    "ge_u",
];
const I32_UNARY: &[&str] = &["clz", "ctz", "popcnt", "eqz", "extend8_s", "extend16_s"];
const FLOAT: &[&str] =
    &["add", "sub", "mul", "div", "min", "max", "copysign", "eq", "ne", "lt", "gt", "le", "ge"];
const FLOAT_UNARY: &[&str] = &["abs", "neg", "ceil", "floor", "trunc", "nearest", "sqrt"];
/// Instruction, operand, result.
const CONVERSIONS: &[(&str, &str, &str)] = &[
    ("i32.wrap_i64", "i64", "i32"),
    ("i64.extend_i32_s", "i32", "i64"),
    ("i64.extend_i32_u", "i32", "i64"),
    ("i64.extend32_s", "i64", "i64"),
    ("f32.demote_f64", "f64", "f32"),
    ("f64.promote_f32", "f32", "f64"),
    ("i32.reinterpret_f32", "f32", "i32"),
    ("i64.reinterpret_f64", "f64", "i64"),
    ("f32.reinterpret_i32", "i32", "f32"),
    ("f64.reinterpret_i64", "i64", "f64"),
];

struct Op {
    name: String,
    params: Vec<&'static str>,
    result: &'static str,
}

fn op(name: String, params: &[&'static str], result: &'static str) -> Op {
    Op { name, params: params.to_vec(), result }
}

fn is_comparison(name: &str) -> bool {
    ["eq", "ne", "lt", "gt", "le", "ge"].iter().any(|c| name.split('_').next() == Some(*c))
}

/// The instruction of `(i32.eq …)` without its type.
fn op_name(expr: &str) -> &str {
    expr[5..].split(' ').next().expect("there is a first part")
}

fn ops() -> Vec<Op> {
    let mut ops = Vec::new();
    for (ty, binary, unary) in [
        ("i32", I32, I32_UNARY),
        ("i64", I32, I32_UNARY),
        ("f32", FLOAT, FLOAT_UNARY),
        ("f64", FLOAT, FLOAT_UNARY),
    ] {
        for name in binary {
            let result = if is_comparison(name) { "i32" } else { ty };
            ops.push(op(format!("{ty}.{name}"), &[ty, ty], result));
        }
        for name in unary {
            let result = if *name == "eqz" { "i32" } else { ty };
            ops.push(op(format!("{ty}.{name}"), &[ty], result));
        }
    }
    for (name, param, result) in CONVERSIONS {
        ops.push(op((*name).to_owned(), &[param], result));
    }
    for int in ["i32", "i64"] {
        for float in ["f32", "f64"] {
            for sign in ["s", "u"] {
                ops.push(op(format!("{int}.trunc_{float}_{sign}"), &[float], int));
                ops.push(op(format!("{int}.trunc_sat_{float}_{sign}"), &[float], int));
                ops.push(op(format!("{float}.convert_{int}_{sign}"), &[int], float));
            }
        }
    }
    ops
}

/// Operands around everything at which an instruction or an immediate changes its mind.
fn edges(ty: &str) -> Vec<u64> {
    let ints: &[i64] = &[
        0, 1, 2, 7, 31, 32, 33, 63, 64, 65, 127, 128, 255, 0x7ffe, 0x7fff, 0x8000, 0xffff, 0x10000,
        -1, -2, -128, -0x7fff, -0x8000, -0x8001,
    ];
    match ty {
        "i32" => {
            let wide = [i32::MIN, i32::MAX, i32::MIN + 1, 0x5555_aaaa].map(i64::from);
            ints.iter().chain(&wide).map(|v| *v as u32 as u64).collect()
        }
        "i64" => {
            let wide = [
                i64::MIN,
                i64::MAX,
                i64::MIN + 1,
                i32::MIN as i64,
                i32::MAX as i64,
                i32::MIN as i64 - 1,
                u32::MAX as i64,
                1 << 32,
                -1 << 32,
                0x5555_aaaa_1234_8765,
            ];
            ints.iter().chain(&wide).map(|v| *v as u64).collect()
        }
        "f32" => {
            let bits = FLOATS.iter().map(|v| (*v as f32).to_bits() as u64);
            let nans = [0x7fc0_0000u64, 0xffc0_0000, 0x7fa0_0000, 0xff80_0001, 1, 0x8000_0001];
            bits.chain(nans).chain([0x4eff_ffff, 0x5eff_ffff, 0x4f7f_ffff, 0x5f7f_ffff]).collect()
        }
        _ => {
            let bits = FLOATS.iter().map(|v| v.to_bits());
            let nans = [0x7ff8u64 << 48, 0xfff8 << 48, 0x7ff4 << 48, 0xfff0_0000_0000_0001, 1];
            let near =
                [9223372036854774784.0f64, 18446744073709549568.0, 4294967295.5, 2147483647.5];
            bits.chain(nans).chain(near.map(f64::to_bits)).collect()
        }
    }
}

const FLOATS: &[f64] = &[
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    1.5,
    2.5,
    -2.5,
    0.9999999,
    -0.9999999,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f32::MAX as f64,
    f32::MIN_POSITIVE as f64,
    2147483647.0,
    2147483648.0,
    -2147483648.0,
    -2147483649.0,
    4294967295.0,
    4294967296.0,
    9223372036854775808.0,
    -9223372036854775808.0,
    -9223372036854777856.0,
    18446744073709551616.0,
    1e300,
    4503599627370497.5,
];

fn literal(ty: &str, bits: u64) -> String {
    let float = |negative: bool, payload: u64, value: f64, nan: bool| {
        let sign = if negative { "-" } else { "" };
        match () {
            () if nan => format!("({ty}.const {sign}nan:{payload:#x})"),
            () if value.is_infinite() => format!("({ty}.const {sign}inf)"),
            () => format!("({ty}.const {sign}{:e})", value.abs()),
        }
    };
    match ty {
        "i32" => format!("(i32.const {})", bits as i32),
        "i64" => format!("(i64.const {})", bits as i64),
        "f32" => {
            let value = f32::from_bits(bits as u32);
            let negative = value.is_sign_negative();
            if value.is_nan() || value.is_infinite() {
                return float(negative, bits & 0x7f_ffff, value as f64, value.is_nan());
            }
            format!("(f32.const {value:e})")
        }
        _ => {
            let value = f64::from_bits(bits);
            float(value.is_sign_negative(), bits & (u64::MAX >> 12), value, value.is_nan())
        }
    }
}

/// What a shape makes of the instruction's result.
#[derive(Clone, Copy)]
enum Gives {
    Result,
    /// Result and both operands.
    All,
    /// A constant: but the instruction may trap.
    Seven,
    /// These if the result is not zero, or is.
    Truth(u64, u64),
    Masked(u64, u64, u64),
    /// The result, but at most this.
    Below(u64),
}

struct Shape {
    name: String,
    gives: Gives,
    /// Operands that are constants in it.
    consts: [Option<u64>; 2],
}

struct Text {
    wat: String,
    shapes: Vec<Shape>,
    params: Vec<&'static str>,
    result: &'static str,
}

impl Text {
    fn shape(&mut self, gives: Gives, consts: [Option<u64>; 2], results: &str, body: &str) {
        let name = format!("s{}", self.shapes.len());
        let params = self.params.join(" ");
        let result = self.result;
        writeln!(
            self.wat,
            "(func (export \"{name}\") (param {params}) (result {results}) (local $n i32) (local $r {result})\n  {body})"
        )
        .unwrap();
        self.shapes.push(Shape { name, gives, consts });
    }

    /// All uses of the value of `expr`, which is the instruction with its operands.
    fn uses(&mut self, expr: &str, consts: [Option<u64>; 2]) {
        let ty = self.result;
        self.shape(Gives::Result, consts, ty, expr);
        self.shape(Gives::Seven, consts, "i32", &format!("(drop {expr}) (i32.const 7)"));
        let truth = match ty {
            "i32" => expr.to_owned(),
            "i64" => format!("(i64.ne {expr} (i64.const 0))"),
            _ => return,
        };
        let zero = match ty {
            "i32" => format!("(i32.eqz {expr})"),
            _ => format!("(i64.eqz {expr})"),
        };
        let (yes, no) = (Gives::Truth(1, 2), Gives::Truth(2, 1));
        let branch = |cond: &str| {
            format!("(if (result i32) {cond} (then (i32.const 1)) (else (i32.const 2)))")
        };
        self.shape(yes, consts, "i32", &branch(&truth));
        self.shape(no, consts, "i32", &branch(&zero));
        let block =
            |cond: &str| format!("(block (br_if 0 {cond}) (return (i32.const 2))) (i32.const 1)");
        // A constant operand matters to what follows only if the two can become one.
        if consts != [None, None] && !is_comparison(op_name(expr)) {
            return;
        }
        self.shape(yes, consts, "i32", &block(&truth));
        self.shape(no, consts, "i32", &block(&zero));
        let again = |cond: &str| {
            format!(
                "(loop (local.set $n (i32.add (local.get $n) (i32.const 1)))
                   (if (i32.eq (local.get $n) (i32.const 3)) (then (return (local.get $n))))
                   (br_if 0 {cond})) (local.get $n)"
            )
        };
        self.shape(Gives::Truth(3, 1), consts, "i32", &again(&truth));
        self.shape(Gives::Truth(1, 3), consts, "i32", &again(&zero));
        let select = |cond: &str| format!("(select (i32.const 1) (i32.const 2) {cond})");
        self.shape(yes, consts, "i32", &select(&truth));
        self.shape(no, consts, "i32", &select(&zero));
        if ty == "i64" {
            self.shape(Gives::Truth(1, 0), consts, "i32", &truth);
        }
        self.shape(Gives::Truth(0, 1), consts, "i32", &zero);
        if ty == "i32" && consts == [None, None] {
            self.shape(Gives::Truth(1, 0), consts, "i32", &format!("(i32.eqz {zero})"));
            self.shape(yes, consts, "i32", &branch(&format!("(i32.eqz {zero})")));
            self.shape(
                Gives::Below(2),
                consts,
                "i32",
                &format!(
                    "(block (block (block (br_table 0 1 2 {expr})) (return (i32.const 0)))
                       (return (i32.const 1))) (i32.const 2)"
                ),
            );
            for mask in [1i64, 0x4000, -0x8000, 0x10000] {
                let test = format!("(i32.and {expr} (i32.const {mask}))");
                let mask = mask as u32 as u64;
                self.shape(Gives::Masked(mask, 1, 2), consts, "i32", &branch(&test));
                self.shape(
                    Gives::Masked(mask, 2, 1),
                    consts,
                    "i32",
                    &branch(&format!("(i32.eqz {test})")),
                );
                self.shape(Gives::Masked(mask, 3, 1), consts, "i32", &again(&test));
            }
        }
    }

    /// Uses in which the place of the operands or of the result matters.
    fn places(&mut self, op: &Op) {
        let ty = self.result;
        let operands: Vec<String> =
            (0..op.params.len()).map(|at| format!("(local.get {at})")).collect();
        let expr = format!("({} {})", op.name, operands.join(" "));
        let none = [None, None];
        for (at, param) in op.params.iter().enumerate() {
            if *param == ty {
                self.shape(
                    Gives::Result,
                    none,
                    ty,
                    &format!("(local.set {at} {expr}) (local.get {at})"),
                );
            }
        }
        let store = format!("({ty}.store (i32.const 8) {expr}) ({ty}.load (i32.const 8))");
        self.shape(Gives::Result, none, ty, &store);
        self.shape(Gives::Result, none, ty, &format!("(global.set $g {expr}) (global.get $g)"));
        self.shape(Gives::Result, none, ty, &format!("(call $same {expr})"));
        self.shape(
            Gives::Result,
            none,
            ty,
            &format!("(local.set $r (local.tee $r {expr})) (local.get $r)"),
        );
        self.shape(
            Gives::Result,
            none,
            ty,
            &format!("(select {expr} (local.get $r) (i32.const 1))"),
        );
        self.shape(
            Gives::Result,
            none,
            ty,
            &format!("(select (local.get $r) {expr} (local.get $n))"),
        );
        self.shape(Gives::Result, none, ty, &format!("(return {expr})"));
        self.shape(Gives::Result, none, ty, &format!("(block (result {ty}) (br 0 {expr}))"));
        self.shape(
            Gives::Result,
            none,
            ty,
            &format!("(loop (result {ty}) {expr} (br_if 1 (i32.const 1)) (br 0) (unreachable))"),
        );
        let all = format!("{expr} {}", operands.join(" "));
        self.shape(Gives::All, none, &format!("{ty} {}", op.params.join(" ")), &all);
        // The local changes between the read and the use.
        if op.params.len() == 2 && op.params[0] == op.params[1] {
            let late =
                format!("(local.get 0) (local.set 0 (local.get 1)) (local.get 0) {}", op.name);
            self.shape(Gives::Result, none, ty, &late);
        }
        let calls: Vec<String> =
            (0..op.params.len()).map(|at| format!("(call $param (local.get {at}))")).collect();
        self.shape(Gives::Result, none, ty, &format!("({} {})", op.name, calls.join(" ")));
    }
}

fn text(op: &Op) -> Text {
    let (param, ty) = (op.params[0], op.result);
    let wat = format!(
        "(module (memory (export \"memory\") 1) (global $g (mut {ty}) ({ty}.const 0))
         (func $same (param {ty}) (result {ty}) (local.get 0))
         (func $param (param {param}) (result {param}) (local.get 0))\n"
    );
    let mut text = Text { wat, shapes: Vec::new(), params: op.params.clone(), result: ty };
    let edges = edges(param);
    if op.params.len() == 1 {
        text.uses(&format!("({} (local.get 0))", op.name), [None, None]);
        for k in &edges {
            text.uses(&format!("({} {})", op.name, literal(param, *k)), [Some(*k), None]);
        }
    } else {
        text.uses(&format!("({} (local.get 0) (local.get 1))", op.name), [None, None]);
        for (at, k) in edges.iter().enumerate() {
            let const_k = literal(param, *k);
            text.uses(&format!("({} (local.get 0) {const_k})", op.name), [None, Some(*k)]);
            text.uses(&format!("({} {const_k} (local.get 1))", op.name), [Some(*k), None]);
            for other in [at, (at + 1) % edges.len(), (at * 7 + 3) % edges.len()] {
                let expr = format!("({} {const_k} {})", op.name, literal(param, edges[other]));
                text.shape(Gives::Result, [Some(*k), Some(edges[other])], ty, &expr);
            }
        }
    }
    text.places(op);
    text.wat.push(')');
    text
}

fn ty(name: &str) -> ValType {
    match name {
        "i32" => ValType::I32,
        "i64" => ValType::I64,
        "f32" => ValType::F32,
        _ => ValType::F64,
    }
}

fn expected(gives: Gives, plain: &Outcome, op: &Op, args: &[u64]) -> (Outcome, Vec<ValType>) {
    let result = op.result;
    let Outcome::Values(values) = plain else { return (plain.clone(), Vec::new()) };
    let value = values[0];
    let truth = |cond: bool, yes: u64, no: u64| vec![if cond { yes } else { no }];
    let i32s = vec![ValType::I32];
    let (values, types) = match gives {
        Gives::Result => (vec![value], vec![ty(result)]),
        Gives::All => {
            let types = op.params.iter().map(|name| ty(name));
            (
                [value].into_iter().chain(args.iter().copied()).collect(),
                [ty(result)].into_iter().chain(types).collect(),
            )
        }
        Gives::Seven => (vec![7], i32s),
        Gives::Truth(yes, no) => (truth(value != 0, yes, no), i32s),
        Gives::Masked(mask, yes, no) => (truth(value & mask != 0, yes, no), i32s),
        Gives::Below(max) => (vec![value.min(max)], i32s),
    };
    (Outcome::Values(values), types)
}

/// One instruction in all shapes; how many calls were compared.
fn check(op: &Op, engine: &wasmtime::Engine, failures: &mut Vec<String>) -> usize {
    let plain = format!(
        "(module (func (export \"plain\") (param {}) (result {}) ({} {})))",
        op.params.join(" "),
        op.result,
        op.name,
        (0..op.params.len()).map(|at| format!("(local.get {at})")).collect::<String>()
    );
    let module = Module::new(engine, wasm(&plain)).expect("wasmtime takes every instruction");
    let mut theirs = Theirs::new(&module).expect("the module has nothing that traps at once");
    let text = text(op);
    let mut ours =
        Ours::new(embed(&wasm(&text.wat)).unwrap_or_else(|e| panic!("{}: {e}", op.name)))
            .expect("the module has nothing that traps at once");
    let funcs: Vec<u32> = text.shapes.iter().map(|shape| ours.find(&shape.name)).collect();
    let edges = edges(op.params[0]);
    let seconds = if op.params.len() == 2 { edges.clone() } else { vec![0] };
    let (mut n, mut seen) = (0, BTreeSet::new());
    for &a in &edges {
        for &b in &seconds {
            let args = &[a, b][..op.params.len()];
            let plain = theirs.call("plain", args);
            for (shape, &func) in text.shapes.iter().zip(&funcs) {
                let fits = |at: usize| shape.consts[at].is_none_or(|k| k == [a, b][at]);
                if !fits(0) || !fits(1) {
                    continue;
                }
                n += 1;
                let (expected, types) = expected(shape.gives, &plain, op, args);
                let mine = ours.call_func(func, args);
                if !mine.agrees(&expected, &types) && seen.insert(func) {
                    failures.push(format!(
                        "{} {args:x?}: {mine:x?}, not {expected:x?}: {}",
                        op.name,
                        body(&text, shape)
                    ));
                }
            }
        }
    }
    n
}

fn body<'t>(text: &'t Text, shape: &Shape) -> &'t str {
    let at = text.wat.find(&format!("\"{}\"", shape.name)).expect("it is in the text");
    text.wat[at..].split("\n(func").next().expect("there is a first part")
}

pub fn run(engine: &wasmtime::Engine) {
    let ops = ops();
    let (next, n) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            let work = || {
                while let Some(op) = ops.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut found = Vec::new();
                    n.fetch_add(check(op, engine, &mut found), Ordering::Relaxed);
                    failures.lock().unwrap().extend(found);
                }
            };
            std::thread::Builder::new()
                .stack_size(STACK_BYTES * 2)
                .spawn_scoped(scope, work)
                .expect("a thread can be made");
        }
    });
    println!("numeric: {} instructions, {} calls", ops.len(), n.into_inner());
    let failures = failures.into_inner().unwrap();
    let some = failures.len().min(40);
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures[..some].join("\n"));
}
