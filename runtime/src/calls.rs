//! The one list of host calls: lowering resolves imports through it, the runtime dispatches by index.

/// One host call. The types are wasm value type bytes (0x7f i32, 0x7e i64).
pub struct Call {
    pub module: &'static str,
    pub name: &'static str,
    pub params: &'static [u8],
    pub results: &'static [u8],
}

pub static CALLS: &[Call] = &[];
