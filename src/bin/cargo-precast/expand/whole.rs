//! `cargo precast expand --crate`.

use crate::console::Console;
use clap::Args;
use precast::base::error::{Class, Context, Error, Result};
use precast::base::scratch;
use precast::base::text::counted;
use precast::cache::Store;
use precast::expand::whole::{self, Origin, Whole};
use precast::project;
use precast::project::sources::{self, Scripts, Wanted};
use serde_json::{json, Value};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

#[derive(Args, Debug)]
#[command(next_help_heading = "With --crate and --package")]
pub(crate) struct WholeOptions {
    /// A crate that the sources name: a packed macro crate, or a library by its root file, for macros
    /// that it re-exports. Without any, those of the package that the root file belongs to
    #[arg(long = "extern", value_name = "NAME=ARTIFACT|ROOT.rs", requires = "root", value_parser = pair)]
    pub(crate) externs: Vec<(String, String)>,

    /// A feature of such a library
    #[arg(long = "extern-feature", value_name = "NAME=FEATURE", requires = "root", value_parser = pair)]
    pub(crate) extern_features: Vec<(String, String)>,

    /// Of the package that the root file belongs to, as cargo's
    #[arg(long = "features", short = 'F', value_name = "FEATURES", conflicts_with = "path")]
    pub(crate) package_features: Vec<String>,

    /// As cargo's
    #[arg(long, conflicts_with = "path")]
    pub(crate) no_default_features: bool,

    /// As cargo's
    #[arg(long, conflicts_with = "path")]
    pub(crate) all_features: bool,

    /// As rustc's
    #[arg(long, value_name = "SPEC", conflicts_with = "path")]
    pub(crate) cfg: Vec<String>,

    /// As rustc's
    #[arg(long, value_name = "TRIPLE", conflicts_with = "path")]
    pub(crate) target: Option<String>,

    /// As rustc's
    #[arg(long, value_name = "YEAR", conflicts_with = "path")]
    pub(crate) edition: Option<String>,

    /// Where to write the crate's files, as they lie below the root file's folder; without it, a crate of one
    /// file is printed
    #[arg(long, short, value_name = "DIR", conflicts_with = "path")]
    pub(crate) out: Option<PathBuf>,
}

fn pair(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err("write NAME=VALUE".into()),
    }
}

pub(crate) fn run(wanted: Wanted<'_>, options: &WholeOptions, console: &Console) -> Result<()> {
    let mut arguments: Vec<OsString> = Vec::new();
    options.cfg.iter().for_each(|cfg| arguments.extend(["--cfg".into(), cfg.into()]));
    options.target.iter().for_each(|target| arguments.extend(["--target".into(), target.into()]));
    let (root, whole) = match wanted {
        Wanted::Root(root) if !options.externs.is_empty() => {
            let whole = whole::expand(&of_command_line(root, options, arguments)?)?;
            (root.to_owned(), whole)
        }
        wanted => of_package(wanted, options, arguments, console)?,
    };
    let folder = root.parent().unwrap_or(Path::new(""));
    let files = whole::placed(&whole, folder)?;
    let mut value = json!({ "expansions": whole.n_expansions, "notes": whole.notes });
    if !whole.diagnostics.is_empty() {
        value["diagnostics"] = json!(whole.diagnostics);
    }
    let mut text = String::new();
    match &options.out {
        Some(out) => {
            for (file, body) in &files {
                let file = out.join(file);
                let parent = file.parent().expect("it is below the folder");
                std::fs::create_dir_all(parent).at("create", parent)?;
                scratch::replace(&file, body.as_bytes())?;
            }
            let expansions = counted(whole.n_expansions, "expansion");
            console.done("Expanded", &format!("{} ({expansions})", out.display()));
            value["files"] = json!(files.keys().map(|file| out.join(file)).collect::<Vec<_>>());
        }
        None if files.len() == 1 => {
            text = files.into_values().next().unwrap_or_default();
            value["expansion"] = json!(text);
        }
        None => {
            let message = format!("the crate has {} files", files.len());
            return Err(
                Error::new(Class::Usage, message).help("name a folder for them with -o DIR")
            );
        }
    }
    console.result(&value, || text);
    super::rendered(&whole.diagnostics, console);
    whole.notes.iter().for_each(|note| console.note(note));
    Ok(())
}

/// What the command line says of other crates.
fn of_command_line(
    root: &Path,
    options: &WholeOptions,
    arguments: Vec<OsString>,
) -> Result<whole::Options> {
    let edition = options.edition.clone().unwrap_or_else(|| "2021".into());
    let mut all =
        whole::Options { root: root.to_owned(), edition, arguments, ..whole::Options::default() };
    for (name, path) in &options.externs {
        let path = PathBuf::from(path);
        let content = match path.extension().is_some_and(|ending| ending == "rs") {
            true => Origin::Source(path),
            false => Origin::Packed(path),
        };
        let own = options.extern_features.iter().filter(|(of, _)| of == name);
        all.add(name, content, own.map(|(_, feature)| feature.clone()).collect())?;
    }
    Ok(all)
}

/// What cargo says of the package that the crate is of.
fn of_package(
    wanted: Wanted<'_>,
    options: &WholeOptions,
    mut arguments: Vec<OsString>,
    console: &Console,
) -> Result<(PathBuf, Whole)> {
    let store = Store::open(None)?;
    let step = |text: &str| console.step(text);
    let mut asked: Vec<OsString> = Vec::new();
    for features in &options.package_features {
        asked.extend(["--features".into(), features.into()]);
    }
    asked.extend(options.no_default_features.then(|| "--no-default-features".into()));
    asked.extend(options.all_features.then(|| "--all-features".into()));
    if let Some(target) = &options.target {
        asked.extend(["--target".into(), target.into()]);
    }
    if options.cfg.iter().any(|cfg| cfg == "test") {
        asked.push("--profile=test".into());
    }
    let scripts = |directory: &Path| scripts(directory, &asked, console);
    let package = project::sources::of(wanted, &asked, &store, &step, &scripts)?;
    let features = package.features.iter().map(|feature| format!("feature={feature:?}"));
    for cfg in features.chain(package.cfgs) {
        arguments.extend(["--cfg".into(), cfg.into()]);
    }
    // As it was given: places in errors are below it.
    let root = match wanted {
        Wanted::Root(root) => root.to_owned(),
        Wanted::Dependency(_) => package.root,
    };
    // Macros read what cargo tells the compiler.
    for (name, value) in &package.variables {
        std::env::set_var(name, value);
    }
    let edition = options.edition.clone().unwrap_or(package.edition);
    let whole = whole::expand(&whole::Options {
        root: root.clone(),
        edition,
        arguments,
        libraries: package.libraries,
        externs: package.externs,
    })?;
    Ok((root, whole))
}

/// Has this program check the package, which runs what was not run yet, and tells what build scripts said.
fn scripts(directory: &Path, asked: &[OsString], console: &Console) -> Result<Scripts> {
    console.step("running build scripts");
    let program = std::env::current_exe().context("this program's file is unknown")?;
    let mut check = std::process::Command::new(program);
    check.current_dir(directory).args(["precast", "check", "--quiet", "--message-format=json"]);
    let output = check.args(asked).output().context("cannot run cargo precast check")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        let error = Error::new(Class::Package, format!("the package does not build: {said}"));
        return Err(error.help("its build scripts are to be run: `cargo precast check`"));
    }
    let mut scripts = Scripts::new();
    for line in output.stdout.split(|byte| *byte == b'\n') {
        let Ok(message) = serde_json::from_slice::<Value>(line) else { continue };
        sources::note(&message, &mut scripts);
    }
    Ok(scripts)
}
