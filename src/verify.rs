//! Artifact or shim -> verdict: every check, and every difference by its name.
//!
//! Offline, and without trust in anything that is checked: what can be made again from the module
//! is made again and compared.

mod built;
mod check;
mod image;
mod licenses;
#[doc(hidden)]
pub mod machine;
mod rebuild;
mod remembered;
mod shim;

use crate::artifact::{module, Artifact, Tree};
use crate::base::error::{Class, Context, Error, Result};
use crate::base::report::Report;
use crate::base::scratch::Scratch;
use crate::embed;
use crate::embed::input::{self, Input};
pub use check::Check;
#[doc(hidden)]
pub use remembered::{rebuilt, Rebuilt};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// The outcome of all checks.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Verdict {
    /// What was checked.
    pub path: PathBuf,
    /// The version of precast that packed it.
    pub precast: String,
    /// Every check, in the order in which they were made.
    pub checks: Vec<Check>,
}

/// What to check beside what every verdict has.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Compile the sources again, and compare the module.
    pub rebuild: bool,
    /// Use only what cargo has downloaded before.
    pub offline: bool,
    /// Compile the shim with the active rustc, and read which macros the library exports.
    pub built: bool,
    /// Make the runtime's compiled files again from its sources, with the rustc that they name.
    pub runtime: bool,
}

impl Verdict {
    fn unreadable(path: PathBuf, error: &Error) -> Verdict {
        let checks = vec![Check::new("the file can be read", vec![error.to_string()])];
        Verdict { path, precast: env!("CARGO_PKG_VERSION").to_owned(), checks }
    }

    /// How many differences all checks found; none means that all holds.
    pub fn n_differences(&self) -> usize {
        self.checks.iter().map(|check| check.differences.len()).sum()
    }
}

/// Checks the artifact's file, the shim's directory or its `.crate` file. An error means that there
/// is nothing to check; everything else is in the verdict.
pub fn verify(path: &Path) -> Result<Verdict> {
    Ok(one(path)?.verdict)
}

/// Checks what `path` names, or every artifact and shim directly inside that directory.
pub fn all(path: &Path, options: Options, report: &dyn Report) -> Result<Vec<Verdict>> {
    each(&[path.to_owned()], options, report)
}

/// The same for several paths. Where there is more than one thing to check, what is damaged beyond
/// reading is a verdict as well, and the rest is checked all the same.
pub fn each(paths: &[PathBuf], options: Options, report: &dyn Report) -> Result<Vec<Verdict>> {
    // Crates that several modules have in common are compiled once.
    let shared = if options.rebuild { Some(Scratch::new()?) } else { None };
    let mut verdicts = Vec::new();
    // An artifact and its shim stand side by side: one rebuild is for both.
    let mut last: Option<(Artifact, Vec<Check>)> = None;
    let mut runtime = Runtime::default();
    let mut inside = Vec::new();
    for path in paths {
        inside.extend(found(path)?);
    }
    let is_alone = inside.len() == 1;
    for path in inside {
        report.step(&format!("Checking {}", path.display()));
        let Read { artifact, files, mut verdict } = match one(&path) {
            Err(error) if error.class() == Class::Verify && !is_alone => {
                verdicts.push(Verdict::unreadable(path, &error));
                continue;
            }
            read => read?,
        };
        if let Some(shared) = &shared {
            let checks = match last.take() {
                Some((other, checks)) if other == artifact => checks,
                _ => rebuild::checks(&artifact, shared.path(), options.offline, report)
                    .context(format!("cannot rebuild {}", path.display()))?,
            };
            remembered::note(&artifact, &checks)?;
            verdict.checks.extend(checks.clone());
            last = Some((artifact.clone(), checks));
        }
        if options.built {
            report.step(&format!("compiling {}", path.display()));
            verdict.checks.push(built::check(&artifact, files.as_ref())?);
        }
        if options.runtime {
            report
                .step(&format!("making the runtime's compiled files of {} again", path.display()));
            verdict.checks.push(runtime.check(&artifact, files.as_ref())?);
        }
        verdicts.push(verdict);
    }
    Ok(verdicts)
}

/// The path itself, or what a vendor folder holds.
fn found(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() || path.join(input::MANIFEST).is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut inside = Vec::new();
    for entry in std::fs::read_dir(path).at("read", path)? {
        let entry = entry.at("read", path)?.path();
        let is_artifact = entry.is_file() && entry.extension().is_some_and(|e| e == "precast");
        if is_artifact || entry.join(input::MANIFEST).is_file() {
            inside.push(entry);
        }
    }
    inside.sort_unstable();
    match inside.is_empty() {
        false => Ok(inside),
        true => Err(input::unknown(path)),
    }
}

/// The runtime's compiled files; most shims have the same, which are made once.
#[derive(Default)]
struct Runtime(Option<(Tree, Check)>);

impl Runtime {
    fn check(&mut self, artifact: &Artifact, files: Option<&Tree>) -> Result<Check> {
        let files = match files {
            Some(files) => files.clone(),
            None => embed::embed(artifact)?,
        };
        let is_ours = |path: &String| path.starts_with(machine::FOLDER);
        let files: Tree = files.into_iter().filter(|(path, _)| is_ours(path)).collect();
        if let Some((_, check)) = self.0.as_ref().filter(|(known, _)| *known == files) {
            return Ok(check.clone());
        }
        let check = machine::check(&files)?;
        self.0 = Some((files, check.clone()));
        Ok(check)
    }
}

struct Read {
    artifact: Artifact,
    /// Of a shim.
    files: Option<Tree>,
    verdict: Verdict,
}

fn one(path: &Path) -> Result<Read> {
    let (artifact, files) = match input::read(path)? {
        Input::Artifact(artifact) => (*artifact, None),
        Input::Shim(files) => {
            let artifact = embed::extract(&files)
                .map_err(|error| error.context(path.display().to_string()))?;
            (artifact, Some(files))
        }
    };
    let mut checks = parts(&artifact)?;
    if let Some(files) = &files {
        let granted =
            embed::granted(files).map_err(|error| error.context(path.display().to_string()))?;
        let differences = shim::differences(&artifact, &granted, files)?;
        let notes = shim::notes(&granted);
        checks.push(Check { what: "the crate is what this precast embeds", differences, notes });
    }
    let precast = artifact.manifest.precast.clone();
    let verdict = Verdict { path: path.to_owned(), precast, checks };
    Ok(Read { artifact, files, verdict })
}

fn parts(artifact: &Artifact) -> Result<Vec<Check>> {
    let mut checks = vec![Check::new("every part has the hash in the manifest", hashes(artifact)?)];
    checks.push(licenses::check(artifact)?);
    for set in artifact.each_set() {
        let name = match artifact.sets.is_empty() {
            true => String::new(),
            false => format!("features {:?}: ", set.manifest.features.join(",")),
        };
        for mut check in modules(&set)? {
            for text in check.differences.iter_mut().chain(&mut check.notes) {
                text.insert_str(0, &name);
            }
            match checks.iter_mut().find(|known| known.what == check.what) {
                Some(known) => {
                    known.differences.extend(check.differences);
                    known.notes.extend(check.notes);
                }
                None => checks.push(check),
            }
        }
    }
    Ok(checks)
}

/// Checks of one feature set's module.
fn modules(artifact: &Artifact) -> Result<Vec<Check>> {
    let mut checks = vec![Check::new("the module is valid wasm", module::invalid(&artifact.wasm))];
    if checks[0].differences.is_empty() {
        let facts = module::read(&artifact.wasm)?;
        let macros = &artifact.manifest.macros;
        let imports = facts.forbidden_imports();
        checks.push(Check::new("the module imports only what the runtime grants", imports));
        let macros = facts.wrong_macros(macros);
        checks.push(Check::new("the module exports the macros in the manifest", macros));
    }
    let (differences, notes) = image::compare(artifact);
    let what = "the image is what this precast lowers the module to";
    checks.push(Check { what, differences, notes });
    Ok(checks)
}

fn hashes(artifact: &Artifact) -> Result<Vec<String>> {
    let damaged = artifact.damaged()?.into_iter();
    Ok(damaged.map(|part| format!("{part} does not have its SHA-256")).collect())
}
