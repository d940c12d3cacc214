//! Runs a module in wasmtime and in precast's engine, side by side.

#[path = "../../tests/spec/alone.rs"]
pub mod alone;
pub mod census;
pub mod compare;
pub mod generate;
pub mod ours;
pub mod theirs;

use precast::runtime::instance::Trap;

/// What a call or an instantiation comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Values(Vec<u64>),
    Trap(Trap),
    /// Out of stack or fuel.
    Limit(String),
}

impl Outcome {
    /// The engines agree. A 32-bit value is its low half, a NaN stands for all NaNs, a reference
    /// for all that are not null, and both words for an index outside a table for each other.
    pub fn agrees(&self, other: &Outcome, types: &[wasmtime::ValType]) -> bool {
        match (self, other) {
            (Outcome::Values(a), Outcome::Values(b)) => {
                a.len() == types.len()
                    && b.len() == types.len()
                    && types.iter().enumerate().all(|(at, ty)| same(a[at], b[at], ty))
            }
            (Outcome::Trap(a), Outcome::Trap(b)) => class(*a) == class(*b),
            (Outcome::Limit(_), Outcome::Limit(_)) => true,
            _ => false,
        }
    }
}

fn class(trap: Trap) -> Trap {
    if trap == Trap::UndefinedElement {
        Trap::TableOutOfBounds
    } else {
        trap
    }
}

fn same(a: u64, b: u64, ty: &wasmtime::ValType) -> bool {
    match ty {
        wasmtime::ValType::I32 => a as u32 == b as u32,
        wasmtime::ValType::F32 => {
            let nans = f32::from_bits(a as u32).is_nan() && f32::from_bits(b as u32).is_nan();
            nans || a as u32 == b as u32
        }
        wasmtime::ValType::F64 => {
            let nans = f64::from_bits(a).is_nan() && f64::from_bits(b).is_nan();
            nans || a == b
        }
        wasmtime::ValType::Ref(_) => (a == 0) == (b == 0),
        _ => a == b,
    }
}

/// A small generator of numbers, the same everywhere.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u64) as usize]
    }
}

/// The module of a text.
pub fn wasm(text: &str) -> Vec<u8> {
    let buffer = wast::parser::ParseBuffer::new(text).expect("the text has tokens");
    let mut wat = match wast::parser::parse::<wast::Wat>(&buffer) {
        Ok(wat) => wat,
        Err(mut e) => {
            e.set_text(text);
            panic!("{e}");
        }
    };
    wat.encode().expect("the text is a module")
}
