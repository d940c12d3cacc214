//! Macros that do something else where debug assertions are on.
//!
//! Cargo compiles a macro with debug assertions for a dev profile and without for a release one, and
//! some macros ask: axum's `debug_handler` expands to nothing in a release build. Such a package is
//! packed both ways, and its shim takes the module that cargo's own build of it would be.

use crate::base::error::{Context, Result};
use crate::base::files;
use crate::base::files::Tree;
use crate::pack::source::dependency::Dependency;
use crate::pack::source::resolve::Package;
use proc_macro2::{TokenStream, TokenTree};
use std::collections::BTreeSet;
use std::str::FromStr;
use toml_edit::DocumentMut;

const NAME: &str = "debug_assertions";

/// Directories of a package that are no part of its library.
const OTHERS: [&str; 4] = ["tests/", "benches/", "examples/", "target/"];

/// The packages, as `name@version`, that are to be compiled with debug assertions as well: the macro's
/// own and those of the same repository, if any of them asks. What others check is only themselves.
pub fn concerned(package: &Package, linked: &BTreeSet<Dependency>) -> Result<Vec<String>> {
    let home = repository(&package.manifest);
    let mut asking = asks(&package.files);
    let mut names = vec![format!("{}@{}", package.name, package.version)];
    for Dependency { name, version, manifest, .. } in linked {
        let text = std::fs::read_to_string(manifest).at("read", manifest)?;
        if home.is_none() || repository(&text) != home {
            continue;
        }
        names.push(format!("{name}@{version}"));
        if let (false, Some(directory)) = (asking, manifest.parent()) {
            asking = asks(&files::read(directory)?);
        }
    }
    names.sort_unstable();
    Ok(if asking { names } else { Vec::new() })
}

pub(super) fn repository(manifest: &str) -> Option<String> {
    let document: DocumentMut = manifest.parse().ok()?;
    document.get("package")?.get("repository")?.as_str().map(str::to_owned)
}

/// Cargo's options for a build with debug assertions in these packages.
pub fn settings(packages: &[String]) -> impl Iterator<Item = String> + '_ {
    packages.iter().flat_map(|package| {
        ["debug-assertions", "overflow-checks"]
            .map(|check| format!("profile.precast.package.\"{package}\".{check}=true"))
    })
}

/// Whether a file of the library decides something by debug assertions.
fn asks(files: &Tree) -> bool {
    texts(files).any(|text| mentions(&text))
}

/// The files of the library.
pub(super) fn texts(files: &Tree) -> impl Iterator<Item = String> + '_ {
    files.iter().filter_map(|(path, body)| {
        let is_other = OTHERS.iter().any(|other| path.starts_with(other));
        (path.ends_with(".rs") && !is_other).then(|| String::from_utf8_lossy(body).into_owned())
    })
}

/// Whether the name stands in the source itself, not in what it writes.
fn mentions(source: &str) -> bool {
    if !source.contains(NAME) {
        return false;
    }
    // A file that cannot be lexed is rustc's to complain about.
    let found = TokenStream::from_str(source).is_ok_and(is_in);
    proc_macro2::extra::invalidate_current_thread_spans();
    found
}

fn is_in(tokens: TokenStream) -> bool {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        if super::rewrite::is_quotation(&tokens[at..]) {
            at += 3;
            continue;
        }
        match &tokens[at] {
            TokenTree::Ident(ident) if ident == NAME => return true,
            TokenTree::Group(group) if is_in(group.stream()) => return true,
            _ => {}
        }
        at += 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::mentions;

    #[test]
    fn questions_and_quotations() {
        assert!(mentions("fn a() { #[cfg(not(debug_assertions))] return; }"));
        assert!(mentions("fn a() -> bool { b || cfg!(any(x, debug_assertions)) }"));
        assert!(!mentions("fn a() { quote! { #[cfg(debug_assertions)] b } }"));
        assert!(!mentions("fn a() { quote_spanned! {s=> if cfg!(debug_assertions) {} } }"));
        assert!(!mentions("/// debug_assertions\nfn a() { b(\"debug_assertions\") }"));
        assert!(!mentions("debug_assertions ("));
    }
}
