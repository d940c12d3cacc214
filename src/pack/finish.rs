//! From what cargo linked to an artifact: canonical modules, a manifest, licences.

use super::collect;
use super::compile::build::Built;
use super::compile::environment;
use super::compiler::toolchain::Toolchain;
use super::made::{Compiled, Made};
use super::module::{again, backtrace, exports, imports, parts, shrink};
use super::options::{Features, PackOptions, Packed};
use super::profile::{self, Profile};
use super::source::resolve::Package;
use super::source::{assertions, differing, stage};
use crate::artifact::manifest::{is_choice, Manifest, Set, ASSERTIONS};
use crate::artifact::{self, Artifact, Module};
use crate::base::cargo;
use crate::base::error::{Class, Context, Error, Result};
use std::path::Path;

/// Linked wasm to canonical wasm, and all that the manifest says.
pub(crate) fn finish(
    package: &Package,
    built: &Built,
    features: &Features,
    toolchain: &Toolchain,
    lockfile: &str,
    profile: &[String],
    cache: &Path,
) -> Result<Made> {
    let mut module = parts::parse(&built.wasm)?;
    backtrace::drop_printer(&mut module);
    imports::check(&module)?;
    let exports = exports::read(&module, &stage::declared(package))?;
    again::drop_unused(&mut module, &exports)?;
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
    notes.extend(differing::differing(package, &built.linked)?.into_iter().map(str::to_owned));
    let licenses = collect::licenses(package, built, toolchain)?;
    let lockfile = lockfile.to_owned();
    let asserted = assertions::concerned(package, &built.linked)?;
    Ok(Made { manifest, wasm, lockfile, licenses, asserted, cached: false, notes })
}

/// The text of the module's section `precast`.
pub(crate) fn origin(manifest: &Manifest) -> String {
    let package = &manifest.package;
    format!("abi {}\npackage {} {}\n", manifest.abi, package.name, package.version)
}

pub(crate) fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// A directory of this machine in a module is one that the macro would look into on the consumer's, where it
/// is not.
pub(crate) fn portable(wasm: &[u8], cache: &Path) -> Result<()> {
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

/// The artifact of a package with its modules, the first one being that of its own features.
pub(crate) fn assemble(
    package: &Package,
    options: &PackOptions,
    made: Vec<Compiled>,
) -> Result<Packed> {
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
pub(crate) fn is_same_choice(one: &[String], other: &[String]) -> bool {
    let [one, other] = [one, other].map(|set| set.iter().filter(|feature| is_choice(feature)));
    one.eq(other)
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
