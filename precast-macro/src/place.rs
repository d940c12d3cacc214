//! Where a span is: file, lines and columns, and the text of its lines.

// Both mean what is wanted here: the newer method where there is one.
#![allow(unstable_name_collisions, clippy::incompatible_msrv)]

use proc_macro::Span;
use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

/// What `Span` tells since Rust 1.88. Each method has the name of an inherent one, which comes first where
/// it is there.
#[allow(dead_code)] // On newer compilers none of it is used.
trait Newer: Copy {
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
}

impl Newer for Span {}

/// Lines and columns count from 1; columns are characters, and the last one is behind the end.
pub(crate) struct Place {
    pub(crate) file: String,
    pub(crate) start: (usize, usize),
    pub(crate) end: (usize, usize),
    /// Offsets in the file's bytes; 0 where the file cannot be read.
    pub(crate) bytes: (usize, usize),
    /// The lines from the first to the last, where the file can be read.
    pub(crate) lines: Vec<String>,
}

/// From the start of one span to the end of the other. None where the compiler does not tell.
pub(crate) fn between(first: Span, last: Span, files: &mut Files) -> Option<Place> {
    let (start, end) = (first.start(), last.end());
    let mut place = Place {
        file: first.file(),
        start: (start.line(), start.column()),
        end: (end.line(), end.column()),
        bytes: (0, 0),
        lines: Vec::new(),
    };
    if place.start.0 == 0 || place.start.1 == 0 || place.file.is_empty() {
        return None;
    }
    if place.end < place.start || last.file() != place.file {
        place.end = (place.start.0, place.start.1 + 1);
    }
    if let Some(text) = files.text(first.local_file()) {
        place.bytes = (offset(text, place.start), offset(text, place.end));
        let n_lines = place.end.0 - place.start.0 + 1;
        place.lines =
            text.lines().skip(place.start.0 - 1).take(n_lines).map(String::from).collect();
    }
    Some(place)
}

/// Whether the compiler tells where its spans are.
pub(crate) fn is_known(span: Span) -> bool {
    span.start().line() != 0 && span.start().column() != 0 && !span.file().is_empty()
}

fn offset(text: &str, (line, column): (usize, usize)) -> usize {
    let before: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let within = text[before..].chars().take(column - 1).map(char::len_utf8).sum::<usize>();
    before + within
}

/// Texts of files, each read once.
#[derive(Default)]
pub(crate) struct Files(HashMap<PathBuf, Option<String>>);

impl Files {
    fn text(&mut self, path: Option<PathBuf>) -> Option<&str> {
        let path = path?;
        self.0.entry(path.clone()).or_insert_with(|| fs::read_to_string(path).ok()).as_deref()
    }
}
