//! The C library's mathematical functions, as the host's library has them: wasi-libc's give other last bits.

use crate::abi::host;

macro_rules! functions {
    ($($op:literal $double:ident $single:ident ($($y:ident)?);)*) => {$(
        #[no_mangle]
        extern "C" fn $double(x: f64 $(, $y: f64)?) -> f64 {
            let second: u64 = 0 $(+ $y.to_bits())?;
            // SAFETY: the host only computes.
            f64::from_bits(unsafe { host::libm($op, x.to_bits(), second) })
        }

        #[no_mangle]
        extern "C" fn $single(x: f32 $(, $y: f32)?) -> f32 {
            let second: u32 = 0 $(+ $y.to_bits())?;
            // SAFETY: the same.
            let bits = unsafe { host::libm($op + 32, x.to_bits().into(), second.into()) };
            f32::from_bits(bits as u32)
        }
    )*};
}

functions! {
    0 acos acosf ();
    1 asin asinf ();
    2 atan atanf ();
    3 atan2 atan2f (y);
    4 cbrt cbrtf ();
    5 cos cosf ();
    6 cosh coshf ();
    7 exp expf ();
    8 exp2 exp2f ();
    9 expm1 expm1f ();
    10 hypot hypotf (y);
    11 log logf ();
    12 log10 log10f ();
    13 log1p log1pf ();
    14 log2 log2f ();
    15 pow powf (y);
    16 sin sinf ();
    17 sinh sinhf ();
    18 tan tanf ();
    19 tanh tanhf ();
}
