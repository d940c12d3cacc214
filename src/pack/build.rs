//! Compiles a staged package to wasm with cargo.

use super::environment::{self, Environment, Listener};
use super::guest::Guest;
use super::toolchain::{Toolchain, TARGET};
use super::wrapper::{self, Config};
use super::{assertions, cargo, Features, Report};
use crate::error::{Class, Context, Error, Result};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The profile's settings, given on the command line so that no configuration overrides them.
///
/// Measured with serde_derive on the portable engine, unoptimised: `s` against `3` halves the module
/// (631 kB for 1229) and takes a third off the image (261 kB for 406) and half off the time until
/// the first expansion is done (25 ms for 49), for 13 % more time in long expansions. `z` costs 55 %.
/// The guest and the standard library, where most of the time goes, are at 3 in any case.
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

/// The name of a program that does not exist; build scripts complain of it.
const NO_C: &str = "no-c-compiler-for-packed-macros";

/// What to compile, and with what.
pub struct Job<'a> {
    pub toolchain: &'a Toolchain,
    pub guest: &'a Guest,
    /// The staged package.
    pub staged: &'a Path,
    /// Directory of the user, where cargo's configuration is looked for.
    pub directory: &'a Path,
    /// Directory shared by all builds with this toolchain and guest.
    pub shared: &'a Path,
    pub features: &'a Features,
    /// Variables that are to have these values, whatever they are now.
    pub environment: &'a Environment,
    pub offline: bool,
}

pub struct Built {
    pub wasm: Vec<u8>,
    /// The other packages linked into the module.
    pub linked: BTreeSet<Dependency>,
    /// Features of the package that were enabled.
    pub features: Vec<String>,
    /// The library's name as Rust code writes it.
    pub crate_name: String,
    /// Variables that the crates and their build scripts have read.
    pub environment: Environment,
    /// Names of crates that do not compile for wasm with what holds natively.
    pub unlike: Vec<String>,
    /// The package itself has one.
    pub has_build_script: bool,
}

pub fn build(job: &Job, report: &dyn Report) -> Result<Built> {
    let config = Config {
        target: TARGET.to_owned(),
        guest: Some(job.guest.clone()),
        sysroot: job.toolchain.sysroot.clone(),
        linker: job.toolchain.linker.path.clone(),
        sources: job.shared.join("src"),
        remap: job.toolchain.remap.clone(),
        flags: vec!["-Cstrip=none".into(), format!("-Clink-arg=-zstack-size={STACK_BYTES}")],
    };
    let mut cargo = cargo::command(job.directory);
    wrapper::configure(&mut cargo, &config, job.staged)?;
    cargo.env("RUSTC", &job.toolchain.rustc);
    // A C compiler would be this machine's own: no other would give the same bytes.
    for tool in ["CC_wasm32_wasip1", "CXX_wasm32_wasip1", "AR_wasm32_wasip1"] {
        cargo.env(tool, NO_C);
    }
    cargo.args(["build", "--lib", "--profile", "precast", "--target", TARGET]);
    cargo.args(["--message-format", "json-render-diagnostics"]);
    cargo.arg("--manifest-path").arg(job.staged.join("Cargo.toml"));
    cargo.arg("--target-dir").arg(job.shared.join("target"));
    let settings = PROFILE.map(|setting| format!("profile.precast.{setting}"));
    for setting in settings.into_iter().chain(assertions::settings(&job.features.asserted)) {
        cargo.arg("--config").arg(setting);
    }
    cargo.args(job.features.arguments());
    if job.offline {
        cargo.arg("--offline");
    }
    for (name, value) in job.environment {
        match value {
            Some(value) => cargo.env(name, value),
            None => cargo.env_remove(name),
        };
    }
    let mut found = Found::default();
    let output = cargo::run(cargo, |line| found.message(line, report))?;
    if !output.success {
        return Err(explain(&output.stderr));
    }
    let wasm = found.wasm.take().ok_or_else(|| {
        Error::new(Class::Package, "the build made no wasm module; is this a proc-macro crate?")
    })?;
    let wasm = std::fs::read(&wasm).at("read", &wasm)?;
    let has_build_script = found.scripts.contains(&job.staged.join("Cargo.toml"));
    let value = |name: &str| match job.environment.get(name) {
        Some(value) => value.clone(),
        None => environment::present(name),
    };
    let environment = found.listener.read(|_| true, value);
    let unlike = found.listener.unlike();
    let Found { linked, features, crate_name, .. } = found;
    Ok(Built { wasm, linked, features, crate_name, environment, unlike, has_build_script })
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dependency {
    pub name: String,
    pub version: String,
    pub manifest: PathBuf,
}

impl Dependency {
    /// From a message about an artifact: its id is `SOURCE#NAME@VERSION`, or `SOURCE/NAME#VERSION`.
    fn of(message: &Value) -> Option<Dependency> {
        let (source, fragment) = message["package_id"].as_str()?.rsplit_once('#')?;
        let last = source.rsplit('/').next().unwrap_or(source);
        let (name, version) = fragment.rsplit_once('@').unwrap_or((last, fragment));
        let manifest = PathBuf::from(message["manifest_path"].as_str()?);
        Some(Dependency { name: name.to_owned(), version: version.to_owned(), manifest })
    }
}

#[derive(Default)]
struct Found {
    wasm: Option<PathBuf>,
    linked: BTreeSet<Dependency>,
    features: Vec<String>,
    crate_name: String,
    /// Manifests of packages with a build script.
    scripts: BTreeSet<PathBuf>,
    listener: Listener,
}

impl Found {
    /// One line of cargo's JSON messages.
    fn message(&mut self, line: &str, report: &dyn Report) {
        let Ok(message) = serde_json::from_str::<Value>(line) else { return };
        self.listener.message(&message);
        if message["reason"] != "compiler-artifact" {
            return;
        }
        if message["target"]["kind"][0] == "custom-build" {
            self.scripts.extend(message["manifest_path"].as_str().map(PathBuf::from));
        }
        let files = message["filenames"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let inside = |file: &&str| Path::new(file).iter().any(|part| part == TARGET);
        let files: Vec<&str> = files.filter(inside).collect();
        let Some(file) = files.first() else { return };
        if !file.ends_with(".wasm") && !file.ends_with(".rlib") {
            return;
        }
        let name = message["target"]["name"].as_str().unwrap_or_default();
        if file.ends_with(".wasm") {
            self.wasm = Some(PathBuf::from(file));
            self.crate_name = name.replace('-', "_");
            let features = message["features"].as_array().into_iter().flatten();
            self.features = features.filter_map(Value::as_str).map(str::to_owned).collect();
            self.features.sort_unstable();
        } else {
            self.linked.extend(Dependency::of(&message));
        }
        if message["fresh"] == false {
            report.step(&format!("compiled {name}"));
        }
    }
}

/// Cargo's complaint as an error of ours.
fn explain(stderr: &str) -> Error {
    let stderr = stderr.trim();
    const REFUSED: &str = "error: precast: ";
    let script = "failed to run custom build command for `";
    if let Some(at) = stderr.find(script) {
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
    cargo::failure("the package does not compile for wasm", stderr)
}
