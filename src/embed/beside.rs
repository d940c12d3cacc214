//! A shim in the package that uses its macros: the names of its files there, and what the package's build
//! script calls.
//!
//! Cargo leaves directories with a `Cargo.toml` out of a package, so the shim's manifest has another name.

use crate::artifact::Tree;
use syn::{Expr, ItemConst};

const SCRIPT: &str = include_str!("beside.rs.txt");

/// What it runs where the macros are to be built from source.
const SOURCE_FILE: &str = "from_source.rs";
const SOURCE: &str = include_str!("from_source.rs.txt");

/// Names of the shim's manifest: its own, and the one that cargo does not see.
pub const MANIFEST: &str = "Cargo.toml";
pub const HIDDEN: &str = "Cargo.toml_";

/// What the package's build script includes.
pub const SCRIPT_FILE: &str = "build.rs";

/// What the macros were packed with of the packages nearby, one a line: a hash, a name or a dash, and a path.
pub const NEARBY_FILE: &str = "nearby.txt";

/// For git: no line endings are changed, and nobody reviews the lines.
const ATTRIBUTES_FILE: &str = ".gitattributes";
const ATTRIBUTES: &str = "* -text linguist-generated=true\n";

/// What the build script must know of the macros.
pub struct Known<'a> {
    pub name: &'a str,
    /// The folder with their source.
    pub folder: &'a str,
    pub edition: &'a str,
    /// The package's features that the macros know, and those without all of which there are none.
    pub features: &'a [String],
    pub required: &'a [String],
}

/// The text of the build script's part.
pub fn script(known: &Known) -> String {
    let text = |value: &str| format!("{value:?}");
    SCRIPT
        .replace("@PRECAST@", env!("CARGO_PKG_VERSION"))
        .replace("@NAME@", &text(known.name))
        .replace("@FOLDER_TEXT@", &text(known.folder))
        .replace("@FOLDER@", known.folder)
        .replace("@EDITION@", &text(known.edition))
        .replace("@FEATURES@", &format!("{:?}", known.features))
        .replace("@VARIABLES@", &format!("{:?}", variables(known.features)))
        .replace("@REQUIRED@", &format!("{:?}", variables(known.required)))
}

/// Cargo's variables that say to a build script which features are enabled.
fn variables(features: &[String]) -> Vec<String> {
    let variable = |name: &String| name.to_uppercase().replace('-', "_");
    features.iter().map(|name| format!("CARGO_FEATURE_{}", variable(name))).collect()
}

/// The files of a shim as they lie in the package.
pub fn put(mut shim: Tree, known: &Known) -> Tree {
    let manifest = shim.remove(MANIFEST).unwrap_or_default();
    shim.insert(HIDDEN.into(), manifest);
    shim.insert(SCRIPT_FILE.into(), script(known).into_bytes());
    shim.insert(SOURCE_FILE.into(), SOURCE.into());
    shim.insert(ATTRIBUTES_FILE.into(), ATTRIBUTES.into());
    shim
}

/// The files of the shim, of those that lie in a package. What is not as it was written is left there, and no
/// part of a shim.
pub fn take(mut files: Tree) -> Tree {
    let is_beside = !files.contains_key(MANIFEST) && files.contains_key(HIDDEN);
    if let Some(manifest) = files.remove(HIDDEN).filter(|_| is_beside) {
        files.insert(MANIFEST.into(), manifest);
        let is_written = |text: &Vec<u8>| std::str::from_utf8(text).is_ok_and(is_script);
        if files.get(SCRIPT_FILE).is_some_and(is_written) {
            files.remove(SCRIPT_FILE);
        }
        let is_list =
            |text: &Vec<u8>| std::str::from_utf8(text).is_ok_and(|t| t.lines().all(is_nearby));
        if files.get(NEARBY_FILE).is_some_and(is_list) {
            files.remove(NEARBY_FILE);
        }
        for (name, text) in [(SOURCE_FILE, SOURCE), (ATTRIBUTES_FILE, ATTRIBUTES)] {
            if files.get(name).is_some_and(|found| found == text.as_bytes()) {
                files.remove(name);
            }
        }
    }
    files
}

/// Whether a line has a hash, a name and a path.
fn is_nearby(line: &str) -> bool {
    let words: Vec<&str> = line.splitn(3, ' ').collect();
    let is_hash =
        |word: &str| word.len() == 16 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    words.len() == 3 && is_hash(words[0])
}

/// Whether the text is ours, with whatever texts for what it must know.
fn is_script(text: &str) -> bool {
    let mut lines = text.lines();
    let is_same = |ours: &str| {
        let Some(found) = lines.next() else { return false };
        let Some(start) = placeholder(ours) else { return found == ours };
        match ours.starts_with("//") {
            true => found.starts_with("//"),
            false => found.starts_with(start) && is_constant(found),
        }
    };
    SCRIPT.lines().all(is_same) && lines.next().is_none()
}

/// The text before the `@` of a name in capital letters.
fn placeholder(line: &str) -> Option<&str> {
    let is_name = |rest: &str| rest.starts_with(|c: char| c.is_ascii_uppercase());
    line.match_indices('@')
        .map(|(at, _)| at)
        .find(|at| is_name(&line[at + 1..]))
        .map(|at| &line[..at])
}

/// A constant that is a text, or a list of texts.
fn is_constant(line: &str) -> bool {
    let is_text =
        |value: &Expr| matches!(value, Expr::Lit(value) if matches!(value.lit, syn::Lit::Str(_)));
    let Ok(item) = syn::parse_str::<ItemConst>(line) else { return false };
    match &*item.expr {
        Expr::Reference(list) => {
            matches!(&*list.expr, Expr::Array(list) if list.elems.iter().all(is_text))
        }
        value => is_text(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_recognized() {
        let known = Known {
            name: "proc_macro",
            folder: "macros",
            edition: "2024",
            features: &["a".into(), "b-c".into()],
            required: &[],
        };
        let text = script(&known);
        assert!(is_script(&text), "{text}");
        for (from, to) in [
            ("fn run(", "fn  run("),
            ("CARGO_FEATURE_B_C", "\", evil(), \""),
            ("\"2024\"", "{ evil() }"),
            ("&[\"a\"", "&[evil(), \"a\""),
            ("const NAME", "const NAM"),
        ] {
            let changed = text.replacen(from, to, 1);
            assert!(changed != text && !is_script(&changed), "{to}");
        }
        assert!(!is_script(&(text + "fn more() {}\n")));
        let shim =
            Tree::from([("Cargo.toml".into(), b"m".to_vec()), ("src/lib.rs".into(), Vec::new())]);
        assert_eq!(take(put(shim.clone(), &known)), shim);
    }
}
