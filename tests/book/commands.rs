//! The commands of the book.
//!
//! A block with commands has a comment before it. `<!-- run: SETUP -->` stands before a `console` block: each line
//! `$ COMMAND` is run, in a folder that `setup.rs` makes, and must print the lines after it; a line `? 3` is an exit code,
//! `[..]` any text within a line, `...` any lines. Blocks of one setup on a page share the folder. `<!-- not run: WHY -->`
//! stands before every other block. `BOOK=overwrite cargo test --test book` writes what is printed now where it differs.

use super::page::{book, root, Block};
use super::setup;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Words that a line with a command begins with, behind variables.
const PROGRAMS: [&str; 6] = ["cargo", "rustc", "precast-rustc", "rustup", "docker", "python3"];

/// Blocks in these languages have no commands.
const QUIET: [&str; 6] = ["toml", "rust", "json", "yaml", "text", "c"];

fn has_commands(block: &Block) -> bool {
    let is_quiet = QUIET.contains(&block.language.split([',', ' ']).next().unwrap());
    let is_variable =
        |word: &&str| word.contains('=') && word.starts_with(|c: char| c.is_ascii_uppercase());
    let is_command = |line: &str| {
        let line = line.strip_prefix("$ ").unwrap_or(line);
        let first = line.split(' ').find(|word| !is_variable(word));
        first.is_some_and(|first| PROGRAMS.contains(&first)) || line.contains("| cargo ")
    };
    !is_quiet && block.text.lines().any(is_command)
}

#[test]
fn every_block_is_run_or_says_why_not() {
    let mut faults = Vec::new();
    let (mut n_run, mut n_not) = (0, 0);
    for page in book() {
        for block in page.blocks.iter().filter(|block| has_commands(block)) {
            let comment = block.comment.as_deref().unwrap_or_default();
            // The machines of a team, whose blocks tests/shared/team.rs runs.
            let is_machine = block.language.starts_with("sh ") && page.path.ends_with("stores.md");
            if is_machine || comment.starts_with("run: ") && block.language == "console" {
                n_run += 1;
            } else if comment.strip_prefix("not run: ").is_some_and(|why| why.len() > 10) {
                n_not += 1;
            } else {
                faults.push(format!("{}:{}", page.path.display(), block.line));
            }
        }
    }
    assert!(
        faults.is_empty(),
        "blocks of commands without `<!-- run: SETUP -->` (and `console`) or `<!-- not run: WHY -->`:\n{}",
        faults.join("\n")
    );
    assert!(n_run > 20, "{n_run} blocks are run, {n_not} are not");
}

/// A command with what it must print.
struct Step {
    command: String,
    code: i32,
    output: String,
}

fn steps(block: &Block) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in block.text.lines() {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => {
                steps.push(Step { command: command.into(), code: 0, output: String::new() });
            }
            (None, Some(step)) => {
                match line.strip_prefix("? ").and_then(|code| code.parse().ok()) {
                    Some(code) if step.output.is_empty() => step.code = code,
                    _ => step.output += &format!("{line}\n"),
                }
            }
            (None, None) => panic!("line {}: output before the first command", block.line),
        }
    }
    steps
}

/// Whether a line is as expected; `[..]` stands for any text.
fn line_fits(expected: &str, found: &str) -> bool {
    let mut parts = expected.split("[..]");
    let Some(mut rest) = found.strip_prefix(parts.next().unwrap()) else { return false };
    let parts: Vec<&str> = parts.collect();
    for (at, part) in parts.iter().enumerate() {
        let is_last = at + 1 == parts.len();
        if is_last {
            return rest.ends_with(part);
        }
        let Some(found) = rest.find(part) else { return false };
        rest = &rest[found + part.len()..];
    }
    rest.is_empty()
}

/// Whether lines are as expected; a line `...` stands for any lines.
fn fits(expected: &[&str], found: &[&str]) -> bool {
    match expected {
        [] => found.is_empty(),
        ["...", rest @ ..] => (0..=found.len()).any(|skipped| fits(rest, &found[skipped..])),
        [line, rest @ ..] => {
            found.first().is_some_and(|first| line_fits(line, first)) && fits(rest, &found[1..])
        }
    }
}

#[test]
fn outputs_are_compared() {
    assert!(line_fits("a [..] b", "a xyz b") && line_fits("a[..]", "a") && line_fits("a", "a"));
    assert!(
        !line_fits("a", "ab") && !line_fits("a[..]b", "ac") && !line_fits("a[..]b[..]c", "a c")
    );
    assert!(fits(&["a", "...", "c"], &["a", "b", "b", "c"]) && fits(&["..."], &[]));
    assert!(!fits(&["a", "...", "c"], &["a", "b"]) && !fits(&[], &["a"]) && !fits(&["a"], &[]));
}

fn run_page(name: &str) {
    let path = Path::new("docs").join(name);
    let page = book().into_iter().find(|page| page.path == path).unwrap();
    let mut text = std::fs::read_to_string(root().join(&path)).unwrap();
    let mut places: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut faults = Vec::new();
    let mut n = 0;
    for block in &page.blocks {
        let comment = block.comment.as_deref().unwrap_or_default();
        let Some(setup) = comment.strip_prefix("run: ") else { continue };
        let key = setup.to_owned();
        let stem = name.trim_end_matches(".md");
        let place = places.entry(key).or_insert_with(|| setup::make(setup, stem));
        let mut printed = String::new();
        for step in steps(block) {
            let (output, code) = setup::run(place, &step.command);
            let lines =
                |text: &str| text.lines().map(str::trim_end).map(str::to_owned).collect::<Vec<_>>();
            let (expected, found) = (lines(&step.output), lines(&output));
            let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
            let found: Vec<&str> = found.iter().map(String::as_str).collect();
            n += 1;
            let fits = code == Some(step.code) && fits(&expected, &found);
            let code_line = code.filter(|code| *code != 0).map(|code| format!("? {code}\n"));
            let kept = if fits { &step.output } else { &output };
            printed += &format!("$ {}\n{}{kept}", step.command, code_line.unwrap_or_default());
            if !fits {
                faults.push(format!(
                    "{}:{}: $ {}\nexit code {code:?}, expected {}\n{output}",
                    page.path.display(),
                    block.line,
                    step.command,
                    step.code
                ));
            }
        }
        text = text.replacen(&block.text, &printed, 1);
    }
    if std::env::var("BOOK").is_ok_and(|value| value == "overwrite") {
        std::fs::write(root().join(&path), text).unwrap();
        return;
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(n > 0, "{name} has commands that are run");
}

/// One test for each page with commands that are run.
macro_rules! pages {
    ($($test:ident $name:literal)*) => {
        const RUN: &[&str] = &[$($name),*];
        $(#[test]
        fn $test() {
            run_page($name);
        })*
    };
}

pages! {
    applications "applications.md"
    authors "authors.md"
    distributors "distributors.md"
    metadata "metadata.md"
    report "report.md"
    reviewers "reviewers.md"
    serve "serve.md"
}

#[test]
fn every_page_has_its_test() {
    for page in book() {
        let name = page.path.file_name().unwrap().to_string_lossy().into_owned();
        let is_run =
            |block: &Block| block.comment.as_deref().is_some_and(|c| c.starts_with("run: "));
        let has = page.blocks.iter().any(is_run);
        assert_eq!(RUN.contains(&name.as_str()), has, "{name}: `pages!` in tests/book/commands.rs");
    }
}
