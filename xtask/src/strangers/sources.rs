//! A package's consumers: its tests, its examples and the code in its documentation, each a file
//! that one call of the compiler takes.

use super::package::Package;
use crate::run::{read, write, Result};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub struct Source {
    /// For people: `tests/a.rs`, `README.md 2`.
    pub name: String,
    pub file: PathBuf,
    pub is_test: bool,
}

/// Copies the published files to `folder`, the facade's to `facade/` in it.
pub fn copy(package: &Package, folder: &Path) -> Result {
    for (from, to) in package.published.iter().zip([folder.to_owned(), folder.join("facade")]) {
        crate::suites::copy(from, &to)?;
        for name in ["Cargo.toml", "Cargo.lock", "build.rs", ".cargo"] {
            let path = to.join(name);
            let _ = std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir_all(&path));
        }
    }
    Ok(())
}

/// The sources that name one of the macros; those of documentation are written to `folder`.
pub fn of(package: &Package, folder: &Path, max: usize) -> Result<Vec<Source>> {
    let mut found = Vec::new();
    let mut macros = BTreeSet::new();
    for file in files(&folder.join("src"), "rs", true) {
        macros.extend(declared(&read(&file).unwrap_or_default()));
    }
    // A facade may have macros of its own around these.
    macros.extend(package.facade.clone());
    if macros.is_empty() {
        macros.insert(package.name.replace('-', "_"));
    }
    let places = [folder.to_owned(), folder.join("facade")];
    let places = &places[..package.published.len()];
    for (kind, is_test) in [("tests", true), ("examples", false)] {
        for place in places {
            for file in files(&place.join(kind), "rs", false) {
                if names_any(&read(&file).unwrap_or_default(), &macros) {
                    let name = file.strip_prefix(folder).unwrap_or(&file).display().to_string();
                    found.push(Source { name, file, is_test });
                }
            }
        }
    }
    let mut seen = BTreeSet::new();
    for place in places {
        let documents = files(place, "md", false).into_iter().chain(files(place, "rs", true));
        for document in documents.filter(|file| is_documented(place, file)) {
            let text = read(&document).unwrap_or_default();
            let shown = document.strip_prefix(folder).unwrap_or(&document).display().to_string();
            for (i, code) in examples(&text, shown.ends_with(".md")).into_iter().enumerate() {
                if names_any(&code, &macros) && seen.insert(code.clone()) {
                    let file = folder.join(format!("documented_{}.rs", seen.len()));
                    write(&file, &program(&code))?;
                    found.push(Source { name: format!("{shown} {i}"), file, is_test: false });
                }
            }
        }
    }
    found.truncate(max);
    Ok(found)
}

/// Not what is a test or an example already.
fn is_documented(place: &Path, file: &Path) -> bool {
    let inside = file.strip_prefix(place).unwrap_or(file);
    let first = inside.components().next().map(|part| part.as_os_str().to_string_lossy());
    let is_written = inside.to_string_lossy().starts_with("documented_");
    !is_written && !matches!(first.as_deref(), Some("tests" | "examples" | "facade" | "target"))
}

/// Files with this extension, in the order of their names.
fn files(folder: &Path, extension: &str, is_deep: bool) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() && is_deep {
            found.extend(files(&path, extension, true));
        } else if path.extension().is_some_and(|end| end == extension) {
            found.push(path);
        }
    }
    found
}

/// The macros that a source declares: the name of a derive, the function of another.
fn declared(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("proc_macro") {
        let rest = &text[at + "proc_macro".len()..];
        let name = match rest.strip_prefix("_derive") {
            Some(rest) => rest.trim_start().strip_prefix('(').map(str::trim_start),
            None if rest.starts_with(']') || rest.starts_with("_attribute]") => {
                rest.split_once("pub fn ").map(|(_, rest)| rest)
            }
            None => None,
        };
        let name = name.map(|rest| rest.split(|c| !is_part(c)).next().unwrap_or_default());
        found.extend(name.filter(|name| !name.is_empty()).map(str::to_owned));
    }
    found
}

/// Whether the text names one of the macros, as a word of its own.
fn names_any(text: &str, macros: &BTreeSet<String>) -> bool {
    let words: BTreeSet<&str> = text.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    macros.iter().any(|name| words.contains(name.as_str()))
}

/// The blocks of code that rustdoc takes for tests, with what is hidden there.
fn examples(text: &str, is_markdown: bool) -> Vec<String> {
    let comment = |line: &'_ str| -> Option<String> {
        let line = line.trim_start();
        let line = line.strip_prefix("//!").or_else(|| line.strip_prefix("///"))?;
        Some(line.strip_prefix(' ').unwrap_or(line).to_owned())
    };
    let lines: Vec<String> = match is_markdown {
        true => text.lines().map(str::to_owned).collect(),
        false => text.lines().map(|line| comment(line).unwrap_or_default()).collect(),
    };
    let mut found = Vec::new();
    let mut block: Option<(bool, String)> = None;
    for line in lines {
        let trimmed = line.trim_start();
        match (trimmed.strip_prefix("```"), block.take()) {
            (Some(info), None) => block = Some((is_rust(info), String::new())),
            (Some(_), Some((true, code))) => found.push(code),
            (Some(_), Some((false, _))) | (None, None) => {}
            (None, Some((is_kept, mut code))) => {
                let hidden = trimmed.strip_prefix("# ");
                code += hidden.unwrap_or(if trimmed == "#" { "" } else { &line });
                code.push('\n');
                block = Some((is_kept, code));
            }
        }
    }
    found
}

fn is_rust(info: &str) -> bool {
    let words = info.split([',', ' ', '{', '}']).filter(|word| !word.is_empty());
    let known = ["rust", "no_run", "should_panic", "compile_fail", "test_harness"];
    words
        .into_iter()
        .all(|word| known.contains(&word) || word.starts_with("edition") || word.starts_with('E'))
}

/// An example as rustdoc compiles it: without a `main` of its own it is the body of one.
fn program(code: &str) -> String {
    if code.contains("fn main(") {
        return code.to_owned();
    }
    let is_crate_wide = |line: &&str| {
        let line = line.trim_start();
        line.starts_with("#![") || line.starts_with("extern crate")
    };
    let (head, body): (Vec<&str>, Vec<&str>) = code.lines().partition(is_crate_wide);
    format!("#![allow(unused)]\n{}\nfn main() {{\n{}\n}}\n", head.join("\n"), body.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_what_rustdoc_tests() {
        let markdown =
            "```toml\na\n```\n```rust,no_run\n# hidden();\nshown();\n```\n```ignore\n```\n";
        assert_eq!(examples(markdown, true), ["hidden();\nshown();\n"]);
        let code = "/// ```compile_fail,E0277\n/// bad()\n/// ```\nfn f() {}\n";
        assert_eq!(examples(code, false), ["bad()\n"]);
        assert!(
            program("#![feature(x)]\nlet a = 1;\n").starts_with("#![allow(unused)]\n#![feature")
        );
        assert_eq!(program("fn main() {}\n"), "fn main() {}\n");
    }

    #[test]
    fn names_are_whole_words() {
        let text = "#[proc_macro_derive(Builder, attributes(b))]\npub fn derive() {}\n\
                    #[proc_macro]\npub fn make(_: TokenStream) {}\nuse proc_macro::TokenStream;\n";
        let found: Vec<String> = declared(text).into_iter().collect();
        assert_eq!(found, ["Builder", "make"]);
        let macros = BTreeSet::from(["Builder".to_owned()]);
        assert!(names_any("#[derive(Builder)]", &macros));
        assert!(!names_any("TypedBuilder::new()", &macros));
    }
}
