//! Modules of rustc's own, for its unstable `-Zwasm-proc-macros` (docs/upstream.md): which rustc made one,
//! and so which one alone may load it some day.

use super::native::metadata;
use serde::Serialize;
use wasmparser::{Encoding, Parser, Payload};

/// The custom section with a crate's metadata.
const SECTION: &str = ".rustc";

/// Bytes before the metadata: its beginning once more, and its length.
const HEAD_BYTES: usize = 16;

#[derive(Debug, Serialize)]
pub struct Upstream {
    /// `module` or `component`.
    pub form: &'static str,
    pub rustc: Option<String>,
    pub crate_name: Option<String>,
    pub triple: Option<String>,
    pub is_macro_crate: Option<bool>,
    /// The active rustc is another one.
    pub is_of_another: bool,
}

/// Whether the bytes are a component, which precast does not run.
pub fn is_component(bytes: &[u8]) -> bool {
    let first = Parser::new(0).parse_all(bytes).next();
    matches!(first, Some(Ok(Payload::Version { encoding: Encoding::Component, .. })))
}

/// None for a module that no rustc has put its metadata into.
pub fn read(bytes: &[u8], active: Option<&str>) -> Option<Upstream> {
    let payloads = Parser::new(0).parse_all(bytes).map_while(std::result::Result::ok);
    let data = payloads.into_iter().find_map(|payload| match payload {
        Payload::CustomSection(section) if section.name() == SECTION => {
            Some(section.data().to_vec())
        }
        _ => None,
    })?;
    let inner = data.get(HEAD_BYTES..).filter(|inner| inner.starts_with(metadata::MAGIC));
    let header = metadata::read(inner.unwrap_or(&data))?;
    Some(Upstream {
        form: if is_component(bytes) { "component" } else { "module" },
        is_of_another: active.is_some_and(|active| active != header.rustc),
        rustc: Some(header.rustc),
        crate_name: header.name,
        triple: header.triple,
        is_macro_crate: header.is_macro_crate,
    })
}
