//! Under which name the expansions of a module are remembered: one for each that could expand otherwise.

use crate::artifact::manifest::{Capabilities, Manifest};
use crate::artifact::module;
use crate::base::files::hash_of;

/// The file's name, and where the module's variables begin.
pub(crate) fn place(
    manifest: &Manifest,
    wasm: &[u8],
    capabilities: &Capabilities,
) -> (String, u32) {
    let Capabilities { env, read, write } = capabilities;
    let other = format!("{env:?} {read:?} {write:?} {:?}", manifest.limits);
    let hash = &hash_of(&[wasm, other.as_bytes()])[..16];
    let package = &manifest.package;
    (format!("{}-{}-{hash}", package.name, package.version), module::variables(wasm))
}

/// The same as Rust code of a shim.
pub(super) fn kept(manifest: &Manifest, wasm: &[u8], capabilities: &Capabilities) -> String {
    let (file, variables) = place(manifest, wasm, capabilities);
    format!("precast::Kept {{ file: {file:?}, variables: {variables} }}")
}
