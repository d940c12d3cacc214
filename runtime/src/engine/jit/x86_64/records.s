# The records of x86-64: one for each opcode, in the order of `image::op`, for displacements of 32 and then of
# 8 bits. `x86_64.rs` tells what they are.
#
# `cargo xtask machine` assembles this file to records.inc, which is what consumers get: their compiler reads numbers
# in a tenth of the time. So this text is not compiled, but for that and for the test that both are the same.

# What they are written with: \d is a displacement that needs \w bytes.
.macro rec
20:
21:
22:
23:
24:
25:
26:
.endm
.macro end w, class, po=4, pi=4
27:
.org 20b+56
.byte 27b-20b, 21b-20b-\w, 22b-20b-\w, 23b-20b-\w, 24b-20b-\pi, 25b-20b-\po, 26b-20b-4, \class
.endm
.macro geta r, d
mov \r, [rbx+\d]
21:
.endm
.macro getb r, d
mov \r, [rbx+\d]
22:
.endm
.macro getc r, d
mov \r, [rbx+\d]
23:
.endm
.macro puta r, d
mov [rbx+\d], \r
21:
.endm
.macro index first, second, third # an instruction that ends in the index
.ifnb \third
.byte \first, \second, \third
.else
.ifnb \second
.byte \first, \second
.else
.byte \first
.endif
.endif
.long 0
25:
.endm
.macro stub op, label # a jump or call to a stub
.byte \op
.long (\label-40b)-(26f-20b)
26:
.endm
.macro stubif cc, label
.byte 0x0f
stub \cc, \label
.endm
.macro goto cc # to a target in the image
.byte 0x0f, \cc
.long 0
.endm
.macro dss d, w, r, ins
rec
getb \r, \d
\ins \r, [rbx+\d]
23:
puta rax, \d
end \w, 1
.endm
.macro shift d, w, r, ins
rec
getc ecx, \d
getb \r, \d
\ins \r, cl
puta rax, \d
end \w, 1
.endm
.macro dsi d, w, r, ins
rec
getb \r, \d
\ins \r, 0x11223344
24:
puta rax, \d
end \w, 2
.endm
.macro muli d, w, r
rec
getb \r, \d
imul \r, \r, 0x11223344
24:
puta rax, \d
end \w, 2
.endm
.macro shifti d, w, r, ext
rec
getb \r, \d
.ifc \r, rax
.byte 0x48
.endif
.byte 0xc1, \ext, 0
25:
puta rax, \d
end \w, 31, 1
.endm
.macro ds d, w, r, ins, size
rec
\ins \r, \size ptr [rbx+\d]
22:
puta rax, \d
end \w, 3
.endm
.macro zeros d, w, r, q, ins, none, flip
rec
getb \r, \d
mov ecx, \none
\ins \r, \r
cmove \r, \q
xor eax, \flip
puta rax, \d
end \w, 3
.endm
.macro unsigned d, w, r, q, result
rec
getb \r, \d
getc \q, \d
test \q, \q
stubif 0x84, 47b
xor edx, edx
div \q
puta \result, \d
end \w, 1
.endm
.macro remainder d, w, r, q, extend
rec
getb \r, \d
getc \q, \d
xor edx, edx
test \q, \q
stubif 0x84, 47b
cmp \q, -1
je 2f
\extend
idiv \q
2:
puta rdx, \d
end \w, 1
.endm
.macro set d, w, r, cc
rec
getb \r, \d
xor eax, eax
cmp \r, [rbx+\d]
23:
set\cc al
puta rax, \d
end \w, 1
.endm
.macro seti d, w, r, cc
rec
getb \r, \d
xor eax, eax
cmp \r, 0x11223344
24:
set\cc al
puta rax, \d
end \w, 2
.endm
.macro br d, w, r, cc
rec
getb \r, \d
cmp \r, [rbx+\d]
23:
goto \cc
end \w, 9
.endm
.macro bri d, w, r, cc, ins=cmp
rec
getb \r, \d
\ins \r, 0x11223344
24:
goto \cc
end \w, 10
.endm
.macro addr d, limit # rax = address + offset, checked
rec
getb eax, \d
index 0x48, 0x05
cmp rax, [r14+\limit]
stubif 0x83, 46b
.endm
.macro load d, w, limit, ins, r, size
addr \d, \limit
\ins \r, \size ptr [r12+rax]
puta rax, \d
end \w, 6
.endm
.macro store d, w, limit, r
addr \d, \limit
getc rcx, \d
mov [r12+rax], \r
end \w, 7
.endm
.macro storei d, w, limit, size, value, pi
addr \d, \limit
mov \size ptr [r12+rax], \value
24:
end \w, 8, 4, \pi
.endm
.macro block d, w, label
rec
geta edi, \d
getb esi, \d
getc ecx, \d
stub 0xe8, \label
end \w, 21
.endm
.macro slow w, class # Rust runs it
rec
mov eax, 0
stub 0xe8, 44b
end \w, \class
.endm

# The records.
.macro table d, w
rec # INVALID
ud2
end \w, 0
ds \d, \w, rax, mov, qword
rec # MOV2
getb rax, \d
getc rcx, \d
lea rdx, [rbx+\d]
21:
mov [rdx], rax
mov [rdx+8], rcx
end \w, 24
rec # CONST
index 0xb8
puta rax, \d
end \w, 4
rec # CONST_S
index 0x48, 0xc7, 0xc0
puta rax, \d
end \w, 4
rec # CONST_K
index 0xb9
mov rax, [r14+0x68]
mov rax, [rax+rcx*8]
puta rax, \d
end \w, 5
rec # GLOBAL_GET
index 0x49, 0x8b, 0x85
puta rax, \d
end \w, 18
rec # GLOBAL_SET
geta rax, \d
index 0x49, 0x89, 0x85
end \w, 19
rec # GLOBAL_ADD
index 0x49, 0x8d, 0x8d
mov eax, [rcx]
add eax, 0x11223344
24:
mov [rcx], rax
puta rax, \d
end \w, 25
rec # GLOBAL_TO
getb eax, \d
add eax, 0x11223344
24:
index 0x49, 0x89, 0x85
end \w, 26
rec # SELECT
getb eax, \d
test eax, eax
jne 2f
getc rax, \d
puta rax, \d
2:
end \w, 20
rec # SELECT_NOT
getb eax, \d
test eax, eax
je 2f
getc rax, \d
puta rax, \d
2:
end \w, 20
dss \d, \w, eax, add
dss \d, \w, eax, sub
dss \d, \w, eax, imul
dss \d, \w, eax, and
dss \d, \w, eax, or
dss \d, \w, eax, xor
shift \d, \w, eax, shl
shift \d, \w, eax, sar
shift \d, \w, eax, shr
shift \d, \w, eax, rol
shift \d, \w, eax, ror
dsi \d, \w, eax, add
muli \d, \w, eax
dsi \d, \w, eax, and
dsi \d, \w, eax, or
dsi \d, \w, eax, xor
shifti \d, \w, eax, 0xe0
shifti \d, \w, eax, 0xf8
shifti \d, \w, eax, 0xe8
shifti \d, \w, eax, 0xc0
rec # I32_DIV_S
getb eax, \d
getc ecx, \d
test ecx, ecx
je 3f
cmp ecx, -1
jne 2f
cmp eax, 0x80000000
jne 2f
3:
stub 0xe9, 47b
2:
cdq
idiv ecx
puta rax, \d
end \w, 1
unsigned \d, \w, eax, ecx, rax
remainder \d, \w, eax, ecx, cdq
unsigned \d, \w, eax, ecx, rdx
zeros \d, \w, eax, ecx, bsr, 63, 31
zeros \d, \w, eax, ecx, bsf, 32, 0
ds \d, \w, eax, movsx, byte
ds \d, \w, eax, movsx, word
ds \d, \w, eax, mov, dword
dss \d, \w, rax, add
dss \d, \w, rax, sub
dss \d, \w, rax, imul
dss \d, \w, rax, and
dss \d, \w, rax, or
dss \d, \w, rax, xor
shift \d, \w, rax, shl
shift \d, \w, rax, sar
shift \d, \w, rax, shr
shift \d, \w, rax, rol
shift \d, \w, rax, ror
dsi \d, \w, rax, add
muli \d, \w, rax
dsi \d, \w, rax, and
dsi \d, \w, rax, or
dsi \d, \w, rax, xor
shifti \d, \w, rax, 0xe0
shifti \d, \w, rax, 0xf8
shifti \d, \w, rax, 0xe8
shifti \d, \w, rax, 0xc0
rec # I64_DIV_S
getb rax, \d
getc rcx, \d
test rcx, rcx
je 3f
cmp rcx, -1
jne 2f
mov rdx, rax
neg rdx
jno 2f
3:
stub 0xe9, 47b
2:
cqo
idiv rcx
puta rax, \d
end \w, 1
unsigned \d, \w, rax, rcx, rax
remainder \d, \w, rax, rcx, cqo
unsigned \d, \w, rax, rcx, rdx
zeros \d, \w, rax, rcx, bsr, 127, 63
zeros \d, \w, rax, rcx, bsf, 64, 0
ds \d, \w, rax, movsx, byte
ds \d, \w, rax, movsx, word
ds \d, \w, rax, movsxd, dword
set \d, \w, ecx, e
set \d, \w, ecx, ne
set \d, \w, ecx, l
set \d, \w, ecx, b
set \d, \w, ecx, le
set \d, \w, ecx, be
seti \d, \w, ecx, e
seti \d, \w, ecx, ne
seti \d, \w, ecx, l
seti \d, \w, ecx, b
seti \d, \w, ecx, g
seti \d, \w, ecx, a
set \d, \w, rcx, e
set \d, \w, rcx, ne
set \d, \w, rcx, l
set \d, \w, rcx, b
set \d, \w, rcx, le
set \d, \w, rcx, be
seti \d, \w, rcx, e
seti \d, \w, rcx, ne
seti \d, \w, rcx, l
seti \d, \w, rcx, b
seti \d, \w, rcx, g
seti \d, \w, rcx, a
br \d, \w, eax, 0x84
br \d, \w, eax, 0x85
br \d, \w, eax, 0x8c
br \d, \w, eax, 0x82
br \d, \w, eax, 0x8e
br \d, \w, eax, 0x86
bri \d, \w, eax, 0x84
bri \d, \w, eax, 0x85
bri \d, \w, eax, 0x8c
bri \d, \w, eax, 0x82
bri \d, \w, eax, 0x8f
bri \d, \w, eax, 0x87
br \d, \w, rax, 0x84
br \d, \w, rax, 0x85
br \d, \w, rax, 0x8c
br \d, \w, rax, 0x82
br \d, \w, rax, 0x8e
br \d, \w, rax, 0x86
bri \d, \w, rax, 0x84
bri \d, \w, rax, 0x85
bri \d, \w, rax, 0x8c
bri \d, \w, rax, 0x82
bri \d, \w, rax, 0x8f
bri \d, \w, rax, 0x87
bri \d, \w, eax, 0x85, test
bri \d, \w, eax, 0x84, test
rec # BR
.byte 0xe9
.long 0
end \w, 11
rec # BR_TABLE
getb eax, \d
index 0xb9
cmp eax, ecx
cmova eax, ecx
lea rcx, [rip+27f]
lea rax, [rax+rax*4]
add rcx, rax
jmp rcx
end \w, 12
rec # RET
ret
end \w, 13
rec # RET_S
getb rax, \d
mov [rbx-128], rax
ret
end \w, 14
rec # UNREACHABLE
stub 0xe9, 48b
end \w, 13
rec # CALL
.byte 0x48, 0x81, 0xc3 # add rbx, window
.long 0
21:
index 0xb8
call qword ptr [rbp+rax*8]
.byte 0x48, 0x81, 0xeb # sub rbx, window
.long 0
23:
end 4, 15
slow \w, 16
rec # CALL_INDIRECT
getb eax, 0x11223344
index 0xb9
mov edx, 0x11223344
24:
.byte 0x48, 0x81, 0xc3
.long 0
21:
stub 0xe8, 45b
.byte 0x48, 0x81, 0xeb
.long 0
23:
end 4, 17
load \d, \w, 0x40, movzx, eax, byte
load \d, \w, 0x48, movzx, eax, word
load \d, \w, 0x50, mov, eax, dword
load \d, \w, 0x58, mov, rax, qword
load \d, \w, 0x40, movsx, eax, byte
load \d, \w, 0x48, movsx, eax, word
load \d, \w, 0x40, movsx, rax, byte
load \d, \w, 0x48, movsx, rax, word
load \d, \w, 0x50, movsxd, rax, dword
store \d, \w, 0x40, cl
store \d, \w, 0x48, cx
store \d, \w, 0x50, ecx
store \d, \w, 0x58, rcx
storei \d, \w, 0x40, byte, 0x11, 1
storei \d, \w, 0x48, word, 0x1122, 2
storei \d, \w, 0x50, dword, 0x11223344, 4
storei \d, \w, 0x58, qword, 0x11223344, 4
rec # ADDRESS
index 0xb9
mov rax, [r14+0x68]
mov eax, [rax+rcx*8]
add eax, [rbx+\d]
22:
stubif 0x82, 46b
puta rax, \d
end \w, 5
block \d, \w, 66b # MEMORY_COPY
block \d, \w, 67b # MEMORY_FILL
slow \w, 22
slow \w, 23
.endm
61:
table 0x11223344, 4
62:
table 0x11, 1
