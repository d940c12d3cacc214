//! What an expansion asked the host, and what the host answered, in their order (docs/expansions.md).
//!
//! A remembered expansion is used only if the host now gives the same answers. Asking again also gives
//! the host the tokens and spans that the output names by their ids.

use std::ffi::{c_char, CStr};

use crate::abi::{host, Record};
use crate::arena::{epoch, take};
use crate::own::{short, Bytes, Reader, Sum};
use crate::stored::{Streams, Writer};

const END: u8 = 0;
pub const PARSE_STREAM: u8 = 1;
pub const PARSE_LITERAL: u8 = 2;
const READ_STREAM: u8 = 3;
const IDENT: u8 = 4;
const SPAN_TEXT: u8 = 5;
const SPAN_NUMBER: u8 = 6;
pub const SPAN_DERIVE: u8 = 7;
pub const JOIN: u8 = 8;
const VARIABLE: u8 = 9;
const ABOUT: u8 = 10;
pub const LITERAL_TEXT: u8 = 11;
pub const DISPLAY: u8 = 12;
/// Four: of a record or a stream (2 more), plain or alternate (1 more).
pub const DEBUG: u8 = 13;
const REAL_PATH: u8 = 17;
const FILE: u8 = 18;

/// The answer that is still to be fetched.
#[derive(Clone, Copy, PartialEq)]
#[repr(u32)]
enum Answer {
    None,
    Text,
    Records,
}

struct Trace {
    /// Whether the expansion is to be remembered.
    on: u32,
    /// Something was asked that is not traced.
    failed: u32,
    answer: Answer,
    answer_bytes: u32,
    asked: Bytes,
    /// The last id of the input.
    input_last: u32,
    /// As many ids stand between the input's and those of the trace: of a trace that did not fit.
    shift: u32,
    /// The last id that the host has given.
    last: u32,
    scratch: Bytes,
}

static mut TRACE: Trace = Trace {
    on: 0,
    failed: 0,
    answer: Answer::None,
    answer_bytes: 0,
    asked: Bytes::new(),
    input_last: 0,
    shift: 0,
    last: 0,
    scratch: Bytes::new(),
};

fn trace() -> &'static mut Trace {
    // SAFETY: there is one thread.
    unsafe { &mut *(&raw mut TRACE) }
}

pub fn own() -> (usize, usize) {
    crate::state::range(&raw const TRACE)
}

#[inline(always)]
fn is_on() -> bool {
    trace().on != 0
}

/// An expansion with `n` tokens begins; nothing is traced yet.
pub fn begin(n: u32) {
    let t = trace();
    (t.on, t.failed, t.answer) = (0, 0, Answer::None);
    t.asked.clear();
    t.input_last = epoch() + n;
    (t.shift, t.last) = (0, t.input_last);
}

/// Traces from here on.
pub fn start() {
    trace().on = 1;
}

pub fn stop() {
    trace().on = 0;
}

/// The macro has ended: what it asked, unless that cannot be traced.
pub fn end() -> Option<&'static Bytes> {
    let t = trace();
    t.on = 0;
    if t.failed == 0 && t.answer == Answer::None {
        files(t);
    }
    t.asked.byte(END);
    let whole = t.failed == 0 && t.answer == Answer::None && !t.asked.has_failed();
    whole.then_some(&t.asked)
}

/// What was asked is not traced: the expansion is not remembered.
#[inline(always)]
pub fn give_up() {
    trace().failed = 1;
}

/// An id as it would be without a trace that did not fit, from the epoch on.
pub fn relative(id: u32) -> u32 {
    let t = trace();
    let shift = if id > t.input_last { t.shift } else { 0 };
    id.wrapping_sub(shift).wrapping_sub(epoch())
}

pub fn absolute(relative: u32) -> u32 {
    let t = trace();
    let id = relative.wrapping_add(epoch());
    if id > t.input_last {
        id.wrapping_add(t.shift)
    } else {
        id
    }
}

impl Trace {
    /// The host leaves an answer of `len` bytes.
    fn expect(&mut self, answer: Answer, len: u32) {
        (self.answer, self.answer_bytes) = (answer, len);
    }

    /// Begins a question. The answer to the one before must have been fetched.
    fn ask(&mut self, what: u8) {
        if self.answer != Answer::None {
            self.failed = 1;
        }
        self.asked.byte(what);
    }

    fn span(&mut self, span: u32) {
        if span >> 2 < epoch() {
            self.failed = 1;
        }
        self.asked.number(relative(span >> 2));
        self.asked.byte(span as u8 & 3);
    }

    fn stream(&mut self, at: *const u8, is_record: bool) {
        // SAFETY: the caller's record or three words of a stream.
        let whole = unsafe {
            let mut writer = Writer::new(&mut self.asked);
            match is_record {
                true => writer.record(&*at.cast::<Record>(), 0),
                false => {
                    let [at, len, id] = at.cast::<[u32; 3]>().read();
                    writer.stream(at as *const u8, len, id, 0);
                }
            }
            writer.is_whole()
        };
        if !whole {
            self.failed = 1;
        }
    }
}

pub fn answered(at: *const u8) {
    let t = trace();
    if t.on == 0 || t.answer == Answer::None {
        return;
    }
    let sum = summed(at, t.answer_bytes, t.answer);
    t.asked.long(sum);
    t.answer = Answer::None;
}

/// A hash of an answer. Of records what a macro can see: kinds, texts and structure.
fn summed(at: *const u8, len: u32, answer: Answer) -> u64 {
    let mut sum = Sum::new();
    match answer {
        Answer::Records => records(&mut sum, at, len as usize),
        _ => sum.bytes(at, len as usize),
    }
    short(&sum)
}

/// Adds what the host wrote: a header, records, texts.
pub fn records(sum: &mut Sum, at: *const u8, len: usize) {
    // SAFETY: the host has written that many bytes, the first of them a header and records.
    unsafe {
        let header = at.cast::<u32>();
        let (n_streams, n) = (header.add(2).read(), header.add(3).read() as usize);
        sum.add((n as u64) << 32 | n_streams as u64);
        let mut record = header.add(4);
        for _ in 0..n {
            sum.add(record.read() as u64 | (record.add(1).read() as u64) << 32);
            record = record.add(4);
        }
        let texts = record.cast::<u8>();
        sum.bytes(texts, len.saturating_sub(texts as usize - at as usize));
    }
}

pub fn parsed(what: u8, text: *const u8, len: u32, result: u64) {
    if !is_on() {
        return;
    }
    let t = trace();
    let id = result as u32;
    if id == 0 {
        // An error, which the compiler may have told as well.
        t.failed = 1;
        return;
    }
    t.ask(what);
    t.asked.text(text, len);
    t.asked.number(relative(id));
    if what == PARSE_LITERAL {
        t.expect(Answer::Text, (result >> 32) as u32);
    }
}

pub fn read_stream(id: u32, len: u32) {
    if is_on() {
        let t = trace();
        t.ask(READ_STREAM);
        t.asked.number(relative(id));
        t.expect(Answer::Records, len);
    }
}

pub fn ident(text: *const u8, len: u32, raw: u32, result: u32) {
    if is_on() {
        let t = trace();
        t.ask(IDENT);
        t.asked.text(text, len);
        t.asked.byte(raw as u8);
        t.expect(Answer::Text, result);
    }
}

/// `literal_text`, `display` and `debug`.
pub fn printed(what: u8, at: *const u8, len: u32) {
    if is_on() {
        let t = trace();
        t.ask(what);
        t.stream(at, is_of_record(what));
        t.expect(Answer::Text, len);
    }
}

fn is_of_record(what: u8) -> bool {
    what == LITERAL_TEXT || what == DEBUG || what == DEBUG + 1
}

pub fn span_text(span: u32, what: u32, result: u64) {
    if is_on() {
        let t = trace();
        t.ask(SPAN_TEXT);
        t.span(span);
        t.asked.byte(what as u8);
        t.asked.byte(result as u8);
        if result as u32 != 0 {
            t.expect(Answer::Text, (result >> 32) as u32);
        }
    }
}

pub fn span_number(span: u32, what: u32, result: u32) {
    if is_on() {
        let t = trace();
        t.ask(SPAN_NUMBER);
        t.span(span);
        t.asked.byte(what as u8);
        t.asked.number(result);
    }
}

/// `span_derive` and `join`, which gives 0 and 1 instead of a span.
pub fn span_made(question: u8, span: u32, other: u32, what: u32, result: u32) {
    if is_on() {
        let t = trace();
        t.ask(question);
        t.span(span);
        t.span(other);
        t.asked.byte(what as u8);
        t.asked.number(if result > 1 { relative(result >> 2) } else { result });
    }
}

/// `join`, which is known to be not offered.
pub fn not_offered(span: u32, other: u32) {
    span_made(JOIN, span, other, 0, 1);
}

pub fn variable(name: &[u8], value: *const c_char) {
    if is_on() {
        let t = trace();
        t.ask(VARIABLE);
        t.asked.text(name.as_ptr(), name.len() as u32);
        t.asked.long(value_of(value));
    }
}

fn value_of(value: *const c_char) -> u64 {
    if value.is_null() {
        return 0;
    }
    // SAFETY: a text of the environment.
    let text = unsafe { CStr::from_ptr(value) }.to_bytes();
    let mut sum = Sum::new();
    sum.bytes(text.as_ptr(), text.len());
    short(&sum) | 1
}

pub fn about(what: u32, result: u64) {
    if is_on() {
        let t = trace();
        t.ask(ABOUT);
        t.asked.byte(what as u8);
        t.asked.number(result as u32);
        if is_text(what) && result as u32 != 0 {
            t.expect(Answer::Text, (result >> 32) as u32);
        }
    }
}

pub fn real_path(path: *const u8, len: u32, result: u64) {
    if is_on() {
        let t = trace();
        t.ask(REAL_PATH);
        t.asked.text(path, len);
        t.asked.byte(result as u8);
        if result as u32 != 0 {
            t.expect(Answer::Text, (result >> 32) as u32);
        }
    }
}

/// The paths that the macro has asked for, which the host has seen, and what was there.
fn files(t: &mut Trace) {
    for i in 0u32.. {
        let Some(len) = about_file(t, b'\0', i) else { break };
        t.asked.byte(FILE);
        t.asked.text(t.scratch.at(), len);
        match about_file(t, 1, i) {
            Some(len) => {
                let sum = summed(t.scratch.at(), len, Answer::Text);
                t.asked.long(sum);
            }
            None => t.failed = 1,
        }
    }
}

/// The host's answer, in the scratch: its length.
fn about_file(t: &mut Trace, what: u8, mut i: u32) -> Option<u32> {
    let (mut question, mut at) = ([0; 12], 12);
    loop {
        at -= 1;
        question[at] = b'0' + (i % 10) as u8;
        i /= 10;
        if i == 0 {
            break;
        }
    }
    at -= 1;
    question[at] = what;
    // SAFETY: a text, and room for the answer.
    unsafe {
        let result = precast_again_path_open(question[at..].as_ptr(), (12 - at) as u32);
        if result as u32 == 0 {
            return None;
        }
        let len = (result >> 32) as u32;
        t.scratch.clear();
        host::answer(t.scratch.reserve(len as usize)?);
        Some(len)
    }
}

fn is_text(what: u32) -> bool {
    what != 0 && what != 12
}

// Who packs makes these answer 0 where the macros cannot ask that: the call would be imported for nothing, and a
// shim would compile the part of the runtime that answers it.

#[no_mangle]
#[inline(never)]
extern "C" fn precast_again_span_text(span: u32, what: u32) -> u64 {
    // SAFETY: the call takes numbers and gives one.
    unsafe { host::span_text(span, what) }
}

#[no_mangle]
#[inline(never)]
extern "C" fn precast_again_span_number(span: u32, what: u32) -> u32 {
    // SAFETY: as above.
    unsafe { host::span_number(span, what) }
}

#[no_mangle]
#[inline(never)]
extern "C" fn precast_again_span_derive(span: u32, other: u32, what: u32) -> u32 {
    // SAFETY: as above.
    unsafe { host::span_derive(span, other, what) }
}

#[no_mangle]
#[inline(never)]
extern "C" fn precast_again_about(what: u32) -> u64 {
    // SAFETY: as above.
    unsafe { host::about(what) }
}

/// `real_path`, which tells of all files as well.
#[no_mangle]
#[inline(never)]
unsafe extern "C" fn precast_again_path_open(path: *const u8, len: u32) -> u64 {
    host::real_path(path, len)
}

/// `getenv`, untraced.
#[no_mangle]
#[inline(never)]
unsafe extern "C" fn precast_again_environ_get(name: *const u8, len: u32) -> *const c_char {
    let name = std::slice::from_raw_parts(name, len as usize);
    if std::str::from_utf8(name).is_ok() {
        host::variable(name.as_ptr(), len);
    }
    crate::libc::variable(name)
}

/// Asks all of it again. False if an answer is another one.
pub fn ask_again(from: &mut Reader) -> bool {
    loop {
        let what = from.byte();
        if from.has_failed() {
            return false;
        }
        if what == END {
            return true;
        }
        if !ask_one(what, from) {
            // What follows comes behind what was made in vain.
            let t = trace();
            t.shift = t.last - t.input_last;
            return false;
        }
    }
}

fn ask_one(what: u8, from: &mut Reader) -> bool {
    // SAFETY: what is asked was asked before, of texts and records that were read completely.
    unsafe {
        match what {
            PARSE_STREAM | PARSE_LITERAL => {
                let (text, len) = from.text();
                let id = from.number();
                if std::str::from_utf8(std::slice::from_raw_parts(text, len as usize)).is_err() {
                    return false;
                }
                let result = match what {
                    PARSE_STREAM => host::parse_stream(text, len),
                    _ => host::parse_literal(text, len),
                };
                is_made(result as u32, id)
                    && (what == PARSE_STREAM
                        || is_answer(from, Answer::Text, (result >> 32) as u32))
            }
            READ_STREAM => {
                let id = from.number();
                let len = host::read_stream(absolute(id));
                is_answer(from, Answer::Records, len)
            }
            IDENT => {
                let (text, len) = from.text();
                let raw = from.byte() as u32;
                let result = host::ident(text, len, raw);
                is_answer(from, Answer::Text, result)
            }
            SPAN_TEXT => {
                let (span, of) = (span(from), from.byte());
                let result = precast_again_span_text(span, of as u32);
                let expected = from.byte();
                result as u8 == expected
                    && (expected == 0 || is_answer(from, Answer::Text, (result >> 32) as u32))
            }
            SPAN_NUMBER => {
                let (span, of) = (span(from), from.byte());
                precast_again_span_number(span, of as u32) == from.number()
            }
            SPAN_DERIVE => {
                let (span, other, how) = (span(from), span(from), from.byte());
                let result = precast_again_span_derive(span, other, how as u32);
                is_made(result >> 2, from.number())
            }
            JOIN => {
                let (span, other, _) = (span(from), span(from), from.byte());
                let result = host::unstable(0, span, other, 0) as u32;
                match from.number() {
                    expected if result <= 1 => result == expected,
                    expected => is_made(result >> 2, expected),
                }
            }
            VARIABLE => {
                let (name, len) = from.text();
                value_of(precast_again_environ_get(name, len)) == from.long()
            }
            ABOUT => {
                let of = from.byte() as u32;
                let result = precast_again_about(of);
                result as u32 == from.number()
                    && (!is_text(of)
                        || result as u32 == 0
                        || is_answer(from, Answer::Text, (result >> 32) as u32))
            }
            REAL_PATH => {
                let (path, len) = from.text();
                let expected = from.byte();
                let result = precast_again_path_open(path, len);
                result as u8 == expected
                    && (expected == 0 || is_answer(from, Answer::Text, (result >> 32) as u32))
            }
            FILE => {
                let (path, len) = from.text();
                let question = take(len as usize + 1);
                question.write(2);
                std::ptr::copy_nonoverlapping(path, question.add(1), len as usize);
                let result = precast_again_path_open(question, len + 1);
                result as u32 != 0 && is_answer(from, Answer::Text, (result >> 32) as u32)
            }
            LITERAL_TEXT..=16 => print_again(what, from),
            _ => false,
        }
    }
}

unsafe fn print_again(what: u8, from: &mut Reader) -> bool {
    let mut streams = Streams::new(from);
    let at: *const u8;
    if is_of_record(what) {
        let record = streams.record(0);
        let room = take(16).cast::<Record>();
        room.write(record);
        at = room.cast();
    } else {
        let stream = streams.stream(0);
        let room = take(16).cast::<[u32; 3]>();
        room.write([stream.at as u32, stream.len, stream.id]);
        at = room.cast();
    }
    if from.has_failed() {
        return false;
    }
    let len = match what {
        LITERAL_TEXT => host::literal_text(at),
        DISPLAY => host::display(at),
        _ => host::debug(at, (what - DEBUG) as u32 / 2, (what - DEBUG) as u32 % 2),
    };
    is_answer(from, Answer::Text, len)
}

fn span(from: &mut Reader) -> u32 {
    let id = absolute(from.number());
    id << 2 | from.byte() as u32 & 3
}

/// Notes an id that the host has given, and whether it is the one of the trace.
fn is_made(id: u32, expected: u32) -> bool {
    if id == 0 {
        return false;
    }
    trace().last = id;
    relative(id) == expected
}

/// Fetches an answer, and compares it.
fn is_answer(from: &mut Reader, answer: Answer, len: u32) -> bool {
    let t = trace();
    t.scratch.clear();
    let Some(to) = t.scratch.reserve(len as usize) else { return false };
    // SAFETY: there is room for the answer.
    unsafe {
        host::answer(to);
        if answer == Answer::Records && len >= 16 {
            let header = to.cast::<u32>();
            t.last = header.add(1).read() + header.add(3).read();
        }
    }
    summed(to, len, answer) == from.long()
}
