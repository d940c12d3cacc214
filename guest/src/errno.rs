//! Errors of the system, as macros tell of them: std has WASI's numbers for them here, and natively
//! those of Unix.

use std::borrow::Cow;
use std::ffi::{c_char, c_int, CStr};

macro_rules! numbers {
    ($($text:literal $kind:ident $wasi:literal $unix:literal,)*) => {
        /// How std shows and debugs each error that the host answers with, here and natively.
        const TEXTS: &[(&str, &str)] = &[$(
            (concat!($text, " (os error ", $wasi, ")"), concat!($text, " (os error ", $unix, ")")),
            (
                concat!("Os { code: ", $wasi, ", kind: ", stringify!($kind), ","),
                concat!("Os { code: ", $unix, ", kind: ", stringify!($kind), ","),
            ),
        )*];
    };
}

numbers! {
    "Permission denied" PermissionDenied 2 13,
    "Is a directory" IsADirectory 31 21,
    "No such file or directory" NotFound 44 2,
    "Not a directory" NotADirectory 54 20,
}

/// Whether std has put such an error into words: no text is searched before.
static mut SAID: bool = false;

extern "C" {
    fn strerror(number: c_int) -> *const c_char;
}

/// What std calls for an error's text; wasi-libc's, but for the note of it.
#[no_mangle]
unsafe extern "C" fn strerror_r(number: c_int, to: *mut c_char, len: usize) -> c_int {
    const ERANGE: c_int = 68;
    SAID = true;
    let text = CStr::from_ptr(strerror(number)).to_bytes_with_nul();
    if text.len() > len {
        return ERANGE;
    }
    std::ptr::copy_nonoverlapping(text.as_ptr().cast(), to, text.len());
    0
}

/// The text as the macro would have it natively.
pub fn native(text: &str) -> Cow<'_, str> {
    // SAFETY: there is one thread.
    match unsafe { SAID } {
        true => renumbered(text),
        false => Cow::Borrowed(text),
    }
}

#[cold]
fn renumbered(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    for (wasi, unix) in TEXTS {
        if text.contains(wasi) {
            text = Cow::Owned(text.replace(wasi, unix));
        }
    }
    text
}
