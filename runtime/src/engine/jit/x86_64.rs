//! The machine code of the engine for x86-64, as assembler text: stubs, the emitter, one record per opcode.
//!
//! Nothing of it runs where the compiler puts it: `text` gives its address, the stubs are copied
//! to the start of the code region, and the emitter copies records behind them. So it uses no
//! symbol, and no address but relative ones within one copy.
//!
//! Registers of generated code: rbx = frame + 128 (so that a signed byte reaches 32 slots),
//! rbp = entries, r12 = memory, r13 = globals, r14 = `Context`, r15 = fuel, rsp = the engine's
//! own stack of return addresses, so that a macro's recursion cannot exhaust rustc's stack.
//! Between two instructions of the image nothing else is kept in a register.
//!
//! A record is 56 bytes of code and 8 of description: its length, the offsets of the fields a, b
//! and c, of the immediate c, of the index, of the jump to a stub, and its class (`kernel/machine.rs`). The
//! placeholder of a field that a record does not have lies behind its code, where the next
//! record will be written. Records are written in `x86_64/records.s` and compiled as numbers, `x86_64/records.inc`,
//! which `cargo xtask machine` assembles from it.

use std::arch::asm;

/// Bytes at the start of the text that are copied to the start of the code region.
pub const STUBS: usize = 2048;
/// Words at the start: the offsets of enter, lazy, emit and the records, and the size of one table.
pub const HEADER: usize = 5;
/// How far behind the frame's begin its register points, in bytes.
pub const BEGIN: usize = 128;
/// The bits of a slot's number for which it does not fit a narrow record.
pub const FAR: u64 = 0xffe0;
/// A region's size: how far a jump reaches, with room to spare.
pub const REACH: usize = 1 << 30;

/// The address of the text.
#[inline(always)]
pub fn text() -> *const u8 {
    let address: *const u8;
    // SAFETY: the address of a label is taken, and the text jumped over.
    unsafe {
        asm!(
            "lea rax, [rip + 40f]",
            "jmp 99f",
            // Header and stubs.
            r#"
.p2align 6
40:
.long 41f-40b, 43f-40b, 55f-40b, 61f-40b, 62f-61f

41: # enter(context, func): runs a function, returns 0 or why it was left
push rbx
push rbp
push r12
push r13
push r14
push r15
sub rsp, 8
mov r14, rdi
mov [r14+0x00], rsp
mov eax, esi
mov r15, [r14+0x10]
mov rbx, [r14+0x18]
mov r12, [r14+0x38]
mov r13, [r14+0x60]
mov rbp, [r14+0x80]
mov rsp, [r14+0x20]
call qword ptr [rbp+rax*8]
xor eax, eax
jmp 42f
52: # leave from a stub that was called: the word below the stack is then of the caller, as in all other cases
add rsp, 8
42: # leave with the reason in eax; only generated code is skipped
mov [r14+0x10], r15
mov [r14+0x08], rsp
mov rsp, [r14+0x00]
add rsp, 8
pop r15
pop r14
pop r13
pop r12
pop rbp
pop rbx
ret

43: # where entries of functions that are not compiled yet lead; eax = function
mov [r14+0x10], r15
mov [r14+0x08], rsp
mov [r14+0x90], rax
mov rdi, r14
mov esi, eax
mov rsp, [r14+0x00]
call qword ptr [r14+0xa0]
mov rsp, [r14+0x08]
test eax, eax
jne 42b
mov rax, [r14+0x90]
jmp qword ptr [rbp+rax*8]

44: # runs instruction number eax in Rust
mov [r14+0x10], r15
mov [r14+0x08], rsp
mov rdi, r14
mov esi, eax
lea rdx, [rbx-128]
mov rsp, [r14+0x00]
call qword ptr [r14+0x98]
mov rsp, [r14+0x08]
test eax, eax
jne 42b
mov r15, [r14+0x10]
mov r12, [r14+0x38]
ret

45: # calls item eax of table ecx, a function of type dx; rbx is its frame
shl ecx, 4
add rcx, [r14+0x78]
cmp rax, [rcx+8]
jae 49f
mov rcx, [rcx]
mov rax, [rcx+rax*8]
test rax, rax
je 50f
sub eax, 1
cmp eax, [r14+0x88]
jae 51f
mov rcx, rax
shl rcx, 4
add rcx, [r14+0x70]
cmp [rcx+10], dx
jne 51f
jmp qword ptr [rbp+rax*8]

46: mov eax, 2 # MemoryOutOfBounds
jmp 42b
47: mov eax, 8 # IntegerDivideByZero, or IntegerOverflow
test rcx, rcx
je 42b
mov eax, 7
jmp 42b
48: mov eax, 1 # Unreachable
jmp 42b
49: mov eax, 4 # UndefinedElement
jmp 52b
50: mov eax, 5 # UninitializedElement
jmp 52b
51: mov eax, 6 # IndirectCallTypeMismatch
jmp 52b
53: mov eax, 10 # no fuel
jmp 42b
54: mov eax, 11 # no stack
jmp 42b
68: mov eax, 2 # MemoryOutOfBounds, in what follows
jmp 52b
69: mov eax, 10 # no fuel, there
jmp 52b

66: # memory.copy to edi, from esi, of ecx bytes; all is loaded that a store could overwrite
lea rax, [rdi+rcx]
cmp rax, [r14+0x40]
ja 68b
lea rax, [rsi+rcx]
cmp rax, [r14+0x40]
ja 68b
add rdi, r12
add rsi, r12
cmp ecx, 16
jb 3f
movups xmm0, [rsi]
movups xmm1, [rsi+rcx-16]
cmp ecx, 32
ja 5f
movups [rdi], xmm0
movups [rdi+rcx-16], xmm1
ret
3:
cmp ecx, 8
jb 3f
mov rax, [rsi]
mov rdx, [rsi+rcx-8]
mov [rdi], rax
mov [rdi+rcx-8], rdx
ret
3:
cmp ecx, 4
jb 3f
mov eax, [rsi]
mov edx, [rsi+rcx-4]
mov [rdi], eax
mov [rdi+rcx-4], edx
ret
3:
test ecx, ecx
je 4f
mov r8d, ecx
shr r8d, 1
mov al, [rsi]
mov dl, [rsi+rcx-1]
mov r9b, [rsi+r8]
mov [rdi], al
mov [rdi+rcx-1], dl
mov [rdi+r8], r9b
4:
ret
5:
mov edx, ecx
mov rax, rdi
sub rax, rsi
cmp rax, rcx
lea rcx, [rcx-16]
jb 7f
mov r8d, 16
6: # forwards, between the first and the last sixteen bytes
movups xmm2, [rsi+r8]
movups [rdi+r8], xmm2
add r8, 16
cmp r8, rcx
jb 6b
jmp 9f
7:
mov r8, rcx
8: # backwards
sub r8, 16
movups xmm2, [rsi+r8]
movups [rdi+r8], xmm2
cmp r8, 16
ja 8b
9:
movups [rdi+rcx], xmm1
movups [rdi], xmm0
2: # long ones cost fuel as the loops they replace
shr edx, 6
sub r15, rdx
jb 69b
ret

67: # memory.fill from edi with the byte esi, ecx bytes
lea rax, [rdi+rcx]
cmp rax, [r14+0x40]
ja 68b
add rdi, r12
mov edx, ecx
movzx eax, sil
mov r8, 0x0101010101010101
imul rax, r8
cmp ecx, 16
jb 3f
movq xmm0, rax
punpcklqdq xmm0, xmm0
sub rcx, 16
movups [rdi+rcx], xmm0
xor r8d, r8d
4:
cmp r8, rcx
jae 2b
movups [rdi+r8], xmm0
add r8, 16
jmp 4b
3:
cmp ecx, 8
jb 3f
mov [rdi], rax
mov [rdi+rcx-8], rax
ret
3:
cmp ecx, 4
jb 3f
mov [rdi], eax
mov [rdi+rcx-4], eax
ret
3:
test ecx, ecx
je 4f
shr edx, 1
mov [rdi], al
mov [rdi+rcx-1], al
mov [rdi+rdx], al
4:
ret

56: # begin of a function; the emitter knows the offsets of what it changes
mov [rsp-8], rax # its number, until it calls: return addresses tell of the others (`machine::frame`)
sub r15, 1
.byte 0x0f, 0x82
.long (53b-40b)-(57f-56b)
57:
cmp rsp, [r14+0x28]
.byte 0x0f, 0x82
.long (54b-40b)-(58f-56b)
58:
.byte 0x48, 0x8d, 0x83 # lea rax, [rbx + end of the frame]
.long 0
59:
cmp rax, [r14+0x30]
.byte 0x0f, 0x87
.long (54b-40b)-(60f-56b)
60:
63: # a backward branch
sub r15, 1
.byte 0x0f, 0x82
.long (53b-40b)-(64f-63b)
64:
.byte 0xe9
.long 0
65:
"#,
            // The emitter.
            r#"
.p2align 4
55: # emit(job): 0 = all is emitted, 1 = the next instruction is to be checked, 2 = it breaks a rule
push rbx
push rbp
push r12
push r13
push r14
push r15
mov rsi, [rdi+0x00] # instruction
mov r12, [rdi+0x08] # their end
mov r8, [rdi+0x10]  # output
mov r15, [rdi+0x18] # output's base: the stubs
mov rbp, [rdi+0x20] # first instruction of the function
mov r14, [rdi+0x28] # list of branches
mov r11, [rdi+0x30] # 0x8000 - frame size, in each lane of a field
mov eax, [rdi+0x38] # end of the frame, or that the function has begun
cmp eax, 0x80000000
je 2f
movups xmm0, [rip+56b]
movups xmm1, [rip+56b+16]
movups xmm2, [rip+56b+32]
movups [r8], xmm0
movups [r8+16], xmm1
movups [r8+32], xmm2
mov [r8+28], eax
mov eax, r15d
sub eax, r8d
add [r8+11], eax
add [r8+21], eax
add [r8+38], eax
add r8, 42
mov dword ptr [rdi+0x38], 0x80000000
2:
cmp rsi, r12
jae 9f
mov rax, [rsi]
movzx ecx, al
cmp ecx, [rdi+0x3c]
jae 8f
shl ecx, 6
mov rdx, [rdi+0x40]
add rdx, rcx # record
movzx ecx, byte ptr [rdx+63]
shl ecx, 6
mov r13, [rdi+0x48]
add r13, rcx # class
mov rbx, rax # slots are below the frame's size
and rbx, [r13]
mov rcx, rbx
and rcx, [rdi+0x68]
add rcx, r11
or rcx, rbx
and rcx, [rdi+0x70]
test rcx, [r13]
jne 8f
cmp byte ptr [r13+42], 3
jae 7f
6:
mov rbx, rax # index or offset
mov cl, [r13+40]
shr rbx, cl
and rbx, [r13+16]
shl rax, 8
and rax, [r13+24]
or rbx, rax
cmp rbx, [r13+32]
jae 8f
mov rcx, rsi # where it begins
sub rcx, rbp
shr rcx, 1
add rcx, [rdi+0x50]
mov [rcx], r8d
mov rax, [rsi]
movzx ecx, byte ptr [r13+41]
movzx ecx, word ptr [rsi+rcx]
shl ecx, 3
add ecx, [r13+44]
movzx r9d, word ptr [rsi+4]
lea r9d, [r9*8-128]
test rax, [r13+8]
jne 4f
add rdx, [rdi+0x58] # the narrow record
movups xmm0, [rdx]
movups xmm1, [rdx+16]
movups xmm2, [rdx+32]
movups xmm3, [rdx+48]
movups [r8], xmm0
movups [r8+16], xmm1
movups [r8+32], xmm2
movups [r8+48], xmm3
movzx r10d, byte ptr [rdx+59]
mov [r8+r10], cl
movzx r10d, byte ptr [rdx+58]
mov [r8+r10], r9b
shr eax, 16
shl eax, 3
add eax, [r13+44]
movzx r10d, byte ptr [rdx+57]
mov [r8+r10], al
jmp 5f
4:
movups xmm0, [rdx]
movups xmm1, [rdx+16]
movups xmm2, [rdx+32]
movups xmm3, [rdx+48]
movups [r8], xmm0
movups [r8+16], xmm1
movups [r8+32], xmm2
movups [r8+48], xmm3
movzx r10d, byte ptr [rdx+59]
mov [r8+r10], ecx
movzx r10d, byte ptr [rdx+58]
mov [r8+r10], r9d
shr eax, 16
shl eax, 3
add eax, [r13+44]
movzx r10d, byte ptr [rdx+57]
mov [r8+r10], eax
5:
movsx r9d, word ptr [rsi+6]
movzx r10d, byte ptr [rdx+60]
mov [r8+r10], r9d
movzx r10d, byte ptr [rdx+61]
add [r8+r10], ebx
mov r9d, r15d
sub r9d, r8d
movzx r10d, byte ptr [rdx+62]
add [r8+r10], r9d
movzx r9d, byte ptr [rdx+56]
movzx ecx, byte ptr [r13+42]
test ecx, ecx
jne 3f
4:
add r8, r9
add rsi, 8
jmp 2b
3: # branch (1), jump (2), number of the instruction wanted (3), checked only (4)
cmp ecx, 2
ja 5f
movsxd r10, dword ptr [rsi+4]
je 3f
movsx r10, word ptr [rsi+2]
3:
mov rcx, rsi
sub rcx, rbp
sar rcx, 3
lea rcx, [rcx+r10+1]
mov rbx, r12
sub rbx, rbp
shr rbx, 3
cmp rcx, rbx
jae 8f
lea rbx, [r8+r9-4]
mov [r14], rbx
mov [r14+8], ecx
shr r10, 63
mov [r14+12], r10d
add r14, 16
jmp 4b
5:
cmp ecx, 3
jne 4b
mov rcx, rsi
sub rcx, rbp
shr rcx, 3
add ecx, [rdi+0x60]
mov [r8+1], ecx
jmp 4b
7: # a rare instruction: Rust checks it
cmp rsi, [rdi+0x78]
je 6b
mov eax, 1
jmp 3f
8:
mov eax, 2
jmp 3f
9: # branches
mov rbx, [rdi+0x80]
mov r10, [rdi+0x50]
2:
cmp rbx, r14
jae 2f
mov rcx, [rbx]
mov eax, [rbx+8]
mov eax, [r10+rax*4]
lea edx, [rcx+4]
cmp dword ptr [rbx+12], 0
jne 5f
sub eax, edx
mov [rcx], eax
add rbx, 16
jmp 2b
5:
mov r9d, r8d
sub r9d, edx
mov [rcx], r9d
movups xmm0, [rip+63b]
movups [r8], xmm0
mov edx, r15d
sub edx, r8d
add [r8+6], edx
lea edx, [r8+15]
sub eax, edx
mov [r8+11], eax
add r8, 15
add rbx, 16
jmp 2b
2:
xor eax, eax
3:
mov [rdi+0x00], rsi
mov [rdi+0x10], r8
mov [rdi+0x28], r14
pop r15
pop r14
pop r13
pop r12
pop rbp
pop rbx
ret
.org 40b+2048
"#,
            // The records, which `records.s` is the source of.
            include_str!("x86_64/records.inc"),
            "99:",
            out("rax") address,
            options(nomem, nostack, preserves_flags),
        );
    }
    address
}
