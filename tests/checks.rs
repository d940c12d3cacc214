//! One test for each check of an image (docs/image.md, "What is checked"): an image which breaks
//! that rule and no other is refused by both tiers, and the same image without the fault runs.

#[path = "tiers/image.rs"]
mod image;
#[allow(dead_code, unused_imports, clippy::all)]
#[path = "tiers/portable.rs"]
mod portable;

use image::{embed, insn, raw, wide, Func};
use precast::runtime as native;
use precast::runtime::image::{bulk, head, math, op, EMBEDDED_WORDS};

/// What a run of function 0 comes to: its first result, or the fault's text.
type Outcome = Result<u64, String>;

macro_rules! tier {
    ($name:ident, $runtime:ident) => {
        fn $name(embedded: &'static [u8]) -> Outcome {
            use $runtime::instance::{Fault, Host, Instance, Limits};
            use $runtime::memory::Memory;

            struct Silent;

            impl Host for Silent {
                fn call(&mut self, _: u32, _: &[u64], _: &mut Memory) -> Result<u64, Fault> {
                    Ok(0)
                }
            }

            let limits = Limits { memory_bytes_max: 1 << 20, fuel: 100_000, ..Limits::default() };
            let mut instance =
                Instance::new(embedded, limits).map_err(|fault| fault.to_string())?;
            let fault = |fault: Fault| fault.to_string();
            let result = instance.call(0, &[], &mut Silent).map_err(fault)?;
            instance.check_all().map_err(fault)?;
            Ok(result)
        }
    };
}

tier!(tier0, portable);
tier!(tier1, native);

#[track_caller]
fn both(embedded: &'static [u8]) -> Outcome {
    let (zero, one) = (tier0(embedded), tier1(embedded));
    assert_eq!(zero, one, "the tiers differ");
    one
}

const RULES: &str = "breaks the rules of the format";

fn body(insns: &[u64]) -> Func {
    let mut insns = insns.to_vec();
    insns.push(wide(op::CONST, 0, 7));
    insns.push(insn(op::RET, 0, 0, 0, 0));
    Func { insns, slots: 8, params: 0, results: 1 }
}

fn image_of(insns: &[u64]) -> &'static [u8] {
    // What may be called, and a neighbour for branches to stray into.
    let other = Func { insns: body(&[]).insns, slots: 1, params: 0, results: 1 };
    embed(&raw(&[body(insns), other], &[3], &[5]))
}

/// `good` runs, and each of `bad` is refused.
#[track_caller]
fn check(good: &[u64], bad: &[u64]) {
    let outcome = both(image_of(good));
    assert_eq!(outcome, Ok(7), "the sound instruction does not run");
    for insn in bad {
        let found = both(image_of(&[*insn])).expect_err("an instruction was accepted");
        assert!(found.contains(RULES), "{insn:#x}: {found}");
    }
}

#[test]
fn an_opcode_that_does_not_exist() {
    let bad: Vec<u64> = (op::COUNT as u64..256).chain([u64::from(op::INVALID)]).collect();
    check(&[insn(op::MOV, 0, 1, 2, 0)], &bad);
}

#[test]
fn a_slot_outside_the_frame() {
    let edges = [8, 9, 0x7fff, 0x8000, 0xffff];
    let bad = |make: &dyn Fn(u16) -> u64| edges.map(make).to_vec();
    check(&[insn(op::I32_ADD, 0, 7, 7, 7)], &bad(&|slot| insn(op::I32_ADD, 0, slot, 1, 1)));
    check(&[], &bad(&|slot| insn(op::I32_ADD, 0, 1, slot, 1)));
    check(&[], &bad(&|slot| insn(op::I32_ADD, 0, 1, 1, slot)));
    check(&[insn(op::STORE8, 0, 0, 7, 7)], &bad(&|slot| insn(op::STORE8, 0, 0, 1, slot)));
    check(&[], &bad(&|slot| insn(op::BR_I32_EQ, 0, 0, 1, slot)));
    check(&[], &bad(&|slot| insn(op::RET_S, 0, 0, slot, 0)));
    check(&[wide(op::GLOBAL_SET, 7, 0)], &bad(&|slot| wide(op::GLOBAL_SET, slot, 0)));
    // Both slots that are written.
    check(&[insn(op::MOV2, 0, 6, 1, 1)], &[insn(op::MOV2, 0, 7, 1, 1)]);
}

#[test]
fn a_branch_out_of_the_function() {
    // The function has three instructions; a target counts from the next one.
    let by = |by: i32| wide(op::BR, 0, by as u32);
    check(&[by(0), by(0)], &[by(2), by(3), by(i32::MAX), by(-2), by(i32::MIN)]);
    let by = |by: i16| insn(op::BR_I32_EQ_I, 0, by as u16, 1, 1);
    check(&[by(0), by(0)], &[by(2), by(i16::MAX), by(-2), by(i16::MIN)]);
}

#[test]
fn a_function_that_runs_off_its_end() {
    let func = |last: u64| Func { insns: vec![last], slots: 8, params: 0, results: 1 };
    let run = |last| both(embed(&raw(&[func(last), body(&[])], &[], &[])));
    assert_eq!(run(insn(op::RET, 0, 0, 0, 0)), Ok(0));
    for last in [wide(op::CONST, 0, 7), insn(op::BR_I32_EQ, 0, -1i16 as u16, 1, 1)] {
        assert!(run(last).unwrap_err().contains(RULES));
    }
}

#[test]
fn a_table_of_branches_that_is_none() {
    let table = |n: u16, x: u8| insn(op::BR_TABLE, x, n, 1, 0);
    let next = wide(op::BR, 0, 0);
    check(&[table(0, 0), next], &[table(0, 0), table(1, 0), table(0xffff, 0xff)]);
    // Longer than the function.
    let outcome = both(image_of(&[table(3, 0), next]));
    assert!(outcome.unwrap_err().contains(RULES));
}

#[test]
fn an_index_of_nothing() {
    let constant = |at: u32| insn(op::CONST_K, (at >> 16) as u8, 1, 1, at as u16);
    check(&[constant(0)], &[constant(1), constant(0xffff), constant(0xff_ffff)]);
    let global = |at: u32| wide(op::GLOBAL_GET, 1, at);
    check(&[global(0)], &[global(1), global(0xffff), global(u32::MAX)]);
    let small = |at: u8| insn(op::GLOBAL_ADD, at, 1, 0, 1);
    check(&[small(0)], &[small(1), small(255)]);
    let small = |at: u8| insn(op::GLOBAL_TO, at, 0, 1, 1);
    check(&[small(0)], &[small(1), small(255)]);
    let called = |at: u32| wide(op::CALL, 1, at);
    check(&[called(1)], &[called(2), called(0x7fff_ffff), called(u32::MAX)]);
    let math = |x: u8| insn(op::MATH, x, 1, 1, 1);
    check(&[math(0)], &[math(math::COUNT), math(255)]);
}

/// Item 2 of the table is function 1.
#[test]
fn a_wrong_table_or_type() {
    let index = wide(op::CONST, 2, 2);
    let indirect = |table: u8, ty: u16| insn(op::CALL_INDIRECT, table, 3, 2, ty);
    check(&[index, indirect(0, 0)], &[indirect(1, 0), indirect(255, 0), indirect(0, 2)]);
    // The type exists, but is not the function's.
    let outcome = both(image_of(&[index, indirect(0, 1)]));
    assert_eq!(outcome.unwrap_err(), "the macro trapped: indirect call type mismatch");
    let far = wide(op::CONST, 2, 10);
    let outcome = both(image_of(&[far, indirect(0, 0)]));
    assert_eq!(outcome.unwrap_err(), "the macro trapped: undefined element");
}

#[test]
fn a_table_or_segment_of_nothing() {
    let one = |x: u8, b: u16, c: u16| insn(op::BULK, x, 1, b, c);
    check(&[one(bulk::TABLE_SIZE, 0, 0)], &[one(bulk::TABLE_SIZE, 1, 0)]);
    for x in [bulk::TABLE_GET, bulk::TABLE_SET, bulk::TABLE_GROW, bulk::TABLE_FILL] {
        check(&[], &[one(x, 1, 0), one(x, 0xffff, 0)]);
    }
    check(
        &[one(bulk::TABLE_COPY, 0, 0)],
        &[one(bulk::TABLE_COPY, 1, 0), one(bulk::TABLE_COPY, 0, 1)],
    );
    check(&[one(bulk::ELEM_DROP, 0, 0)], &[one(bulk::ELEM_DROP, 1, 0)]);
    check(&[], &[one(bulk::TABLE_INIT, 1, 0), one(bulk::TABLE_INIT, 0, 1)]);
    check(&[], &[one(bulk::MEMORY_INIT, 0, 0), one(bulk::DATA_DROP, 0, 0)]);
    check(&[], &[one(bulk::COUNT, 0, 0), one(255, 0, 0)]);
}

#[test]
fn a_wild_host_call() {
    let n = native::calls::CALLS.len() as u32;
    let host = |window: u16, call: u32| wide(op::CALL_HOST, window, call);
    check(&[host(1, 0)], &[host(1, n), host(1, 0xffff), host(1, u32::MAX)]);
    // The parameters of `path_open` are nine.
    let most = native::calls::PATH_OPEN as u32;
    let func = |slots| Func { slots, ..body(&[host(1, most)]) };
    assert_eq!(both(embed(&raw(&[func(10)], &[], &[]))), Ok(7));
    assert!(both(embed(&raw(&[func(9)], &[], &[]))).unwrap_err().contains(RULES));
}

#[test]
fn a_call_window_outside_the_frame() {
    let called = |window: u16| wide(op::CALL, window, 1);
    check(&[called(7)], &[called(8), called(0x8000), called(0xffff)]);
    let host = |window: u16| wide(op::CALL_HOST, window, native::calls::SCHED_YIELD as u32);
    check(&[host(7)], &[host(8), host(0xffff)]);
    let bulk = |window: u16| insn(op::BULK, bulk::MEMORY_SIZE, window, 0, 0);
    check(&[bulk(5)], &[bulk(6), bulk(8), bulk(0xffff)]);
    let indirect = |window: u16| insn(op::CALL_INDIRECT, 0, window, 2, 0);
    check(&[], &[indirect(8), indirect(0xffff)]);
}

/// The head's word `index` changed; the container is right.
fn lie(index: usize, value: u32) -> Outcome {
    let mut bytes = raw(&[body(&[])], &[], &[]);
    let embedded = embed(&bytes);
    bytes[index * 4..][..4].copy_from_slice(&value.to_le_bytes());
    both(replace_head(embedded, &bytes))
}

#[test]
fn a_frame_or_function_that_cannot_be() {
    let run = |slots: u32| both(embed(&raw(&[Func { slots, ..body(&[]) }], &[], &[])));
    assert_eq!(run(0x7fff), Ok(7));
    assert!(run(0x8000).unwrap_err().contains(RULES));
    assert!(run(0).unwrap_err().contains(RULES));
    // Where the function's instructions begin, and how many they are.
    let record = head::WORDS;
    assert_eq!(lie(record, 0), Ok(7));
    for (index, value) in [(record, 2), (record, u32::MAX), (record + 1, 3), (record + 1, 0)] {
        assert!(lie(index, value).unwrap_err().contains("damaged"), "{index} {value}");
    }
}

#[test]
fn giant_memories_and_tables() {
    // The limit of these instances is 16 pages.
    assert_eq!(lie(head::MEMORY_MIN, 16), Ok(7));
    for pages in [17, 0x1_0000, u32::MAX] {
        let found = lie(head::MEMORY_MIN, pages).unwrap_err();
        assert_eq!(found, "the macro needs more memory than its limit `memory`");
    }
    let grow = |pages| [wide(op::CONST, 1, pages), insn(op::BULK, bulk::MEMORY_GROW, 1, 0, 0)];
    let mut bytes = raw(&[body(&grow(16))], &[], &[]);
    bytes[head::MEMORY_MAX * 4..][..4].copy_from_slice(&u32::MAX.to_le_bytes());
    let found = both(embed(&bytes)).unwrap_err();
    assert_eq!(found, "the macro uses more memory than its limit `memory`");
    let table = head::WORDS + 4;
    assert!(lie(table, 10_000_001).unwrap_err().contains("its tables are too large"));
    assert!(lie(table, u32::MAX).unwrap_err().contains("its tables are too large"));
}

#[test]
fn segments_outside_their_data() {
    let segment = head::WORDS + 4 + 2;
    // Table, first index, first item, number of items.
    for (word, value) in [(0, 2), (0, u32::MAX), (2, 1), (2, u32::MAX), (3, 10), (3, u32::MAX)] {
        let found = lie(segment + word, value).unwrap_err();
        assert!(found.contains("a segment is inconsistent"), "{word} {value}: {found}");
    }
    assert!(lie(segment + 1, 10).unwrap_err().contains("table access"));
}

#[test]
fn tables_of_the_head_that_do_not_fit() {
    for index in [head::TYPES, head::FUNCS, head::CONSTS, head::GLOBALS, head::TABLES]
        .into_iter()
        .chain([head::ELEMS, head::ITEMS, head::DATAS, head::START])
    {
        let found = lie(index, u32::MAX).unwrap_err();
        assert!(found.contains("damaged"), "{index}: {found}");
    }
}

/// The container around another head of the same length, stored as it is.
fn replace_head(embedded: &[u8], raw: &[u8]) -> &'static [u8] {
    let word = |bytes: &[u8], index: usize| {
        u32::from_le_bytes(bytes[index * 4..][..4].try_into().unwrap()) as usize
    };
    let packed = word(embedded, EMBEDDED_WORDS + 1);
    let at = (EMBEDDED_WORDS + word(embedded, 3) * 4) * 4;
    let head = &raw[..word(raw, head::HEAD_BYTES)];
    let mut out = embedded[..at].to_vec();
    out.extend(head);
    out.extend(&embedded[at + packed..]);
    let mut put = |index: usize, value: u32| {
        out[index * 4..][..4].copy_from_slice(&value.to_le_bytes());
    };
    put(EMBEDDED_WORDS + 1, head.len() as u32);
    put(EMBEDDED_WORDS + 2, 0);
    put(EMBEDDED_WORDS + 3, native::kernel::checksum(head));
    let len = out.len() as u32;
    out[8..12].copy_from_slice(&len.to_le_bytes());
    let sum = native::kernel::checksum(&out[EMBEDDED_WORDS * 4..at]);
    out[16..20].copy_from_slice(&sum.to_le_bytes());
    out.leak()
}

#[test]
fn every_damaged_byte_of_a_container() {
    let good = image_of(&[insn(op::MOV, 0, 1, 2, 0)]).to_vec();
    assert_eq!(both(good.clone().leak()), Ok(7));
    for at in 0..good.len() {
        for flip in [1, 0x80, 0xff] {
            let mut bytes = good.clone();
            bytes[at] ^= flip;
            let found = both(bytes.leak());
            assert!(found.is_err(), "byte {at} ^ {flip:#x} was accepted");
        }
    }
    for len in 0..good.len() {
        assert!(both(good[..len].to_vec().leak()).is_err(), "{len} bytes were accepted");
    }
}

#[test]
fn an_endless_recursion_and_an_endless_loop() {
    let deep = Func { slots: 0x7fff, ..body(&[wide(op::CALL, 0x7ffe, 0)]) };
    let found = both(embed(&raw(&[deep], &[], &[]))).unwrap_err();
    assert!(found.contains("nest deeper than its limit"), "{found}");
    let endless = both(image_of(&[wide(op::BR, 0, -1i32 as u32)])).unwrap_err();
    assert!(endless.contains("ran longer than its limit"), "{endless}");
}

/// A shim has numbers and counts alone; the library has names and types as well.
#[test]
fn calls_have_one_order() {
    use native::calls::{counts::COUNTS, CALLS};
    let text = include_str!("../runtime/src/calls.rs");
    let list = &text[text.find("pub enum Number {").unwrap()..];
    let names = list.lines().skip(1).map_while(|line| {
        let line = line.trim();
        (line != "COUNT,").then_some(line)
    });
    let numbers: Vec<String> =
        names.filter_map(|line| line.strip_suffix(',')).map(str::to_lowercase).collect();
    let calls: Vec<&str> = CALLS.iter().map(|call| call.name).collect();
    assert_eq!(numbers, calls);
    assert_eq!(CALLS.len(), COUNTS.len());
    for (call, (n_params, n_results)) in CALLS.iter().zip(COUNTS) {
        let counts = (call.params.len(), call.results.len());
        assert_eq!(counts, (*n_params as usize, *n_results as usize), "{}", call.name);
    }
    assert!(matches!(native::calls::number(u32::MAX), native::calls::COUNT));
}
