//! The macros that a library exports, from the table which rustc itself reads.
//!
//! The symbol `__rustc_proc_macro_decls_ID__` is a slice of records whose layout is rustc's affair.
//! But every pointer in it is a relocation, and each record has exactly one text of its own, the
//! name, and for a derive one list of texts, the helpers. That is enough, in ELF files.

use object::{Object, ObjectSection, ObjectSymbol, SectionKind};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// Longer names are none.
const NAME_BYTES_MAX: u64 = 1000;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Declared {
    pub name: String,
    /// Of a derive.
    pub helpers: Vec<String>,
}

impl fmt::Display for Declared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.helpers.is_empty() {
            true => write!(f, "`{}`", self.name),
            false => write!(f, "`{}` with #[{}]", self.name, self.helpers.join("], #[")),
        }
    }
}

/// The library's macros, in its order; `None` if it cannot be read.
pub fn declared(bytes: &[u8]) -> Option<Vec<Declared>> {
    let file = object::File::parse(bytes).ok()?;
    let library = Library { pointers: pointers(&file)?, file };
    let symbols = library.file.dynamic_symbols().chain(library.file.symbols());
    let table = symbols
        .filter(|symbol| symbol.is_definition())
        .find(|s| s.name().is_ok_and(|name| name.contains("rustc_proc_macro_decls_")))?
        .address();
    let (first, n) = (*library.pointers.get(&table)?, library.word(table + 8)?);
    let mut found: Vec<Declared> = Vec::new();
    for (&at, &to) in library.pointers.range(first..) {
        // Code and other tables belong to the records, too.
        if let Some(name) = library.text(at) {
            if found.len() as u64 == n {
                break;
            }
            found.push(Declared { name, helpers: Vec::new() });
            continue;
        }
        if let Some(helpers) = library.texts(at, to) {
            found.last_mut()?.helpers = helpers;
        }
    }
    (found.len() as u64 == n).then_some(found)
}

struct Library<'a> {
    file: object::File<'a>,
    /// What is at an address, where the loader writes an address there.
    pointers: BTreeMap<u64, u64>,
}

fn pointers(file: &object::File<'_>) -> Option<BTreeMap<u64, u64>> {
    let relocations = file.dynamic_relocations()?;
    let relative = relocations.filter_map(|(at, relocation)| {
        let target = relocation.target();
        let is_relative = target == object::RelocationTarget::Absolute;
        is_relative.then(|| (at, relocation.addend() as u64))
    });
    Some(relative.collect())
}

impl Library<'_> {
    fn bytes(&self, at: u64, len: u64) -> Option<&[u8]> {
        self.file.sections().find_map(|section| section.data_range(at, len).ok().flatten())
    }

    fn word(&self, at: u64) -> Option<u64> {
        Some(u64::from_le_bytes(self.bytes(at, 8)?.try_into().ok()?))
    }

    /// The text whose pointer is at `at`.
    fn text(&self, at: u64) -> Option<String> {
        let (to, len) = (*self.pointers.get(&at)?, self.word(at + 8)?);
        if len == 0 || len > NAME_BYTES_MAX || self.pointers.contains_key(&(at + 8)) {
            return None;
        }
        let section = self.file.sections().find(|section| {
            (section.address()..section.address() + section.size()).contains(&to)
        })?;
        if section.kind() != SectionKind::ReadOnlyData
            && section.kind() != SectionKind::ReadOnlyString
        {
            return None;
        }
        let text = std::str::from_utf8(self.bytes(to, len)?).ok()?;
        let is_name = text.chars().all(|c| c.is_alphanumeric() || c == '_');
        is_name.then(|| text.to_owned())
    }

    /// The texts of the list whose pointer is at `at`.
    fn texts(&self, at: u64, to: u64) -> Option<Vec<String>> {
        let n = self.word(at + 8).filter(|n| (1..NAME_BYTES_MAX).contains(n))?;
        (0..n).map(|index| self.text(to + index * 16)).collect()
    }
}
