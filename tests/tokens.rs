//! Whatever a module gives as its output, the host makes tokens or an error of it.

use precast::lower::{compress, lower};
use precast::runtime::calls::ABI;
use precast::runtime::instance::Limits;
use precast::runtime::{Failure, Grants, Machine};
use precast::tokens::{Delimiter, TokenStream, TokenTree};
use std::fmt::Write;

static GRANTS: Grants = Grants { env: &[], read: &[], write: &[], own: None };

/// The epoch of the first expansion, its call site, and the id of the first input token.
const E: u32 = 1;
const SITE: u32 = E * 4;
const FIRST: u32 = E + 2;

const GROUP: u32 = 0;
const IDENT: u32 = 1;
const PUNCT: u32 = 2;
const LITERAL: u32 = 3;
const SPLICE: u32 = 4;

/// Where the records of the output lie, and texts.
const AT: u32 = 64;
const TEXT: u32 = 60_000;

fn machine(abi: u32, body: &str) -> Result<Machine, String> {
    let wat = format!(
        "(module
            (import \"precast\" \"answer\" (func $answer (param i32)))
            (import \"precast\" \"read_stream\" (func $read (param i32) (result i32)))
            (import \"precast\" \"span_number\" (func $number (param i32 i32) (result i32)))
            (memory (export \"memory\") 1)
            (func (export \"precast_start\") (result i32) (i32.const {abi}))
            (func (export \"precast_buffer\") (param i32) (result i32) (i32.const 8192))
            {body})"
    );
    let image = compress(&lower(&wat::parse_str(wat).unwrap()).unwrap()).unwrap();
    Machine::new(Vec::leak(image), &GRANTS, Limits::default()).map_err(|fault| fault.to_string())
}

/// Expands `a (b) "c"` to the stream described by `words`, with these records and this text.
fn expand(words: [u32; 3], records: &[[u32; 4]], text: &[u8]) -> Result<TokenStream, Failure> {
    let data = |bytes: &[u8]| {
        bytes.iter().fold(String::new(), |mut out, byte| {
            let _ = write!(out, "\\{byte:02x}");
            out
        })
    };
    let bytes =
        |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
    let body = format!(
        "(func (export \"f\") (result i32) (i32.const 16))
         (data (i32.const 16) \"{}\") (data (i32.const {AT}) \"{}\") (data (i32.const {TEXT}) \"{}\")",
        data(&bytes(&words)),
        data(&bytes(&records.concat())),
        data(text)
    );
    let mut machine = machine(ABI, &body).unwrap();
    machine.expand("f", "a (b) \"c\"".parse().unwrap(), None).map(|output| output.stream)
}

#[track_caller]
fn check(records: &[[u32; 4]], text: &[u8], expected: &str) {
    let stream = expand([AT, records.len() as u32, E], records, text).ok().unwrap();
    assert_eq!(stream.to_string(), expected);
}

#[track_caller]
fn fails(records: &[[u32; 4]], text: &[u8], message: &str) {
    let failure = expand([AT, records.len() as u32, E], records, text).err().unwrap();
    let told = match failure.payload {
        Some(_) => "a panic".to_string(),
        None => failure.fault.to_string(),
    };
    assert!(told.contains(message), "{told}");
}

#[test]
fn records_become_tokens() {
    let comma = [PUNCT | 44 << 8, 0, SITE, 0];
    check(&[[IDENT | 2 << 8, TEXT, SITE, 0], comma], b"xy", "xy ,");
    check(&[[IDENT | 1 << 3 | 2 << 8, TEXT, SITE, 0]], b"fn", "r#fn");
    // Input tokens by id; a group with its stream only, and a splice.
    let ids = [FIRST, FIRST + 1, FIRST + 2].map(|id| [PUNCT, 0, id * 4, id]);
    check(&[ids[0], [GROUP | 1 << 5, 0, 0, FIRST + 1], ids[2]], b"", "a (b) \"c\"");
    check(&[[GROUP | 2 << 3, 0, SITE, FIRST + 1], comma], b"", "[b] ,");
    check(&[comma, [SPLICE, 0, SITE, E + 1], comma], b"", ", a (b) \"c\" ,");
    check(&[[SPLICE, 0, SITE, FIRST + 1], [SPLICE, 0, SITE, FIRST + 1]], b"", "b b");
    // A shared stream.
    let shared = [GROUP | 3 << 3 | 1 << 8, AT + 16, SITE, E];
    check(&[shared, comma, shared], b"", ", , ,");
    let literal = |sub: u32, value: u32, at: u32| [LITERAL | sub << 3 | value << 8, at, SITE, 0];
    let all = [
        literal(0, 4, TEXT),
        literal(1, 2, TEXT),
        literal(2, 0, 'q' as u32),
        literal(3, 0, 10),
        literal(4, 2, TEXT),
        literal(5, 2, TEXT),
        literal(6, 1, 7),
        literal(6, 32 | 5, TEXT),
        literal(7, 9, -7i32 as u32),
        literal(8, 1, 1.5f32.to_bits()),
        literal(9, 0, TEXT + 16),
    ];
    let mut text = b"12u8\0\0\0\0\0\0\0\0\0\0\0\0".to_vec();
    text.extend(2.0f64.to_le_bytes());
    check(
        &all,
        &text,
        "12u8 \"12\" 'q' b'\\n' b\"12\" c\"12\" 7u8 947204657u128 - 7i32 1.5f32 2.0",
    );
}

#[test]
fn streams_need_no_records() {
    assert!(expand([0, 0, 0], &[], b"").ok().unwrap().is_empty());
    let whole = expand([0, 0xff_ffff, E + 1], &[], b"").ok().unwrap();
    assert_eq!(whole.to_string(), "a (b) \"c\"");
    let tree = expand([AT, 1, E], &[[GROUP | 3 << 3, 0, SITE, E + 1]], b"").ok().unwrap();
    let Some(TokenTree::Group(group)) = tree.into_iter().next() else { panic!("a group") };
    assert_eq!(group.delimiter(), Delimiter::None);
}

#[test]
fn bad_outputs_are_errors() {
    let bounds = "out of bounds";
    fails(&[[IDENT | 9 << 8, u32::MAX - 4, SITE, 0]], b"", "an identifier that is none");
    fails(&[[IDENT | 0xff_ffff << 8, TEXT, SITE, 0]], b"", "an identifier that is none");
    fails(&[[IDENT | 2 << 8, TEXT, SITE, 0]], b"\xff\xfe", "an identifier that is none");
    fails(&[[IDENT | 3 << 8, TEXT, SITE, 0]], b"a b", "a panic");
    fails(&[[PUNCT | 97 << 8, 0, SITE, 0]], b"", "a panic");
    for kind in 5..8 {
        fails(&[[kind, 0, SITE, 0]], b"", "a token of no known kind");
    }
    let literal = |sub: u32, value: u32, at: u32| [LITERAL | sub << 3 | value << 8, at, SITE, 0];
    fails(&[literal(0, 2, TEXT)], b"+x", "a literal that is none");
    fails(&[literal(1, 0xff_ffff, TEXT)], b"\xff\xff\xff\xff", bounds);
    fails(&[literal(2, 0, 0xd800)], b"", "a character that is none");
    fails(&[literal(5, 2, TEXT)], b"a\0", "a C string with a NUL in it");
    fails(&[literal(6, 32, u32::MAX)], b"", bounds);
    fails(&[literal(8, 0, f32::NAN.to_bits())], b"", "a float that is not finite");
    fails(&[literal(9, 0, TEXT)], &f64::INFINITY.to_le_bytes(), "a float that is not finite");
    fails(&[literal(10, 0, 0)], b"", "a literal of no known form");
}

#[test]
fn bad_references_are_errors() {
    let stale = "use-after-free in `proc_macro` handle";
    for id in [E, FIRST + 4, u32::MAX] {
        fails(&[[PUNCT, 0, id.wrapping_mul(4), id]], b"", stale);
        fails(&[[GROUP | 1 << 5, 0, SITE, id]], b"", stale);
        fails(&[[PUNCT | 44 << 8, 0, id.wrapping_mul(4) | 3, 0]], b"", stale);
    }
    fails(&[[PUNCT | 44 << 8, 0, SITE - 4, 0]], b"", stale);
    fails(&[[GROUP | 1 << 8, AT, SITE, 0]], b"", stale);
    fails(&[[SPLICE, 0, SITE, FIRST]], b"", "a stream that is none");
    fails(&[[GROUP | 1 << 8, AT + 2, SITE, E]], b"", "records at an odd address");
    fails(&[[GROUP | 9 << 8, !15, SITE, E]], b"", "out of bounds");
    fails(&[[GROUP | 0xff_fffe << 8, AT, SITE, E]], b"", "out of bounds");
    let failure = expand([AT, u32::MAX, E], &[], b"").err().unwrap();
    assert_eq!(
        failure.fault.to_string(),
        "the macro's output has more tokens than its limit `tokens`"
    );
}

#[test]
fn endless_outputs_end() {
    fails(&[[GROUP | 1 << 8, AT, SITE, E]], b"", "nested too deeply");
}

#[test]
fn other_modules_are_refused() {
    let error = machine(ABI + 1, "").err().unwrap();
    assert!(error.contains("version 2 of the token ABI"), "{error}");
    let mut machine = machine(ABI, "").unwrap();
    let failure = machine.expand("f", TokenStream::new(), None).err().unwrap();
    assert!(failure.fault.to_string().contains("no function `f`"));
}

#[test]
fn host_calls_check_their_arguments() {
    let check = |body: &str, message: &str| {
        let body = format!("(func (export \"f\") (result i32) {body} (i32.const 0))");
        let mut machine = machine(ABI, &body).unwrap();
        let failure = machine.expand("f", "a".parse().unwrap(), None).err().unwrap();
        assert!(failure.fault.to_string().contains(message), "{}", failure.fault);
    };
    check("(drop (call $read (i32.const 9)))", "use-after-free");
    check("(drop (call $number (i32.const 90) (i32.const 0)))", "use-after-free");
    check("(drop (call $read (i32.const 2))) (call $answer (i32.const 65535))", "out of bounds");
}
