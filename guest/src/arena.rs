//! Where records and texts of one expansion live: never freed one by one, all forgotten when the
//! next expansion starts. That makes tokens plain words: cloned by copying, without a `Drop`.

use std::alloc::{alloc, Layout};

const CHUNK_BYTES: usize = 64 * 1024;

struct Arena {
    next: usize,
    end: usize,
    /// Address and size of every chunk; those after `current` are unused.
    chunks: Vec<(usize, usize)>,
    current: usize,
    /// Handle of `Span::call_site()`; every handle of an earlier expansion is smaller.
    call_site: u32,
    /// The blocks of records that the host wrote, by id.
    blocks: Vec<Block>,
}

/// A block of records that the host wrote.
#[derive(Clone, Copy)]
pub struct Block {
    pub first_id: u32,
    /// What the addresses of groups' streams are relative to.
    pub base: usize,
    /// What the addresses of texts are relative to.
    pub texts: usize,
}

static mut ARENA: Arena =
    Arena { next: 0, end: 0, chunks: Vec::new(), current: 0, call_site: 4, blocks: Vec::new() };

fn arena() -> &'static mut Arena {
    // SAFETY: there is one thread, and no function of this file calls out while it holds this.
    unsafe { &mut *(&raw mut ARENA) }
}

/// Forgets all tokens.
pub fn reset() {
    let a = arena();
    a.blocks.clear();
    a.current = 0;
    (a.next, a.end) = match a.chunks.first() {
        Some(&(at, bytes)) => (at, at + bytes),
        None => (0, 0),
    };
}

pub fn start_epoch(epoch: u32) {
    arena().call_site = epoch * 4;
}

#[inline]
pub fn call_site() -> u32 {
    arena().call_site
}

#[inline]
pub fn epoch() -> u32 {
    arena().call_site / 4
}

pub fn add_block(block: Block) {
    arena().blocks.push(block);
}

/// The block that holds the records of native stream `id`.
pub fn block_of(id: u32) -> Block {
    let mut found = Block { first_id: 0, base: 0, texts: 0 };
    for block in &arena().blocks {
        if block.first_id > id {
            break;
        }
        found = *block;
    }
    found
}

/// `bytes` of memory, aligned to 8.
#[inline]
pub fn take(bytes: usize) -> *mut u8 {
    let a = arena();
    let bytes = (bytes + 7) & !7;
    if bytes > a.end - a.next {
        return take_chunk(bytes);
    }
    let at = a.next;
    a.next += bytes;
    at as *mut u8
}

/// Makes the piece that ends at `end` longer, if it is the last one and there is room.
pub fn extend(end: usize, bytes: usize) -> bool {
    let a = arena();
    if end != a.next || bytes > a.end - a.next {
        return false;
    }
    a.next += (bytes + 7) & !7;
    true
}

#[cold]
#[inline(never)]
fn take_chunk(bytes: usize) -> *mut u8 {
    let a = arena();
    let mut i = if a.chunks.is_empty() { 0 } else { a.current + 1 };
    while i < a.chunks.len() && a.chunks[i].1 < bytes {
        i += 1;
    }
    if i == a.chunks.len() {
        let size = CHUNK_BYTES.max(bytes.next_power_of_two());
        let layout = Layout::from_size_align(size, 16).expect("a size that fits the memory");
        // SAFETY: the size is not zero.
        let at = unsafe { alloc(layout) };
        if at.is_null() {
            std::alloc::handle_alloc_error(layout);
        }
        a.chunks.push((at as usize, size));
    }
    a.current = i;
    let (at, size) = a.chunks[i];
    a.next = at + bytes;
    a.end = at + size;
    at as *mut u8
}

pub fn own() -> (usize, usize) {
    crate::state::range(&raw const ARENA)
}

/// Tells of every block of the heap that this file has: its address and size.
pub fn each_own(tell: &mut dyn FnMut(usize, usize)) {
    let a = arena();
    for &(at, bytes) in &a.chunks {
        tell(at, bytes);
    }
    tell(a.chunks.as_ptr() as usize, a.chunks.capacity() * std::mem::size_of::<(usize, usize)>());
    tell(a.blocks.as_ptr() as usize, a.blocks.capacity() * std::mem::size_of::<Block>());
}

/// A copy of `bytes` in the form that records point to: their length for the record, and where.
pub fn keep(bytes: &[u8]) -> (u32, *const u8) {
    let long = bytes.len() >= crate::abi::LONG as usize;
    let at = take(bytes.len() + if long { 4 } else { 0 });
    // SAFETY: room for both was just taken.
    unsafe {
        if long {
            at.cast::<u32>().write(bytes.len() as u32);
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), at.add(4), bytes.len());
            return (crate::abi::LONG, at);
        }
        copy_short(bytes, at);
    }
    (bytes.len() as u32, at)
}

/// A bulk copy costs more than the few bytes of a name: two loads and stores that overlap.
unsafe fn copy_short(bytes: &[u8], to: *mut u8) {
    let (from, len) = (bytes.as_ptr(), bytes.len());
    if len > 16 {
        std::ptr::copy_nonoverlapping(from, to, len);
    } else if len >= 8 {
        let (a, b) = (word::<u64>(from), word::<u64>(from.add(len - 8)));
        to.cast::<u64>().write_unaligned(a);
        to.add(len - 8).cast::<u64>().write_unaligned(b);
    } else if len >= 4 {
        let (a, b) = (word::<u32>(from), word::<u32>(from.add(len - 4)));
        to.cast::<u32>().write_unaligned(a);
        to.add(len - 4).cast::<u32>().write_unaligned(b);
    } else if len > 0 {
        to.write(*from);
        to.add(len / 2).write(*from.add(len / 2));
        to.add(len - 1).write(*from.add(len - 1));
    }
}

unsafe fn word<T>(from: *const u8) -> T {
    from.cast::<T>().read_unaligned()
}
