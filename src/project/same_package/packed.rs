//! The committed files by which cargo alone builds the package: the macros' shim, under its own names, and
//! what the package's build script calls.

use super::target::Target;
use super::{nearby, nested};
use crate::artifact::manifest::{self, Manifest};
use crate::base::cargo;
use crate::base::error::{Class, Context, Error, Result};
use crate::base::files::{self, Tree};
use crate::base::report::Report;
use crate::base::scratch::Scratch;
use crate::embed;
use crate::embed::beside::{self, Known, HIDDEN, MANIFEST, SCRIPT_FILE};
use crate::pack::source::inherit;
use crate::pack::{self, Features, Outcome, PackOptions};
use std::collections::BTreeSet;
use std::path::Path;
use toml_edit::Item;

/// How the committed files relate to the macros' source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Missing,
    /// With what differs.
    Stale(Vec<String>),
    Fresh,
}

/// What was packed.
pub struct Packed {
    pub outcome: Outcome,
    /// False if the same files were there.
    pub is_new: bool,
    pub bytes: usize,
}

/// Packs the macros and writes the files, in one step.
pub fn pack(target: &Target, offline: bool, report: &dyn Report) -> Result<Packed> {
    let (outcome, tree) = made(target, offline, report)?;
    let bytes = tree.values().map(Vec::len).sum();
    let place = target.packed();
    let is_new = files::read_published(&place).ok().as_ref() != Some(&tree);
    if is_new {
        embed::write_dir(&tree, &place)?;
    }
    Ok(Packed { outcome, is_new, bytes })
}

/// Packs the macros: the files to commit.
pub fn made(target: &Target, offline: bool, report: &dyn Report) -> Result<(Outcome, Tree)> {
    let scratch = Scratch::new()?;
    let stage = scratch.path().join("package");
    nested::stage(target, &stage)?;
    let mut sets = nested::feature_sets(target)?.into_iter().map(|names| Features {
        names,
        no_default: true,
        ..Features::default()
    });
    let options = PackOptions {
        specs: vec![stage.to_string_lossy().into_owned()],
        out: scratch.path().join("out"),
        features: sets.next().unwrap_or_default(),
        sets: sets.collect(),
        offline,
        ..PackOptions::default()
    };
    let outcome = pack::pack(&options, report)?.into_iter().next();
    let outcome = outcome.ok_or_else(|| Error::new(Class::Other, "nothing was packed"))?;
    let facts = Facts::of(target)?;
    let mut tree = beside::put(files::read_published(&outcome.shim)?, &facts.known(target));
    let nearby = nearby::text(target, &stage)?;
    if !nearby.is_empty() {
        tree.insert(beside::NEARBY_FILE.into(), nearby.into_bytes());
    }
    Ok((outcome, tree))
}

/// What the build script must know.
struct Facts {
    edition: String,
    features: Vec<String>,
}

impl Facts {
    fn of(target: &Target) -> Result<Facts> {
        let package = target.manifest.get("package");
        let edition = package.and_then(|package| package.get("edition"));
        let edition = match edition.and_then(Item::as_str) {
            Some(edition) => edition.to_owned(),
            None if edition.is_some() => inherited(target, "edition")?,
            None => "2015".to_owned(),
        };
        Ok(Facts { edition, features: nested::relevant(target)?.into_iter().collect() })
    }

    fn known<'a>(&'a self, target: &'a Target) -> Known<'a> {
        Known {
            name: &target.name,
            folder: target.folder(),
            edition: &self.edition,
            features: &self.features,
            required: &target.required_features,
        }
    }
}

/// A text that the package inherits from its workspace.
fn inherited(target: &Target, key: &str) -> Result<String> {
    let text = inherit::buildable(&target.directory)?;
    let document: toml_edit::DocumentMut = text.parse().context("cannot read what was written")?;
    let value = document["package"].get(key).and_then(Item::as_str);
    value.map(str::to_owned).ok_or_else(|| {
        Error::new(Class::Usage, format!("the workspace does not define package.{key}"))
    })
}

/// Compares the committed files with the source, and with that of the packages nearby which the macros use.
pub fn state(target: &Target) -> Result<State> {
    let place = target.packed();
    let Ok(bytes) = std::fs::read(place.join(embed::input::MANIFEST)) else {
        return Ok(State::Missing);
    };
    let mut differences = Vec::new();
    let scratch = Scratch::new()?;
    nested::stage(target, scratch.path())?;
    let mut wanted = files::read(scratch.path())?;
    wanted.remove("Cargo.lock");
    let published = inherit::normalize(scratch.path(), true)?.published;
    wanted.insert(MANIFEST.into(), published.into_bytes());
    let found = source(&place)?;
    for (path, body) in &wanted {
        if found.get(path).map(|found| lines(found)) != Some(lines(body)) {
            differences.push(match path == MANIFEST {
                true => "the macros' part of Cargo.toml".to_owned(),
                false => path.clone(),
            });
        }
    }
    let is_more = |path: &&String| !wanted.contains_key(*path) && !path.ends_with(".precast.rs");
    differences.extend(found.keys().filter(is_more).cloned());
    differences.extend(nearby::differences(target)?);
    let packed = manifest::read(&bytes)?;
    if !has_sets(&packed, &nested::feature_sets(target)?) {
        differences.push("the feature sets".into());
    }
    let is_ours = packed.precast == env!("CARGO_PKG_VERSION");
    let there = std::fs::read_to_string(place.join(SCRIPT_FILE)).unwrap_or_default();
    if is_ours && there.replace("\r\n", "\n") != beside::script(&Facts::of(target)?.known(target)) {
        differences.push(format!("{}/{}/{SCRIPT_FILE}", target.folder(), super::target::PACKED));
    }
    Ok(if differences.is_empty() { State::Fresh } else { State::Stale(differences) })
}

/// The sources that were packed, under their own names.
fn source(place: &Path) -> Result<Tree> {
    let all = files::read_published(&place.join("source"))?;
    let named = all.into_iter().map(|(path, body)| match path.strip_suffix(HIDDEN) {
        Some(folder) => (format!("{folder}{MANIFEST}"), body),
        None => (path, body),
    });
    Ok(named.collect())
}

fn lines(body: &[u8]) -> Vec<u8> {
    body.iter().copied().filter(|byte| *byte != b'\r').collect()
}

/// Cargo adds what a feature enables, so that a set can have more than was asked for.
fn has_sets(packed: &Manifest, wanted: &[Vec<String>]) -> bool {
    let packed: Vec<BTreeSet<&String>> =
        packed.feature_sets().map(|set| set.iter().collect()).collect();
    wanted.iter().all(|set| packed.iter().any(|found| set.iter().all(|name| found.contains(name))))
}

/// The files of the macros that would not be in the package's `.crate`, though it needs them.
pub fn left_out(target: &Target) -> Result<Vec<String>> {
    let mut command = cargo::command(&target.directory);
    command.args(["package", "--list", "--allow-dirty", "--quiet"]);
    let output = cargo::run(command, |_| {})?;
    if !output.success {
        return Err(cargo::failure("cargo cannot list the package's files", &output.stderr));
    }
    let listed: BTreeSet<String> =
        output.stdout.lines().map(|line| line.replace('\\', "/")).collect();
    let place = format!("{}/{}", target.folder(), super::target::PACKED);
    let packed = files::read_published(&target.packed())?.into_keys();
    let generated =
        packed.filter(|path| !path.starts_with('.')).map(|path| format!("{place}/{path}"));
    let all = generated.chain(nested::source(target)?.into_keys());
    Ok(all.filter(|path| !listed.contains(path)).collect())
}

/// Whether the package's build script calls what is generated.
pub fn is_called(target: &Target) -> bool {
    let package = target.manifest.get("package");
    let script = package.and_then(|package| package.get("build")?.as_str()).unwrap_or("build.rs");
    let text = std::fs::read_to_string(target.directory.join(script)).unwrap_or_default();
    text.contains(&format!("{}/{}/{SCRIPT_FILE}", target.folder(), super::target::PACKED))
}

/// What keeps cargo from using what was packed.
pub fn advice(target: &Target) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    if !is_called(target) {
        notes.push(format!(
            "cargo alone does not know the macros until the build script calls them: \
             `cargo precast init --proc-macro` writes one, or add to yours\n    \
             #[path = \"{}/precast/build.rs\"]\n    mod {};\nand call `{}::build()` in `main`",
            target.folder(),
            target.name,
            target.name
        ));
    }
    if let Some(file) = left_out(target)?.first() {
        notes.push(format!(
            "{file} would not be in the package's `.crate`: put \"/{}\" into `package.include`, or commit it",
            target.folder()
        ));
    }
    Ok(notes)
}
