//! After cargo has succeeded: the functions that macro authors declared with `post_process!`.
//!
//! They run in the sandbox, also where the macros were compiled from source, as functions of the records
//! alone: without variables and files. What they want written comes back as data, and is written by us.

mod files;

use super::authors::Author;
use super::graph::UNREADABLE;
use super::outcome::Outcome;
use super::plan::Plan;
use super::records::{self, Record};
use super::{packing, provide};
use crate::artifact::manifest::{Capabilities, Package};
use crate::artifact::{self, Artifact};
use crate::base::error::{Class, Error, Result};
use crate::base::files as trees;
use crate::base::report::Report;
use crate::base::text::counted;
use crate::cache::{Store, Wanted};
use crate::embed::input;
use crate::expand::records::{decode, encode};
use crate::expand::{self, Call};
use proc_macro2::{TokenStream, TokenTree};
use semver::Version;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

/// The macro that `post_process!` declares.
pub const FUNCTION: &str = "__precast_post_process";

/// As authors write it in their sources.
const DECLARATION: &[u8] = b"post_process!";

/// What one package has done.
#[derive(Debug, Default)]
pub struct Done {
    /// `NAME VERSION`
    pub package: String,
    pub n_records: usize,
    /// Files that are new or other than before, and files that were removed.
    pub written: Vec<PathBuf>,
    pub removed: Vec<PathBuf>,
    pub told: Vec<Told>,
}

/// A diagnostic.
#[derive(Debug, PartialEq, Eq)]
pub struct Told {
    pub level: String,
    pub message: String,
    /// File, line, column.
    pub place: Option<(String, u32, u32)>,
}

/// Runs what the macros of the build have declared. `cargo` is the command that has just succeeded, without its
/// own words, `command` and `arguments` are these. `tell` hears what each package has done, in the order of
/// their names; all of them run, and an error of any is one of the build.
pub fn run(
    plan: &Plan,
    cargo: Command,
    (command, arguments): (&str, &[OsString]),
    store: &Store,
    report: &dyn Report,
    tell: &mut dyn FnMut(&Done),
) -> Result<()> {
    let (artifacts, idle) = artifacts(plan, store, report)?;
    let mut left = files::left(plan)?;
    for (name, version) in idle {
        if !artifacts.iter().any(|artifact| artifact.manifest.package.name == name) {
            let place = files::place(plan, (&name, &version), true)?;
            left.extend(place.has_written().then_some((name, place)));
        }
    }
    for (package, place) in left {
        let changes = files::write(&place, &Wished::new())?;
        tell(&Done { package, removed: changes.removed, ..Done::default() });
    }
    if artifacts.is_empty() {
        return Ok(());
    }
    let records = records::collect(cargo, command, arguments, plan.targets())?;
    let newest = newest(&artifacts);
    let (mut n_errors, mut failed) = (0, Vec::new());
    for artifact in artifacts {
        let about = &artifact.manifest.package;
        let package = format!("{} {}", about.name, about.version);
        let is_newest = newest.get(&about.name) == Some(&about.version);
        let done = match one(&artifact, &records, plan, is_newest) {
            Ok(done) => Done { package, ..done },
            Err(error) => failure(package, &error),
        };
        tell(&done);
        let errors = done.told.iter().filter(|told| told.level == "error").count();
        if errors > 0 {
            n_errors += errors;
            failed.push(done.package);
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    let message =
        format!("{} after the build, of {}", counted(n_errors, "error"), failed.join(", "));
    Err(Error::new(Class::Macro, message))
}

/// The greatest version of each package.
fn newest(artifacts: &[Artifact]) -> BTreeMap<String, String> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for Package { name, version, .. } in artifacts.iter().map(|one| &one.manifest.package) {
        let known = found.entry(name.clone()).or_insert_with(|| version.clone());
        if Version::parse(known).ok() < Version::parse(version).ok() {
            known.clone_from(version);
        }
    }
    found
}

/// A package whose functions could not do their work.
fn failure(package: String, error: &Error) -> Done {
    let told =
        |level: &str, message: String| Told { level: level.to_owned(), message, place: None };
    let mut all = vec![told("error", format!("after the build, {package}: {error}"))];
    all.extend(error.help_text().map(|help| told("help", help.to_owned())));
    Done { package, told: all, ..Done::default() }
}

/// The cargo commands after which they run.
pub fn is_after(command: &str) -> bool {
    matches!(command, "build" | "check" | "test")
}

/// Names and versions of packages that have nothing to do.
type Idle = Vec<(String, String)>;

/// Those that have something to do, packed, and the others.
fn artifacts(plan: &Plan, store: &Store, report: &dyn Report) -> Result<(Vec<Artifact>, Idle)> {
    let (mut found, mut idle) = (Vec::new(), Vec::new());
    for author in &plan.authors {
        let artifact = match author {
            Author::Shim(directory) => input::artifact(directory)?,
            Author::Source(wanted) if declares(wanted)? => packed(wanted, plan, store, report)?,
            Author::Source(wanted) => {
                idle.push((wanted.package.name.clone(), wanted.package.version.clone()));
                continue;
            }
        };
        if artifact.manifest.macros.iter().any(|item| item.name == FUNCTION) {
            let mut artifact = artifact;
            artifact.manifest.capabilities = Capabilities::default();
            found.push(artifact);
        } else {
            idle.push((artifact.manifest.package.name, artifact.manifest.package.version));
        }
    }
    Ok((found, idle))
}

/// Whether the package's files declare a function; packing it for nothing would take a while.
fn declares(wanted: &Wanted) -> Result<bool> {
    let files = trees::read(&wanted.package.directory)?;
    let has = |text: &Vec<u8>| text.windows(DECLARATION.len()).any(|part| part == DECLARATION);
    Ok(files.values().any(has))
}

fn packed(wanted: &Wanted, plan: &Plan, store: &Store, report: &dyn Report) -> Result<Artifact> {
    let done = packing::pack(std::slice::from_ref(wanted), &plan.project(), store, report)?;
    let label = format!("{} {}", wanted.package.name, wanted.package.version);
    match done.into_iter().next() {
        Some(done) => match done.outcome {
            Outcome::Source(reason) => {
                let message = format!("{label} cannot run after the build: {reason}");
                Err(Error::new(Class::Package, message)
                    .help("its functions run in the sandbox alone, and for that it must be packed"))
            }
            _ => artifact::read(&provide::stored(store, &done.key)?),
        },
        None => Err(Error::new(Class::Other, format!("{UNREADABLE}: {label} is gone"))),
    }
}

fn one(artifact: &Artifact, records: &[Record], plan: &Plan, is_newest: bool) -> Result<Done> {
    let about = &artifact.manifest.package;
    let by = format!("{}@{}", about.name, about.version);
    let own: Vec<&Record> = records.iter().filter(|record| record.by == by).collect();
    let input: Vec<String> = own.iter().flat_map(|record| fields(record)).collect();
    let call = Call::Bang { name: FUNCTION, tokens: &input.join(" ") };
    let expansion = expand::expand_in(artifact, &call)?;
    let (wanted, told) = read(expansion.stream)?;
    let place = files::place(plan, (&about.name, &about.version), is_newest)?;
    let changes = match told.iter().any(|told| told.level == "error") {
        true => files::Changes::default(),
        false => files::write(&place, &wanted)?,
    };
    Ok(Done {
        package: String::new(),
        n_records: own.len(),
        written: changes.written,
        removed: changes.removed,
        told,
    })
}

/// A record as it crosses: string literals, in the order of `precast-macro`'s `Record`.
fn fields(record: &Record) -> [String; 9] {
    let Record { package, version, target, path, file, line, column, key, data, .. } = record;
    let (line, column) = (line.to_string(), column.to_string());
    let texts = [package, version, target, path, file, &line, &column, key].map(String::as_bytes);
    let [a, b, c, d, e, f, g, h] = texts;
    [a, b, c, d, e, f, g, h, data].map(|bytes| format!("\"{}\"", encode(bytes)))
}

/// Files by their paths.
type Wished = BTreeMap<String, Vec<u8>>;

/// What comes back: words, each with its texts.
fn read(stream: TokenStream) -> Result<(Wished, Vec<Told>)> {
    let odd = || Error::new(Class::Macro, "its answer is not of a known form");
    let (mut files, mut told) = (Wished::new(), Vec::new());
    let mut tokens = stream.into_iter();
    while let Some(token) = tokens.next() {
        let word = token.to_string();
        let mut text = || match tokens.next() {
            Some(TokenTree::Literal(literal)) => Ok(decode(literal.to_string().trim_matches('"'))),
            _ => Err(odd()),
        };
        if word == "file" {
            let path = String::from_utf8(text()?).map_err(|_| odd())?;
            let body = text()?;
            if files.insert(path.clone(), body).is_some() {
                let message = format!("writes `{path}` twice");
                return Err(Error::new(Class::Macro, message));
            }
            continue;
        }
        let mut text = || Ok::<String, Error>(String::from_utf8_lossy(&text()?).into_owned());
        let (message, file, line, column) = (text()?, text()?, text()?, text()?);
        let number = |text: String| text.parse().unwrap_or(0);
        let place = (!file.is_empty()).then(|| (file, number(line), number(column)));
        told.push(Told { level: word, message, place });
    }
    Ok((files, told))
}

impl Told {
    /// As the compiler would write it.
    pub fn text(&self) -> String {
        let mut text = format!("{}: {}\n", self.level, self.message);
        if let Some((file, line, column)) = &self.place {
            let width = line.to_string().len();
            text += &format!("{:width$}--> {file}:{line}:{column}\n", "");
        }
        text
    }
}
