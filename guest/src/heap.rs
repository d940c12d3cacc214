//! The global allocator: free lists by size class over pages that `memory.grow` gives.
//!
//! An allocation and its release are about ten instructions each. Blocks never change their class, so
//! memory is bounded by the largest need of each class; the address of every block depends on the
//! sequence of calls alone. The C library has its own heap and shares nothing with this one.

use std::alloc::{GlobalAlloc, Layout};
use std::arch::wasm32::{memory_grow, memory_size};
use std::ptr;

const PAGE_BYTES: usize = 65536;
/// Up to here a class is a multiple of 16 bytes, beyond it a power of two.
const SMALL_BYTES: usize = 1024;
const N_SMALL: usize = SMALL_BYTES / 16 + 1;
const N_CLASSES: usize = N_SMALL + 22;

struct State {
    next: usize,
    end: usize,
    free: [*mut u8; N_CLASSES],
}

static mut STATE: State = State { next: 0, end: 0, free: [ptr::null_mut(); N_CLASSES] };

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
    let at = s.next;
    s.next += bytes;
    at as *mut u8
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
