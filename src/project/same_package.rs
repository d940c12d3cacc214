//! Macros in the package that uses them: the target `proc-macro` of RFC 3826.
//!
//! | file     | says or makes                                                            |
//! |----------|--------------------------------------------------------------------------|
//! | `target` | of a package, whether it has such macros, and its table about them        |
//! | `nested` | of the target, a package of its own, which cargo and `pack` understand    |
//! | `native` | of that, the library, from source and when somebody needs it              |
//! | `nearby` | of that, the packages in folders nearby that it is compiled with             |
//! | `doctests` | of the documentation of the macros, a package with its examples           |
//! | `given`  | of a compiler's or rustdoc's command, one that knows the macros           |
//! | `packed` | of the target, the committed files by which cargo alone builds the package |
//! | `run`    | of `cargo precast … --proc-macro`, cargo's command for the target alone   |
//! | `rust_project` | of a workspace, all its crates, for rust-analyzer                         |
//!
//! Two ways lead to a compiler. Under precast, which is cargo's wrapper, `given` adds the library to the
//! command. Under cargo alone a build script does (`embed::beside`): it compiles the packed macros, and names
//! them in a file of arguments for the compiler, which cargo passes on as a `cfg`.

pub mod doctests;
pub mod given;
pub mod native;
pub mod nearby;
pub mod nested;
pub mod packed;
pub mod run;
pub mod rust_project;
pub mod target;

pub use target::Target;
