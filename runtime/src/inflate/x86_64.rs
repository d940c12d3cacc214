//! The inner loops of the decoder as machine code: unoptimised Rust takes five times as long, which
//! is most of the time to the first expansion.
//!
//! They do what `portable.rs` does, with the same checks in the same order. Offsets are those of the
//! structures' fields.

use std::arch::asm;

use super::{Run, Stream};

impl Stream {
    /// Decodes symbols up to `end`; false if the stream is too short.
    ///
    /// # Safety
    /// The fields must say the truth; the input has slack before its start.
    pub unsafe fn decode(&mut self) -> bool {
        let result: u64;
        asm!(
            r#"
mov r8, [rdi+0x08]  # cursor
mov r9, [rdi+0x18]  # table
mov r10, [rdi+0x20] # shift
mov rsi, [rdi+0x28] # output
mov r11, [rdi+0x30] # its end
xor eax, eax
2:
cmp rsi, r11
jae 5f
cmp r8, [rdi+0x10]
jb 6f
lea rcx, [r8+7] # the eight bytes that end with the cursor's give at least 57 bits
shr rcx, 3
mov rdx, rcx
add rdx, [rdi]
mov rdx, [rdx-8]
shl ecx, 3
sub ecx, r8d
shl rdx, cl
lea rcx, [rsi+5]
cmp rcx, r11
jbe 3f
mov r12d, 1
jmp 4f
3:
mov r12d, 5
4: # a symbol
mov rax, rdx
mov ecx, r10d
shr rax, cl
movzx eax, word ptr [r9+rax*2]
mov [rsi], al
add rsi, 1
movzx ecx, ah
shl rdx, cl
sub r8, rcx
sub r12d, 1
jne 4b
xor eax, eax
jmp 2b
5:
mov [rdi+0x08], r8
mov eax, 1
6:
"#,
            inout("rdi") self as *mut Stream => _,
            out("rax") result,
            out("rcx") _,
            out("rdx") _,
            out("rsi") _,
            out("r8") _,
            out("r9") _,
            out("r10") _,
            out("r11") _,
            out("r12") _,
            options(nostack),
        );
        result != 0
    }
}

impl Run {
    /// Runs all sequences; false if one leaves the input, the literals or the output.
    ///
    /// # Safety
    /// The fields must say the truth; the input has slack before its start, the literals behind
    /// their end.
    pub unsafe fn run(&mut self) -> bool {
        let result: u64;
        asm!(
            r#"
push rbx
push rbp
mov r13, [rdi]      # input
mov r8, [rdi+0x08]  # cursor
mov r9, [rdi+0x30]  # states: length, match, offset
mov r10, [rdi+0x38]
mov r11, [rdi+0x40]
mov rsi, [rdi+0x50] # literal
mov rdx, [rdi+0x60] # output
2:
mov rax, [rdi+0x18]
mov r9d, [rax+r9*4]
mov rax, [rdi+0x28]
mov r10d, [rax+r10*4]
mov rax, [rdi+0x20]
mov r11d, [rax+r11*4]
lea rcx, [r8+7] # at least 57 bits, in the high ones of r12
shr rcx, 3
mov r12, [r13+rcx-8]
shl ecx, 3
sub ecx, r8d
shl r12, cl
mov ecx, r11d # the offset's value: up to 31 bits
shr ecx, 24
mov ebx, 1
shl rbx, cl
sub r8, rcx
mov rax, r12
shr rax, 1
shl r12, cl
xor ecx, 63
shr rax, cl
add rbx, rax
mov eax, r10d # the match's size: up to 16 bits
shr eax, 24
mov rcx, [rdi+0x98]
mov r15d, [rcx+rax*4]
mov ecx, r15d
shr ecx, 24
and r15d, 0xffffff
sub r8, rcx
shr r12, 1
xor ecx, 63
shr r12, cl
add r15, r12
lea rcx, [r8+7]
shr rcx, 3
mov r12, [r13+rcx-8]
shl ecx, 3
sub ecx, r8d
shl r12, cl
mov eax, r9d # how many literals: up to 16 bits
shr eax, 24
mov rcx, [rdi+0x90]
mov r14d, [rcx+rax*4]
mov ecx, r14d
shr ecx, 24
and r14d, 0xffffff
sub r8, rcx
mov rax, r12
shr rax, 1
shl r12, cl
xor ecx, 63
shr rax, cl
add r14, rax
cmp rbx, 3 # the offset: a new one, or one of the last three
ja 3f
cmp r14, 1
adc ebx, 0
mov rax, [rdi+0x78]
cmp ebx, 2
jb 5f
je 6f
cmp ebx, 3
jne 4f
mov rbx, [rdi+0x88]
jmp 7f
3:
sub rbx, 3
jmp 7f
4:
lea rbx, [rax-1]
jmp 7f
5:
mov rbx, rax
jmp 8f
6:
mov rbx, [rdi+0x80]
mov [rdi+0x80], rax
mov [rdi+0x78], rbx
jmp 8f
7:
mov rax, [rdi+0x80]
mov [rdi+0x88], rax
mov rax, [rdi+0x78]
mov [rdi+0x80], rax
mov [rdi+0x78], rbx
8:
sub qword ptr [rdi+0x48], 1
je 9f
movzx ebp, r9w # the next states: up to 9 bits each
shr r9d, 16
movzx ecx, r9b
sub r8, rcx
mov rax, r12
shr rax, 1
shl r12, cl
xor ecx, 63
shr rax, cl
lea r9, [rbp+rax]
movzx ebp, r10w
shr r10d, 16
movzx ecx, r10b
sub r8, rcx
mov rax, r12
shr rax, 1
shl r12, cl
xor ecx, 63
shr rax, cl
lea r10, [rbp+rax]
movzx ebp, r11w
shr r11d, 16
movzx ecx, r11b
sub r8, rcx
shr r12, 1
xor ecx, 63
shr r12, cl
lea r11, [rbp+r12]
9:
xor eax, eax
cmp r8, [rdi+0x10] # a sequence reads less than 90 bits: the slack covers the excess
jb 40f
mov rcx, [rdi+0x58]
sub rcx, rsi
cmp r14, rcx
ja 40f
mov rcx, [rdi+0x70]
sub rcx, rdx
lea rbp, [r14+r15]
cmp rbp, rcx
ja 40f
sub rcx, rbp # what is free behind the sequence
test rbx, rbx
je 40f
lea rbp, [rdx+r14]
mov rax, rbp
sub rax, [rdi+0x68]
cmp rbx, rax
ja 41f
cmp rcx, 32
jb 30f
mov rax, rsi # literals, sixteen at a time
20:
movups xmm0, [rax]
movups [rdx], xmm0
add rax, 16
add rdx, 16
cmp rdx, rbp
jb 20b
add rsi, r14
mov rax, rbp
sub rax, rbx
lea rdx, [rbp+r15]
cmp rbx, 16
jb 22f
21:
movups xmm0, [rax]
movups [rbp], xmm0
add rax, 16
add rbp, 16
cmp rbp, rdx
jb 21b
jmp 39f
22:
cmp rbx, 8
jb 24f
23:
mov rcx, [rax]
mov [rbp], rcx
add rax, 8
add rbp, 8
cmp rbp, rdx
jb 23b
jmp 39f
24: # near copies repeat byte by byte
mov cl, [rax]
mov [rbp], cl
add rax, 1
add rbp, 1
cmp rbp, rdx
jb 24b
jmp 39f
30: # near the end of the output
cmp rdx, rbp
jae 31f
mov cl, [rsi]
mov [rdx], cl
add rsi, 1
add rdx, 1
jmp 30b
31:
mov rax, rdx
sub rax, rbx
add rbp, r15
32:
mov cl, [rax]
mov [rdx], cl
add rax, 1
add rdx, 1
cmp rdx, rbp
jb 32b
39:
cmp qword ptr [rdi+0x48], 0
jne 2b
mov [rdi+0x08], r8
mov [rdi+0x50], rsi
mov [rdi+0x60], rdx
mov eax, 1
jmp 40f
41:
xor eax, eax
40:
pop rbp
pop rbx
"#,
            inout("rdi") self as *mut Run => _,
            out("rax") result,
            out("rcx") _,
            out("rdx") _,
            out("rsi") _,
            out("r8") _,
            out("r9") _,
            out("r10") _,
            out("r11") _,
            out("r12") _,
            out("r13") _,
            out("r14") _,
            out("r15") _,
            out("xmm0") _,
        );
        result != 0
    }
}
