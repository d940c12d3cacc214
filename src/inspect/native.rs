//! What a compiler's own file says of itself: library, `.rlib`, `.rmeta`. Is it a macro crate, made
//! by which rustc, under which name, and would the active rustc take it?
//!
//! docs/how-rustc-loads-proc-macros.md tells where each fact is from. The layout of rustc's metadata
//! is its own affair: only its beginning is read, and what does not fit is left unknown.

mod declared;
pub(super) mod metadata;
mod pointers;

use crate::base::error::{Class, Error, Result};
use object::{BinaryFormat, Object, ObjectSection};
use serde::Serialize;
use std::fmt;
use std::path::Path;

pub use declared::{declared, Declared};
use metadata::Header;

#[derive(Debug, Serialize)]
pub struct Facts {
    /// `library`, `rlib`, `rmeta` or `wasm`.
    pub kind: &'static str,
    pub bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_macro_crate: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crate_name: Option<String>,
    /// The whole text that rustc compares: `rustc 1.95.0 (59807616e 2026-04-14)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rustc: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub triple: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stable_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub macros: Option<Vec<Declared>>,
    /// Why the active rustc would not load it as a macro crate.
    pub refused: Vec<String>,
    /// How cargo would name it on rustc's command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passed_as: Option<String>,
}

/// The file name which rustc wants of a macro crate on this platform.
pub fn dylib_name(crate_name: &str) -> String {
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    format!("{prefix}{crate_name}{suffix}")
}

/// The file's facts, if it is one of a compiler's. `active` is what the active rustc calls itself.
pub fn read(path: &Path, bytes: &[u8], active: Option<&str>) -> Option<Result<Facts>> {
    let (kind, found) = if bytes.starts_with(metadata::MAGIC) {
        ("rmeta", Some(bytes.to_vec()))
    } else if bytes.starts_with(b"!<arch>\n") && !bytes[8..].starts_with(b"manifest.json") {
        ("rlib", member(bytes))
    } else if let Ok(file) = object::File::parse(bytes) {
        ("library", section(&file))
    } else {
        return None;
    };
    let mut facts = Facts {
        kind,
        bytes: bytes.len(),
        is_macro_crate: None,
        crate_name: None,
        rustc: None,
        triple: None,
        stable_id: None,
        macros: None,
        refused: Vec::new(),
        passed_as: None,
    };
    match found.as_deref().and_then(metadata::read) {
        Some(header) => describe(&mut facts, header),
        None if kind == "rlib" => {
            let error = Error::new(Class::Usage, "an archive without rustc's metadata");
            return Some(Err(error.help("it is no .rlib of rustc, and no artifact of precast")));
        }
        None => facts
            .refused
            .push("it has no metadata of rustc (E0786, or \"can't find crate\")".into()),
    }
    if kind == "library" {
        symbols(&mut facts, bytes);
    }
    judge(&mut facts, path, active);
    Some(Ok(facts))
}

fn describe(facts: &mut Facts, header: Header) {
    facts.rustc = Some(header.rustc);
    facts.triple = header.triple;
    facts.crate_name = header.name;
    facts.is_macro_crate = header.is_macro_crate;
}

/// What the symbols tell: `__rustc_proc_macro_decls_ID__` is what rustc looks up.
fn symbols(facts: &mut Facts, bytes: &[u8]) {
    let Ok(file) = object::File::parse(bytes) else { return };
    let id = declared::table(&file).map(|(id, _)| id);
    facts.is_macro_crate = Some(id.is_some());
    facts.macros = declared(bytes).filter(|_| id.is_some());
    facts.stable_id = id;
    let format = match file.format() {
        BinaryFormat::Pe => BinaryFormat::Coff,
        format => format,
    };
    if format != BinaryFormat::native_object() {
        let host = facts.triple.as_deref().unwrap_or("another platform");
        facts.refused.push(format!("it is made for {host} (E0463)"));
    }
}

fn judge(facts: &mut Facts, path: &Path, active: Option<&str>) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    if facts.kind != "library" {
        facts.refused.push(format!("a macro is loaded from a library, not from an {}", facts.kind));
    } else if !name.starts_with(prefix) || !name.ends_with(suffix) {
        let text = format!("its name is not {prefix}NAME{suffix}, so `--extern` does not take it");
        facts.refused.push(text);
    }
    if facts.is_macro_crate == Some(false) {
        facts.refused.push("it is no proc-macro crate".into());
    }
    if let (Some(made), Some(active)) = (&facts.rustc, active) {
        if made != active {
            facts.refused.push(format!("made by {made}, while the active one is {active} (E0514)"));
        }
    }
    if facts.refused.is_empty() {
        let name = facts.crate_name.as_deref().unwrap_or("NAME");
        facts.passed_as = Some(format!("--extern {name}={}", path.display()));
    }
}

/// The metadata of a library: section `.rustc`, a header, its length, then the metadata.
fn section(file: &object::File<'_>) -> Option<Vec<u8>> {
    let data = file.section_by_name(".rustc")?.uncompressed_data().ok()?;
    let inner = data.get(16..).filter(|inner| inner.starts_with(metadata::MAGIC));
    Some(inner.unwrap_or(&data).to_vec())
}

/// The metadata of an `.rlib`: member `lib.rmeta`, bare or as a section of an object file.
fn member(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut archive = ar::Archive::new(bytes);
    while let Some(Ok(mut entry)) = archive.next_entry() {
        if entry.header().identifier() != b"lib.rmeta" {
            continue;
        }
        let mut body = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut body).ok()?;
        let Ok(file) = object::File::parse(&*body) else { return Some(body) };
        return Some(file.section_by_name(".rmeta")?.uncompressed_data().ok()?.into_owned());
    }
    None
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unknown = || "unknown".to_owned();
        writeln!(f, "{}, {} bytes", self.kind, self.bytes)?;
        let is_macro = self.is_macro_crate.map(|yes| if yes { "yes" } else { "no" }.to_owned());
        for (name, value) in [
            ("macro crate", &is_macro),
            ("crate", &self.crate_name),
            ("made by", &self.rustc),
            ("host", &self.triple),
            ("stable id", &self.stable_id),
        ] {
            writeln!(f, "  {name:<13}{}", value.clone().unwrap_or_else(unknown))?;
        }
        for item in self.macros.iter().flatten() {
            writeln!(f, "  {:<13}{item}", "exports")?;
        }
        self.refused.iter().try_for_each(|why| writeln!(f, "  {:<13}{why}", "refused"))?;
        self.passed_as.iter().try_for_each(|how| writeln!(f, "  {:<13}{how}", "passed as"))
    }
}
