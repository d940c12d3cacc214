//! The global allocator: free lists by size class over pages that `memory.grow` gives.
//!
//! An allocation and its release are about ten instructions each. Blocks never change their class, so
//! memory is bounded by the largest need of each class; the address of every block depends on the
//! sequence of calls alone. The C library has its own heap and shares nothing with this one, and so has
//! what remembers expansions.

use std::alloc::{GlobalAlloc, Layout};
use std::arch::wasm32::{memory_grow, memory_size};
use std::ptr;

const PAGE_BYTES: usize = 65536;
/// Up to here a class is a multiple of 16 bytes, beyond it a power of two.
const SMALL_BYTES: usize = 1024;
const N_SMALL: usize = SMALL_BYTES / 16 + 1;
const N_CLASSES: usize = N_SMALL + 22;

const N_REGIONS: usize = 64;

struct State {
    next: usize,
    end: usize,
    free: [*mut u8; N_CLASSES],
    /// Who has which pages, in the order of their addresses. Those between are the C library's.
    regions: [Region; N_REGIONS],
    n_regions: usize,
}

#[derive(Clone, Copy)]
pub struct Region {
    pub start: usize,
    pub end: usize,
    /// Ours, and not the macro's.
    pub is_own: bool,
    /// What was not handed out when the next one came; of the last one it is behind `next`.
    pub used: usize,
}

const NONE: Region = Region { start: 0, end: 0, is_own: false, used: 0 };

static mut STATE: State = State {
    next: 0,
    end: 0,
    free: [ptr::null_mut(); N_CLASSES],
    regions: [NONE; N_REGIONS],
    n_regions: 0,
};

fn state() -> &'static mut State {
    // SAFETY: there is one thread, and nothing here calls out.
    unsafe { &mut *(&raw mut STATE) }
}

/// Class and block size.
#[inline(always)]
fn class(bytes: usize) -> (usize, usize) {
    if bytes <= SMALL_BYTES {
        let class = (bytes + 15) / 16;
        return (class, class * 16);
    }
    let log = usize::BITS - (bytes - 1).leading_zeros();
    (N_SMALL + log as usize - 11, 1usize.wrapping_shl(log))
}

struct Heap;

#[global_allocator]
static HEAP: Heap = Heap;

// SAFETY: blocks come from fresh pages or from the list of their class, where `dealloc` put them.
unsafe impl GlobalAlloc for Heap {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() > 16 || layout.size() > 1 << 31 {
            return unusual(layout);
        }
        let (class, bytes) = class(layout.size());
        let s = state();
        let head = *s.free.get_unchecked(class);
        if !head.is_null() {
            *s.free.get_unchecked_mut(class) = head.cast::<*mut u8>().read();
            return head;
        }
        if bytes > s.end - s.next {
            return grow(bytes);
        }
        let at = s.next;
        s.next += bytes;
        at as *mut u8
    }

    #[inline(never)]
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        let (class, _) = class(layout.size());
        let s = state();
        at.cast::<*mut u8>().write(*s.free.get_unchecked(class));
        *s.free.get_unchecked_mut(class) = at;
    }

    #[inline(never)]
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let (old, new) = (class(layout.size()).1, class(size).1);
        if old == new {
            return at;
        }
        let s = state();
        // The last block grows where it is.
        if new > old && at as usize + old == s.next && new - old <= s.end - s.next && size < 1 << 30
        {
            s.next += new - old;
            return at;
        }
        let to = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
        if !to.is_null() {
            ptr::copy_nonoverlapping(at, to, layout.size().min(size));
            self.dealloc(at, layout);
        }
        to
    }
}

/// Fresh pages, behind ours unless the C library has grown the memory in between.
#[cold]
#[inline(never)]
unsafe fn grow(bytes: usize) -> *mut u8 {
    let s = state();
    let top = memory_size(0) * PAGE_BYTES;
    if top != s.end {
        add_region(false, top, top);
        s.next = top;
        s.end = top;
    }
    let missing = bytes - (s.end - s.next);
    // At least a sixteenth of what there is, so that a large heap grows in few steps.
    let mut pages = missing.max(s.end / 16).max(4 * PAGE_BYTES).div_ceil(PAGE_BYTES);
    if memory_grow(0, pages) == usize::MAX {
        pages = missing.div_ceil(PAGE_BYTES);
        if memory_grow(0, pages) == usize::MAX {
            return ptr::null_mut();
        }
    }
    s.end += pages * PAGE_BYTES;
    for i in (0..s.n_regions).rev() {
        if !s.regions[i].is_own {
            s.regions[i].end = s.end;
            break;
        }
    }
    let at = s.next;
    s.next += bytes;
    at as *mut u8
}

/// What does not fit is the C library's for those who ask, whose heap is looked through as a whole.
fn add_region(is_own: bool, start: usize, end: usize) {
    let s = state();
    if !is_own {
        // What is left of the one before is never handed out.
        if let Some(last) = s.regions[..s.n_regions].iter_mut().rev().find(|r| !r.is_own) {
            last.used = s.next;
        }
    }
    if s.n_regions < N_REGIONS {
        s.regions[s.n_regions] = Region { start, end, is_own, used: end };
        s.n_regions += 1;
    }
}

/// Pages that are not the macro's, for at least so many bytes; 0 if there are none.
pub fn own_pages(bytes: usize) -> (usize, usize) {
    let pages = bytes.div_ceil(PAGE_BYTES);
    let top = memory_grow(0, pages);
    if top == usize::MAX || state().n_regions + 1 >= N_REGIONS {
        return (0, 0);
    }
    let at = top * PAGE_BYTES;
    add_region(true, at, at + pages * PAGE_BYTES);
    (at, pages * PAGE_BYTES)
}

/// Who has which pages, and whether all are told. Of the macro's heap what is behind `used` was never handed out.
pub fn regions() -> (&'static [Region], bool) {
    let s = state();
    let next = s.next;
    if let Some(last) = s.regions[..s.n_regions].iter_mut().rev().find(|r| !r.is_own) {
        last.used = next;
    }
    (&s.regions[..s.n_regions], s.n_regions < N_REGIONS)
}

/// Tells of every block that is free: its address and size.
pub fn each_free(tell: &mut dyn FnMut(usize, usize)) {
    for class in 1..N_CLASSES {
        let bytes = match class {
            0..N_SMALL => class * 16,
            _ => 1usize.wrapping_shl((class - N_SMALL) as u32 + 11),
        };
        let mut at = state().free[class];
        while !at.is_null() {
            tell(at as usize, bytes);
            // SAFETY: a free block begins with the address of the next one.
            at = unsafe { at.cast::<*mut u8>().read() };
        }
    }
}

pub fn own() -> (usize, usize) {
    crate::state::range(&raw const STATE)
}

/// Large alignments: no free list keeps them apart, so such a block is always fresh.
#[cold]
#[inline(never)]
unsafe fn unusual(layout: Layout) -> *mut u8 {
    if layout.size() > 1 << 31 {
        return ptr::null_mut();
    }
    let (_, bytes) = class(layout.size());
    let s = state();
    let start = s.next.next_multiple_of(layout.align());
    if start + bytes <= s.end {
        s.next = start + bytes;
        return start as *mut u8;
    }
    let at = grow(bytes + layout.align());
    if at.is_null() {
        at
    } else {
        (at as usize).next_multiple_of(layout.align()) as *mut u8
    }
}
