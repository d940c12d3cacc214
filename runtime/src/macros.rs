//! Macros that save units of code: every consumer compiles what they stand for.

/// `?`, which unoptimised is two calls, and two functions for each type.
macro_rules! tri {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(fault) => return Err(fault),
        }
    };
}

/// A function that the kernel calls, or its type: the text for x86-64 calls as on Linux, wherever it runs.
#[cfg(target_arch = "x86_64")]
macro_rules! called {
    (fn $($rest:tt)*) => {
        extern "sysv64" fn $($rest)*
    };
}
#[cfg(not(target_arch = "x86_64"))]
macro_rules! called {
    (fn $($rest:tt)*) => {
        extern "C" fn $($rest)*
    };
}
