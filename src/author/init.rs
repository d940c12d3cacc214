//! Sets up a macro author's repository: `cargo xtask pack`, a workflow for CI, the way to publish.
//!
//! What exists is never overwritten: manifests and configuration are extended, other files kept.

use crate::base::cargo;
use crate::base::error::{Class, Context, Error, Result};
use crate::base::scratch;
use crate::pack::source::resolve::RECORD;
use serde_json::Value;
use std::path::{Path, PathBuf};
use toml_edit::{value, Array, DocumentMut, Item, Table};

const TASKS: &str = include_str!("init/xtask.rs.txt");
const WORKFLOW: &str = include_str!("init/workflow.yml.txt");

/// What was done with one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    Written(PathBuf),
    Extended(PathBuf),
    /// It was there, and stays as it is.
    Kept(PathBuf),
    Removed(PathBuf),
}

/// Sets up the repository of the workspace at `directory`. `precast` is a directory to take this
/// library from, instead of the registry; `rust` the compiler for CI.
pub fn init(directory: &Path, precast: Option<&Path>, rust: &str) -> Result<Vec<Done>> {
    let (root, packages) = macros(directory)?;
    let mut done = Vec::new();
    let tasks = root.join("xtask");
    let has_tasks = tasks.exists();
    if has_tasks {
        done.push(Done::Kept(tasks.clone()));
    } else {
        let quoted: Vec<String> = packages.iter().map(|place| format!("{place:?}")).collect();
        let code = TASKS.replace("@PACKAGES@", &quoted.join(", ")).replace("@RECORD@", RECORD);
        write(&tasks.join("src/main.rs"), &code, &mut done)?;
        write(&tasks.join("Cargo.toml"), &manifest(precast)?, &mut done)?;
        extend(&root.join("Cargo.toml"), &mut done, add_member)?;
        extend(&root.join(".cargo/config.toml"), &mut done, add_alias)?;
    }
    let each = |indent: &str, line: &str| {
        let lines = packages.iter().map(|place| format!("{indent}{line}{place}"));
        lines.collect::<Vec<_>>().join("\n")
    };
    let workflow = WORKFLOW
        .replace("@RUST@", rust)
        .replace("@PRECAST@", env!("CARGO_PKG_VERSION"))
        .replace("@DRY@", &each("      - run: ", "cargo precast publish --dry-run --all-features "))
        .replace("@PUBLISH@", &each("          ", "cargo precast publish --all-features "));
    write(&root.join(".github/workflows/precast.yml"), &workflow, &mut done)?;
    Ok(done)
}

/// The workspace's directory, and the directories of its macro packages in it.
fn macros(directory: &Path) -> Result<(PathBuf, Vec<String>)> {
    let mut command = cargo::command(directory);
    command.args(["metadata", "--format-version", "1", "--no-deps"]);
    let output = cargo::run(command, |_| {})?;
    if !output.success {
        return Err(cargo::failure("cargo cannot read this repository", &output.stderr)
            .help("run this in the repository of a macro package"));
    }
    let metadata: Value =
        serde_json::from_str(&output.stdout).context("cannot read what cargo metadata wrote")?;
    let root = PathBuf::from(metadata["workspace_root"].as_str().unwrap_or_default());
    let is_macro = |package: &&Value| {
        let targets = package["targets"].as_array().into_iter().flatten();
        targets.into_iter().any(|target| target["kind"][0] == "proc-macro")
    };
    let is_published = |package: &&Value| package["publish"] != Value::Array(Vec::new());
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let places = packages.filter(is_macro).filter(is_published).filter_map(|package| {
        let manifest = Path::new(package["manifest_path"].as_str()?);
        let place = manifest.parent()?.strip_prefix(&root).ok()?;
        Some(format!("./{}", place.to_string_lossy().replace('\\', "/")))
    });
    let places: Vec<String> = places.collect();
    if places.is_empty() {
        let message = "no package here is a macro crate that is published";
        return Err(Error::new(Class::Usage, message)
            .help("run this in the repository of a package with `proc-macro = true`"));
    }
    Ok((root, places))
}

fn manifest(precast: Option<&Path>) -> Result<String> {
    let dependency = match precast {
        Some(path) => format!("{{ path = {:?} }}", dunce::canonicalize(path).at("find", path)?),
        None => format!("\"{}\"", env!("CARGO_PKG_VERSION")),
    };
    Ok(format!(
        "[package]\nname = \"xtask\"\nversion = \"0.0.0\"\nedition = \"2021\"\npublish = false\n\n\
         [dependencies]\nprecast = {dependency}\n"
    ))
}

/// Makes `xtask` a member. A repository of one package becomes a workspace, in which that package
/// stays the one that commands mean.
fn add_member(document: &mut DocumentMut) -> bool {
    let workspace = document.entry("workspace").or_insert_with(|| Item::Table(Table::new()));
    let Some(workspace) = workspace.as_table_like_mut() else { return false };
    if workspace.get("members").is_none() {
        workspace.insert("members", value(Array::new()));
    }
    let Some(members) = workspace.get_mut("members").and_then(Item::as_array_mut) else {
        return false;
    };
    let is_there = members.iter().any(|member| matches!(member.as_str(), Some("xtask" | "*")));
    if !is_there {
        members.push("xtask");
    }
    !is_there
}

fn add_alias(document: &mut DocumentMut) -> bool {
    let alias = document.entry("alias").or_insert_with(|| Item::Table(Table::new()));
    let Some(alias) = alias.as_table_like_mut() else { return false };
    let is_there = alias.contains_key("xtask");
    if !is_there {
        alias.insert("xtask", value("run --quiet --package xtask --"));
    }
    !is_there
}

/// Changes a file of TOML, which may be missing.
fn extend(file: &Path, done: &mut Vec<Done>, change: fn(&mut DocumentMut) -> bool) -> Result<()> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).at("read", file),
    };
    let mut document: DocumentMut =
        text.parse().class(Class::Usage, format!("cannot read {}", file.display()))?;
    if !change(&mut document) {
        done.push(Done::Kept(file.to_owned()));
        return Ok(());
    }
    scratch::replace(file, document.to_string().as_bytes())?;
    done.push(Done::Extended(file.to_owned()));
    Ok(())
}

fn write(file: &Path, text: &str, done: &mut Vec<Done>) -> Result<()> {
    if file.exists() {
        done.push(Done::Kept(file.to_owned()));
        return Ok(());
    }
    scratch::replace(file, text.as_bytes())?;
    done.push(Done::Written(file.to_owned()));
    Ok(())
}
