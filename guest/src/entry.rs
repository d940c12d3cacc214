//! What the host calls, and how a macro function is called.

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

static mut INPUT: *mut u8 = std::ptr::null_mut();

/// Starts an expansion; where the host writes `len` bytes of input.
#[export_name = "precast_buffer"]
extern "C" fn buffer(len: u32) -> *mut u8 {
    arena::reset();
    // 16 more, because the arena aligns to 8.
    let at = arena::take(len as usize + 16);
    // SAFETY: there is one thread.
    unsafe {
        INPUT = (at as usize).next_multiple_of(16) as *mut u8;
        INPUT
    }
}

/// Input stream `i`.
fn input(i: usize) -> TokenStream {
    // SAFETY: the host has written the input.
    unsafe {
        if i == 0 {
            let words = INPUT.cast::<u32>();
            if words.read() != ABI {
                panic!("precast: the shim speaks another version of the token ABI");
            }
            arena::start_epoch(words.add(1).read());
        }
        adopt(INPUT, i)
    }
}

fn output(stream: TokenStream) -> *const TokenStream {
    static mut OUTPUT: TokenStream = TokenStream { at: std::ptr::null(), len: 0, id: 0 };
    stream.check();
    // SAFETY: there is one thread.
    unsafe {
        OUTPUT = stream;
        &raw const OUTPUT
    }
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
