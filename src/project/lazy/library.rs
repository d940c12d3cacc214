//! Lazy libraries: cargo gets empty files, and the command that fills them is kept.

use super::invocation::Invocation;
use super::record::{Command, Record};
use crate::base::error::{Class, Context as _, Error, Result};
use crate::base::files;
use crate::base::scratch;
use crate::cache::{Environment, Locked};
use crate::pack::compile::wrapper::escaped;
use crate::project::script;
pub use crate::project::script::LAZY as VARIABLE;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// What stands in a file whose library was not compiled.
const EMPTY: &[u8] = b"precast: not compiled, for only precompiled macros need it so far\n";

/// Another program in our place would give empty files to the compiler.
const WRAPPER: &str = "RUSTC_WRAPPER";

/// Names a program that runs in our place where documentation is made. Nothing is put off for it.
pub const RUSTDOC: &str = "RUSTDOC";

/// Gives cargo empty files, and keeps the command that makes them.
pub fn put_off(invocation: &Invocation, package: Locked) -> Result<()> {
    let mut record = Record::new(invocation, package);
    record.command = Some(command(invocation)?);
    let outputs = invocation.outputs();
    let library =
        invocation.library().ok_or_else(|| odd("the compiler was asked for no library"))?;
    record.write(&library)?;
    for (_, file) in outputs.iter().filter(|(kind, _)| *kind != "dep-info") {
        scratch::replace(file, EMPTY)?;
    }
    let mut environment = ours();
    environment.extend(read_by(&record.package.directory));
    environment.insert(RUSTDOC.to_owned(), std::env::var(RUSTDOC).ok());
    write_dep_info(invocation, &[], &environment)?;
    announce(invocation, &outputs)
}

/// Variables that the package's sources name in `env!` and `option_env!`, as they are now. The compiler would
/// say which ones it has read; cargo hears only what is said now. What cargo itself sets, it knows.
fn read_by(package: &Path) -> Environment {
    let mut found = Environment::new();
    for (path, body) in files::read_published(package).unwrap_or_default() {
        if !path.ends_with(".rs") {
            continue;
        }
        for name in String::from_utf8_lossy(&body).split("env!").skip(1).filter_map(first_text) {
            if !script::is_own(name) && name != "CARGO" {
                found.insert(name.to_owned(), std::env::var(name).ok());
            }
        }
    }
    found
}

/// Of `("NAME"…`, the name.
fn first_text(arguments: &str) -> Option<&str> {
    let inside = arguments.trim_start().strip_prefix(['(', '[', '{'])?.trim_start();
    let (name, _) = inside.strip_prefix('"')?.split_once('"')?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (!name.is_empty() && name.chars().all(is_plain)).then_some(name)
}

/// The command that cargo has started, to be run another time.
pub fn command(invocation: &Invocation) -> Result<Command> {
    Ok(Command {
        directory: std::env::current_dir().context("the current directory is gone")?,
        words: [&invocation.programs[..], &invocation.args[..]].concat(),
        variables: variables(),
    })
}

/// On what the use of our files depends: another cargo compiles the library again.
pub fn ours() -> Environment {
    [VARIABLE, WRAPPER].map(|name| (name.to_owned(), std::env::var(name).ok())).into()
}

/// Says on which files, besides the crate's root, and on which variables the result depends.
pub fn write_dep_info(
    invocation: &Invocation,
    files: &[PathBuf],
    environment: &Environment,
) -> Result<()> {
    if !invocation.emits("dep-info") {
        return Ok(());
    }
    let listed = |path: &Path| path.to_str().map(escaped).ok_or_else(|| odd("a path is not UTF-8"));
    let mut sources = vec![listed(invocation.source())?];
    for file in files {
        sources.push(listed(file)?);
    }
    let mut text = String::new();
    for (_, file) in invocation.outputs() {
        let _ = writeln!(text, "{}: {}\n", listed(&file)?, sources.join(" "));
    }
    for source in &sources {
        let _ = writeln!(text, "{source}:\n");
    }
    for (name, value) in environment {
        let _ = match value {
            Some(value) => writeln!(text, "# env-dep:{}={}", line(name), line(value)),
            None => writeln!(text, "# env-dep:{}", line(name)),
        };
    }
    scratch::replace(&invocation.dep_info(), text.as_bytes())
}

/// As the compiler writes what may have more than one line.
fn line(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r")
}

/// Tells cargo of files, as the compiler does.
pub fn announce(invocation: &Invocation, files: &[(&str, PathBuf)]) -> Result<()> {
    if !invocation.tells_artifacts {
        return Ok(());
    }
    let line = |(emit, file): &(&str, PathBuf)| {
        json!({ "$message_type": "artifact", "artifact": file, "emit": emit }).to_string() + "\n"
    };
    let said: String = files.iter().map(line).collect();
    std::io::stderr().write_all(said.as_bytes()).context("cannot write to standard error")
}

/// Whether one of a library's files is empty.
pub fn is_put_off(file: &Path) -> bool {
    let is_library = file.extension().is_some_and(|end| end == "rlib" || end == "rmeta");
    match is_library {
        true => ["rmeta", "rlib"].iter().any(|end| is_empty(&file.with_extension(end))),
        false => is_empty(file),
    }
}

fn is_empty(file: &Path) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.len() == EMPTY.len() as u64)
        && std::fs::read(file).is_ok_and(|found| found == EMPTY)
}

/// What cargo and the build script say to this crate alone.
fn variables() -> BTreeMap<String, String> {
    let mut variables: BTreeMap<String, String> =
        std::env::vars().filter(|(name, _)| script::is_own(name)).collect();
    for name in script::variables() {
        if let Ok(value) = std::env::var(&name) {
            variables.insert(name, value);
        }
    }
    variables
}

fn odd(message: &str) -> Error {
    Error::new(Class::Other, message)
}
