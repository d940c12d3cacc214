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
