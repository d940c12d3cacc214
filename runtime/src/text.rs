//! Functions on strings. Those of std take consumers longer to compile.

use std::fmt::{self, Display, Write};
use std::str;

/// The texts as one.
pub fn joined(parts: &[&str]) -> String {
    let mut text = String::new();
    append(&mut text, parts);
    text
}

pub fn append(text: &mut String, parts: &[&str]) {
    let mut i = 0;
    while i < parts.len() {
        text.push_str(parts[i]);
        i += 1;
    }
}

pub fn owned(text: &str) -> String {
    joined(&[text])
}

/// What `fmt` writes to. `String` is one as well, but what a consumer compiles of it is thrice that.
struct Text<'a>(&'a mut String);

impl<'a> Write for Text<'a> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.0.push_str(part);
        Ok(())
    }

    /// The one that is given takes five functions.
    fn write_char(&mut self, c: char) -> fmt::Result {
        let c = c as u32;
        let mut bytes =
            [c as u8, (c >> 6 & 63 | 128) as u8, (c >> 12 & 63 | 128) as u8, (c >> 18 | 240) as u8];
        let mut n = 1;
        if c >= 128 {
            bytes[0] = (c & 63 | 128) as u8;
            n = 4;
            if c < 1 << 11 {
                bytes[1] = (c >> 6 | 192) as u8;
                n = 2;
            } else if c < 1 << 16 {
                bytes[2] = (c >> 12 | 224) as u8;
                n = 3;
            }
        }
        while n > 0 {
            n -= 1;
            // SAFETY: in the end a character is there.
            unsafe { self.0.as_mut_vec().push(bytes[n]) };
        }
        Ok(())
    }

    fn write_fmt(&mut self, parts: fmt::Arguments<'_>) -> fmt::Result {
        fmt::write(self, parts)
    }
}

/// Writes what `format_args!` stands for.
pub fn print(text: &mut String, parts: fmt::Arguments<'_>) {
    let _ = fmt::write(&mut Text(text), parts);
}

/// Writes `{}` of a value: one `format_args!` for all of them.
pub fn show(text: &mut String, value: &dyn Display) {
    print(text, format_args!("{}", value));
}

pub fn shown(value: &dyn Display) -> String {
    let mut text = String::new();
    show(&mut text, value);
    text
}

/// `format!`, of which consumers would compile more.
pub fn formatted(parts: fmt::Arguments<'_>) -> String {
    let mut text = String::new();
    print(&mut text, parts);
    text
}

/// What bytes say; nothing if they are no text.
pub fn utf8(bytes: &[u8]) -> &str {
    match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => "",
    }
}

/// A part of a text. What std has for it is four functions for each kind of range.
pub fn part(text: &str, start: usize, end: usize) -> &str {
    utf8(&text.as_bytes()[start..end])
}

/// What stands before the first space.
pub fn first_word(text: &str) -> &str {
    let mut end = 0;
    while end < text.len() && text.as_bytes()[end] != b' ' {
        end += 1;
    }
    part(text, 0, end)
}

pub fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// Whether a text has a word in it. Not `str::contains`: every consumer would compile its searchers.
pub fn holds(text: &[u8], word: &[u8]) -> bool {
    let mut at = 0;
    while at + word.len() <= text.len() {
        if text[at] == word[0] && same(&text[at..at + word.len()], word) {
            return true;
        }
        at += 1;
    }
    false
}
