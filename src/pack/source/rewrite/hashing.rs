//! Hashes as a 64-bit host has them: the order of a map is the order of what a macro writes.
//!
//! The standard library's `DefaultHasher` is the guest's. A hasher of a crate's own that leaves `usize` to
//! the trait gets the methods which hash it at eight bytes. An `AtomicUsize` that only keeps a hash, to
//! be hashed again, becomes an `AtomicU64` (wasm-bindgen has one).

use crate::pack::source::rewrite::tokens::{are_colons, ident, punct};
use proc_macro2::{Delimiter, Group, TokenTree};
use std::ops::Range;

/// Text of which one is in every file that can be concerned.
pub const MARKS: [&str; 2] = ["DefaultHasher", "Hasher for "];

/// What the trait's own methods do natively.
const METHODS: [(&str, &str); 2] = [
    ("write_usize", " fn write_usize(&mut self, i: usize) { self.write_u64(i as u64) }"),
    ("write_isize", " fn write_isize(&mut self, i: isize) { self.write_u64(i as i64 as u64) }"),
];

/// `Hasher for TYPE { … }` at the start of the tokens, of the trait that gives a `u64`: the methods
/// to add, and the braces.
pub fn methods(tokens: &[TokenTree]) -> Option<(String, &Group)> {
    if ident(tokens.first())? != "Hasher" || ident(tokens.get(1))? != "for" {
        return None;
    }
    let body =
        tokens.iter().take_while(|token| punct(token) != Some(';')).find_map(
            |token| match token {
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group),
                _ => None,
            },
        )?;
    let inside: Vec<TokenTree> = body.stream().into_iter().collect();
    let has = |name: &str| {
        inside.windows(2).any(|pair| {
            ident(pair.first()).as_deref() == Some("fn")
                && ident(pair.get(1)).as_deref() == Some(name)
        })
    };
    if !has("finish") || !has("write") {
        return None;
    }
    let added = METHODS.iter().filter(|(name, _)| !has(name)).map(|(_, text)| *text);
    Some((added.collect(), body))
}

const ATOMIC: &str = "AtomicUsize";
const WIDE_ATOMIC: &str = "::std::sync::atomic::AtomicU64";

/// `static NAME: AtomicUsize = AtomicUsize::new(…)` at the start of the tokens, if it only keeps a
/// hash: what to replace.
pub fn kept(tokens: &[TokenTree], source: &str) -> Option<Vec<(Range<usize>, String)>> {
    let is = |at: usize, word: &str| ident(tokens.get(at)).as_deref() == Some(word);
    if !is(0, "static") || !is(3, ATOMIC) || !is(5, ATOMIC) || !are_colons(tokens, 6) {
        return None;
    }
    let declared = tokens[1].span().byte_range().start;
    let mut edits: Vec<(Range<usize>, String)> =
        [3, 5].map(|at: usize| (tokens[at].span().byte_range(), WIDE_ATOMIC.to_owned())).into();
    for at in uses(source, &ident(tokens.get(1))?).filter(|at| *at != declared) {
        let statement = source[at..].split(';').next()?;
        let (_, method) = statement.split_once('.')?;
        const CAST: &str = ".finish() as usize";
        match statement.find(CAST) {
            Some(cast) if method.starts_with("store(") => {
                let end = at + cast + CAST.len();
                edits.push((end - "usize".len()..end, "u64".to_owned()));
            }
            None if method.starts_with("load(") && method.contains(").hash(") => {}
            _ => return None,
        }
    }
    Some(edits)
}

/// Where the name stands as a word.
fn uses<'a>(source: &'a str, name: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    source.match_indices(name).map(|(at, _)| at).filter(move |at| {
        !source[..*at].ends_with(is_word) && !source[at + name.len()..].starts_with(is_word)
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::check_text as check;

    #[test]
    fn a_hash_that_is_kept() {
        let file = |atomic: &str, int: &str, used: &str| {
            format!(
                "// DefaultHasher\nstatic HASHED: u8 = 0; static HASH: {atomic} = {atomic}::new(0);\n\
                 fn f() {{ HASH.store(h.finish() as {int}, SeqCst); HASH.load(SeqCst).{used} }}"
            )
        };
        let before = file("AtomicUsize", "usize", "hash(&mut h);");
        check(&before, &file(super::WIDE_ATOMIC, "u64", "hash(&mut h);"));
        let other = file("AtomicUsize", "usize", "min(3);");
        check(&other, &other);
    }

    #[test]
    fn own_hashers() {
        let method = |i: usize| super::METHODS[i].1;
        let rest = " fn finish(&self) -> u64 { self.0 } fn write(&mut self, bytes: &[u8]) {} }";
        let both = format!("{}{}", method(0), method(1));
        for (before, has, added) in [
            ("impl Hasher for Fnv {", "", both.as_str()),
            ("impl<T: Copy> core::hash::Hasher for Own<T> where T: Eq {", "", both.as_str()),
            ("impl Hasher for Fx {", " fn write_usize(&mut self, i: usize) {}", method(1)),
        ] {
            check(&format!("{before}{has}{rest}"), &format!("{before}{added}{has}{rest}"));
        }
        let other = "impl Hasher for Sha { fn write(&mut self, bytes: &[u8]) {} }";
        check(other, other);
    }
}
