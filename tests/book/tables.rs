//! Tables of the reference against the program.

use super::page::{read, root};
use precast::base::error::Class;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

fn text(page: &str) -> String {
    fs::read_to_string(root().join(page)).unwrap()
}

#[test]
fn exit_codes() {
    let rows =
        |(class, text): &(Class, &str)| format!("| {} | `{}` | {text}", class.code(), class.name());
    let page = text("docs/programs.md");
    for row in Class::ALL.iter().map(rows) {
        assert!(page.contains(&row), "docs/programs.md lacks: {row}");
    }
}

/// The commands that the help lists, and `help` itself not.
#[test]
fn commands_have_a_row() {
    let help =
        Command::new(env!("CARGO_BIN_EXE_cargo-precast")).args(["precast", "--help"]).output();
    let help = String::from_utf8(help.unwrap().stdout).unwrap();
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = list.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let commands: BTreeSet<&str> =
        names.filter(|name| !name.is_empty() && *name != "help").collect();
    assert!(commands.len() > 20, "{commands:?}");
    let page = text("docs/commands.md");
    let rows: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split(['`', ' ']).next())
        .collect();
    assert_eq!(rows, commands, "the table of docs/commands.md");
}

/// How precast's own processes talk to each other.
const INTERNAL: [&str; 11] = [
    "PRECAST_LAZY",
    "PRECAST_LEDGER",
    "PRECAST_NATIVE",
    "PRECAST_PLAN",
    "PRECAST_PROBE",
    "PRECAST_RUSTDOC",
    "PRECAST_SAME_PACKAGE",
    "PRECAST_SESSION",
    "PRECAST_WRAPPER",
    "PRECAST_WRAPPER_CONFIG",
    "PRECAST_LIMIT",
];

fn variables(text: &str, found: &mut BTreeSet<String>) {
    for (at, _) in text.match_indices("PRECAST_") {
        let is_name = |c: char| c.is_ascii_uppercase() || c == '_';
        let name = text[at..].split(|c| !is_name(c)).next().unwrap();
        let is_whole = !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        if is_whole && name.len() > "PRECAST_".len() {
            found.insert(name.to_owned());
        }
    }
}

fn walk(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => walk(&path, found),
            false => {
                let text = fs::read_to_string(&path).unwrap();
                variables(text.split("#[cfg(test)]").next().unwrap(), found);
            }
        }
    }
}

#[test]
fn variables_have_a_row() {
    let mut used = BTreeSet::new();
    walk(&root().join("src"), &mut used);
    walk(&root().join("runtime/src"), &mut used);
    used.retain(|name| !INTERNAL.contains(&name.as_str()));
    let mut told = BTreeSet::new();
    variables(&text("docs/configuration.md"), &mut told);
    assert_eq!(told, used, "docs/configuration.md, or INTERNAL");
}

/// Twenty words, in the order of the alphabet, each used by a page.
#[test]
fn the_glossary_is_in_order() {
    let page = text("docs/glossary.md");
    let words: Vec<&str> = page
        .lines()
        .filter_map(|line| Some(line.strip_prefix("| **")?.split_once("**")?.0))
        .collect();
    assert!(words.len() >= 20, "{words:?}");
    assert!(words.is_sorted_by_key(|word| word.to_lowercase()), "{words:?}");
    assert!(read(Path::new("docs/glossary.md")).links.len() > 10);
}
