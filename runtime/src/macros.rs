//! Macros that save units of code: every consumer compiles what they stand for.

/// `format!`, without what std has between it and `write!`.
macro_rules! text {
    ($($part:tt)*) => {{
        let mut text = ::std::string::String::new();
        let _ = ::std::fmt::Write::write_fmt(&mut text, format_args!($($part)*));
        text
    }};
}

/// `?`, which unoptimised is two calls, and two functions for each type.
macro_rules! tri {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(fault) => return Err(fault),
        }
    };
}
