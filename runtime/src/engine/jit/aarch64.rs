//! The machine code of the engine for AArch64, as `x86_64.rs` has it for x86-64: assembler text with
//! stubs, the emitter and one record per opcode, copied and never run where the compiler puts it.
//!
//! Registers of generated code: x19 = frame, x20 = memory, x21 = globals, x22 = `Context`, x23 = fuel,
//! x24 = entries, x25 = stubs, x28 = the engine's own stack of return addresses. sp stays the
//! compiler's, x18 is the system's. Between two instructions of the image nothing else is kept.
//!
//! A record is 56 bytes of code and 8 of description: its length, the offsets of the instructions
//! with the fields a, b and c, the immediate c and the index, nothing, and its class (`kernel/machine.rs`).
//! A field that a record does not have is set behind its code, where the next record will be written.

use std::arch::asm;

/// Bytes at the start of the text that are copied to the start of the code region.
pub const STUBS: usize = 2048;
/// Words at the start: the offsets of enter, lazy, emit and the records, and the size of one table.
pub const HEADER: usize = 5;
/// How far behind the frame's begin its register points, in bytes.
pub const BEGIN: usize = 0;
/// The bits of a slot's number for which it does not fit a near record.
pub const FAR: u64 = 0xf000;
/// A region's size: how far a jump reaches.
pub const REACH: usize = 1 << 27;

/// The address of the text.
#[inline(always)]
pub fn text() -> *const u8 {
    let address: *const u8;
    // SAFETY: the address of a label is taken, and the text jumped over.
    unsafe {
        asm!(
            "adr x0, 40f",
            "b 99f",
            // Header and stubs.
            r#"
.macro stub label, link=0 // go to a stub, or call it, so that it knows from where: add x16, x25, label; br or blr x16
.long 0x91000330 + ((\label - 40b) << 10)
.inst 0xd61f0200 | (\link << 21)
.endm
.p2align 6
40:
.long 41f-40b, 43f-40b, 55f-40b, 61f-40b, 62f-61f

41: // enter(context, func): runs a function, returns 0 or why it was left
stp x19, x20, [sp, #-80]!
stp x21, x22, [sp, #16]
stp x23, x24, [sp, #32]
stp x25, x28, [sp, #48]
stp x29, x30, [sp, #64]
isb // code may have been made by another thread
mov x22, x0
mov w9, w1
ldr x23, [x22, #0x10]
ldr x19, [x22, #0x18]
ldr x28, [x22, #0x20]
ldr x20, [x22, #0x38]
ldr x21, [x22, #0x60]
ldr x24, [x22, #0x80]
adr x25, 40b
ldr x16, [x24, x9, lsl #3]
blr x16
mov w0, #0
42: // leave with the reason in w0; only generated code is skipped. x30 tells which function it was
str x23, [x22, #0x10]
str x30, [x28, #-8]
str x28, [x22, #0x08]
ldp x21, x22, [sp, #16]
ldp x23, x24, [sp, #32]
ldp x25, x28, [sp, #48]
ldp x29, x30, [sp, #64]
ldp x19, x20, [sp], #80
ret

43: // where entries of functions that are not compiled yet lead; w9 = function
str x30, [x28, #-8]!
str x28, [x22, #0x08]
str x9, [x22, #0x90]
mov x0, x22
mov w1, w9
ldr x16, [x22, #0xa0]
blr x16
ldr x30, [x28], #8
cbnz w0, 42b
ldr x9, [x22, #0x90]
ldr x16, [x24, x9, lsl #3]
br x16

44: // runs instruction number w9 in Rust
str x30, [x28, #-8]!
str x23, [x22, #0x10]
str x28, [x22, #0x08]
mov x0, x22
mov w1, w9
mov x2, x19
ldr x16, [x22, #0x98]
blr x16
ldr x30, [x28], #8
cbnz w0, 42b
ldr x23, [x22, #0x10]
ldr x20, [x22, #0x38]
ret

45: // calls item w9 of table x11, a function of type w10; x19 is its frame
ldr x12, [x22, #0x78]
add x12, x12, x11, lsl #4
ldp x13, x14, [x12]
mov w9, w9
cmp x9, x14
b.hs 49f
ldr x9, [x13, x9, lsl #3]
cbz x9, 50f
sub w9, w9, #1
ldr w14, [x22, #0x88]
cmp w9, w14
b.hs 51f
ldr x12, [x22, #0x70]
add x12, x12, x9, lsl #4
ldrh w13, [x12, #10]
cmp w13, w10, uxth
b.ne 51f
ldr x16, [x24, x9, lsl #3]
br x16

46: mov w0, #2 // MemoryOutOfBounds
b 42b
47: mov w0, #7 // IntegerOverflow, or IntegerDivideByZero where the divisor was found equal to zero
cinc w0, w0, eq
b 42b
48: mov w0, #1 // Unreachable
b 42b
49: mov w0, #4 // UndefinedElement
b 42b
50: mov w0, #5 // UninitializedElement
b 42b
51: mov w0, #6 // IndirectCallTypeMismatch
b 42b
53: mov w0, #10 // no fuel
b 42b
54: mov w0, #11 // no stack
b 42b

66: // memory.copy to w9, from w10, of w11 bytes; all is loaded that a store could overwrite
ldr x12, [x22, #0x40]
mov w11, w11
add x13, x11, w9, uxtw
cmp x13, x12
b.hi 46b
add x13, x11, w10, uxtw
cmp x13, x12
b.hi 46b
add x9, x20, w9, uxtw
add x10, x20, w10, uxtw
add x12, x9, x11
add x13, x10, x11
cmp x11, #16
b.lo 3f
ldr q0, [x10]
ldur q1, [x13, #-16]
cmp x11, #32
b.hi 5f
str q0, [x9]
stur q1, [x12, #-16]
ret
3:
tbz w11, #3, 3f
ldr x14, [x10]
ldur x15, [x13, #-8]
str x14, [x9]
stur x15, [x12, #-8]
ret
3:
tbz w11, #2, 3f
ldr w14, [x10]
ldur w15, [x13, #-4]
str w14, [x9]
stur w15, [x12, #-4]
ret
3:
cbz w11, 4f
lsr w16, w11, #1
ldrb w14, [x10]
ldurb w15, [x13, #-1]
ldrb w17, [x10, x16]
strb w14, [x9]
sturb w15, [x12, #-1]
strb w17, [x9, x16]
4:
ret
5:
sub x14, x9, x10
cmp x14, x11
sub x15, x11, #16
b.lo 7f
mov x14, #16
6: // forwards, between the first and the last sixteen bytes
ldr q2, [x10, x14]
str q2, [x9, x14]
add x14, x14, #16
cmp x14, x15
b.lo 6b
b 9f
7:
mov x14, x15
8: // backwards
sub x14, x14, #16
ldr q2, [x10, x14]
str q2, [x9, x14]
cmp x14, #16
b.hi 8b
9:
stur q1, [x12, #-16]
str q0, [x9]
2: // long ones cost fuel as the loops they replace
lsr w11, w11, #6
subs x23, x23, x11
b.lo 53b
ret

67: // memory.fill from w9 with the byte w10, w11 bytes
ldr x12, [x22, #0x40]
mov w11, w11
add x13, x11, w9, uxtw
cmp x13, x12
b.hi 46b
add x9, x20, w9, uxtw
add x12, x9, x11
dup v0.16b, w10
fmov x10, d0
cmp x11, #16
b.lo 3f
sub x15, x11, #16
stur q0, [x12, #-16]
mov x14, #0
4:
cmp x14, x15
b.hs 2b
str q0, [x9, x14]
add x14, x14, #16
b 4b
3:
tbz w11, #3, 3f
str x10, [x9]
stur x10, [x12, #-8]
ret
3:
tbz w11, #2, 3f
str w10, [x9]
stur w10, [x12, #-4]
ret
3:
cbz w11, 4f
lsr w16, w11, #1
strb w10, [x9]
sturb w10, [x12, #-1]
strb w10, [x9, x16]
4:
ret

.p2align 4
56: // begin of a function: the emitter knows that the frame's size is at 16 of 60 bytes
str x30, [x28, #-8]!
subs x23, x23, #1
b.lo 3f
ldr x10, [x22, #0x28]
mov x9, #0 // slots of the frame
cmp x28, x10
b.lo 4f
ldr x10, [x22, #0x30]
add x9, x19, x9, lsl #3
cmp x9, x10
b.ls 5f
4:
stub 54b, 1
3:
stub 53b, 1
5:
.p2align 4
63: // a backward branch: the jump is at 8 of 20 bytes
subs x23, x23, #1
b.lo 3f
b .
3:
stub 53b, 1
"#,
            // The emitter.
            r#"
.macro patch field, offset, shift // sets the field in the instruction at an offset that a record tells
ldrb w14, [x10, #\offset]
ldr w16, [x3, x14]
.ifc \shift, none
eor w16, w16, \field
.else
lsl w17, \field, \shift
eor w16, w16, w17
.endif
str w16, [x3, x14]
.endm
.p2align 4
55: // emit(job): 0 = all is emitted, 1 = the next instruction is to be checked, 2 = it breaks a rule
ldp x1, x2, [x0] // instruction, their end
ldp x3, x4, [x0, #0x10] // output, its base
ldp x5, x6, [x0, #0x20] // first instruction of the function, list of branches
ldr x7, [x0, #0x30] // 0x8000 - frame size, in each lane of a field
ldr w9, [x0, #0x38] // end of the frame, or that the function has begun
mov w10, #0x80000000
cmp w9, w10
b.eq 2f
str w10, [x0, #0x38]
adr x10, 56b
ldp q0, q1, [x10]
ldp q2, q3, [x10, #32]
stp q0, q1, [x3]
stp q2, q3, [x3, #32]
ldr w10, [x3, #16]
lsl w9, w9, #2 // eight bytes a slot, and five bits to the left
eor w10, w10, w9
str w10, [x3, #16]
add x3, x3, #60
2:
cmp x1, x2
b.hs 9f
ldr x9, [x1]
and w10, w9, #0xff
ldr w11, [x0, #0x3c]
cmp w10, w11
b.hs 8f
ldr x11, [x0, #0x40]
add x10, x11, x10, lsl #6 // record
ldrb w12, [x10, #63]
ldr x11, [x0, #0x48]
add x11, x11, x12, lsl #6 // class
ldr x13, [x11] // slots are below the frame's size
and x12, x9, x13
ldp x14, x16, [x0, #0x68]
and x15, x12, x14
add x15, x15, x7
orr x15, x15, x12
and x15, x15, x16
tst x15, x13
b.ne 8f
ldrb w14, [x11, #42]
cmp w14, #3
b.hs 7f
6:
ldrb w12, [x11, #40] // index or offset
lsr x12, x9, x12
ldp x13, x14, [x11, #16]
and x12, x12, x13
and x14, x14, x9, lsl #8
orr x12, x12, x14
ldr x13, [x11, #32]
cmp x12, x13
b.hs 8f
sub x13, x1, x5 // where it begins
lsr x13, x13, #1
ldr x15, [x0, #0x50]
str w3, [x15, x13]
mov w15, #5 // where fields go: all others are moved to a register
ldr x13, [x11, #8]
and x13, x13, x9
orr x13, x13, x12, lsr #16
cbnz x13, 3f
ldr x13, [x0, #0x58] // the near record
add x10, x10, x13
mov w15, #10
3:
ldp q0, q1, [x10]
ldp q2, q3, [x10, #32]
stp q0, q1, [x3]
stp q2, q3, [x3, #32]
ubfx w13, w9, #16, #16
patch w13, 57, w15
ubfx x13, x9, #32, #16
patch w13, 58, w15
ldrb w14, [x11, #41]
ldrh w13, [x1, x14]
patch w13, 59, w15
ldrsh w13, [x1, #6] // movz, or movn of the complement
eor w17, w13, w13, asr #31
lsr w13, w13, #31
lsl w13, w13, #30
orr w13, w13, w17, lsl #5
patch w13, 60, none
and w13, w12, #0xffff
patch w13, 61, #5
lsr w13, w12, #16
add x14, x14, #4
ldr w16, [x3, x14]
eor w16, w16, w13, lsl #5
str w16, [x3, x14]
ldrb w14, [x10, #56]
ldrb w13, [x11, #42]
cbnz w13, 3f
4:
add x3, x3, x14
add x1, x1, #8
b 2b
3: // branch (1), jump (2), number of the instruction wanted (3), checked only (4)
cmp w13, #2
b.hi 5f
ldrsw x15, [x1, #4]
b.eq 3f
ldrsh x15, [x1, #2]
3:
sub x13, x1, x5
asr x13, x13, #3
add x13, x13, x15
add x13, x13, #1
sub x12, x2, x5
cmp x13, x12, lsr #3
b.hs 8f
add x12, x3, x14
sub x12, x12, #4
lsr x15, x15, #63
str x12, [x6]
stp w13, w15, [x6, #8]
add x6, x6, #16
b 4b
5:
cmp w13, #3
b.ne 4b
sub x13, x1, x5
ldr x12, [x0, #0x60]
add x13, x12, x13, lsr #3
ldp w16, w17, [x3]
and w12, w13, #0xffff
eor w16, w16, w12, lsl #5
lsr w12, w13, #16
eor w17, w17, w12, lsl #5
stp w16, w17, [x3]
b 4b
7: // a rare instruction: Rust checks it
ldr x14, [x0, #0x78]
cmp x1, x14
b.eq 6b
mov w8, #1
b 3f
8:
mov w8, #2
b 3f
9: // branches
ldr x9, [x0, #0x80]
ldr x10, [x0, #0x50]
2:
cmp x9, x6
b.hs 2f
ldr x11, [x9]
ldp w12, w13, [x9, #8]
add x9, x9, #16
ldr w12, [x10, x12, lsl #2]
mov w14, #0x14000000
mov w15, w14
cbz w13, 5f
adr x16, 63b // over a piece of code that takes the fuel
ldp q0, q1, [x16]
stp q0, q1, [x3]
sub w13, w3, w11
bfxil w15, w13, #2, #26
str w15, [x11]
mov w15, w14
add x11, x3, #8
add x3, x3, #20
5:
sub w12, w12, w11
bfxil w15, w12, #2, #26
str w15, [x11]
b 2b
2:
mov w8, #0
3:
str x1, [x0]
str x3, [x0, #0x10]
str x6, [x0, #0x28]
mov w0, w8
ret
.org 40b+2048
"#,
            // What records are written with. In those of table 1 any field fits, in those of table 0
            // slots below 4096 and indices below 65536.
            r#"
.macro rec
20:
21:
22:
23:
24:
25:
.endm
.macro end class
27:
.org 20b+56
.byte 27b-20b, 21b-20b-4, 22b-20b-4, 23b-20b-4, 24b-20b-4, 25b-20b-4, 0, \class
.endm
.macro slot far, field, ins, r // loads or stores a slot
.if \far
mov x16, #0
\field:
\ins \r, [x19, x16, lsl #3]
.else
\ins \r, [x19]
\field:
.endif
.endm
.macro geta far, r
slot \far, 21, ldr, \r
.endm
.macro getb far, r
slot \far, 22, ldr, \r
.endm
.macro getc far, r
slot \far, 23, ldr, \r
.endm
.macro puta far, r=x9
slot \far, 21, str, \r
.endm
.macro imm r // the immediate c
mov \r, #0
24:
.endm
.macro index far, r
mov \r, #0
25:
.if \far
movk \r, #0, lsl #16
.endif
.endm
.macro dss far, r, ins, more
rec
getb \far, x9
getc \far, x10
.ifnb \more
\more \r\()10, \r\()10
.endif
\ins \r\()9, \r\()9, \r\()10
puta \far
end 1
.endm
.macro dsi far, r, ins, more
rec
getb \far, x9
imm \r\()10
.ifnb \more
\more \r\()10, \r\()10
.endif
\ins \r\()9, \r\()9, \r\()10
puta \far
end 2
.endm
.macro ds far, ins, r=w, s=w
rec
getb \far, x9
\ins \r\()9, \s\()9
puta \far
end 3
.endm
.macro ctz far, r
rec
getb \far, x9
rbit \r\()9, \r\()9
clz \r\()9, \r\()9
puta \far
end 3
.endm
.macro divs far, r
rec
getb \far, x9
getc \far, x10
cmp \r\()10, #0
b.eq 3f
cmn \r\()10, #1
ccmp \r\()9, #1, #0, eq
b.vc 2f
3:
stub 47b, 1
2:
sdiv \r\()9, \r\()9, \r\()10
puta \far
end 1
.endm
.macro divide far, r, ins, rem=0
rec
getb \far, x9
getc \far, x10
cmp \r\()10, #0
b.ne 2f
stub 47b, 1
2:
\ins \r\()11, \r\()9, \r\()10
.if \rem
msub \r\()11, \r\()11, \r\()10, \r\()9
.endif
puta \far, x11
end 1
.endm
.macro flag far, r, cc
rec
getb \far, x9
getc \far, x10
cmp \r\()9, \r\()10
cset w9, \cc
puta \far
end 1
.endm
.macro flagi far, r, cc
rec
getb \far, x9
imm \r\()10
cmp \r\()9, \r\()10
cset w9, \cc
puta \far
end 2
.endm
.macro branch far, r, not
rec
getb \far, x9
getc \far, x10
cmp \r\()9, \r\()10
b.\not 27f
b .
end 9
.endm
.macro branchi far, r, not, ins=cmp
rec
getb \far, x9
imm \r\()10
\ins \r\()9, \r\()10
b.\not 27f
b .
end 10
.endm
.macro addr far, limit // x9 = address + offset, checked
getb \far, x9
index \far, x11
ldr x10, [x22, #\limit]
add x9, x11, w9, uxtw
cmp x9, x10
b.lo 2f
stub 46b, 1
2:
.endm
.macro load far, limit, ins, r=w9
rec
addr \far, \limit
\ins \r, [x20, x9]
puta \far
end 6
.endm
.macro store far, limit, ins, r=w10
rec
addr \far, \limit
getc \far, x10
\ins \r, [x20, x9]
end 7
.endm
.macro storei far, limit, ins, r=w10
rec
addr \far, \limit
imm \r
\ins \r, [x20, x9]
end 8
.endm
.macro block far, label
rec
geta \far, x9
getb \far, x10
getc \far, x11
stub \label, 1
end 21
.endm
.macro slow class // Rust runs it
rec
mov x9, #0
movk x9, #0, lsl #16
stub 44b, 1
end \class
.endm
.macro window ins, field // moves the frame to the callee's or back
mov x16, #0
\field:
\ins x19, x19, x16, lsl #3
.endm
"#,
            // The records, in the order of `image::op`.
            r#"
.macro table far
rec // INVALID
udf #0
end 0
rec // MOV
getb \far, x9
puta \far
end 3
rec // MOV2
getb \far, x9
getc \far, x10
mov x11, #0
.if \far == 0
add x11, x11, #0
.endif
21:
add x11, x19, x11, lsl #3
stp x9, x10, [x11]
end 24
rec // CONST
index \far, x9
puta \far
end 4
rec // CONST_S
index \far, x9
sxtw x9, w9
puta \far
end 4
rec // CONST_K
index \far, x11
ldr x10, [x22, #0x68]
ldr x9, [x10, x11, lsl #3]
puta \far
end 5
rec // GLOBAL_GET
index \far, x11
ldr x9, [x21, x11]
puta \far
end 18
rec // GLOBAL_SET
geta \far, x9
index \far, x11
str x9, [x21, x11]
end 19
rec // GLOBAL_ADD
index \far, x11
imm w10
ldr x9, [x21, x11]
add w9, w9, w10
str x9, [x21, x11]
puta \far
end 25
rec // GLOBAL_TO
getb \far, x9
index \far, x11
imm w10
add w9, w9, w10
str x9, [x21, x11]
end 26
rec // SELECT
getb \far, x9
cbnz w9, 27f
getc \far, x9
puta \far
end 20
rec // SELECT_NOT
getb \far, x9
cbz w9, 27f
getc \far, x9
puta \far
end 20
.irp r, w, x
dss \far, \r, add
dss \far, \r, sub
dss \far, \r, mul
dss \far, \r, and
dss \far, \r, orr
dss \far, \r, eor
dss \far, \r, lsl
dss \far, \r, asr
dss \far, \r, lsr
dss \far, \r, ror, neg
dss \far, \r, ror
dsi \far, \r, add
dsi \far, \r, mul
dsi \far, \r, and
dsi \far, \r, orr
dsi \far, \r, eor
dsi \far, \r, lsl
dsi \far, \r, asr
dsi \far, \r, lsr
dsi \far, \r, ror, neg
divs \far, \r
divide \far, \r, udiv
divide \far, \r, sdiv, 1
divide \far, \r, udiv, 1
ds \far, clz, \r, \r
ctz \far, \r
ds \far, sxtb, \r
ds \far, sxth, \r
.ifc \r, w
ds \far, mov
.else
ds \far, sxtw, x
.endif
.endr
.irp r, w, x
flag \far, \r, eq
flag \far, \r, ne
flag \far, \r, lt
flag \far, \r, lo
flag \far, \r, le
flag \far, \r, ls
flagi \far, \r, eq
flagi \far, \r, ne
flagi \far, \r, lt
flagi \far, \r, lo
flagi \far, \r, gt
flagi \far, \r, hi
.endr
.irp r, w, x
branch \far, \r, ne
branch \far, \r, eq
branch \far, \r, ge
branch \far, \r, hs
branch \far, \r, gt
branch \far, \r, hi
branchi \far, \r, ne
branchi \far, \r, eq
branchi \far, \r, ge
branchi \far, \r, hs
branchi \far, \r, le
branchi \far, \r, ls
.endr
branchi \far, w, eq, tst
branchi \far, w, ne, tst
rec // BR
b .
end 11
rec // BR_TABLE
getb \far, x9
index \far, x11
cmp w9, w11
csel w9, w9, w11, lo
adr x10, 27f
add x10, x10, w9, uxtw #2
br x10
end 12
rec // RET
ldr x30, [x28], #8
ret
end 13
rec // RET_S
getb \far, x9
ldr x30, [x28], #8
str x9, [x19]
ret
end 14
rec // UNREACHABLE
stub 48b, 1
end 13
rec // CALL
window add, 21
index 1, x9
ldr x16, [x24, x9, lsl #3]
blr x16
window sub, 23
end 15
slow 16
rec // CALL_INDIRECT
getb 1, x9
index 1, x11
imm w10
window add, 21
stub 45b, 1
window sub, 23
end 17
load \far, 0x40, ldrb
load \far, 0x48, ldrh
load \far, 0x50, ldr
load \far, 0x58, ldr, x9
load \far, 0x40, ldrsb
load \far, 0x48, ldrsh
load \far, 0x40, ldrsb, x9
load \far, 0x48, ldrsh, x9
load \far, 0x50, ldrsw, x9
store \far, 0x40, strb
store \far, 0x48, strh
store \far, 0x50, str
store \far, 0x58, str, x10
storei \far, 0x40, strb
storei \far, 0x48, strh
storei \far, 0x50, str
storei \far, 0x58, str, x10
rec // ADDRESS
index \far, x11
ldr x10, [x22, #0x68]
ldr x11, [x10, x11, lsl #3]
getb \far, x9
adds w9, w9, w11
b.lo 2f
stub 46b, 1
2:
puta \far
end 5
block \far, 66b // MEMORY_COPY
block \far, 67b // MEMORY_FILL
slow 22
slow 23
.endm
61:
table 1
62:
table 0
.purgem stub
.purgem patch
.purgem rec
.purgem end
.purgem slot
.purgem geta
.purgem getb
.purgem getc
.purgem puta
.purgem imm
.purgem index
.purgem dss
.purgem dsi
.purgem ds
.purgem ctz
.purgem divs
.purgem divide
.purgem flag
.purgem flagi
.purgem branch
.purgem branchi
.purgem addr
.purgem load
.purgem store
.purgem storei
.purgem block
.purgem slow
.purgem window
.purgem table
"#,
            "99:",
            out("x0") address,
            options(nomem, nostack, preserves_flags),
        );
    }
    address
}
