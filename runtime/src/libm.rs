//! Functions of the system's mathematical library: the one in a module gives other last bits.

/// `op` is that of docs/token-abi.md, 32 more for `f32`; numbers are their bits.
pub fn libm(op: u32, x: u64, y: u64) -> u64 {
    if op < 32 {
        double(op, f64::from_bits(x), f64::from_bits(y)).to_bits()
    } else {
        single(op - 32, f32::from_bits(x as u32), f32::from_bits(y as u32)).to_bits() as u64
    }
}

macro_rules! functions {
    ($name:ident $float:ident) => {
        fn $name(op: u32, x: $float, y: $float) -> $float {
            match op {
                0 => x.acos(),
                1 => x.asin(),
                2 => x.atan(),
                3 => x.atan2(y),
                4 => x.cbrt(),
                5 => x.cos(),
                6 => x.cosh(),
                7 => x.exp(),
                8 => x.exp2(),
                9 => x.exp_m1(),
                10 => x.hypot(y),
                11 => x.ln(),
                12 => x.log10(),
                13 => x.ln_1p(),
                14 => x.log2(),
                15 => x.powf(y),
                16 => x.sin(),
                17 => x.sinh(),
                18 => x.tan(),
                _ => x.tanh(),
            }
        }
    };
}

functions! { double f64 }
functions! { single f32 }
