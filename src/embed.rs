//! Artifact -> shim crate: the native proc-macro crate which carries the module.
//!
//! A pure function of the artifact and of this program's runtime sources; the layout is in
//! docs/artifact.md. Only [`write_dir`] touches the machine.

#[doc(hidden)]
pub mod beside;
mod cargo;
pub(crate) mod expansions;
mod facade;
#[doc(hidden)]
pub mod input;
mod library;
mod names;
mod original;
mod parts;
mod readme;
mod runtime;
mod sets;
mod write;

use crate::artifact::manifest::{self, Capabilities};
use crate::artifact::{self, names as table, Artifact, Tree};
use crate::base::error::{Class, Context, Error, Result};
use crate::base::files;
use crate::lower;
use std::sync::LazyLock;

#[doc(hidden)]
pub use facade::{facade, facade_name};
pub(crate) use names::PLACE;
pub(crate) use original::edition;
#[doc(hidden)]
pub use write::write_files;
pub use write::{name, write_dir};

use names::{is_manifest, of_set, stored_path, TABLE};

/// A hash of everything in this program that decides what a shim contains beside its artifact.
pub(crate) fn recipe() -> &'static str {
    static RECIPE: LazyLock<String> = LazyLock::new(|| {
        let ours = [
            include_str!("embed.rs"),
            include_str!("embed/cargo.rs"),
            include_str!("embed/expansions.rs"),
            include_str!("embed/library.rs"),
            include_str!("embed/names.rs"),
            include_str!("embed/original.rs"),
            include_str!("embed/parts.rs"),
            include_str!("embed/readme.rs"),
            include_str!("embed/readme.md.txt"),
            include_str!("embed/sets.rs"),
        ];
        let vendored: String = runtime::FILES.iter().map(|(_, text)| *text).collect();
        files::sha256((ours.concat() + &vendored).as_bytes())
    });
    &RECIPE
}

/// Where a shim keeps what the consumer has granted beside the manifest's capabilities.
const GRANTS: &str = "precast/grants.json";

/// The shim's files by relative path.
pub fn embed(artifact: &Artifact) -> Result<Tree> {
    embed_with(artifact, &Capabilities::default())
}

/// The same for a consumer who grants the macros more than their manifest does. What is granted stands in
/// [`GRANTS`], so the shim is a pure function of the artifact and the grants.
pub fn embed_with(artifact: &Artifact, granted: &Capabilities) -> Result<Tree> {
    let context = |error: Error| error.context(format!("cannot embed {}", name(artifact)));
    let artifact = &*lower::renewed(artifact).map_err(context)?;
    let original = original::read(artifact).map_err(context)?;
    granted.check().map_err(context)?;
    let mut capabilities = artifact.manifest.capabilities.clone();
    capabilities.extend(granted);
    let manifest = cargo::write(artifact, &original, &capabilities).map_err(context)?;
    let library = library::write(artifact, &original, &capabilities).map_err(context)?;
    let mut files = Tree::from([
        ("Cargo.toml".into(), manifest.into_bytes()),
        ("src/lib.rs".into(), library.into_bytes()),
        (readme::PATH.into(), readme::write(artifact).into_bytes()),
        ("precast/manifest.json".into(), manifest::write(&artifact.manifest)),
        ("precast/module.wasm".into(), artifact.wasm.clone()),
        ("precast/image.bin".into(), artifact.image.clone()),
        ("precast/Cargo.lock".into(), artifact.lockfile.clone()),
        (original.generated_root.clone(), original.root_items.clone().into_bytes()),
    ]);
    if !granted.is_empty() {
        files.insert(GRANTS.into(), manifest::text_of(granted));
    }
    let runtime = runtime::FILES
        .iter()
        .map(|(path, text)| (format!("src/precast/{path}"), text.as_bytes().to_vec()));
    let licenses = artifact
        .licenses
        .iter()
        .map(|(path, body)| (format!("precast/licenses/{path}"), body.clone()));
    let source = artifact.source.iter().map(|(path, body)| (stored_path(path), body.clone()));
    let names = artifact.each_set().enumerate().filter_map(|(index, set)| {
        let table = table::of(&set.wasm).to_vec();
        (!table.is_empty()).then(|| (format!("precast/{}", of_set(index, TABLE)), table))
    });
    let sets = artifact.sets_tree();
    let sets = sets.into_iter().map(|(path, body)| (format!("precast/sets/{path}"), body));
    for (path, body) in runtime.chain(licenses).chain(source).chain(sets).chain(names) {
        if files.insert(path.clone(), body).is_some() {
            let message = format!("two files of the shim have the path {path}");
            return Err(context(Error::new(Class::Package, message)));
        }
    }
    Ok(files)
}

/// The artifact which these files of a shim were made from, as far as they tell. The opposite of
/// [`embed`]; what does not belong to a shim is left out.
#[doc(hidden)]
pub fn extract(files: &Tree) -> Result<Artifact> {
    let file = |path: &str| {
        let missing = || Error::new(Class::Verify, format!("{path} is missing"));
        files.get(path).cloned().ok_or_else(missing)
    };
    let manifest = manifest::read(&file("precast/manifest.json")?)
        .map_err(|error| error.context("precast/manifest.json"))?;
    let below = |prefix: &'static str| {
        files
            .iter()
            .filter_map(move |(path, body)| Some((path.strip_prefix(prefix)?, body.clone())))
    };
    let mut source: Tree =
        below("source/").map(|(path, body)| (published_path(path), body)).collect();
    if let Ok(root) = original::root_path(&source) {
        source.remove(&original::generated_path(&root));
    }
    let sets = below("precast/sets/").filter(|(path, _)| !path.ends_with(TABLE));
    let sets = sets.map(|(path, body)| (path.into(), body)).collect();
    let sets = artifact::read_sets(&sets).map_err(|error| error.context("precast/sets"))?;
    if sets.len() != manifest.sets.len() {
        let message = "the manifest names other feature sets than precast/sets has";
        return Err(Error::new(Class::Verify, message));
    }
    Ok(Artifact {
        manifest,
        wasm: file("precast/module.wasm")?,
        image: file("precast/image.bin")?,
        lockfile: file("precast/Cargo.lock")?,
        source,
        licenses: below("precast/licenses/").map(|(path, body)| (path.into(), body)).collect(),
        sets,
    })
}

/// The sources that a shim's own files name, which is all that a compiler reads of them unless it builds the
/// original.
#[doc(hidden)]
pub fn named(artifact: &Artifact) -> Result<Tree> {
    let artifact = &*lower::renewed(artifact)?;
    let original = original::read(artifact)?;
    let capabilities = &artifact.manifest.capabilities;
    let mut texts = cargo::write(artifact, &original, capabilities)?;
    texts += &library::write(artifact, &original, capabilities)?;
    let root = original::root_path(&artifact.source)?;
    let is_named =
        |path: &str| path == "Cargo.toml" || path == root || texts.contains(&stored_path(path));
    let named = artifact.source.iter().filter(|(path, _)| is_named(path));
    Ok(named.map(|(path, body)| (path.clone(), body.clone())).collect())
}

/// What the consumer has granted these files of a shim, as [`embed_with`] wrote it.
#[doc(hidden)]
pub fn granted(files: &Tree) -> Result<Capabilities> {
    match files.get(GRANTS) {
        None => Ok(Capabilities::default()),
        Some(text) => serde_json::from_slice(text).class(Class::Verify, GRANTS),
    }
}

fn published_path(stored: &str) -> String {
    let published = stored.strip_suffix('_').filter(|path| is_manifest(path));
    published.unwrap_or(stored).to_string()
}
