//! Loads and stores: addresses around both ends of the memory and of what 32 bits hold, offsets of
//! every size, and values of every form.

use std::fmt::Write;

use oracle::ours::{embed, Ours};
use oracle::theirs::Theirs;
use oracle::wasm;
use wasmtime::{Engine, Module, ValType};

/// Instruction, type of the value, bytes accessed.
const OPS: &[(&str, &str, u64)] = &[
    ("i32.load", "i32", 4),
    ("i32.load8_s", "i32", 1),
    ("i32.load8_u", "i32", 1),
    ("i32.load16_s", "i32", 2),
    ("i32.load16_u", "i32", 2),
    ("i64.load", "i64", 8),
    ("i64.load8_s", "i64", 1),
    ("i64.load8_u", "i64", 1),
    ("i64.load16_s", "i64", 2),
    ("i64.load16_u", "i64", 2),
    ("i64.load32_s", "i64", 4),
    ("i64.load32_u", "i64", 4),
    ("f32.load", "f32", 4),
    ("f64.load", "f64", 8),
    ("i32.store", "i32", 4),
    ("i32.store8", "i32", 1),
    ("i32.store16", "i32", 2),
    ("i64.store", "i64", 8),
    ("i64.store8", "i64", 1),
    ("i64.store16", "i64", 2),
    ("i64.store32", "i64", 4),
    ("f32.store", "f32", 4),
    ("f64.store", "f64", 8),
];
const OFFSETS: &[u64] = &[
    0,
    1,
    8,
    0x7fff,
    0xfff8,
    0xffff,
    0x10000,
    0x12345,
    0xff_ffff,
    0x100_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fff8,
    0xffff_ffff,
];
/// Offsets whose functions get all addresses and values as constants, too.
const CONST_OFFSETS: &[u64] = &[0, 0xffff, 0x100_0000, 0xffff_ffff];
const VALUES: &[i64] = &[
    0,
    1,
    -1,
    127,
    128,
    255,
    256,
    0x7fff,
    0x8000,
    -0x8000,
    -0x8001,
    0xffff,
    0x7fff_ffff,
    0x1_8000,
];
const PAGE: u64 = 65536;

fn addresses(offset: u64, size: u64) -> Vec<u32> {
    let end = PAGE.wrapping_sub(offset).wrapping_sub(size) as u32;
    let wrap = 0u32.wrapping_sub(offset as u32);
    let mut all = vec![0, 1, 9, 0x7fff_ffff, 0x8000_0000, 0xffff_fff0, 0xffff_ffff];
    for near in [end, wrap, PAGE as u32, (PAGE - size) as u32] {
        all.extend([near.wrapping_sub(1), near, near.wrapping_add(1)]);
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// A form of the instruction and the address and value which it uses if it is called with `a`, `v`.
struct Shape {
    name: String,
    address: Box<dyn Fn(u32) -> u32>,
    value: Option<u64>,
    /// It is called with this address alone.
    only: Option<u32>,
}

struct Text {
    wat: String,
    shapes: Vec<Shape>,
    ty: &'static str,
    is_load: bool,
}

impl Text {
    fn shape(
        &mut self,
        body: &str,
        address: impl Fn(u32) -> u32 + 'static,
        value: Option<u64>,
        only: Option<u32>,
    ) {
        let (name, ty) = (format!("s{}", self.shapes.len()), self.ty);
        let result = if self.is_load { format!("(result {ty})") } else { String::new() };
        writeln!(self.wat, "(func (export \"{name}\") (param $a i32) (param $v {ty}) {result} (local $r {ty}) {body})").unwrap();
        self.shapes.push(Shape { name, address: Box::new(address), value, only });
    }

    fn shapes(&mut self, name: &str, offset: u64, size: u64) {
        let op = format!("{name} offset={offset}");
        let same = |a: u32| a;
        let value = if self.is_load { "" } else { "(local.get $v)" };
        self.shape(&format!("({op} (local.get $a) {value})"), same, None, None);
        for k in [1i32, 8, -8, 0x7fff, 0x8000, -0x8001, 0x10000] {
            let address = format!("(i32.add (local.get $a) (i32.const {k}))");
            self.shape(
                &format!("({op} {address} {value})"),
                move |a| a.wrapping_add(k as u32),
                None,
                None,
            );
        }
        let double = "(i32.add (local.get $a) (local.get $a))";
        self.shape(&format!("({op} {double} {value})"), |a| a.wrapping_add(a), None, None);
        let shift = "(i32.shl (local.get $a) (i32.const 3))";
        self.shape(&format!("({op} {shift} {value})"), |a| a << 3, None, None);
        if self.is_load {
            self.shape(
                &format!("(local.set $r ({op} (local.get $a))) (local.get $r)"),
                same,
                None,
                None,
            );
            self.shape(
                &format!("(drop ({op} (local.get $a))) ({op} (local.get $a))"),
                same,
                None,
                None,
            );
        }
        if !CONST_OFFSETS.contains(&offset) {
            return;
        }
        for k in addresses(offset, size) {
            let address = format!("(i32.const {})", k as i32);
            self.shape(&format!("({op} {address} {value})"), move |_| k, None, Some(k));
        }
        if !self.is_load {
            for &k in VALUES {
                let literal =
                    if self.ty == "i32" { format!("{}", k as i32) } else { k.to_string() };
                let literal = format!("({}.const {literal})", self.ty);
                let k = match self.ty {
                    "f32" => (k as f32).to_bits() as u64,
                    "f64" => (k as f64).to_bits(),
                    _ => k as u64,
                };
                self.shape(&format!("({op} (local.get $a) {literal})"), same, Some(k), None);
                self.shape(&format!("({op} (i32.const 8) {literal})"), |_| 8, Some(k), Some(8));
            }
        }
    }
}

fn module(body: &str) -> String {
    let mut data = String::new();
    for byte in 0..=255 {
        write!(data, "\\{:02x}", (byte * 37 + 0x85) & 255).unwrap();
    }
    format!(
        "(module (memory (export \"memory\") 1) (data (i32.const 0) \"{data}\")
         (data (i32.const 65280) \"{data}\") (data (i32.const 32512) \"{data}{data}\")\n{body})"
    )
}

pub fn run(engine: &Engine) {
    let mut n = 0;
    let mut failures = Vec::new();
    for &(name, ty, size) in OPS {
        let is_load = name.contains("load");
        let mut plain = String::new();
        let mut texts = Vec::new();
        for &offset in OFFSETS {
            let (result, value) = if is_load {
                (format!("(result {ty})"), "")
            } else {
                (String::new(), "(local.get 1)")
            };
            writeln!(
                plain,
                "(func (export \"{offset}\") (param i32 {ty}) {result} ({name} offset={offset} (local.get 0) {value}))"
            )
            .unwrap();
            let mut text = Text { wat: String::new(), shapes: Vec::new(), ty, is_load };
            text.shapes(name, offset, size);
            texts.push((offset, text));
        }
        let plain = Module::new(engine, wasm(&module(&plain))).expect("wasmtime takes it");
        for (offset, text) in &texts {
            let mut theirs = Theirs::new(&plain).expect("it has nothing that traps at once");
            let mut ours = Ours::new(embed(&wasm(&module(&text.wat))).unwrap()).expect("likewise");
            n += compare(&mut theirs, &mut ours, text, *offset, size, &mut failures);
        }
    }
    println!("memory: {} instructions, {n} calls", OPS.len());
    let some = failures.len().min(8);
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures[..some].join("\n"));
}

fn compare(
    theirs: &mut Theirs,
    ours: &mut Ours,
    text: &Text,
    offset: u64,
    size: u64,
    failures: &mut Vec<String>,
) -> usize {
    let types = match text.ty {
        _ if !text.is_load => vec![],
        "i32" => vec![ValType::I32],
        "i64" => vec![ValType::I64],
        "f32" => vec![ValType::F32],
        _ => vec![ValType::F64],
    };
    let mut n = 0;
    for shape in &text.shapes {
        let func = ours.find(&shape.name);
        let calls = shape.only.map_or_else(|| addresses(offset, size), |only| vec![only]);
        for (at, a) in calls.into_iter().enumerate() {
            let v = shape.value.unwrap_or(VALUES[at % VALUES.len()] as u64);
            let v = if text.ty == "i32" || text.ty == "f32" { v & 0xffff_ffff } else { v };
            let expected = theirs.call(&offset.to_string(), &[(shape.address)(a) as u64, v]);
            let mine = ours.call_func(func, &[a as u64, v]);
            n += 1;
            let same_memory =
                text.is_load || ours.memory() == theirs.memory().expect("it is exported");
            if !mine.agrees(&expected, &types) || !same_memory {
                let at = text.wat.find(&format!("\"{}\"", shape.name)).expect("it is in the text");
                let line = text.wat[at..].lines().next().expect("there is a line");
                failures.push(format!("{a:#x} {v:#x}: {mine:x?}, not {expected:x?}, same memory: {same_memory}: {line}"));
            }
        }
    }
    n
}
