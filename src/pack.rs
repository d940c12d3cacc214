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
//! | `lock`      | of a lock file, that of one package                                |
//! | `exact`     | of a manifest, one with the versions of a lock file                |
//! | `batch`     | of many packages, workspaces that agree                            |
//! | `wrapper`   | of cargo's calls of the compiler, ours                             |
//! | `script`    | of cargo's calls of build scripts, native ones                     |
//! | `build`     | of a staged workspace, linked wasm                                 |
//! | `module`    | of linked wasm, its parts                                          |
//! | `backtrace` | of its parts, those without a printer of backtraces                |
//! | `imports`   | of its imports, a verdict                                          |
//! | `exports`   | of its exports, the macros                                         |
//! | `shrink`    | of its parts, canonical wasm                                       |
//! | `profile`   | of samples, the order of its functions                             |
//! | `collect`   | of all that, manifest and licences                                 |
//!
//! What of the machine's environment went in is in `environment`.
//! The store's `cache` keeps what was made, `cargo` says how cargo is run, `rebuild` does it all
//! again for an artifact.

mod assertions;
mod backtrace;
pub mod batch;
mod build;
pub(crate) mod cargo;
mod collect;
mod environment;
mod exact;
mod exports;
mod foreign;
mod guest;
mod imports;
pub(crate) mod inherit;
mod lock;
mod module;
mod profile;
pub(crate) mod program;
mod rebuild;
pub(crate) mod resolve;
mod rewrite;
mod script;
mod shrink;
pub(crate) mod stage;
mod sysroot;
pub(crate) mod toolchain;
pub mod wrapper;

pub use batch::{pack_wanted, Locked, Project, Wanted};
pub(crate) use foreign::of_module;
pub use foreign::{pack_module, ModuleOptions};
pub(crate) use cargo::compile as run_rustc;
pub(crate) use collect::{ENVIRONMENT, READABLE};
pub(crate) use environment::Variables;
pub(crate) use rebuild::{published, rebuild, Rebuilt};

use crate::artifact::{self, Artifact, Module};
use crate::embed;
use crate::error::{Class, Context, Error, Result};
use crate::manifest::{self, is_choice, Capabilities, Manifest, Set, ASSERTIONS};
use crate::scratch::{self, Scratch};
use crate::store::cache;
use batch::{Builder, Request};
use cache::Cache;
use lock::Lock;
use profile::Profile;
use resolve::Package;
use serde::Serialize;
use stage::{hash_of, Files};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use toolchain::Toolchain;

/// Whatever decides what cargo builds, besides its inputs. Part of the cache's keys, as text: a
/// program that works otherwise finds nothing there.
const BUILD_RECIPE: [&str; 10] = [
    include_str!("pack/assertions.rs"),
    include_str!("pack/batch.rs"),
    include_str!("pack/build.rs"),
    include_str!("pack/exact.rs"),
    include_str!("pack/lock.rs"),
    include_str!("pack/rewrite.rs"),
    include_str!("pack/rewrite/hashing.rs"),
    include_str!("pack/rewrite/surroundings.rs"),
    include_str!("pack/script.rs"),
    include_str!("pack/wrapper.rs"),
];

/// The same for what is made of the built module.
const MODULE_RECIPE: [&str; 10] = [
    env!("CARGO_PKG_VERSION"),
    include_str!("manifest/statement.rs"),
    include_str!("pack/backtrace.rs"),
    include_str!("pack/collect.rs"),
    include_str!("pack/environment.rs"),
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
    /// No lock file chose the versions of its dependencies: they are the newest.
    pub is_newest: bool,
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
    let failed = |package: &Package| format!("cannot pack {} {}", package.name, package.version);
    let mut outcomes = Vec::new();
    for package in &packages {
        let start = Instant::now();
        let features = options.features.of(package, &packages);
        let sets = options.sets.iter().map(|set| set.of(package, &packages)).collect();
        let options = PackOptions { features, sets, ..options.clone() };
        let packed = artifact(package, &options, &cache, report).context(failed(package))?;
        let is_newest = package.lockfile.is_none();
        outcomes.push(Outcome { is_newest, ..written(packed, &options.out, start)? });
    }
    Ok(outcomes)
}

/// Writes artifact and shim.
fn written(packed: Packed, out: &Path, start: Instant) -> Result<Outcome> {
    let Packed { artifact, bytes, cached, notes } = packed;
    let shim = out.join(embed::name(&artifact));
    let file = out.join(format!("{}.precast", embed::name(&artifact)));
    embed::write_dir(&embed::embed(&artifact)?, &shim)?;
    scratch::replace(&file, &bytes)?;
    Ok(Outcome {
        artifact: file,
        shim,
        sha256: artifact::sha256(&bytes),
        artifact_bytes: bytes.len(),
        wasm_bytes: artifact.wasm.len(),
        image_bytes: artifact.image.len(),
        manifest: artifact.manifest,
        cached,
        is_newest: false,
        time: start.elapsed(),
        notes,
    })
}

/// An artifact in memory, and its file's bytes.
#[derive(Debug)]
pub struct Packed {
    pub artifact: Artifact,
    pub bytes: Vec<u8>,
    /// Its modules came from the cache.
    pub cached: bool,
    pub notes: Vec<String>,
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
    let lock = match (&package.lockfile, package.is_locked) {
        (Some(lockfile), true) => Lock::parse(lockfile)?,
        _ => versions(package, options.offline)?,
    };
    let request =
        Request { package: package.clone(), lock, linked: None, options: options.clone() };
    let builder = Builder {
        toolchain: &toolchain,
        directory: &package.directory,
        offline: options.offline,
        variables: &Variables::of(&package.directory),
        cache,
    };
    builder.pack(vec![Ok(request)], report).pop().expect("one request has one result")
}

/// Chooses the versions of a package's dependencies: those of its author's lock file, else the newest.
fn versions(package: &Package, offline: bool) -> Result<Lock> {
    let scratch = Scratch::new()?;
    let staged = scratch.path().join("package");
    stage::write(package, &staged)?;
    let mut command = cargo::command(&package.directory);
    match package.lockfile {
        // Keeps the versions of the author's lock file, and drops what the macro does not need.
        Some(_) => command.args(["update", "--workspace"]),
        None => command.arg("generate-lockfile"),
    };
    command.arg("--manifest-path").arg(staged.join("Cargo.toml"));
    if offline {
        command.arg("--offline");
    }
    let output = cargo::run(command, |_| {})?;
    if !output.success {
        return Err(cargo::failure("cannot choose versions of its dependencies", &output.stderr));
    }
    let lockfile = staged.join("Cargo.lock");
    Lock::parse(&std::fs::read_to_string(&lockfile).at("read", &lockfile)?)
}

/// The artifact of a package with its modules, the first one being that of its own features.
fn assemble(package: &Package, options: &PackOptions, made: Vec<Compiled>) -> Result<Packed> {
    let mut made = made.into_iter();
    let first = made.next().expect("every package has a first feature set");
    let Compiled { made: Made { manifest, wasm, lockfile, licenses, cached, notes, .. }, image } =
        first;
    let (mut manifest, mut licenses, mut cached, mut notes) = (manifest, licenses, cached, notes);
    manifest.capabilities.extend(&options.grants);
    manifest.capabilities.check()?;
    let mut sets: Vec<(Set, Module)> = Vec::new();
    for Compiled { made, image } in made {
        let Manifest { features, macros, linked, environment, .. } = made.manifest;
        manifest.environment.extend(environment);
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
        licenses.extend(made.licenses);
        cached &= made.cached;
        let new: Vec<String> = made.notes.into_iter().filter(|n| !notes.contains(n)).collect();
        notes.extend(new);
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

/// A module with its compressed image.
struct Compiled {
    made: Made,
    image: Vec<u8>,
}

/// Stands for whatever decides what cargo makes of its inputs.
fn recipe_of_builds(toolchain: &Toolchain) -> String {
    let guest_key = guest::key();
    let mut parts: Vec<&str> = BUILD_RECIPE.to_vec();
    parts.extend([toolchain.key.as_str(), &guest_key]);
    hash_of(&parts)[..16].to_owned()
}

/// A directory of this machine in a module is one that the macro would look into on the consumer's, where it
/// is not.
fn portable(wasm: &[u8], cache: &Path) -> Result<()> {
    let registry = cargo::home().map(|home| home.join("registry").join("src"));
    for directory in [Some(cache.to_owned()), registry].into_iter().flatten() {
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

fn module_key(package: &Package, inputs: &[&str], profile: &[String]) -> String {
    let mut parts: Vec<&[u8]> = inputs.iter().map(|text| text.as_bytes()).collect();
    parts.extend([package.name.as_bytes(), package.manifest.as_bytes()]);
    parts.extend(MODULE_RECIPE.iter().chain(&profile::RECIPE).map(|text| text.as_bytes()));
    parts.extend(profile.iter().map(String::as_bytes));
    parts.extend(package.files.iter().flat_map(|(path, body)| [path.as_bytes(), body.as_slice()]));
    hash_of(&parts)[..32].to_owned()
}

/// Linked wasm to canonical wasm, and all that the manifest says.
fn finish(
    package: &Package,
    built: &build::Built,
    features: &Features,
    toolchain: &Toolchain,
    lockfile: &str,
    profile: &[String],
    cache: &Path,
) -> Result<Made> {
    let mut module = module::parse(&built.wasm)?;
    backtrace::drop_printer(&mut module);
    imports::check(&module)?;
    let exports = exports::read(&module, &stage::declared(package))?;
    let mut manifest = collect::manifest(package, built, &exports, toolchain, lockfile)?;
    // Cargo tells the package's own.
    let others = features.names.iter().flat_map(|names| names.split([',', ' ']));
    manifest.features.extend(others.filter(|name| name.contains('/')).map(str::to_owned));
    if !features.asserted.is_empty() {
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
    for folder in [Some(cache.to_owned()), cargo::home()].into_iter().flatten() {
        let text = folder.to_string_lossy();
        if contains(&wasm, text.as_bytes()) {
            notes
                .push(format!("the module contains the path {text}: elsewhere it has other bytes"));
        }
    }
    for name in environment::unlike(&built.heard) {
        notes.push(format!(
            "`{name}` does not compile for wasm as it would for this machine (its `cfg`s, or what its \
             build script finds): here it does as on wasm32-wasip1"
        ));
    }
    if built.has_build_script {
        let release = &toolchain.release;
        notes.push(format!(
            "its build script ran here, for rustc {release}: what it found is fixed"
        ));
    }
    let licenses = collect::licenses(package, built, toolchain)?;
    let lockfile = lockfile.to_owned();
    let asserted = assertions::concerned(package, &built.linked)?;
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

fn load(mut files: Files, lockfile: &str) -> Result<Made> {
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
