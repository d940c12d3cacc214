//! The macro's state: what an expansion may find besides its input, and may leave for the next one.
//!
//! It is what its statics hold, and if anything in them could be an address of the heap, all that is live
//! there. The guest's own statics are none of it, nor is what stands in a static from the start and leads to what
//! macros cannot change: std's handle of the thread, the C library's list of directories.

use crate::heap;
use crate::own::{Bytes, Reader, Sum};

/// Statics of the guest, which are left out.
const N_OWN: usize = 10;
/// A larger heap is not looked through.
const HEAP_BYTES_MAX: usize = 1 << 20;

struct State {
    /// The statics, without the guest's own.
    ranges: [(usize, usize); N_OWN + 1],
    n_ranges: usize,
    /// The statics when they were last looked at, one range behind the other.
    shadow: Bytes,
    /// The same when the module had just started.
    first: Bytes,
    /// Free and foreign parts of the heap, 16 bytes a bit.
    map: Bytes,
    statics: Sum,
    /// Of the heap, or of nothing; None if it cannot be told.
    heap: Option<Sum>,
}

static mut STATE: State = State {
    ranges: [(0, 0); N_OWN + 1],
    n_ranges: 0,
    shadow: Bytes::new(),
    first: Bytes::new(),
    map: Bytes::new(),
    statics: Sum::new(),
    heap: None,
};

/// In the part of the module that holds variables with a value.
static mut VARIABLE: u32 = 0x7072_6563;
static CONSTANT: [u32; 2] = [0x6173_7421, 1];

fn state() -> &'static mut State {
    // SAFETY: there is one thread.
    unsafe { &mut *(&raw mut STATE) }
}

/// Where a static of the guest lies: whole words, in which nothing else can be.
pub fn range<T>(at: *const T) -> (usize, usize) {
    const { assert!(std::mem::align_of::<T>() >= 4) };
    (at as usize, at as usize + std::mem::size_of::<T>())
}

fn heap_start() -> usize {
    extern "C" {
        static __heap_base: u8;
    }
    (&raw const __heap_base) as usize
}

/// Finds the statics, which begin at `data`, behind all constants. False if that cannot be.
pub fn find(data: usize) -> bool {
    extern "C" {
        static __global_base: u8;
        static __data_end: u8;
    }
    let (start, end) = ((&raw const __global_base) as usize, (&raw const __data_end) as usize);
    // The compiler must not know them.
    let variable = std::hint::black_box(&raw mut VARIABLE) as usize;
    let constant = std::hint::black_box(&raw const CONSTANT) as usize;
    // SAFETY: they are what they are; so both are used.
    if unsafe {
        (variable as *const u32).read_volatile() + (constant as *const u32).read_volatile()
    } == 0
        || data < start
        || variable < data
        || variable >= end
        || constant >= data && data != start
    {
        return false;
    }
    let mut own = [
        heap::own(),
        crate::arena::own(),
        crate::entry::own(),
        crate::tree::own(),
        crate::span::own(),
        crate::libc::own(),
        crate::trace::own(),
        crate::remember::own(),
        crate::random::own(),
        range(&raw const STATE),
    ];
    // Few: sorted by hand.
    for i in 1..own.len() {
        for k in (1..=i).rev() {
            if own[k] < own[k - 1] {
                own.swap(k, k - 1);
            }
        }
    }
    let s = state();
    let mut at = data & !3;
    for (from, to) in own.into_iter().chain([(end.next_multiple_of(4), 0)]) {
        if from > at {
            s.ranges[s.n_ranges] = (at, from);
            s.n_ranges += 1;
        }
        at = at.max(to);
    }
    true
}

/// The state is what it is now, when nothing has run.
pub fn begin() {
    // Whoever makes an error with syn asks for it.
    drop(std::thread::current());
    let s = state();
    let bytes = s.ranges[..s.n_ranges].iter().map(|(from, to)| to - from).sum();
    s.shadow.zeros(bytes);
    s.first.zeros(bytes);
    take();
    s.first.clear();
    s.first.bytes(s.shadow.at(), s.shadow.len());
    take();
}

/// The state is what it is now.
pub fn take() {
    changes(None);
}

/// What stands for the state.
pub fn key() -> Option<(Sum, Sum)> {
    let s = state();
    Some((s.statics, s.heap?))
}

/// Writes how the statics have changed since they were last looked at. False if more has changed, or the
/// change leads to the heap.
pub fn changes(mut out: Option<&mut Bytes>) -> bool {
    let (start, top) = (heap_start(), core::arch::wasm32::memory_size(0) << 16);
    let s = state();
    let mut sum = Sum::new();
    let (mut points, mut fine, mut i) = (false, true, 0);
    if s.shadow.has_failed() || s.first.has_failed() {
        s.heap = None;
        return false;
    }
    let (shadow, first) = (s.shadow.at().cast::<u32>(), s.first.at().cast::<u32>());
    let mut last = 0;
    for &(from, to) in &s.ranges[..s.n_ranges] {
        let mut at = from;
        while at < to {
            // SAFETY: a word of the module's own memory, and two of its shadows.
            let (word, old, first) = unsafe {
                ((at as *const u32).read_volatile(), &mut *shadow.add(i), first.add(i).read())
            };
            let is_address = |word: u32| word as usize >= start && (word as usize) < top;
            let leads = word != first && is_address(word);
            points |= leads;
            sum.add(word as u64);
            if word != *old {
                if let Some(out) = &mut out {
                    fine &= !is_address(word) && !is_address(*old);
                    out.number((at - last) as u32);
                    out.word(word);
                    last = at;
                }
                *old = word;
            }
            at += 4;
            i += 1;
        }
    }
    if let Some(out) = out {
        out.number(0);
    }
    s.statics = sum;
    let heap = match points {
        true => look_through(start, top),
        false => Some(Sum::new()),
    };
    let same = heap.is_some() && heap == s.heap;
    s.heap = heap;
    fine && same
}

/// Changes the statics as they were changed then.
pub fn apply(from: &mut Reader) {
    let s = state();
    let mut at = 0;
    let mut any = false;
    loop {
        let more = from.number() as usize;
        if more == 0 {
            break;
        }
        at += more;
        let word = from.word();
        let is_static = s.ranges[..s.n_ranges].iter().any(|&(from, to)| at >= from && at < to);
        if from.has_failed() || !is_static || at % 4 != 0 {
            break;
        }
        // SAFETY: it is one of the macro's statics.
        unsafe { (at as *mut u32).write_volatile(word) };
        any = true;
    }
    if any {
        take();
    }
}

/// A hash of all that is live in the heaps, with its addresses.
fn look_through(start: usize, top: usize) -> Option<Sum> {
    let s = state();
    let (regions, all) = heap::regions();
    if !all {
        return None;
    }
    // One bit for 16 bytes, from the heap's start on; set where nothing is to be looked at.
    let base = start & !15;
    s.map.clear();
    s.map.zeros((top - base) / 128 + 16);
    if s.map.has_failed() {
        return None;
    }
    // Memory for the map may just have been added.
    let (regions, all) = match all {
        true => heap::regions(),
        false => (regions, all),
    };
    if !all {
        return None;
    }
    let map = s.map.at();
    let mut left_out = |at: usize, bytes: usize| {
        if bytes == 0 || at < base || at >= top {
            return;
        }
        let (mut bit, end) = ((at - base) / 16, ((at + bytes).min(top) - base).div_ceil(16));
        while bit < end {
            // SAFETY: the map has a bit for it.
            unsafe {
                if bit % 8 == 0 && end - bit >= 8 {
                    map.add(bit / 8).write(0xff);
                    bit += 8;
                    continue;
                }
                *map.add(bit / 8) |= 1 << (bit % 8);
            }
            bit += 1;
        }
    };
    for region in regions {
        match region.is_own {
            true => left_out(region.start, region.end - region.start),
            false => left_out(region.used, region.end.saturating_sub(region.used)),
        }
    }
    heap::each_free(&mut left_out);
    crate::arena::each_own(&mut left_out);
    let mut sum = Sum::new();
    let (mut n, mut at) = (0, base);
    while at < top {
        let bit = (at - base) / 16;
        // SAFETY: the map has a bit for it, and the memory reaches to `top`.
        unsafe {
            let byte = map.add(bit / 8).read();
            if bit % 8 == 0 && byte == 0xff {
                at += 128;
                continue;
            }
            if byte >> (bit % 8) & 1 == 0 {
                let (low, high) =
                    ((at as *const u64).read_volatile(), ((at + 8) as *const u64).read_volatile());
                // Memory that nobody has used yet is as good as none.
                if low | high != 0 {
                    sum.add(at as u64);
                    sum.add(low);
                    sum.add(high);
                }
                n += 16;
                if n > HEAP_BYTES_MAX {
                    return None;
                }
            }
        }
        at += 16;
    }
    Some(sum)
}
