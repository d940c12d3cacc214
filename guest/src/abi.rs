//! The guest's side of the token ABI (docs/token-abi.md): records and host calls.

pub const ABI: u32 = 1;

pub const GROUP: u32 = 0;
pub const IDENT: u32 = 1;
pub const PUNCT: u32 = 2;
pub const LITERAL: u32 = 3;
pub const SPLICE: u32 = 4;

/// In `w0` of a group: it is the native one.
pub const ORIGINAL: u32 = 1 << 5;
/// A text's length is at its address; a stream is not read yet.
pub const LONG: u32 = 0xff_ffff;

/// One token.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Record {
    pub head: u32,
    pub at: *const u8,
    pub span: u32,
    pub id: u32,
}

impl Record {
    pub fn len(&self) -> u32 {
        self.head >> 8
    }

    pub fn sub(&self) -> u32 {
        self.head >> 3 & 31
    }

    /// The text of an ident or of a literal that is text.
    pub fn text(&self) -> &'static str {
        if self.span < crate::arena::call_site() {
            stale("use-after-free of `proc_macro` symbol");
        }
        if self.len() == LONG {
            return self.long_text();
        }
        // SAFETY: such a record points at that many bytes of UTF-8, which live as long as the
        // expansion; spans of later expansions are larger.
        unsafe {
            std::str::from_utf8_unchecked(std::slice::from_raw_parts(self.at, self.len() as usize))
        }
    }

    #[cold]
    fn long_text(&self) -> &'static str {
        if self.id != 0 {
            // SAFETY: the host reads one record.
            let text = answer(unsafe { host::literal_text((self as *const Record).cast()) });
            let (_, at) = crate::arena::keep(text.as_bytes());
            return Record { at, id: 0, ..*self }.long_text();
        }
        // SAFETY: `keep` has put the length before the text.
        unsafe {
            let len = self.at.cast::<u32>().read_unaligned() as usize;
            std::str::from_utf8_unchecked(std::slice::from_raw_parts(self.at.add(4), len))
        }
    }
}

/// Natively these are panics as well, with these messages.
#[cold]
#[inline(never)]
pub fn stale(what: &str) -> ! {
    panic!("{}", what)
}

/// The host calls. What answers depend on more than the expansion's input is traced, should the expansion be
/// remembered (`trace.rs`).
pub mod host {
    use crate::trace;

    mod imported {
        #[link(wasm_import_module = "precast")]
        extern "C" {
            pub fn panic(text: *const u8, len: u32) -> !;
            pub fn panic_any() -> !;
            pub fn answer(to: *mut u8);
            pub fn parse_stream(text: *const u8, len: u32) -> u64;
            pub fn parse_literal(text: *const u8, len: u32) -> u64;
            pub fn read_stream(id: u32) -> u32;
            pub fn ident(text: *const u8, len: u32, raw: u32) -> u32;
            pub fn display(stream: *const u8) -> u32;
            pub fn literal_text(record: *const u8) -> u32;
            pub fn debug(at: *const u8, stream: u32, alternate: u32) -> u32;
            pub fn span_text(span: u32, what: u32) -> u64;
            pub fn span_number(span: u32, what: u32) -> u32;
            pub fn span_derive(span: u32, other: u32, what: u32) -> u32;
            pub fn attempt(at: *mut u8, function: extern "C" fn(*mut u8)) -> u32;
            pub fn caught() -> u64;
            pub fn unstable(what: u32, a: u32, b: u32, c: u32) -> u64;
            pub fn variable(name: *const u8, len: u32);
            pub fn real_path(path: *const u8, len: u32) -> u64;
            pub fn about(what: u32) -> u64;
            pub fn refused(what: *const u8, len: u32);
            pub fn libm(op: u32, x: u64, y: u64) -> u64;
        }
    }

    pub use imported::{libm, panic, panic_any};

    pub unsafe fn answer(to: *mut u8) {
        imported::answer(to);
        trace::answered(to);
    }

    pub unsafe fn parse_stream(text: *const u8, len: u32) -> u64 {
        let result = imported::parse_stream(text, len);
        trace::parsed(trace::PARSE_STREAM, text, len, result);
        result
    }

    pub unsafe fn parse_literal(text: *const u8, len: u32) -> u64 {
        let result = imported::parse_literal(text, len);
        trace::parsed(trace::PARSE_LITERAL, text, len, result);
        result
    }

    pub unsafe fn read_stream(id: u32) -> u32 {
        let len = imported::read_stream(id);
        trace::read_stream(id, len);
        len
    }

    pub unsafe fn ident(text: *const u8, len: u32, raw: u32) -> u32 {
        let result = imported::ident(text, len, raw);
        trace::ident(text, len, raw, result);
        result
    }

    pub unsafe fn display(stream: *const u8) -> u32 {
        let len = imported::display(stream);
        trace::printed(trace::DISPLAY, stream, len);
        len
    }

    pub unsafe fn literal_text(record: *const u8) -> u32 {
        let len = imported::literal_text(record);
        trace::printed(trace::LITERAL_TEXT, record, len);
        len
    }

    pub unsafe fn debug(at: *const u8, stream: u32, alternate: u32) -> u32 {
        let len = imported::debug(at, stream, alternate);
        trace::printed(trace::DEBUG + 2 * stream as u8 + alternate as u8, at, len);
        len
    }

    pub unsafe fn span_text(span: u32, what: u32) -> u64 {
        let result = imported::span_text(span, what);
        trace::span_text(span, what, result);
        result
    }

    pub unsafe fn span_number(span: u32, what: u32) -> u32 {
        let result = imported::span_number(span, what);
        trace::span_number(span, what, result);
        result
    }

    pub unsafe fn span_derive(span: u32, other: u32, what: u32) -> u32 {
        let result = imported::span_derive(span, other, what);
        trace::span_made(trace::SPAN_DERIVE, span, other, what, result);
        result
    }

    pub unsafe fn attempt(at: *mut u8, function: extern "C" fn(*mut u8)) -> u32 {
        let result = imported::attempt(at, function);
        if result != 0 {
            trace::give_up();
        }
        result
    }

    pub unsafe fn caught() -> u64 {
        trace::give_up();
        imported::caught()
    }

    pub unsafe fn unstable(what: u32, a: u32, b: u32, c: u32) -> u64 {
        let result = imported::unstable(what, a, b, c);
        match what {
            0 => trace::span_made(trace::JOIN, a, b, 0, result as u32),
            _ => trace::give_up(),
        }
        result
    }

    /// `getenv` traces what is found.
    pub unsafe fn variable(name: *const u8, len: u32) {
        if len == 0 {
            trace::give_up();
        }
        imported::variable(name, len);
    }

    pub unsafe fn real_path(path: *const u8, len: u32) -> u64 {
        let result = imported::real_path(path, len);
        trace::real_path(path, len, result);
        result
    }

    pub unsafe fn about(what: u32) -> u64 {
        let result = imported::about(what);
        trace::about(what, result);
        result
    }

    pub unsafe fn refused(what: *const u8, len: u32) {
        trace::give_up();
        imported::refused(what, len);
    }
}

/// The text of the last call, which said that it has `len` bytes.
pub fn answer(len: u32) -> String {
    let mut bytes = Vec::with_capacity(len as usize);
    // SAFETY: the host writes exactly `len` bytes of UTF-8.
    unsafe {
        host::answer(bytes.as_mut_ptr());
        bytes.set_len(len as usize);
        String::from_utf8_unchecked(bytes)
    }
}
