//! Literals: the guest's constructors, called here.

use std::ffi::CStr;
use std::mem;
use std::str;
use std::str::FromStr;

use super::super::api::Literal;
use super::super::memory::Memory;
use super::super::text::{owned, print};
use super::super::wasi::placed;
use super::{Refusal, Tokens, LONG};

/// Of literals: those with a text or bytes, in either form, and integers.
const LEXED: u32 = 0;
const STRING: u32 = 1;
const CHARACTER: u32 = 2;
const BYTE: u32 = 3;
const BYTES: u32 = 4;
const C_STRING: u32 = 5;
const UNSIGNED: u32 = 6;
const SIGNED: u32 = 7;
const SINGLE: u32 = 8;
const DOUBLE: u32 = 9;
const NO_TEXT: &str = "a text that is not UTF-8";
const INFINITE: &str = "a float that is not finite";
/// In the value of an integer: it is 16 bytes of memory.
const WIDE: u32 = 32;

impl Tokens {
    /// The native literal that the guest's constructor stands for.
    pub(super) fn literal(&mut self, memory: &Memory, head: u32, at: u32) -> Option<Literal> {
        let (form, value) = (head >> 3 & 31, head >> 8);
        let mut bytes: &[u8] = &[];
        if form != CHARACTER && form != BYTE && form <= C_STRING {
            bytes = some!(self.bytes(memory, value, at));
        }
        let mut number = at as u128;
        if form == SIGNED {
            number = at as i32 as u128;
        }
        if value & WIDE != 0 && (form == UNSIGNED || form == SIGNED) {
            let low = some!(self.long(memory, at));
            number = low as u128 | (some!(self.long(memory, at.wrapping_add(8))) as u128) << 64;
        }
        Some(match form {
            LEXED => match Literal::from_str(some!(self.text(bytes, NO_TEXT))) {
                Ok(literal) => literal,
                Err(_) => return self.no_literal("a literal that is none"),
            },
            STRING => {
                let text = some!(self.text(bytes, NO_TEXT));
                match placed(self.own, text) {
                    Some(text) => Literal::string(&text),
                    None => Literal::string(text),
                }
            }
            CHARACTER if at > 0x10_ffff || (at >= 0xd800 && at < 0xe000) => {
                return self.no_literal("a character that is none");
            }
            // SAFETY: it is a character's number.
            CHARACTER => Literal::character(unsafe { mem::transmute::<u32, char>(at) }),
            BYTE => Literal::byte_character(at as u8),
            BYTES => Literal::byte_string(bytes),
            C_STRING => {
                let mut string = Vec::new();
                string.extend_from_slice(bytes);
                string.extend_from_slice(&[0]);
                match CStr::from_bytes_with_nul(&string) {
                    Ok(string) => Literal::c_string(string),
                    Err(_) => return self.no_literal("a C string with a NUL in it"),
                }
            }
            UNSIGNED => unsigned(number, value & 31),
            SIGNED => signed(number as i128, value & 31),
            SINGLE if at >> 23 & 0xff == 0xff => return self.no_literal(INFINITE),
            SINGLE => {
                // SAFETY: any bits are a number.
                let number = unsafe { mem::transmute::<u32, f32>(at) };
                if value == 0 {
                    Literal::f32_unsuffixed(number)
                } else {
                    Literal::f32_suffixed(number)
                }
            }
            DOUBLE => {
                let bits = some!(self.long(memory, at));
                if bits >> 52 & 0x7ff == 0x7ff {
                    return self.no_literal(INFINITE);
                }
                // SAFETY: any bits are a number.
                let number = unsafe { mem::transmute::<u64, f64>(bits) };
                if value == 0 {
                    Literal::f64_unsuffixed(number)
                } else {
                    Literal::f64_suffixed(number)
                }
            }
            _ => return self.no_literal("a literal of no known form"),
        })
    }

    fn no_literal(&mut self, why: &'static str) -> Option<Literal> {
        self.refusal = Refusal::Damaged(why);
        None
    }

    /// The bytes of a text or of a string's value.
    fn bytes<'a>(&mut self, memory: &'a Memory, len: u32, at: u32) -> Option<&'a [u8]> {
        if len != LONG {
            return self.read(memory, at, len);
        }
        match memory.read_u32(at) {
            Ok(len) => self.read(memory, at.wrapping_add(4), len),
            Err(_) => {
                self.refusal = Refusal::Memory;
                None
            }
        }
    }

    pub(super) fn read<'a>(&mut self, memory: &'a Memory, at: u32, len: u32) -> Option<&'a [u8]> {
        match memory.read(at, len) {
            Ok(bytes) => Some(bytes),
            Err(_) => {
                self.refusal = Refusal::Memory;
                None
            }
        }
    }

    fn long(&mut self, memory: &Memory, at: u32) -> Option<u64> {
        match memory.read_u64(at) {
            Ok(value) => Some(value),
            Err(_) => {
                self.refusal = Refusal::Memory;
                None
            }
        }
    }

    pub(super) fn text<'a>(&mut self, bytes: &'a [u8], what: &'static str) -> Option<&'a str> {
        match str::from_utf8(bytes) {
            Ok(text) => Some(text),
            Err(_) => {
                self.refusal = Refusal::Damaged(what);
                None
            }
        }
    }
}

fn unsigned(n: u128, suffix: u32) -> Literal {
    match suffix {
        1 => Literal::u8_suffixed(n as u8),
        2 => Literal::u16_suffixed(n as u16),
        3 => Literal::u32_suffixed(n as u32),
        4 => Literal::u64_suffixed(n as u64),
        5 => Literal::u128_suffixed(n),
        6 => Literal::usize_suffixed(n as usize),
        _ => Literal::u128_unsuffixed(n),
    }
}

fn signed(n: i128, suffix: u32) -> Literal {
    match suffix {
        7 => Literal::i8_suffixed(n as i8),
        8 => Literal::i16_suffixed(n as i16),
        9 => Literal::i32_suffixed(n as i32),
        10 => Literal::i64_suffixed(n as i64),
        11 => Literal::i128_suffixed(n),
        12 => Literal::isize_suffixed(n as isize),
        _ => Literal::i128_unsuffixed(n),
    }
}

/// Constructors for compilers without them (before 1.79); elsewhere the inherent ones come first.
trait LiteralMethods {
    fn byte_character(byte: u8) -> Literal {
        escaped("b'", &[byte], "'")
    }

    fn c_string(string: &CStr) -> Literal {
        escaped("c\"", string.to_bytes(), "\"")
    }
}

impl LiteralMethods for Literal {}

fn escaped(start: &str, bytes: &[u8], end: &str) -> Literal {
    let mut text = owned(start);
    let mut i = 0;
    while i < bytes.len() {
        print(&mut text, format_args!("\\x{:02x}", bytes[i]));
        i += 1;
    }
    text.push_str(end);
    match Literal::from_str(&text) {
        Ok(literal) => literal,
        Err(_) => Literal::string(&text),
    }
}
