//! The rare pure operators: floating point, conversions, population count.

use super::super::image::math;
use super::super::instance::Trap;

fn f32_of(bits: u64) -> f32 {
    f32::from_bits(bits as u32)
}

fn f64_of(bits: u64) -> f64 {
    f64::from_bits(bits)
}

fn nearest(x: f64) -> f64 {
    // From here on every value is an integer.
    if !(x.abs() < 4503599627370496.0) {
        return x + 0.0;
    }
    let mut down = x.floor();
    let rest = x - down;
    if rest > 0.5 || (rest == 0.5 && down / 2.0 != (down / 2.0).floor()) {
        down += 1.0;
    }
    if down == 0.0 && x.is_sign_negative() {
        return -0.0;
    }
    down
}

/// `truncate`: the value as an integer of `bits` bits, or the trap; `sat`: the nearest such integer.
fn integer(x: f64, bits: u32, signed: bool, sat: bool) -> Result<u64, Trap> {
    let whole = x.trunc();
    if bits == 32 {
        let (low, high) = if signed { (-2147483648.0, 2147483647.0) } else { (0.0, 4294967295.0) };
        if !sat {
            if x != x {
                return Err(Trap::InvalidConversionToInteger);
            }
            if whole < low || whole > high {
                return Err(Trap::IntegerOverflow);
            }
        }
        return Ok(if signed { x as i32 as u32 as u64 } else { x as u32 as u64 });
    }
    if !sat {
        if x != x {
            return Err(Trap::InvalidConversionToInteger);
        }
        // 2^63 and 2^64 are the first values beyond.
        let (low, beyond) = if signed {
            (-9223372036854775808.0, 9223372036854775808.0)
        } else {
            (0.0, 18446744073709551616.0)
        };
        if whole < low || whole >= beyond {
            return Err(Trap::IntegerOverflow);
        }
    }
    Ok(if signed { x as i64 as u64 } else { x as u64 })
}

fn compare(number: u8, x: f64, y: f64) -> u64 {
    (match number {
        math::F32_EQ => x == y,
        math::F32_NE => x != y,
        math::F32_LT => x < y,
        math::F32_GT => x > y,
        math::F32_LE => x <= y,
        _ => x >= y,
    }) as u64
}

/// `min` and `max`; both are exact, so 64 bits serve both widths.
fn extreme(x: f64, y: f64, max: bool) -> f64 {
    if x != x || y != y {
        return x + y;
    }
    if x == y {
        // The signs of zeros count.
        let both = if max { x.to_bits() & y.to_bits() } else { x.to_bits() | y.to_bits() };
        return f64::from_bits(both);
    }
    if (x < y) != max {
        x
    } else {
        y
    }
}

/// The operators of `f32`. Those that are exact in 64 bits are done there.
fn single(number: u8, b: u64, c: u64) -> u64 {
    let x = f32_of(b);
    let y = f32_of(c);
    let r = match number {
        math::F32_ABS => return b & 0x7fff_ffff,
        math::F32_NEG => return (b ^ 0x8000_0000) & 0xffff_ffff,
        math::F32_COPYSIGN => return (b & 0x7fff_ffff) | (c & 0x8000_0000),
        math::F32_CEIL => x.ceil(),
        math::F32_FLOOR => x.floor(),
        math::F32_TRUNC => x.trunc(),
        math::F32_NEAREST => nearest(x as f64) as f32,
        math::F32_SQRT => x.sqrt(),
        math::F32_ADD => x + y,
        math::F32_SUB => x - y,
        math::F32_MUL => x * y,
        math::F32_DIV => x / y,
        math::F32_MIN => extreme(x as f64, y as f64, false) as f32,
        math::F32_MAX => extreme(x as f64, y as f64, true) as f32,
        _ => return compare(number, x as f64, y as f64),
    };
    let bits = r.to_bits();
    // A result that is not a number is a quiet one.
    if r != r {
        return (bits | 0x0040_0000) as u64;
    }
    bits as u64
}

fn double(number: u8, b: u64, c: u64) -> u64 {
    let x = f64_of(b);
    let y = f64_of(c);
    let r = match number {
        math::F32_ABS => return b & !(1 << 63),
        math::F32_NEG => return b ^ (1 << 63),
        math::F32_COPYSIGN => return (b & !(1 << 63)) | (c & (1 << 63)),
        math::F32_CEIL => x.ceil(),
        math::F32_FLOOR => x.floor(),
        math::F32_TRUNC => x.trunc(),
        math::F32_NEAREST => nearest(x),
        math::F32_SQRT => x.sqrt(),
        math::F32_ADD => x + y,
        math::F32_SUB => x - y,
        math::F32_MUL => x * y,
        math::F32_DIV => x / y,
        math::F32_MIN => extreme(x, y, false),
        math::F32_MAX => extreme(x, y, true),
        _ => return compare(number, x, y),
    };
    let bits = r.to_bits();
    if r != r {
        return bits | 1 << 51;
    }
    bits
}

/// Applies function `number` of `math` to one or two slots.
pub fn apply(number: u8, b: u64, c: u64) -> Result<u64, Trap> {
    if number < math::F64_ABS {
        return Ok(single(number, b, c));
    }
    if number < math::F32_DEMOTE {
        return Ok(double(number - math::F64_ABS, b, c));
    }
    if number >= math::I32_FROM_F32_S && number <= math::I64_SAT_F64_U {
        let sat = number >= math::I32_SAT_F32_S;
        // Two of eight: the bits of the number say which.
        let which = (number - math::I32_FROM_F32_S) & 7;
        let x = if which & 2 == 0 { f32_of(b) as f64 } else { f64_of(b) };
        return integer(x, if which & 4 == 0 { 32 } else { 64 }, which & 1 == 0, sat);
    }
    Ok(match number {
        math::F32_DEMOTE => (f64_of(b) as f32).to_bits() as u64,
        math::F64_PROMOTE => (f32_of(b) as f64).to_bits(),
        math::F32_FROM_I32_S => (b as i32 as f32).to_bits() as u64,
        math::F32_FROM_I32_U => (b as u32 as f32).to_bits() as u64,
        math::F32_FROM_I64_S => (b as i64 as f32).to_bits() as u64,
        math::F32_FROM_I64_U => (b as f32).to_bits() as u64,
        math::F64_FROM_I32_S => (b as i32 as f64).to_bits(),
        math::F64_FROM_I32_U => (b as u32 as f64).to_bits(),
        math::F64_FROM_I64_S => (b as i64 as f64).to_bits(),
        math::F64_FROM_I64_U => (b as f64).to_bits(),
        math::I32_POPCNT => (b as u32).count_ones() as u64,
        _ => b.count_ones() as u64,
    })
}
