//! The image format: numbers, opcodes and what each operand is. docs/image.md explains it.
//!
//! The lists below are the only ones: lowering, engine, checks and disassembly all use them.

/// Version of the raw image and of its embedded form. A reader refuses any other.
///
/// 1 (November 2026): the first.
pub const VERSION: u32 = 1;
/// First word of a raw image: `PCIM`.
pub const MAGIC: u32 = 0x4d49_4350;
/// First word of an embedded image: `PCEM`.
pub const MAGIC_EMBEDDED: u32 = 0x4d45_4350;

/// A function has at most this many slots.
pub const FRAME_SLOTS_MAX: u32 = 0x7fff;
/// Slots of an instance's stack.
pub const STACK_SLOTS_MAX: u32 = 1 << 20;
pub const CODE_INSNS_MAX: u32 = 1 << 26;
pub const DATA_BYTES_MAX: u32 = 1 << 29;
pub const HEAD_BYTES_MAX: u32 = 1 << 27;
pub const TABLES_MAX: u32 = 256;
pub const TYPES_MAX: u32 = 0xffff;
pub const TABLE_ITEMS_MAX: u32 = 10_000_000;
/// Raw bytes after which `compress` begins the next chunk of code, at a function's start.
pub const CHUNK_BYTES: u32 = 65536;

/// Words of the raw image's header, in order.
pub mod head {
    pub const MAGIC: usize = 0;
    pub const VERSION: usize = 1;
    pub const HEAD_BYTES: usize = 2;
    pub const DATA_BYTES: usize = 3;
    pub const CODE_INSNS: usize = 4;
    pub const FUNCS: usize = 5;
    pub const TYPES: usize = 6;
    pub const CONSTS: usize = 7;
    pub const GLOBALS: usize = 8;
    pub const TABLES: usize = 9;
    pub const ELEMS: usize = 10;
    pub const ITEMS: usize = 11;
    pub const DATAS: usize = 12;
    pub const EXPORTS: usize = 13;
    pub const MEMORY_MIN: usize = 14;
    pub const MEMORY_MAX: usize = 15;
    pub const START: usize = 16;
    /// Even, so that the numbers of 64 bits which follow are aligned.
    pub const WORDS: usize = 18;
}

/// Words of one record of each table.
pub const FUNC_WORDS: usize = 4;
pub const CONST_WORDS: usize = 2;
pub const GLOBAL_WORDS: usize = 2;
pub const TABLE_WORDS: usize = 2;
pub const SEGMENT_WORDS: usize = 4;
/// Words of the embedded form's header, and of each of its chunks.
pub const EMBEDDED_WORDS: usize = 6;
pub const CHUNK_WORDS: usize = 4;

/// One instruction. `b` and `c` together are the 32-bit immediate of the shapes that have one.
#[repr(C, align(8))]
#[cfg_attr(not(proc_macro), derive(Clone, Copy))]
pub struct Insn {
    pub op: u8,
    pub x: u8,
    pub a: u16,
    pub b: u16,
    pub c: u16,
}

/// The same eight bytes for the shapes with a 32-bit immediate.
#[repr(C, align(8))]
#[cfg_attr(not(proc_macro), derive(Clone, Copy))]
pub struct Wide {
    pub op: u8,
    pub x: u8,
    pub a: u16,
    pub imm: u32,
}

/// What the operands of an instruction are. `d` a slot written, `s` a slot read.
pub mod shape {
    /// Not an opcode.
    pub const INVALID: u8 = 0;
    /// a=d b=s c=s
    pub const DSS: u8 = 1;
    /// a=d b=s c=signed immediate
    pub const DSI: u8 = 2;
    /// a=d b=s
    pub const DS: u8 = 3;
    /// a=d, imm
    pub const DI: u8 = 4;
    /// a=d b=s or unused, index of a constant = c + x * 65536
    pub const DK: u8 = 5;
    /// a=d b=address, offset = c + x * 65536
    pub const LOAD: u8 = 6;
    /// b=address c=s, offset = a + x * 65536
    pub const STORE: u8 = 7;
    /// b=address c=signed immediate, offset = a + x * 65536
    pub const STORE_I: u8 = 8;
    /// b=s c=s, a=relative target
    pub const BRANCH: u8 = 9;
    /// b=s c=signed immediate, a=relative target
    pub const BRANCH_I: u8 = 10;
    /// imm=relative target
    pub const JUMP: u8 = 11;
    /// b=s; the next `a + x * 65536 + 1` instructions are jumps
    pub const SWITCH: u8 = 12;
    /// Nothing; ends the path
    pub const END: u8 = 13;
    /// b=s; ends the path
    pub const END_S: u8 = 14;
    /// a=window, imm=function
    pub const CALL: u8 = 15;
    /// a=window, imm=number of the host call
    pub const HOST: u8 = 16;
    /// a=window b=s c=type x=table
    pub const INDIRECT: u8 = 17;
    /// a=d, imm=index of a global
    pub const GLOBAL: u8 = 18;
    /// a=s, imm=index of a global
    pub const GLOBAL_SET: u8 = 19;
    /// a=s and d, b=s, c=s
    pub const SELECT: u8 = 20;
    /// a=s b=s c=s
    pub const SSS: u8 = 21;
    /// a=d b=s c=s, x=function of `math`
    pub const MATH: u8 = 22;
    /// a=window of up to three slots, x=operation of `bulk`, b and c its indices
    pub const BULK: u8 = 23;
    /// a and a+1=d b=s c=s
    pub const PAIR: u8 = 24;
    /// a=d, x=index of a global, c=signed immediate
    pub const GLOBAL_ADD: u8 = 25;
    /// b=s, x=index of a global, c=signed immediate
    pub const GLOBAL_TO: u8 = 26;
    pub const COUNT: usize = 27;
}

macro_rules! ops {
    ($($name:ident $shape:ident;)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum Number { $($name,)* COUNT }

        /// The opcodes.
        pub mod op {
            $(pub const $name: u8 = super::Number::$name as u8;)*
            pub const COUNT: usize = super::Number::COUNT as usize;
        }

        /// The shape of every opcode.
        pub const SHAPES: &[u8; op::COUNT] = &[$(shape::$shape,)*];
        /// The name of every opcode.
        #[cfg(not(proc_macro))]
        pub const NAMES: &[&str; op::COUNT] = &[$(stringify!($name),)*];
    };
}

ops! {
    INVALID INVALID;
    // Copies and constants. `CONST` extends with zeros, `CONST_S` with the sign.
    MOV DS; MOV2 PAIR; CONST DI; CONST_S DI; CONST_K DK;
    GLOBAL_GET GLOBAL; GLOBAL_SET GLOBAL_SET;
    // 32-bit sums on the way to or from the stack pointer: a = global = global + c; global = b + c.
    GLOBAL_ADD GLOBAL_ADD; GLOBAL_TO GLOBAL_TO;
    // a = b != 0 ? a : c, and its inverse; the condition is 32 bits wide.
    SELECT SELECT; SELECT_NOT SELECT;
    // 32-bit operations read the low half of a slot and write the high half as zero.
    I32_ADD DSS; I32_SUB DSS; I32_MUL DSS; I32_AND DSS; I32_OR DSS; I32_XOR DSS;
    I32_SHL DSS; I32_SHR_S DSS; I32_SHR_U DSS; I32_ROTL DSS; I32_ROTR DSS;
    I32_ADD_I DSI; I32_MUL_I DSI; I32_AND_I DSI; I32_OR_I DSI; I32_XOR_I DSI;
    I32_SHL_I DSI; I32_SHR_S_I DSI; I32_SHR_U_I DSI; I32_ROTL_I DSI;
    I32_DIV_S DSS; I32_DIV_U DSS; I32_REM_S DSS; I32_REM_U DSS;
    I32_CLZ DS; I32_CTZ DS; I32_EXTEND8 DS; I32_EXTEND16 DS; I32_WRAP DS;
    I64_ADD DSS; I64_SUB DSS; I64_MUL DSS; I64_AND DSS; I64_OR DSS; I64_XOR DSS;
    I64_SHL DSS; I64_SHR_S DSS; I64_SHR_U DSS; I64_ROTL DSS; I64_ROTR DSS;
    I64_ADD_I DSI; I64_MUL_I DSI; I64_AND_I DSI; I64_OR_I DSI; I64_XOR_I DSI;
    I64_SHL_I DSI; I64_SHR_S_I DSI; I64_SHR_U_I DSI; I64_ROTL_I DSI;
    I64_DIV_S DSS; I64_DIV_U DSS; I64_REM_S DSS; I64_REM_U DSS;
    I64_CLZ DS; I64_CTZ DS; I64_EXTEND8 DS; I64_EXTEND16 DS; I64_EXTEND32 DS;
    // Comparisons give 0 or 1.
    I32_EQ DSS; I32_NE DSS; I32_LT_S DSS; I32_LT_U DSS; I32_LE_S DSS; I32_LE_U DSS;
    I32_EQ_I DSI; I32_NE_I DSI; I32_LT_S_I DSI; I32_LT_U_I DSI; I32_GT_S_I DSI; I32_GT_U_I DSI;
    I64_EQ DSS; I64_NE DSS; I64_LT_S DSS; I64_LT_U DSS; I64_LE_S DSS; I64_LE_U DSS;
    I64_EQ_I DSI; I64_NE_I DSI; I64_LT_S_I DSI; I64_LT_U_I DSI; I64_GT_S_I DSI; I64_GT_U_I DSI;
    // The same, and branch if true.
    BR_I32_EQ BRANCH; BR_I32_NE BRANCH; BR_I32_LT_S BRANCH; BR_I32_LT_U BRANCH;
    BR_I32_LE_S BRANCH; BR_I32_LE_U BRANCH;
    BR_I32_EQ_I BRANCH_I; BR_I32_NE_I BRANCH_I; BR_I32_LT_S_I BRANCH_I; BR_I32_LT_U_I BRANCH_I;
    BR_I32_GT_S_I BRANCH_I; BR_I32_GT_U_I BRANCH_I;
    BR_I64_EQ BRANCH; BR_I64_NE BRANCH; BR_I64_LT_S BRANCH; BR_I64_LT_U BRANCH;
    BR_I64_LE_S BRANCH; BR_I64_LE_U BRANCH;
    BR_I64_EQ_I BRANCH_I; BR_I64_NE_I BRANCH_I; BR_I64_LT_S_I BRANCH_I; BR_I64_LT_U_I BRANCH_I;
    BR_I64_GT_S_I BRANCH_I; BR_I64_GT_U_I BRANCH_I;
    // Branch if b and c have a common bit, or none.
    BR_I32_TEST_I BRANCH_I; BR_I32_NTEST_I BRANCH_I;
    BR JUMP; BR_TABLE SWITCH;
    RET END; RET_S END_S; UNREACHABLE END;
    CALL CALL; CALL_HOST HOST; CALL_INDIRECT INDIRECT;
    // Loads of less than a slot extend with zeros, or with the sign to 32 or 64 bits.
    LOAD8 LOAD; LOAD16 LOAD; LOAD32 LOAD; LOAD64 LOAD;
    LOAD8_S32 LOAD; LOAD16_S32 LOAD; LOAD8_S64 LOAD; LOAD16_S64 LOAD; LOAD32_S64 LOAD;
    STORE8 STORE; STORE16 STORE; STORE32 STORE; STORE64 STORE;
    STORE8_I STORE_I; STORE16_I STORE_I; STORE32_I STORE_I; STORE64_I STORE_I;
    // a = b + constant [c + x * 65536] as an address: traps unless it is below 2^32.
    ADDRESS DK;
    MEMORY_COPY SSS; MEMORY_FILL SSS;
    MATH MATH; BULK BULK;
}

/// Which of the fields a (1), b (2) and c (4) name a slot, by shape.
pub const SLOTS: &[u8; shape::COUNT] =
    &[0, 7, 3, 3, 1, 3, 3, 6, 2, 6, 2, 0, 2, 0, 2, 1, 1, 3, 1, 1, 7, 7, 7, 1, 7, 1, 2];

macro_rules! numbers {
    ($(#[$doc:meta])* $module:ident, $enum:ident: $($name:ident)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum $enum { $($name,)* COUNT }

        $(#[$doc])*
        pub mod $module {
            $(pub const $name: u8 = super::$enum::$name as u8;)*
            pub const COUNT: u8 = super::$enum::COUNT as u8;
        }
    };
}

part! {
    math {
        numbers! {
            /// Rare pure functions of one or two slots: field `x` of `MATH`. An `F32_` number plus
            /// `F64_ABS` is its `F64_` twin.
            math, Math:
            F32_ABS F32_NEG F32_CEIL F32_FLOOR F32_TRUNC F32_NEAREST F32_SQRT
            F32_ADD F32_SUB F32_MUL F32_DIV F32_MIN F32_MAX F32_COPYSIGN
            F32_EQ F32_NE F32_LT F32_GT F32_LE F32_GE
            F64_ABS F64_NEG F64_CEIL F64_FLOOR F64_TRUNC F64_NEAREST F64_SQRT
            F64_ADD F64_SUB F64_MUL F64_DIV F64_MIN F64_MAX F64_COPYSIGN
            F64_EQ F64_NE F64_LT F64_GT F64_LE F64_GE
            F32_DEMOTE F64_PROMOTE
            F32_FROM_I32_S F32_FROM_I32_U F32_FROM_I64_S F32_FROM_I64_U
            F64_FROM_I32_S F64_FROM_I32_U F64_FROM_I64_S F64_FROM_I64_U
            I32_FROM_F32_S I32_FROM_F32_U I32_FROM_F64_S I32_FROM_F64_U
            I64_FROM_F32_S I64_FROM_F32_U I64_FROM_F64_S I64_FROM_F64_U
            I32_SAT_F32_S I32_SAT_F32_U I32_SAT_F64_S I32_SAT_F64_U
            I64_SAT_F32_S I64_SAT_F32_U I64_SAT_F64_S I64_SAT_F64_U
            I32_POPCNT I64_POPCNT
        }
    }
    {
        /// None of them is used.
        pub mod math {
            pub const COUNT: u8 = 0;
        }
    }
}

numbers! {
    /// Rare operations with state: field `x` of `BULK`.
    bulk, Bulk:
    MEMORY_SIZE MEMORY_GROW MEMORY_INIT DATA_DROP
    TABLE_GET TABLE_SET TABLE_SIZE TABLE_GROW TABLE_FILL TABLE_COPY TABLE_INIT ELEM_DROP
}
