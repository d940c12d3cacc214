//! Records that macros left in a build (`precast-macro`'s `aux`), as they are when cargo has finished.
//!
//! A record is a line of a dep-info file, which the compiler writes for each unit. Which units a build has, and
//! where their files are, cargo tells when it is asked once more with everything fresh. So records are those of
//! the source as it was built last, whoever compiled each unit, and when.

use super::graph;
use crate::base::cargo;
use crate::base::error::{Class, Context, Error, Result};
use crate::expand::records::{decode, START};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What stands before a record in a dep-info file.
const BEFORE: &str = "# env-dep:";

/// Fields behind that.
const N_FIELDS: usize = 8;

/// Sorted as functions that run after a build get them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Record {
    /// The package that the macro was used in.
    pub package: String,
    pub version: String,
    /// `lib`, `bin NAME`, `test NAME`; `lib (test)` for what is only there when it is compiled as a test.
    pub target: String,
    pub file: String,
    pub line: u32,
    pub column: u32,
    pub key: String,
    /// `crate::module::Item`, as the compiler resolves it.
    pub path: String,
    #[serde(skip)]
    pub data: Vec<u8>,
    /// `NAME@VERSION` of the macro package.
    #[serde(rename = "macro")]
    pub by: String,
    /// Counts equal ones of one place.
    n: u32,
}

/// One unit of a build, as cargo tells of it.
struct Unit {
    package: String,
    version: String,
    target: String,
    dep_info: PathBuf,
}

/// The records of the build that `cargo` has just made with these arguments. `targets` are cargo's target
/// directories.
pub fn collect(
    cargo: Command,
    command: &str,
    arguments: &[OsString],
    targets: &[PathBuf],
) -> Result<Vec<Record>> {
    let mut units = units(asking(cargo, command, arguments), targets)?;
    let name = |unit: &Unit| (unit.package.clone(), unit.version.clone(), unit.target.clone());
    let built: BTreeSet<(String, String, String)> = units.iter().map(name).collect();
    let mut found = BTreeSet::new();
    for unit in &mut units {
        // What is compiled as a test alone stands for itself: a test and a build are to have the same records.
        let plain = (unit.package.clone(), unit.version.clone(), plain(&unit.target).to_owned());
        if !built.contains(&plain) {
            unit.target = plain.2;
        }
        let text = std::fs::read(&unit.dep_info).at("read", &unit.dep_info)?;
        found.extend(parse(&String::from_utf8_lossy(&text), unit)?);
    }
    // What a library and its tests have in common is told once.
    let in_library = |record: &Record| {
        let plain = Record { target: plain(&record.target).to_owned(), ..record.clone() };
        plain.target != record.target && found.contains(&plain)
    };
    Ok(found.iter().filter(|record| !in_library(record)).cloned().collect())
}

const TEST: &str = " (test)";

fn plain(target: &str) -> &str {
    target.strip_suffix(TEST).unwrap_or(target)
}

/// The same build once more: cargo finds everything fresh, and tells of every unit.
fn asking(mut cargo: Command, command: &str, arguments: &[OsString]) -> Command {
    let end = arguments.iter().position(|word| word == "--").unwrap_or(arguments.len());
    let (_, words) = super::take(&arguments[..end], "--message-format");
    let is_kept = |word: &&OsString| {
        let word = word.to_string_lossy();
        word != "--no-run" && word != "--timings" && !word.starts_with("--timings=")
    };
    cargo.arg(command).args(words.iter().filter(is_kept)).args(["--message-format", "json"]);
    if command == "test" {
        cargo.arg("--no-run");
    }
    cargo
}

fn units(cargo: Command, targets: &[PathBuf]) -> Result<Vec<Unit>> {
    let output = cargo::run(cargo, |_| {})?;
    if !output.success {
        return Err(cargo::failure("cargo cannot tell what it has built", &output.stderr));
    }
    let mut units = Vec::new();
    for line in output.stdout.lines().filter(|line| line.starts_with('{')) {
        // Programs of the build may write what they like.
        let Ok(message) = serde_json::from_str::<Value>(line) else { continue };
        if message["reason"] == "compiler-artifact" {
            units.extend(unit(&message, targets)?);
        }
    }
    Ok(units)
}

/// None for a build script.
fn unit(message: &Value, targets: &[PathBuf]) -> Result<Option<Unit>> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let kind = text(&message["target"]["kind"][0]);
    if kind == "custom-build" {
        return Ok(None);
    }
    let name = text(&message["target"]["name"]);
    let id = text(&message["package_id"]);
    let (package, version, _) = graph::parse(&id).unwrap_or((&id, "", ""));
    let is_test = message["profile"]["test"] == true;
    let mut target = match kind.as_str() {
        "bin" | "test" | "example" | "bench" => format!("{kind} {name}"),
        _ => "lib".to_owned(),
    };
    if is_test && (kind != "test" && kind != "bench") {
        target += TEST;
    }
    let files = message["filenames"].as_array().into_iter().flatten();
    let files: Vec<&Path> = files.filter_map(|file| file.as_str().map(Path::new)).collect();
    let dep_info = files.iter().find_map(|file| dep_info(file, &name, targets));
    let Some(dep_info) = dep_info else {
        let message = format!("cannot find what the compiler noted of {target} of {package}");
        return Err(Error::new(Class::Other, message)
            .help("its dep-info file is gone: build it again, after `cargo clean -p` of it"));
    };
    let (package, version) = (package.to_owned(), version.to_owned());
    Ok(Some(Unit { package, version, target, dep_info }))
}

/// The dep-info of the unit that a file was made by: beside it under its own name, or, where cargo has put a
/// link to the file elsewhere without the unit's hash, beside the original.
fn dep_info(file: &Path, target: &str, targets: &[PathBuf]) -> Option<PathBuf> {
    let folder = file.parent()?;
    let stem = file.file_stem()?.to_str()?;
    let name = stem.strip_prefix("lib").filter(|_| is_library(file)).unwrap_or(stem);
    let beside = folder.join(format!("{name}.d"));
    let start = target.replace('-', "_");
    if folder.ends_with("deps") || is_unit(name, &start) && beside.is_file() {
        return beside.is_file().then_some(beside);
    }
    let mut found: Vec<(std::time::SystemTime, PathBuf)> = Vec::new();
    for folder in intermediate(folder, targets) {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let plain = stem.strip_prefix("lib").filter(|_| is_library(&path)).unwrap_or(&stem);
            let dep_info = folder.join(format!("{plain}.d"));
            let is_it = (is_unit(plain, &start) || plain == start)
                && path.extension() == file.extension()
                && path != *file
                && is_same(&path, file)
                && dep_info.is_file();
            if let (true, Ok(age)) = (is_it, dep_info.metadata().and_then(|m| m.modified())) {
                found.push((age, dep_info));
            }
        }
    }
    found.into_iter().max().map(|(_, path)| path)
}

/// `NAME-HASH`
fn is_unit(stem: &str, name: &str) -> bool {
    let hash = stem.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
    hash.is_some_and(|hash| hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn is_library(file: &Path) -> bool {
    let ends = ["rlib", "rmeta", "so", "dylib", "a"];
    file.extension().is_some_and(|end| ends.iter().any(|known| end == *known))
}

/// Where what stands in `folder` of a target directory was compiled, in any of them.
fn intermediate(folder: &Path, targets: &[PathBuf]) -> Vec<PathBuf> {
    let inner = targets.iter().find_map(|target| folder.strip_prefix(target).ok());
    let mut folders = vec![folder.to_owned()];
    folders.extend(targets.iter().filter_map(|target| Some(target.join(inner?))));
    let mut all = Vec::new();
    for folder in folders {
        // The newer layout: `build/PACKAGE/HASH/out`.
        let below = |folder: &Path| -> Vec<PathBuf> {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
        };
        let packages = below(&folder.join("build"));
        let units = packages.iter().flat_map(|package| below(package));
        all.extend(units.map(|unit| unit.join("out")).filter(|out| out.is_dir()));
        all.push(folder.join("deps"));
        all.push(folder);
    }
    all.sort();
    all.dedup();
    all
}

/// Whether both are one file, or have the same content.
fn is_same(one: &Path, other: &Path) -> bool {
    let (Ok(first), Ok(second)) = (one.metadata(), other.metadata()) else { return false };
    if !first.is_file() || first.len() != second.len() {
        return false;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        if (first.dev(), first.ino()) == (second.dev(), second.ino()) {
            return true;
        }
    }
    matches!((std::fs::read(one), std::fs::read(other)), (Ok(a), Ok(b)) if a == b)
}

/// The records of a dep-info file.
fn parse(text: &str, unit: &Unit) -> Result<Vec<Record>> {
    lines(text).map(|line| record(&line, unit)).collect()
}

/// What stands behind the start of each record in a dep-info file.
fn lines(text: &str) -> impl Iterator<Item = String> + '_ {
    let each = text.lines().filter_map(|line| line.strip_prefix(BEFORE)?.strip_prefix(START));
    each.map(unescaped)
}

/// The keys of records in these folders of target directories, whatever build has left them, by the macro package
/// (`NAME@VERSION`).
pub fn keys(folders: &[PathBuf]) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let entries = folders.iter().flat_map(std::fs::read_dir).flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        if path.extension().is_none_or(|end| end != "d") {
            continue;
        }
        // One that is being written is read the next time.
        let text = std::fs::read(&path).unwrap_or_default();
        for line in lines(&String::from_utf8_lossy(&text)) {
            if let Some((by, key)) = line.split_once('|') {
                let key = decode(key.split('|').next().unwrap_or_default());
                let key = String::from_utf8_lossy(&key).into_owned();
                found.entry(by.to_owned()).or_default().insert(key);
            }
        }
    }
    found
}

fn record(line: &str, unit: &Unit) -> Result<Record> {
    let fields: Vec<&str> = line.splitn(N_FIELDS, '|').collect();
    let odd = || {
        let message = format!("{}: a record is not of a known form", unit.dep_info.display());
        Error::new(Class::Other, message)
            .help("the library precast-macro may be newer than precast")
    };
    let [by, key, data, n, path, line, column, file] = fields[..] else { return Err(odd()) };
    let number = |text: &str| text.parse::<u32>().map_err(|_| odd());
    Ok(Record {
        package: unit.package.clone(),
        version: unit.version.clone(),
        target: unit.target.clone(),
        file: file.replace('\\', "/"),
        line: number(line)?,
        column: number(column)?,
        key: String::from_utf8_lossy(&decode(key)).into_owned(),
        path: path.to_owned(),
        data: decode(data),
        by: by.to_owned(),
        n: number(n)?,
    })
}

/// What the compiler writes with backslashes in such lines.
fn unescaped(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next() {
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some(other) => out.push(other),
                None => {}
            },
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit() -> Unit {
        Unit {
            package: "a".into(),
            version: "1.0.0".into(),
            target: "lib".into(),
            dep_info: PathBuf::from("a.d"),
        }
    }

    #[test]
    fn lines_of_dep_info() {
        let text = "x: y\n\n# env-dep:CARGO=1\n\
                    # env-dep:precast.record.1|m@0.1.0|k%7c|%22%0a\"|2|a::b::C|3|4|c:\\\\d|e.rs\n";
        let found = parse(text, &unit()).unwrap();
        let [record] = &found[..] else { panic!("{found:?}") };
        assert_eq!((record.key.as_str(), record.data.as_slice()), ("k|", &b"\"\n\""[..]));
        assert_eq!((record.path.as_str(), record.n), ("a::b::C", 2));
        assert_eq!((record.file.as_str(), record.line, record.column), ("c:/d|e.rs", 3, 4));
        assert_eq!(record.by, "m@0.1.0");
        assert!(parse("# env-dep:precast.record.1|m@0.1.0|k\n", &unit()).is_err());
    }

    #[test]
    fn names_of_units() {
        assert!(is_unit("a_b-0123456789abcdef", "a_b"));
        assert!(!is_unit("a_b", "a_b") && !is_unit("a_b_c-0123456789abcdef", "a_b"));
    }
}
