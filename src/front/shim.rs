//! From an artifact, a module or a shim's folder to the library that the compiler loads: compiled once
//! for each compiler and content, and kept.

use super::arguments::Wanted;
use super::compiler::{Compiler, Host};
use crate::artifact;
use crate::artifact::manifest::{self, parts_of, Capabilities, Manifest};
use crate::base::error::{Class, Context, Error, Result};
use crate::base::files::{self, hash_of, Tree};
use crate::cache::entries::Lock;
use crate::cache::kinds::{COMPILED as KIND, SHIM};
use crate::cache::Cache;
use crate::embed;
use crate::embed::input::MANIFEST;
use crate::pack::{self, ModuleOptions};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use toml_edit::DocumentMut;

/// In a library's name, before what it is found by.
pub const MARK: &str = "-precast-";
pub const HASH_DIGITS: usize = 32;

/// Raised when an entry's files come to mean something else.
/// 1 (December 2026): the library alone, in a folder.
const FORMAT: &str = "1";

/// The folder of an entry with the library.
const FOLDER: &str = "out";

/// Variables that change what the compiler or its linker writes.
const VARIABLES: [&str; 3] = ["RUSTC_BOOTSTRAP", "MACOSX_DEPLOYMENT_TARGET", "SDKROOT"];

/// A compiled macro crate, which nobody removes from the cache while it is used.
pub struct Library {
    pub file: PathBuf,
    /// What it was made of: another content is another library.
    pub inputs: Vec<PathBuf>,
    _used: Option<Lock>,
}

/// A shim, ready to be compiled.
struct Shim {
    folder: PathBuf,
    /// Stands for its content.
    id: String,
    manifest: Manifest,
    edition: String,
}

/// The library for what is wanted.
pub fn library(
    wanted: &Wanted,
    compiler: &Compiler,
    host: &Host,
    cache: &Cache,
) -> Result<Library> {
    let (shim, inputs) = shim(wanted, cache)?;
    let hash = hash_of(&parts(&shim, host))[..HASH_DIGITS].to_owned();
    let key = key(&hash);
    let name = &shim.manifest.package.crate_name;
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let file = format!("{prefix}{name}{MARK}{hash}{suffix}");
    let silent = |_: &str| {};
    // In a cache that cannot be written, nobody removes or replaces it either.
    let used = cache.share(KIND, &key, &silent).ok();
    if cache.read(KIND, &key).is_some() {
        let file = cache.path(KIND, &key).join(FOLDER).join(file);
        return Ok(Library { file, inputs, _used: used });
    }
    drop(used);
    let lock = cache.lock(KIND, &key, &silent)?;
    if cache.read(KIND, &key).is_none() {
        cache
            .put(KIND, &key, |entry| compile(&shim, &hash, &entry.join(FOLDER), compiler, host))?;
    }
    drop(lock);
    let used = cache.share(KIND, &key, &silent).ok();
    let file = cache.path(KIND, &key).join(FOLDER).join(file);
    Ok(Library { file, inputs, _used: used })
}

/// The name of the entry with the library whose name has this hash.
pub fn key(hash: &str) -> String {
    format!("rustc-{hash}")
}

/// Where the library of an entry is, if it is still there.
pub fn kept(key: &str, cache: &Cache) -> Option<PathBuf> {
    let folder = cache.path(KIND, key).join(FOLDER);
    cache.has(KIND, key).then_some(folder)
}

/// All that decides the library's bytes.
fn parts(shim: &Shim, host: &Host) -> Vec<String> {
    let variable = |name: &str| std::env::var_os(name).unwrap_or_default();
    let mut parts = vec![FORMAT.to_owned(), host.identity.clone(), shim.id.clone()];
    parts.extend(host.sysroot.iter().map(|sysroot| sysroot.to_string_lossy().into_owned()));
    parts.extend(host.linker.iter().cloned());
    let read = shim.manifest.environment.keys().map(String::as_str);
    for name in VARIABLES.into_iter().chain(read) {
        parts.push(format!("{name}={}", variable(name).to_string_lossy()));
    }
    parts
}

/// The shim's folder, in the cache unless it is the user's own, and the files that it is made of.
fn shim(wanted: &Wanted, cache: &Cache) -> Result<(Shim, Vec<PathBuf>)> {
    let Wanted { name, path } = wanted;
    if path.is_dir() {
        if !path.join(MANIFEST).is_file() {
            return Err(crate::embed::input::unknown(path));
        }
        let files = ["Cargo.toml", "src/lib.rs", MANIFEST, "precast/image.bin"];
        let inputs = files.iter().map(|file| path.join(file)).filter(|file| file.is_file());
        let id = files::hash_of_files(&files::read(path)?);
        let folder = path.canonicalize().at("find", path)?;
        return Ok((Shim::at(folder, id)?, inputs.collect()));
    }
    let bytes =
        std::fs::read(path).class(Class::Usage, format!("cannot read {}", path.display()))?;
    let is_module = bytes.starts_with(b"\0asm") || ending(path) == "wasm";
    if ["rlib", "rmeta", "so", "dylib", "dll"].contains(&ending(path)) {
        let message = "it is a library of the compiler's own, not a precompiled macro";
        let help = format!("write `--extern {name}={}`", path.display());
        return Err(Error::new(Class::Usage, message).help(help));
    }
    let mut id = vec![embed::recipe().to_owned(), files::sha256(&bytes)];
    // A module does not say what it is called.
    id.extend(is_module.then(|| name.clone()));
    let id = format!("rustc-{}", &hash_of(&id)[..HASH_DIGITS]);
    let make = || {
        let artifact = match is_module {
            true => pack::of_module(&bytes, &of_command_line(name))?,
            false => artifact::read(&bytes)?,
        };
        embed::embed_with(&artifact, &Capabilities::default())
    };
    let folder = written(&id, cache, make)?;
    Ok((Shim::at(folder, id)?, vec![path.clone()]))
}

fn ending(path: &Path) -> &str {
    path.extension().and_then(|ending| ending.to_str()).unwrap_or_default()
}

/// What is said of a module that only a command line names.
fn of_command_line(name: &str) -> ModuleOptions {
    ModuleOptions { name: name.to_owned(), version: "0.0.0".into(), ..ModuleOptions::default() }
}

fn written(id: &str, cache: &Cache, make: impl FnOnce() -> Result<Tree>) -> Result<PathBuf> {
    if !cache.has(SHIM, id) {
        let _made = cache.lock(SHIM, id, &|_: &str| {})?;
        if !cache.has(SHIM, id) {
            let files = make()?;
            cache.put(SHIM, id, |entry| {
                files.iter().try_for_each(|(path, body)| files::put(&entry.join(path), body))
            })?;
        }
    }
    Ok(cache.path(SHIM, id))
}

impl Shim {
    fn at(folder: PathBuf, id: String) -> Result<Shim> {
        let read = |name: &str| {
            let file = folder.join(name);
            std::fs::read(&file).at("read", &file)
        };
        let manifest = manifest::read(&read(MANIFEST)?).context(MANIFEST)?;
        let text = String::from_utf8_lossy(&read("Cargo.toml")?).into_owned();
        let document: DocumentMut = text.parse().class(Class::Verify, "cannot read Cargo.toml")?;
        let edition = document.get("package").and_then(|package| package.get("edition")?.as_str());
        let edition = edition.unwrap_or("2015").to_owned();
        Ok(Shim { folder, id, manifest, edition })
    }

    /// As cargo would call the compiler, but for what only cargo knows. The first feature set is taken.
    fn words(&self, hash: &str, out: &Path, host: &Host) -> Vec<OsString> {
        let package = &self.manifest.package;
        let texts = [
            format!("--crate-name={}", package.crate_name),
            "--crate-type=proc-macro".into(),
            format!("--edition={}", self.edition),
            "--cap-lints=allow".into(),
            format!("-Cmetadata={hash}"),
            format!("-Cextra-filename={MARK}{hash}"),
        ];
        let mut words: Vec<OsString> = texts.into_iter().map(OsString::from).collect();
        let (features, asserts) = parts_of(&self.manifest.features);
        for feature in features.into_iter().filter(|feature| manifest::is_own(feature)) {
            words.push(format!("--cfg=feature={feature:?}").into());
        }
        words.push(format!("-Cdebug-assertions={}", if asserts { "on" } else { "off" }).into());
        for setting in &host.linker {
            words.extend(["-C".into(), setting.into()]);
        }
        if let Some(sysroot) = &host.sysroot {
            words.extend(["--sysroot".into(), sysroot.clone()]);
        }
        // The same library from every cache.
        let mut remap = OsString::from("--remap-path-prefix=");
        remap.push(&self.folder);
        remap.push(format!("=/precast/{}-{}", package.name, package.version));
        words.extend([
            remap,
            "--out-dir".into(),
            out.into(),
            self.folder.join("src/lib.rs").into(),
        ]);
        words
    }
}

fn compile(shim: &Shim, hash: &str, out: &Path, compiler: &Compiler, host: &Host) -> Result<()> {
    std::fs::create_dir_all(out).at("create", out)?;
    let mut command = compiler.command(&shim.words(hash, out, host));
    // By it macros find files of their own package.
    command.env("CARGO_MANIFEST_DIR", &shim.folder);
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().class(Class::Toolchain, format!("cannot run {name}"))?;
    if output.status.success() {
        return Ok(());
    }
    let package = &shim.manifest.package;
    let said = String::from_utf8_lossy(&output.stderr);
    let message = format!("cannot compile the shim of {} {}", package.name, package.version);
    let error = Error::new(Class::Toolchain, format!("{message}:\n{}", said.trim_end()));
    Err(match said.contains("E0463") || said.contains("linker") {
        true => error.help("macros are compiled for the system that the compiler runs on: its standard library and linker are needed"),
        false => error,
    })
}
