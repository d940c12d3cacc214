//! Puts together what an artifact tells about a module: manifest, licences, lock file.

use crate::artifact::manifest::{self, Capabilities, Limits, Linked, Manifest};
use crate::artifact::module::TARGET;
use crate::base::error::{Class, Context, Error, Result};
use crate::base::files::Tree;
use crate::pack::compile::build::{Built, FLAGS};
use crate::pack::compile::environment;
use crate::pack::compiler::toolchain::Toolchain;
use crate::pack::module::exports::Exports;
use crate::pack::source::dependency::Dependency;
use crate::pack::source::resolve::{checksum, Package};
use crate::runtime::wasi::{MANIFESTS, WORKSPACE};
use std::path::Path;
use toml_edit::DocumentMut;

/// What is answered as natively: what cargo, rustup and rustdoc tell a macro, how they are set up, and what
/// says how to print. Never a secret (`CARGO_REGISTRY_TOKEN`).
pub const ENVIRONMENT: [&str; 43] = [
    "CARGO",
    "CARGO_BIN_EXE_*",
    "CARGO_BIN_NAME",
    "CARGO_BUILD_*",
    "CARGO_CFG_*",
    "CARGO_CRATE_NAME",
    "CARGO_FEATURE_*",
    "CARGO_HOME",
    "CARGO_INCREMENTAL",
    "CARGO_MAKEFLAGS",
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_LINKS",
    "CARGO_MANIFEST_PATH",
    "CARGO_PKG_*",
    "CARGO_PRIMARY_PACKAGE",
    "CARGO_PROFILE_*",
    "CARGO_RUSTC_CURRENT_DIR",
    "CARGO_TARGET_DIR",
    "CARGO_TARGET_TMPDIR",
    "CARGO_TERM_*",
    "CARGO_WORKSPACE_DIR",
    "CI",
    "CLICOLOR*",
    "COLORTERM",
    "DOCS_RS",
    "HOME",
    "NO_COLOR",
    "OUT_DIR",
    "PROFILE",
    "RUSTC",
    "RUSTC_BOOTSTRAP",
    "RUSTC_WRAPPER",
    "RUSTFLAGS",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "RUST_LOG",
    "SOURCE_DATE_EPOCH",
    "TARGET",
    "TERM",
    "TMPDIR",
    "UNSTABLE_RUSTDOC_TEST_LINE",
    "UNSTABLE_RUSTDOC_TEST_PATH",
    "USERPROFILE",
];
pub const READABLE: [&str; 4] = ["$CARGO_MANIFEST_DIR", "$OUT_DIR", MANIFESTS, WORKSPACE];

/// Beginnings of the names of licence files, in lower case.
const LICENSE_NAMES: [&str; 6] =
    ["license", "licence", "copying", "copyright", "notice", "unlicense"];

/// What is linked into every module, besides crates.
const STD_NOTICE: &str = "\
This module contains parts of the Rust standard library (https://github.com/rust-lang/rust),
licensed under MIT or Apache-2.0, and of wasi-libc (https://github.com/WebAssembly/wasi-libc),
licensed under Apache-2.0 with LLVM exceptions, Apache-2.0, or MIT, with parts of musl under MIT.
";

pub fn manifest(
    package: &Package,
    built: &Built,
    exports: &Exports,
    toolchain: &Toolchain,
    lockfile: &str,
) -> Result<Manifest> {
    Ok(Manifest {
        schema: manifest::SCHEMA,
        precast: env!("CARGO_PKG_VERSION").to_owned(),
        package: manifest::Package {
            name: package.name.clone(),
            version: package.version.clone(),
            crate_name: built.crate_name.clone(),
            source: package.source.clone(),
        },
        macros: exports.macros.clone(),
        features: built.features.clone(),
        toolchain: manifest::Toolchain {
            rustc: toolchain.release.clone(),
            commit: toolchain.commit.clone(),
            llvm: toolchain.llvm.clone(),
            std: toolchain.std.clone(),
            linker: toolchain.linker.version.clone(),
            recipe: super::recipe::recipe(),
            target: TARGET.to_owned(),
            flags: FLAGS.iter().map(|&flag| flag.to_owned()).collect(),
        },
        capabilities: capabilities(&package.manifest)?,
        limits: limits(&package.manifest)?,
        abi: crate::runtime::calls::ABI,
        image: crate::runtime::image::VERSION,
        sha256: Default::default(),
        linked: linked(built, lockfile)?,
        sets: Vec::new(),
        profile: Vec::new(),
        environment: environment::read(&built.heard),
    })
}

/// The default, and what the package asks for in `[package.metadata.precast]`.
fn capabilities(manifest: &str) -> Result<Capabilities> {
    let document = parse(manifest)?;
    let more = |key: &str| -> Vec<String> {
        let asked = document
            .get("package")
            .and_then(|item| item.get("metadata")?.get("precast")?.get(key)?.as_array());
        let names = asked.into_iter().flatten().filter_map(|name| name.as_str());
        names.map(str::to_owned).collect()
    };
    let with = |default: &[&str], key: &str| {
        let mut all: Vec<String> = default.iter().map(|&name| name.to_owned()).collect();
        all.extend(more(key));
        all.sort_unstable();
        all.dedup();
        all
    };
    let all = Capabilities {
        env: with(&ENVIRONMENT, "env"),
        read: with(&READABLE, "read"),
        write: with(&[], "write"),
    };
    all.check().context("package.metadata.precast")?;
    Ok(all)
}

/// The limits that the package sets itself in `[package.metadata.precast.limits]`.
fn limits(manifest: &str) -> Result<Limits> {
    let document = parse(manifest)?;
    let precast = document.get("package").and_then(|item| item.get("metadata")?.get("precast"));
    let table = precast.and_then(|item| item.get("limits")?.as_table_like());
    let mut limits = Limits::default();
    for (name, item) in table.into_iter().flat_map(|table| table.iter()) {
        let place = match name {
            "memory" => &mut limits.memory,
            "fuel" => &mut limits.fuel,
            "depth" => &mut limits.depth,
            "tokens" => &mut limits.tokens,
            "files" => &mut limits.files,
            _ => {
                let message = format!("package.metadata.precast.limits has no `{name}`");
                let error = Error::new(Class::Package, message);
                return Err(error.help("there are memory, fuel, depth, tokens and files"));
            }
        };
        let value = item.as_integer().and_then(|value| u64::try_from(value).ok());
        *place = Some(value.ok_or_else(|| {
            let message = format!("package.metadata.precast.limits.{name} is no whole number");
            Error::new(Class::Package, message)
        })?);
    }
    Ok(limits)
}

fn linked(built: &Built, lockfile: &str) -> Result<Vec<Linked>> {
    let mut linked = Vec::new();
    for Dependency { name, version, manifest, features, .. } in &built.linked {
        let document = parse(&std::fs::read_to_string(manifest).at("read", manifest)?)?;
        let license = document.get("package").and_then(|item| item.get("license")?.as_str());
        linked.push(Linked {
            name: name.clone(),
            version: version.clone(),
            checksum: checksum(lockfile, name, version),
            license: license.map(str::to_owned),
            features: features.clone(),
        });
    }
    Ok(linked)
}

/// Licence files of everything linked, as `NAME-VERSION/FILE`.
pub fn licenses(package: &Package, built: &Built, toolchain: &Toolchain) -> Result<Tree> {
    let mut licenses = Tree::new();
    let label = format!("{}-{}", package.name, package.version);
    for (path, body) in package.files.iter().filter(|(path, _)| is_license(path)) {
        licenses.insert(format!("{label}/{path}"), body.clone());
    }
    for Dependency { name, version, manifest, .. } in &built.linked {
        let folder = manifest.parent().unwrap_or(Path::new("."));
        for entry in std::fs::read_dir(folder).at("read", folder)? {
            let path = entry.at("read", folder)?.path();
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if is_license(&file) && path.is_file() {
                let body = std::fs::read(&path).at("read", &path)?;
                licenses.insert(format!("{name}-{version}/{file}"), body);
            }
        }
    }
    licenses.insert(format!("std-{}/NOTICE", toolchain.release), STD_NOTICE.into());
    Ok(licenses)
}

fn is_license(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    !name.contains('/')
        && !name.ends_with(".rs")
        && LICENSE_NAMES.iter().any(|l| lower.starts_with(l))
}

fn parse(manifest: &str) -> Result<DocumentMut> {
    manifest.parse().class(Class::Package, "cannot read Cargo.toml")
}
