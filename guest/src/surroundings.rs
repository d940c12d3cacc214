//! `std::env` and `std::process` functions that have no answer in wasm: the host is asked instead.

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

/// Named as std's constants: what was compiled for wasm knows the system only when it runs. Staging asks each
/// for its text; the rest is for where it does not see the name.
pub mod consts {
    use std::fmt;
    use std::ops::Deref;

    /// The number of docs/token-abi.md.
    #[derive(Clone, Copy)]
    pub struct Constant(u32);

    pub const ARCH: Constant = Constant(4);
    pub const DLL_EXTENSION: Constant = Constant(5);
    pub const DLL_PREFIX: Constant = Constant(6);
    pub const DLL_SUFFIX: Constant = Constant(7);
    pub const EXE_EXTENSION: Constant = Constant(8);
    pub const EXE_SUFFIX: Constant = Constant(9);
    pub const FAMILY: Constant = Constant(10);
    pub const OS: Constant = Constant(11);

    impl Constant {
        pub fn text(self) -> &'static str {
            static mut KEPT: [Option<&str>; 12] = [None; 12];
            // SAFETY: there is one thread.
            let kept = unsafe { &mut *(&raw mut KEPT) };
            let text = &mut kept[self.0 as usize];
            text.get_or_insert_with(|| String::leak(super::text(self.0).unwrap_or_default()))
        }
    }

    impl Deref for Constant {
        type Target = str;

        fn deref(&self) -> &str {
            self.text()
        }
    }

    impl AsRef<str> for Constant {
        fn as_ref(&self) -> &str {
            self.text()
        }
    }

    impl PartialEq<&str> for Constant {
        fn eq(&self, other: &&str) -> bool {
            self.text() == *other
        }
    }

    impl fmt::Debug for Constant {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            fmt::Debug::fmt(self.text(), f)
        }
    }

    impl fmt::Display for Constant {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.pad(self.text())
        }
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
