//! Which parts of the runtime a shim compiles: those that serve what its module imports.
//!
//! The runtime's files are the same in every shim; the macro `part!`, which the shim's root defines,
//! takes a part or what stands in for it. Unoptimised, the files alone cost a consumer a seventh of
//! the runtime's build.

use crate::artifact::Artifact;
use crate::error::Result;
use crate::verify::module;

/// A part and whether it serves a call.
type Part = (&'static str, fn(&str) -> bool);

const PARTS: [Part; 4] = [
    ("environ", is_environ),
    ("files", is_file),
    ("place", |call| is_environ(call) || is_file(call)),
    ("spans", |call| call.starts_with("span_")),
];

fn is_environ(call: &str) -> bool {
    call.starts_with("environ_")
}

/// What is left of the files where nothing can be opened is done elsewhere.
fn is_file(call: &str) -> bool {
    let is_left = call == "fd_write" || call.starts_with("fd_prestat_");
    (call.starts_with("fd_") || call.starts_with("path_")) && !is_left
}

/// The definition of `part!`.
pub(super) fn write(artifact: &Artifact) -> Result<String> {
    let imports = module::read(&artifact.wasm)?.imports;
    let mut out = String::from("macro_rules! part {\n");
    for (part, serves) in PARTS {
        let is_wanted = imports.iter().any(|(_, name, _)| serves(name));
        let taken = if is_wanted { "with" } else { "without" };
        out += &format!(
            "    ({part} {{ $($with:item)* }} {{ $($without:item)* }}) => {{ $(${taken})* }};\n"
        );
    }
    Ok(out + "}\n")
}
