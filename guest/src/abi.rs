//! The records and host calls of docs/token-abi.md.

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

/// The host calls, in modules of their own names.
pub mod host {
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
