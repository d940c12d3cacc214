//! C functions that std wants and not every wasi-libc has (that of Debian 12 has none of them).
//!
//! Threads cannot be started; a macro that tries gets std's error, instead of failing to link
//! because some dependency mentions threads.

use std::ffi::{c_char, c_int, c_void, CStr, OsStr};
use std::os::wasi::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use crate::abi::host;

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
    fn __wasilibc_get_environ() -> *const *mut c_char;
}

/// The host hears which variables a macro asks for; it has given all that the macro may see.
#[no_mangle]
unsafe extern "C" fn getenv(name: *const c_char) -> *mut c_char {
    let name = CStr::from_ptr(name).to_bytes();
    if std::str::from_utf8(name).is_ok() {
        host::variable(name.as_ptr(), name.len() as u32);
    }
    let mut entries = __wasilibc_get_environ();
    while !entries.is_null() && !(*entries).is_null() {
        let entry = CStr::from_ptr(*entries).to_bytes();
        if entry.get(name.len()) == Some(&b'=') && entry.starts_with(name) {
            return (*entries).add(name.len() + 1);
        }
        entries = entries.add(1);
    }
    std::ptr::null_mut()
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
