//! Lazy libraries: cargo gets empty files, and the library is compiled when somebody needs it.

use super::invocation::Invocation;
use super::record::{self, Command, Record};
use super::{compile, Context};
use crate::base::error::{Class, Context as _, Error, Result};
use crate::base::files;
use crate::base::lock::Lock;
use crate::base::scratch::{self, Scratch};
use crate::cache::Locked;
use crate::pack::compile::wrapper::escaped;
use crate::project::script;
pub use crate::project::script::LAZY as VARIABLE;
use serde_json::json;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::File;
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

/// Variables with what they say, or that they are not set.
pub type Environment = BTreeMap<String, Option<String>>;

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

/// Compiles the libraries that a crate uses, if they were put off.
pub fn need_all(invocation: &Invocation, context: &Context) -> Result<()> {
    let compiler = invocation.programs.last().map(String::as_str);
    invocation.externs.iter().try_for_each(|(_, file)| need(file, compiler, context))
}

/// Compiles the library of this file, if it was put off, with the compiler of who needs it: that with
/// which it was to be compiled may be somewhere else by now.
pub fn need(file: &Path, compiler: Option<&str>, context: &Context) -> Result<()> {
    if !is_put_off(file) {
        return Ok(());
    }
    let lock = record::beside(file);
    let lock = File::open(&lock).at("open", &lock)?;
    // Where files cannot be locked two may compile it, each in a place of its own.
    let _lock = Lock::alone(lock, || ());
    // Somebody else may have been faster.
    if !is_put_off(file) {
        return Ok(());
    }
    let lost = || {
        let message = format!("{} was not compiled, and how to is lost", file.display());
        Error::new(Class::Other, message).help("run `cargo clean`")
    };
    let mut record = record::of(file).ok_or_else(lost)?;
    let mut command = record.command.take().ok_or_else(lost)?;
    if !record.package.directory.is_dir() {
        let Some(place) = context.plan().and_then(|plan| plan.place(&record.package)) else {
            return Err(moved(&record.package));
        };
        command.follow(&record.package.directory, place);
        record.package.directory = place.to_owned();
    }
    let words: Vec<OsString> = command.words.iter().map(OsString::from).collect();
    let invocation = Invocation::of(&words).ok_or_else(lost)?;
    let scratch = Scratch::inside(&invocation.out)?;
    let mut inside = invocation.at(scratch.path());
    if let Some(compiler) = compiler {
        inside.programs = super::inner_wrapper()
            .map(|inner| inner.to_string_lossy().into_owned())
            .into_iter()
            .chain([compiler.to_owned()])
            .collect();
    }
    let code = compile(&inside, Some(&command), &record.package, context)?;
    if code != Some(0) {
        let message = format!("cannot compile {}", record.package.name);
        return Err(Error::new(Class::Other, message));
    }
    let outputs = invocation.outputs();
    // What a debugger reads, which the compiler writes beside the rest.
    for path in entries(scratch.path()) {
        let name = path.file_name().unwrap_or_default();
        if path.is_file() && outputs.iter().all(|(_, file)| file.file_name() != Some(name)) {
            std::fs::rename(&path, invocation.out.join(name)).at("create", &path)?;
        }
    }
    // Whoever finds the metadata complete finds the rest so.
    for (_, to) in outputs.iter().rev().filter(|(kind, _)| *kind != "dep-info") {
        put(&scratch.path().join(to.file_name().unwrap_or_default()), to)?;
    }
    Ok(())
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn moved(package: &Locked) -> Error {
    let Locked { name, version, directory, .. } = package;
    let message =
        format!("the sources of {name} {version} are not in {} any more", directory.display());
    Error::new(Class::Other, message).help(format!("run `cargo clean -p {name}`"))
}

/// Puts a file into the place of an empty one. Cargo, which has seen that, finds what it finds newer
/// than what was made of it.
fn put(from: &Path, to: &Path) -> Result<()> {
    let written = to.metadata().and_then(|metadata| metadata.modified()).at("read", to)?;
    let file = File::options().append(true).open(from).at("open", from)?;
    file.set_modified(written).at("date", from)?;
    std::fs::rename(from, to).at("create", to)
}

/// Whether one of a library's files is empty.
fn is_put_off(file: &Path) -> bool {
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

impl Command {
    /// The package's files lie elsewhere by now.
    fn follow(&mut self, from: &Path, to: &Path) {
        let (Some(from), Some(to)) = (from.to_str(), to.to_str()) else { return };
        let texts = self.words.iter_mut().chain(self.variables.values_mut());
        texts.for_each(|text| *text = text.replace(from, to));
        if let Ok(below) = self.directory.strip_prefix(from) {
            self.directory = Path::new(to).join(below);
        }
    }

    /// The compiler with this environment, for the given arguments.
    pub fn start(&self, program: &str, args: &[String]) -> std::process::Command {
        let mut command = std::process::Command::new(program);
        command.args(args).current_dir(&self.directory);
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(script::is_own) {
                command.env_remove(&name);
            }
        }
        for name in script::variables() {
            command.env_remove(name);
        }
        command.envs(&self.variables);
        command
    }
}

impl Invocation {
    /// The same, but for the directory of its files.
    pub fn at(&self, out: &Path) -> Invocation {
        let text = out.to_string_lossy().into_owned();
        let mut found = self.clone();
        let at = found.args.iter().position(|word| word == "--out-dir").map(|at| at + 1);
        match at {
            Some(at) => found.args[at] = text,
            None => {
                for word in &mut found.args {
                    if word.starts_with("--out-dir=") {
                        *word = format!("--out-dir={text}");
                    }
                }
            }
        }
        found.out = out.to_owned();
        found
    }
}

fn odd(message: &str) -> Error {
    Error::new(Class::Other, message)
}
