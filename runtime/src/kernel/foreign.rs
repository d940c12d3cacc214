//! Functions of the system's library, declared so that every edition reads it.

/// Edition 2024 wants `unsafe` before `extern`, which compilers before it do not know. It is the first in which a
/// macro takes `_` for an expression.
macro_rules! foreign {
    (@ $any:expr; $library:literal $abi:literal $($functions:tt)*) => {
        #[link(name = $library)]
        unsafe extern $abi { $($functions)* }
    };
    (@ _; $library:literal $abi:literal $($functions:tt)*) => {
        #[link(name = $library)]
        extern $abi { $($functions)* }
    };
}
