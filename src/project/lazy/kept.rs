//! What this machine's compiler has made before, kept in the store: shims, and the build scripts of
//! published packages. A clean build does not compile them again.
//!
//! An entry is found by all that decides its bytes. What is compiled in a way that is not known here is
//! the compiler's alone. Nothing compiled leaves the machine: it is no artifact, and not exported.

use super::invocation::{self, Invocation};
use super::library;
use super::record::Command;
use crate::base::error::{Class, Error, Result};
use crate::base::files;
use crate::base::files::{hash_of, Tree};
use crate::base::scratch;
use crate::cache::{kinds, Cache, Environment};
use crate::pack::compiler::toolchain;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Raised when an entry's files come to mean something else.
/// 1 (October 2026): shims, with the compiler's list of files. 2 (November 2026): build scripts as well,
/// and the list is written anew.
const FORMAT: &str = "2";

/// Files of an entry: what the compiler wrote, in a folder, and what it said. The root file is among
/// them, under its own path, for messages that show it.
const WRITTEN: &str = "out/";
const SAID: &str = "artifacts.json";
const ROOT: &str = "src/lib.rs";

/// Variables that change what a compiler or its linker writes.
const VARIABLES: [&str; 3] = ["RUSTC_BOOTSTRAP", "MACOSX_DEPLOYMENT_TARGET", "SDKROOT"];

/// A crate to compile, or to take from the store.
pub struct Job<'a> {
    pub invocation: &'a Invocation,
    /// If another process was asked to compile it.
    pub command: Option<&'a Command>,
    /// The compiler's arguments, where they are not the invocation's own.
    pub args: Vec<String>,
    /// What decides the result besides the arguments that are known: sources, dependencies.
    pub inputs: Vec<String>,
    /// Names the entry for who looks at the store.
    pub label: String,
    /// A folder of the store's with the crate's sources, which is another one in other stores.
    pub sources: Option<&'a Path>,
    /// Variables that have other values than cargo and the package's build script give them.
    pub environment: &'a Environment,
    /// Variables that the compiler may read while it compiles this, whatever they say.
    pub allowed: fn(&str) -> bool,
}

/// What the compiler wrote, as it told cargo.
#[derive(Serialize, Deserialize)]
struct Written {
    /// The file's name.
    name: String,
    /// `link`, `metadata`
    emit: String,
}

impl Job<'_> {
    /// The compiler's exit code, or that of having what it would write. The list of files that it has
    /// read is not written where the rest was taken from the store. What the compiler needs is made by
    /// `before`, if it is to run.
    pub fn run(&self, cache: &Cache, before: impl FnOnce() -> Result<()>) -> Result<i32> {
        let key = self.key(cache);
        if let Some(entry) = key.as_ref().and_then(|key| cache.read(kinds::COMPILED, key)) {
            if self.restore(&entry).is_some() {
                return Ok(0);
            }
        }
        before()?;
        let mut args = self.args.clone();
        if let (Some(key), Some(from)) = (&key, self.sources.and_then(Path::to_str)) {
            let to = cache.path(kinds::COMPILED, key);
            args.push(format!("--remap-path-prefix={from}={}", to.display()));
        }
        // What is compiled once need not be seen by a wrapper that keeps compiled crates for the user.
        let program = self.invocation.programs.last().expect("cargo names the compiler");
        let start = |args: &[String]| {
            let mut command = match self.command {
                Some(command) => command.start(program, args),
                None => std::process::Command::new(program),
            };
            if self.command.is_none() {
                command.args(args);
            }
            for (name, value) in self.environment {
                match value {
                    Some(value) => command.env(name, value),
                    None => command.env_remove(name),
                };
            }
            command
        };
        let output = invocation::output(&args, start).map_err(|error| {
            Error::new(Class::Toolchain, format!("cannot run {program}: {error}"))
        })?;
        if self.command.is_none() || !output.status.success() {
            // Nothing can be done for who does not read it.
            let _ = std::io::stdout().write_all(&output.stdout);
            let _ = std::io::stderr().write_all(&output.stderr);
        }
        if let (true, Some(key)) = (output.status.success(), key) {
            // The next build compiles it again.
            let _ = self.keep(cache, &key, &output.stderr);
        }
        Ok(output.status.code().unwrap_or(1))
    }

    /// A shim is compiled without what the compiler would keep of it.
    fn is_shim(&self) -> bool {
        self.sources.is_some()
    }

    /// Stands for all that decides what the compiler writes. None if that is not known.
    fn key(&self, cache: &Cache) -> Option<String> {
        let plain = self.invocation.plain.as_ref()?;
        // Without it, what was written is not told.
        if !self.invocation.tells_artifacts || self.invocation.is_incremental && !self.is_shim() {
            return None;
        }
        let rustc = Path::new(self.invocation.programs.last()?);
        let mut parts = vec![FORMAT.to_owned(), toolchain::described(rustc, cache)?];
        let variable = |name: &str| std::env::var_os(name).unwrap_or_default();
        parts.extend(VARIABLES.iter().map(|name| variable(name).to_string_lossy().into_owned()));
        parts.push(plain.len().to_string());
        parts.extend(plain.iter().chain(&self.inputs).cloned());
        Some(format!("{}-{}", self.label, &hash_of(&parts)[..32]))
    }

    /// Keeps what the compiler wrote, unless it said more than that.
    fn keep(&self, cache: &Cache, key: &str, said: &[u8]) -> Option<()> {
        let mut written = written(said)?;
        let list = std::fs::read_to_string(self.invocation.dep_info()).ok()?;
        let mut read = list.lines().filter_map(|line| line.strip_prefix("# env-dep:"));
        if read.any(|entry| !(self.allowed)(entry.split('=').next().unwrap_or(entry))) {
            return None;
        }
        written.retain(|file| file.emit != "dep-info");
        let mut kept = Tree::new();
        for Written { name, .. } in &written {
            let body = std::fs::read(self.invocation.out.join(name)).ok()?;
            kept.insert(format!("{WRITTEN}{name}"), body);
        }
        kept.insert(SAID.into(), serde_json::to_vec(&written).expect("a list of texts is JSON"));
        if let Some(folder) = self.sources {
            kept.insert(ROOT.into(), std::fs::read(folder.join(ROOT)).ok()?);
        }
        let put = |entry: &Path| {
            kept.iter().try_for_each(|(path, body)| files::put(&entry.join(path), body))
        };
        cache.put(kinds::COMPILED, key, put).ok().map(drop)
    }

    /// Writes what was kept where the compiler would, and says so.
    fn restore(&self, entry: &Tree) -> Option<()> {
        let written: Vec<Written> = serde_json::from_slice(entry.get(SAID)?).ok()?;
        let mut files: Vec<(&str, PathBuf)> = Vec::new();
        for Written { name, emit } in &written {
            let body = entry.get(&format!("{WRITTEN}{name}"))?;
            let file = self.invocation.out.join(name);
            scratch::replace_program(&file, body).ok()?;
            files.push((emit, file));
        }
        library::write_dep_info(self.invocation, &[], &Default::default()).ok()?;
        if self.command.is_none() {
            library::announce(self.invocation, &[("dep-info", self.invocation.dep_info())]).ok()?;
            library::announce(self.invocation, &files).ok()?;
        }
        Some(())
    }
}

/// The files that the compiler told of. None if it said anything else, such as a warning.
fn written(said: &[u8]) -> Option<Vec<Written>> {
    let lines = std::str::from_utf8(said).ok()?.lines();
    let written = |line: &str| {
        let value: Value = serde_json::from_str(line).ok()?;
        let is_artifact = value["$message_type"] == "artifact";
        let name = Path::new(value["artifact"].as_str()?).file_name()?.to_str()?.to_owned();
        is_artifact.then_some(Written { name, emit: value["emit"].as_str()?.to_owned() })
    };
    lines.map(written).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_were_written() {
        let line = |name: &str| {
            format!(
                "{{\"$message_type\":\"artifact\",\"artifact\":\"/o/{name}\",\"emit\":\"link\"}}\n"
            )
        };
        let found = written((line("liba.so") + &line("a.d")).as_bytes()).unwrap();
        assert!(found.len() == 2 && found[0].name == "liba.so" && found[0].emit == "link");
        let said = line("a") + "{\"$message_type\":\"diagnostic\"}\n";
        assert!(written(said.as_bytes()).is_none());
    }
}
