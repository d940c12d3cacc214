//! What is inside an artifact or a shim.

use crate::error::Result;
use serde::Serialize;
use std::fmt;
use std::path::Path;

#[derive(Debug, Serialize)]
pub struct Facts {
    pub manifest: crate::manifest::Manifest,
}

pub fn inspect(path: &Path) -> Result<Facts> {
    Ok(Facts { manifest: crate::input::artifact(path)?.manifest })
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {}", self.manifest.package.name, self.manifest.package.version)
    }
}
