//! Makes one package of two: a library, and the macros for it.
//!
//! | file        | says or does                                                                   |
//! |-------------|--------------------------------------------------------------------------------|
//! | `side`      | of a package, what it is; of two, whether they can become one                   |
//! | `features`  | features of both, in one manifest                                               |
//! | `manifests` | the library's manifest, and that of the package which stays under the old name  |
//! | `sources`   | where each file goes                                                            |
//! | `rewrite`   | its text, in which the macros have another name                                 |
//! | `change`    | all of this, at once or not at all                                              |
//!
//! The package of the old name depends on the library and re-exports its macros. This is no circle: the library
//! no longer depends on it.

mod change;
mod features;
mod manifests;
mod rewrite;
mod side;
mod sources;

use crate::author::init::Done;
use crate::author::same_package::{Made, SCRIPT};
use crate::base::error::{Class, Context, Error, Result};
use crate::base::files;
use crate::base::report::Report;
use crate::base::scratch::Scratch;
use crate::project::same_package::packed;
use crate::project::same_package::target::{NAME, PACKED};
use crate::project::same_package::Target;
use cargo_metadata::TargetKind;
use change::Change;
use side::Side;
use sources::Sources;
use std::path::{Path, PathBuf};

/// What the user has said.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The library's package.
    pub directory: PathBuf,
    /// The macros' package.
    pub from: PathBuf,
    /// Nothing is written.
    pub is_dry: bool,
    pub allow_dirty: bool,
    pub allow_no_vcs: bool,
}

/// Moves the macros into the library's package.
pub fn migrate(options: &Options, report: &dyn Report) -> Result<Made> {
    let library = Side::of(&options.directory)?;
    let macros = Side::of(&options.from)?;
    if library.directory == macros.directory {
        let error = Error::new(Class::Usage, "--from names the library's own package");
        return Err(error.help("it names the package whose macros are to move"));
    }
    side::check(&library, &macros)?;
    if !options.is_dry {
        side::check_is_clean([&library, &macros], options.allow_dirty, options.allow_no_vcs)?;
    }
    report.step(&format!("moving the macros of {} into {}", macros.name(), library.name()));
    let stage = Scratch::new()?;
    let (mut change, target, mut notes) = plan(&library, &macros, stage.path())?;
    if !options.is_dry {
        // The package that is packed stands in a temporary place, which nobody need know.
        let step = |text: &str| match text.starts_with("looking for") {
            true => {}
            false => report.step(text),
        };
        match packed::made(&target, false, &step) {
            Ok((_, tree)) => {
                let place = target.packed();
                tree.into_iter().for_each(|(path, body)| change.write(place.join(path), body));
            }
            Err(error) if error.class() == Class::Toolchain => notes.insert(
                0,
                format!(
                    "the macros are not packed: {error}. Until `cargo precast pack --proc-macro` has packed them, \
                     only `cargo precast build` and the others build the package"
                ),
            ),
            Err(error) => {
                let what = format!("the macros of {} cannot be packed; nothing was changed", macros.name());
                return Err(error.context(what));
            }
        }
    }
    let done = told(&change, &target);
    if !options.is_dry {
        change.apply(&library.directory)?;
    }
    notes.extend(remaining(&library, &macros, &change));
    Ok(Made { directory: library.directory, done, notes })
}

fn plan(library: &Side, macros: &Side, stage: &Path) -> Result<(Change, Target, Vec<String>)> {
    let uses = library.uses(macros.name());
    let folder = macros.directory.join(sources::folder_of(macros));
    let source = files::read(&folder)?;
    let code: String = source
        .iter()
        .filter(|(path, _)| path.ends_with(".rs"))
        .map(|(_, body)| String::from_utf8_lossy(body).into_owned())
        .collect();
    let is_asked = |name: &str| code.contains(&format!("feature = {name:?}"));
    let mut manifest = library.manifest.clone();
    let theirs = (macros.name(), &macros.package.features);
    let merged =
        features::merge(&mut manifest, &library.package.features, &uses, theirs, &is_asked);
    let mut change = Change::default();
    let mut sources = Sources::new((library, macros), &uses, &merged, source)?;
    sources.macros(&mut change, stage)?;
    sources.library(&mut change)?;
    let moved = sources.tests(&mut change)?;
    let root = macros.directory.join(macros.root().unwrap_or_default());
    change.write(root, sources.facade());
    let notes = sources.notes;

    let mut new = manifests::Library { manifest, side: library, macros, merged: &merged, notes };
    new.drop_dependency(&uses);
    new.add_dev_dependencies()?;
    new.add_targets(&moved);
    new.add_macros(&format!("proc-macro/{}", sources::name_of(macros)))?;
    new.add_script();
    add_script(library, &mut change)?;
    let manifests::Library { manifest, notes, .. } = new;
    change.write(library.directory.join("Cargo.toml"), manifest.to_string());
    let facade = manifests::facade(macros, library, &merged);
    change.write(macros.directory.join("Cargo.toml"), facade.to_string());
    // Positions in the new text, not in those it was made of.
    let manifest = manifest.to_string().parse().context("cannot read what was written")?;
    let target = Target::staged(&library.directory, manifest, stage)?;
    Ok((change, target, notes))
}

/// The build script by which cargo alone knows the macros: a new one, or one more call in the old one.
fn add_script(library: &Side, change: &mut Change) -> Result<()> {
    let mut scripts = library.package.targets.iter();
    let script = scripts.find(|target| target.kind.contains(&TargetKind::CustomBuild));
    let Some(script) = script else {
        let text = SCRIPT.replace("@FOLDER@", "proc-macro").replace("@NAME@", NAME);
        change.write(library.directory.join("build.rs"), text);
        return Ok(());
    };
    let file = script.src_path.as_std_path();
    let text = std::fs::read_to_string(file).at("read", file)?;
    let folder = file.parent().unwrap_or(&library.directory);
    let part = library.directory.join("proc-macro").join(PACKED).join("build.rs");
    let path = manifests::relative(folder, &part);
    let new = rewrite::calling(&text, NAME, &path)
        .context(format!("cannot change {}", file.display()))?;
    change.write(file.to_owned(), new);
    Ok(())
}

/// The files; what is packed is one folder.
fn told(change: &Change, target: &Target) -> Vec<Done> {
    let packed = target.packed();
    let mut done: Vec<Done> = Vec::new();
    let mut has_packed = false;
    for (path, _) in change.written() {
        match path {
            path if path.starts_with(&packed) => has_packed = true,
            path if path.exists() => done.push(Done::Extended(path.to_owned())),
            path => done.push(Done::Written(path.to_owned())),
        }
    }
    done.extend(has_packed.then(|| Done::Written(packed)));
    done.extend(change.removed().map(|path| Done::Removed(path.to_owned())));
    done
}

/// What nobody but the author can do.
fn remaining(library: &Side, macros: &Side, change: &Change) -> Vec<String> {
    let (own, old) = (library.name(), macros.name());
    let mut notes = vec![format!(
        "raise the versions of both packages, and publish {own} before {old}: {old} depends on a version of {own} that has the \
         macros, from {} on",
        library.package.version
    )];
    if library.package.version != macros.package.version {
        notes.push(format!(
            "the macros' CARGO_PKG_VERSION is that of {own} now, {}, and was {}",
            library.package.version, macros.package.version
        ));
    }
    let names = [old.to_owned(), macros.crate_name()];
    let mut left: Vec<String> = Vec::new();
    for (path, body) in files::read(&library.directory).unwrap_or_default() {
        let file = library.directory.join(&path);
        let is_theirs = file.starts_with(&macros.directory) || path.starts_with("target/");
        let new = change.written().find(|(written, _)| *written == file).map(|(_, body)| body);
        let text = std::str::from_utf8(new.unwrap_or(&body)).unwrap_or_default();
        let is_named = names.iter().any(|name| rewrite::names(text, name));
        if is_named && !is_theirs && !path.starts_with("Cargo.") && path != "src/lib.rs" {
            left.push(path);
        }
    }
    if let [first, rest @ ..] = &left[..] {
        let more =
            if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
        notes.push(format!("{first}{more} still name {old}: see whether that is right"));
    }
    notes
}
