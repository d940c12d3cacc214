//! What is inside an artifact, a shim, a wasm module or a compiler's own file. It reports; it does
//! not judge (`verify` does).

#[doc(hidden)]
pub mod native;
#[doc(hidden)]
pub mod sbom;
#[doc(hidden)]
pub mod upstream;

use crate::artifact::manifest::{identity, Capabilities, Kind, Macro, Manifest, Source, Toolchain};
use crate::artifact::Artifact;
use crate::base::error::{Class, Context, Error, Result};
use crate::base::text::counted;
use crate::embed;
use crate::embed::input::{self, Input};
use serde::Serialize;
use std::fmt;
use std::path::Path;
use toml_edit::DocumentMut;
use upstream::Upstream;
use wasmparser::{Parser, Payload};

/// How many functions the report names.
const LARGEST: usize = 10;

#[derive(Debug, Serialize)]
/// What is inside an artifact or a shim.
#[non_exhaustive]
pub struct Facts {
    /// `artifact` or `shim`.
    pub kind: &'static str,
    /// What it says of itself.
    pub manifest: Manifest,
    /// What the consumer has granted a shim beside that.
    #[serde(skip_serializing_if = "Capabilities::is_empty")]
    pub granted: Capabilities,
    /// SHA-256 of the manifest, by which a policy pins what the manifest has hashes of.
    pub identity: String,
    /// Bytes of each part.
    pub parts: Vec<Size>,
    #[serde(flatten)]
    /// Its module.
    pub module: Module,
    /// Packages in the lock file the module was built with, as `NAME VERSION`.
    pub locked: Vec<String>,
}

/// A wasm module.
#[derive(Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Module {
    /// Bytes of each section, in its order.
    pub sections: Vec<Size>,
    /// Functions that the module defines.
    pub n_functions: u32,
    /// The largest functions, by index, largest first.
    pub largest_functions: Vec<Function>,
    /// What it imports.
    pub imports: Vec<Import>,
    /// What it exports.
    pub exports: Vec<String>,
}

/// What was found.
#[derive(Debug, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Found {
    /// An artifact or a shim.
    Packed(Box<Facts>),
    /// A module.
    Wasm(Wasm),
    /// A file of a compiler's.
    Native(native::Facts),
}

/// A `.wasm` file on its own.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Wasm {
    /// `module`.
    pub kind: &'static str,
    /// Its size.
    pub bytes: usize,
    /// Why precast would not run it; empty for a module of ours.
    pub refused: Vec<String>,
    /// What its section `.rustc_proc_macro_decls` declares.
    pub macros: Vec<Macro>,
    /// Of a macro that rustc compiled for itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Upstream>,
    #[serde(flatten)]
    /// What is in it.
    pub module: Module,
}

#[derive(Debug, Serialize)]
/// A part and its size.
#[non_exhaustive]
pub struct Size {
    /// The part.
    pub name: String,
    /// Its size.
    pub bytes: usize,
}

#[derive(Debug, Serialize)]
/// A function and its size.
#[non_exhaustive]
pub struct Function {
    /// Its index in the module.
    pub index: u32,
    /// The size of its body.
    pub bytes: usize,
}

#[derive(Debug, Serialize)]
/// An imported function.
#[non_exhaustive]
pub struct Import {
    /// The module that it is imported from.
    pub module: String,
    /// Its name there.
    pub name: String,
}

/// Any file of this world; `active` is what the active rustc calls itself, if there is one.
pub fn any(path: &Path, active: Option<&str>) -> Result<Found> {
    if path.is_file() {
        let bytes = std::fs::read(path).at("read", path)?;
        if bytes.starts_with(b"\0asm") {
            return Ok(Found::Wasm(wasm(&bytes, active).context(path.display().to_string())?));
        }
        if let Some(facts) = native::read(path, &bytes, active) {
            return Ok(Found::Native(facts.context(path.display().to_string())?));
        }
    }
    Ok(Found::Packed(Box::new(inspect(path)?)))
}

fn wasm(bytes: &[u8], active: Option<&str>) -> Result<Wasm> {
    let upstream = upstream::read(bytes, active);
    if upstream::is_component(bytes) {
        return Ok(Wasm {
            kind: "wasm",
            bytes: bytes.len(),
            refused: vec!["it is a component, not a module".into()],
            macros: Vec::new(),
            upstream,
            module: Module::default(),
        });
    }
    Ok(Wasm {
        kind: "wasm",
        bytes: bytes.len(),
        upstream,
        refused: crate::artifact::module::refusals(bytes),
        macros: declared(bytes)?,
        module: module(bytes)?,
    })
}

/// The macros that a module declares; an error where its sections do not say one thing.
fn declared(bytes: &[u8]) -> Result<Vec<Macro>> {
    let facts = crate::artifact::module::read(bytes)?;
    match facts.doubled.first() {
        Some(name) => {
            let message = format!("the custom section {name} is there twice");
            Err(Error::new(Class::Verify, message)
                .help("the file is damaged or forged: get it again"))
        }
        None => facts.declared(),
    }
}

/// Reads the artifact's file, the shim's directory or its `.crate` file.
pub fn inspect(path: &Path) -> Result<Facts> {
    let (kind, artifact, granted) = match input::read(path)? {
        Input::Artifact(artifact) => ("artifact", *artifact, Capabilities::default()),
        Input::Shim(files) => ("shim", embed::extract(&files)?, embed::granted(&files)?),
    };
    let total = |tree: &crate::artifact::Tree| tree.values().map(Vec::len).sum();
    Ok(Facts {
        kind,
        granted,
        identity: identity(&artifact.manifest),
        parts: [
            size("module.wasm", artifact.wasm.len()),
            size("image.bin", artifact.image.len()),
            size("Cargo.lock", artifact.lockfile.len()),
            size("source", total(&artifact.source)),
            size("licenses", total(&artifact.licenses)),
        ]
        .into_iter()
        .chain(
            artifact
                .sets_tree()
                .iter()
                .map(|(path, body)| size(format!("sets/{path}"), body.len())),
        )
        .collect(),
        module: module(&artifact.wasm).map_err(|error| error.context("module.wasm"))?,
        locked: locked(&artifact)?,
        manifest: artifact.manifest,
    })
}

fn size(name: impl Into<String>, bytes: usize) -> Size {
    Size { name: name.into(), bytes }
}

fn module(wasm: &[u8]) -> Result<Module> {
    let mut facts = Module::default();
    let mut index = 0;
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.class(Class::Verify, "not wasm")?;
        if let Some((id, range)) = payload.as_section() {
            facts.sections.push(size(section_name(id, &payload), span(&range)));
        }
        match payload {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.class(Class::Verify, "bad import")?;
                    index += u32::from(matches!(import.ty, wasmparser::TypeRef::Func(_)));
                    facts
                        .imports
                        .push(Import { module: import.module.into(), name: import.name.into() });
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    facts.exports.push(export.class(Class::Verify, "bad export")?.name.into());
                }
            }
            Payload::CodeSectionEntry(body) => {
                facts.largest_functions.push(Function { index, bytes: span(&body.range()) });
                facts.n_functions += 1;
                index += 1;
            }
            _ => {}
        }
    }
    facts.largest_functions.sort_by_key(|function| (usize::MAX - function.bytes, function.index));
    facts.largest_functions.truncate(LARGEST);
    Ok(facts)
}

fn span(range: &std::ops::Range<u64>) -> usize {
    (range.end - range.start) as usize
}

pub(crate) fn section_name(id: u8, payload: &Payload<'_>) -> String {
    const NAMES: [&str; 13] = [
        "custom",
        "type",
        "import",
        "function",
        "table",
        "memory",
        "global",
        "export",
        "start",
        "element",
        "code",
        "data",
        "data count",
    ];
    match payload {
        Payload::CustomSection(section) => format!("custom {}", section.name()),
        _ => NAMES
            .get(usize::from(id))
            .map_or_else(|| format!("section {id}"), |name| name.to_string()),
    }
}

fn locked(artifact: &Artifact) -> Result<Vec<String>> {
    let text = String::from_utf8_lossy(&artifact.lockfile);
    let document: DocumentMut = text.parse().class(Class::Verify, "cannot read Cargo.lock")?;
    let packages = document.get("package").and_then(|packages| packages.as_array_of_tables());
    let named = packages.into_iter().flatten().filter_map(|package| {
        Some(format!("{} {}", package.get("name")?.as_str()?, package.get("version")?.as_str()?))
    });
    Ok(named.collect())
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Manifest { package, toolchain, .. } = &self.manifest;
        let source = match &package.source {
            Source::Registry { checksum } => format!("registry, sha256 {checksum}"),
            Source::Path { checksum } => format!("a directory, sha256 {checksum}"),
            Source::Module { checksum } => {
                format!("none: a module that was built elsewhere, sha256 {checksum}")
            }
        };
        writeln!(f, "{} {} ({})", package.name, package.version, self.kind)?;
        line(f, "crate", &package.crate_name)?;
        line(f, "source", &source)?;
        line(f, "features", &chosen(&self.manifest.features))?;
        for (index, set) in self.manifest.sets.iter().enumerate() {
            let macros = counted(set.macros.len(), "macro");
            let features = format!("{}, {macros}", chosen(&set.features));
            line(f, &format!("set {}", index + 2), &features)?;
        }
        let commit =
            toolchain.commit.as_deref().map_or(String::new(), |commit| format!(" ({commit})"));
        let llvm = toolchain.llvm.as_deref().map_or(String::new(), |llvm| format!(", LLVM {llvm}"));
        let Toolchain { rustc, linker, target, .. } = toolchain;
        if toolchain.is_unknown() {
            line(f, "toolchain", "unknown")?;
        } else {
            line(f, "toolchain", &format!("rustc {rustc}{commit}{llvm}, {linker}, {target}"))?;
            line(f, "flags", &toolchain.flags.join(" "))?;
        }
        let formats = &self.manifest;
        let formats = format!(
            "schema {}, token ABI {}, image {}",
            formats.schema, formats.abi, formats.image
        );
        line(f, "formats", &format!("{formats}, written by precast {}", self.manifest.precast))?;
        line(f, "identity", &format!("sha256 {}", self.identity))?;
        let Capabilities { env, read, write } = &self.manifest.capabilities;
        line(f, "may read", &listed(read))?;
        line(f, "environment", &listed(env))?;
        if !write.is_empty() {
            line(f, "may write", &listed(write))?;
        }
        let Capabilities { env, read, write } = &self.granted;
        for (what, list) in [("+ read", read), ("+ variables", env), ("+ write", write)] {
            if !list.is_empty() {
                line(f, what, &listed(list))?;
            }
        }
        writeln!(f, "\nmacros")?;
        self.manifest.macros.iter().try_for_each(|item| writeln!(f, "  {}", spelled(item)))?;
        writeln!(f, "\nparts{:>41}", "bytes")?;
        sizes(f, &self.parts)?;
        self.module.fmt(f)?;
        writeln!(f, "\nlinked packages")?;
        for linked in &self.manifest.linked {
            let license = linked.license.as_deref().unwrap_or("licence unknown");
            writeln!(f, "  {} {} ({license})", linked.name, linked.version)?;
        }
        writeln!(f, "\nlock file: {}", counted(self.locked.len(), "package"))
    }
}

impl fmt::Display for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nsections of the module{:>24}", "bytes")?;
        sizes(f, &self.sections)?;
        writeln!(f, "\nlargest of {} functions", self.n_functions)?;
        for function in &self.largest_functions {
            writeln!(f, "  {:<32}{:>12}", format!("function {}", function.index), function.bytes)?;
        }
        writeln!(f, "\nimports")?;
        self.imports
            .iter()
            .try_for_each(|import| writeln!(f, "  {} {}", import.module, import.name))?;
        Ok(())
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Found::Packed(facts) => facts.fmt(f),
            Found::Native(facts) => facts.fmt(f),
            Found::Wasm(facts) => {
                writeln!(f, "wasm, {} bytes", facts.bytes)?;
                facts.refused.iter().try_for_each(|why| line(f, "refused", why))?;
                if let Some(upstream) = &facts.upstream {
                    let unknown = "unknown".to_owned();
                    let rustc = upstream.rustc.as_ref().unwrap_or(&unknown);
                    let other = if upstream.is_of_another { ", not the active one" } else { "" };
                    line(f, "made by", rustc)?;
                    line(f, "crate", upstream.crate_name.as_ref().unwrap_or(&unknown))?;
                    line(f, "loaded by", &format!("that rustc alone{other}: docs/upstream.md"))?;
                }
                writeln!(f, "\nmacros")?;
                if facts.macros.is_empty() {
                    writeln!(f, "  none declared")?;
                }
                facts.macros.iter().try_for_each(|item| writeln!(f, "  {}", spelled(item)))?;
                facts.module.fmt(f)
            }
        }
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, value: &str) -> fmt::Result {
    writeln!(f, "  {name:<13}{value}")
}

fn sizes(f: &mut fmt::Formatter<'_>, sizes: &[Size]) -> fmt::Result {
    sizes.iter().try_for_each(|size| writeln!(f, "  {:<32}{:>12}", size.name, size.bytes))
}

fn chosen(features: &[String]) -> String {
    if features.is_empty() {
        "none".into()
    } else {
        features.join(", ")
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        "nothing".into()
    } else {
        names.join(", ")
    }
}

fn spelled(item: &Macro) -> String {
    match item.kind {
        Kind::Derive if item.helpers.is_empty() => format!("#[derive({})]", item.name),
        Kind::Derive => format!("#[derive({})] with #[{}]", item.name, item.helpers.join("], #[")),
        Kind::Attribute => format!("#[{}]", item.name),
        Kind::Bang => format!("{}!", item.name),
    }
}
