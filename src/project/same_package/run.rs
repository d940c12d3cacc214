//! Cargo's commands for the target alone, and for it beside the package's others.

use super::doctests;
use super::native::{self, Nested};
use super::packed::{self, State};
use super::target::Target;
use crate::base::cargo;
use crate::base::error::{Class, Context, Error, Result};
use crate::base::files;
use crate::base::scratch::Scratch;
use crate::project::{lazy, script, Request};
use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use toml_edit::Item;

/// Commands that have the option, and whether each has the target without being asked.
const COMMANDS: [(&str, bool); 6] = [
    ("build", false),
    ("check", false),
    ("test", true),
    ("bench", true),
    ("clippy", false),
    ("doc", true),
];

/// Options that choose some of a package's targets.
const CHOICES: [&str; 10] = [
    "--lib",
    "--bin",
    "--bins",
    "--example",
    "--examples",
    "--test",
    "--tests",
    "--bench",
    "--benches",
    "--doc",
];

/// Options of packages and features, with a value each, and without.
const VALUED: [&str; 8] = [
    "-p",
    "--package",
    "--exclude",
    "-F",
    "--features",
    "--manifest-path",
    "--target-dir",
    "--target",
];
/// Macros are the host's, and have a lock file of their own.
const FLAGS: [&str; 5] =
    ["--workspace", "--all", "--all-features", "--no-default-features", "--locked"];

/// A command for the macros of some packages.
pub struct Run {
    command: String,
    /// What is left for cargo.
    arguments: Vec<OsString>,
    /// What chooses features and places.
    chosen: Vec<OsString>,
    targets: Vec<(Target, Vec<String>)>,
    target_dir: PathBuf,
}

/// Whether the target is asked for alone, beside others, or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Alone,
    Also,
    No,
}

/// What a command line says of the target.
pub fn asked(command: &str, arguments: &[OsString]) -> Result<Asked> {
    let words =
        || arguments.iter().take_while(|word| *word != "--").map(|word| word.to_string_lossy());
    let has = |name: &str| words().any(|word| word == name);
    let known = COMMANDS.iter().find(|(known, _)| *known == command);
    if has("--proc-macro") {
        let Some(_) = known else {
            let names: Vec<&str> = COMMANDS.iter().map(|(name, _)| *name).collect();
            let error =
                Error::new(Class::Usage, format!("`{command}` has no option `--proc-macro`"));
            return Err(error.help(format!("{} have it", names.join(", "))));
        };
        return Ok(Asked::Alone);
    }
    let is_chosen = words().any(|word| CHOICES.contains(&word.split('=').next().unwrap_or(&word)));
    // Behind its options, `test` and `bench` take the name of a test, which may be none of the macros'.
    let is_usual = known.is_some_and(|(_, is_usual)| *is_usual) && !is_chosen;
    Ok(match known.is_some() && has("--all-targets") || is_usual {
        true => Asked::Also,
        false => Asked::No,
    })
}

impl Run {
    /// For the packages that the arguments name. With `is_alone` there must be macros.
    pub fn new(
        request: &Request,
        command: &str,
        arguments: &[OsString],
        is_alone: bool,
    ) -> Result<Run> {
        let chosen = Chosen::of(arguments);
        let output = cargo::run(request.metadata(&["--no-deps"]), |_| {})?;
        if !output.success {
            return Err(cargo::failure("cargo finds no package", &output.stderr));
        }
        let metadata: Value = serde_json::from_str(&output.stdout)
            .context("cannot read what cargo metadata wrote")?;
        let is_default = |package: &Value| {
            let members = metadata["workspace_default_members"].as_array();
            members.is_none_or(|members| members.contains(&package["id"]))
        };
        let mut targets = Vec::new();
        for package in metadata["packages"].as_array().into_iter().flatten() {
            let name = package["name"].as_str().unwrap_or_default();
            let manifest = PathBuf::from(package["manifest_path"].as_str().unwrap_or_default());
            let is_here = || {
                is_of(&manifest, request) || is_default(package) && !is_inside(&metadata, request)
            };
            if chosen.takes(name, is_here) {
                let target = manifest.parent().map_or(Ok(None), Target::of)?;
                targets.extend(target.map(|target| {
                    let features = chosen.features(&target);
                    (target, features)
                }));
            }
        }
        if is_alone && targets.is_empty() {
            let error = Error::new(Class::Usage, "no package that is chosen has macros of its own");
            return Err(error.help("their source is proc-macro/lib.rs, beside src/"));
        }
        targets.retain(|(target, features)| {
            is_alone || target.is_enabled(features) && is_on(target, command)
        });
        let target_dir = request.target_dir.clone();
        let target_dir = target_dir
            .or_else(|| metadata["target_directory"].as_str().map(PathBuf::from))
            .ok_or_else(|| Error::new(Class::Other, "cargo names no target directory"))?;
        Ok(Run {
            command: command.to_owned(),
            arguments: chosen.rest,
            chosen: chosen.kept,
            targets,
            target_dir,
        })
    }

    /// The targets, each with the features that are enabled for its package.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.targets.iter().map(|(target, _)| target)
    }

    /// The arguments that choose features and places.
    pub fn chosen(&self) -> impl Iterator<Item = OsString> + '_ {
        self.chosen.iter().cloned()
    }

    /// Packages whose build scripts must have run before.
    pub fn lacking(&self) -> Result<Vec<&str>> {
        let mut names = Vec::new();
        for target in self.targets() {
            if native::lacks_script(target, &self.target_dir)? {
                names.push(target.package.as_str());
            }
        }
        Ok(names)
    }

    /// Cargo's commands for each.
    pub fn commands(&self) -> Result<Vec<(&Target, Command)>> {
        let mut all = Vec::new();
        for (target, features) in &self.targets {
            let nested = Nested::new(target, features, &self.target_dir)?;
            if self.command != "test" || target.test {
                let mut cargo = nested.cargo(&self.command, target)?;
                if self.command == "doc" && !self.arguments.iter().any(|word| word == "--no-deps") {
                    cargo.arg("--no-deps");
                }
                all.push((target, with(cargo, &self.arguments)));
            }
            if self.command == "test" && target.doctest {
                all.extend(
                    self.examples((target, features), &nested)?.map(|cargo| (target, cargo)),
                );
            }
        }
        Ok(all)
    }

    /// Cargo's command for the examples in the documentation.
    fn examples(
        &self,
        (target, features): (&Target, &[String]),
        nested: &Nested,
    ) -> Result<Option<Command>> {
        if self.arguments.iter().any(|word| word == "--no-run") {
            return Ok(None);
        }
        let Some(examples) = doctests::write(target, nested, features)? else { return Ok(None) };
        // What the library asks for is built meanwhile, in the other place.
        let place = if examples.uses_library { &examples.folder } else { &nested.folder };
        let mut cargo = nested.cargo_of("test", &examples.folder, place, target)?;
        cargo.arg("--doc").env(script::LAZY, lazy::ON);
        Ok(Some(with(cargo, &self.arguments)))
    }

    /// After `doc`: puts the documentation beside the workspace's. Its first page.
    pub fn put_documentation(&self, target: &Target) -> Result<PathBuf> {
        let features = self.targets.iter().find(|one| one.0.directory == target.directory);
        let features = features.map(|one| one.1.as_slice()).unwrap_or_default();
        let nested = Nested::new(target, features, &self.target_dir)?;
        let place = self.target_dir.join("doc").join(target.documented());
        let scratch = Scratch::beside(&place)?;
        let new = scratch.path().join("new");
        for (path, body) in files::read_published(&nested.folder.join("target/doc"))? {
            files::put(&new.join(path), &body)?;
        }
        // A crate's name has no dot: rustdoc's own folder is one below.
        let page = format!(
            "<!doctype html><meta charset=\"utf-8\"><title>{0}</title>\
             <meta http-equiv=\"refresh\" content=\"0; url={1}/index.html\"><a href=\"{1}/index.html\">{0}</a>\n",
            target.documented(),
            target.name
        );
        files::put(&new.join("index.html"), page.as_bytes())?;
        if place.exists() {
            std::fs::rename(&place, scratch.path().join("old")).at("replace", &place)?;
        }
        std::fs::rename(&new, &place).at("create", &place)?;
        Ok(place.join("index.html"))
    }

    /// What is to be said of the committed files: for each package, why they are not used.
    pub fn stale(&self) -> Result<Vec<String>> {
        let mut said = Vec::new();
        for target in self.targets() {
            let text = match packed::state(target)? {
                State::Fresh => {
                    let left = packed::left_out(target)?;
                    let Some(first) = left.first() else { continue };
                    format!("{first} would not be in the `.crate` of {}", target.package)
                }
                // A package that uses precast alone has none.
                State::Missing if !packed::is_called(target) => continue,
                State::Missing => format!("the macros of {} are not packed", target.package),
                State::Stale(differences) => format!(
                    "the packed macros of {} are stale: {} differs",
                    target.package,
                    differences.join(", ")
                ),
            };
            said.push(text);
        }
        Ok(said)
    }
}

fn with(mut cargo: Command, arguments: &[OsString]) -> Command {
    cargo.args(arguments);
    cargo
}

fn is_on(target: &Target, command: &str) -> bool {
    match command {
        "test" => target.test || target.doctest,
        "bench" => target.bench,
        "doc" => target.doc,
        _ => true,
    }
}

/// Whether cargo runs in this package.
fn is_of(manifest: &Path, request: &Request) -> bool {
    let folder = manifest.parent();
    folder.is_some() && folder == nearest(&request.place()).as_deref()
}

/// Whether cargo runs in one of the packages, and not only in the workspace.
fn is_inside(metadata: &Value, request: &Request) -> bool {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    packages.into_iter().any(|package| {
        is_of(Path::new(package["manifest_path"].as_str().unwrap_or_default()), request)
    })
}

/// The directory of the manifest that cargo finds from a directory.
fn nearest(directory: &Path) -> Option<PathBuf> {
    directory.ancestors().find(|folder| folder.join("Cargo.toml").is_file()).map(Path::to_owned)
}

/// What a command line says of packages and features.
#[derive(Default)]
struct Chosen {
    packages: Vec<String>,
    excluded: Vec<String>,
    features: Vec<String>,
    is_workspace: bool,
    is_all: bool,
    is_bare: bool,
    kept: Vec<OsString>,
    rest: Vec<OsString>,
}

impl Chosen {
    fn of(arguments: &[OsString]) -> Chosen {
        let mut chosen = Chosen::default();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let text = word.to_string_lossy();
            if text == "--" {
                chosen.rest.push(word.clone());
                chosen.rest.extend(words.cloned());
                break;
            }
            let (name, attached) = match text.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (text.to_string(), None),
            };
            if VALUED.contains(&name.as_str()) {
                let value = attached
                    .or_else(|| words.next().map(|word| word.to_string_lossy().into_owned()));
                let value = value.unwrap_or_default();
                if !["-p", "--package", "--exclude"].contains(&name.as_str()) {
                    chosen.kept.extend([OsString::from(&name), OsString::from(&value)]);
                }
                chosen.add(&name, &value);
            } else if FLAGS.contains(&name.as_str()) {
                chosen.is_workspace |= name == "--workspace" || name == "--all";
                chosen.is_all |= name == "--all-features";
                chosen.is_bare |= name == "--no-default-features";
                if name != "--workspace" && name != "--all" {
                    chosen.kept.push(word.clone());
                }
            } else if name == "--frozen" {
                chosen.rest.push("--offline".into());
            } else if name != "--proc-macro" && name != "--all-targets" {
                chosen.rest.push(word.clone());
            }
        }
        chosen
    }

    fn add(&mut self, name: &str, value: &str) {
        match name {
            "-p" | "--package" => self.packages.push(value.to_owned()),
            "--exclude" => self.excluded.push(value.to_owned()),
            "-F" | "--features" => {
                let names = value.split([',', ' ']).filter(|name| !name.is_empty());
                self.features.extend(names.map(str::to_owned));
            }
            _ => {}
        }
    }

    fn takes(&self, name: &str, is_here: impl Fn() -> bool) -> bool {
        let is_named =
            |list: &[String]| list.iter().any(|spec| spec.split(['@', ':']).next() == Some(name));
        match self.packages.is_empty() {
            _ if is_named(&self.excluded) => false,
            false => is_named(&self.packages),
            true => self.is_workspace || is_here(),
        }
    }

    /// The features that are enabled for a package, as cargo resolves them.
    fn features(&self, target: &Target) -> Vec<String> {
        let table = target.manifest.get("features").and_then(Item::as_table_like);
        let mut open: Vec<String> = Vec::new();
        if !self.is_bare {
            open.push("default".into());
        }
        if self.is_all {
            open.extend(
                table.into_iter().flat_map(|table| table.iter()).map(|(name, _)| name.to_owned()),
            );
        }
        open.extend(self.features.iter().filter_map(|name| match name.split_once('/') {
            Some((package, feature)) => (package == target.package).then(|| feature.to_owned()),
            None => Some(name.clone()),
        }));
        let mut found = BTreeSet::new();
        while let Some(name) = open.pop() {
            let enables = table.and_then(|table| table.get(&name)).and_then(Item::as_array);
            if found.insert(name) {
                let names = enables.into_iter().flatten().filter_map(|item| item.as_str());
                open.extend(names.map(|name| name.strip_prefix("dep:").unwrap_or(name).to_owned()));
            }
        }
        found.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn who_is_asked() {
        let check = |command: &str, line: &str| asked(command, &words(line)).unwrap();
        assert_eq!(check("build", "--proc-macro"), Asked::Alone);
        assert_eq!(check("build", "--all-targets"), Asked::Also);
        assert_eq!(check("build", ""), Asked::No);
        assert_eq!(check("test", ""), Asked::Also);
        assert_eq!(check("test", "--lib"), Asked::No);
        assert_eq!(check("test", "--test=it"), Asked::No);
        assert_eq!(check("test", "-- --proc-macro"), Asked::Also);
        assert_eq!(check("run", ""), Asked::No);
        assert!(asked("run", &words("--proc-macro")).unwrap_err().to_string().contains("`run`"));
    }

    #[test]
    fn what_is_chosen() {
        let chosen = Chosen::of(&words("--proc-macro -p a@1.0 -F x,y --release -- --all-features"));
        assert_eq!(chosen.packages, ["a@1.0"]);
        assert_eq!(chosen.features, ["x", "y"]);
        assert_eq!(chosen.rest, words("--release -- --all-features"));
        assert!(chosen.takes("a", || false) && !chosen.takes("b", || true) && !chosen.is_all);
        assert!(Chosen::of(&words("--workspace --exclude=b")).takes("a", || false));
        assert!(!Chosen::of(&words("--workspace --exclude=b")).takes("b", || true));
    }
}
