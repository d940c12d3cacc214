//! Build scripts see the world of a native build: the macro would run on this machine, in cargo's dev
//! profile, and so would the script's cfgs and features hold.
//!
//! Cargo builds for wasm and tells scripts so. Hence the wrapper puts this program in the place of each
//! compiled script: it runs the script with the host's values of what cargo sets. The compiler that the
//! script asks (proc-macro2 probes what it can do) still compiles for wasm, for so will the crate be.
//!
//! A dependency that does not compile with what its script found for the host gets what the script finds
//! for wasm: it would choose a backend for a system that is not there (rustix). A script that decides by
//! cargo's profile is refused: a module is the same in every profile.

use crate::base::cargo;
use crate::base::error::{Class, Context, Error, Result};
use crate::base::files;
use crate::base::files::Tree;
use crate::pack::compiler::wrapping::UNIT;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Set for what a script starts: a compiler is to compile for wasm.
pub const PROBE: &str = "PRECAST_PROBE";

/// What a script's program is called once this one has taken its place.
const REAL: &str = "script";
/// The environment that cargo gave the script, beside its output directory.
const GIVEN: &str = "precast-environment.json";
/// The output directory of a second run.
const OTHER_OUT: &str = "precast-out";

/// Names of cargo's crates and programs of build scripts.
const CRATE: &str = "build_script_";
const PROGRAM: &str = "build-script-";

/// What a profile changes.
const PROFILE: &str = "PROFILE";
const PROFILES: [&str; 2] = ["debug", "release"];

/// Whether the crate is a build script.
pub fn is_script(crate_name: &str) -> bool {
    crate_name.starts_with(CRATE)
}

/// Puts `launcher` in the place of a compiled script.
pub fn replace(program: &Path, launcher: &Path) -> Result<()> {
    let real = program.with_extension(REAL);
    std::fs::rename(program, &real).at("rename", program)?;
    #[cfg(unix)]
    let linked = std::os::unix::fs::symlink(launcher, program);
    #[cfg(not(unix))]
    let linked = std::fs::hard_link(launcher, program);
    linked.or_else(|_| std::fs::copy(launcher, program).map(drop)).at("create", program)
}

/// The script whose place this program has, if it was started as one.
pub fn started_as() -> Option<PathBuf> {
    let program = PathBuf::from(std::env::args_os().next()?);
    let stem = program.file_stem()?.to_str()?.to_owned();
    let name = stem.starts_with(PROGRAM).then(|| stem.replace('-', "_"))?;
    let entries = std::fs::read_dir(program.parent()?).ok()?;
    let mut files = entries.flatten().map(|entry| entry.path());
    files.find(|file| {
        let stem = file.file_stem().and_then(|stem| stem.to_str());
        let of_name = |stem: &str| stem == name || stem.starts_with(&format!("{name}-"));
        file.extension().is_some_and(|end| end == REAL) && stem.is_some_and(of_name)
    })
}

/// Runs the script as natively; `target` is the wasm target.
pub fn launch(script: &Path, target: &str) -> Result<i32> {
    let out = std::env::var_os("OUT_DIR").map(PathBuf::from);
    let out =
        out.ok_or_else(|| Error::new(Class::Other, "cargo gave a build script no OUT_DIR"))?;
    let mut world = World::default();
    if std::env::var("TARGET").is_ok_and(|given| given == target) {
        let json = serde_json::to_vec(&Given::of(script)).expect("texts are valid JSON");
        files::put(&out.with_file_name(GIVEN), &json)?;
        world = World::of_host()?;
    }
    let said = run(script, &world, PROFILES[0], &out, None)?;
    let Said { code: 0, .. } = said else { return said.tell() };
    if mentions(script, PROFILE)? {
        let other_out = empty(&out.with_file_name(OTHER_OUT))?;
        let other = run(script, &world, PROFILES[1], &other_out, None)?;
        if !is_same((&said, &out), (&other, &other_out))? {
            let message =
                "its build script gives something else in another profile of cargo (PROFILE): \
                           one module cannot be both";
            return Err(Error::new(Class::Package, message));
        }
    }
    said.tell()
}

/// What cargo sets of the target for a script.
fn is_of_target(name: &str) -> bool {
    let is_packages = ["CARGO_CFG_FEATURE", "CARGO_CFG_DEBUG_ASSERTIONS"].contains(&name);
    (name.starts_with("CARGO_CFG_") && !is_packages)
        || ["DEBUG", "OPT_LEVEL", "TARGET"].contains(&name)
}

/// Variables to set and to remove.
#[derive(Default)]
struct World {
    set: BTreeMap<String, String>,
    removed: Vec<String>,
}

impl World {
    /// As cargo tells scripts of packages that are built for this machine, unoptimised.
    fn of_host() -> Result<World> {
        let text = |name: &str| {
            let missing =
                || Error::new(Class::Other, format!("cargo gave a build script no {name}"));
            std::env::var(name).ok().ok_or_else(missing)
        };
        let mut set = variables(&host_cfgs(Path::new(&text("RUSTC")?))?);
        set.insert("TARGET".into(), text("HOST")?);
        set.insert("OPT_LEVEL".into(), "0".into());
        set.insert("DEBUG".into(), "false".into());
        set.insert(PROBE.into(), "1".into());
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        Ok(World { set, removed: names.filter(|name| is_of_target(name)).collect() })
    }
}

/// The compiler's `cfg`s for this machine, each `NAME` or `NAME="VALUE"`.
pub fn host_cfgs(rustc: &Path) -> Result<Vec<String>> {
    let mut command = Command::new(rustc);
    command.args(["--print", "cfg"]);
    let output = cargo::run(command, |_| {})?;
    match output.success {
        true => Ok(output.stdout.lines().map(str::to_owned).collect()),
        false => Err(cargo::failure("the compiler does not tell its cfgs", &output.stderr)),
    }
}

/// `CARGO_CFG_…` with all values of each name.
fn variables(cfgs: &[String]) -> BTreeMap<String, String> {
    let mut values: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for cfg in cfgs.iter().filter(|cfg| *cfg != "debug_assertions") {
        let (name, value) = match cfg.split_once('=') {
            Some((name, value)) => (name, Some(value.trim_matches('"'))),
            None => (cfg.as_str(), None),
        };
        let name = name.to_uppercase().replace('-', "_");
        values.entry(format!("CARGO_CFG_{name}")).or_default().extend(value);
    }
    values.into_iter().map(|(name, values)| (name, values.join(","))).collect()
}

/// What a script wrote, and its exit code.
struct Said {
    code: i32,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Said {
    /// Says it again to cargo.
    fn tell(&self) -> Result<i32> {
        let told = std::io::stdout().write_all(&self.stdout);
        told.and_then(|()| std::io::stderr().write_all(&self.stderr))
            .context("cannot answer cargo")?;
        Ok(self.code)
    }
}

fn run(
    script: &Path,
    world: &World,
    profile: &str,
    out: &Path,
    package: Option<&Path>,
) -> Result<Said> {
    let mut command = Command::new(script);
    for name in &world.removed {
        command.env_remove(name);
    }
    // The wrapper has it when it runs a script again.
    command.env_remove(UNIT);
    command.envs(&world.set).env(PROFILE, profile).env("OUT_DIR", out);
    if let Some(package) = package {
        command.current_dir(package);
    }
    let output = command.output().at("run", script)?;
    let code = output.status.code().unwrap_or(1);
    Ok(Said { code, stdout: output.stdout, stderr: output.stderr })
}

fn empty(folder: &Path) -> Result<PathBuf> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).at("empty", folder)?;
    }
    std::fs::create_dir_all(folder).at("create", folder)?;
    Ok(folder.to_owned())
}

/// A program that does not contain a variable's name does not ask for it.
fn mentions(program: &Path, name: &str) -> Result<bool> {
    let bytes = std::fs::read(program).at("read", program)?;
    Ok(bytes.windows(name.len()).any(|window| window == name.as_bytes()))
}

/// Whether two runs said and wrote the same, but for the places of their output.
fn is_same(one: (&Said, &Path), other: (&Said, &Path)) -> Result<bool> {
    let told = |(said, out): (&Said, &Path)| {
        String::from_utf8_lossy(&said.stdout).replace(&*out.to_string_lossy(), "$OUT_DIR")
    };
    let written = |(_, out): (&Said, &Path)| -> Result<Tree> {
        let mut files = files::read_published(out)?;
        for body in files.values_mut() {
            if let Ok(text) = std::str::from_utf8(body) {
                *body = text.replace(&*out.to_string_lossy(), "$OUT_DIR").into_bytes();
            }
        }
        Ok(files)
    };
    Ok(one.0.code == other.0.code && told(one) == told(other) && written(one)? == written(other)?)
}

/// What a script tells the compiler of its package.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The values of `--cfg`.
    pub cfgs: Vec<String>,
    pub environment: Vec<(String, String)>,
    /// Its output directory.
    pub out: PathBuf,
}

impl Found {
    fn read(said: &Said, out: &Path) -> Found {
        let stdout = String::from_utf8_lossy(&said.stdout);
        let mut found = Found { out: out.to_owned(), ..Found::default() };
        for line in stdout.lines() {
            let rest = line.strip_prefix("cargo::").or_else(|| line.strip_prefix("cargo:"));
            match rest.and_then(|rest| rest.split_once('=')) {
                Some(("rustc-cfg", cfg)) => found.cfgs.push(cfg.to_owned()),
                Some(("rustc-env", pair)) => found.environment.extend(
                    pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())),
                ),
                _ => {}
            }
        }
        found
    }
}

/// A script's program, and what cargo told it.
#[derive(Serialize, Deserialize)]
struct Given {
    script: PathBuf,
    environment: BTreeMap<String, String>,
}

impl Given {
    fn of(script: &Path) -> Given {
        let texts = |(name, value): (OsString, OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        let environment = std::env::vars_os().filter_map(texts);
        let environment = environment.filter(|(name, _)| is_scripts(name)).collect();
        Given { script: script.to_owned(), environment }
    }
}

/// What a script is told and a compiler is not.
fn is_scripts(name: &str) -> bool {
    const NAMES: [&str; 6] = ["HOST", "NUM_JOBS", "OUT_DIR", "PROFILE", "RUSTC", "RUSTDOC"];
    const PREFIXES: [&str; 3] = ["CARGO_FEATURE_", "CARGO_CFG_", "DEP_"];
    is_of_target(name)
        || NAMES.contains(&name)
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// What the script with this output directory has found for the host, and what it finds for wasm; none
/// if that is the same. `package` is where it runs.
pub fn for_wasm(out: &Path, package: &Path) -> Result<Option<(Found, Found)>> {
    let Ok(given) = std::fs::read(out.with_file_name(GIVEN)) else { return Ok(None) };
    let Given { script, environment } = serde_json::from_slice(&given).at("read", out)?;
    let said = out.with_file_name("output");
    let said =
        Said { code: 0, stdout: std::fs::read(&said).at("read", &said)?, stderr: Vec::new() };
    let world = World { set: environment, removed: Vec::new() };
    let other_out = empty(&out.with_file_name(OTHER_OUT))?;
    let other = run(&script, &world, PROFILES[0], &other_out, Some(package))?;
    if other.code != 0 || is_same((&said, out), (&other, &other_out))? {
        return Ok(None);
    }
    Ok(Some((Found::read(&said, out), Found::read(&other, &other_out))))
}

#[cfg(test)]
mod tests {
    use super::{variables, Found, Said};
    use std::path::Path;

    #[test]
    fn the_cfgs_of_cargo() {
        let cfgs = [
            "debug_assertions",
            "target_family=\"unix\"",
            "target_feature=\"a\"",
            "target_feature=\"b\"",
            "unix",
        ];
        let expected = [
            ("CARGO_CFG_TARGET_FAMILY", "unix"),
            ("CARGO_CFG_TARGET_FEATURE", "a,b"),
            ("CARGO_CFG_UNIX", ""),
        ];
        let found = variables(&cfgs.map(str::to_owned));
        assert_eq!(found, expected.map(|(a, b)| (a.to_owned(), b.to_owned())).into());
    }

    #[test]
    fn what_a_script_says() {
        let stdout = b"cargo:rustc-cfg=a=\"b\"\ncargo::rustc-env=C=d=e\nother\n".to_vec();
        let said = Said { code: 0, stdout, stderr: Vec::new() };
        let found = Found::read(&said, Path::new("out"));
        assert_eq!(found.cfgs, ["a=\"b\""]);
        assert_eq!(found.environment, [("C".to_owned(), "d=e".to_owned())]);
    }
}
