//! A package whose published examples have transcripts of what they print: `$ NAME ARGUMENTS` in
//! Markdown files, followed by the output. An example is one that needs the feature `derive`.

use super::package::{self, Head};
use super::{Results, Suite};
use crate::run::{capture, cargo, read, scratch, write, Result};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use toml_edit::{Item, Table};

/// A command of a transcript, and what it should print.
struct Step {
    program: String,
    arguments: Vec<String>,
    fails: bool,
    output: Vec<String>,
}

/// Writes the package with its examples. It has the published one's name and description, for
/// that is what the programs print.
pub fn prepare(folder: &Path, suite: &Suite) -> Result {
    let Head { own, published, theirs } = package::head(folder, suite)?;
    let string = |key: &str| theirs["package"].get(key).and_then(Item::as_str).unwrap_or_default();
    let mut text = format!(
        "[workspace]\n\n[package]\nname = {:?}\nversion = {:?}\nedition = {:?}\ndescription = {:?}\n\
         autoexamples = false\n\n[lib]\nname = \"suite\"\n\n[dependencies]\n{own}\n{}",
        suite.package, suite.version, string("edition"), string("description"), suite.more
    );
    let examples = theirs.get("example").and_then(Item::as_array_of_tables);
    for example in examples.into_iter().flatten().filter(|example| is_derived(example)) {
        let of = |key: &str| example.get(key).and_then(Item::as_str).unwrap_or_default();
        if suite.left_out.iter().any(|(name, _)| *name == of("name")) {
            continue;
        }
        write!(text, "\n[[example]]\nname = {:?}\npath = {:?}\n", of("name"), of("path"))
            .expect("a string takes all");
    }
    package::copy(&published.join("examples"), &folder.join("examples"))?;
    write(&folder.join("Cargo.toml"), &text)
}

fn is_derived(example: &Table) -> bool {
    let features = example.get("required-features").and_then(Item::as_array);
    features.into_iter().flatten().any(|feature| feature.as_str() == Some("derive"))
}

/// Runs every command of which there is an example.
pub fn run(folder: &Path) -> Result<Results> {
    let target = scratch("suites").join("target");
    let mut build = cargo();
    build.current_dir(folder).args(["build", "--quiet", "--examples", "--target-dir"]);
    capture(build.arg(&target))?;
    let mut results = Results::new();
    for file in transcripts(&folder.join("examples")) {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        for (i, step) in steps(&read(&file)?).iter().enumerate() {
            let program = target.join("debug/examples").join(&step.program);
            let manifest = read(&folder.join("Cargo.toml"))?;
            if manifest.contains(&format!("name = {:?}", step.program)) {
                let key = format!("{name} {i} {} {}", step.program, step.arguments.join(" "));
                results.insert(key, ended(&program, step)?);
            }
        }
    }
    Ok(results)
}

fn transcripts(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    let is_text = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "md");
    let (folders, files): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| path.is_dir());
    let nested = folders.iter().flat_map(|folder| transcripts(folder));
    files.into_iter().filter(is_text).chain(nested).collect()
}

/// The commands in the blocks of a Markdown file.
fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut is_block = false;
    for line in text.lines() {
        if line.starts_with("```") {
            is_block = line.starts_with("```console");
        } else if let Some(command) = line.strip_prefix("$ ").filter(|_| is_block) {
            let mut words = command.split_whitespace().map(|word| word.replace(['"', '\''], ""));
            let program = words.next().unwrap_or_default();
            let arguments = words.collect();
            steps.push(Step { program, arguments, fails: false, output: Vec::new() });
        } else if let Some(step) = steps.last_mut().filter(|_| is_block) {
            match line.starts_with("? ") {
                true => step.fails = true,
                false => step.output.push(line.replace("[EXE]", "")),
            }
        }
    }
    steps
}

/// `ok`, or what it printed instead.
fn ended(program: &Path, step: &Step) -> Result<String> {
    let mut command = Command::new(program);
    command.args(&step.arguments).stdin(Stdio::null()).env_remove("RUST_BACKTRACE");
    let output = command.output().map_err(|e| format!("{}: {e}", program.display()))?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let lines: Vec<&str> = said.trim_end().lines().map(str::trim_end).collect();
    let expected: Vec<&str> = step.output.iter().map(|line| line.trim_end()).collect();
    let last = expected.iter().rposition(|line| !line.is_empty()).map_or(0, |at| at + 1);
    let same = fits(&lines, &expected[..last]) && output.status.success() != step.fails;
    Ok(if same { "ok".into() } else { format!("FAILED {}\n{said}", output.status) })
}

/// `...` stands for any lines, `[..]` for any text of a line.
fn fits(lines: &[&str], expected: &[&str]) -> bool {
    match (lines.split_first(), expected.split_first()) {
        (_, Some((&"...", rest))) => (0..=lines.len()).any(|at| fits(&lines[at..], rest)),
        (Some((line, lines)), Some((pattern, rest))) => {
            line_fits(line, pattern) && fits(lines, rest)
        }
        (None, None) => true,
        _ => false,
    }
}

fn line_fits(line: &str, pattern: &str) -> bool {
    let Some((start, rest)) = pattern.split_once("[..]") else { return line == pattern };
    let Some(line) = line.strip_prefix(start) else { return false };
    (0..=line.len()).filter(|at| line.is_char_boundary(*at)).any(|at| line_fits(&line[at..], rest))
}

#[cfg(test)]
mod tests {
    use super::{fits, steps};

    #[test]
    fn transcripts_are_read() {
        let text =
            "Text\n```console\n$ a --b \"c\"\n? failed\nUsage: a[EXE]\n\n$ d\n```\n$ not this\n";
        let steps = steps(text);
        assert_eq!(steps.len(), 2);
        assert_eq!((steps[0].program.as_str(), steps[0].fails), ("a", true));
        assert_eq!(steps[0].arguments, ["--b", "c"]);
        assert_eq!(steps[0].output, ["Usage: a", ""]);
    }

    #[test]
    fn what_fits() {
        assert!(fits(&["a 1.2 b", "x", "y"], &["a [..] b", "..."]));
        assert!(!fits(&["a 1.2", "x"], &["a [..] b", "..."]));
        assert!(!fits(&["a", "x"], &["a"]));
    }
}
