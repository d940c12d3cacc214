//! Cargo runs us in rustdoc's place as well: it reads libraries as the compiler does.

use super::compiler::{become_compiler, said};
use super::context::Context;
use super::{compile, invocation, library};
use crate::project::same_package::given;
use crate::project::script;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Whether these are rustdoc's arguments. Cargo names no program before them.
pub fn is_asked(words: &[OsString]) -> bool {
    let starts = |word: &OsString| word.to_str().is_some_and(|word| word.starts_with(['-', '@']));
    let name = |file: PathBuf| file.file_stem().map(OsStr::to_owned);
    // Cargo tells build scripts of us, and they ask for the version.
    let is_told = || {
        let own = std::env::current_exe().ok().and_then(name);
        own.is_some() && own == std::env::var_os(library::RUSTDOC).map(PathBuf::from).and_then(name)
    };
    let is_crate = |words: &[OsString]| words.iter().any(|word| word == "--crate-name");
    std::env::var_os(library::VARIABLE).is_some()
        && words.first().is_some_and(starts)
        && (is_crate(words)
            || invocation::expanded(words).is_some_and(|all| is_crate(&all))
            || is_told())
}

/// Makes what rustdoc reads, then becomes it.
pub fn run(words: &[OsString]) -> i32 {
    let expanded = invocation::expanded(words);
    let given = match given::to_rustdoc(expanded.as_deref().unwrap_or(words)) {
        Ok(given) => given,
        Err(error) => return said(Err(error)),
    };
    let externs = externs(expanded.as_deref().unwrap_or(words));
    if let Some(place) = externs.first().and_then(|file| file.parent()) {
        let context = Context::of(place);
        let made = externs.iter().try_for_each(|file| compile::need(file, None, &context));
        if made.is_err() {
            return said(made.map(|()| 0));
        }
    }
    let program = std::env::var_os(script::RUSTDOC).unwrap_or_else(|| "rustdoc".into());
    become_compiler(&[&[program], words, &given].concat())
}

/// Files of the libraries that are named.
fn externs(words: &[OsString]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut rest = words.iter().filter_map(|word| word.to_str());
    while let Some(word) = rest.next() {
        let value = match word.strip_prefix("--extern") {
            Some("") => rest.next(),
            Some(value) => value.strip_prefix('='),
            None => None,
        };
        found.extend(value.and_then(|value| Some(Path::new(value.split_once('=')?.1).to_owned())));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files() {
        let words =
            "--edition=2021 --crate-name a --extern b=/t/libb.rlib --extern=noprelude:c=/c.so \
            --extern proc_macro --test src/lib.rs";
        let words: Vec<OsString> = words.split_whitespace().map(OsString::from).collect();
        assert_eq!(externs(&words), [Path::new("/t/libb.rlib"), Path::new("/c.so")]);
    }
}
