//! `std` as every wasm crate sees it: the real one, but for what works otherwise there than natively.
//!
//! The crate stands in std's place for the compiler, so that no path leads past it: not one under
//! another name (`use std as s`), in a macro's arguments, or written by a macro of another crate.

#![no_std]
#![allow(clippy::all)]

extern crate proc_macro as guest;
extern crate std as real;

pub use real::*;

pub mod collections {
    pub use real::collections::*;

    pub mod hash_map {
        #[cfg(not(plain_hasher))]
        pub use guest::__precast::DefaultHasher;
        pub use real::collections::hash_map::*;
    }
}

pub mod hash {
    #[cfg(not(plain_hasher))]
    pub use guest::__precast::DefaultHasher;
    pub use real::hash::*;
}

pub mod env {
    pub use guest::__precast::{consts, current_exe, home_dir, temp_dir, vars, vars_os};
    pub use real::env::*;
}

pub mod os {
    pub use real::os::*;

    /// What of Unix is the same here.
    pub mod unix {
        pub mod ffi {
            pub use real::os::wasi::ffi::{OsStrExt, OsStringExt};
        }

        pub mod prelude {
            pub use real::os::wasi::ffi::{OsStrExt, OsStringExt};
        }
    }
}

pub mod panic {
    pub use guest::__precast::{catch_unwind, resume_unwind, set_hook, take_hook};
    pub use real::panic::*;
}

pub mod thread {
    pub use guest::__precast::available_parallelism;
    pub use real::thread::*;
}

pub mod process {
    pub use guest::__precast::{id, Command};
    pub use real::process::*;
}
