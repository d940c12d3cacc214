//! The files of the macro's own package, which it finds by the paths that it was compiled with.

use std::path::{Path, PathBuf};

use super::super::super::text::{joined, same};
use super::super::refusal::bytes;
use super::super::SOURCE;
use super::native::exists;
use super::{File, Files, FIRST};

/// How a shim keeps the package's `Cargo.toml`, and the end of the name of a file that is not the package's.
const MANIFEST: &str = "Cargo.toml_";
const GENERATED: &[u8] = b".precast.rs";

/// Gives an entry of a directory the name that it has in the package; false if it is none of the package's.
pub fn published(own: Option<(&str, &str)>, dir: &Path, name: &mut Vec<u8>) -> bool {
    let source = match own {
        Some((_, shim)) => Path::new(shim).join("source").canonicalize(),
        None => return true,
    };
    match source {
        Ok(source) if dir.starts_with(&source) => {}
        _ => return true,
    }
    if same(name, MANIFEST.as_bytes()) {
        name.pop();
    }
    !name.ends_with(GENERATED)
}

impl Files {
    pub fn open_own(&mut self) {
        if let Some((label, shim)) = self.grants.own {
            let source = Path::new(shim).join("source");
            // Compiled in the original's place, the shim has no files of its own.
            let is_kept = exists(&source.join(MANIFEST));
            let dir = if is_kept { source } else { PathBuf::from(shim) };
            self.open_root(&dir, &joined(&[SOURCE, label]));
        }
    }

    /// The package's manifest, which is wanted under its own name.
    pub fn manifest(&self, wanted: &Path) -> Option<PathBuf> {
        if !wanted.ends_with("Cargo.toml") {
            return None;
        }
        let kept = wanted.with_file_name(MANIFEST).canonicalize().ok()?;
        if self.is_readable(&kept) {
            Some(kept)
        } else {
            None
        }
    }

    pub fn real_of(&mut self, path: &str) -> Result<PathBuf, u64> {
        self.open_first();
        let mut i = 0;
        while i < self.files.len() {
            let mut found = None;
            if let File::Directory { ref name, .. } = self.files[i] {
                if let (true, Ok(rest)) =
                    (name.starts_with(SOURCE), Path::new(path).strip_prefix(name))
                {
                    found = Some(bytes(rest.as_os_str()));
                }
            }
            if let Some(rest) = found {
                return self.resolve(i as u32 + FIRST, &rest, true);
            }
            i += 1;
        }
        self.resolve(FIRST, path.as_bytes(), true)
    }
}
