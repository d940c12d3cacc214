//! Compiles a workspace of staged packages to wasm with cargo.

use crate::artifact::module::TARGET;
use crate::base::cargo;
use crate::base::error::{Class, Context, Error, Result};
use crate::pack::compile::environment::{Heard, Listener, Variables};
use crate::pack::compiler::guest::Guest;
use crate::pack::compiler::toolchain::Toolchain;
use crate::pack::compiler::wrapping::{self, Config};
use crate::pack::source::assertions;
use crate::pack::source::dependency::{package, Dependency};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The profile's settings, given on the command line so that no configuration overrides them.
///
/// Measured with serde_derive on the portable engine, unoptimised: `s` against `3` halves the module
/// (631 kB for 1229) and takes a third off the image (261 kB for 406) and half off the time until
/// the first expansion is done (25 ms for 49), for 13 % more time in long expansions. `z` costs 55 %.
/// The guest and the standard library, where most of the time goes, are at 3 in any case.
///
/// Of the 8.4 s of processor time that serde_derive's own crate takes, fat LTO is 4.6 and the
/// optimisation before it 2.5. Thin LTO takes 8.5 s for a linked module of 1551 kB instead of 1386, none
/// 7.3 s for 3003 kB.
const PROFILE: [&str; 11] = [
    "inherits='release'",
    "opt-level='s'",
    "debug=0",
    "strip='none'",
    "debug-assertions=false",
    "overflow-checks=false",
    "lto='fat'",
    "panic='abort'",
    "incremental=false",
    "codegen-units=1",
    "rpath=false",
];

/// Flags for every wasm crate, recorded in the manifest.
pub const FLAGS: [&str; 4] = ["-Copt-level=s", "-Clto=fat", "-Ccodegen-units=1", "-Cpanic=abort"];

/// Bytes of the module's own stack, which lies in its memory.
const STACK_BYTES: u32 = 4 << 20;

const FAILED: &str = "the package does not compile for wasm";

/// A disk with less is full: a compiler's file is larger.
const SPACE_MIN: u64 = 4 << 20;

/// The name of a program that does not exist; build scripts complain of it.
const NO_C: &str = "no-c-compiler-for-packed-macros";

/// What to compile, and with what.
pub struct Job<'a> {
    pub toolchain: &'a Toolchain,
    pub guest: &'a Guest,
    /// The staged workspace.
    pub staged: &'a Path,
    pub members: &'a [Member],
    /// Directory of the user, where cargo's configuration is looked for.
    pub directory: &'a Path,
    /// Directory shared by all builds with this toolchain and guest.
    pub shared: &'a Path,
    /// Packages, as `name@version`, with debug assertions.
    pub asserted: &'a [String],
    pub variables: &'a Variables,
    pub offline: bool,
}

/// A macro package of the workspace.
pub struct Member {
    pub directory: PathBuf,
}

pub struct Built {
    pub wasm: Vec<u8>,
    /// The other packages linked into the module.
    pub linked: BTreeSet<Dependency>,
    /// Features of the package that were enabled.
    pub features: Vec<String>,
    /// The library's name as Rust code writes it.
    pub crate_name: String,
    /// What its crates and their build scripts tell of themselves.
    pub heard: Vec<Heard>,
    /// The package itself has one.
    pub has_build_script: bool,
}

/// What happens while cargo works.
pub enum Event<'a> {
    /// A crate for wasm is compiled, or was before.
    Compiled(&'a str),
    /// A member's module is there. Linked, and heard, are all packages that were compiled so far.
    Module(usize, Built),
}

/// Why cargo did not compile everything.
#[derive(Debug)]
pub struct Failed {
    /// Name, version if it is known, and what was said of each crate that failed.
    crates: Vec<(String, Option<String>, String)>,
    stderr: String,
    /// There was no space left where cargo writes: linkers then say anything.
    is_full: bool,
}

/// Builds the members, each as far as it can be. None if everything was compiled.
pub fn build(job: &Job, tell: &mut dyn FnMut(Event)) -> Result<Option<Failed>> {
    let config = Config {
        target: TARGET.to_owned(),
        guest: Some(job.guest.clone()),
        sysroot: job.toolchain.sysroot.clone(),
        linker: job.toolchain.linker.path.clone(),
        sources: job.shared.join("src"),
        remap: job.toolchain.remap.clone(),
        flags: vec!["-Cstrip=none".into(), format!("-Clink-arg=-zstack-size={STACK_BYTES}")],
    };
    let mut cargo = match &job.toolchain.cargo {
        Some(program) => cargo::command_of(program.into(), job.directory),
        None => cargo::command(job.directory),
    };
    wrapping::configure(&mut cargo, &config, job.staged)?;
    cargo.env("RUSTC", &job.toolchain.rustc);
    // A C compiler would be this machine's own: no other would give the same bytes.
    for tool in ["CC_wasm32_wasip1", "CXX_wasm32_wasip1", "AR_wasm32_wasip1"] {
        cargo.env(tool, NO_C);
    }
    cargo.args(["build", "--quiet", "--workspace", "--lib", "--keep-going"]);
    // The workspace's own choice stands in the package beside the members.
    cargo.arg("--no-default-features");
    cargo.args(["--profile", "precast", "--target", TARGET, "--message-format", "json"]);
    cargo.arg("--manifest-path").arg(job.staged.join("Cargo.toml"));
    cargo.arg("--target-dir").arg(job.shared.join("target"));
    let settings = PROFILE.map(|setting| format!("profile.precast.{setting}"));
    for setting in settings.into_iter().chain(assertions::settings(job.asserted)) {
        cargo.arg("--config").arg(setting);
    }
    if job.offline {
        cargo.arg("--offline");
    }
    for (name, value) in job.variables.given() {
        match value {
            Some(value) => cargo.env(name, value),
            None => cargo.env_remove(name),
        };
    }
    let listener = Listener::new(job.variables);
    let mut found = Found { members: job.members, listener, ..Found::default() };
    let mut broken = None;
    let output = cargo::run(cargo, |line| {
        broken = broken.take().or(found.message(line, tell).err());
    })?;
    if let Some(error) = broken {
        return Err(error);
    }
    let is_full = || fs4::available_space(job.shared).is_ok_and(|left| left < SPACE_MIN);
    let failed = || Failed {
        crates: failures(&output.stderr, &found.said),
        is_full: is_full(),
        stderr: output.stderr,
    };
    Ok((!output.success).then(failed))
}

#[derive(Default)]
struct Found<'a> {
    members: &'a [Member],
    linked: BTreeSet<Dependency>,
    /// Manifests of packages with a build script.
    scripts: BTreeSet<PathBuf>,
    listener: Listener,
    /// Errors of the compiler by name and version.
    said: BTreeMap<(String, String), String>,
}

impl Found<'_> {
    /// One line of cargo's JSON messages.
    fn message(&mut self, line: &str, tell: &mut dyn FnMut(Event)) -> Result<()> {
        let Ok(message) = serde_json::from_str::<Value>(line) else { return Ok(()) };
        self.listener.message(&message);
        if message["reason"] == "compiler-message" && message["message"]["level"] == "error" {
            if let Some((_, name, version)) = package(&message) {
                let text = message["message"]["rendered"].as_str().unwrap_or_default();
                self.said.entry((name, version)).or_default().push_str(text);
            }
        }
        if message["reason"] != "compiler-artifact" {
            return Ok(());
        }
        let manifest = message["manifest_path"].as_str().map(PathBuf::from).unwrap_or_default();
        if message["target"]["kind"][0] == "custom-build" {
            self.scripts.insert(manifest);
            return Ok(());
        }
        let files = message["filenames"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let inside = |file: &&str| Path::new(file).iter().any(|part| part == TARGET);
        let files: Vec<&str> = files.filter(inside).collect();
        let Some(file) = files.first() else { return Ok(()) };
        let name = message["target"]["name"].as_str().unwrap_or_default();
        if file.ends_with(".wasm") {
            let is_it = |member: &Member| member.directory.join("Cargo.toml") == manifest;
            let Some(at) = self.members.iter().position(is_it) else { return Ok(()) };
            let built = Built {
                wasm: std::fs::read(file).at("read", Path::new(file))?,
                linked: self.linked.clone(),
                features: Dependency::of(&message).map(|own| own.features).unwrap_or_default(),
                crate_name: name.replace('-', "_"),
                heard: self.listener.heard.clone(),
                has_build_script: self.scripts.contains(&manifest),
            };
            tell(Event::Module(at, built));
        } else if file.ends_with(".rlib") {
            self.linked.extend(Dependency::of(&message));
        } else {
            return Ok(());
        }
        tell(Event::Compiled(name));
        Ok(())
    }
}

const NOT_COMPILED: &str = "error: could not compile `";
const SCRIPT_FAILED: &str = "error: failed to run custom build command for `";

/// What cargo and the compiler said of each crate that failed.
fn failures(
    stderr: &str,
    said: &BTreeMap<(String, String), String>,
) -> Vec<(String, Option<String>, String)> {
    let mut failures: Vec<(String, Option<String>, String)> = Vec::new();
    for ((name, version), text) in said {
        failures.push((name.clone(), Some(version.clone()), text.clone()));
    }
    let is_head = |line: &str| line.starts_with(NOT_COMPILED) || line.starts_with(SCRIPT_FAILED);
    let mut lines = stderr.lines().peekable();
    // What the compiler's wrapper says of what ended the compiler.
    let mut loose = String::new();
    while let Some(line) = lines.next() {
        if line.starts_with("error: precast: ") {
            loose += &format!("{line}\n");
        }
        if !is_head(line) {
            continue;
        }
        // `NAME` or `NAME vVERSION (PLACE)`
        let named = line.split('`').nth(1).unwrap_or_default();
        let mut words = named.split(' ');
        let name = words.next().unwrap_or_default().to_owned();
        let version = words.next().and_then(|word| word.strip_prefix('v')).map(str::to_owned);
        let mut text = format!("{line}\n");
        while let Some(more) = lines.next_if(|line| {
            !is_head(line)
                && !line.starts_with("error: precast: ")
                && !line.starts_with("warning: build failed")
        }) {
            text += &format!("{more}\n");
        }
        match failures.iter_mut().find(|(known, at, _)| {
            *known == name && (version.is_none() || at.is_none() || *at == version)
        }) {
            Some((.., said)) => *said += &text,
            None => failures.push((name, version, format!("{loose}{text}"))),
        }
    }
    failures
}

impl Failed {
    /// Cargo missed what it had not downloaded.
    pub fn is_offline(&self) -> bool {
        self.crates.is_empty() && cargo::is_offline(&self.stderr)
    }

    /// The error of a package that needs the crates for which `needs` holds, by name and version.
    pub fn error(&self, needs: &dyn Fn(&str, Option<&str>) -> bool) -> Error {
        let needed =
            self.crates.iter().filter(|(name, version, _)| needs(name, version.as_deref()));
        let texts: Vec<&str> = needed.map(|(.., text)| text.as_str()).collect();
        let text = if texts.is_empty() { self.stderr.clone() } else { texts.concat() };
        match self.is_full {
            true => cargo::failure_by(FAILED, &text, Some(cargo::no_space())),
            false => explain(&text),
        }
    }
}

/// Cargo's complaint as an error of ours.
fn explain(stderr: &str) -> Error {
    let stderr = stderr.trim();
    const REFUSED: &str = "error: precast: ";
    let script = "failed to run custom build command for `";
    if let (Some(at), None) = (stderr.find(script), cargo::trouble(stderr)) {
        let name = stderr[at + script.len()..].split('`').next().unwrap_or("");
        if let Some((_, refused)) = stderr.split_once(REFUSED) {
            return Error::new(Class::Package, format!("the build script of {name}: {refused}"));
        }
        // What it says to cargo on standard output is long, and tells nothing.
        let said = stderr.split("--- stderr").last().unwrap_or(stderr).trim();
        let message = format!("the build script of {name} failed:\n{said}");
        return Error::new(Class::Package, message).help(
            "a packed macro is one wasm module: it cannot link C libraries or use the network",
        );
    }
    cargo::failure(FAILED, stderr)
}

/// How far a build is.
pub struct Progress<'a> {
    start: Instant,
    names: &'a [String],
    n_crates: usize,
    n_compiled: usize,
}

impl Progress<'_> {
    pub fn new(names: &[String], n_crates: usize) -> Progress<'_> {
        Progress { start: Instant::now(), names, n_crates, n_compiled: 0 }
    }

    /// After one more crate: what is compiled, how much of it is done, and how long the rest may take.
    pub fn text(&mut self, name: &str, n_done: usize, n_packages: usize) -> String {
        self.n_compiled += 1;
        let n_crates = self.n_crates.max(self.n_compiled);
        let what = match self.names {
            [one] => one.clone(),
            many => format!("{} packages", many.len()),
        };
        let left = self
            .start
            .elapsed()
            .mul_f64((n_crates - self.n_compiled) as f64 / self.n_compiled as f64);
        let left = match left.as_secs() {
            0..3 => String::new(),
            seconds => format!(", about {seconds} s left"),
        };
        format!(
            "compiling {what}: {name}; {n_done} of {n_packages} packages, {} of {n_crates} crates{left}",
            self.n_compiled
        )
    }
}
