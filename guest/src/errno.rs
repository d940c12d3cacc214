//! Translates error numbers: in wasm, std has those of WASI; macros print those of Unix, as natively.

use std::borrow::Cow;
use std::ffi::{c_char, c_int, CStr};

macro_rules! numbers {
    ($($wasi_text:literal $wasi:literal, $unix_text:literal $kind:ident $unix:literal;)*) => {
        /// How std shows and debugs each error that the host answers with, here and natively.
        const TEXTS: &[(&str, &str)] = &[$(
            (
                concat!($wasi_text, " (os error ", $wasi, ")"),
                concat!($unix_text, " (os error ", $unix, ")"),
            ),
            (
                concat!("Os { code: ", $wasi, ", kind: ", stringify!($kind), ", message: \"", $wasi_text),
                concat!("Os { code: ", $unix, ", kind: ", stringify!($kind), ", message: \"", $unix_text),
            ),
        )*];
    };
}

numbers! {
    "Permission denied" 2, "Permission denied" PermissionDenied 13;
    "File exists" 20, "File exists" AlreadyExists 17;
    "File too large" 22, "File too large" FileTooLarge 27;
    "Invalid argument" 28, "Invalid argument" InvalidInput 22;
    "I/O error" 29, "Input/output error" Uncategorized 5;
    "Is a directory" 31, "Is a directory" IsADirectory 21;
    "Symbolic link loop" 32, "Too many levels of symbolic links" FilesystemLoop 40;
    "No file descriptors available" 33, "Too many open files" Uncategorized 24;
    "Filename too long" 37, "File name too long" InvalidFilename 36;
    "No such file or directory" 44, "No such file or directory" NotFound 2;
    "No space left on device" 51, "No space left on device" StorageFull 28;
    "Not a directory" 54, "Not a directory" NotADirectory 20;
    "Directory not empty" 55, "Directory not empty" DirectoryNotEmpty 39;
    "Operation not permitted" 63, "Operation not permitted" PermissionDenied 1;
    "Read-only file system" 69, "Read-only file system" ReadOnlyFilesystem 30;
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
