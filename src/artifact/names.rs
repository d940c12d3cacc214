//! The table of functions' names that a module keeps in a custom section, for the call stack of a trap.
//!
//! One line for each function, in the order of their indexes, compressed: the length of the text as four bytes,
//! little-endian, then one zstd frame, as the runtime reads them. An empty line is a function without a name.

use super::tree;
use crate::base::error::{Class, Context, Error, Result};
use wasmparser::{Parser, Payload};

/// The name of the section.
pub const SECTION: &str = "precast.names";

/// No name is longer: those of generic functions can have kilobytes.
const NAME_BYTES_MAX: usize = 160;
/// The runtime takes no longer table.
const TABLE_BYTES_MAX: usize = crate::runtime::kernel::NAMES_BYTES_MAX;
/// The highest level of zstd that needs no long-range options, as for the image.
const LEVEL: i32 = 19;

/// The section's bytes; none where no function has a name, or all of them together are too long.
pub(crate) fn write<'a>(names: impl Iterator<Item = Option<&'a str>>) -> Result<Vec<u8>> {
    let mut text = String::new();
    let mut is_named = false;
    for name in names {
        is_named |= name.is_some();
        text += &name.map(readable).unwrap_or_default();
        text.push('\n');
    }
    if !is_named || text.len() > TABLE_BYTES_MAX {
        return Ok(Vec::new());
    }
    let mut table = (text.len() as u32).to_le_bytes().to_vec();
    table.extend(tree::compress_at(LEVEL, text.as_bytes())?);
    Ok(table)
}

/// A linker's name as the source has it, without the hash.
fn readable(name: &str) -> String {
    let name = format!("{:#}", rustc_demangle::demangle(name));
    let mut name: String = name.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    if name.len() > NAME_BYTES_MAX {
        let fits = |at: &usize| name.is_char_boundary(*at);
        name.truncate((0..NAME_BYTES_MAX - 2).rev().find(fits).unwrap_or(0));
        name.push('…');
    }
    name
}

/// The table of a module; empty where it has none.
pub fn of(wasm: &[u8]) -> &[u8] {
    let sections = Parser::new(0).parse_all(wasm).map_while(std::result::Result::ok);
    let mut found = sections.filter_map(|payload| match payload {
        Payload::CustomSection(section) if section.name() == SECTION => Some(section.data()),
        _ => None,
    });
    found.next().unwrap_or_default()
}

/// The names, one for each function of the module.
pub fn read(table: &[u8]) -> Result<Vec<String>> {
    let wrong = |what: &str| Error::new(Class::Verify, format!("the section {SECTION} {what}"));
    if table.is_empty() {
        return Ok(Vec::new());
    }
    let (length, frame) = table.split_first_chunk::<4>().ok_or_else(|| wrong("is cut off"))?;
    let text = tree::decompress(frame, TABLE_BYTES_MAX as u64).context(SECTION)?;
    if text.len() != u32::from_le_bytes(*length) as usize || !text.ends_with(b"\n") {
        return Err(wrong("has another length than it says"));
    }
    let text = String::from_utf8(text).map_err(|_| wrong("is no text"))?;
    Ok(text.lines().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let long = format!("_ZN{}{}17h0123456789abcdefE", 300, "x".repeat(300));
        let names = [
            Some("fd_write"),
            None,
            Some("_ZN4core9panicking5panic17h0123456789abcdefE"),
            Some("_RNvC6words_4word"),
            Some(&long),
        ];
        let table = write(names.into_iter()).unwrap();
        let found = read(&table).unwrap();
        assert_eq!(found[..4], ["fd_write", "", "core::panicking::panic", "words_::word"][..]);
        assert!(found[4].len() <= NAME_BYTES_MAX && found[4].ends_with("x…"), "{}", found[4]);
        assert!(write([None, None].into_iter()).unwrap().is_empty());
        assert!(read(&table[..3]).is_err() && read(&table[..9]).is_err());
    }
}
