//! The macros that a library exports, from the table which rustc itself reads.
//!
//! The symbol `__rustc_proc_macro_decls_ID__` is a slice of records whose layout is rustc's affair.
//! But every pointer in it is one that the loader writes, and each record has exactly one text of its
//! own, the name, and for a derive one list of texts, the helpers. That is enough.

use super::pointers::{pointers, Pointers};
use object::read::{ExportTarget, NameOrOrdinal};
use object::{Object, ObjectSection, ObjectSymbol, SectionKind};
use serde::Serialize;
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

/// The crate's stable id and the address of its table. Windows knows no dynamic symbols but exports.
pub(super) fn table(file: &object::File<'_>) -> Option<(String, u64)> {
    let symbols = file.dynamic_symbols().chain(file.symbols()).filter(|s| s.is_definition());
    let symbols = symbols.filter_map(|s| Some((s.name().ok()?.to_owned(), s.address())));
    let exports = file.exports().ok()?.filter_map(|export| {
        let export = export.ok()?;
        match (export.name(), export.target()) {
            (NameOrOrdinal::Name(name), ExportTarget::Address { address }) => {
                Some((String::from_utf8_lossy(name).into_owned(), address))
            }
            _ => None,
        }
    });
    symbols.chain(exports).find_map(|(name, address)| {
        let name = name.trim_start_matches('_').strip_prefix("rustc_proc_macro_decls_")?;
        Some((name.strip_suffix("__")?.to_owned(), address))
    })
}

/// The library's macros, in its order; `None` if it cannot be read.
pub fn declared(bytes: &[u8]) -> Option<Vec<Declared>> {
    let file = object::File::parse(bytes).ok()?;
    let library = Library { pointers: pointers(&file)?, file };
    let (_, table) = table(&library.file)?;
    let (first, n) = (*library.pointers.get(&table)?, library.word(table.checked_add(8)?)?);
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
    pointers: Pointers,
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
        let (to, len) = (*self.pointers.get(&at)?, self.word(at.wrapping_add(8))?);
        if len == 0 || len > NAME_BYTES_MAX || self.pointers.contains_key(&at.wrapping_add(8)) {
            return None;
        }
        let section = self.file.sections().find(|section| {
            to.checked_sub(section.address()).is_some_and(|offset| offset < section.size())
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
        let n = self.word(at.wrapping_add(8)).filter(|n| (1..NAME_BYTES_MAX).contains(n))?;
        (0..n).map(|index| self.text(to.wrapping_add(index * 16))).collect()
    }
}
