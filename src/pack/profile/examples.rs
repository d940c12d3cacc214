//! The Rust texts that a package brings along: examples in its documentation, its tests.

use crate::base::files::Tree;

/// Larger files are data.
const FILE_BYTES_MAX: usize = 256 << 10;

/// Documentation first, then tests and the like, in the order of their paths.
pub fn texts(files: &Tree) -> Vec<String> {
    let mut texts = Vec::new();
    let mut tests = Vec::new();
    for (path, body) in files.iter().filter(|(_, body)| body.len() <= FILE_BYTES_MAX) {
        let Ok(text) = std::str::from_utf8(body) else { continue };
        if path.ends_with(".md") {
            texts.extend(blocks(text.lines()));
        } else if path.ends_with(".rs") {
            texts.extend(blocks(text.lines().filter_map(comment)));
            if ["tests/", "examples/", "benches/"].iter().any(|folder| path.starts_with(folder)) {
                tests.push(text.to_owned());
            }
        }
    }
    texts.extend(tests);
    texts
}

/// The text of a line of documentation.
fn comment(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let text = line.strip_prefix("//!").or_else(|| line.strip_prefix("///"))?;
    Some(text.strip_prefix(' ').unwrap_or(text))
}

/// The blocks of Rust code in Markdown, with the lines that are hidden there.
fn blocks<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut block: Option<(String, bool)> = None;
    for line in lines {
        let fence = line.trim_start().strip_prefix("```");
        block = match (block, fence) {
            (None, None) => None,
            (None, Some(info)) => Some((String::new(), is_rust(info))),
            (Some((text, rust)), Some(_)) => {
                blocks.extend(rust.then_some(text));
                None
            }
            (Some((mut text, rust)), None) => {
                let shown = line.trim_start();
                text += shown.strip_prefix("# ").unwrap_or(if shown == "#" { "" } else { line });
                text.push('\n');
                Some((text, rust))
            }
        };
    }
    blocks
}

/// Whether rustdoc takes a block with this information for a test.
fn is_rust(info: &str) -> bool {
    let words = info.split([',', ' ']).map(str::trim).filter(|word| !word.is_empty());
    let known = ["rust", "no_run", "ignore", "should_panic", "test_harness"];
    words.into_iter().all(|word| known.contains(&word) || word.starts_with("edition"))
}

#[cfg(test)]
mod tests {
    use super::{texts, Tree};

    #[test]
    fn examples_come_from_documentation_and_tests() {
        let readme = "# Title\n```toml\na = 1\n```\n```rust,no_run\n# hidden();\nshown();\n```\n";
        let library = "//! ```\n//! #[derive(X)]\n//! struct S;\n//! ```\nfn f() {}\n";
        let file = |text: &str| text.as_bytes().to_vec();
        let files = Tree::from([
            ("README.md".into(), file(readme)),
            ("src/lib.rs".into(), file(library)),
            ("tests/a.rs".into(), file("fn t() {}")),
        ]);
        let found = texts(&files);
        assert_eq!(found, ["hidden();\nshown();\n", "#[derive(X)]\nstruct S;\n", "fn t() {}"]);
    }
}
