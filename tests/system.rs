//! The kernel's text as it runs elsewhere than on Linux: by a `System` which gives no page that was not asked for, and
//! knows what was not given back.
#![cfg(all(target_arch = "x86_64", target_os = "linux", not(precast_portable)))]

#[allow(unused_macros)]
#[macro_use]
#[path = "../runtime/src/macros.rs"]
mod macros;
#[path = "../runtime/src/kernel/system.rs"]
mod system;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Mutex;

use precast::lower::{compress, lower};
use precast::runtime::engine::Engine;
use precast::runtime::kernel::{Image, EXPORT, LOAD, PRINT, RUN};
use system::System;

static SYSTEM: System = System { take, give, map, unmap: give, commit, print };
/// Blocks and mappings that are not given back yet.
static TAKEN: Mutex<BTreeMap<usize, usize>> = Mutex::new(BTreeMap::new());
static PRINTED: Mutex<Vec<u8>> = Mutex::new(Vec::new());

const READ_WRITE: usize = 3;
const READ_RUN: usize = 5;

/// A system call of Linux.
fn call(number: usize, args: [usize; 5]) -> usize {
    let result: isize;
    // SAFETY: those made here change only what this file has mapped.
    unsafe {
        std::arch::asm!(
            "syscall", inlateout("rax") number => result, in("rdi") args[0], in("rsi") args[1],
            in("rdx") args[2], in("r10") args[3], in("r8") args[4], in("r9") 0, out("rcx") _, out("r11") _,
        );
    }
    assert!(result >= 0, "system call {number}: {result}");
    result as usize
}

/// mmap
fn taken(bytes: usize, protection: usize, flags: usize, file: usize) -> usize {
    let at = call(9, [0, bytes, protection, flags, file]);
    assert_eq!(TAKEN.lock().unwrap().insert(at, bytes), None);
    at
}

called! {
    fn take(bytes: usize) -> usize {
        taken(bytes, READ_WRITE, 0x22, !0)
    }
}

called! {
    fn give(at: usize, bytes: usize) {
        assert_eq!(TAKEN.lock().unwrap().remove(&at), Some(bytes));
        // munmap
        call(11, [at, bytes, 0, 0, 0]);
    }
}

called! {
    fn map(bytes: usize, writable: &mut usize, executable: &mut usize) -> usize {
        // memfd_create, ftruncate; nothing can be touched before `commit`.
        let file = call(319, [c"precast".as_ptr() as usize, 0, 0, 0, 0]);
        call(77, [file, bytes, 0, 0, 0]);
        *writable = taken(bytes, 0, 1, file);
        *executable = taken(bytes, 0, 1, file);
        // close
        call(3, [file, 0, 0, 0, 0]);
        0
    }
}

called! {
    fn commit(writable: usize, executable: usize, bytes: usize) -> usize {
        // mprotect
        call(10, [writable, bytes, READ_WRITE, 0, 0]);
        call(10, [executable, bytes, READ_RUN, 0, 0]);
        1
    }
}

called! {
    fn print(fd: usize, at: usize, bytes: usize) -> usize {
        // SAFETY: the kernel was given these bytes.
        let bytes = unsafe { std::slice::from_raw_parts(at as *const u8, bytes) };
        PRINTED.lock().unwrap().extend(bytes);
        fd - 1
    }
}

/// Functions of all sizes up to three times what is committed at once, which call one another, and memory and a table
/// that grow.
fn module(n: usize) -> Vec<u8> {
    let mut text = String::from(
        "(module (memory 1 100) (table $t 1 1000 funcref) (func $f0 (param i32) (result i32) (local.get 0))",
    );
    for i in 1..n {
        let _ = write!(text, "(func $f{i} (param i32) (result i32)");
        for j in 0..i * 40 {
            let _ = write!(
                text,
                "(i32.store (i32.const {}) (i32.add (local.get 0) (i32.const {j})))",
                j * 4
            );
        }
        let _ =
            write!(text, "(i32.add (call $f{} (local.get 0)) (i32.load (i32.const 0))))", i - 1);
    }
    let _ = write!(
        text,
        r#"(func (export "main") (param i32) (result i32)
            (i32.store (i32.const 65532) (i32.const 1000))
            (drop (table.grow $t (ref.null func) (i32.const 500)))
            (drop (memory.grow (i32.const 50)))
            (i32.store (i32.const 3342332) (i32.const 24))
            (i32.add (call $f{} (local.get 0))
                (i32.add (i32.load (i32.const 65532)) (i32.load (i32.const 3342332))))))"#,
        n - 1
    );
    compress(&lower(&wat::parse_str(text).unwrap()).unwrap()).unwrap()
}

#[test]
fn everything_is_asked_for_and_given_back() {
    const FUNCS: usize = 40;
    let embedded: &'static [u8] = module(FUNCS).leak();
    let mut image = Image::new(embedded);
    image.system = &raw const SYSTEM as usize;
    image.memory_limit = 1 << 30;
    image.depth_max = 1000;
    Engine::give(&mut image);
    let name = *b"main";
    let range = [name.as_ptr() as usize, name.len()];
    // SAFETY: the kernel is given what it wants: an image, a name, a function of the type, text.
    unsafe {
        image.ask(LOAD, 0).unwrap();
        image.ask(EXPORT, range.as_ptr() as usize).unwrap();
        let main = image.detail;
        for argument in [5, 70] {
            image.fuel = 1 << 40;
            let slot = image.stack as *mut u64;
            *slot = argument;
            image.ask(RUN, main).unwrap();
            assert_eq!(*slot, argument * FUNCS as u64 + 1024);
        }
        assert_eq!(image.memory_bytes, 51 << 16);
        let text = [2, range[0], range[1], image.system];
        assert_eq!(Image::run(PRINT, 0, text.as_ptr() as usize), 1);
    }
    assert_eq!(*PRINTED.lock().unwrap(), name);
    // Block, memory, stack, side, two mappings, tables of the compiler, return addresses.
    assert_eq!(TAKEN.lock().unwrap().len(), 8);
    assert!(image.used > 3 << 15, "{}", image.used);
    drop(image);
    assert_eq!(*TAKEN.lock().unwrap(), BTreeMap::new());
}
