//! The two packages, and whether they can become one.

use crate::base::cargo;
use crate::base::error::{Class, Context, Error, Result};
use crate::project::same_package::Target as Macros;
use cargo_metadata::{Dependency, DependencyKind, Metadata, Package, Target, TargetKind};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use toml_edit::DocumentMut;

/// A package as cargo reads it and as it is written.
pub struct Side {
    pub directory: PathBuf,
    pub workspace: PathBuf,
    pub manifest: DocumentMut,
    pub package: Package,
}

/// How the library names the macros' package.
#[derive(Default)]
pub struct Uses {
    /// Keys in its tables of dependencies.
    pub keys: BTreeSet<String>,
    pub normal: Option<Dependency>,
}

impl Side {
    pub fn of(directory: &Path) -> Result<Side> {
        let file = directory.join("Cargo.toml");
        if !file.is_file() {
            let message = format!("there is no package in {}", directory.display());
            return Err(Error::new(Class::Usage, message));
        }
        let directory = dunce::canonicalize(directory).at("find", directory)?;
        let mut command = cargo::command(&directory);
        command.args(["metadata", "--format-version", "1", "--no-deps"]);
        let output = cargo::run(command, |_| {})?;
        if !output.success {
            let what = format!("cargo cannot read the package in {}", directory.display());
            return Err(cargo::failure(&what, &output.stderr));
        }
        let metadata: Metadata = serde_json::from_str(&output.stdout)
            .context("cannot read what cargo metadata wrote")?;
        let is_this = |package: &&Package| {
            let folder = package.manifest_path.parent().map(|folder| folder.as_std_path());
            folder.and_then(|folder| dunce::canonicalize(folder).ok()).as_ref() == Some(&directory)
        };
        let package = metadata.packages.iter().find(is_this).cloned().ok_or_else(|| {
            let message = format!("{} is a workspace without a package", directory.display());
            Error::new(Class::Usage, message).help("name the package's directory")
        })?;
        let file = directory.join("Cargo.toml");
        let text = std::fs::read_to_string(&file).at("read", &file)?;
        let manifest = text.parse().class(Class::Usage, format!("cannot read {}", file.display()));
        let workspace = metadata.workspace_root.into_std_path_buf();
        Ok(Side { directory, workspace, manifest: manifest?, package })
    }

    pub fn name(&self) -> &str {
        self.package.name.as_str()
    }

    /// The library's target.
    pub fn library(&self) -> Option<&Target> {
        self.package.targets.iter().find(|target| target.is_lib() || is_macros(target))
    }

    /// The name of the library in code.
    pub fn crate_name(&self) -> String {
        self.library().map_or_else(String::new, |target| target.name.replace('-', "_"))
    }

    /// A path of cargo's, relative to the package.
    pub fn inside(&self, path: &Path) -> Option<String> {
        let path = dunce::canonicalize(path).ok()?;
        let path = path.strip_prefix(&self.directory).ok()?;
        Some(path.to_string_lossy().replace('\\', "/"))
    }

    /// The library's root file, relative to the package.
    pub fn root(&self) -> Option<String> {
        self.inside(self.library()?.src_path.as_std_path())
    }

    /// How this package depends on another.
    pub fn uses(&self, name: &str) -> Uses {
        let mut uses = Uses::default();
        for dependency in self.package.dependencies.iter().filter(|found| found.name == name) {
            uses.keys.insert(dependency.rename.clone().unwrap_or_else(|| name.to_owned()));
            // Where nothing is ever compiled, as `serde` does it, only versions are kept in step.
            let is_never = |dependency: &Dependency| {
                dependency.target.as_ref().is_some_and(|target| target.to_string() == "cfg(any())")
            };
            if dependency.kind == DependencyKind::Normal && !is_never(dependency) {
                uses.normal.get_or_insert_with(|| dependency.clone());
            }
        }
        uses
    }
}

fn is_macros(target: &Target) -> bool {
    target.kind.contains(&TargetKind::ProcMacro)
}

/// Two packages that can become one.
pub fn check(library: &Side, macros: &Side) -> Result<()> {
    let unfit =
        |side: &Side, what: &str| Error::new(Class::Usage, format!("{} {what}", side.name()));
    if !macros.library().is_some_and(is_macros) {
        let error = unfit(macros, "is no package of procedural macros");
        return Err(
            error.help("--from names the directory of the package with `proc-macro = true`")
        );
    }
    if !library.library().is_some_and(|target| !is_macros(target)) {
        let error = unfit(library, "has no library that could have macros of its own");
        return Err(error.help("run this for the package whose users use the macros"));
    }
    let folder = library.directory.join("proc-macro");
    if Macros::of(&library.directory)?.is_some() || folder.exists() {
        let error = unfit(library, &format!("has macros already, in {}", folder.display()));
        return Err(error.help("move or rename this folder"));
    }
    let has =
        |kind: TargetKind| macros.package.targets.iter().any(|target| target.kind.contains(&kind));
    if has(TargetKind::CustomBuild) {
        let error = unfit(macros, "has a build script");
        return Err(error.help(
            "its macros would be packed without it: do its work in the macros' source first",
        ));
    }
    if has(TargetKind::Bin) {
        let error = unfit(macros, "has programs");
        return Err(error.help("move them to a package of their own first"));
    }
    for side in [library, macros] {
        if side.root().is_none_or(|root| !root.contains('/')) {
            let error = unfit(side, "has its source in no folder of its own");
            return Err(error.help("move it to src/ first"));
        }
    }
    if library.package.edition != macros.package.edition {
        let message = format!(
            "{} has the edition {}, and {} the edition {}",
            library.name(),
            library.package.edition,
            macros.name(),
            macros.package.edition
        );
        let error = Error::new(Class::Usage, message);
        return Err(error
            .help("one package has one: bring both to the same, as with `cargo fix --edition`"));
    }
    if macros.uses(library.name()).normal.is_some() {
        let error = unfit(macros, &format!("depends on {}", library.name()));
        return Err(error.help("macros are compiled before the library of their package"));
    }
    Ok(())
}

/// Files are moved only where version control has them.
pub fn check_is_clean(sides: [&Side; 2], allow_dirty: bool, allow_no_vcs: bool) -> Result<()> {
    for side in sides {
        let git = |arguments: &[&str]| {
            let mut command = Command::new("git");
            command.arg("-C").arg(&side.directory).args(arguments).output().ok()
        };
        let status = git(&["status", "--porcelain", "--untracked-files=all", "--", "."]);
        let status = status.filter(|output| output.status.success());
        // What git ignores, it does not keep.
        let is_ignored =
            git(&["check-ignore", "-q", "."]).is_some_and(|output| output.status.success());
        let Some(status) = status.filter(|_| !is_ignored) else {
            if allow_no_vcs {
                continue;
            }
            let message = format!("git does not keep {}", side.directory.display());
            let error = Error::new(Class::Usage, message);
            return Err(error
                .help("files are moved and changed: commit them first, or pass --allow-no-vcs"));
        };
        let text = String::from_utf8_lossy(&status.stdout);
        if let Some(line) = text.lines().next().filter(|_| !allow_dirty) {
            let file = line.get(3..).unwrap_or(line);
            let message = format!("{} has changes that are not committed: {file}", side.name());
            let error = Error::new(Class::Usage, message);
            return Err(error.help("commit or stash them first, or pass --allow-dirty"));
        }
    }
    Ok(())
}
