//! What the engine and its kernel say to each other.

/// An image that is read, decoded and checked, function by function. All are addresses and sizes; those of
/// one block, which the image owns, but for what the engine gives.
#[repr(C)]
pub struct Image {
    /// Given: the embedded form.
    pub embedded: usize,
    pub embedded_bytes: usize,
    /// `OPEN` finds how large a block of zeros `READ` needs, and is then given one.
    pub block_bytes: usize,
    pub block: usize,
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
    /// For the decoder.
    pub scratch: usize,
    /// The most instructions of one function.
    pub insns_max: usize,
    /// Given before `INIT`: address and length of each table, and the memory.
    pub tables: usize,
    pub memory: usize,
    pub memory_bytes: usize,
    /// Answers: a number for the message of a fault, or what was asked for, and a function's instructions.
    pub detail: usize,
    pub first: usize,
    pub end: usize,
    /// Given before `BEGIN`, for machine code: what the emitter knows, and where it writes.
    pub emit: usize,
    pub records: usize,
    pub narrow: usize,
    pub lazy: usize,
    pub begin: usize,
    pub far: usize,
    pub writable: usize,
    pub executable: usize,
    pub bytes: usize,
    pub classes: usize,
    pub entries: usize,
    pub branches: usize,
    /// Where the next function goes, from the region's start, and where the last one did.
    pub used: usize,
    pub made: usize,
}

/// Where a range of a segment goes: to a table, or to the memory.
#[repr(C)]
pub struct Init {
    pub segment: u32,
    pub table: u32,
    pub to: u32,
    pub from: u32,
    pub len: u32,
}

/// Bytes before the entries in the block for machine code.
pub const CLASSES_BYTES: usize = 32 * 64;
/// The most bytes that one instruction comes to, with its share of backward branches.
pub const INSN_BYTES: usize = 96;
/// Bytes for each instruction of the largest function: a branch that it may be, and its offset.
pub const BRANCH_BYTES: usize = 20;

/// For the decoder and the literals of a block, with what wide reads touch beside them.
pub const SCRATCH_BYTES: usize = (1 << 15) + (1 << 17) + 4 * 32;

/// Checks the container.
pub const OPEN: usize = 0;
/// Decodes and checks head and data.
pub const READ: usize = 1;
/// Checks the segments and applies the active ones.
pub const APPLY: usize = 2;
/// Applies an `Init`, whose address is given.
pub const INIT: usize = 3;
/// Decodes function `value`: `first..end`.
pub const LOCATE: usize = 4;
/// Makes segment `value` empty: elements, then data.
pub const DROP: usize = 10;
/// `detail` becomes the function whose name's address and length are given.
pub const EXPORT: usize = 5;
/// `detail` becomes the checksum of the bytes whose address and length are given.
pub const CHECKSUM: usize = 6;
/// Decodes a frame: scratch, address and length of the frame, address and length of the output, whose address is
/// given. The scratch has `SCRATCH_BYTES` and as many as the frame.
pub const INFLATE: usize = 7;
/// Makes ready for machine code.
pub const BEGIN: usize = 8;
/// Makes machine code of function `value`, at `made`, unless that was done.
pub const PREPARE: usize = 9;

/// Two traps, and then `FAULTS` from `FIRST` on, are what the kernel answers; 0 if all is well.
pub const MEMORY_TRAP: u32 = 1;
pub const TABLE_TRAP: u32 = 2;
pub const FIRST: u32 = 3;
/// As many are limits; the others say that the image is damaged.
pub const LIMITS: usize = 2;

/// What is wrong. A message that ends in a space is followed by `detail`.
macro_rules! faults {
    ($to:ident) => {
        $to! {
            BIG_ENDIAN "precompiled macros need a little-endian host; build with RUSTFLAGS='--cfg precast_from_source'";
            TOO_MUCH_CODE "the macro has more code than its limit";
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
