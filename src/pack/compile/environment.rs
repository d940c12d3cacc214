//! Which variables of the environment a module was made of: what `env!` and `option_env!` read while its
//! crates were compiled, and what their build scripts say that they read.
//!
//! rustc writes the first into its list of files, cargo tells where the second are. Cargo compiles
//! again when such a variable changes, so a module is only good for the values that it was made with.

use crate::artifact::module::TARGET;
use crate::base::cargo;
use crate::base::files::hash_of;
use crate::pack::compiler::wrapping::NOTE;
use crate::pack::source::dependency;
use crate::pack::source::dependency::Dependency;
use crate::pack::source::lock::{Id, Lock};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use toml_edit::{DocumentMut, Item};

/// Names and values; none stands for a variable that is not set.
pub type Environment = BTreeMap<String, Option<String>>;

/// Variables as compilers and build scripts see them that cargo starts.
#[derive(Clone, Debug, Default)]
pub struct Variables {
    /// Those that are to have these values, whatever they are now.
    given: Environment,
    /// Those of cargo's configuration, with whether they replace the process's own.
    configured: BTreeMap<String, (String, bool)>,
}

impl Variables {
    /// Those of a cargo that runs in this directory.
    pub fn of(directory: &Path) -> Variables {
        let mut configured = BTreeMap::new();
        for file in cargo::configuration(directory) {
            let Ok(text) = std::fs::read_to_string(&file) else { continue };
            // The nearest file comes first.
            for (name, value) in configured_in(&file, &text) {
                configured.entry(name).or_insert(value);
            }
        }
        Variables { given: Environment::new(), configured }
    }

    /// The same, but for some.
    pub fn with(self, given: &Environment) -> Variables {
        Variables { given: given.clone(), ..self }
    }

    pub fn given(&self) -> &Environment {
        &self.given
    }

    pub fn value(&self, name: &str) -> Option<String> {
        if let Some(value) = self.given.get(name) {
            return value.clone();
        }
        let configured = self.configured.get(name);
        let forced = configured.filter(|(_, is_forced)| *is_forced).map(|(value, _)| value.clone());
        let own = || std::env::var(name).ok();
        forced.or_else(own).or_else(|| configured.map(|(value, _)| value.clone()))
    }

    /// Many of them.
    pub fn values(&self, names: impl IntoIterator<Item = String>) -> Environment {
        let pair = |name: String| {
            let value = self.value(&name);
            (name, value)
        };
        names.into_iter().map(pair).collect()
    }
}

/// The table `env` of a file of cargo's configuration: values, and whether they are forced.
fn configured_in(file: &Path, text: &str) -> Vec<(String, (String, bool))> {
    let Ok(document) = text.parse::<DocumentMut>() else { return Vec::new() };
    let table = document.get("env").and_then(Item::as_table_like);
    let one = |(name, item): (&str, &Item)| {
        let is = |key: &str| item.get(key).and_then(Item::as_bool) == Some(true);
        let text = item.as_str().or_else(|| item.get("value")?.as_str())?.to_owned();
        // Relative to where the directory `.cargo` is.
        let base = file.parent().and_then(Path::parent).filter(|_| is("relative"));
        let text = match base {
            Some(base) => base.join(text).to_str()?.to_owned(),
            None => text,
        };
        Some((name.to_owned(), (text, is("force"))))
    };
    table.into_iter().flat_map(|table| table.iter()).filter_map(one).collect()
}

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

/// What a crate or a build script has printed about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Source, name and version.
    package: (String, String, String),
    /// For wasm, or for this machine.
    is_wasm: bool,
    /// Variables that it has read.
    read: Environment,
    /// The crate's name, if it was not compiled as natively.
    unlike: Option<String>,
}

impl Heard {
    /// Whether it is part of a package that these are linked into. Crates of this machine, of which cargo
    /// does not say for whom they are, count if its lock file has them.
    pub fn is_of(&self, own: &Id, linked: &BTreeSet<Dependency>, lock: &Lock) -> bool {
        let (source, name, version) = &self.package;
        let is = |id: &Id| dependency::is_package((source, name, version), id);
        if !self.is_wasm {
            return lock.ids().any(is);
        }
        let is_linked =
            |one: &Dependency| (&one.source, &one.name, &one.version) == (source, name, version);
        is(own) || linked.iter().any(is_linked)
    }
}

/// All that was read.
pub fn read(heard: &[Heard]) -> Environment {
    heard.iter().flat_map(|heard| heard.read.clone()).collect()
}

/// Names of crates that were not compiled as natively.
pub fn unlike(heard: &[Heard]) -> BTreeSet<&str> {
    heard.iter().filter_map(|heard| heard.unlike.as_deref()).collect()
}

/// Listens to cargo's messages.
#[derive(Default)]
pub struct Listener {
    variables: Variables,
    /// Variables that a package's build script sets for its crates.
    set: BTreeMap<String, BTreeSet<String>>,
    pub heard: Vec<Heard>,
}

impl Listener {
    pub fn new(variables: &Variables) -> Listener {
        Listener { variables: variables.clone(), ..Listener::default() }
    }

    /// Crates and scripts have ended when cargo tells of them.
    pub fn message(&mut self, message: &Value) {
        let (Some(id), Some(package)) =
            (message["package_id"].as_str(), dependency::package(message))
        else {
            return;
        };
        match message["reason"].as_str() {
            Some("compiler-artifact") => {
                let is_script = message["target"]["kind"][0] == "custom-build";
                let files = message["filenames"].as_array().into_iter().flatten();
                for file in files.filter_map(|file| Some(Path::new(file.as_str()?))) {
                    let lists = match is_script {
                        true => lists_beside(file),
                        false => list_of(file).into_iter().collect(),
                    };
                    for list in lists {
                        let read = self.of_list(id, &list);
                        self.add(&package, file, read, unlike_of(&list));
                    }
                }
            }
            Some("build-script-executed") => {
                let pairs = message["env"].as_array().into_iter().flatten();
                let names = pairs.filter_map(|pair| pair[0].as_str().map(str::to_owned));
                self.set.entry(id.to_owned()).or_default().extend(names);
                if let Some(directory) = message["out_dir"].as_str() {
                    let directory = Path::new(directory);
                    let read = self.of_script(&directory.with_file_name("output"));
                    self.add(&package, directory, read, None);
                }
            }
            _ => {}
        }
    }

    fn add(
        &mut self,
        package: &(String, String, String),
        place: &Path,
        mut read: Environment,
        unlike: Option<String>,
    ) {
        read.retain(|name, _| !is_decided(name));
        if !read.is_empty() || unlike.is_some() {
            let is_wasm = place.iter().any(|part| part == TARGET);
            self.heard.push(Heard { package: package.clone(), is_wasm, read, unlike });
        }
    }

    /// What rustc says that the crate of a package has read.
    fn of_list(&self, package: &str, list: &Path) -> Environment {
        let text = std::fs::read_to_string(list).unwrap_or_default();
        let is_set = |name: &str| self.set.get(package).is_some_and(|set| set.contains(name));
        let lines = text.lines().filter_map(|line| line.strip_prefix("# env-dep:"));
        let pairs = lines.map(|line| match line.split_once('=') {
            Some((name, value)) => (unescaped(name), Some(unescaped(value))),
            None => (unescaped(line), None),
        });
        pairs.filter(|(name, _)| !is_set(name)).collect()
    }

    /// What a build script says that it has read.
    fn of_script(&self, said: &Path) -> Environment {
        // A script may write what is no text.
        let bytes = std::fs::read(said).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let name = |line: &str| {
            let rest = line.strip_prefix("cargo::").or_else(|| line.strip_prefix("cargo:"));
            rest?.strip_prefix("rerun-if-env-changed=").map(str::to_owned)
        };
        self.variables.values(text.lines().filter_map(name))
    }
}

/// The crate's name, if the wrapper's note says that it was not compiled as natively.
fn unlike_of(list: &Path) -> Option<String> {
    let stem = list.file_stem()?.to_str()?;
    // Cargo appends a hash to most.
    let name = stem.split('-').next().unwrap_or(stem);
    list.with_extension(NOTE).exists().then(|| name.to_owned())
}

/// The key of what these variables went into, besides what `key` stands for.
pub fn key(key: &str, environment: &Environment) -> String {
    match environment.is_empty() {
        true => key.to_owned(),
        false => hash_of(&[key, &format!("{environment:?}")])[..32].to_owned(),
    }
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

/// Where rustc listed the files that went into a build script's program.
fn lists_beside(program: &Path) -> Vec<PathBuf> {
    let entries = program.parent().and_then(|folder| std::fs::read_dir(folder).ok());
    let files = entries.into_iter().flatten().flatten().map(|entry| entry.path());
    files.filter(|file| file.extension().is_some_and(|end| end == "d")).collect()
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
    use super::{configured_in, read, unlike, Environment, Listener, Variables};
    use crate::pack::source::dependency::Dependency;
    use crate::pack::source::lock::{Id, Lock};
    use serde_json::json;

    fn text(value: &str) -> Option<String> {
        Some(value.to_owned())
    }

    #[test]
    fn variables_of_the_configuration() {
        let written = "[env]\nA = \"1\"\nB = { value = \"2\", force = true }\n\
                       C = { value = \"d\", relative = true }\nD = 4\n";
        let file = std::path::Path::new("p/.cargo/config.toml");
        let joined = std::path::Path::new("p").join("d").to_str().unwrap().to_owned();
        let expected = [("A", "1", false), ("B", "2", true), ("C", joined.as_str(), false)];
        let expected = expected.map(|(a, b, is)| (a.to_owned(), (b.to_owned(), is)));
        assert_eq!(configured_in(file, written), expected);
        // A test always has this one.
        let own = std::env::var("PATH").ok();
        let variables = |forced: bool| Variables {
            configured: ["PATH", "PRECAST_NOT_SET"]
                .map(|name| (name.to_owned(), ("x".to_owned(), forced)))
                .into(),
            ..Variables::default()
        };
        assert_eq!(variables(false).value("PATH"), own);
        assert_eq!(variables(true).value("PATH"), text("x"));
        assert_eq!(variables(false).value("PRECAST_NOT_SET"), text("x"));
        let given = [("PATH".to_owned(), None)].into();
        assert_eq!(variables(true).with(&given).value("PATH"), None);
    }

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
            "wasm32-wasip1/deps/a-1.d",
            "x: y\n\n# env-dep:A=one\\ntwo\\\\\n# env-dep:B\n# env-dep:MADE=3\n# env-dep:OUT_DIR=/x\n\
             # env-dep:CARGO_PKG_NAME=a\n",
        );
        put("wasm32-wasip1/deps/a-1.precast-not-native", "");
        put(
            "wasm32-wasip1/build/a/output",
            "cargo:rerun-if-env-changed=C\ncargo::rerun-if-env-changed=TARGET\n",
        );
        put("build/a/build_script_build-2.d", "# env-dep:D=4\n");
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let given = Environment::from([("C".into(), text("see"))]);
        let mut listener = Listener::new(&Variables::default().with(&given));
        for message in [
            json!({"reason": "compiler-artifact", "package_id": "r#a@1.0.0",
                   "target": {"kind": ["custom-build"]},
                   "filenames": [path("build/a/build-script-build")]}),
            json!({"reason": "build-script-executed", "package_id": "r#a@1.0.0",
                   "env": [["MADE", "3"]], "out_dir": path("wasm32-wasip1/build/a/out")}),
            json!({"reason": "compiler-artifact", "package_id": "r#a@1.0.0",
                   "target": {"kind": ["lib"]},
                   "filenames": [path("wasm32-wasip1/deps/liba-1.rlib")]}),
            json!({"reason": "compiler-artifact", "package_id": "r#b@1.0.0",
                   "target": {"kind": ["lib"]},
                   "filenames": [path("wasm32-wasip1/deps/libb-1.rlib")]}),
        ] {
            listener.message(&message);
        }
        let expected = Environment::from([
            ("A".into(), text("one\ntwo\\")),
            ("B".into(), None),
            ("C".into(), text("see")),
            ("D".into(), text("4")),
        ]);
        assert_eq!(read(&listener.heard), expected);
        assert_eq!(unlike(&listener.heard).into_iter().collect::<Vec<_>>(), ["a"]);
        let own = |name: &str| Id { name: name.into(), version: "1.0.0".into(), source: None };
        let linked = Dependency {
            name: "a".into(),
            version: "1.0.0".into(),
            manifest: "Cargo.toml".into(),
            features: Vec::new(),
            source: "r".into(),
        };
        let lock = "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"r\"\n";
        let of = |linked: &[Dependency], lock: &str| {
            let (linked, lock) = (linked.iter().cloned().collect(), Lock::parse(lock).unwrap());
            let mut heard = listener.heard.clone();
            heard.retain(|heard| heard.is_of(&own("m"), &linked, &lock));
            read(&heard).into_keys().collect::<String>()
        };
        assert_eq!(of(std::slice::from_ref(&linked), lock), "ABCD");
        assert_eq!(of(&[linked], ""), "ABC");
        assert_eq!(of(&[], lock), "D");
        assert_eq!(of(&[], ""), "");
    }
}
