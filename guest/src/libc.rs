//! C functions that std wants and not every wasi-libc has (that of Debian 12 has none of them).
//!
//! Threads cannot be started; a macro that tries gets std's error, instead of failing to link
//! because some dependency mentions threads.

use std::ffi::{c_char, c_int, c_void, CStr, OsStr};
use std::os::wasi::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

const ENOTSUP: c_int = 58;

#[no_mangle]
extern "C" fn pthread_create(
    _: *mut c_void,
    _: *const c_void,
    _: *const c_void,
    _: *mut c_void,
) -> c_int {
    ENOTSUP
}

#[no_mangle]
extern "C" fn pthread_join(_: *mut c_void, _: *mut c_void) -> c_int {
    ENOTSUP
}

#[no_mangle]
extern "C" fn pthread_attr_init(_: *mut c_void) -> c_int {
    0
}

#[no_mangle]
extern "C" fn pthread_attr_destroy(_: *mut c_void) -> c_int {
    0
}

#[no_mangle]
extern "C" fn pthread_attr_setstacksize(_: *mut c_void, _: usize) -> c_int {
    0
}

extern "C" {
    fn malloc(bytes: usize) -> *mut c_char;
}

/// The path without `.` and `..`, if it exists: the host follows links and shows none.
#[no_mangle]
unsafe extern "C" fn realpath(path: *const c_char, resolved: *mut c_char) -> *mut c_char {
    let path = Path::new(OsStr::from_bytes(CStr::from_ptr(path).to_bytes()));
    // On failure this leaves the error number where the caller looks for it.
    if std::fs::metadata(path).is_err() {
        return std::ptr::null_mut();
    }
    let mut out = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => out.push(name),
            Component::ParentDir => drop(out.pop()),
            _ => {}
        }
    }
    let bytes = out.as_os_str().as_bytes();
    let to = if resolved.is_null() { malloc(bytes.len() + 1) } else { resolved };
    if !to.is_null() {
        std::ptr::copy_nonoverlapping(bytes.as_ptr().cast(), to, bytes.len());
        to.add(bytes.len()).write(0);
    }
    to
}
