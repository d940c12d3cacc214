//! Remembered expansions (docs/expansions.md): the host gives what it has stored, asks before it calls a macro,
//! and stores what it is given after.
//!
//! An entry is found by the macro, its input and the state before it. It is used if everything that the macro
//! asked then is answered so again.

use crate::arena;
use crate::entry;
use crate::own::{short, Bytes, Reader, Sum};
use crate::random;
use crate::state;
use crate::stored::{Streams, Writer};
use crate::stream::TokenStream;
use crate::trace;

/// The beginning of an entry; the last digit is the form's version.
const MARK: u32 = u32::from_le_bytes(*b"pce1");
/// Length, mark, checksum of what follows; key, in two halves.
const HEAD_BYTES: usize = 32;
/// No file that is larger.
const STORED_BYTES_MAX: u32 = 256 << 20;
const KEY: usize = 16;
/// As many entries with one key are tried, the newest first.
const N_TRIED: usize = 8;
/// After as many expansions of which none could be remembered, no more are.
const N_UNKNOWN_MAX: u32 = 32;

struct Memory {
    on: u32,
    is_indexed: u32,
    /// An expansion runs that may be remembered.
    runs: u32,
    stored: usize,
    stored_bytes: usize,
    /// Offsets of entries, plus 1, by key.
    index: Bytes,
    /// How often each input came: hash, with the number in its last byte.
    inputs: Bytes,
    n_inputs: usize,
    n_unknown: u32,
    key: (u64, u64),
    entry: Bytes,
}

static mut MEMORY: Memory = Memory {
    on: 0,
    is_indexed: 0,
    runs: 0,
    stored: 0,
    stored_bytes: 0,
    index: Bytes::new(),
    inputs: Bytes::new(),
    n_inputs: 0,
    n_unknown: 0,
    key: (0, 0),
    entry: Bytes::new(),
};

fn memory() -> &'static mut Memory {
    // SAFETY: there is one thread.
    unsafe { &mut *(&raw mut MEMORY) }
}

pub fn own() -> (usize, usize) {
    state::range(&raw const MEMORY)
}

/// From now on expansions are remembered; where the host puts what it has stored. `data` is where the module's
/// variables begin. 0 if nothing can be remembered.
#[export_name = "precast_memory"]
extern "C" fn remember_from(bytes: u32, data: u32) -> *mut u8 {
    extern "C" {
        static __data_end: u8;
    }
    let (at, _) = match bytes <= STORED_BYTES_MAX {
        true => crate::heap::own_pages(bytes as usize + 16),
        false => (0, 0),
    };
    if at == 0 || !state::find(data as usize) {
        return std::ptr::null_mut();
    }
    random::find(data as usize, (&raw const __data_end) as usize);
    state::begin();
    let m = memory();
    (m.stored, m.stored_bytes, m.on) = (at, bytes as usize, 1);
    at as *mut u8
}

/// Without an output, that of macro `function` for the input, if it is remembered, or 0: then the macro is to run. With
/// its output, what to store of it: an entry, whose first word is its length; or 0 if it is not to be remembered.
#[export_name = "precast_recall"]
extern "C" fn recall_or_remember(function: u32, output: *const TokenStream) -> *const u8 {
    match output.is_null() {
        true => recall(function).cast(),
        false => remember(output),
    }
}

fn recall(function: u32) -> *const TokenStream {
    let m = memory();
    if m.on == 0 {
        return std::ptr::null();
    }
    if m.is_indexed == 0 {
        m.is_indexed = 1;
        index(m);
    }
    if m.runs != 0 {
        // The one before ended otherwise.
        m.runs = 0;
        trace::stop();
        random::rest();
        state::take();
    }
    let (input, bytes) = entry::written();
    // SAFETY: the host has written the input.
    let (epoch, n) =
        unsafe { (input.cast::<u32>().add(1).read(), input.cast::<u32>().add(3).read()) };
    arena::start_epoch(epoch);
    trace::begin(n);
    let mut sum = Sum::new();
    sum.add(function as u64);
    trace::records(&mut sum, input, bytes);
    // The same input again may get another output: of a macro that makes names at random.
    let again = again(m, short(&sum));
    sum.add(again as u64);
    let keys = short(&sum);
    if let Some((statics, heap)) = state::key() {
        for part in [statics, heap] {
            let (a, b) = part.pair();
            sum.add(a);
            sum.add(b);
        }
        m.key = sum.pair();
        if let Some(stream) = find(m) {
            return entry::output(stream);
        }
        trace::start();
    }
    random::set(keys);
    m.runs = 1;
    std::ptr::null()
}

fn remember(output: *const TokenStream) -> *const u8 {
    let m = memory();
    if m.runs == 0 {
        return std::ptr::null();
    }
    m.runs = 0;
    let asked = trace::end();
    random::rest();
    let e = &mut m.entry;
    e.clear();
    e.zeros(HEAD_BYTES);
    let is_known = asked.is_some() && state::key().is_some();
    m.n_unknown = if is_known { 0 } else { m.n_unknown + 1 };
    if m.n_unknown == N_UNKNOWN_MAX {
        m.on = 0;
        return std::ptr::null();
    }
    if let Some(asked) = asked {
        e.bytes(asked.at(), asked.len());
    }
    // SAFETY: where `output` was given.
    let output = unsafe { &*output };
    let mut writer = Writer::new(e);
    writer.stream(output.at, output.len, output.id, 0);
    let is_whole = writer.is_whole();
    if !state::changes(Some(e)) || !is_whole || !is_known {
        return std::ptr::null();
    }
    let padding = e.len().next_multiple_of(8) - e.len();
    e.zeros(padding);
    if e.has_failed() {
        return std::ptr::null();
    }
    // SAFETY: the head is there.
    unsafe {
        let head = e.at();
        head.cast::<u32>().write(e.len() as u32);
        head.cast::<u32>().add(1).write(MARK);
        head.cast::<u64>().add(2).write(m.key.0);
        head.cast::<u64>().add(3).write(m.key.1);
        head.cast::<u64>().add(1).write(checksum(head, e.len()));
        head
    }
}

fn checksum(entry: *const u8, bytes: usize) -> u64 {
    let mut sum = Sum::new();
    sum.bytes(entry.wrapping_add(KEY), bytes - KEY);
    short(&sum)
}

/// Length and key of the entry at this offset, if there is one.
fn entry_at(m: &Memory, offset: usize) -> Option<(usize, (u64, u64))> {
    if m.stored_bytes.saturating_sub(offset) < HEAD_BYTES {
        return None;
    }
    let at = (m.stored + offset) as *const u8;
    // SAFETY: that many bytes are there.
    unsafe {
        let word = |i: usize| at.cast::<u32>().add(i).read_unaligned();
        let long = |i: usize| at.cast::<u64>().add(i).read_unaligned();
        let bytes = word(0) as usize;
        let fits = bytes >= HEAD_BYTES && bytes <= m.stored_bytes - offset;
        (word(1) == MARK && fits).then(|| (bytes, (long(2), long(3))))
    }
}

/// Whether all of it is there as it was written.
fn is_sound(m: &Memory, offset: usize, bytes: usize) -> bool {
    let at = (m.stored + offset) as *const u8;
    // SAFETY: the entry is there.
    unsafe { at.cast::<u64>().add(1).read_unaligned() == checksum(at, bytes) }
}

/// Offset and length of the next entry. One that was not written completely is passed over.
fn next(m: &Memory, mut offset: usize) -> Option<(usize, usize)> {
    if let Some((bytes, _)) = entry_at(m, offset) {
        // The next one, or the end, says that it is not a part of this one.
        if offset + bytes == m.stored_bytes || entry_at(m, offset + bytes).is_some() {
            return Some((offset, bytes));
        }
    }
    while offset + HEAD_BYTES <= m.stored_bytes {
        if let Some((bytes, _)) = entry_at(m, offset).filter(|(n, _)| is_sound(m, offset, *n)) {
            return Some((offset, bytes));
        }
        offset += 1;
    }
    None
}

fn index(m: &mut Memory) {
    let (mut n, mut offset) = (0, 0);
    while let Some((at, bytes)) = next(m, offset) {
        offset = at + bytes;
        n += 1;
    }
    let slots = (2 * n + 1usize).next_power_of_two();
    m.index.zeros(4 * slots);
    if m.index.has_failed() {
        m.index.clear();
        return;
    }
    let table = m.index.at().cast::<u32>();
    offset = 0;
    while let Some((at, bytes)) = next(m, offset) {
        let key = entry_at(m, at).map_or(0, |(_, key)| key.0);
        let mut slot = key as usize & (slots - 1);
        // SAFETY: a slot of the table, half of which stays free.
        unsafe {
            while table.add(slot).read() != 0 {
                slot = (slot + 1) & (slots - 1);
            }
            table.add(slot).write(at as u32 + 1);
        }
        offset = at + bytes;
    }
}

/// The stored output of an expansion with this key that would go so again.
fn find(m: &mut Memory) -> Option<TokenStream> {
    let slots = m.index.len() / 4;
    if slots == 0 {
        return None;
    }
    let table = m.index.at().cast::<u32>();
    let (mut found, mut n) = ([0; N_TRIED], 0);
    let mut slot = m.key.0 as usize & (slots - 1);
    // SAFETY: slots of the table, half of which are free.
    while let Some(offset) = unsafe { table.add(slot).read() }.checked_sub(1) {
        if entry_at(m, offset as usize).is_some_and(|(_, key)| key == m.key) {
            found[n % N_TRIED] = offset as usize;
            n += 1;
        }
        slot = (slot + 1) & (slots - 1);
    }
    for i in (n.saturating_sub(N_TRIED)..n).rev() {
        let offset = found[i % N_TRIED];
        let (bytes, _) = entry_at(m, offset)?;
        let at = m.stored + offset;
        if !is_sound(m, offset, bytes) {
            continue;
        }
        let mut from = Reader::new(at + HEAD_BYTES, at + bytes);
        if !trace::ask_again(&mut from) {
            continue;
        }
        let stream = Streams::new(&mut from).stream(0);
        if !from.has_failed() {
            state::apply(&mut from);
            return Some(stream);
        }
    }
    None
}

/// How often this input has come before.
fn again(m: &mut Memory, hash: u64) -> u8 {
    if 2 * (m.n_inputs + 1) > m.inputs.len() / 8 {
        let mut larger = Bytes::new();
        larger.zeros((2 * m.inputs.len()).max(8 * 512));
        if larger.has_failed() {
            return 0;
        }
        let (old, n) = (m.inputs.at().cast::<u64>(), m.inputs.len() / 8);
        m.inputs = larger;
        for i in 0..n {
            // SAFETY: a slot of the old table.
            let value = unsafe { old.add(i).read() };
            if value != 0 {
                // SAFETY: a slot of the table.
                unsafe { slot(m, value).write(value) };
            }
        }
    }
    // SAFETY: a slot of the table.
    unsafe {
        let slot = slot(m, hash);
        let value = slot.read();
        if value == 0 {
            m.n_inputs += 1;
            slot.write(hash & !0xff | 1);
            return 0;
        }
        // After 255 times it is the same time.
        if value as u8 != 0xff {
            slot.write(value + 1);
        }
        value as u8
    }
}

/// The slot of this hash, or the free one where it belongs.
unsafe fn slot(m: &Memory, hash: u64) -> *mut u64 {
    let (table, slots) = (m.inputs.at().cast::<u64>(), m.inputs.len() / 8);
    let mut slot = (hash >> 8) as usize & (slots - 1);
    loop {
        let at = table.add(slot);
        if at.read() == 0 || at.read() >> 8 == hash >> 8 {
            return at;
        }
        slot = (slot + 1) & (slots - 1);
    }
}
