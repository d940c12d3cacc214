//! The rare pure operators: floating point, conversions, population count.
//!
//! Functions of `Engine`, and as few of std's as can be: each module that a function is taken from
//! costs every consumer's build a unit of code.

#![allow(unknown_lints, unnecessary_transmutes)]

use std::mem;

use super::super::image::math;
use super::super::fault::Trap;
use super::Engine;

/// 2^52: from here on every number is an integer.
const WHOLE: f64 = 4503599627370496.0;

impl Engine {
    fn f32_of(bits: u64) -> f32 {
        // SAFETY: any bits are a number.
        unsafe { mem::transmute(bits as u32) }
    }

    fn f64_of(bits: u64) -> f64 {
        // SAFETY: any bits are a number.
        unsafe { mem::transmute(bits) }
    }

    fn f64_bits(x: f64) -> u64 {
        // SAFETY: a number is its bits.
        unsafe { mem::transmute(x) }
    }

    /// `ceil`, `floor`, `trunc` and `nearest`, exact for both widths.
    fn round(number: u8, x: f64) -> f64 {
        let magnitude = Self::f64_of(Self::f64_bits(x) & !(1 << 63));
        if !(magnitude < WHOLE) {
            return x + 0.0;
        }
        // Towards zero; below, the sign of zero is that of x.
        let mut whole = magnitude as i64 as f64;
        let rest = magnitude - whole;
        let negative = x < 0.0;
        let away = match number {
            math::F32_CEIL => rest > 0.0 && !negative,
            math::F32_FLOOR => rest > 0.0 && negative,
            math::F32_TRUNC => false,
            _ => rest > 0.5 || (rest == 0.5 && magnitude as i64 & 1 == 1),
        };
        if away {
            whole += 1.0;
        }
        Self::f64_of(Self::f64_bits(whole) | (Self::f64_bits(x) & 1 << 63))
    }

    /// The value as an integer of `bits` bits, or the trap; `sat`: the nearest such integer.
    fn integer(x: f64, bits: u32, signed: bool, sat: bool) -> Result<u64, Trap> {
        if !sat {
            if x != x {
                return Err(Trap::InvalidConversionToInteger);
            }
            let whole = Self::round(math::F32_TRUNC, x);
            // The least value, and the first one beyond.
            let (low, beyond) = match (bits, signed) {
                (32, true) => (-2147483648.0, 2147483648.0),
                (32, false) => (0.0, 4294967296.0),
                (_, true) => (-9223372036854775808.0, 9223372036854775808.0),
                (_, false) => (0.0, 18446744073709551616.0),
            };
            if whole < low || whole >= beyond {
                return Err(Trap::IntegerOverflow);
            }
        }
        Ok(match (bits, signed) {
            (32, true) => x as i32 as u32 as u64,
            (32, false) => x as u32 as u64,
            (_, true) => x as i64 as u64,
            (_, false) => x as u64,
        })
    }

    /// `min` and `max`; both are exact, so 64 bits serve both widths.
    fn extreme(x: f64, y: f64, max: bool) -> f64 {
        if x != x || y != y {
            return x + y;
        }
        if x == y {
            // The signs of zeros count.
            let (x, y) = (Self::f64_bits(x), Self::f64_bits(y));
            return Self::f64_of(if max { x & y } else { x | y });
        }
        if (x < y) != max {
            x
        } else {
            y
        }
    }

    /// The operators of `f32`; those that are exact in 64 bits, and `sqrt`, are done there.
    fn single(number: u8, b: u64, c: u64) -> u64 {
        let x = Self::f32_of(b);
        let y = Self::f32_of(c);
        let r = match number {
            math::F32_ABS => return b & 0x7fff_ffff,
            math::F32_NEG => return (b ^ 0x8000_0000) & 0xffff_ffff,
            math::F32_COPYSIGN => return (b & 0x7fff_ffff) | (c & 0x8000_0000),
            math::F32_ADD => x + y,
            math::F32_SUB => x - y,
            math::F32_MUL => x * y,
            math::F32_DIV => x / y,
            _ => {
                let r = Self::double(number, Self::f64_bits(x as f64), Self::f64_bits(y as f64));
                if number >= math::F32_EQ {
                    return r;
                }
                Self::f64_of(r) as f32
            }
        };
        // SAFETY: a number is its bits.
        let bits: u32 = unsafe { mem::transmute(r) };
        // What is not a number has the same bits on every machine.
        (if r != r { 0x7fc0_0000 } else { bits }) as u64
    }

    /// The operators of `f64`, by the numbers of their `f32` twins.
    fn double(number: u8, b: u64, c: u64) -> u64 {
        let x = Self::f64_of(b);
        let y = Self::f64_of(c);
        let r = match number {
            math::F32_ABS => return b & !(1 << 63),
            math::F32_NEG => return b ^ (1 << 63),
            math::F32_COPYSIGN => return (b & !(1 << 63)) | (c & (1 << 63)),
            math::F32_SQRT => x.sqrt(),
            math::F32_ADD => x + y,
            math::F32_SUB => x - y,
            math::F32_MUL => x * y,
            math::F32_DIV => x / y,
            math::F32_MIN => Self::extreme(x, y, false),
            math::F32_MAX => Self::extreme(x, y, true),
            math::F32_EQ => return (x == y) as u64,
            math::F32_NE => return (x != y) as u64,
            math::F32_LT => return (x < y) as u64,
            math::F32_GT => return (x > y) as u64,
            math::F32_LE => return (x <= y) as u64,
            math::F32_GE => return (x >= y) as u64,
            _ => Self::round(number, x),
        };
        if r != r {
            return 0x7ff8 << 48;
        }
        Self::f64_bits(r)
    }

    /// Applies function `number` of `math` to one or two slots.
    pub fn math(number: u8, b: u64, c: u64) -> Result<u64, Trap> {
        if number < math::F64_ABS {
            return Ok(Self::single(number, b, c));
        }
        if number < math::F32_DEMOTE {
            return Ok(Self::double(number - math::F64_ABS, b, c));
        }
        if number >= math::I32_FROM_F32_S && number <= math::I64_SAT_F64_U {
            let sat = number >= math::I32_SAT_F32_S;
            // The bits of the number say which of eight.
            let which = (number - math::I32_FROM_F32_S) & 7;
            let x = if which & 2 == 0 { Self::f32_of(b) as f64 } else { Self::f64_of(b) };
            return Self::integer(x, if which & 4 == 0 { 32 } else { 64 }, which & 1 == 0, sat);
        }
        let single = match number {
            math::F32_DEMOTE => Self::f64_of(b) as f32,
            math::F32_FROM_I32_S => b as i32 as f32,
            math::F32_FROM_I32_U => b as u32 as f32,
            math::F32_FROM_I64_S => b as i64 as f32,
            math::F32_FROM_I64_U => b as f32,
            math::I32_POPCNT => return Ok((b as u32).count_ones() as u64),
            math::I64_POPCNT => return Ok(b.count_ones() as u64),
            _ => {
                return Ok(Self::f64_bits(match number {
                    math::F64_PROMOTE => Self::f32_of(b) as f64,
                    math::F64_FROM_I32_S => b as i32 as f64,
                    math::F64_FROM_I32_U => b as u32 as f64,
                    math::F64_FROM_I64_S => b as i64 as f64,
                    _ => b as f64,
                }))
            }
        };
        // SAFETY: a number is its bits.
        let bits: u32 = unsafe { mem::transmute(single) };
        Ok(bits as u64)
    }
}
