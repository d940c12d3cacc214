//! The shim's `precast/README.md`: what each file is, who wrote it, how to check it, how to refuse it.

use crate::artifact::Artifact;

const TEXT: &str = include_str!("readme.md.txt");

/// Where a shim has it.
pub(super) const PATH: &str = "precast/README.md";

pub(super) fn write(artifact: &Artifact) -> String {
    let manifest = &artifact.manifest;
    TEXT.replace("@NAME@", &manifest.package.name)
        .replace("@VERSION@", &manifest.package.version)
        .replace("@PRECAST@", &manifest.precast)
}
