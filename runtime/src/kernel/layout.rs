//! What the engine and its kernel say to each other.

/// An image that is read, decoded and checked function by function, with the state of its instance. All are addresses,
/// sizes and numbers; what they point to belongs to the image, until `CLOSE`.
#[repr(C)]
pub struct Image {
    /// Given before `LOAD`: the embedded form, and limits.
    pub embedded: usize,
    pub embedded_bytes: usize,
    pub memory_limit: usize,
    pub depth_max: usize,
    /// For machine code: its text, of which `stubs` bytes are copied, and how its records name slots.
    pub text: usize,
    pub stubs: usize,
    pub begin: usize,
    pub far: usize,
    pub reach: usize,
    /// The address of a `System`, where the text is to ask it; 0: it asks Linux.
    pub system: usize,

    /// The first block: head, data, code, and scratch for the decoder.
    pub block: usize,
    pub block_bytes: usize,
    pub head_bytes: usize,
    pub data_bytes: usize,
    pub code_bytes: usize,
    /// The tables of the head.
    pub consts: usize,
    pub n_consts: usize,
    pub globals: usize,
    pub n_globals: usize,
    pub funcs: usize,
    pub n_funcs: usize,
    pub table_records: usize,
    pub n_tables: usize,
    /// Elements, then data. The length of one that is dropped becomes 0.
    pub segments: usize,
    pub n_elems: usize,
    pub n_datas: usize,
    pub items: usize,
    pub n_items: usize,
    pub exports: usize,
    pub n_exports: usize,
    pub head_end: usize,
    pub n_types: usize,
    pub memory_min: usize,
    pub memory_max: usize,
    pub start: usize,
    pub data: usize,
    /// Eight bytes for each instruction; those that are not decoded yet are `INVALID`.
    pub code: usize,
    pub n_insns: usize,
    /// Where the packed bytes of the code's first chunk begin.
    pub code_chunks: usize,
    pub scratch: usize,
    /// The most instructions of one function.
    pub insns_max: usize,

    /// The second block: the tables' addresses and lengths, their items, copies of the globals, and the functions
    /// in the order in which they were located.
    pub side: usize,
    pub side_bytes: usize,
    pub tables: usize,
    /// Items of all tables, at most TABLE_ITEMS_MAX.
    pub table_items: usize,
    pub saved: usize,
    /// Copies there are.
    pub level: usize,
    pub order: usize,
    pub n_located: usize,
    /// The linear memory, whose block is larger.
    pub memory: usize,
    pub memory_bytes: usize,
    pub memory_block: usize,
    /// The stack of frames.
    pub stack: usize,

    /// Of a run: what it may still use, where it is to begin, and who answers host calls.
    pub fuel: u64,
    pub base: usize,
    /// What a host call has cost, in 64ths of fuel, and its result.
    pub work: u64,
    pub result: u64,
    /// `called!(fn(engine, number, args, n_args) -> u32)`
    pub host: usize,
    /// `called!(fn(engine, number, x, y) -> u32)`
    pub math: usize,
    pub engine: usize,
    /// Answers: a number for the message of a fault, or what was asked for, and a function's instructions.
    pub detail: usize,
    pub first: usize,
    pub end: usize,

    /// Machine code: where it is written and run, and how far.
    pub writable: usize,
    pub executable: usize,
    pub bytes: usize,
    pub used: usize,
    /// Pages are taken up to here.
    pub taken: usize,
    /// The third block: classes, entries, and branches of the function that is compiled.
    pub classes: usize,
    pub classes_bytes: usize,
    pub entries: usize,
    pub branches: usize,
    /// The stack of return addresses, and where the next run's begin, downwards.
    pub returns: usize,
    pub returns_bytes: usize,
    pub top: usize,

    /// Where the functions that had not returned are found when a run has stopped, or 0. It moves with `FRAME`.
    pub left: usize,
    /// The table of names, decoded, and its block.
    pub names: usize,
    pub names_bytes: usize,
    pub names_block: usize,
    pub names_block_bytes: usize,
}

/// For the decoder and the literals of a block, with what wide reads touch beside them.
pub const SCRATCH_BYTES: usize = (1 << 14) + (1 << 17) + 4 * 32;
/// Runs inside runs: each takes a part of the compiler's own stack.
pub const LEVELS: usize = 64;

/// Reads what is embedded, takes all memory, and initialises it.
pub const LOAD: usize = 0;
/// Gives all memory back. Nothing is to be asked afterwards.
pub const CLOSE: usize = 1;
/// Decodes function `value`: `first..end`.
pub const LOCATE: usize = 2;
/// `detail` becomes the function whose name's address and length are given.
pub const EXPORT: usize = 3;
/// Copies the globals, which the next `RESTORE` writes back if its value is not 0.
pub const SAVE: usize = 4;
pub const RESTORE: usize = 5;
/// Runs the instruction `BULK` whose address is given, in the frame whose address follows.
pub const BULK: usize = 6;
/// Makes machine code of function `value` unless that was done.
pub const PREPARE: usize = 7;
/// Runs the machine code of function `value`.
pub const RUN: usize = 8;
/// `detail` becomes the checksum of the bytes whose address and length are given.
pub const CHECKSUM: usize = 9;
/// Decodes a frame: scratch, address and length of the frame, address and length of the output, whose address is
/// given. The scratch has `SCRATCH_BYTES` and as many as the frame.
pub const INFLATE: usize = 10;

/// Writes to standard output or error: which of them, address and length of the bytes, and the address of a
/// `System` or 0, whose address is given.
pub const PRINT: usize = 11;

/// Copies bytes: from where, to where, and how many, whose address is given.
pub const COPY: usize = 12;

/// The next function that had not returned when the run stopped, the innermost first: `detail` becomes its number,
/// `first` and `end` the address and the length of its name, or 0. Given is the address of a table's address and
/// length, or of zeros.
pub const FRAME: usize = 13;
/// Asks Linux: the address of a system call's number and its arguments. Its answer is the status, an error below 0.
pub const ASK: usize = 14;
/// A table of names is not longer.
pub const NAMES_BYTES_MAX: usize = 1 << 24;

/// What the kernel answers: 0 if all is well, the number of a trap, one of `FAULTS` from `FIRST` on, or that the one who
/// answers host calls knows more.
pub const FIRST: u32 = 10;
pub const CALLER: u32 = 100;
/// As many of `FAULTS` are limits; one more is a refusal; the others say that the image is damaged.
pub const LIMITS: usize = 8;

/// What is wrong. A message that ends in a space is followed by `detail`.
macro_rules! faults {
    ($to:ident) => {
        $to! {
            FUEL "the macro ran longer than its limit `fuel` (an endless loop?)";
            DEPTH "the macro's calls nest deeper than its limit `depth` (an endless recursion?)";
            NO_MEMORY "the machine has no memory left for the macro";
            MEMORY_NEED "the macro needs more memory than its limit `memory`";
            MEMORY_LIMIT "the macro uses more memory than its limit `memory`";
            BIG_ENDIAN "precompiled macros need a little-endian host; build with RUSTFLAGS='--cfg precast_from_source'";
            TOO_MUCH_CODE "the macro has more code than its limit";
            TOO_LARGE_HERE "the macro needs more memory than this machine can address";
            REFUSED "this system gives no memory for machine code; set RUSTFLAGS='--cfg precast_portable' to do without; its error is ";
            NO_IMAGE "it does not begin as an image";
            OTHER_VERSION "this runtime reads images of version 1, and this one has version ";
            CUT_OFF "it is cut off";
            DIRECTORY "its directory has a wrong checksum";
            TOO_LARGE "a chunk is too large";
            CHUNK_CUT_OFF "a chunk is cut off";
            CHUNK_CHECKSUM "a chunk has a wrong checksum";
            CHUNK "a chunk does not decode";
            HEAD_CUT_OFF "its head is cut off";
            HEAD "its head is inconsistent";
            TABLE_CUT_OFF "a table of the head is cut off";
            TABLES "its tables are too large";
            SEGMENT "a segment is inconsistent";
            CODE_CUT_OFF "the code is cut off";
            OUTSIDE "a function lies outside the code";
            NO_FUNCTION "there is no function ";
            RULES "breaks the rules of the format: function ";
            NO_EXPORT "there is no such export";
        }
    };
}

macro_rules! messages {
    ($($name:ident $message:literal;)*) => {
        pub const FAULTS: &[&str] = &[$($message,)*];
    };
}

faults!(messages);
