//! The scratch package: a published package's tests beside a dependency on the package.

use super::Suite;
use crate::run::{capture, cargo, read, write as write_file, Result};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use toml_edit::{DocumentMut, Item, Table};

/// What every form of suite begins with.
pub struct Head {
    /// The dependency on the published package.
    pub own: String,
    /// Where cargo keeps its files.
    pub published: PathBuf,
    /// Its manifest.
    pub theirs: DocumentMut,
}

/// Writes a package that only depends on the published one, and finds that.
pub fn head(folder: &Path, suite: &Suite) -> Result<Head> {
    let Suite { package, version, .. } = suite;
    write_file(&folder.join("src/lib.rs"), "")?;
    let features: Vec<String> = suite.features.iter().map(|name| format!("{name:?}")).collect();
    let own =
        format!("{package} = {{ version = \"={version}\", features = [{}] }}", features.join(", "));
    let text = format!("{}edition = \"2021\"\n\n[dependencies]\n{own}\n", first_lines(suite));
    write_file(&folder.join("Cargo.toml"), &text)?;
    let published = published(folder, package)?;
    let theirs = read(&published.join("Cargo.toml"))?;
    let theirs: DocumentMut = theirs.parse().map_err(|e: toml_edit::TomlError| e.to_string())?;
    Ok(Head { own, published, theirs })
}

fn first_lines(suite: &Suite) -> String {
    format!("[workspace]\n\n[package]\nname = \"suite\"\nversion = \"{}\"\n", suite.version)
}

/// Writes the package with its tests.
pub fn write(folder: &Path, suite: &Suite) -> Result {
    let Head { own, published, theirs } = head(folder, suite)?;
    let Suite { package, .. } = suite;
    let head = first_lines(suite);
    let edition = theirs["package"].get("edition").and_then(Item::as_str).unwrap_or("2015");
    let mut text =
        format!("{head}edition = \"{edition}\"\nautotests = false\n\n[dependencies]\n{own}\n");
    // Tests also use what the package itself depends on.
    for table in ["dependencies", "dev-dependencies"] {
        for (name, item) in
            theirs.get(table).and_then(Item::as_table).into_iter().flat_map(Table::iter)
        {
            let known = text.lines().any(|line| line.starts_with(&format!("{name} = ")));
            if name != suite.macros && name != *package && !known && !is_optional(item) {
                let _ = writeln!(text, "{name} = {}", inline(item));
            }
        }
    }
    text += suite.more;
    text += "\n[features]\ndefault = [";
    let names: Vec<&str> = features_of(&theirs, suite.features);
    for name in &names {
        let _ = write!(text, "{name:?}, ");
    }
    text += "]\n";
    for name in names {
        let _ = writeln!(text, "{name:?} = []");
    }
    let left_out = |name: &str| suite.left_out.iter().any(|(file, _)| *file == name);
    for test in tests(&published).iter().filter(|name| !left_out(name)) {
        let _ = writeln!(text, "\n[[test]]\nname = {test:?}\npath = \"tests/{test}.rs\"");
    }
    copy(&published.join("tests"), &folder.join("tests"))?;
    // Some tests include files that lie beside them.
    for beside in ["README.md", "src"] {
        let _ = copy(&published.join(beside), &folder.join("published").join(beside));
    }
    write_file(&folder.join("Cargo.toml"), &text)
}

/// Replaces the macro by its shim.
pub fn patch(folder: &Path, macros: &str, shim: &Path) -> Result {
    let manifest = folder.join("Cargo.toml");
    let text = std::fs::read_to_string(&manifest).map_err(|e| e.to_string())?;
    let patch =
        format!("{text}\n[patch.crates-io]\n{macros} = {{ path = '{}' }}\n", shim.display());
    write_file(&manifest, &patch)
}

/// Where cargo keeps the package's files.
fn published(folder: &Path, package: &str) -> Result<PathBuf> {
    let mut metadata = cargo();
    metadata.current_dir(folder).args(["metadata", "--format-version", "1"]);
    let output = capture(&mut metadata)?;
    let value: Value = serde_json::from_slice(&output.stdout).map_err(|e| e.to_string())?;
    let packages = value["packages"].as_array().into_iter().flatten();
    let found = packages.filter(|found| found["name"] == package).find_map(|found| {
        Some(PathBuf::from(found["manifest_path"].as_str()?).parent()?.to_path_buf())
    });
    found.ok_or_else(|| format!("cargo has no {package}"))
}

/// The features of the package that its own features enable: tests ask for them by `cfg`.
fn features_of<'a>(manifest: &'a DocumentMut, enabled: &'a [&'a str]) -> Vec<&'a str> {
    let Some(features) = manifest.get("features").and_then(Item::as_table) else {
        return enabled.to_vec();
    };
    let mut found: Vec<&str> = Vec::new();
    let mut todo: Vec<&str> = enabled.to_vec();
    todo.extend(features.contains_key("default").then_some("default"));
    while let Some(name) = todo.pop() {
        let more = features.get(name).and_then(Item::as_array).into_iter().flatten();
        todo.extend(
            more.filter_map(|value| value.as_str())
                .filter(|name| features.contains_key(name) && !found.contains(name)),
        );
        if name != "default" && !found.contains(&name) {
            found.push(name);
        }
    }
    found.sort_unstable();
    found
}

fn tests(published: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(published.join("tests")).into_iter().flatten().flatten();
    let files = entries.map(|entry| entry.path()).filter(|path| path.is_file());
    let mut names: Vec<String> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    names
}

fn is_optional(item: &Item) -> bool {
    item.get("optional").and_then(Item::as_bool).unwrap_or_default()
}

/// A dependency on one line.
fn inline(item: &Item) -> String {
    match item.clone().into_value() {
        Ok(value) => value.to_string(),
        Err(_) => "\"*\"".into(),
    }
}

pub fn copy(from: &Path, to: &Path) -> Result {
    if from.is_file() {
        let bytes = std::fs::read(from).map_err(|e| e.to_string())?;
        std::fs::create_dir_all(to.parent().expect("a file has a folder"))
            .map_err(|e| e.to_string())?;
        return std::fs::write(to, bytes)
            .map_err(|e| format!("cannot write {}: {e}", to.display()));
    }
    for entry in std::fs::read_dir(from).into_iter().flatten().flatten() {
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}
