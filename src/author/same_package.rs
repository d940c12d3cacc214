//! A package with macros of its own: a new one, or one that is there.
//!
//! What exists is kept, but for the manifest, which is extended.

use crate::author::init::Done;
use crate::base::cargo;
use crate::base::error::{Class, Context, Error, Result};
use crate::base::report::Report;
use crate::base::scratch;
use crate::project::same_package::packed::{self, State};
use crate::project::same_package::Target;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use toml_edit::{value, DocumentMut, Item, Table};

const MACROS: &str = include_str!("same_package/lib.rs.txt");
const TESTS: &str = include_str!("same_package/tests.rs.txt");
pub(super) const SCRIPT: &str = include_str!("same_package/build.rs.txt");

/// What the library of a new package says.
const LIBRARY: &str =
    "//! A library with macros of its own.\n\npub use proc_macro::{named, sum, Fields};\n";

/// What the macros of a new package are written with.
const DEPENDENCIES: [(&str, &str); 2] = [("quote", "1"), ("syn", "3")];
/// `syn` parses functions only with this feature.
const SYN_FEATURE: &str = "full";

/// What was done.
pub struct Made {
    pub directory: PathBuf,
    pub done: Vec<Done>,
    /// What is left to do by hand.
    pub notes: Vec<String>,
}

/// A new package at a path, as `cargo new` makes it, with macros.
pub fn new(path: &Path, arguments: &[OsString], report: &dyn Report) -> Result<Made> {
    let directory = std::env::current_dir().context("the current directory is gone")?;
    let mut command = cargo::command(&directory);
    command.arg("new").env("CARGO_TERM_QUIET", "true");
    if !arguments.iter().any(|argument| argument == "--lib") {
        command.arg("--lib");
    }
    command.args(arguments).arg(path);
    let output = cargo::run(command, |_| {})?;
    if !output.success {
        let error = output.stderr.trim().trim_start_matches("error: ").to_owned();
        return Err(Error::new(Class::Usage, format!("cargo cannot make the package: {error}")));
    }
    let package = directory.join(path);
    let made = init(&package, report)?;
    scratch::replace(&package.join("src/lib.rs"), LIBRARY.as_bytes())?;
    Ok(made)
}

/// Gives a package macros.
pub fn init(directory: &Path, report: &dyn Report) -> Result<Made> {
    let manifest = directory.join("Cargo.toml");
    let text = std::fs::read_to_string(&manifest);
    let text = text.class(Class::Usage, format!("cannot read {}", manifest.display()))?;
    let document: DocumentMut =
        text.parse().class(Class::Usage, format!("cannot read {}", manifest.display()))?;
    if document.get("package").is_none() {
        let error = Error::new(Class::Usage, "this is a workspace without a package");
        return Err(error.help("name the package's directory"));
    }
    let directory = directory.canonicalize().at("find", directory)?;
    let mut made = Made { directory: directory.clone(), done: Vec::new(), notes: Vec::new() };
    match fill(&mut made, document, report) {
        Ok(Some(packed)) => made.notes.extend(packed::advice(&packed)?),
        Ok(None) => {}
        Err(error) => {
            undo(&made, &text)?;
            return Err(error);
        }
    }
    Ok(made)
}

/// All is as it was, the manifest too.
fn undo(made: &Made, manifest: &str) -> Result<()> {
    for done in &made.done {
        match done {
            Done::Written(file) => {
                drop(std::fs::remove_file(file));
                // If nothing else is in it.
                file.parent().map(std::fs::remove_dir);
            }
            Done::Extended(file) => scratch::replace(file, manifest.as_bytes())?,
            Done::Kept(_) | Done::Removed(_) => {}
        }
    }
    Ok(())
}

/// Writes what is not there, and packs; the target if it could be packed. The build script names files that packing
/// writes, so it comes after them.
fn fill(made: &mut Made, document: DocumentMut, report: &dyn Report) -> Result<Option<Target>> {
    let directory = made.directory.clone();
    let target = match Target::of(&directory)? {
        Some(target) => {
            made.done.push(Done::Kept(directory.join(&target.path)));
            target
        }
        None => {
            write(&directory.join("proc-macro/lib.rs"), MACROS, &mut made.done)?;
            let manifest = directory.join("Cargo.toml");
            let extended = extended(document).to_string();
            scratch::replace(&manifest, extended.as_bytes())?;
            made.done.push(Done::Extended(manifest));
            let target = Target::required(&directory)?;
            let tests = TESTS.replace("@NAME@", &target.name);
            write(&directory.join("tests/proc_macro.rs"), &tests, &mut made.done)?;
            target
        }
    };
    let is_new = match packed::pack(&target, false, report) {
        Ok(packed) => packed.is_new,
        // Under precast the macros are compiled natively.
        Err(error) if error.class() == Class::Toolchain => {
            made.notes.push(format!(
                "the macros are not packed: {error}. Until they are, only `cargo precast build` and the others build \
                 the package; then `cargo precast init --proc-macro` packs them and writes the build script"
            ));
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    if target.manifest["package"].get("build").is_none() {
        let script = SCRIPT.replace("@FOLDER@", target.folder()).replace("@NAME@", &target.name);
        write(&directory.join("build.rs"), &script, &mut made.done)?;
    }
    let packed = target.packed();
    made.done.push(if is_new { Done::Written(packed) } else { Done::Kept(packed) });
    Ok(Some(target))
}

/// The manifest with the table of the macros.
fn extended(mut document: DocumentMut) -> DocumentMut {
    let mut dependencies = Table::new();
    for (name, version) in DEPENDENCIES {
        dependencies.insert(
            name,
            match name {
                "syn" => {
                    let mut syn = toml_edit::InlineTable::new();
                    syn.insert("version", version.into());
                    syn.insert("features", toml_edit::Array::from_iter([SYN_FEATURE]).into());
                    value(syn)
                }
                _ => value(version),
            },
        );
    }
    let mut at: &mut Table = document.as_table_mut();
    for key in ["package", "metadata", "precast", "proc-macro"] {
        let item = at.entry(key).or_insert_with(|| {
            let mut table = Table::new();
            table.set_implicit(true);
            Item::Table(table)
        });
        if item.as_table().is_none() {
            let table = std::mem::take(item).into_table().unwrap_or_default();
            *item = Item::Table(table);
        }
        at = item.as_table_mut().expect("it was made a table");
    }
    at.insert("dependencies", Item::Table(dependencies));
    document
}

fn write(file: &Path, text: &str, done: &mut Vec<Done>) -> Result<()> {
    if file.exists() {
        done.push(Done::Kept(file.to_owned()));
        return Ok(());
    }
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).at("create", folder)?;
    }
    scratch::replace(file, text.as_bytes())?;
    done.push(Done::Written(file.to_owned()));
    Ok(())
}

/// Publishes the package: one `.crate`, in which the macros are packed.
pub fn publish(target: &Target, is_dry: bool, arguments: &[OsString]) -> Result<()> {
    let help = "run `cargo precast pack --proc-macro` and commit what it writes";
    let name = &target.package;
    match packed::state(target)? {
        State::Fresh => {}
        State::Missing => {
            let message = format!("the macros of {name} are not packed");
            return Err(Error::new(Class::Verify, message).help(help));
        }
        State::Stale(differences) => {
            let message = format!(
                "the packed macros of {name} are stale: {} differs",
                differences.join(", ")
            );
            return Err(Error::new(Class::Verify, message).help(help));
        }
    }
    if let Some(advice) = packed::advice(target)?.into_iter().next() {
        return Err(Error::new(Class::Usage, format!("{name} cannot be published: {advice}")));
    }
    let mut command = cargo::command(&target.directory);
    command.arg("publish").args(is_dry.then_some("--dry-run")).args(arguments);
    let output = cargo::run(command, |_| {})?;
    match output.success {
        true => Ok(()),
        false => Err(cargo::failure("cargo cannot publish the package", &output.stderr)),
    }
}
