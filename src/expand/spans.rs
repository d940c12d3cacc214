//! What a span of proc-macro2 tells: `runtime/src/spans.rs` for tokens without a compiler.
//!
//! Empty spans cannot be made there, so `start` and `end` are the span itself.

use super::api::Span;

/// `span_text`
pub fn text(span: Span, what: u32) -> Option<String> {
    match what {
        0 => Some(format!("{span:?}")),
        1 => span.source_text(),
        2 => Some(span.file()),
        _ => span.local_file()?.into_os_string().into_string().ok(),
    }
}

/// `span_number`
pub fn number(span: Span, what: u32) -> u32 {
    let start = span.start();
    if what == 0 {
        start.line as u32
    } else {
        start.column as u32 + 1
    }
}

/// `span_derive`
pub fn derive(span: Span, other: Span, what: u32) -> Span {
    if what < 2 {
        span
    } else {
        span.resolved_at(other)
    }
}
