//! C functions that std wants and not every wasi-libc has (that of Debian 12 has none of them).
//!
//! Threads cannot be started; a macro that tries gets std's error, instead of failing to link
//! because some dependency mentions threads.

use std::ffi::{c_char, c_int, c_void, CStr, OsStr};
use std::os::wasi::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use crate::abi::{answer, host};

const ENOTSUP: c_int = 58;
const ERANGE: c_int = 68;

#[no_mangle]
extern "C" fn pthread_create(
    _: *mut c_void,
    _: *const c_void,
    _: *const c_void,
    _: *mut c_void,
) -> c_int {
    const WHAT: &str = "a thread";
    // SAFETY: the host reads the text.
    unsafe { host::refused(WHAT.as_ptr(), WHAT.len() as u32) };
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
    #[thread_local]
    static mut errno: c_int;
}

extern "C" {
    /// The C library's table of variables; before anybody has asked it for that, no address.
    static mut __wasilibc_environ: *const *mut c_char;
    fn __wasi_environ_sizes_get(number: *mut usize, bytes: *mut usize) -> u16;
    fn __wasi_environ_get(table: *mut *mut c_char, text: *mut c_char) -> u16;
}

/// The variables, as long as the macro cannot have changed any. It is no state of the macro's: the host gives
/// the same ones each time.
static mut VARIABLES: *const *mut c_char = std::ptr::null();

pub fn own() -> (usize, usize) {
    crate::state::range(&raw const VARIABLES)
}

unsafe fn variables() -> *const *mut c_char {
    if __wasilibc_environ as usize != usize::MAX {
        return __wasilibc_get_environ();
    }
    if VARIABLES.is_null() {
        let (mut number, mut bytes) = (0, 0);
        if __wasi_environ_sizes_get(&mut number, &mut bytes) != 0 {
            return std::ptr::null();
        }
        let table_bytes = (number + 1) * std::mem::size_of::<*mut c_char>();
        let (at, _) = crate::heap::own_pages(table_bytes + bytes);
        if at == 0 || __wasi_environ_get(at as *mut _, (at + table_bytes) as *mut c_char) != 0 {
            return std::ptr::null();
        }
        VARIABLES = at as *const *mut c_char;
    }
    VARIABLES
}

/// The host hears which variables a macro asks for; it has given all that the macro may see.
#[no_mangle]
unsafe extern "C" fn getenv(name: *const c_char) -> *mut c_char {
    let name = CStr::from_ptr(name).to_bytes();
    if std::str::from_utf8(name).is_ok() {
        host::variable(name.as_ptr(), name.len() as u32);
    }
    let value = variable(name);
    crate::trace::variable(name, value);
    value
}

pub unsafe fn variable(name: &[u8]) -> *mut c_char {
    let mut entries = variables();
    while !entries.is_null() && !(*entries).is_null() {
        let entry = CStr::from_ptr(*entries).to_bytes();
        if entry.get(name.len()) == Some(&b'=') && entry.starts_with(name) {
            return (*entries).add(name.len() + 1);
        }
        entries = entries.add(1);
    }
    std::ptr::null_mut()
}

/// The host's path for this one, without links; for an empty one, that of the current directory.
fn real_path(path: &[u8]) -> Option<Vec<u8>> {
    // SAFETY: the host reads the path.
    let found = unsafe { host::real_path(path.as_ptr(), path.len() as u32) };
    (found as u32 != 0).then(|| answer((found >> 32) as u32).into_bytes())
}

/// What `chdir` changes. wasi-libc has it in one file with the function below.
#[no_mangle]
static mut __wasilibc_cwd: *const c_char = ROOT.as_ptr();
const ROOT: &CStr = c"/";

/// The directory in which the compiler runs.
#[no_mangle]
unsafe extern "C" fn getcwd(to: *mut c_char, len: usize) -> *mut c_char {
    let own = CStr::from_ptr(__wasilibc_cwd);
    let dir = match real_path(b"").filter(|_| own == ROOT) {
        Some(dir) => dir,
        None => own.to_bytes().to_vec(),
    };
    if !to.is_null() && dir.len() >= len {
        errno = ERANGE;
        return std::ptr::null_mut();
    }
    copied(&dir, to)
}

/// The path without links, `.` and `..`, if it exists.
#[no_mangle]
unsafe extern "C" fn realpath(path: *const c_char, to: *mut c_char) -> *mut c_char {
    let path = Path::new(OsStr::from_bytes(CStr::from_ptr(path).to_bytes()));
    // On failure this leaves the error number where the caller looks for it.
    if std::fs::metadata(path).is_err() {
        return std::ptr::null_mut();
    }
    if let Some(real) = real_path(path.as_os_str().as_bytes()) {
        return copied(&real, to);
    }
    // A directory above the granted ones, of which the host tells no more.
    let mut out = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => out.push(name),
            Component::ParentDir => drop(out.pop()),
            _ => {}
        }
    }
    copied(out.as_os_str().as_bytes(), to)
}

/// The text with its NUL, at `to` or in a block of its own.
unsafe fn copied(text: &[u8], to: *mut c_char) -> *mut c_char {
    let to = if to.is_null() { malloc(text.len() + 1) } else { to };
    if !to.is_null() {
        std::ptr::copy_nonoverlapping(text.as_ptr().cast(), to, text.len());
        to.add(text.len()).write(0);
    }
    to
}
