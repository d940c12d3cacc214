//! Which variables of the environment a module was made of: what `env!` and `option_env!` read while its
//! crates were compiled, and what their build scripts say that they read.
//!
//! rustc writes the first into its list of files, cargo tells where the second are. Cargo compiles
//! again when such a variable changes, so a module is only good for the values that it was made with.

use super::{cargo, wrapper};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Names and values; none stands for a variable that was not set.
pub type Environment = BTreeMap<String, Option<String>>;

/// What cargo sets for compilers and build scripts.
const CARGOS: [&str; 12] = [
    "CARGO",
    "DEBUG",
    "HOST",
    "NUM_JOBS",
    "OPT_LEVEL",
    "OUT_DIR",
    "PROFILE",
    "RUSTC",
    "RUSTC_LINKER",
    "RUSTC_WRAPPER",
    "RUSTDOC",
    "TARGET",
];
const CARGOS_PREFIXES: [&str; 2] = ["CARGO_", "DEP_"];

/// Listens to cargo's messages.
#[derive(Default)]
pub struct Listener {
    /// rustc's lists of files, with the package whose crate was compiled.
    lists: Vec<(String, PathBuf)>,
    /// What build scripts said, by package.
    said: BTreeMap<String, Vec<PathBuf>>,
    /// Variables that a package's build script sets for its crates.
    set: BTreeMap<String, BTreeSet<String>>,
}

impl Listener {
    pub fn message(&mut self, message: &Value) {
        let Some(package) = message["package_id"].as_str().map(str::to_owned) else { return };
        match message["reason"].as_str() {
            Some("compiler-artifact") => {
                let files = message["filenames"].as_array().into_iter().flatten();
                let lists = files.filter_map(|file| list_of(Path::new(file.as_str()?)));
                self.lists.extend(lists.map(|list| (package.clone(), list)));
            }
            Some("build-script-executed") => {
                let pairs = message["env"].as_array().into_iter().flatten();
                let names = pairs.filter_map(|pair| pair[0].as_str().map(str::to_owned));
                self.set.entry(package.clone()).or_default().extend(names);
                if let Some(directory) = message["out_dir"].as_str() {
                    let said = Path::new(directory).with_file_name("output");
                    self.said.entry(package).or_default().push(said);
                }
            }
            _ => {}
        }
    }

    /// Names of crates that were not compiled as natively.
    pub fn unlike(&self) -> Vec<String> {
        let is_unlike = |list: &&PathBuf| list.with_extension(wrapper::NOTE).exists();
        let lists = self.lists.iter().map(|(_, list)| list).filter(is_unlike);
        let stems = lists.filter_map(|list| list.file_stem()?.to_str());
        // Cargo appends a hash to most.
        let name = |stem: &str| stem.split('-').next().unwrap_or(stem).to_owned();
        stems.map(name).collect::<BTreeSet<String>>().into_iter().collect()
    }

    /// Of the packages whose ids `concerns` takes; `value` gives what a variable has now.
    pub fn read(
        &self,
        concerns: impl Fn(&str) -> bool,
        value: impl Fn(&str) -> Option<String>,
    ) -> Environment {
        let mut environment = Environment::new();
        for (package, list) in self.lists.iter().filter(|(package, _)| concerns(package)) {
            let text = std::fs::read_to_string(list).unwrap_or_default();
            let is_set = |name: &str| self.set.get(package).is_some_and(|set| set.contains(name));
            let read = text.lines().filter_map(|line| line.strip_prefix("# env-dep:"));
            for line in read {
                let (name, value) = match line.split_once('=') {
                    Some((name, value)) => (name, Some(unescaped(value))),
                    None => (line, None),
                };
                let name = unescaped(name);
                if !is_set(&name) {
                    environment.insert(name, value);
                }
            }
        }
        let said = self.said.iter().filter(|(package, _)| concerns(package));
        for file in said.flat_map(|(_, files)| files) {
            // A script may write what is no text.
            let bytes = std::fs::read(file).unwrap_or_default();
            for line in String::from_utf8_lossy(&bytes).lines() {
                let rest = line.strip_prefix("cargo::").or_else(|| line.strip_prefix("cargo:"));
                let name = rest.and_then(|rest| rest.strip_prefix("rerun-if-env-changed="));
                if let Some(name) = name {
                    environment.entry(name.to_owned()).or_insert_with(|| value(name));
                }
            }
        }
        environment.retain(|name, _| !is_decided(name));
        environment
    }
}

/// The environment that whoever packs has.
pub fn present(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Whether cargo or precast decides the variable's value, whoever packs.
fn is_decided(name: &str) -> bool {
    CARGOS.contains(&name)
        || CARGOS_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || cargo::is_removed(name)
}

/// Where rustc listed the files that went into a library.
fn list_of(library: &Path) -> Option<PathBuf> {
    let (stem, folder) = (library.file_stem()?.to_str()?, library.parent()?);
    let extension = library.extension()?.to_str()?;
    let (name, folder) = match extension {
        // Cargo's copy of it lies outside.
        "wasm" => (stem, folder.join("deps")),
        "rlib" => (stem.strip_prefix("lib")?, folder.to_owned()),
        "so" | "dylib" | "dll" => {
            (stem.strip_prefix(std::env::consts::DLL_PREFIX)?, folder.to_owned())
        }
        _ => return None,
    };
    Some(folder.join(format!("{name}.d")))
}

/// As rustc writes a name or a value.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => out.extend(match characters.next() {
                Some('n') => Some('\n'),
                Some('r') => Some('\r'),
                other => other,
            }),
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Environment, Listener};
    use serde_json::json;

    #[test]
    fn variables_of_crates_and_scripts() {
        let folder = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        put(
            "deps/a-1.d",
            "x: y\n\n# env-dep:A=one\\ntwo\\\\\n# env-dep:B\n# env-dep:MADE=3\n# env-dep:OUT_DIR=/x\n\
             # env-dep:CARGO_PKG_NAME=a\n",
        );
        put("build/a/output", "cargo:rerun-if-env-changed=C\ncargo::rerun-if-env-changed=TARGET\n");
        let library = folder.path().join("deps/liba-1.rlib");
        let out = folder.path().join("build/a/out");
        let mut listener = Listener::default();
        for message in [
            json!({"reason": "build-script-executed", "package_id": "a", "env": [["MADE", "3"]],
                   "out_dir": out.to_str().unwrap()}),
            json!({"reason": "compiler-artifact", "package_id": "a",
                   "filenames": [library.to_str().unwrap()]}),
        ] {
            listener.message(&message);
        }
        let value = |name: &str| (name == "C").then(|| "see".to_owned());
        let expected = Environment::from([
            ("A".into(), Some("one\ntwo\\".into())),
            ("B".into(), None),
            ("C".into(), Some("see".into())),
        ]);
        assert_eq!(listener.read(|_| true, value), expected);
        assert_eq!(listener.read(|package| package != "a", value), Environment::new());
    }
}
