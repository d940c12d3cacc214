//! Which macros were used in the crates that are linked to: the compiler wants to see their libraries
//! again. It finds a library by its name, and the name says where we keep it.

use super::arguments::Arguments;
use super::shim;
use crate::cache::Cache;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The folders of libraries that the other crates name, as far as they are still there.
pub fn places(arguments: &Arguments) -> Vec<PathBuf> {
    let mut keys: BTreeSet<String> = BTreeSet::new();
    for file in files(arguments) {
        if let Ok(bytes) = std::fs::read(file) {
            keys.extend(named(&bytes));
        }
    }
    if keys.is_empty() {
        return Vec::new();
    }
    let Ok(cache) = Cache::open(None) else { return Vec::new() };
    keys.iter().filter_map(|key| shim::kept(key, &cache)).collect()
}

/// Files of the crates that are linked to. Cargo names every one; others name folders of them.
fn files(arguments: &Arguments) -> BTreeSet<PathBuf> {
    let externs = arguments.externs.iter();
    let mut files: BTreeSet<PathBuf> = externs.filter_map(|(_, file)| file.clone()).collect();
    for folder in &arguments.search {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        files.extend(entries.map(|entry| entry.path()).filter(|file| is_library(file)));
    }
    files
}

fn is_library(file: &Path) -> bool {
    file.extension().is_some_and(|ending| ending == "rlib" || ending == "rmeta")
}

/// The names of our libraries among these bytes.
fn named(bytes: &[u8]) -> BTreeSet<String> {
    let mark = shim::MARK.as_bytes();
    let mut found = BTreeSet::new();
    let mut at = 0;
    // The mark's first byte is rare enough to look for it alone.
    while let Some(next) = bytes[at..].iter().position(|byte| *byte == mark[0]) {
        at += next;
        let rest = &bytes[at..];
        if rest.starts_with(mark) {
            let hash = rest[mark.len()..].iter().take(shim::HASH_DIGITS);
            let hash: String = hash.map(|byte| char::from(*byte)).collect();
            if hash.len() == shim::HASH_DIGITS && hash.chars().all(|c| c.is_ascii_hexdigit()) {
                found.insert(shim::key(&hash));
            }
        }
        at += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_among_bytes() {
        let hash = "0123456789abcdef".repeat(2);
        let text = format!("--precast{m}{hash}{m}{m}0{m}{hash}", m = shim::MARK);
        assert_eq!(named(text.as_bytes()), BTreeSet::from([shim::key(&hash)]));
        assert_eq!(named(shim::MARK.as_bytes()), BTreeSet::new());
    }
}
