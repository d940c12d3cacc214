//! The guest's entry points: the functions that the host calls, and how they call a macro.

use crate::abi::ABI;
use crate::arena;
use crate::stream::{adopt, TokenStream};

extern "C" {
    fn __wasm_call_ctors();
}

/// Called once after instantiation. That it calls the constructors itself keeps the linker from
/// wrapping every export in code that calls them again and again.
#[export_name = "precast_start"]
extern "C" fn start() -> u32 {
    // SAFETY: nothing has run before.
    unsafe { __wasm_call_ctors() };
    crate::unwind::install();
    ABI
}

/// Of the expansion that runs.
struct Current {
    input: *mut u8,
    bytes: usize,
    output: TokenStream,
}

static mut CURRENT: Current = Current {
    input: std::ptr::null_mut(),
    bytes: 0,
    output: TokenStream { at: std::ptr::null(), len: 0, id: 0 },
};

fn current() -> &'static mut Current {
    // SAFETY: there is one thread.
    unsafe { &mut *(&raw mut CURRENT) }
}

pub fn own() -> (usize, usize) {
    crate::state::range(&raw const CURRENT)
}

/// What the host has written, and its length.
pub fn written() -> (*const u8, usize) {
    (current().input, current().bytes)
}

/// Starts an expansion; where the host writes `len` bytes of input.
#[export_name = "precast_buffer"]
extern "C" fn buffer(len: u32) -> *mut u8 {
    arena::reset();
    // 16 more, because the arena aligns to 8.
    let at = arena::take(len as usize + 16);
    let input = (at as usize).next_multiple_of(16) as *mut u8;
    (current().input, current().bytes) = (input, len as usize);
    input
}

/// Input stream `i`.
fn input(i: usize) -> TokenStream {
    let input = current().input;
    if i == 0 {
        // SAFETY: the host has written the input.
        let (abi, epoch) =
            unsafe { (input.cast::<u32>().read(), input.cast::<u32>().add(1).read()) };
        if abi != ABI {
            panic!("precast: the shim speaks another version of the token ABI");
        }
        arena::start_epoch(epoch);
    }
    adopt(input, i)
}

/// Where the host finds the stream.
pub fn output(stream: TokenStream) -> *const TokenStream {
    stream.check();
    current().output = stream;
    &raw const current().output
}

pub fn derive(function: fn(TokenStream) -> TokenStream) -> i32 {
    output(function(input(0))) as i32
}

pub fn bang(function: fn(TokenStream) -> TokenStream) -> i32 {
    output(function(input(0))) as i32
}

pub fn attribute(function: fn(TokenStream, TokenStream) -> TokenStream) -> i32 {
    let args = input(0);
    output(function(args, input(1))) as i32
}
