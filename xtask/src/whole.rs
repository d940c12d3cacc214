//! `cargo xtask whole`: published packages without any macro crate. Each package, and each of its dependencies that uses or
//! re-exports macros, is expanded as a whole; what is left names no macro crate, builds, and passes the same tests.

use crate::apps::sources::{copy, prepare};
use crate::run::{capture, cargo, cargo_precast, clear, precast, read, scratch, write, Result};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use toml_edit::{value, Array, DocumentMut, Item, TableLike};

/// Libraries with the lock files that they were published with, and what cargo is told: the first has 7,900 lines with
/// serde, clap and thiserror, and without its default features wants no other assembler.
const PUBLISHED: [(&str, &[&str]); 1] =
    [("av-scenechange@0.14.1", &["--no-default-features", "--features=binary,serialize"])];

pub fn whole(only: &[&str]) -> Result {
    let precast = cargo_precast()?;
    let mut done = 0;
    let (names, features): (Vec<&str>, Vec<&str>) =
        only.iter().partition(|word| !word.starts_with('-'));
    for (name, features) in PUBLISHED {
        let short = name.split('@').next().expect("a split has a part");
        if names.is_empty() || names.contains(&short) {
            println!("{name}: {}", Project::new(name, features, &precast)?.run()?);
            done += 1;
        }
    }
    // Another one of the registry, for whoever asks.
    for name in names.iter().filter(|name| name.contains('@')) {
        println!("{name}: {}", Project::new(name, &features, &precast)?.run()?);
        done += 1;
    }
    match done {
        0 => Err(format!("no such package; there are {PUBLISHED:?}, and NAME@VERSION")),
        _ => Ok(()),
    }
}

struct Project<'a> {
    precast: PathBuf,
    features: &'a [&'a str],
    /// As it was published.
    original: PathBuf,
    /// Without macros.
    result: PathBuf,
    target: PathBuf,
}

/// A package of the graph.
struct Package {
    name: String,
    version: String,
    directory: PathBuf,
    /// Its macro packages, by their own names.
    macros: BTreeSet<String>,
    /// The other packages that it depends on.
    libraries: BTreeSet<String>,
}

impl<'a> Project<'a> {
    fn new(name: &str, features: &'a [&'a str], precast: &Path) -> Result<Self> {
        let place = scratch("whole").join(name.replace('@', "-"));
        clear(&place)?;
        let (original, result) = (place.join("original"), place.join("result"));
        prepare(name, &original)?;
        let target = scratch("whole").join("target").join(name.replace('@', "-"));
        let precast = precast.to_owned();
        Ok(Project { precast, features, original, result, target })
    }

    fn run(&self) -> Result<String> {
        let mut pack = self.precast(&self.original)?;
        // The libraries that only tests use as well.
        pack.args(["test", "--lib", "--no-run", "--missing", "pack"]).args(self.features);
        capture(&mut pack)?;
        let packages = self.packages(&self.original)?;
        copy(&self.original, &self.result)?;
        let mut patches = String::from("\n[patch.crates-io]\n");
        let mut n_patched = 0;
        let with_macros = packages.iter().filter(|package| !package.macros.is_empty());
        let with_macros: BTreeSet<&String> = with_macros.map(|package| &package.name).collect();
        // Macros are used by whoever depends on them, or on a library that re-exports them.
        let uses = |package: &&Package| {
            let mut libraries = package.libraries.iter();
            !package.macros.is_empty() || libraries.any(|name| with_macros.contains(name))
        };
        for package in packages.iter().skip(1).filter(uses) {
            let place = format!("../{}-{}", package.name, package.version);
            self.dependency(package, &self.result.join(&place))?;
            patches += &format!("{} = {{ path = {place:?} }}\n", package.name);
            n_patched += 1;
        }
        let all: BTreeSet<String> =
            packages.iter().flat_map(|package| package.macros.clone()).collect();
        let manifest = self.result.join("Cargo.toml");
        let text = without_macros(&read(&manifest)?, &all)?;
        write(&manifest, &(text + &patches))?;
        let expected = self.tests(&self.original, self.precast(&self.original)?)?;
        let mut found = Vec::new();
        for cfg in [&[][..], &["--cfg", "test"]] {
            self.expand(&["--crate", "src/lib.rs"], cfg, &self.result.join("src"))?;
            let mut cargo = self.cargo(&self.result);
            match cfg {
                [] => drop(capture(cargo.args(["check", "--lib"]).args(self.features))?),
                _ => found = self.tests(&self.result, cargo)?,
            }
        }
        let left: Vec<String> = self
            .packages(&self.result)?
            .iter()
            .flat_map(|package| package.macros.clone())
            .collect();
        if !left.is_empty() {
            return Err(format!("macro crates are left: {}", left.join(", ")));
        }
        if expected != found || expected.is_empty() {
            return Err(format!("tests differ: {expected:?}\n{found:?}"));
        }
        clear(&self.target)?;
        Ok(format!(
            "{} lines and {n_patched} dependencies expanded, {} macro crates gone, {} tests are the same",
            lines(&self.original.join("src"))?,
            all.len(),
            expected.len()
        ))
    }

    /// Expands a library that has macros, and takes them out of its manifest.
    fn dependency(&self, package: &Package, place: &Path) -> Result {
        copy(&package.directory, place)?;
        let manifest = place.join("Cargo.toml");
        write(&manifest, &without_macros(&read(&manifest)?, &package.macros)?)?;
        let spec = format!("{}@{}", package.name, package.version);
        self.expand(&["--package", &spec], &[], &place.join("src"))
    }

    fn expand(&self, what: &[&str], cfg: &[&str], out: &Path) -> Result {
        let mut expand = self.precast(&self.original)?;
        expand.args(["expand"]).args(what).args(cfg).args(self.features).arg("-o").arg(out);
        capture(&mut expand).map(drop)
    }

    fn tests(&self, place: &Path, mut command: Command) -> Result<Vec<String>> {
        command.current_dir(place);
        let output = capture(command.args(["test", "--lib"]).args(self.features))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut lines: Vec<String> =
            text.lines().filter(|line| line.contains(" ... ")).map(str::to_owned).collect();
        lines.sort();
        Ok(lines)
    }

    fn cargo(&self, place: &Path) -> Command {
        let mut cargo = cargo();
        cargo.current_dir(place).env("CARGO_TARGET_DIR", &self.target);
        // A library that was published may deny what newer compilers warn of; in a directory, cargo would let it.
        cargo.env("RUSTFLAGS", "--cap-lints=warn");
        cargo
    }

    fn precast(&self, place: &Path) -> Result<Command> {
        precast(self.cargo(place), &self.precast)
    }

    /// What is built for this machine: the package itself, then its dependencies.
    fn packages(&self, place: &Path) -> Result<Vec<Package>> {
        let host = capture(Command::new("rustc").arg("-vV"))?;
        let host = String::from_utf8_lossy(&host.stdout).into_owned();
        let host = host.lines().find_map(|line| line.strip_prefix("host: ")).ok_or("no host")?;
        let mut metadata = self.cargo(place);
        metadata
            .args(["metadata", "--format-version", "1", "--filter-platform", host])
            .args(self.features);
        let output = capture(&mut metadata)?;
        let value: Value = serde_json::from_slice(&output.stdout).map_err(|e| e.to_string())?;
        let packages: Vec<&Value> = value["packages"].as_array().into_iter().flatten().collect();
        let nodes: Vec<&Value> =
            value["resolve"]["nodes"].as_array().into_iter().flatten().collect();
        let find = |id: &Value| packages.iter().find(|package| package["id"] == *id);
        let is_macro = |package: &Value| {
            let targets = package["targets"].as_array().into_iter().flatten();
            targets
                .flat_map(|target| target["kind"].as_array().into_iter().flatten())
                .any(|kind| kind == "proc-macro")
        };
        let mut open = vec![&value["resolve"]["root"]];
        let mut seen: Vec<&Value> = Vec::new();
        let mut found = Vec::new();
        while let Some(id) = open.pop() {
            if seen.contains(&id) {
                continue;
            }
            seen.push(id);
            let package = *find(id).ok_or("a node without a package")?;
            let node =
                nodes.iter().find(|node| node["id"] == *id).ok_or("a package without a node")?;
            let (mut macros, mut libraries) = (BTreeSet::new(), BTreeSet::new());
            for dependency in node["deps"].as_array().into_iter().flatten() {
                let kinds = dependency["dep_kinds"].as_array().into_iter().flatten();
                // A build script's macros run where cargo builds.
                if !kinds.clone().any(|kind| kind["kind"].is_null()) {
                    continue;
                }
                let other = *find(&dependency["pkg"]).ok_or("a dependency without a package")?;
                match is_macro(other) {
                    true => drop(macros.insert(text(other, "name"))),
                    false => {
                        libraries.insert(text(other, "name"));
                        open.push(&dependency["pkg"]);
                    }
                }
            }
            let directory = PathBuf::from(text(package, "manifest_path"));
            found.push(Package {
                name: text(package, "name"),
                version: text(package, "version"),
                directory: directory.parent().unwrap_or(place).to_owned(),
                macros,
                libraries,
            });
        }
        Ok(found)
    }
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

fn lines(folder: &Path) -> Result<usize> {
    let files = crate::apps::sources::files(folder)?;
    let sources = files.iter().filter(|(path, _)| path.extension().is_some_and(|e| e == "rs"));
    let texts = sources.map(|(_, bytes)| String::from_utf8_lossy(bytes).lines().count());
    Ok(texts.sum())
}

/// A manifest that names none of these packages: no dependency, and no feature that enables one.
fn without_macros(text: &str, macros: &BTreeSet<String>) -> Result<String> {
    let mut manifest: DocumentMut =
        text.parse().map_err(|e: toml_edit::TomlError| e.to_string())?;
    let mut gone = BTreeSet::new();
    take(manifest.as_table_mut(), macros, &mut gone);
    if let Some(targets) = manifest.get_mut("target").and_then(Item::as_table_like_mut) {
        for (_, target) in targets.iter_mut() {
            if let Some(target) = target.as_table_like_mut() {
                take(target, macros, &mut gone);
            }
        }
    }
    let features = manifest.entry("features").or_insert(toml_edit::table());
    if let Some(features) = features.as_table_like_mut() {
        for (_, list) in features.iter_mut() {
            let Some(names) = list.as_array() else { continue };
            let is_left = |name: &&toml_edit::Value| {
                let name = name.as_str().unwrap_or_default();
                let of = name.trim_start_matches("dep:").split(['/', '?']).next().unwrap_or(name);
                of == name && !name.starts_with("dep:") || !gone.contains(of)
            };
            let kept: Array = names.iter().filter(is_left).cloned().collect();
            *list = value(kept);
        }
        // The name of an optional dependency is that of a feature, unless another one names it.
        for name in &gone {
            if !features.contains_key(name) {
                features.insert(name, value(Array::new()));
            }
        }
    }
    // Examples and the like are not what is expanded.
    for (kind, auto) in
        [("example", "autoexamples"), ("test", "autotests"), ("bench", "autobenches")]
    {
        manifest.remove(kind);
        manifest["package"][auto] = value(false);
    }
    Ok(manifest.to_string())
}

/// Takes the dependencies on these packages out, and notes their names there.
fn take(table: &mut dyn TableLike, macros: &BTreeSet<String>, gone: &mut BTreeSet<String>) {
    for kind in ["dependencies", "dev-dependencies"] {
        let Some(list) = table.get_mut(kind).and_then(Item::as_table_like_mut) else { continue };
        let is_macro = |name: &str, item: &Item| {
            let renamed = item.get("package").and_then(Item::as_str);
            macros.contains(renamed.unwrap_or(name))
        };
        let names: Vec<String> = list
            .iter()
            .filter(|(name, item)| is_macro(name, item))
            .map(|(name, _)| name.to_owned())
            .collect();
        for name in names {
            list.remove(&name);
            gone.insert(name);
        }
    }
}
