//! Packs a module that somebody else built for our ABI: a macro in another language, or the work of
//! another tool. Everything is checked, nothing believed; there is no source to build it from again.

use super::finish::origin;
use super::module::exports::{self, Exports};
use super::module::parts::{self, Module};
use super::module::{imports, shrink};
use super::profile::{self, Profile};
use super::{written, Outcome, Packed, ENVIRONMENT, READABLE};
use crate::artifact::manifest::{self, Capabilities, Linked, Manifest, Source, Toolchain};
use crate::artifact::{self, stamp, Artifact, Tree};
use crate::base::error::{Class, Context, Error, Result};
use crate::base::files::sha256;
use crate::lower;
use std::path::Path;
use std::time::Instant;
use toml_edit::{value, DocumentMut};

/// What a module does not say of itself.
#[derive(Clone, Debug, Default)]
pub struct ModuleOptions {
    /// The package's name.
    pub name: String,
    /// The package's version.
    pub version: String,
    /// An SPDX expression.
    pub license: Option<String>,
    /// What the macros may do beside what every macro may.
    pub grants: Capabilities,
    /// Rust source with uses of the macros, to order the module's functions.
    pub profile: Vec<String>,
}

/// Packs the module in `file`: artifact and shim are in `out` when it returns.
pub fn pack_module(file: &Path, options: &ModuleOptions, out: &Path) -> Result<Outcome> {
    let start = Instant::now();
    let wasm =
        std::fs::read(file).class(Class::Usage, format!("cannot read {}", file.display()))?;
    let artifact = of_module(&wasm, options).context(format!("cannot pack {}", file.display()))?;
    let bytes = artifact::write(&artifact)?;
    let notes =
        vec!["there is no source of it: nobody can rebuild the module, or build it from source"
            .into()];
    written(Packed { artifact, bytes, cached: false, notes }, out, start)
}

/// The artifact of a module.
pub(crate) fn of_module(wasm: &[u8], options: &ModuleOptions) -> Result<Artifact> {
    let macros = stamp::read(wasm)?.macros;
    if macros.is_empty() {
        let message = format!("the module declares no macros in {}", manifest::DECLS_SECTION);
        let error = Error::new(Class::Package, message);
        return Err(
            error.help("`cargo precast stamp MODULE --add bang:NAME:FUNCTION` declares one")
        );
    }
    let module = parts::parse(wasm)?;
    imports::check(&module)?;
    check_memory(&module)?;
    if module.start.is_some() {
        let error = Error::new(Class::Package, "the module has a start function");
        return Err(error.help("nothing calls it: do what it does in `precast_start`"));
    }
    let exports = exports::declared(&module, macros)?;
    let manifest = manifest(wasm, options, &exports);
    manifest.check().map_err(|error| Error::new(Class::Usage, error.to_string()))?;
    let source = sources(&manifest, options);
    let origin = origin(&manifest);
    let plain = shrink::shrink(&module, &exports, &origin, &Profile::default())?;
    let profile = profile::take(&plain, &manifest.macros, &source, &options.profile)
        .context("cannot run samples")?;
    let wasm = shrink::shrink(&module, &exports, &origin, &profile)?;
    let image = lower::compress(&lower::lower(&wasm)?)?;
    let package = &manifest.package;
    let lock = format!(
        "version = 4\n\n[[package]]\nname = {:?}\nversion = {:?}\n",
        package.name, package.version
    );
    Artifact::new(manifest, wasm, image, lock.into_bytes(), source, Tree::new())
}

/// One memory, of the module's own.
fn check_memory(module: &Module) -> Result<()> {
    match module.memories.len() {
        1 => Ok(()),
        n => {
            let message = format!("the module has {n} memories of its own");
            Err(Error::new(Class::Package, message).help("a macro has one, which it exports"))
        }
    }
}

fn manifest(wasm: &[u8], options: &ModuleOptions, exports: &Exports) -> Manifest {
    let ModuleOptions { name, version, license, grants, profile } = options.clone();
    let texts = |texts: &[&str]| texts.iter().map(|text| text.to_string()).collect();
    let mut capabilities =
        Capabilities { env: texts(&ENVIRONMENT), read: texts(&READABLE), write: Vec::new() };
    capabilities.extend(&grants);
    Manifest {
        schema: manifest::SCHEMA,
        precast: env!("CARGO_PKG_VERSION").to_owned(),
        package: manifest::Package {
            crate_name: name.replace('-', "_"),
            name: name.clone(),
            version: version.clone(),
            source: Source::Module { checksum: sha256(wasm) },
        },
        macros: exports.macros.clone(),
        features: Vec::new(),
        toolchain: Toolchain::default(),
        capabilities,
        limits: Default::default(),
        abi: crate::runtime::calls::ABI,
        image: crate::runtime::image::VERSION,
        sha256: Default::default(),
        linked: vec![Linked { name, version, checksum: None, license, features: Vec::new() }],
        sets: Vec::new(),
        profile,
        environment: Default::default(),
    }
}

/// What stands for the sources: a package that says why it cannot be built.
fn sources(manifest: &Manifest, options: &ModuleOptions) -> Tree {
    let package = &manifest.package;
    let mut cargo = DocumentMut::new();
    cargo["package"] = toml_edit::table();
    let mut set = |key: &str, text: &str| cargo["package"][key] = value(text);
    set("name", &package.name);
    set("version", &package.version);
    set("edition", "2021");
    if let Some(license) = &options.license {
        set("license", license);
    }
    cargo["lib"] = toml_edit::table();
    cargo["lib"]["name"] = value(&package.crate_name);
    cargo["lib"]["proc-macro"] = value(true);
    let message = format!(
        "{} {} was packed from a module: there is no source of it",
        package.name, package.version
    );
    let root = format!(
        "//! Macros of a module that was built elsewhere.\n\ncompile_error!({message:?});\n"
    );
    Tree::from([
        ("Cargo.toml".into(), cargo.to_string().into_bytes()),
        ("src/lib.rs".into(), root.into_bytes()),
    ])
}
