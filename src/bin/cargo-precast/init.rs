//! `cargo precast init`.

use crate::console::Console;
use clap::Args;
use precast::author::init::{self, Done};
use precast::author::{migrate, same_package};
use precast::base::error::{Class, Error, Result};
use serde_json::{json, Value};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Options of `cargo new` with a value.
const VALUED: [&str; 7] =
    ["--vcs", "--edition", "--name", "--registry", "--color", "--config", "-Z"];

/// Set up the repository of a macro package: `cargo xtask pack`, CI, publishing
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The repository, or any directory in it
    #[arg(value_name = "DIR", default_value = ".")]
    directory: PathBuf,

    /// Take the library precast from a directory instead of the registry
    #[arg(long, value_name = "DIR")]
    precast: Option<PathBuf>,

    /// Give a package macros of its own instead: proc-macro/lib.rs with one of each kind, tests, and the
    /// precompiled files by which cargo alone builds it
    #[arg(long, conflicts_with = "precast")]
    proc_macro: bool,

    /// Move the macros of this package into DIR, the library's: sources, dependencies, features and tests. The package
    /// itself stays, and re-exports them under its old name
    #[arg(long, value_name = "MACROS", requires = "proc_macro")]
    from: Option<PathBuf>,

    /// Say what `--from` would do, and write nothing
    #[arg(long, requires = "from")]
    dry_run: bool,

    /// Move files although there are changes that are not committed
    #[arg(long, requires = "from")]
    allow_dirty: bool,

    /// Move files although git does not keep them
    #[arg(long, requires = "from")]
    allow_no_vcs: bool,
}

pub(crate) fn run(options: &Options, console: &Console) -> Result<()> {
    if let Some(from) = &options.from {
        let made = migrate::migrate(
            &migrate::Options {
                directory: options.directory.clone(),
                from: from.clone(),
                is_dry: options.dry_run,
                allow_dirty: options.allow_dirty,
                allow_no_vcs: options.allow_no_vcs,
            },
            &|text: &str| console.step(text),
        )?;
        let next = match options.dry_run {
            true => "Nothing was written.\n",
            false => "Next: `cargo precast test`, here and in the package of the old name.\n",
        };
        return tell_with(&made, next, console);
    }
    if options.proc_macro {
        let made = same_package::init(&options.directory, &|text: &str| console.step(text))?;
        return tell(&made, console);
    }
    let done = init::init(&options.directory, options.precast.as_deref(), &release()?)?;
    let values = values(&done);
    console.result(&values, || {
        let mut out = lines(&done);
        out += "Next: `cargo xtask pack`, then commit precast.sha256; `cargo precast publish --dry-run` shows\n\
                what a release would contain. What is kept was there before.\n";
        out
    });
    Ok(())
}

/// `cargo precast new --proc-macro PATH`, with the options of `cargo new`.
pub(crate) fn new(arguments: &[OsString], console: &Console) -> Result<()> {
    let mut options = Vec::new();
    let mut paths = Vec::new();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let text = word.to_string_lossy();
        match text.starts_with('-') {
            true => {
                options.push(word.clone());
                if VALUED.contains(&&*text) {
                    options.extend(words.next().cloned());
                }
            }
            false => paths.push(word),
        }
    }
    let [path] = paths[..] else {
        let error = Error::new(Class::Usage, "a new package has one path");
        return Err(error.help("as in `cargo precast new --proc-macro my-library`"));
    };
    let made = same_package::new(Path::new(path), &options, &|text: &str| console.step(text))?;
    tell(&made, console)
}

fn tell(made: &same_package::Made, console: &Console) -> Result<()> {
    let next = "Next: `cargo precast test`, or `cargo test`; after an edit of the macros `cargo precast pack --proc-macro`.\n";
    tell_with(made, next, console)
}

fn tell_with(made: &same_package::Made, next: &str, console: &Console) -> Result<()> {
    let value =
        json!({ "package": made.directory, "files": values(&made.done), "notes": made.notes });
    console.result(&value, || lines(&made.done) + next);
    made.notes.iter().for_each(|note| console.note(note));
    Ok(())
}

fn parts(done: &Done) -> (&'static str, &Path) {
    match done {
        Done::Written(path) => ("written", path),
        Done::Extended(path) => ("extended", path),
        Done::Kept(path) => ("kept", path),
        Done::Removed(path) => ("removed", path),
    }
}

fn values(done: &[Done]) -> Vec<Value> {
    done.iter().map(parts).map(|(what, path)| json!({ "done": what, "path": path })).collect()
}

fn lines(done: &[Done]) -> String {
    let lines = done.iter().map(parts);
    lines.map(|(what, path)| format!("  {what:<9} {}\n", path.display())).collect()
}

/// The active compiler's release, for CI to use the same.
fn release() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let release = text.ok().and_then(|text| {
        text.lines().find_map(|line| line.strip_prefix("release: ").map(str::to_owned))
    });
    release.ok_or_else(|| {
        Error::new(Class::Toolchain, "rustc does not run").help("install Rust, as with rustup")
    })
}
