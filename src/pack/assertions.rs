//! Macros that do something else where debug assertions are on.
//!
//! Cargo compiles a macro with debug assertions for a dev profile and without for a release one, and
//! some macros ask: axum's `debug_handler` expands to nothing in a release build. Such a package is
//! packed both ways, and its shim takes the module that cargo's own build of it would be.

use super::build::Job;
use super::{cargo, stage};
use crate::error::{Class, Context, Result};
use proc_macro2::{TokenStream, TokenTree};
use serde_json::Value;
use std::path::Path;
use std::str::FromStr;

const NAME: &str = "debug_assertions";

/// Directories of a package that are no part of its library.
const OTHERS: [&str; 4] = ["tests/", "benches/", "examples/", "target/"];

/// The packages, as `name@version`, that are to be compiled with debug assertions as well: the macro's
/// own and those of the same repository, if any of them asks. What others check is only themselves.
pub fn concerned(job: &Job) -> Result<Vec<String>> {
    let mut command = cargo::command(job.directory);
    command.args(["metadata", "--format-version", "1", "--filter-platform"]);
    command.arg(super::toolchain::TARGET).arg("--manifest-path").arg(job.staged.join("Cargo.toml"));
    command.args(job.features.arguments());
    if job.offline {
        command.arg("--offline");
    }
    let output = cargo::run(command, |_| {})?;
    if !output.success {
        return Err(cargo::failure("cannot list what it depends on", &output.stderr));
    }
    let metadata: Value =
        serde_json::from_str(&output.stdout).class(Class::Other, "cargo's metadata is no JSON")?;
    let root = metadata["resolve"]["root"].as_str().unwrap_or_default();
    let resolved = metadata["resolve"]["nodes"].as_array().into_iter().flatten();
    let resolved: Vec<&str> = resolved.filter_map(|node| node["id"].as_str()).collect();
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let packages: Vec<&Value> = packages
        .filter(|package| resolved.contains(&package["id"].as_str().unwrap_or("")))
        .collect();
    let home = packages.iter().find(|package| package["id"] == root);
    let home = home.and_then(|package| package["repository"].as_str());
    let mut asking = false;
    let mut names = Vec::new();
    for package in packages {
        let same = home.is_some() && package["repository"].as_str() == home;
        if package["id"] != root && !same {
            continue;
        }
        let text = |key: &str| package[key].as_str().unwrap_or_default();
        names.push(format!("{}@{}", text("name"), text("version")));
        let directory = Path::new(text("manifest_path")).parent();
        asking = asking || directory.map_or(Ok(false), asks)?;
    }
    names.sort_unstable();
    Ok(if asking { names } else { Vec::new() })
}

/// Cargo's options for a build with debug assertions in these packages.
pub fn settings(packages: &[String]) -> impl Iterator<Item = String> + '_ {
    packages.iter().flat_map(|package| {
        ["debug-assertions", "overflow-checks"]
            .map(|check| format!("profile.precast.package.\"{package}\".{check}=true"))
    })
}

/// Whether a file of the library decides something by debug assertions.
fn asks(package: &Path) -> Result<bool> {
    let files = stage::read(package)?;
    let text = |(path, body): (&String, &Vec<u8>)| {
        let is_other = OTHERS.iter().any(|other| path.starts_with(other));
        (path.ends_with(".rs") && !is_other).then(|| String::from_utf8_lossy(body).into_owned())
    };
    Ok(files.iter().filter_map(text).any(|text| mentions(&text)))
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
