//! The host calls: the only functions that a packed module may import.
//!
//! The order of this list is part of the image format: new calls go to the end. docs/token-abi.md says
//! what those of `precast` do.

use std::mem;

/// Version of the token ABI: what `precast_start` must return.
///
/// 1 (November 2026): the first.
pub const ABI: u32 = 1;

/// One importable function; the types are wasm's binary encodings.
#[cfg(not(proc_macro))]
pub struct Call {
    pub module: &'static str,
    pub name: &'static str,
    pub params: &'static [u8],
    pub results: &'static [u8],
}

#[cfg(not(proc_macro))]
const I: u8 = 0x7f;
#[cfg(not(proc_macro))]
const L: u8 = 0x7e;

/// The numbers by which an image names them. Not a constant each, which is dearer to compile.
#[repr(u32)]
#[allow(non_camel_case_types, clippy::upper_case_acronyms)]
pub enum Number {
    ARGS_GET,
    ARGS_SIZES_GET,
    ENVIRON_GET,
    ENVIRON_SIZES_GET,
    CLOCK_RES_GET,
    CLOCK_TIME_GET,
    FD_ADVISE,
    FD_ALLOCATE,
    FD_CLOSE,
    FD_DATASYNC,
    FD_FDSTAT_GET,
    FD_FDSTAT_SET_FLAGS,
    FD_FDSTAT_SET_RIGHTS,
    FD_FILESTAT_GET,
    FD_FILESTAT_SET_SIZE,
    FD_FILESTAT_SET_TIMES,
    FD_PREAD,
    FD_PRESTAT_GET,
    FD_PRESTAT_DIR_NAME,
    FD_PWRITE,
    FD_READ,
    FD_READDIR,
    FD_RENUMBER,
    FD_SEEK,
    FD_SYNC,
    FD_TELL,
    FD_WRITE,
    PATH_CREATE_DIRECTORY,
    PATH_FILESTAT_GET,
    PATH_FILESTAT_SET_TIMES,
    PATH_LINK,
    PATH_OPEN,
    PATH_READLINK,
    PATH_REMOVE_DIRECTORY,
    PATH_RENAME,
    PATH_SYMLINK,
    PATH_UNLINK_FILE,
    POLL_ONEOFF,
    PROC_EXIT,
    PROC_RAISE,
    SCHED_YIELD,
    RANDOM_GET,
    SOCK_ACCEPT,
    SOCK_RECV,
    SOCK_SEND,
    SOCK_SHUTDOWN,
    /// The macro panicked with this text; does not return, but from `attempt`.
    PANIC,
    /// The macro panicked with a payload that is no text; does not return.
    PANIC_ANY,
    /// Copies the text that the call before this one left.
    ANSWER,
    /// `TokenStream::from_str`: the handle, or 0 and the error's texts.
    PARSE_STREAM,
    /// `Literal::from_str`: the same; the answer is the literal's text.
    PARSE_LITERAL,
    /// The records of a stream that was parsed.
    READ_STREAM,
    /// Validates and normalises a non-ASCII identifier; panics as natively.
    IDENT,
    /// `Display` of a stream.
    DISPLAY,
    /// `Display` of a literal that a constructor made.
    LITERAL_TEXT,
    /// `Debug` of a token or a stream.
    DEBUG,
    /// `Debug`, `source_text`, `file` and `local_file` of a span.
    SPAN_TEXT,
    /// `line` and `column` of a span.
    SPAN_NUMBER,
    /// A new span out of one or two: `start`, `end`, `resolved_at`.
    SPAN_DERIVE,
    /// Calls a function of the guest, whose panic ends there; the engine's own.
    ATTEMPT,
    /// The text of the native interface's panic that `attempt` has ended.
    CAUGHT,
    /// `join`, `byte_range` and `subspan`, where the shim is compiled to have them.
    UNSTABLE,
    /// The macro asks for the environment variable of this name.
    VARIABLE,
    /// The path without links, or the current directory.
    REAL_PATH,
    /// What std tells of the process and the system.
    ABOUT,
    /// A function of the system's mathematical library.
    LIBM,
    /// The macro asks for what no module has, named by a text.
    REFUSED,
    /// As many there are; no call.
    COUNT,
}

pub use self::Number::*;

#[cfg(not(proc_macro))]
#[path = "kernel/counts.rs"]
pub mod counts;

/// The call with this number.
#[inline(always)]
pub fn number(call: u32) -> Number {
    if call > Number::COUNT as u32 {
        return Number::COUNT;
    }
    // SAFETY: the enum's numbers go from 0 to this one.
    unsafe { mem::transmute::<u32, Number>(call) }
}

#[cfg(not(proc_macro))]
const fn wasi(name: &'static str, params: &'static [u8]) -> Call {
    Call { module: "wasi_snapshot_preview1", name, params, results: &[I] }
}

#[cfg(not(proc_macro))]
const fn precast(name: &'static str, params: &'static [u8], results: &'static [u8]) -> Call {
    Call { module: "precast", name, params, results }
}

/// All of them, in the order of their numbers.
#[cfg(not(proc_macro))]
pub const CALLS: &[Call] = &[
    wasi("args_get", &[I, I]),
    wasi("args_sizes_get", &[I, I]),
    wasi("environ_get", &[I, I]),
    wasi("environ_sizes_get", &[I, I]),
    wasi("clock_res_get", &[I, I]),
    wasi("clock_time_get", &[I, L, I]),
    wasi("fd_advise", &[I, L, L, I]),
    wasi("fd_allocate", &[I, L, L]),
    wasi("fd_close", &[I]),
    wasi("fd_datasync", &[I]),
    wasi("fd_fdstat_get", &[I, I]),
    wasi("fd_fdstat_set_flags", &[I, I]),
    wasi("fd_fdstat_set_rights", &[I, L, L]),
    wasi("fd_filestat_get", &[I, I]),
    wasi("fd_filestat_set_size", &[I, L]),
    wasi("fd_filestat_set_times", &[I, L, L, I]),
    wasi("fd_pread", &[I, I, I, L, I]),
    wasi("fd_prestat_get", &[I, I]),
    wasi("fd_prestat_dir_name", &[I, I, I]),
    wasi("fd_pwrite", &[I, I, I, L, I]),
    wasi("fd_read", &[I, I, I, I]),
    wasi("fd_readdir", &[I, I, I, L, I]),
    wasi("fd_renumber", &[I, I]),
    wasi("fd_seek", &[I, L, I, I]),
    wasi("fd_sync", &[I]),
    wasi("fd_tell", &[I, I]),
    wasi("fd_write", &[I, I, I, I]),
    wasi("path_create_directory", &[I, I, I]),
    wasi("path_filestat_get", &[I, I, I, I, I]),
    wasi("path_filestat_set_times", &[I, I, I, I, L, L, I]),
    wasi("path_link", &[I, I, I, I, I, I, I]),
    wasi("path_open", &[I, I, I, I, I, L, L, I, I]),
    wasi("path_readlink", &[I, I, I, I, I, I]),
    wasi("path_remove_directory", &[I, I, I]),
    wasi("path_rename", &[I, I, I, I, I, I]),
    wasi("path_symlink", &[I, I, I, I, I]),
    wasi("path_unlink_file", &[I, I, I]),
    wasi("poll_oneoff", &[I, I, I, I]),
    Call { module: "wasi_snapshot_preview1", name: "proc_exit", params: &[I], results: &[] },
    wasi("proc_raise", &[I]),
    wasi("sched_yield", &[]),
    wasi("random_get", &[I, I]),
    wasi("sock_accept", &[I, I, I]),
    wasi("sock_recv", &[I, I, I, I, I, I]),
    wasi("sock_send", &[I, I, I, I, I]),
    wasi("sock_shutdown", &[I, I]),
    precast("panic", &[I, I], &[]),
    precast("panic_any", &[], &[]),
    precast("answer", &[I], &[]),
    precast("parse_stream", &[I, I], &[L]),
    precast("parse_literal", &[I, I], &[L]),
    precast("read_stream", &[I], &[I]),
    precast("ident", &[I, I, I], &[I]),
    precast("display", &[I], &[I]),
    precast("literal_text", &[I], &[I]),
    precast("debug", &[I, I, I], &[I]),
    precast("span_text", &[I, I], &[L]),
    precast("span_number", &[I, I], &[I]),
    precast("span_derive", &[I, I, I], &[I]),
    precast("attempt", &[I, I], &[I]),
    precast("caught", &[], &[L]),
    precast("unstable", &[I, I, I, I], &[L]),
    precast("variable", &[I, I], &[]),
    precast("real_path", &[I, I], &[L]),
    precast("about", &[I], &[L]),
    precast("libm", &[I, L, L], &[L]),
    precast("refused", &[I, I], &[]),
];
