//! The library of the macros, built from source by a cargo of its own, with what the package's own cargo
//! has said: features, build script, environment.
//!
//! Several compilers of one build may need it at once; one builds it.

use super::nested;
use super::target::Target;
use crate::base::error::{Class, Context, Error, Result};
use crate::base::files::hash_of;
use crate::base::scratch;
use crate::project::script;
use fs4::FileExt;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// For the compiler of the nested package: variables and arguments that are the package's own, as JSON.
const VARIABLE: &str = "PRECAST_SAME_PACKAGE";

/// Stands for one run of a command of ours: a library is built once in each.
pub const SESSION: &str = "PRECAST_SESSION";

/// Variables that the macros hear as the package's other targets do.
const OWN: [&str; 6] = [
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_PATH",
    "CARGO_PKG_LICENSE_FILE",
    "CARGO_PKG_NAME",
    "CARGO_PKG_README",
    "OUT_DIR",
];

/// Those of them that cargo compares with the nested package's manifest.
const COMPARED: [&str; 3] = ["CARGO_PKG_LICENSE_FILE", "CARGO_PKG_NAME", "CARGO_PKG_README"];

/// Where the nested packages of a target directory are.
const PLACE: &str = "precast/proc-macro";

/// Where the RFC has the library for others than cargo.
const UPLIFTED: &str = "proc-macro";

/// A library that was built.
pub struct Library {
    pub file: PathBuf,
    /// What it was made of.
    pub sources: Vec<PathBuf>,
}

/// The nested package of a target, ready for cargo.
pub struct Nested {
    pub folder: PathBuf,
    /// The features of the package that the macros know.
    features: Vec<String>,
    /// The package's own, for the compiler.
    own: Own,
}

/// What the macros have in common with the package's other targets.
#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Own {
    directory: PathBuf,
    variables: BTreeMap<String, String>,
    link_args: Vec<String>,
}

impl Nested {
    /// Writes it, for a compiler that runs with cargo's variables for the package, or for nobody's.
    pub fn new(target: &Target, features: &[String], target_dir: &Path) -> Result<Nested> {
        std::fs::create_dir_all(target_dir.join(PLACE)).at("create", target_dir)?;
        let mut own = own_of(target, target_dir)?;
        let out = own.variables.get("OUT_DIR").cloned().unwrap_or_default();
        let parts = [target.directory.to_string_lossy().into_owned(), out];
        let name = format!("{}-{}", target.package, &hash_of(&parts)[..16]);
        let folder = target_dir.join(PLACE).join(name);
        std::fs::create_dir_all(&folder).at("create", &folder)?;
        let folder = folder.canonicalize().at("find", &folder)?;
        let root = target.directory.join(&target.path);
        let name = nested_name(target);
        let manifest = nested::manifest(target, &name, &root.to_string_lossy(), true)?;
        write(&folder.join("Cargo.toml"), &manifest)?;
        if let Some(lock) =
            nested::lockfile(target).filter(|_| !folder.join("Cargo.lock").is_file())
        {
            write(&folder.join("Cargo.lock"), &lock)?;
        }
        let relevant = nested::relevant(target)?;
        let features = features.iter().filter(|name| relevant.contains(*name)).cloned().collect();
        own.directory.clone_from(&folder);
        Ok(Nested { folder, features, own })
    }

    /// The package's features that the macros know, as far as they are enabled.
    pub fn features(&self) -> &[String] {
        &self.features
    }

    /// `cargo COMMAND` for the nested package.
    pub fn cargo(&self, command: &str, target: &Target) -> Result<Command> {
        let mut cargo = self.cargo_of(command, &self.folder, &self.folder, target)?;
        cargo.arg("--no-default-features");
        if !self.features.is_empty() {
            cargo.arg("--features").arg(self.features.join(","));
        }
        cargo.env_remove(script::LAZY);
        Ok(cargo)
    }

    /// `cargo COMMAND` for a package in one of its folders, built in one of them. The macros' crate hears what
    /// is the package's own.
    pub fn cargo_of(
        &self,
        command: &str,
        folder: &Path,
        place: &Path,
        target: &Target,
    ) -> Result<Command> {
        let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut cargo = Command::new(program);
        cargo.current_dir(&target.directory).arg(command);
        cargo.arg("--manifest-path").arg(folder.join("Cargo.toml"));
        cargo.arg("--target-dir").arg(place.join("target"));
        let left = ["CARGO_BUILD_TARGET", "CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR"];
        for name in
            left.iter().chain(&["CARGO_BUILD_BUILD_DIR", "RUSTC_WORKSPACE_WRAPPER", "CLIPPY_ARGS"])
        {
            cargo.env_remove(name);
        }
        for name in std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()) {
            // Each crate hears its own from the cargo that compiles it.
            if script::is_own(&name) && !self.own.variables.contains_key(&name) {
                cargo.env_remove(name);
            }
        }
        cargo.env_remove(script::LAZY);
        cargo
            .envs(self.own.variables.iter().filter(|(name, _)| !COMPARED.contains(&name.as_str())));
        let own = serde_json::to_string(&self.own).context("a path is not UTF-8")?;
        cargo.env(VARIABLE, own);
        cargo.env("RUSTC_WRAPPER", crate::pack::compile::wrapper::program()?);
        Ok(cargo)
    }

    /// The library as cargo leaves it.
    pub fn built(&self, target: &Target) -> PathBuf {
        self.folder.join("target/debug").join(file_name(&target.name))
    }
}

/// What cargo and the build script have told this process of the package, or one before it.
fn own_of(target: &Target, target_dir: &Path) -> Result<Own> {
    let record = record(target, target_dir);
    let is_package =
        std::env::var_os("CARGO_MANIFEST_DIR").is_some_and(|dir| dir == *target.directory);
    let mut own = Own::default();
    if !is_package {
        let found = std::fs::read_to_string(record).ok();
        if let Some(found) = found.and_then(|text| serde_json::from_str(&text).ok()) {
            return Ok(found);
        }
        let directory = target.directory.to_string_lossy().into_owned();
        let manifest = target.directory.join("Cargo.toml").to_string_lossy().into_owned();
        own.variables.insert("CARGO_MANIFEST_DIR".into(), directory);
        own.variables.insert("CARGO_MANIFEST_PATH".into(), manifest);
        own.variables.insert("CARGO_PKG_NAME".into(), target.package.clone());
        return Ok(own);
    }
    let set = script::variables();
    for name in OWN.iter().map(|name| (*name).to_owned()).chain(set) {
        if let Ok(value) = std::env::var(&name) {
            own.variables.insert(name, value);
        }
    }
    own.link_args = script::link_args();
    if own.variables.contains_key("OUT_DIR") {
        write(&record, &serde_json::to_string(&own).context("a path is not UTF-8")?)?;
    }
    Ok(own)
}

/// What the build script said last, for commands that do not run it.
fn record(target: &Target, target_dir: &Path) -> PathBuf {
    let id = &hash_of(&[target.directory.to_string_lossy().as_ref()])[..16];
    target_dir.join(PLACE).join(format!("{}-{id}.json", target.package))
}

/// Whether the macros may need a build script of which nothing is known yet: only cargo runs it, before it
/// compiles another target.
pub fn lacks_script(target: &Target, target_dir: &Path) -> Result<bool> {
    let named = target.manifest["package"].get("build");
    let has_script = target.directory.join("build.rs").is_file() || named.is_some();
    let asks = |(_, body): (String, Vec<u8>)| String::from_utf8_lossy(&body).contains("env!");
    Ok(has_script
        && !record(target, target_dir).is_file()
        && nested::source(target)?.into_iter().any(asks))
}

/// Cargo knows two packages by their names, and this one may use the other in its documentation.
pub fn nested_name(target: &Target) -> String {
    format!("{}-proc-macro", target.package)
}

fn file_name(name: &str) -> String {
    use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
    format!("{DLL_PREFIX}{name}{DLL_SUFFIX}")
}

/// Builds the library for a crate that is compiled into `deps`, and puts it there. An error of the macros' own
/// is told as the compiler tells it.
pub fn build(
    target: &Target,
    features: &[String],
    target_dir: &Path,
    deps: &Path,
    is_coloured: bool,
) -> Result<Library> {
    let nested = Nested::new(target, features, target_dir)?;
    let lock = nested.folder.join(".lock");
    let lock = File::create(&lock).at("create", &lock)?;
    // Where files cannot be locked, cargo's own lock still holds.
    let _ = FileExt::lock(&lock);
    let id =
        &hash_of(&[target.directory.to_string_lossy().as_ref(), &nested.features.join(",")])[..16];
    let file = deps.join(file_name(&format!("{}-{id}", target.name)));
    let session = std::env::var(SESSION).unwrap_or_default();
    let stamp = nested.folder.join(format!("session-{id}"));
    let is_done =
        !session.is_empty() && std::fs::read_to_string(&stamp).is_ok_and(|text| text == session);
    if !is_done {
        run(&nested, target, is_coloured)?;
        if !session.is_empty() {
            write(&stamp, &session)?;
        }
        uplift(&nested, target, target_dir)?;
    }
    let kept = nested.folder.join(format!("built-{id}"));
    if !is_done {
        copy(&nested.built(target), &kept)?;
    }
    copy(&kept, &file)?;
    Ok(Library { file, sources: sources(&nested, target) })
}

/// Runs cargo, and hands on what the compiler says of the macros.
fn run(nested: &Nested, target: &Target, is_coloured: bool) -> Result<()> {
    let mut cargo = nested.cargo("build", target)?;
    let format = if is_coloured { "json-diagnostic-rendered-ansi" } else { "json" };
    cargo.args(["--quiet", "--message-format", format]);
    cargo.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let failed =
        |error: std::io::Error| Error::new(Class::Toolchain, format!("cannot run cargo: {error}"));
    let mut child = cargo.spawn().map_err(failed)?;
    let mut said = child.stderr.take().expect("it was piped");
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        // What was read until an error is what there is to show.
        let _ = std::io::Read::read_to_end(&mut said, &mut text);
        String::from_utf8_lossy(&text).into_owned()
    });
    let mut has_error = false;
    for line in BufReader::new(child.stdout.take().expect("it was piped")).lines() {
        let Ok(message) = serde_json::from_str::<Value>(&line.map_err(failed)?) else { continue };
        if message["reason"] == "compiler-message" {
            has_error |= message["message"]["level"] == "error";
            // Nothing can be done for who does not read it.
            let _ = writeln!(std::io::stderr(), "{}", message["message"]);
        }
    }
    let status = child.wait().map_err(failed)?;
    let said = reader.join().unwrap_or_default();
    if status.success() {
        return Ok(());
    }
    let what = format!("the macros of {} do not compile", target.package);
    match has_error {
        true => Err(Error::new(Class::Package, what)),
        false => Err(crate::base::cargo::failure(&what, &said)),
    }
}

/// A place that others than cargo know, with the list of what it was made of.
fn uplift(nested: &Nested, target: &Target, target_dir: &Path) -> Result<()> {
    let built = nested.built(target);
    let folder = target_dir.join(UPLIFTED);
    std::fs::create_dir_all(&folder).at("create", &folder)?;
    let to = folder.join(file_name(&target.name));
    copy(&built, &to)?;
    let list: Vec<String> = sources(nested, target).iter().map(|path| escaped(path)).collect();
    write(
        &folder.join(format!("lib{}.d", target.name)),
        &format!("{}: {}\n", escaped(&to), list.join(" ")),
    )
}

fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "\\\\").replace(' ', "\\ ")
}

/// Puts a copy there in one step, unless it is there.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let bytes = std::fs::read(from).at("read", from)?;
    match std::fs::read(to).is_ok_and(|found| found == bytes) {
        true => Ok(()),
        false => scratch::replace_program(to, &bytes),
    }
}

fn write(file: &Path, text: &str) -> Result<()> {
    match std::fs::read_to_string(file).is_ok_and(|found| found == text) {
        true => Ok(()),
        false => scratch::replace(file, text.as_bytes()),
    }
}

/// What cargo lists as the sources, and the package's manifest.
fn sources(nested: &Nested, target: &Target) -> Vec<PathBuf> {
    let list = nested.folder.join("target/debug").join(format!("lib{}.d", target.name));
    let list = std::fs::read_to_string(list).unwrap_or_default();
    let mut found: Vec<PathBuf> = list.lines().next().map(prerequisites).unwrap_or_default();
    // A compiler looks for no file that cargo would not find again.
    found.retain(|path| path.is_file() && !path.starts_with(nested.folder.join("target")));
    found.push(target.directory.join("Cargo.toml"));
    found
}

/// Behind the colon of a line, with blanks that are escaped.
fn prerequisites(line: &str) -> Vec<PathBuf> {
    let rest = line.split_once(": ").map_or("", |(_, rest)| rest);
    let mut found = vec![String::new()];
    let mut chars = rest.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some(' ' | '\\')) => {
                found.last_mut().expect("one at least").extend(chars.next())
            }
            (' ', _) => found.push(String::new()),
            _ => found.last_mut().expect("one at least").push(c),
        }
    }
    found.into_iter().filter(|path| !path.is_empty()).map(PathBuf::from).collect()
}

/// As the wrapper of the nested cargo: compiles the macros with what is the package's own. None if this is
/// no such process.
pub fn compile_inside(words: &[OsString]) -> Option<i32> {
    let own: Own = serde_json::from_str(&std::env::var(VARIABLE).ok()?).ok()?;
    let is_macros = std::env::var_os("CARGO_MANIFEST_DIR").is_some_and(|dir| dir == *own.directory);
    if !is_macros && std::env::var_os(script::LAZY).is_some() {
        return None;
    }
    let mut command = Command::new(words.first()?);
    command.args(&words[1..]).env_remove(VARIABLE);
    if is_macros {
        command.envs(&own.variables);
        if words.iter().any(|word| word == "--test") {
            // The compiler sets it for macros only, and these are their tests.
            command.args(["--cfg", "proc_macro", "-A", "explicit_builtin_cfgs_in_flags"]);
        }
        for argument in &own.link_args {
            command.arg("-C").arg(format!("link-arg={argument}"));
        }
    }
    let code = command.status().map(|status| status.code().unwrap_or(1));
    let code = code.unwrap_or_else(|error| {
        eprintln!("error: precast: cannot run {}: {error}", words[0].display());
        1
    });
    if code == 0 && is_macros {
        forget(words);
    }
    Some(code)
}

/// Takes the package's variables out of the list by which the nested cargo knows what has changed, for it
/// would compare them with its own.
fn forget(words: &[OsString]) -> Option<()> {
    let after = |name: &str| {
        let at = words.iter().position(|word| word == name)?;
        words.get(at + 1)?.to_str()
    };
    let extra =
        words.iter().filter_map(|word| word.to_str()?.strip_prefix("extra-filename=")).next()?;
    let file = format!("{}{extra}.d", after("--crate-name")?);
    let file = Path::new(after("--out-dir")?).join(file);
    let text = std::fs::read_to_string(&file).ok()?;
    let is_other = |line: &&str| {
        let name =
            line.strip_prefix("# env-dep:").map(|entry| entry.split('=').next().unwrap_or(entry));
        name.is_none_or(|name| !COMPARED.contains(&name))
    };
    let kept: String = text.lines().filter(is_other).map(|line| format!("{line}\n")).collect();
    std::fs::write(file, kept).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_sources() {
        let found = prerequisites(r"/t/liba.so: /a/lib.rs /a\ b/c.rs C:\\d.rs");
        assert_eq!(found, ["/a/lib.rs", "/a b/c.rs", r"C:\d.rs"].map(PathBuf::from));
        assert!(prerequisites("x").is_empty());
    }
}
