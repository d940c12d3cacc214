//! `Span`: a handle. All that it knows, it asks the host for.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::abi::{answer, host};
use crate::arena::call_site;

/// Whether the compiler offers `join`, as far as is known.
static OFFERED: AtomicU32 = AtomicU32::new(1);

pub(crate) fn own() -> (usize, usize) {
    crate::state::range(&raw const OFFERED)
}

/// A region of source code, along with macro expansion information.
#[derive(Copy, Clone)]
pub struct Span(pub(crate) u32, PhantomData<*const ()>);

impl Span {
    #[inline]
    pub(crate) fn from_handle(handle: u32) -> Span {
        Span(handle, PhantomData)
    }

    /// The span of the invocation of the current procedural macro.
    #[inline]
    pub fn call_site() -> Span {
        Span::from_handle(call_site())
    }

    /// A span with `macro_rules` hygiene.
    #[inline]
    pub fn mixed_site() -> Span {
        Span::from_handle(call_site() + 1)
    }

    /// Creates an empty span pointing to directly before this span.
    pub fn start(&self) -> Span {
        self.derive(*self, 0)
    }

    /// Creates an empty span pointing to directly after this span.
    pub fn end(&self) -> Span {
        self.derive(*self, 1)
    }

    /// The one-indexed line of the source file where the span starts.
    pub fn line(&self) -> usize {
        // SAFETY: the call takes numbers and gives one.
        unsafe { host::span_number(self.0, 0) as usize }
    }

    /// The one-indexed column of the source file where the span starts.
    pub fn column(&self) -> usize {
        // SAFETY: as above.
        unsafe { host::span_number(self.0, 1) as usize }
    }

    /// The path to the source file in which this span occurs, for display purposes.
    pub fn file(&self) -> String {
        self.text(2).unwrap_or_default()
    }

    /// The path to the source file in which this span occurs on the local file system.
    pub fn local_file(&self) -> Option<PathBuf> {
        self.text(3).map(PathBuf::from)
    }

    /// Creates a new span with the same line/column information as `self` but
    /// that resolves symbols as though it were at `other`.
    pub fn resolved_at(&self, other: Span) -> Span {
        self.derive(other, 2)
    }

    /// Creates a new span with the same name resolution behavior as `self` but
    /// with the line/column information of `other`.
    pub fn located_at(&self, other: Span) -> Span {
        other.resolved_at(*self)
    }

    /// Returns the source text behind a span.
    pub fn source_text(&self) -> Option<String> {
        self.text(1)
    }

    /// Creates a new span encompassing `self` and `other`. `None` where the compiler does not offer
    /// it, or would say so itself.
    pub fn join(&self, other: Span) -> Option<Span> {
        if OFFERED.load(Ordering::Relaxed) == 0 {
            crate::trace::not_offered(self.0, other.0);
            return None;
        }
        // SAFETY: the call takes numbers and gives one.
        match unsafe { host::unstable(0, self.0, other.0, 0) } as u32 {
            0 => None,
            1 => {
                OFFERED.store(0, Ordering::Relaxed);
                None
            }
            handle => Some(Span::from_handle(handle)),
        }
    }

    /// The span's byte position range in the source file.
    pub fn byte_range(&self) -> Range<usize> {
        // SAFETY: as above.
        let range = unsafe { host::unstable(1, self.0, 0, 0) };
        (range >> 32) as usize..range as u32 as usize
    }

    fn text(&self, what: u32) -> Option<String> {
        // SAFETY: the call takes numbers and gives one.
        let result = unsafe { host::span_text(self.0, what) };
        match result as u32 {
            0 => None,
            _ => Some(answer((result >> 32) as u32)),
        }
    }

    fn derive(&self, other: Span, what: u32) -> Span {
        // SAFETY: the call takes numbers and gives one.
        Span::from_handle(unsafe { host::span_derive(self.0, other.0, what) })
    }
}

/// Prints a span in a form convenient for debugging.
impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(0).unwrap_or_default())
    }
}
