//! From a macro crate's name to its artifact and shim: one pass per file, in this order.
//!
//! | pass        | makes                                                              |
//! |-------------|--------------------------------------------------------------------|
//! | `resolve`   | of a SPEC, the package's files                                     |
//! | `inherit`   | of a manifest in a workspace, one that stands alone                |
//! | `toolchain` | of the machine, a compiler for wasm                                |
//! | `sysroot`   | of the compiler's sources, the standard library where it is missing |
//! | `guest`     | of our `proc_macro`, an rlib                                       |
//! | `stage`     | of the package, one that compiles for wasm                         |
//! | `rewrite`   | of macro functions, exports                                        |
//! | `wrapper`   | of cargo's calls of the compiler, ours                             |
//! | `build`     | of the staged package, linked wasm                                 |
//! | `module`    | of linked wasm, its parts                                          |
//! | `backtrace` | of its parts, those without a printer of backtraces                |
//! | `imports`   | of its imports, a verdict                                          |
//! | `exports`   | of its exports, the macros                                         |
//! | `shrink`    | of its parts, canonical wasm                                       |
//! | `profile`   | of samples, the order of its functions                             |
//! | `collect`   | of all that, manifest and licences                                 |
//!
//! The store's `cache` keeps what was made, `cargo` says how cargo is run, `rebuild` does it all
//! again for an artifact.

mod assertions;
mod backtrace;
mod build;
pub(crate) mod cargo;
mod collect;
mod exports;
mod guest;
mod imports;
pub(crate) mod inherit;
mod module;
mod profile;
pub(crate) mod program;
mod rebuild;
pub(crate) mod resolve;
mod rewrite;
mod shrink;
pub(crate) mod stage;
mod sysroot;
pub(crate) mod toolchain;
pub mod wrapper;

pub(crate) use cargo::compile as run_rustc;
pub(crate) use collect::{ENVIRONMENT, READABLE};
pub(crate) use rebuild::{published, rebuild, Rebuilt};

use crate::artifact::{self, Artifact, Module};
use crate::error::{Class, Context, Error, Result};
use crate::manifest::{self, is_choice, Capabilities, Manifest, Set, ASSERTIONS};
use crate::scratch::Scratch;
use crate::store::cache;
use crate::{embed, lower};
use cache::Cache;
use profile::Profile;
use resolve::Package;
use serde::Serialize;
use stage::{hash_of, Files};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use toolchain::Toolchain;

/// Whatever decides what cargo builds, besides its inputs. Part of the cache's keys, as text: a
/// program that works otherwise finds nothing there.
const BUILD_RECIPE: [&str; 7] = [
    include_str!("pack/assertions.rs"),
    include_str!("pack/build.rs"),
    include_str!("pack/rewrite.rs"),
    include_str!("pack/rewrite/hashing.rs"),
    include_str!("pack/rewrite/panics.rs"),
    include_str!("pack/rewrite/surroundings.rs"),
    include_str!("pack/wrapper.rs"),
];

/// The same for what is made of the built module.
const MODULE_RECIPE: [&str; 9] = [
    env!("CARGO_PKG_VERSION"),
    include_str!("manifest/statement.rs"),
    include_str!("pack/backtrace.rs"),
    include_str!("pack/collect.rs"),
    include_str!("pack/exports.rs"),
    include_str!("pack/module.rs"),
    include_str!("pack/shrink.rs"),
    include_str!("pack/stage.rs"),
    include_str!("../runtime/src/calls.rs"),
];

/// Stands for everything of this program that decides a module's bytes.
fn recipe() -> String {
    let guest_key = guest::key();
    let mut parts: Vec<&str> = BUILD_RECIPE.to_vec();
    parts.extend(MODULE_RECIPE.iter().chain(&profile::RECIPE));
    parts.push(&guest_key);
    hash_of(&parts)[..16].to_owned()
}

/// Whatever decides what the image of a module is.
const IMAGE_RECIPE: [&str; 5] = [
    include_str!("lower/alloc.rs"),
    include_str!("lower/chunk.rs"),
    include_str!("lower/emit.rs"),
    include_str!("lower/translate.rs"),
    include_str!("lower/write.rs"),
];

/// What to pack, and how.
#[derive(Clone, Debug, Default)]
pub struct PackOptions {
    /// Package directories, or `name[@version]` of the registry.
    pub specs: Vec<String>,
    /// Where `NAME-VERSION.precast` and `NAME-VERSION/` are written.
    pub out: PathBuf,
    /// Features of the packages.
    pub features: Features,
    /// More feature sets, each compiled to a module of its own in the same artifact.
    pub sets: Vec<Features>,
    /// What the macros may read beside what every macro may.
    pub grants: Capabilities,
    /// Rust source with uses of the macros: the code that they run comes first in the module.
    pub profile: Vec<String>,
    /// Use only what cargo has downloaded before.
    pub offline: bool,
    /// The cache's directory; none is the user's own, or `PRECAST_CACHE_DIR`.
    pub cache: Option<PathBuf>,
}

/// Which features of the package to enable, as cargo's options say it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Features {
    pub names: Vec<String>,
    pub no_default: bool,
    pub all: bool,
    /// Packages, as `name@version`, that are compiled with debug assertions; cargo knows no such option.
    pub asserted: Vec<String>,
}

/// A package that was packed.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The artifact's file.
    pub artifact: PathBuf,
    /// The shim crate's directory.
    pub shim: PathBuf,
    pub manifest: Manifest,
    /// SHA-256 of the artifact's file.
    pub sha256: String,
    pub artifact_bytes: usize,
    pub wasm_bytes: usize,
    /// Size of the compressed image, which consumers embed.
    pub image_bytes: usize,
    /// The module came from the cache.
    pub cached: bool,
    pub time: Duration,
    /// What the author should know.
    pub notes: Vec<String>,
}

/// Hears what a pack does. Called only for what may take a second or more.
pub trait Report {
    fn step(&self, text: &str);
}

impl<F: Fn(&str)> Report for F {
    fn step(&self, text: &str) {
        self(text);
    }
}

/// Packs every package that `options` names: artifacts and shims are on the disk when it returns.
///
/// The program must call [`wrapper::run`] first in its `main`, since cargo runs it for each crate.
pub fn pack(options: &PackOptions, report: &dyn Report) -> Result<Vec<Outcome>> {
    wrapper::program()?;
    let directory = std::env::current_dir().context("the current directory is gone")?;
    let cache = Cache::open(options.cache.as_deref())?;
    let mut packages = Vec::new();
    for spec in &options.specs {
        report.step(&format!("looking for {spec}"));
        packages.push(resolve::resolve(spec, &directory, options.offline)?);
    }
    let mut outcomes = Vec::new();
    for package in &packages {
        let features = options.features.of(package, &packages);
        let sets = options.sets.iter().map(|set| set.of(package, &packages)).collect();
        let options = PackOptions { features, sets, ..options.clone() };
        let outcome = one(package, &options, &cache, report);
        let context = format!("cannot pack {} {}", package.name, package.version);
        outcomes.push(outcome.context(context)?);
    }
    Ok(outcomes)
}

fn one(
    package: &Package,
    options: &PackOptions,
    cache: &Cache,
    report: &dyn Report,
) -> Result<Outcome> {
    let start = Instant::now();
    let Packed { artifact, bytes, cached, notes } = artifact(package, options, cache, report)?;
    let shim = options.out.join(embed::name(&artifact));
    let file = options.out.join(format!("{}.precast", embed::name(&artifact)));
    embed::write_dir(&embed::embed(&artifact)?, &shim)?;
    replace(&file, &bytes)?;
    Ok(Outcome {
        artifact: file,
        shim,
        sha256: artifact::sha256(&bytes),
        artifact_bytes: bytes.len(),
        wasm_bytes: artifact.wasm.len(),
        image_bytes: artifact.image.len(),
        manifest: artifact.manifest,
        cached,
        time: start.elapsed(),
        notes,
    })
}

/// An artifact in memory, and its file's bytes.
pub(crate) struct Packed {
    pub(crate) artifact: Artifact,
    pub(crate) bytes: Vec<u8>,
    pub(crate) cached: bool,
    pub(crate) notes: Vec<String>,
}

/// Packs one package that was found before; nothing but the cache is written.
pub(crate) fn artifact(
    package: &Package,
    options: &PackOptions,
    cache: &Cache,
    report: &dyn Report,
) -> Result<Packed> {
    wrapper::program()?;
    let toolchain = toolchain::find(&package.directory, cache, report)?;
    let made = make(package, options, &toolchain, cache, report)?;
    report.step(&format!("lowering {}", package.name));
    let image = lower::compress(&lower::lower(&made.wasm)?)?;
    let Made { mut manifest, wasm, lockfile, mut licenses, asserted, mut cached, mut notes } = made;
    manifest.capabilities.extend(&options.grants);
    manifest.capabilities.check()?;
    let mut sets: Vec<(Set, Module)> = Vec::new();
    let mut wanted: VecDeque<Features> = options.sets.iter().cloned().collect();
    wanted.extend(options.features.with_assertions(asserted));
    while let Some(features) = wanted.pop_front() {
        let options = PackOptions { features: features.clone(), ..options.clone() };
        let made = make(package, &options, &toolchain, cache, report)?;
        wanted.extend(features.with_assertions(made.asserted));
        let Manifest { features, macros, linked, .. } = made.manifest;
        let packed = || sets.iter().map(|(set, _)| &set.features).chain([&manifest.features]);
        if packed().any(|packed| *packed == features) {
            continue;
        }
        if let Some(packed) = packed().find(|packed| is_same_choice(packed, &features)) {
            let [one, other] = [packed, &features].map(|features| features.join(","));
            let message = format!("`{one}` and `{other}` differ in features of dependencies alone");
            let error = Error::new(Class::Usage, message);
            return Err(error.help("a shim knows the package's own features: pack one of the sets"));
        }
        report.step(&format!("lowering {}", package.name));
        let image = lower::compress(&lower::lower(&made.wasm)?)?;
        licenses.extend(made.licenses);
        cached &= made.cached;
        notes.extend(
            made.notes.into_iter().filter(|note| !notes.contains(note)).collect::<Vec<_>>(),
        );
        sets.push((Set { features, macros, linked }, Module { wasm: made.wasm, image }));
    }
    let source = package.files.clone();
    let artifact = Artifact::new(manifest, wasm, image, lockfile.into_bytes(), source, licenses)?
        .with_sets(sets)?;
    let bytes = artifact::write(&artifact)?;
    Ok(Packed { artifact, bytes, cached, notes })
}

/// No consumer can tell the sets apart.
fn is_same_choice(one: &[String], other: &[String]) -> bool {
    let [one, other] = [one, other].map(|set| set.iter().filter(|feature| is_choice(feature)));
    one.eq(other)
}

/// Stands for everything of this program that decides an artifact's bytes.
pub(crate) fn artifact_recipe() -> &'static str {
    static RECIPE: LazyLock<String> = LazyLock::new(|| {
        let module = recipe();
        let mut parts: Vec<&str> = IMAGE_RECIPE.to_vec();
        parts.push(&module);
        hash_of(&parts)[..16].to_owned()
    });
    &RECIPE
}

/// A module and what is known of it.
struct Made {
    manifest: Manifest,
    wasm: Vec<u8>,
    lockfile: String,
    licenses: Files,
    /// Of the features: what a module with debug assertions must have besides.
    asserted: Vec<String>,
    cached: bool,
    notes: Vec<String>,
}

fn make(
    package: &Package,
    options: &PackOptions,
    toolchain: &Toolchain,
    cache: &Cache,
    report: &dyn Report,
) -> Result<Made> {
    let guest_key = guest::key();
    let mut parts: Vec<&str> = BUILD_RECIPE.to_vec();
    parts.extend([toolchain.key.as_str(), &guest_key]);
    let build_key = hash_of(&parts)[..16].to_owned();
    let _used = cache.share("build", &build_key, report)?;
    let shared = cache.path("build", &build_key);
    // Staged packages have fixed places, for cargo to find again what it has compiled.
    let label = format!("{}-{}", package.name, package.version);
    let staged = shared.join("staged").join(&label);
    let _staged = cache.lock("build", &format!("{build_key}-{label}"), report)?;
    let lockfile = stage_locked(package, &staged, options.offline)?;
    let key = module_key(package, options, &build_key, &lockfile);
    // What the package depends on by path may have changed; cargo knows.
    if !stage::has_paths(&package.manifest) {
        if let Some(entry) = cache.get("module", &key)? {
            if let Ok(made) = load(&entry, &lockfile) {
                return Ok(made);
            }
        }
    }
    let guest = guest::build(toolchain, cache, report)?;
    report.step(&format!("compiling {} {}", package.name, package.version));
    let job = build::Job {
        toolchain,
        guest: &guest,
        staged: &staged,
        directory: &package.directory,
        shared: &shared,
        features: &options.features,
        offline: options.offline,
    };
    // One build at a time with one toolchain; who finds its module in the cache does not wait for it.
    let building = cache.lock("build", &format!("{build_key}-target"), report)?;
    let built = build::build(&job, report)?;
    drop(building);
    portable(&built.wasm, &shared)?;
    let mut made = finish(package, &built, &job, &lockfile, &options.profile, cache)?;
    made.asserted = assertions::concerned(&build::Job { offline: true, ..job })?;
    cache.put("module", &key, |entry| store(&made, entry))?;
    Ok(made)
}

/// A directory of this machine in a module is one that the macro would look into on the consumer's, where it
/// is not.
fn portable(wasm: &[u8], shared: &Path) -> Result<()> {
    let registry = cargo::home().map(|home| home.join("registry").join("src"));
    for directory in [Some(shared.to_owned()), registry].into_iter().flatten() {
        let text = directory.to_string_lossy().into_owned();
        let Some(at) = wasm.windows(text.len()).position(|part| part == text.as_bytes()) else {
            continue;
        };
        let rest = wasm[at..].iter().take(200).take_while(|byte| (32..127).contains(*byte));
        let path: String = rest.map(|byte| char::from(*byte)).collect();
        let message = format!("the module has a path of the machine it was compiled on: {path}");
        return Err(Error::new(Class::Package, message).help(
            "a macro of its own hands `env!(\"CARGO_MANIFEST_DIR\")` or `env!(\"OUT_DIR\")` on; \
             written outside of that macro, precast sees it",
        ));
    }
    Ok(())
}

/// Stages the package and chooses the versions of its dependencies.
fn stage_locked(package: &Package, staged: &Path, offline: bool) -> Result<String> {
    if staged.exists() {
        std::fs::remove_dir_all(staged).at("empty", staged)?;
    }
    stage::write(package, staged)?;
    let mut command = cargo::command(&package.directory);
    match package.lockfile {
        // Keeps the versions of the author's lock file, and drops what the macro does not need.
        Some(_) => command.args(["update", "--workspace"]),
        None => command.arg("generate-lockfile"),
    };
    command.arg("--manifest-path").arg(staged.join("Cargo.toml"));
    // With the versions of a project at hand, the registry need not be asked.
    if offline || package.is_locked {
        command.arg("--offline");
    }
    let output = cargo::run(command, |_| {})?;
    if !output.success && package.is_locked && !offline {
        let package = Package { is_locked: false, ..package.clone() };
        return stage_locked(&package, staged, offline);
    }
    if !output.success {
        return Err(cargo::failure("cannot choose versions of its dependencies", &output.stderr));
    }
    let lockfile = staged.join("Cargo.lock");
    std::fs::read_to_string(&lockfile).at("read", &lockfile)
}

fn module_key(package: &Package, options: &PackOptions, build_key: &str, lockfile: &str) -> String {
    let features = format!("{:?}", options.features);
    let mut parts: Vec<&[u8]> = vec![
        build_key.as_bytes(),
        package.name.as_bytes(),
        package.manifest.as_bytes(),
        lockfile.as_bytes(),
        features.as_bytes(),
    ];
    parts.extend(MODULE_RECIPE.iter().chain(&profile::RECIPE).map(|text| text.as_bytes()));
    parts.extend(options.profile.iter().map(String::as_bytes));
    parts.extend(package.files.iter().flat_map(|(path, body)| [path.as_bytes(), body.as_slice()]));
    hash_of(&parts)[..32].to_owned()
}

/// Linked wasm to canonical wasm, and all that the manifest says.
fn finish(
    package: &Package,
    built: &build::Built,
    job: &build::Job,
    lockfile: &str,
    profile: &[String],
    cache: &Cache,
) -> Result<Made> {
    let mut module = module::parse(&built.wasm)?;
    backtrace::drop_printer(&mut module);
    imports::check(&module)?;
    let exports = exports::read(&module, &stage::declared(package))?;
    let toolchain = job.toolchain;
    let mut manifest = collect::manifest(package, built, &exports, toolchain, lockfile)?;
    // Cargo tells the package's own.
    let others = job.features.names.iter().flat_map(|names| names.split([',', ' ']));
    manifest.features.extend(others.filter(|name| name.contains('/')).map(str::to_owned));
    if !job.features.asserted.is_empty() {
        manifest.features.push(ASSERTIONS.to_owned());
    }
    manifest.features.sort_unstable();
    manifest.features.dedup();
    manifest.profile = profile.to_vec();
    let origin = origin(&manifest);
    let wasm = shrink::shrink(&module, &exports, &origin, &Profile::default())?;
    let profile = profile::take(&wasm, &manifest.macros, &package.files, profile)
        .context("cannot run samples")?;
    let wasm = shrink::shrink(&module, &exports, &origin, &profile)?;
    let mut notes = Vec::new();
    for folder in [Some(cache.root().to_owned()), cargo::home()].into_iter().flatten() {
        let text = folder.to_string_lossy();
        if contains(&wasm, text.as_bytes()) {
            notes
                .push(format!("the module contains the path {text}: elsewhere it has other bytes"));
        }
    }
    if built.has_build_script {
        let release = &toolchain.release;
        notes.push(format!(
            "its build script ran here, for rustc {release}: what it found is fixed"
        ));
    }
    let licenses = collect::licenses(package, built, toolchain)?;
    let lockfile = lockfile.to_owned();
    let asserted = Vec::new();
    Ok(Made { manifest, wasm, lockfile, licenses, asserted, cached: false, notes })
}

/// The text of the module's section `precast`.
fn origin(manifest: &Manifest) -> String {
    let package = &manifest.package;
    format!("abi {}\npackage {} {}\n", manifest.abi, package.name, package.version)
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

const MODULE: &str = "module.wasm";
const MANIFEST: &str = "manifest.json";
const LICENSES: &str = "licenses";
const NOTES: &str = "notes.json";
const ASSERTED: &str = "asserted.json";

fn store(made: &Made, entry: &Path) -> Result<()> {
    stage::put(&entry.join(MODULE), &made.wasm)?;
    stage::put(&entry.join(MANIFEST), &manifest::write(&made.manifest))?;
    for (name, texts) in [(NOTES, &made.notes), (ASSERTED, &made.asserted)] {
        let json = serde_json::to_vec(texts).expect("a list of texts is valid JSON");
        stage::put(&entry.join(name), &json)?;
    }
    for (path, body) in &made.licenses {
        stage::put(&entry.join(LICENSES).join(path), body)?;
    }
    Ok(())
}

fn load(entry: &Path, lockfile: &str) -> Result<Made> {
    let mut files = stage::read(entry)?;
    let mut take = |name: &str| {
        let missing = || Error::new(Class::Other, format!("the cache entry has no {name}"));
        files.remove(name).ok_or_else(missing)
    };
    let (wasm, text, notes, asserted) =
        (take(MODULE)?, take(MANIFEST)?, take(NOTES)?, take(ASSERTED)?);
    let license = |(path, body): (String, Vec<u8>)| {
        Some((path.strip_prefix(LICENSES)?.strip_prefix('/')?.to_owned(), body))
    };
    Ok(Made {
        manifest: manifest::read(&text)?,
        wasm,
        lockfile: lockfile.to_owned(),
        licenses: files.into_iter().filter_map(license).collect(),
        asserted: serde_json::from_slice(&asserted).context("damaged names")?,
        cached: true,
        notes: serde_json::from_slice(&notes).context("damaged notes")?,
    })
}

/// Writes a file in one step.
fn replace(file: &Path, bytes: &[u8]) -> Result<()> {
    let scratch = Scratch::beside(file)?;
    let new = scratch.path().join("new");
    std::fs::write(&new, bytes).at("write", &new)?;
    std::fs::rename(&new, file).at("write", file)
}

impl Features {
    /// Those that are meant for one of the packages: a name like `NAME/FEATURE` is for that one,
    /// unless it is for a dependency, and any other name for all.
    fn of(&self, package: &Package, all: &[Package]) -> Features {
        let meant = |name: &String| match name.split_once('/') {
            Some((to, feature)) if to == package.name => Some(feature.to_owned()),
            Some((to, _)) if all.iter().any(|other| other.name == to) => None,
            _ => Some(name.clone()),
        };
        Features { names: self.names.iter().filter_map(meant).collect(), ..self.clone() }
    }

    /// The same with debug assertions, where that is another module.
    fn with_assertions(&self, asserted: Vec<String>) -> Option<Features> {
        let differs = self.asserted.is_empty() && !asserted.is_empty();
        differs.then(|| Features { asserted, ..self.clone() })
    }

    /// Those that a manifest records; whether debug assertions were on is the other part.
    pub(crate) fn recorded(features: &[String]) -> (Features, bool) {
        let (names, with_assertions) = manifest::parts_of(features);
        let names = names.into_iter().map(str::to_owned).collect();
        (Features { names, no_default: true, ..Features::default() }, with_assertions)
    }

    fn arguments(&self) -> Vec<OsString> {
        let mut arguments = Vec::new();
        if !self.names.is_empty() {
            arguments.push("--features".into());
            arguments.push(self.names.join(",").into());
        }
        if self.no_default {
            arguments.push("--no-default-features".into());
        }
        if self.all {
            arguments.push("--all-features".into());
        }
        arguments
    }
}

#[cfg(test)]
mod tests {
    use super::portable;
    use std::path::Path;

    #[test]
    fn paths_of_this_machine_are_found() {
        let shared = Path::new("/cache/build/0123");
        let error =
            portable(b"\0\x01/cache/build/0123/staged/a-1.0.0/words\0more", shared).unwrap_err();
        assert!(error.to_string().ends_with(": /cache/build/0123/staged/a-1.0.0/words"), "{error}");
        assert!(error.help_text().is_some());
        assert!(portable(b"/cache/build/012/staged/precast/source/a-1.0.0", shared).is_ok());
    }
}
