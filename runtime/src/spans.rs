//! Reads native spans (positions, files, source text) on every compiler since 1.63.
//!
//! Each method of the trait has the name of an inherent one. Where that is stable it comes first;
//! elsewhere the answer is the one that proc-macro2 gives on such a compiler.

use std::path::PathBuf;

use super::api::Span;
use super::text::formatted;

trait SpanMethods: Copy {
    fn start(&self) -> Self {
        *self
    }
    fn end(&self) -> Self {
        *self
    }
    fn line(&self) -> usize {
        0
    }
    fn column(&self) -> usize {
        0
    }
    fn file(&self) -> String {
        String::new()
    }
    fn local_file(&self) -> Option<PathBuf> {
        None
    }
    fn source_text(&self) -> Option<String> {
        None
    }
}

impl SpanMethods for Span {}

/// `span_text`
pub fn text(span: Span, what: u32) -> Option<String> {
    match what {
        0 => Some(formatted(format_args!("{:?}", span))),
        1 => span.source_text(),
        2 => Some(span.file()),
        _ => match span.local_file() {
            Some(path) => path.into_os_string().into_string().ok(),
            None => None,
        },
    }
}

/// `span_number`
pub fn number(span: Span, what: u32) -> u32 {
    if what == 0 {
        span.line() as u32
    } else {
        span.column() as u32
    }
}

/// `span_derive`
pub fn derive(span: Span, other: Span, what: u32) -> Span {
    match what {
        0 => span.start(),
        1 => span.end(),
        _ => span.resolved_at(other),
    }
}
