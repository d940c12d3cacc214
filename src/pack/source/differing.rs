//! Finds code in a macro's own sources that may behave differently in a module than natively, to warn its author.
//!
//! `usize` has 32 bits in a module, and the standard library's tables have groups of 8 slots. Neither can be seen
//! in what a macro writes until a case is met, so the sources are searched for what could make it seen. What
//! they only quote does not count.

use super::assertions::{repository, texts};
use super::dependency::Dependency;
use super::resolve::Package;
use crate::base::error::{Context, Result};
use crate::base::files;
use proc_macro2::{TokenStream, TokenTree};
use std::collections::BTreeSet;
use std::str::FromStr;

struct Sign {
    /// Tokens in a row, of which each may be one of several.
    tokens: &'static [&'static [&'static str]],
    says: &'static str,
}

const INTEGERS: &[&str] = &["usize", "isize"];
const TABLES: &str = "it has maps with a hasher of its own: what it writes in their order may stand in another \
                      one on x86-64, where tables have groups of 16 slots (a module's have 8, as on arm64)";
const NUMBERS: &str =
    "it parses numbers as `usize`, which has 32 bits in a module: larger ones are refused";
const WIDTH: &str = "it asks how large `usize` is, and in a module that is 32 bits";

const SIGNS: [Sign; 5] = [
    Sign {
        tokens: &[&[
            "AHashMap",
            "AHashSet",
            "BuildHasherDefault",
            "FnvBuildHasher",
            "FnvHashMap",
            "FnvHashSet",
            "FxBuildHasher",
            "FxHashMap",
            "FxHashSet",
        ]],
        says: TABLES,
    },
    Sign {
        tokens: &[&["base10_parse", "parse"], &[":"], &[":"], &["<"], INTEGERS, &[">"]],
        says: NUMBERS,
    },
    Sign { tokens: &[INTEGERS, &[":"], &[":"], &["from_str", "from_str_radix"]], says: NUMBERS },
    Sign { tokens: &[&["size_of"], &[":"], &[":"], &["<"], INTEGERS, &[">"]], says: WIDTH },
    Sign { tokens: &[INTEGERS, &[":"], &[":"], &["BITS"]], says: WIDTH },
];

/// Words of a `cfg` that tell the system, and what to say of a package that the macro uses. The macro's own are answered
/// as for this machine.
const SYSTEM: [&str; 5] = ["target_arch", "target_family", "target_os", "unix", "windows"];
const ASKS: &str =
    "a package of the same repository asks by `cfg` which system it is compiled for: what a macro \
                    uses is compiled for wasm";

/// What to say of the package and of those of the same repository that are linked into it.
pub fn differing(
    package: &Package,
    linked: &BTreeSet<Dependency>,
) -> Result<BTreeSet<&'static str>> {
    let mut found = BTreeSet::new();
    texts(&package.files).for_each(|text| found.extend(signs(&text)));
    found.remove(ASKS);
    let home = repository(&package.manifest);
    for Dependency { manifest, .. } in linked {
        let text = std::fs::read_to_string(manifest).at("read", manifest)?;
        let directory = manifest.parent().filter(|_| home.is_some() && repository(&text) == home);
        if let Some(directory) = directory {
            texts(&files::read(directory)?).for_each(|text| found.extend(signs(&text)));
        }
    }
    Ok(found)
}

fn signs(source: &str) -> BTreeSet<&'static str> {
    let mut found = BTreeSet::new();
    let is_in = |sign: &Sign| sign.tokens.iter().all(|one| one.iter().any(|t| source.contains(t)));
    if !SIGNS.iter().any(is_in) && !SYSTEM.iter().any(|word| source.contains(word)) {
        return found;
    }
    // A file that cannot be lexed is rustc's to complain about.
    if let Ok(tokens) = TokenStream::from_str(source) {
        search(tokens, &mut found);
    }
    proc_macro2::extra::invalidate_current_thread_spans();
    found
}

fn search(tokens: TokenStream, found: &mut BTreeSet<&'static str>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        if super::rewrite::is_quotation(&tokens[at..]) {
            at += 3;
            continue;
        }
        if let TokenTree::Group(group) = &tokens[at] {
            search(group.stream(), found);
        }
        let stands = |sign: &&Sign| {
            let rest = tokens[at..].iter().map(Some).chain(std::iter::repeat(None));
            sign.tokens.iter().zip(rest).all(|(texts, token)| {
                token.is_some_and(|token| match token {
                    TokenTree::Ident(ident) => texts.iter().any(|text| ident == text),
                    TokenTree::Punct(punct) => texts.iter().any(|t| t.starts_with(punct.as_char())),
                    _ => false,
                })
            })
        };
        found.extend(SIGNS.iter().filter(stands).map(|sign| sign.says));
        if asks_for_system(&tokens[at..]) {
            found.insert(ASKS);
        }
        at += 1;
    }
}

/// `cfg(…)`, `cfg!(…)` or `cfg_attr(…)` of the system at the start of the tokens.
fn asks_for_system(tokens: &[TokenTree]) -> bool {
    let is_cfg =
        matches!(tokens.first(), Some(TokenTree::Ident(i)) if i == "cfg" || i == "cfg_attr");
    let group = match (tokens.get(1), tokens.get(2)) {
        (Some(TokenTree::Group(group)), _) => group,
        (Some(TokenTree::Punct(_)), Some(TokenTree::Group(group))) => group,
        _ => return false,
    };
    is_cfg && names_system(group.stream())
}

fn names_system(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => SYSTEM.iter().any(|word| ident == word),
        TokenTree::Group(group) => names_system(group.stream()),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_of_another_machine() {
        let check = |source: &str, expected: &[&str]| {
            assert_eq!(signs(source), expected.iter().copied().collect(), "{source}");
        };
        check("type M<K, V> = HashMap<K, V, BuildHasherDefault<H>>;", &[TABLES]);
        check(
            "fn f(n: &LitInt) { n.base10_parse::<usize>(); mem::size_of::<isize>(); }",
            &[NUMBERS, WIDTH],
        );
        check("fn f() { (usize::from_str(\"1\"), [usize::BITS]) }", &[NUMBERS, WIDTH]);
        check("fn f() { n.parse::<u64>(); quote! { x.parse::<usize>() } }", &[]);
        check("/// FxHashMap\nfn f() -> HashMap<String, usize> { usize::from(1u8) }", &[]);
        check("BuildHasherDefault (", &[]);
        check("#[cfg(all(feature = \"a\", not(windows)))] fn f() {}", &[ASKS]);
        check("fn f() -> bool { cfg!(target_os = \"linux\") }", &[ASKS]);
        check("#[cfg(feature = \"unix\")] fn unix() { quote! { #[cfg(unix)] x } }", &[]);
    }
}
