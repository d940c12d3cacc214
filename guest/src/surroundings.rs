//! What std tells of the process and the system, where it knows nothing in wasm: the host does.

use std::env::VarsOs;
use std::path::PathBuf;

use crate::abi::{answer, host};

/// The numbers of docs/token-abi.md.
const ID: u32 = 0;
const TEMP_DIR: u32 = 1;
const HOME_DIR: u32 = 2;
const CURRENT_EXE: u32 = 3;
const AVAILABLE_PARALLELISM: u32 = 12;

fn text(what: u32) -> Option<String> {
    // SAFETY: the host leaves a text of that length.
    let found = unsafe { host::about(what) };
    (found as u32 != 0).then(|| answer((found >> 32) as u32))
}

/// Names as std's constants have them: what was compiled for wasm knows the system only when it runs.
#[allow(non_snake_case)]
pub mod consts {
    macro_rules! constants {
        ($($name:ident $what:literal,)*) => {$(
            pub fn $name() -> &'static str {
                static mut KEPT: Option<&str> = None;
                // SAFETY: there is one thread.
                unsafe {
                    if KEPT.is_none() {
                        KEPT = Some(String::leak(super::text($what).unwrap_or_default()));
                    }
                    KEPT.unwrap_or_default()
                }
            }
        )*};
    }

    constants! {
        ARCH 4,
        DLL_EXTENSION 5,
        DLL_PREFIX 6,
        DLL_SUFFIX 7,
        EXE_EXTENSION 8,
        EXE_SUFFIX 9,
        FAMILY 10,
        OS 11,
    }
}

pub fn id() -> u32 {
    // SAFETY: the host reads nothing.
    unsafe { host::about(ID) as u32 }
}

pub fn available_parallelism() -> std::io::Result<std::num::NonZeroUsize> {
    // SAFETY: the host reads nothing.
    let number = unsafe { host::about(AVAILABLE_PARALLELISM) };
    std::num::NonZeroUsize::new(number as usize)
        .ok_or_else(|| std::io::ErrorKind::Unsupported.into())
}

pub fn temp_dir() -> PathBuf {
    text(TEMP_DIR).unwrap_or_default().into()
}

pub fn home_dir() -> Option<PathBuf> {
    text(HOME_DIR).map(PathBuf::from)
}

pub fn current_exe() -> std::io::Result<PathBuf> {
    text(CURRENT_EXE).map(PathBuf::from).ok_or_else(|| std::io::ErrorKind::NotFound.into())
}

/// All variables that the macro may use; the host hears that it asks for all.
pub fn vars_os() -> VarsOs {
    // SAFETY: the host reads a text of no length.
    unsafe { host::variable(std::ptr::NonNull::dangling().as_ptr(), 0) };
    std::env::vars_os()
}

pub fn vars() -> std::env::Vars {
    drop(vars_os());
    std::env::vars()
}
