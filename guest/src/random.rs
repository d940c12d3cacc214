//! The keys of std's `RandomState`, which count up with every map: as a state they would make each expansion
//! depend on those before it. Where expansions are remembered, they depend on the input instead.

use std::hash::RandomState;

struct Keys {
    /// Where std has the key that counts; 0 if that is not known.
    at: usize,
    first: u64,
}

static mut KEYS: Keys = Keys { at: 0, first: 0 };

pub fn own() -> (usize, usize) {
    crate::state::range(&raw const KEYS)
}

fn made() -> [u64; 2] {
    const { assert!(std::mem::size_of::<RandomState>() == 16) };
    // SAFETY: two numbers, in whatever order.
    unsafe { std::mem::transmute::<RandomState, [u64; 2]>(RandomState::new()) }
}

/// Finds std's key among the statics between these addresses.
pub fn find(from: usize, to: usize) {
    let (one, two) = (made(), made());
    let i = (one[0] == two[0]) as usize;
    if two[i] != one[i].wrapping_add(1) || two[1 - i] != one[1 - i] {
        return;
    }
    let (mut found, mut n) = (0, 0);
    let mut at = from.next_multiple_of(8);
    while at + 8 <= to {
        // SAFETY: a number in the module's statics.
        if unsafe { (at as *const u64).read_volatile() } == two[i].wrapping_add(1) {
            (found, n) = (at, n + 1);
        }
        at += 8;
    }
    // SAFETY: there is one thread.
    unsafe {
        if n == 1 && made()[i] == two[i].wrapping_add(1) {
            (*(&raw mut KEYS)).first = one[i];
            (*(&raw mut KEYS)).at = found;
        }
    }
    rest();
}

/// As if no map had been made.
pub fn rest() {
    // SAFETY: there is one thread.
    set(unsafe { KEYS.first });
}

/// The next map has this key.
pub fn set(key: u64) {
    // SAFETY: it is where std keeps a number.
    unsafe {
        if KEYS.at != 0 {
            (KEYS.at as *mut u64).write_volatile(key);
        }
    }
}
