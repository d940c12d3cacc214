//! The host calls: the only functions that a packed module may import.
//!
//! The index into [`CALLS`] is the number by which an image names a call. The order is part of the
//! image format: new calls go to the end. docs/token-abi.md says what those of `precast` do.

/// Version of the token ABI: what `precast_start` must return.
pub const ABI: u32 = 1;

/// One importable function; the types are wasm's binary encodings.
pub struct Call {
    pub module: &'static str,
    pub name: &'static str,
    pub params: &'static [u8],
    pub results: &'static [u8],
}

const I: u8 = 0x7f;
const L: u8 = 0x7e;

const fn wasi(name: &'static str, params: &'static [u8]) -> Call {
    Call { module: "wasi_snapshot_preview1", name, params, results: &[I] }
}

const fn precast(name: &'static str, params: &'static [u8], results: &'static [u8]) -> Call {
    Call { module: "precast", name, params, results }
}

/// All of them, in the order of their numbers. A constant, for a static would be a unit of code of its
/// own.
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
];

pub const ARGS_GET: u32 = 0;
pub const ARGS_SIZES_GET: u32 = 1;
pub const ENVIRON_GET: u32 = 2;
pub const ENVIRON_SIZES_GET: u32 = 3;
pub const CLOCK_RES_GET: u32 = 4;
pub const CLOCK_TIME_GET: u32 = 5;
pub const FD_ADVISE: u32 = 6;
pub const FD_ALLOCATE: u32 = 7;
pub const FD_CLOSE: u32 = 8;
pub const FD_DATASYNC: u32 = 9;
pub const FD_FDSTAT_GET: u32 = 10;
pub const FD_FDSTAT_SET_FLAGS: u32 = 11;
pub const FD_FDSTAT_SET_RIGHTS: u32 = 12;
pub const FD_FILESTAT_GET: u32 = 13;
pub const FD_FILESTAT_SET_SIZE: u32 = 14;
pub const FD_FILESTAT_SET_TIMES: u32 = 15;
pub const FD_PREAD: u32 = 16;
pub const FD_PRESTAT_GET: u32 = 17;
pub const FD_PRESTAT_DIR_NAME: u32 = 18;
pub const FD_PWRITE: u32 = 19;
pub const FD_READ: u32 = 20;
pub const FD_READDIR: u32 = 21;
pub const FD_RENUMBER: u32 = 22;
pub const FD_SEEK: u32 = 23;
pub const FD_SYNC: u32 = 24;
pub const FD_TELL: u32 = 25;
pub const FD_WRITE: u32 = 26;
pub const PATH_CREATE_DIRECTORY: u32 = 27;
pub const PATH_FILESTAT_GET: u32 = 28;
pub const PATH_FILESTAT_SET_TIMES: u32 = 29;
pub const PATH_LINK: u32 = 30;
pub const PATH_OPEN: u32 = 31;
pub const PATH_READLINK: u32 = 32;
pub const PATH_REMOVE_DIRECTORY: u32 = 33;
pub const PATH_RENAME: u32 = 34;
pub const PATH_SYMLINK: u32 = 35;
pub const PATH_UNLINK_FILE: u32 = 36;
pub const POLL_ONEOFF: u32 = 37;
pub const PROC_EXIT: u32 = 38;
pub const PROC_RAISE: u32 = 39;
pub const SCHED_YIELD: u32 = 40;
pub const RANDOM_GET: u32 = 41;
pub const SOCK_ACCEPT: u32 = 42;
pub const SOCK_RECV: u32 = 43;
pub const SOCK_SEND: u32 = 44;
pub const SOCK_SHUTDOWN: u32 = 45;
/// The macro panicked with this text; does not return, but from `attempt`.
pub const PANIC: u32 = 46;
/// The macro panicked with a payload that is no text; does not return.
pub const PANIC_ANY: u32 = 47;
/// Copies the text that the call before this one left.
pub const ANSWER: u32 = 48;
/// `TokenStream::from_str`: the handle, or 0 and the error's texts.
pub const PARSE_STREAM: u32 = 49;
/// `Literal::from_str`: the same; the answer is the literal's text.
pub const PARSE_LITERAL: u32 = 50;
/// The records of a stream that was parsed.
pub const READ_STREAM: u32 = 51;
/// Validates and normalises a non-ASCII identifier; panics as natively.
pub const IDENT: u32 = 52;
/// `Display` of a stream.
pub const DISPLAY: u32 = 53;
/// `Display` of a literal that a constructor made.
pub const LITERAL_TEXT: u32 = 54;
/// `Debug` of a token or a stream.
pub const DEBUG: u32 = 55;
/// `Debug`, `source_text`, `file` and `local_file` of a span.
pub const SPAN_TEXT: u32 = 56;
/// `line` and `column` of a span.
pub const SPAN_NUMBER: u32 = 57;
/// A new span out of one or two: `start`, `end`, `resolved_at`.
pub const SPAN_DERIVE: u32 = 58;
/// Calls a function of the guest, whose panic ends there; the engine's own.
pub const ATTEMPT: u32 = 59;
/// The text of the native interface's panic that `attempt` has ended.
pub const CAUGHT: u32 = 60;
/// `join`, `byte_range` and `subspan`, where the shim is compiled to have them.
pub const UNSTABLE: u32 = 61;
