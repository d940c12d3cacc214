//! `Literal`: text as it was written, or the value that a constructor was given.
//!
//! The host makes the native literal with the constructor of the same name, so that escapes are
//! those of the compiler that runs.

use std::ffi::CStr;
use std::fmt;
use std::ops::{Bound, RangeBounds};
use std::str::FromStr;

use crate::abi::{answer, host, Record, LITERAL};
use crate::arena::{call_site, keep, take};
use crate::errno::native;
use crate::span::Span;
use crate::stream::LexError;
use crate::tree::{debug, Punct, Spacing};

const TEXT: u32 = 0;
const STRING: u32 = 1;
const CHARACTER: u32 = 2;
const BYTE_CHARACTER: u32 = 3;
const BYTE_STRING: u32 = 4;
const C_STRING: u32 = 5;
const UNSIGNED: u32 = 6;
const SIGNED: u32 = 7;
const F32: u32 = 8;
const F64: u32 = 9;

/// In `head >> 8` of an integer: its value is 16 bytes of memory.
const WIDE: u32 = 32;

const SUFFIXES: [&str; 13] =
    ["", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize"];

/// A literal string (`"hello"`), byte string (`b"hello"`), C string (`c"hello"`),
/// character (`'a'`), byte character (`b'a'`), an integer or floating point number
/// with or without a suffix (`1`, `1u8`, `2.3`, `2.3f32`).
#[derive(Clone)]
pub struct Literal(pub(crate) Record);

macro_rules! integers {
    ($($make:ident, $value:ident as $wide:ident, $type:ident, $suffix:expr;)*) => {$(
        /// Creates a new integer literal with the specified value.
        pub fn $make(n: $type) -> Literal {
            Literal::$value(n as $wide, $suffix)
        }
    )*};
}

impl Literal {
    integers! {
        u8_suffixed, unsigned as u128, u8, 1;
        u16_suffixed, unsigned as u128, u16, 2;
        u32_suffixed, unsigned as u128, u32, 3;
        u64_suffixed, unsigned as u128, u64, 4;
        u128_suffixed, unsigned as u128, u128, 5;
        usize_suffixed, unsigned as u128, usize, 6;
        i8_suffixed, signed as i128, i8, 7;
        i16_suffixed, signed as i128, i16, 8;
        i32_suffixed, signed as i128, i32, 9;
        i64_suffixed, signed as i128, i64, 10;
        i128_suffixed, signed as i128, i128, 11;
        isize_suffixed, signed as i128, isize, 12;
        u8_unsuffixed, unsigned as u128, u8, 0;
        u16_unsuffixed, unsigned as u128, u16, 0;
        u32_unsuffixed, unsigned as u128, u32, 0;
        u64_unsuffixed, unsigned as u128, u64, 0;
        u128_unsuffixed, unsigned as u128, u128, 0;
        usize_unsuffixed, unsigned as u128, usize, 0;
        i8_unsuffixed, signed as i128, i8, 0;
        i16_unsuffixed, signed as i128, i16, 0;
        i32_unsuffixed, signed as i128, i32, 0;
        i64_unsuffixed, signed as i128, i64, 0;
        i128_unsuffixed, signed as i128, i128, 0;
        isize_unsuffixed, signed as i128, isize, 0;
    }

    fn new(sub: u32, value: u32, at: *const u8) -> Literal {
        let head = LITERAL | sub << 3 | value << 8;
        Literal(Record { head, at, span: call_site(), id: 0 })
    }

    fn unsigned(n: u128, suffix: u32) -> Literal {
        match u32::try_from(n) {
            Ok(n) => Literal::new(UNSIGNED, suffix, n as *const u8),
            Err(_) => Literal::new(UNSIGNED, suffix | WIDE, keep_number(&n.to_le_bytes())),
        }
    }

    fn signed(n: i128, suffix: u32) -> Literal {
        match i32::try_from(n) {
            Ok(n) => Literal::new(SIGNED, suffix, n as *const u8),
            Err(_) => Literal::new(SIGNED, suffix | WIDE, keep_number(&n.to_le_bytes())),
        }
    }

    fn of_bytes(sub: u32, bytes: &[u8]) -> Literal {
        let (len, at) = keep(bytes);
        Literal::new(sub, len, at)
    }

    /// Creates a new unsuffixed floating-point literal.
    pub fn f32_unsuffixed(n: f32) -> Literal {
        Literal::float(n.is_finite(), &n);
        Literal::new(F32, 0, n.to_bits() as *const u8)
    }

    /// Creates a new suffixed floating-point literal.
    pub fn f32_suffixed(n: f32) -> Literal {
        Literal::float(n.is_finite(), &n);
        Literal::new(F32, 1, n.to_bits() as *const u8)
    }

    /// Creates a new unsuffixed floating-point literal.
    pub fn f64_unsuffixed(n: f64) -> Literal {
        Literal::float(n.is_finite(), &n);
        Literal::new(F64, 0, keep_number(&n.to_le_bytes()))
    }

    /// Creates a new suffixed floating-point literal.
    pub fn f64_suffixed(n: f64) -> Literal {
        Literal::float(n.is_finite(), &n);
        Literal::new(F64, 1, keep_number(&n.to_le_bytes()))
    }

    fn float(is_finite: bool, n: &dyn fmt::Display) {
        if !is_finite {
            panic!("Invalid float literal {n}");
        }
    }

    /// String literal.
    pub fn string(string: &str) -> Literal {
        Literal::of_bytes(STRING, native(string).as_bytes())
    }

    /// Character literal.
    pub fn character(ch: char) -> Literal {
        Literal::new(CHARACTER, 0, ch as usize as *const u8)
    }

    /// Byte character literal.
    pub fn byte_character(byte: u8) -> Literal {
        Literal::new(BYTE_CHARACTER, 0, byte as usize as *const u8)
    }

    /// Byte string literal.
    pub fn byte_string(bytes: &[u8]) -> Literal {
        Literal::of_bytes(BYTE_STRING, bytes)
    }

    /// C string literal.
    pub fn c_string(string: &CStr) -> Literal {
        Literal::of_bytes(C_STRING, string.to_bytes())
    }

    /// Returns the span encompassing this literal.
    #[inline]
    pub fn span(&self) -> Span {
        Span::from_handle(self.0.span)
    }

    /// Configures the span associated for this literal.
    #[inline]
    pub fn set_span(&mut self, span: Span) {
        self.0.span = span.0;
    }

    /// A span that is a part of this literal's, by bytes of its source. `None` where the compiler
    /// does not offer it, or would say so itself.
    pub fn subspan<R: RangeBounds<usize>>(&self, range: R) -> Option<Span> {
        let start = match range.start_bound() {
            Bound::Included(&start) => start,
            Bound::Excluded(&start) => start.checked_add(1)?,
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&end) => end.checked_add(1)?,
            Bound::Excluded(&end) => end,
            Bound::Unbounded => usize::MAX,
        };
        let record = (&raw const self.0) as u32;
        // SAFETY: the host reads the record.
        match unsafe { host::unstable(2, record, start as u32, end as u32) } as u32 {
            0 => None,
            handle => Some(Span::from_handle(handle)),
        }
    }

    /// What `ToString` gives.
    #[doc(hidden)]
    pub fn to_string(&self) -> String {
        let value = self.0.len();
        let suffix = SUFFIXES[value as usize % 32 % 13];
        let small = self.0.at as usize as u32;
        match self.0.sub() {
            TEXT => String::from(self.0.text()),
            UNSIGNED if value & WIDE == 0 => format!("{small}{suffix}"),
            UNSIGNED => format!("{}{suffix}", u128::from_le_bytes(number(self.0.at))),
            SIGNED if value & WIDE == 0 => format!("{}{suffix}", small as i32),
            SIGNED => format!("{}{suffix}", i128::from_le_bytes(number(self.0.at))),
            F32 => float(f32::from_bits(small).to_string(), value, "f32"),
            F64 => float(f64::from_le_bytes(number(self.0.at)).to_string(), value, "f64"),
            // SAFETY: the host reads one record.
            _ => answer(unsafe { host::literal_text((&raw const self.0).cast()) }),
        }
    }
}

fn float(mut text: String, suffixed: u32, suffix: &str) -> String {
    if suffixed != 0 {
        text.push_str(suffix);
    } else if !text.contains('.') {
        text.push_str(".0");
    }
    text
}

fn keep_number(bytes: &[u8]) -> *const u8 {
    let at = take(bytes.len());
    // SAFETY: the room was just taken.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), at, bytes.len()) };
    at
}

fn number<const N: usize>(at: *const u8) -> [u8; N] {
    // SAFETY: `keep_number` put that many bytes there.
    unsafe { at.cast::<[u8; N]>().read() }
}

/// Whether it is printed with a minus sign: in a stream that is a token of its own.
pub(crate) fn is_negative(record: &Record) -> bool {
    match record.sub() {
        SIGNED if record.len() & WIDE == 0 => (record.at as usize as i32) < 0,
        SIGNED => i128::from_le_bytes(number(record.at)) < 0,
        F32 => f32::from_bits(record.at as usize as u32).is_sign_negative(),
        F64 => f64::from_le_bytes(number(record.at)).is_sign_negative(),
        TEXT => record.text().starts_with('-'),
        _ => false,
    }
}

/// The minus sign and the rest.
pub(crate) fn split(record: Record) -> [Record; 2] {
    let text = Literal(record).to_string();
    let mut minus = Punct::new('-', Spacing::Alone).0;
    let mut rest = Literal::of_bytes(TEXT, text[1..].as_bytes()).0;
    minus.span = record.span;
    rest.span = record.span;
    [minus, rest]
}

/// Parse a single literal from its stringified representation.
impl FromStr for Literal {
    type Err = LexError;

    fn from_str(src: &str) -> Result<Self, LexError> {
        // SAFETY: the host reads the text.
        let result = unsafe { host::parse_literal(src.as_ptr(), src.len() as u32) };
        let (len, id) = ((result >> 32) as u32, result as u32);
        if id == 0 {
            return Err(LexError::from_answer(len));
        }
        let mut literal = Literal::of_bytes(TEXT, answer(len).as_bytes());
        literal.0.id = id;
        literal.0.span = id * 4;
        Ok(literal)
    }
}

/// The parts that natively are printed one by one, each padded to the width asked for.
fn parts(text: &str) -> Vec<&str> {
    let quote = text.find(['"', '\'']);
    let Some(open) = quote.filter(|_| !text.starts_with(|c: char| c.is_ascii_digit() || c == '-'))
    else {
        let start = text.find(|c: char| !(c.is_ascii_digit() || c == '_' || c == '-'));
        return number_parts(text, start.unwrap_or(text.len()));
    };
    let close = text.rfind(text.as_bytes()[open] as char).unwrap_or(open);
    let hashes = text[..open].bytes().filter(|&b| b == b'#').count();
    let raw = text[..open].trim_end_matches('#').ends_with('r');
    if !raw {
        return vec![
            &text[..=open],
            &text[open + 1..close],
            &text[close..=close],
            &text[close + 1..],
        ];
    }
    let end = close + 1 + hashes;
    vec![
        &text[..open - hashes],
        &text[open - hashes..open],
        &text[open..=open],
        &text[open + 1..close],
        &text[close..=close],
        &text[close + 1..end],
        &text[end..],
    ]
}

/// A number and its suffix; `end`: where the leading digits end.
fn number_parts(text: &str, mut end: usize) -> Vec<&str> {
    let bytes = text.as_bytes();
    let digits = |mut at: usize| {
        while at < bytes.len() && (bytes[at].is_ascii_digit() || bytes[at] == b'_') {
            at += 1;
        }
        at
    };
    if text.trim_start_matches('-').starts_with("0x") {
        let is_hex = |b: &u8| b.is_ascii_hexdigit() || *b == b'_';
        end += 1 + bytes[end + 1..].iter().take_while(|b| is_hex(b)).count();
        return vec![&text[..end], &text[end..]];
    }
    if text.trim_start_matches('-').starts_with("0b")
        || text.trim_start_matches('-').starts_with("0o")
    {
        end = digits(end + 1);
        return vec![&text[..end], &text[end..]];
    }
    if bytes.get(end) == Some(&b'.') {
        end = digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = matches!(bytes.get(end + 1), Some(b'+' | b'-')) as usize;
        end = digits(end + 1 + sign);
    }
    vec![&text[..end], &text[end..]]
}

/// Prints the literal as a string that should be losslessly convertible back into the same literal.
impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.width().is_none() && f.precision().is_none() {
            return match self.0.sub() {
                TEXT => f.write_str(self.0.text()),
                _ => f.write_str(&self.to_string()),
            };
        }
        for part in parts(&self.to_string()) {
            f.pad(part)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(&self.0, f)
    }
}
