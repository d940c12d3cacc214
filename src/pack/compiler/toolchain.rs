//! Finds a compiler for the wasm target and, where its standard library is missing, builds that
//! from the compiler's own sources.

use crate::artifact::manifest;
use crate::artifact::module::TARGET;
use crate::base::error::{Class, Context, Error, Result};
use crate::base::files::hash_of;
use crate::base::files::sha256;
use crate::base::report::Report;
use crate::cache::program::{self, capture};
use crate::cache::Cache;
use crate::pack::compiler::candidate::{Candidate, Sources};
pub use crate::pack::compiler::candidate::{Linker, Toolchain};
use crate::pack::compiler::sysroot;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Chooses the compiler; no other is tried then.
pub const VARIABLE: &str = "PRECAST_RUSTC";

/// The compiler came with its standard library for the target.
const STD_SHIPPED: &str = "toolchain";

/// `#[unsafe(export_name)]` needs 1.82; the guest is tested with 1.95 and later.
const RELEASE_MIN: semver::Version = semver::Version::new(1, 85, 0);

/// What compilers are asked.
const SYSROOT: [&str; 2] = ["--print", "sysroot"];
const VERBOSE: [&str; 1] = ["-vV"];

/// Where Debian's compiler is, besides the active one.
const SYSTEM_RUSTC: &str = "/usr/bin/rustc";

/// Where wasi-libc is found, Debian's place first.
const WASI_LIBC: [&str; 4] = [
    "/usr/lib/wasm32-wasi",
    "/usr/lib/wasm32-wasip1",
    "/usr/share/wasi-sysroot/lib/wasm32-wasip1",
    "/usr/share/wasi-sysroot/lib/wasm32-wasi",
];

/// The best toolchain for packages in `directory` (which may have a `rust-toolchain.toml`).
pub fn find(directory: &Path, cache: &Cache, report: &dyn Report) -> Result<Toolchain> {
    let candidates = usable(directory, None)?;
    if let Some(candidate) = candidates.iter().find(|candidate| candidate.has_target()) {
        return candidate.toolchain(linker_of(candidate, &candidates, None)?, None);
    }
    let buildable = candidates.iter().find_map(|candidate| Some((candidate, candidate.sources()?)));
    let Some((candidate, sources)) = buildable else { return Err(missing(&candidates)) };
    // Before the sysroot is built, for the error to come at once.
    let linker = linker_of(candidate, &candidates, None)?;
    let sysroot = sysroot::build(candidate, &sources, cache, directory, report)?;
    candidate.toolchain(linker, Some((sysroot, &sources)))
}

/// The toolchain that an artifact was made with, as far as this machine has it. The compiler must
/// be the same; of those with another LLVM, and of the linkers, the same is taken if it is here.
pub fn recorded(
    wanted: &manifest::Toolchain,
    directory: &Path,
    cache: &Cache,
    report: &dyn Report,
) -> Result<Toolchain> {
    let mut found = candidates(directory, None)?;
    found.extend(installed(directory, None));
    let same = |candidate: &&Candidate| {
        let commit = candidate.commit();
        candidate.release.to_string() == wanted.rustc
            && (commit.is_none() || wanted.commit.is_none() || commit == wanted.commit)
    };
    let mut same: Vec<&Candidate> = found.iter().filter(same).collect();
    same.sort_by_key(|candidate| candidate.llvm() != wanted.llvm);
    let linker_for = |candidate: &Candidate| -> Result<Linker> {
        let places = linker_places(candidate, &found).into_iter();
        let linker =
            |path: PathBuf| Some(Linker { version: linker_version(&path, None).ok()?, path });
        let linkers: Vec<Linker> = places.filter_map(linker).collect();
        let same = linkers.iter().find(|linker| linker.version == wanted.linker);
        same.or(linkers.first()).cloned().ok_or_else(no_linker)
    };
    if wanted.std == STD_SHIPPED {
        let candidate = same.iter().find(|candidate| candidate.has_target());
        let candidate = candidate.ok_or_else(|| gone(wanted, &found))?;
        return candidate.toolchain(linker_for(candidate)?, None);
    }
    let built = same.iter().find_map(|candidate| Some((*candidate, candidate.sources()?)));
    let Some((candidate, sources)) = built else { return Err(gone(wanted, &found)) };
    let linker = linker_for(candidate)?;
    let sysroot = sysroot::build(candidate, &sources, cache, directory, report)?;
    candidate.toolchain(linker, Some((sysroot, &sources)))
}

/// The compiler of that release, with the standard library for a target. Rustup's own come before a
/// distribution's, which may have been built with another LLVM.
pub fn released(release: &str, target: &str, directory: &Path) -> Result<PathBuf> {
    let mut found = candidates(directory, None)?;
    found.extend(installed(directory, None));
    let has_std = |candidate: &&Candidate| {
        has_std(&candidate.sysroot.join("lib/rustlib").join(target).join("lib"))
    };
    let same = found.iter().filter(|candidate| candidate.release.to_string() == release);
    let best = same.filter(has_std).min_by_key(|candidate| candidate.commit().is_none());
    best.map(|candidate| candidate.rustc.clone()).ok_or_else(|| {
        let message = format!(
            "this needs rustc {release} for {target}, which this machine does not have; it has {}",
            releases(&found)
        );
        Error::new(Class::Toolchain, message).help(format!(
            "run `rustup toolchain install {release} --target {target}`, or name the compiler with {VARIABLE}"
        ))
    })
}

/// The compilers to choose from: where neither the active one nor the system's has the target, all
/// that rustup has installed.
fn usable(directory: &Path, kept: Option<&Cache>) -> Result<Vec<Candidate>> {
    let mut found = candidates(directory, kept)?;
    if !found.iter().any(Candidate::has_target) {
        found.extend(installed(directory, kept));
    }
    Ok(found)
}

/// The toolchains of rustup, beside the active one: stable first, then releases, newest first.
fn installed(directory: &Path, kept: Option<&Cache>) -> Vec<Candidate> {
    if std::env::var_os(VARIABLE).is_some_and(|chosen| !chosen.is_empty()) {
        return Vec::new();
    }
    let home = std::env::var_os("RUSTUP_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".rustup")));
    let folder = home.unwrap_or_default().join("toolchains");
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    names.sort_unstable();
    names.sort_by_cached_key(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let release = semver::Version::parse(name.split('-').next().unwrap_or_default()).ok();
        (!name.starts_with("stable"), std::cmp::Reverse(release))
    });
    let rustc = format!("bin/rustc{}", std::env::consts::EXE_SUFFIX);
    names
        .iter()
        .filter_map(|name| Candidate::ask(&name.join(&rustc), directory, kept).ok())
        .map(|candidate| Candidate { is_other: true, ..candidate })
        .collect()
}

fn releases(found: &[Candidate]) -> String {
    let mut here: Vec<String> = found.iter().map(|c| c.release.to_string()).collect();
    here.dedup();
    here.join(", ")
}

/// The recorded compiler is not here: which it is, and how to get it.
fn gone(wanted: &manifest::Toolchain, found: &[Candidate]) -> Error {
    let commit = wanted.commit.as_deref().map_or(String::new(), |commit| format!(" ({commit})"));
    let release = &wanted.rustc;
    let shipped = wanted.std == STD_SHIPPED;
    let with = if shipped { "" } else { ", its library sources and wasi-libc" };
    let error = Error::new(
        Class::Toolchain,
        format!(
            "the module was compiled with rustc {release}{commit} for {TARGET}{with}, which this \
             machine does not have; it has {}",
            releases(found)
        ),
    );
    error.help(match shipped {
        true => format!("run `rustup toolchain install {release} --target {TARGET}`, or name the compiler with {VARIABLE}"),
        false => format!(
            "install the distribution's rustc {release} with its sources (on Debian `apt-get install \
             --no-install-recommends rustc-web cargo-web rust-web-src wasi-libc lld`), or name the \
             compiler with {VARIABLE}"
        ),
    })
}

/// Stands for a compiler, without starting it if its answers are kept. None for what is not itself the
/// compiler of a sysroot, and may change with another file.
pub fn described(rustc: &Path, cache: &Cache) -> Option<String> {
    let candidate = Candidate::known(rustc, cache)?;
    Some(format!("{}\n{}", candidate.verbose, program::mark(&candidate.rustc)?))
}

fn candidates(directory: &Path, kept: Option<&Cache>) -> Result<Vec<Candidate>> {
    if let Some(chosen) = std::env::var_os(VARIABLE).filter(|chosen| !chosen.is_empty()) {
        let chosen = Candidate::ask(Path::new(&chosen), directory, kept);
        return Ok(vec![chosen.context(format!("{VARIABLE} names no usable compiler"))?]);
    }
    let active = std::env::var_os("RUSTC").map_or_else(|| PathBuf::from("rustc"), PathBuf::from);
    let mut found: Vec<Candidate> = Vec::new();
    for rustc in [active, PathBuf::from(SYSTEM_RUSTC)] {
        // A compiler that does not run is as good as none.
        let Ok(candidate) = Candidate::ask(&rustc, directory, kept) else { continue };
        if found.iter().all(|other| other.sysroot != candidate.sysroot) {
            found.push(candidate);
        }
    }
    Ok(found)
}

impl Candidate {
    fn ask(rustc: &Path, directory: &Path, kept: Option<&Cache>) -> Result<Candidate> {
        if let Some(candidate) = kept.and_then(|cache| Candidate::known(rustc, cache)) {
            return Ok(candidate);
        }
        let ask = |what: &[&str]| capture(Command::new(rustc).current_dir(directory).args(what));
        let sysroot = ask(&SYSROOT)?;
        let own = own(Path::new(sysroot.trim_end()));
        let verbose = match kept.filter(|_| own.is_file()) {
            Some(cache) => program::answer(&own, &VERBOSE, cache, |_| true)?,
            None => ask(&VERBOSE)?,
        };
        Candidate::read(rustc, verbose, &sysroot)
    }

    /// The same from answers that are kept. None for what is not itself the compiler of a sysroot:
    /// a script's answer can change with another file.
    fn known(rustc: &Path, cache: &Cache) -> Option<Candidate> {
        let file = program::file(rustc)?;
        let is_own = |sysroot: &str| {
            let own = own(Path::new(sysroot.trim_end())).canonicalize().ok();
            own.is_some() && own == file.canonicalize().ok()
        };
        let sysroot = program::answer(&file, &SYSROOT, cache, is_own).ok()?;
        if !is_own(&sysroot) {
            return None;
        }
        let verbose = program::answer(&file, &VERBOSE, cache, |_| true).ok()?;
        Candidate::read(&file, verbose, &sysroot).ok()
    }

    fn read(rustc: &Path, verbose: String, sysroot: &str) -> Result<Candidate> {
        let sysroot = PathBuf::from(sysroot.trim_end());
        // Past rustup's proxy, so that another directory means the same compiler.
        let own = own(&sysroot);
        let rustc = if own.exists() { own } else { rustc.to_owned() };
        let release = field(&verbose, "release").unwrap_or_default();
        let release = semver::Version::parse(&release)
            .class(Class::Toolchain, format!("cannot read the version of {}", rustc.display()))?;
        Ok(Candidate { rustc, is_other: false, verbose, release, sysroot })
    }

    fn is_recent(&self) -> bool {
        self.release >= RELEASE_MIN
    }

    fn libraries(&self) -> PathBuf {
        self.sysroot.join("lib/rustlib").join(TARGET).join("lib")
    }

    fn has_target(&self) -> bool {
        self.is_recent() && has_std(&self.libraries())
    }

    fn sources(&self) -> Option<Sources> {
        let library = self.sysroot.join("lib/rustlib/src/rust/library");
        let usable = self.is_recent() && library.join("std/Cargo.toml").exists();
        let wasi_libc = wasi_libc()?;
        usable.then_some(Sources { library, wasi_libc })
    }

    fn host(&self) -> String {
        field(&self.verbose, "host").unwrap_or_default()
    }

    pub fn commit(&self) -> Option<String> {
        field(&self.verbose, "commit-hash").filter(|commit| commit != "unknown")
    }

    fn llvm(&self) -> Option<String> {
        field(&self.verbose, "LLVM version")
    }

    fn toolchain(&self, linker: Linker, built: Option<(PathBuf, &Sources)>) -> Result<Toolchain> {
        let std = match &built {
            None => STD_SHIPPED.to_owned(),
            Some((_, sources)) => {
                let libc = sources.wasi_libc.join("libc.a");
                let libc = std::fs::read(&libc).at("read", &libc)?;
                format!("sources, wasi-libc {}", &sha256(&libc))
            }
        };
        let sysroot = built.map(|(sysroot, _)| sysroot);
        // The name of a cache entry stands for its content, wherever the cache is.
        let sysroot_text = sysroot.as_deref().and_then(Path::file_name).unwrap_or_default();
        let sysroot_text = sysroot_text.to_string_lossy();
        // The compiler's text without its host: another machine gives the same module.
        let verbose: String =
            self.verbose.lines().filter(|line| !line.starts_with("host:")).collect();
        let commit = self.commit().unwrap_or_else(|| self.release.to_string());
        let sources = self.sysroot.join("lib/rustlib/src/rust");
        let key = hash_of(&[verbose.as_str(), &sysroot_text, &linker.version])[..16].to_owned();
        let cargo = format!("cargo{}", std::env::consts::EXE_SUFFIX);
        let cargo = self.rustc.with_file_name(cargo);
        Ok(Toolchain {
            rustc: self.rustc.clone(),
            // An older or newer cargo may use options that the compiler does not have.
            cargo: (self.is_other && cargo.is_file()).then_some(cargo),
            release: self.release.to_string(),
            commit: self.commit(),
            llvm: self.llvm(),
            sysroot,
            std,
            linker,
            remap: vec![(sources, format!("/rustc/{commit}"))],
            key,
            host: self.host(),
        })
    }
}

/// The compiler of a sysroot.
fn own(sysroot: &Path) -> PathBuf {
    sysroot.join("bin").join(format!("rustc{}", std::env::consts::EXE_SUFFIX))
}

fn has_std(libraries: &Path) -> bool {
    std::fs::read_dir(libraries).is_ok_and(|entries| {
        entries.flatten().any(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with("libstd-") && name.ends_with(".rlib")
        })
    })
}

fn wasi_libc() -> Option<PathBuf> {
    let sdk = std::env::var_os("WASI_SDK_PATH").map(PathBuf::from);
    let sdk = sdk.iter().flat_map(|sdk| {
        ["wasm32-wasip1", "wasm32-wasi"].map(|name| sdk.join("share/wasi-sysroot/lib").join(name))
    });
    sdk.chain(WASI_LIBC.iter().map(PathBuf::from)).find(|folder| folder.join("libc.a").exists())
}

fn linker_of(candidate: &Candidate, all: &[Candidate], kept: Option<&Cache>) -> Result<Linker> {
    let version = |path: &Path| linker_version(path, kept).ok();
    let mut found = linker_places(candidate, all).into_iter();
    let linker = found.find_map(|path| Some(Linker { version: version(&path)?, path }));
    linker.ok_or_else(no_linker)
}

fn no_linker() -> Error {
    let error = Error::new(Class::Toolchain, "no linker for wasm was found");
    error.help("install Debian's package `lld`, or a toolchain of rustup, which contains one")
}

/// The linkers for wasm, nearest first: rustup's toolchains contain one; then the system's lld.
fn linker_places(nearest: &Candidate, all: &[Candidate]) -> Vec<PathBuf> {
    let exe = std::env::consts::EXE_SUFFIX;
    let mut places: Vec<PathBuf> = Vec::new();
    for candidate in std::iter::once(nearest).chain(all) {
        let tools = candidate.sysroot.join("lib/rustlib").join(candidate.host()).join("bin");
        places.push(tools.join(format!("rust-lld{exe}")));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut names = vec![format!("rust-lld{exe}"), format!("wasm-ld{exe}")];
    names.extend((15..=30).rev().map(|version| format!("wasm-ld-{version}{exe}")));
    for name in &names {
        places.extend(std::env::split_paths(&path).map(|folder| folder.join(name)));
    }
    places.extend(
        (15..=30).rev().map(|version| format!("/usr/lib/llvm-{version}/bin/wasm-ld").into()),
    );
    places.retain(|place| place.is_file());
    places.dedup();
    places
}

fn linker_version(linker: &Path, kept: Option<&Cache>) -> Result<String> {
    let is_rusts = linker.file_stem().is_some_and(|stem| stem == "rust-lld");
    let flavor = if is_rusts { &["-flavor", "wasm"][..] } else { &[] };
    let arguments = [flavor, &["--version"]].concat();
    let text = match kept {
        Some(cache) => program::answer(linker, &arguments, cache, |_| true)?,
        None => capture(Command::new(linker).args(&arguments))?,
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "LLD").unwrap_or(0);
    Ok(words.iter().skip(at).take(2).copied().collect::<Vec<_>>().join(" "))
}

fn missing(candidates: &[Candidate]) -> Error {
    let mut seen: Vec<String> = Vec::new();
    for candidate in candidates {
        let why = if candidate.is_recent() { "" } else { ", which is too old" };
        seen.push(format!("{} ({}{why})", candidate.rustc.display(), candidate.release));
    }
    let seen = if seen.is_empty() { "none was found".to_owned() } else { seen.join(", ") };
    let message = format!("no compiler for {TARGET}; compilers looked at: {seen}");
    Error::new(Class::Toolchain, message).help(format!(
        "run `rustup target add {TARGET}`, or on Debian `apt-get install --no-install-recommends \
         rustc-web cargo-web rust-web-src wasi-libc lld`, or name a compiler that has the target: \
         {VARIABLE}=/path/to/rustc"
    ))
}

pub fn field(verbose: &str, name: &str) -> Option<String> {
    let line = verbose.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(line.trim().to_owned())
}
