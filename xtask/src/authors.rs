//! `cargo xtask authors`: `cargo precast init` on macro packages as they were published, then the
//! steps of the workflow that it wrote, as a CI would run them.

use crate::apps::sources;
use crate::run::{
    capture, cargo, cargo_precast, clear, command, read, root, scratch, write, Result,
};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Derives with helpers, an attribute, and a derive that reads documentation.
const PACKAGES: [&str; 3] = ["strum_macros@0.28.0", "async-trait@0.1.92", "displaydoc@0.2.7"];

/// What makes a module another one.
const CHANGE: &str =
    "\n#[proc_macro]\npub fn changed(input: proc_macro::TokenStream) -> proc_macro::TokenStream {\n    \
     input\n}\n";

/// Steps that set up a machine, which this one is.
const SETUP: [&str; 2] = ["rustup ", "cargo install "];

pub fn authors(only: &[&str]) -> Result {
    let precast = cargo_precast()?;
    let mut n_done = 0;
    for spec in PACKAGES {
        let name = spec.split('@').next().expect("a split has a part");
        if only.is_empty() || only.contains(&name) {
            one(spec, name, &precast).map_err(|e| format!("{spec}: {e}"))?;
            n_done += 1;
        }
    }
    match n_done {
        0 => Err(format!("no such package; there are {PACKAGES:?}")),
        n => {
            println!("{n} repositories of macro authors: set up, packed, checked and kept current");
            Ok(())
        }
    }
}

fn one(spec: &str, name: &str, precast: &Path) -> Result {
    // Outside of this repository: as cargo would see it on the author's machine.
    let place = std::env::temp_dir().join(format!("precast-authors-{}", std::process::id()));
    let repository = Repository { place: place.join(name), precast: precast.to_owned() };
    clear(&place)?;
    sources::copy(&sources::published(spec)?, &repository.place)?;
    // What packaging adds: a package that has it cannot be packaged again.
    for added in ["Cargo.toml.orig", ".cargo_vcs_info.json"] {
        std::fs::remove_file(repository.place.join(added)).map_err(|e| format!("{added}: {e}"))?;
    }
    let done = repository.check(spec);
    clear(&place)?;
    done
}

struct Repository {
    place: PathBuf,
    precast: PathBuf,
}

impl Repository {
    fn check(&self, spec: &str) -> Result {
        let mut init = self.prepare(command(&self.precast));
        capture(init.args(["precast", "init", "--precast"]).arg(root()))?;
        eprintln!("{spec}: cargo xtask pack");
        capture(self.prepare(cargo()).args(["xtask", "pack"]))?;
        let steps = self.steps()?;
        for step in &steps {
            eprintln!("{spec}: {step}");
            let output = self.step(step)?;
            if !output.status.success() {
                return Err(format!(
                    "`{step}` failed:\n{}",
                    String::from_utf8_lossy(&output.stderr)
                ));
            }
        }
        let library = self.place.join("src/lib.rs");
        write(&library, &(read(&library)? + CHANGE))?;
        eprintln!("{spec}: the same after a change");
        let output = self.step(&steps[0])?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.code() != Some(3) || !said.contains("precast.sha256 is not current") {
            return Err(format!(
                "`{}` has not seen the change: {}\n{said}",
                steps[0], output.status
            ));
        }
        Ok(())
    }

    /// The commands of the workflow, but for those that set up the machine and those that publish.
    fn steps(&self) -> Result<Vec<String>> {
        let file = self.place.join(".github/workflows/precast.yml");
        let text = read(&file)?;
        let commands = text.lines().filter_map(|line| line.trim().strip_prefix("- run: "));
        let is_setup = |line: &&str| SETUP.iter().any(|start| line.starts_with(start));
        let steps: Vec<String> =
            commands.filter(|line| !is_setup(line)).map(str::to_owned).collect();
        let expected =
            ["cargo xtask pack --check", "cargo precast verify", "cargo precast publish"];
        let is_known = steps.len() == expected.len()
            && steps.iter().zip(expected).all(|(step, start)| step.starts_with(start));
        is_known.then_some(steps).ok_or_else(|| format!("{} has other steps", file.display()))
    }

    fn step(&self, line: &str) -> Result<Output> {
        let mut shell = self.prepare(command("sh"));
        shell.args(["-ec", line]).output().map_err(|e| format!("`{line}`: {e}"))
    }

    /// In the repository, with `cargo precast` on the path.
    fn prepare(&self, mut command: Command) -> Command {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let first = self.precast.parent().map(Path::to_owned);
        let path = first.into_iter().chain(std::env::split_paths(&path));
        let path = std::env::join_paths(path).expect("the folders were a path before");
        // The library is compiled once for all of them.
        command.current_dir(&self.place).env("PATH", path);
        command.env("CARGO_TARGET_DIR", scratch("authors")).env_remove("RUSTFLAGS");
        command
    }
}
