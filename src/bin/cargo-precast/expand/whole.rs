//! `cargo precast expand --crate`.

use crate::console::Console;
use clap::Args;
use precast::base::error::{Class, Context, Error, Result};
use precast::base::scratch;
use precast::base::text::counted;
use precast::cache::Store;
use precast::expand::whole::{self, Origin, Whole};
use precast::project;
use serde_json::json;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

#[derive(Args, Debug)]
#[command(next_help_heading = "With --crate")]
pub(crate) struct WholeOptions {
    /// A crate that the sources name: a packed macro crate, or a library by its root file, for macros
    /// that it re-exports. Without any, those of the package that the root file belongs to
    #[arg(long = "extern", value_name = "NAME=ARTIFACT|ROOT.rs", requires = "root", value_parser = pair)]
    pub(crate) externs: Vec<(String, String)>,

    /// A feature of such a library
    #[arg(long = "extern-feature", value_name = "NAME=FEATURE", requires = "root", value_parser = pair)]
    pub(crate) extern_features: Vec<(String, String)>,

    /// Of the package that the root file belongs to, as cargo's
    #[arg(long = "features", short = 'F', value_name = "FEATURES", requires = "root")]
    pub(crate) package_features: Vec<String>,

    /// As cargo's
    #[arg(long, requires = "root")]
    pub(crate) no_default_features: bool,

    /// As cargo's
    #[arg(long, requires = "root")]
    pub(crate) all_features: bool,

    /// As rustc's
    #[arg(long, value_name = "SPEC", requires = "root")]
    pub(crate) cfg: Vec<String>,

    /// As rustc's
    #[arg(long, value_name = "TRIPLE", requires = "root")]
    pub(crate) target: Option<String>,

    /// As rustc's
    #[arg(long, value_name = "YEAR", requires = "root")]
    pub(crate) edition: Option<String>,

    /// Where to write the crate's files, as they lie below the root file's folder; without it, a crate of one
    /// file is printed
    #[arg(long, short, value_name = "DIR", requires = "root")]
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

pub(crate) fn run(root: &Path, options: &WholeOptions, console: &Console) -> Result<()> {
    let mut arguments: Vec<OsString> = Vec::new();
    options.cfg.iter().for_each(|cfg| arguments.extend(["--cfg".into(), cfg.into()]));
    options.target.iter().for_each(|target| arguments.extend(["--target".into(), target.into()]));
    let whole = match options.externs.is_empty() {
        true => of_package(root, options, arguments, console)?,
        false => whole::expand(&of_command_line(root, options, arguments)?)?,
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

/// What cargo says of the package that the file is the root of.
fn of_package(
    root: &Path,
    options: &WholeOptions,
    mut arguments: Vec<OsString>,
    console: &Console,
) -> Result<Whole> {
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
    let package = project::sources::of(root, &asked, &store, &step)?;
    for feature in &package.features {
        arguments.extend(["--cfg".into(), format!("feature={feature:?}").into()]);
    }
    // Macros read what cargo tells the compiler.
    for (name, value) in &package.variables {
        std::env::set_var(name, value);
    }
    let edition = options.edition.clone().unwrap_or(package.edition);
    whole::expand(&whole::Options {
        root: root.to_owned(),
        edition,
        arguments,
        libraries: package.libraries,
        externs: package.externs,
    })
}
