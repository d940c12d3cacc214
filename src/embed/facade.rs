//! Shim -> facade: a library beside it that has the shim's macros, for build systems that know only
//! libraries.
//!
//! A library that re-exports a macro does not contain it: whoever links to it must be told where the
//! macro's own library is. That, and how both are compiled, is in files of arguments for the compiler.

use super::names::MARK;
use super::original;
use crate::artifact::manifest::{is_own, parts_of};
use crate::artifact::{Artifact, Tree};
use crate::base::error::{Class, Error, Result};
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::path::Path;

/// Where, in the facade's folder, the compiler is told to put both libraries.
const LIBRARIES: &str = "lib";

/// The name of the facade's folder.
pub fn facade_name(artifact: &Artifact) -> String {
    format!("{}-facade", super::write::name(artifact))
}

/// The facade's files. Shim and facade are in the folder `out`, as seen from where the compiler will run.
pub fn facade(artifact: &Artifact, out: &Path) -> Result<Tree> {
    let package = &artifact.manifest.package;
    let crate_name = &package.crate_name;
    let edition = original::edition(&artifact.source)?;
    let folder = out.join(facade_name(artifact));
    let text = |path: &Path| -> Result<String> {
        let text = path.to_str().map(|text| text.replace('\\', "/"));
        text.ok_or_else(|| Error::new(Class::Usage, format!("{} is not UTF-8", path.display())))
    };
    let libraries = text(&folder.join(LIBRARIES))?;
    let shim = text(&out.join(super::write::name(artifact)).join("src/lib.rs"))?;
    // The beginning of the module's hash: two versions may stand side by side.
    let hash = &artifact.manifest.sha256["module.wasm"][..16];
    let library = format!("{libraries}/{DLL_PREFIX}{crate_name}-{hash}{DLL_SUFFIX}");
    let features = parts_of(&artifact.manifest.features).0;
    let features = features.into_iter().filter(|feature| is_own(feature));
    let mut of_shim = vec![
        format!("--crate-name={crate_name}"),
        "--crate-type=proc-macro".into(),
        format!("--edition={edition}"),
        "--cap-lints=allow".into(),
        format!("-Cmetadata={hash}"),
        format!("-Cextra-filename=-{hash}"),
        format!("--out-dir={libraries}"),
        shim,
    ];
    of_shim.extend(features.map(|feature| format!("--cfg=feature={feature:?}")));
    let of_facade = vec![
        format!("--crate-name={crate_name}"),
        "--crate-type=lib".into(),
        "--edition=2021".into(),
        format!("-Cmetadata={hash}-facade"),
        format!("--extern=shim={library}"),
        format!("--out-dir={libraries}"),
        text(&folder.join("src/lib.rs"))?,
    ];
    let of_users = vec![
        format!("--extern={crate_name}={libraries}/lib{crate_name}.rlib"),
        format!("-Ldependency={libraries}"),
    ];
    let lines = |words: Vec<String>| (words.join("\n") + "\n").into_bytes();
    Ok(Tree::from([
        ("Cargo.toml".into(), manifest(artifact).into_bytes()),
        ("src/lib.rs".into(), root(artifact).into_bytes()),
        ("shim.args".into(), lines(of_shim)),
        ("facade.args".into(), lines(of_facade)),
        ("downstream.args".into(), lines(of_users)),
    ]))
}

fn root(artifact: &Artifact) -> String {
    let package = &artifact.manifest.package;
    let (name, version, crate_name) = (&package.name, &package.version, &package.crate_name);
    format!(
        "{MARK}{}: a facade of {name} {version}.\n\
         //\n\
         //     rustc @shim.args\n\
         //     rustc @facade.args\n\
         //     rustc @downstream.args main.rs\n\
         //\n\
         // The last one says where the macro's library is, which this one does not contain.\n\n\
         //! The macros of {name} {version} in a library: `use {crate_name}::*`.\n\n\
         #![no_std]\n\n\
         #[doc(inline)]\n\
         pub use shim::*;\n",
        artifact.manifest.precast
    )
}

fn manifest(artifact: &Artifact) -> String {
    let package = &artifact.manifest.package;
    let (name, version) = (&package.name, &package.version);
    let shim = super::write::name(artifact);
    format!(
        "{}{}: a facade of {name} {version}.\n\n\
         [package]\nname = \"{name}-facade\"\nversion = {version:?}\nedition = \"2021\"\npublish = false\n\n\
         [lib]\nname = {:?}\n\n\
         [dependencies]\nshim = {{ package = {name:?}, path = \"../{shim}\" }}\n",
        MARK.replace("//", "#"),
        artifact.manifest.precast,
        package.crate_name,
    )
}
