//! `cargo xtask migrate`: published pairs of a library and its macros become one package each. What passed
//! before passes after: the tests of both, and a program that uses the old names.

use crate::apps::sources;
use crate::run::{capture, cargo, cargo_precast, clear, command, precast, scratch, write, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

struct Pair {
    library: Library,
    /// The macros' package as it was published.
    macros: &'static str,
    /// Features for the tests.
    features: &'static str,
    /// A program that depends on both.
    program: &'static str,
}

enum Library {
    Published(&'static str),
    /// Name and source of one that is as most are: it re-exports the macros.
    Own(&'static str, &'static str),
}

const PAIRS: [Pair; 4] = [
    Pair {
        library: Library::Published("thiserror@2.0.21"),
        macros: "thiserror-impl@2.0.21",
        features: "",
        program: "#[derive(Debug, thiserror_impl::Error)]\n#[error(\"number {0}\")]\nstruct E(u8);\n\
                  fn main() { assert_eq!(E(1).to_string(), \"number 1\"); let _: &dyn std::error::Error = &E(2); }\n",
    },
    Pair {
        library: Library::Published("strum@0.28.0"),
        macros: "strum_macros@0.28.0",
        features: "derive",
        program: "use strum::IntoEnumIterator;\n#[derive(strum_macros::EnumIter, strum_macros::Display)]\nenum E { A, B }\n\
                  fn main() { assert_eq!(E::iter().map(|e| e.to_string()).collect::<String>(), \"AB\"); }\n",
    },
    Pair {
        library: Library::Own(
            "settings",
            "//! Settings with defaults.\n//! ```\n//! #[derive(settings::SmartDefault)]\n//! struct S { #[default = 3] a: u8 }\n\
             //! assert_eq!(settings::new::<S>().a, 3);\n//! ```\npub use smart_default::SmartDefault;\n\
             pub fn new<T: Default>() -> T { T::default() }\n\
             #[cfg(test)]\nmod tests {\n    use smart_default::SmartDefault;\n    #[derive(SmartDefault)]\n    struct S { #[default = 2] a: u8 }\n\
             \n    #[test]\n    fn defaults() { assert_eq!(super::new::<S>().a, 2); }\n}\n",
        ),
        macros: "smart-default@0.7.1",
        features: "",
        program: "#[macro_use] extern crate smart_default;\n#[derive(SmartDefault)]\nstruct S { #[default = 4] a: u8 }\n\
                  fn main() { assert_eq!(S::default().a, 4); }\n",
    },
    Pair {
        library: Library::Own(
            "shown",
            "//! Types that are shown.\n#[doc(inline)]\npub use displaydoc::Display;\n\
             /// Says a value.\npub fn say(value: impl core::fmt::Display) -> String { format!(\"{value}\") }\n\
             #[test]\nfn shows() {\n    /// It is {0}.\n    #[derive(displaydoc::Display)]\n    struct S(u8);\n    assert_eq!(say(S(1)), \"It is 1.\");\n}\n",
        ),
        macros: "displaydoc@0.2.7",
        features: "",
        program: "/// number {0}\n#[derive(displaydoc::Display)]\nstruct S(u8);\nfn main() { assert_eq!(S(1).to_string(), \"number 1\"); }\n",
    },
];

pub fn migrate(only: &[&str]) -> Result {
    let program = cargo_precast()?;
    let mut n_done = 0;
    for pair in &PAIRS {
        let name = pair.macros.split('@').next().expect("a split has a part");
        if only.is_empty() || only.contains(&name) {
            let n = pair.run(name, &program).map_err(|e| format!("{name}: {e}"))?;
            println!("{name}: {n} tests passed before and after");
            n_done += 1;
        }
    }
    match n_done {
        0 => Err(format!("no such package; there are {:?}", PAIRS.map(|pair| pair.macros))),
        _ => Ok(()),
    }
}

/// Passed tests by name, without the places of examples, which change.
type Passed = BTreeMap<String, usize>;

impl Pair {
    fn run(&self, macros: &str, program: &Path) -> Result<usize> {
        let place = scratch("migrate").join(macros);
        clear(&place)?;
        let library = self.write(&place, macros)?;
        git(&place, &["init", "--quiet"])?;
        git(&place, &["add", "--all"])?;
        let user = ["-c", "user.name=precast", "-c", "user.email=precast@localhost"];
        git(&place, &[&user[..], &["commit", "--quiet", "--message", "before"]].concat())?;
        // As published, some lack what their tests need; those do not pass.
        let before = self.passed(self.test(cargo()), &place, &[&library, macros], false)?;
        if before.is_empty() {
            return Err("no test passed before".into());
        }
        capture(self.cargo(cargo(), &place).args(["run", "--quiet", "--package", "user"]))?;
        let mut init = self.cargo(precast(cargo(), program)?, &place);
        init.args(["init", "--proc-macro", &library, "--from", macros]);
        let output = capture(&mut init)?;
        eprintln!("{}", String::from_utf8_lossy(&output.stderr));
        // With cargo alone, and with precast: from what is packed, and from source.
        self.passed(self.test(cargo()), &place, &[&library, macros], true)?;
        capture(self.cargo(cargo(), &place).args(["run", "--quiet", "--package", "user"]))?;
        for more in [&[][..], &["--from-source"]] {
            let mut cargo = self.test(precast(cargo(), program)?);
            cargo.args(more);
            let after = self.passed(cargo, &place, &[&library, macros], true)?;
            let lost = before.iter().find(|(name, n)| after.get(*name).unwrap_or(&0) < *n);
            if let Some((name, n)) = lost {
                return Err(format!("`{name}` passed {n} times before; after {after:?}"));
            }
        }
        clear(&place)?;
        Ok(before.values().sum())
    }

    /// A workspace of the two, as they were published, and a program. The library's folder.
    fn write(&self, place: &Path, macros: &str) -> Result<String> {
        unpack(self.macros, &place.join(macros))?;
        let library = match &self.library {
            Library::Published(spec) => {
                let name = spec.split('@').next().expect("a split has a part");
                unpack(spec, &place.join(name))?;
                name
            }
            Library::Own(name, text) => {
                let manifest = format!(
                    "[package]\nname = \"{name}\"\nversion = \"1.0.0\"\nedition = \"2021\"\nlicense = \"MIT\"\n\n\
                     [dependencies]\n{macros} = {{ path = \"../{macros}\" }}\n"
                );
                write(&place.join(name).join("Cargo.toml"), &manifest)?;
                write(&place.join(name).join("src/lib.rs"), text)?;
                name
            }
        };
        let root = format!(
            "[workspace]\nmembers = [\"{library}\", \"{macros}\", \"user\"]\nresolver = \"2\"\n\n\
             [patch.crates-io]\n{macros} = {{ path = \"{macros}\" }}\n"
        );
        write(&place.join("Cargo.toml"), &root)?;
        write(&place.join(".gitignore"), "target\n")?;
        let manifest = format!(
            "[package]\nname = \"user\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\n[dependencies]\n\
             {library} = {{ path = \"../{library}\" }}\n{macros} = {{ path = \"../{macros}\" }}\n"
        );
        write(&place.join("user/Cargo.toml"), &manifest)?;
        write(&place.join("user/src/main.rs"), self.program)?;
        Ok(library.to_owned())
    }

    fn cargo(&self, mut cargo: Command, place: &Path) -> Command {
        cargo.current_dir(place).env("CARGO_TARGET_DIR", place.join("target"));
        for name in ["RUSTFLAGS", "CI"] {
            cargo.env_remove(name);
        }
        cargo
    }

    fn test(&self, mut cargo: Command) -> Command {
        cargo.args(["test", "--no-fail-fast"]);
        if !self.features.is_empty() {
            cargo.args(["--features", self.features]);
        }
        cargo
    }

    /// The tests that pass; with `is_strict` all must.
    fn passed(
        &self,
        cargo: Command,
        place: &Path,
        packages: &[&str],
        is_strict: bool,
    ) -> Result<Passed> {
        let mut cargo = self.cargo(cargo, place);
        for package in packages {
            cargo.args(["--package", package]);
        }
        let output = match is_strict {
            true => capture(&mut cargo)?,
            false => cargo.output().map_err(|e| format!("cannot start cargo: {e}"))?,
        };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut passed = Passed::new();
        for line in text.lines() {
            let name = line.strip_prefix("test ").and_then(|line| line.strip_suffix(" ... ok"));
            if let Some(name) = name {
                *passed.entry(plain(name)).or_default() += 1;
            }
        }
        Ok(passed)
    }
}

/// Examples have names like `src/lib.rs - Item (line 3)`.
fn plain(name: &str) -> String {
    match (name.split_once(".rs - "), name.find(" (line ")) {
        (Some(_), Some(_)) => "example".to_owned(),
        _ => name.to_owned(),
    }
}

/// A package as it was published, without what packaging added.
fn unpack(spec: &str, to: &Path) -> Result {
    sources::copy(&sources::published(spec)?, to)?;
    for added in ["Cargo.toml.orig", ".cargo_vcs_info.json", ".cargo-ok", "Cargo.lock"] {
        let file: PathBuf = to.join(added);
        if file.exists() {
            std::fs::remove_file(&file).map_err(|e| format!("{added}: {e}"))?;
        }
    }
    Ok(())
}

fn git(place: &Path, arguments: &[&str]) -> Result {
    capture(command("git").current_dir(place).args(arguments)).map(drop)
}
