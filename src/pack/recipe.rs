//! The part of cache keys that stands for this program: other versions of the passes do not find its entries.

use super::compiler::guest;
use super::compiler::toolchain::Toolchain;
use super::profile;
use super::source::resolve::Package;
use crate::base::error::Result;
use crate::base::files::hash_of;
use crate::cache::key::{all_edited, identity, GENERATION};
use crate::cache::{Environment, Key, Locked, Wanted};
use crate::lower::TRANSLATION;
use crate::runtime::calls;
use std::sync::LazyLock;

/// Whatever decides what cargo builds, besides its inputs. Part of the cache's keys, as text: a
/// program that works otherwise finds nothing there.
const BUILD_RECIPE: [&str; 17] = [
    include_str!("source/assertions.rs"),
    include_str!("compile/batch.rs"),
    include_str!("compile/batch/task.rs"),
    include_str!("compile/batch/workspace.rs"),
    include_str!("compile/build.rs"),
    include_str!("source/exact.rs"),
    include_str!("source/lock.rs"),
    include_str!("source/native.rs"),
    include_str!("source/rewrite.rs"),
    include_str!("source/rewrite/hashing.rs"),
    include_str!("source/rewrite/surroundings.rs"),
    include_str!("compile/script.rs"),
    include_str!("compile/unified.rs"),
    include_str!("compile/wrapper.rs"),
    include_str!("compiler/wrapping.rs"),
    include_str!("source/dependency.rs"),
    include_str!("source/rewrite/tokens.rs"),
];

/// The same for what is made of the built module.
const MODULE_RECIPE: [&str; 13] = [
    env!("CARGO_PKG_VERSION"),
    include_str!("../artifact/manifest/statement.rs"),
    include_str!("../artifact/names.rs"),
    include_str!("module/again.rs"),
    include_str!("module/backtrace.rs"),
    include_str!("collect.rs"),
    include_str!("compile/environment.rs"),
    include_str!("source/differing.rs"),
    include_str!("module/exports.rs"),
    include_str!("module/parts.rs"),
    include_str!("module/shrink.rs"),
    include_str!("source/stage.rs"),
    include_str!("../../runtime/src/calls.rs"),
];

/// What decides what is made of the built module, the order of its code included.
fn of_module<'a>() -> impl Iterator<Item = &'a str> {
    MODULE_RECIPE.iter().chain(&profile::RECIPE).chain(&TRANSLATION).map(|text| -> &'a str { text })
}

/// Stands for everything of this program that decides a module's bytes.
pub(crate) fn recipe() -> String {
    let guest_key = guest::key();
    let mut parts: Vec<&str> = BUILD_RECIPE.to_vec();
    parts.extend(of_module());
    parts.push(&guest_key);
    hash_of(&parts)[..16].to_owned()
}

/// Whatever decides what the image of a module is, beside the translation.
const IMAGE_RECIPE: [&str; 4] = [
    include_str!("../lower/alloc.rs"),
    include_str!("../lower/chunk.rs"),
    include_str!("../lower/emit.rs"),
    include_str!("../lower/write.rs"),
];

/// Stands for everything of this program that decides an artifact's bytes.
pub fn artifact_recipe() -> &'static str {
    static RECIPE: LazyLock<String> = LazyLock::new(|| {
        let module = recipe();
        let mut parts: Vec<&str> = IMAGE_RECIPE.iter().chain(&TRANSLATION).copied().collect();
        parts.push(&module);
        hash_of(&parts)[..16].to_owned()
    });
    &RECIPE
}

/// Stands for whatever decides what cargo makes of its inputs.
pub(crate) fn recipe_of_builds(toolchain: &Toolchain) -> String {
    let guest_key = guest::key();
    let mut parts: Vec<&str> = BUILD_RECIPE.to_vec();
    parts.extend([toolchain.key.as_str(), &guest_key]);
    hash_of(&parts)[..16].to_owned()
}

pub(crate) fn module_key(package: &Package, inputs: &[&str], profile: &[String]) -> String {
    let mut parts: Vec<&[u8]> = inputs.iter().map(|text| text.as_bytes()).collect();
    parts.extend([package.name.as_bytes(), package.manifest.as_bytes()]);
    parts.extend(of_module().map(str::as_bytes));
    parts.extend(profile.iter().map(String::as_bytes));
    parts.extend(package.files.iter().flat_map(|(path, body)| [path.as_bytes(), body.as_slice()]));
    hash_of(&parts)[..32].to_owned()
}

impl Key {
    /// The entry in which a macro package is found that was compiled from exactly this, and read no variables.
    pub fn of(wanted: &Wanted) -> Result<Key> {
        let Locked { name, version, features, .. } = &wanted.package;
        let text = |package: &Locked| -> Result<String> {
            let features: Vec<&str> = package.features.iter().map(String::as_str).collect();
            let checksum = identity(package)?;
            Ok(format!("{} {} {checksum} {}", package.name, package.version, features.join(",")))
        };
        let used = || wanted.dependencies.iter().chain(&wanted.macros);
        Ok(Key {
            name: name.clone(),
            version: version.clone(),
            checksum: identity(&wanted.package)?,
            features: features.clone(),
            dependencies: used().map(text).collect::<Result<_>>()?,
            host: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
            abi: calls::ABI,
            generation: GENERATION,
            environment: Environment::new(),
            edited: all_edited(used().chain([&wanted.package]))?,
        })
    }
}
