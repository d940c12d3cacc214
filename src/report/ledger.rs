//! Sums up the notes of shims.

use crate::base::error::{Context, Result};
use crate::project::lazy::ledger::ENDING;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// As many of the largest expansions are listed.
const N_LARGEST: usize = 25;

/// One expansion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expansion {
    /// `serde_derive 1.0.229`
    pub package: String,
    /// The macro's Rust function.
    pub function: String,
    /// The crate that is compiled.
    pub used_in: String,
    /// `ok`, `remembered` if the macro did not run, `error` with a `compile_error!`, or `failed`
    pub result: String,
    pub seconds: f64,
    pub tokens_in: u64,
    pub tokens_out: u64,
    /// About as many lines of code.
    pub lines: u64,
    /// Where it is used. The line is 0 for compilers that do not tell.
    pub line: u64,
    pub file: String,
}

/// All uses of a macro.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MacroUse {
    pub package: String,
    pub function: String,
    pub calls: u64,
    /// Of these, the macro did not run.
    #[serde(default)]
    pub remembered: u64,
    pub failed: u64,
    pub seconds: f64,
    pub tokens_in: u64,
    pub tokens_out: u64,
    pub lines: u64,
}

/// All expansions in a crate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Crate {
    pub name: String,
    pub calls: u64,
    pub seconds: f64,
    pub tokens_out: u64,
}

/// All lines in the folder's files. What is none is left out: a compiler may have been ended while it wrote.
pub fn read(folder: &Path) -> Result<Vec<Expansion>> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(found) };
    for entry in entries {
        let path = entry.at("read", folder)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(stem) = name.strip_suffix(ENDING) else { continue };
        let text = String::from_utf8_lossy(&std::fs::read(&path).at("read", &path)?).into_owned();
        // Without cargo's hash.
        let crate_name = stem.rsplit_once('-').map_or(stem, |(name, _)| name);
        found.extend(text.lines().filter_map(|line| parse(line, crate_name)));
    }
    Ok(found)
}

fn parse(line: &str, used_in: &str) -> Option<Expansion> {
    let fields: Vec<&str> = line.splitn(9, '\t').collect();
    let &[package, function, result, seconds, tokens_in, tokens_out, lines, line, file] =
        &fields[..]
    else {
        return None;
    };
    Some(Expansion {
        package: package.to_owned(),
        function: function.to_owned(),
        used_in: used_in.to_owned(),
        result: result.to_owned(),
        seconds: seconds.parse().ok()?,
        tokens_in: tokens_in.parse().ok()?,
        tokens_out: tokens_out.parse().ok()?,
        lines: lines.parse().ok()?,
        line: line.parse().ok()?,
        file: file.to_owned(),
    })
}

pub fn by_macro(expansions: &[Expansion]) -> Vec<MacroUse> {
    let mut uses: BTreeMap<(&str, &str), MacroUse> = BTreeMap::new();
    for one in expansions {
        let sum = uses.entry((&one.package, &one.function)).or_insert_with(|| MacroUse {
            package: one.package.clone(),
            function: one.function.clone(),
            calls: 0,
            remembered: 0,
            failed: 0,
            seconds: 0.0,
            tokens_in: 0,
            tokens_out: 0,
            lines: 0,
        });
        sum.calls += 1;
        sum.remembered += u64::from(one.result == "remembered");
        sum.failed += u64::from(one.result != "ok" && one.result != "remembered");
        sum.seconds += one.seconds;
        sum.tokens_in += one.tokens_in;
        sum.tokens_out += one.tokens_out;
        sum.lines += one.lines;
    }
    let mut uses: Vec<MacroUse> = uses.into_values().collect();
    uses.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    uses
}

pub fn by_crate(expansions: &[Expansion]) -> Vec<Crate> {
    let mut crates: BTreeMap<&str, Crate> = BTreeMap::new();
    for one in expansions {
        let new = || Crate { name: one.used_in.clone(), calls: 0, seconds: 0.0, tokens_out: 0 };
        let sum = crates.entry(&one.used_in).or_insert_with(new);
        sum.calls += 1;
        sum.seconds += one.seconds;
        sum.tokens_out += one.tokens_out;
    }
    let mut crates: Vec<Crate> = crates.into_values().collect();
    crates.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    crates
}

pub fn largest(mut expansions: Vec<Expansion>) -> Vec<Expansion> {
    let place = |one: &Expansion| (one.file.clone(), one.line, one.function.clone());
    expansions
        .sort_by(|a, b| b.tokens_out.cmp(&a.tokens_out).then_with(|| place(a).cmp(&place(b))));
    expansions.truncate(N_LARGEST);
    expansions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums() {
        let folder = tempfile::tempdir().unwrap();
        let lines = "a 1.0.0\tf\tok\t0.500000000\t10\t20\t3\t7\tsrc/a.rs\n\
             a 1.0.0\tf\terror\t0.250000000\t1\t2\t1\t8\tsrc/a\tb.rs\na 1.0.0\tg\tfailed\t0.1";
        std::fs::write(folder.path().join("one-0123.tsv"), lines).unwrap();
        std::fs::write(folder.path().join("other.txt"), lines).unwrap();
        std::fs::write(folder.path().join("two.tsv"), "b 2.0.0\tg\tok\t1.0\t5\t90\t9\t1\tx.rs\n")
            .unwrap();
        let found = read(folder.path()).unwrap();
        assert_eq!(found.len(), 3);
        let macros = by_macro(&found);
        let told =
            |one: &MacroUse| (one.function.clone(), one.calls, one.failed, one.seconds, one.lines);
        assert_eq!(told(&macros[0]), ("g".into(), 1, 0, 1.0, 9));
        assert_eq!(told(&macros[1]), ("f".into(), 2, 1, 0.75, 4));
        let crates = by_crate(&found);
        assert_eq!((crates[0].name.as_str(), crates[1].name.as_str()), ("two", "one"));
        let largest = largest(found);
        assert_eq!((largest[0].tokens_out, largest[2].file.as_str()), (90, "src/a\tb.rs"));
        assert!(read(&folder.path().join("none")).unwrap().is_empty());
    }
}
