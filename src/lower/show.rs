//! Shows a raw image to people: sizes, and instructions as text.

use std::fmt::Write;

use crate::base::error::{Class, Error, Result};
use crate::runtime::image::{
    bulk, head, op, shape, CONST_WORDS, FUNC_WORDS, GLOBAL_WORDS, MAGIC, NAMES, SHAPES, VERSION,
};

/// Bytes of a raw image by section, and the code of each function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    pub head_bytes: u32,
    pub data_bytes: u32,
    pub code_bytes: u32,
    /// Per function of the module: instructions, and slots of its frame.
    pub funcs: Vec<(u32, u32)>,
}

/// A raw image whose header was looked at.
struct Image<'a> {
    bytes: &'a [u8],
    funcs_at: usize,
    code_at: usize,
}

fn broken() -> Error {
    Error::new(Class::Verify, "this is not a raw image")
}

impl<'a> Image<'a> {
    fn new(bytes: &'a [u8]) -> Result<Image<'a>> {
        let mut image = Image { bytes, funcs_at: 0, code_at: 0 };
        if image.word(head::MAGIC)? != MAGIC || image.word(head::VERSION)? != VERSION {
            return Err(broken());
        }
        let consts = image.word(head::CONSTS)? as usize * CONST_WORDS;
        let globals = image.word(head::GLOBALS)? as usize * GLOBAL_WORDS;
        image.funcs_at = head::WORDS + consts + globals;
        image.code_at =
            image.word(head::HEAD_BYTES)? as usize + image.word(head::DATA_BYTES)? as usize;
        Ok(image)
    }

    fn word(&self, index: usize) -> Result<u32> {
        let bytes = self.bytes.get(index * 4..index * 4 + 4).ok_or_else(broken)?;
        Ok(u32::from_le_bytes(bytes.try_into().expect("four bytes")))
    }

    fn record(&self, func: u32, word: usize) -> Result<u32> {
        self.word(self.funcs_at + func as usize * FUNC_WORDS + word)
    }
}

/// Sizes of a raw image.
pub fn stats(image: &[u8]) -> Result<Stats> {
    let image = Image::new(image)?;
    let mut funcs = Vec::new();
    for func in 0..image.word(head::FUNCS)? {
        funcs.push((image.record(func, 1)?, image.record(func, 2)? & 0xffff));
    }
    Ok(Stats {
        head_bytes: image.word(head::HEAD_BYTES)?,
        data_bytes: image.word(head::DATA_BYTES)?,
        code_bytes: image.word(head::CODE_INSNS)? * 8,
        funcs,
    })
}

/// The instructions of one function of a raw image, one per line.
pub fn disassemble(image: &[u8], func: u32) -> Result<String> {
    let image = Image::new(image)?;
    if func >= image.word(head::FUNCS)? {
        return Err(Error::new(Class::Usage, format!("there is no function {func}")));
    }
    let from = image.code_at + image.record(func, 0)? as usize * 8;
    let n = image.record(func, 1)?;
    let mut out = String::new();
    for at in 0..n {
        let bytes =
            image.bytes.get(from + at as usize * 8..).and_then(|rest| rest.first_chunk::<8>());
        line(&mut out, at, bytes.ok_or_else(broken)?);
    }
    Ok(out)
}

fn line(out: &mut String, at: u32, insn: &[u8; 8]) {
    let field = |at: usize| u16::from_le_bytes([insn[at], insn[at + 1]]);
    let (o, x, a, b, c) = (insn[0], insn[1], field(2), field(4), field(6));
    let imm = b as u32 | (c as u32) << 16;
    let high = (x as u32) << 16;
    let to = |by: i64| at as i64 + 1 + by;
    let name = NAMES.get(o as usize).copied().unwrap_or("?").to_lowercase();
    let text = match SHAPES.get(o as usize).copied().unwrap_or(shape::INVALID) {
        shape::DSS => format!("s{a} = s{b}, s{c}"),
        shape::DSI => format!("s{a} = s{b}, {}", c as i16),
        shape::DS => format!("s{a} = s{b}"),
        shape::DI if o == op::CONST_S => format!("s{a} = {}", imm as i32),
        shape::DI => format!("s{a} = {imm:#x}"),
        shape::DK => format!("s{a} = s{b}, k{}", c as u32 | high),
        shape::LOAD => format!("s{a} = [s{b} + {}]", c as u32 | high),
        shape::STORE => format!("[s{b} + {}] = s{c}", a as u32 | high),
        shape::STORE_I => format!("[s{b} + {}] = {}", a as u32 | high, c as i16),
        shape::BRANCH => format!("s{b}, s{c} -> {}", to(a as i16 as i64)),
        shape::BRANCH_I => format!("s{b}, {} -> {}", c as i16, to(a as i16 as i64)),
        shape::JUMP => format!("-> {}", to(imm as i32 as i64)),
        shape::SWITCH => format!("s{b}, {}", a as u32 | high),
        shape::END_S => format!("s{b}"),
        shape::CALL => format!("f{imm} (s{a}..)"),
        shape::HOST => format!("h{imm} (s{a}..)"),
        shape::INDIRECT => format!("t{x}[s{b}] type {c} (s{a}..)"),
        shape::GLOBAL => format!("s{a} = g{imm}"),
        shape::GLOBAL_SET => format!("g{imm} = s{a}"),
        shape::GLOBAL_ADD => format!("s{a} = g{x} += {}", c as i16),
        shape::GLOBAL_TO => format!("g{x} = s{b} + {}", c as i16),
        shape::SELECT => format!("s{a} = s{b} ? s{a} : s{c}"),
        shape::SSS => format!("s{a}, s{b}, s{c}"),
        shape::PAIR => format!("s{a}, s{} = s{b}, s{c}", a as u32 + 1),
        shape::MATH => format!("{x}: s{a} = s{b}, s{c}"),
        shape::BULK if x <= bulk::MEMORY_GROW => format!("{x} (s{a}..)"),
        shape::BULK => format!("{x} {b} {c} (s{a}..)"),
        _ => String::new(),
    };
    let _ = writeln!(out, "{at:5}  {name} {text}");
}
