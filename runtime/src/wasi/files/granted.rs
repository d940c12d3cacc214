//! Which paths a macro may use: those below the granted directories, however they are named.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use super::super::super::fault::Fault;
use super::super::super::memory::Memory;
use super::super::super::text::{holds, owned, same};
use super::super::refusal::{self, add};
use super::super::{ACCES, BADF, MANIFESTS, WORKSPACE};
use super::native::{errno, exists, extend, is_in_directory, real, settled, shown};
use super::{File, Files, EXIST, FIRST, NOENT, NOTDIR};

impl Files {
    /// Opens the current directory and the granted ones.
    pub(super) fn open_first(&mut self) {
        if !self.files.is_empty() {
            return;
        }
        self.files.push(File::Directory {
            path: PathBuf::new(),
            name: ".".to_string(),
            entries: None,
        });
        self.n_first = 1;
        let grants = self.grants;
        if grants.read.is_empty() && grants.write.is_empty() {
            return;
        }
        let workspace = workspace();
        if let Some(ref root) = workspace {
            self.workspace = root.clone();
        }
        for grant in grants.read {
            let path = if same(grant.as_bytes(), MANIFESTS.as_bytes()) {
                self.manifests = package();
                continue;
            } else if same(grant.as_bytes(), WORKSPACE.as_bytes()) {
                workspace.clone()
            } else {
                self.expand(grant)
            };
            if let Some(path) = path {
                self.open_root(&path, "");
            }
        }
        self.open_own();
        self.n_first = self.files.len();
        for grant in grants.write {
            if let Some(path) = self.expand(grant) {
                self.writable.push(settled(path));
            }
        }
    }

    /// Under this name, or its own one.
    pub(super) fn open_root(&mut self, path: &Path, name: &str) {
        let name = match path.to_str() {
            Some(own) if name.is_empty() => own,
            _ => name,
        };
        if let Ok(root) = path.canonicalize() {
            self.roots.push(root);
            let file =
                File::Directory { path: path.to_path_buf(), name: owned(name), entries: None };
            self.files.push(file);
        }
    }

    /// The directory that a grant means now.
    pub(super) fn expand(&self, grant: &str) -> Option<PathBuf> {
        let bytes = grant.as_bytes();
        if bytes.is_empty() || bytes[0] != b'$' {
            return Some(self.workspace.join(grant));
        }
        let mut end = 1;
        while end < bytes.len() && bytes[end] != b'/' {
            end += 1;
        }
        let dir = PathBuf::from(env::var_os(&grant[1..end])?);
        Some(if end + 1 < bytes.len() { dir.join(&grant[end + 1..]) } else { dir })
    }

    /// The absolute path that `path` below descriptor `fd` means.
    pub(super) fn wanted(&mut self, fd: u32, path: &[u8]) -> Result<PathBuf, u64> {
        let mut base = match self.file(fd) {
            Some(&mut File::Directory { ref path, .. }) => path.clone(),
            Some(_) => return Err(NOTDIR),
            None => return Err(BADF),
        };
        if let Ok(dir) = env::current_dir() {
            base = dir.join(base);
        }
        // A grant may be a file.
        if same(path, b".") && fd != FIRST {
            return Ok(base);
        }
        let path = refusal::path(path);
        let wanted = base.join(&path);
        if fd == FIRST && !exists(&wanted) {
            // The C library passes absolute paths outside the granted directories in this form too.
            let absolute = Path::new("/").join(path);
            if exists(&absolute) || !is_in_directory(&wanted) && is_in_directory(&absolute) {
                return Ok(absolute);
            }
        }
        Ok(wanted)
    }

    /// The path without links, if it may be read: all of it, or all but its last part.
    pub(super) fn resolve(&mut self, fd: u32, path: &[u8], follow: bool) -> Result<PathBuf, u64> {
        self.open_first();
        // A sample of what is packed: what it sees must not depend on the machine.
        if self.grants.read.is_empty() {
            return Err(ACCES);
        }
        let wanted = self.wanted(fd, path)?;
        self.see(&wanted);
        let found = match real(&wanted, follow || path.ends_with(b"/")) {
            Ok(real) => match real.symlink_metadata() {
                Ok(_) => Ok(real),
                Err(error) => Err(error),
            },
            error => error,
        };
        let real = match found {
            Ok(real) => real,
            Err(error) => {
                return match (errno(&error), self.manifest(&wanted)) {
                    (_, Some(manifest)) => {
                        self.untold = true;
                        Ok(manifest)
                    }
                    (NOENT, _) => Err(self.missing(fd, path)),
                    (error, _) => Err(error),
                };
            }
        };
        if self.is_readable(&real) {
            return Ok(real);
        }
        if !self.is_above_root(&real) {
            self.deny(1, &real);
        }
        Err(ACCES)
    }

    pub(super) fn is_readable(&self, real: &Path) -> bool {
        for root in &self.roots {
            if real.starts_with(root) {
                return true;
            }
        }
        for root in &self.writable {
            if real.starts_with(root) {
                return true;
            }
        }
        // The manifest of a directory above the crate's.
        match (&self.manifests, real.parent()) {
            (Some(package), Some(above)) => {
                real.ends_with("Cargo.toml") && package.starts_with(above)
            }
            _ => false,
        }
    }

    /// Whether a granted directory lies below `path`: it is known to be a directory, then.
    pub(super) fn is_above_root(&self, path: &Path) -> bool {
        for root in &self.roots {
            if root.starts_with(path) {
                return true;
            }
        }
        false
    }

    pub(super) fn is_directory_above(&mut self, fd: u32, path: &[u8]) -> bool {
        match self.wanted(fd, path) {
            Ok(wanted) => match real(&wanted, true) {
                Ok(real) => self.is_above_root(&real),
                Err(_) => false,
            },
            Err(_) => false,
        }
    }

    /// There is no such file here; but there may be where the macro was compiled.
    pub(super) fn missing(&mut self, fd: u32, path: &[u8]) -> u64 {
        if fd == FIRST && path.starts_with(b"precast/") {
            let path = Path::new("/").join(refusal::path(path));
            add(&mut self.denied, 1, &shown(&path), "");
            return ACCES;
        }
        NOENT
    }

    /// Remembers a refusal: 1 to read, 2 to write.
    pub(super) fn deny(&mut self, kind: u8, path: &Path) -> u64 {
        let mut dir = path;
        if kind == 2 && !path.is_dir() {
            if let Some(parent) = path.parent() {
                dir = parent;
            }
        }
        let grant = self.named(kind, dir);
        add(&mut self.denied, kind, &shown(path), &grant);
        ACCES
    }

    /// The path as a grant names it; empty if it cannot be granted.
    pub(super) fn named(&self, kind: u8, path: &Path) -> String {
        let mut named = PathBuf::new();
        if kind == 2 {
            if let Ok(rest) = path.strip_prefix(self.workspace.join("target")) {
                named.push("target");
                extend(&mut named, rest);
            } else if let Some(dir) = env::var_os("OUT_DIR") {
                if path.starts_with(settled(PathBuf::from(dir))) {
                    named.push("$OUT_DIR");
                }
            }
            return shown(&named);
        }
        let mut dir = self.workspace.clone();
        let mut n = 0;
        while n < 3 {
            if let Ok(rest) = path.strip_prefix(&dir) {
                extend(&mut named, rest);
                return shown(&named);
            }
            named.push("..");
            n += if dir.pop() && dir.parent().is_some() { 1 } else { 3 };
        }
        shown(path)
    }

    /// A change that is not granted: an error that it would give natively, or else a refusal.
    pub(super) fn change(
        &mut self,
        fd: u32,
        at: u32,
        len: u32,
        creates: bool,
        memory: &Memory,
    ) -> Result<u64, Fault> {
        let path = memory.read(at, len)?.to_vec();
        self.refuse(fd, &path, creates, creates)
    }

    pub(super) fn refuse(&mut self, fd: u32, path: &[u8], creates: bool, is_new: bool) -> Result<u64, Fault> {
        self.open_first();
        self.untold = true;
        if self.grants.read.is_empty() {
            return Ok(ACCES);
        }
        let wanted = match self.wanted(fd, path) {
            Ok(wanted) => wanted,
            Err(error) => return Ok(error),
        };
        let real = match real(&wanted, false) {
            Ok(real) => real,
            Err(error) => return Ok(errno(&error)),
        };
        if exists(&real) {
            if is_new {
                return Ok(EXIST);
            }
        } else if !creates {
            return Ok(NOENT);
        }
        Ok(self.deny(2, &real))
    }

    /// The path without links, if it may be read; of an empty one, that of the current directory.
    pub fn real_path(&mut self, path: &str) -> Option<String> {
        let real =
            if path.is_empty() { env::current_dir().ok()? } else { self.real_of(path).ok()? };
        real.into_os_string().into_string().ok()
    }
}

/// The crate's own directory, without links.
fn package() -> Option<PathBuf> {
    Path::new(&env::var_os("CARGO_MANIFEST_DIR")?).canonicalize().ok()
}

/// The root of the workspace that the crate is a member of. Cargo runs the compiler there for all packages
/// below it; for others it is looked for, but not above what a registry or a repository has put there.
fn workspace() -> Option<PathBuf> {
    let mut dir = package()?;
    let here = env::current_dir().ok()?.canonicalize().ok()?;
    if dir != here && dir.starts_with(&here) && here.join("Cargo.toml").exists() {
        return Some(here);
    }
    loop {
        if let Ok(text) = fs::read(dir.join("Cargo.toml")) {
            if text.starts_with(b"[workspace") || holds(&text, b"\n[workspace") {
                return Some(dir);
            }
        }
        if exists(&dir.join(".cargo-ok")) || exists(&dir.join(".cargo-checksum.json")) {
            return None;
        }
        if !dir.pop() {
            return package();
        }
    }
}
