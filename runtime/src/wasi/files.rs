//! The files: read-only, those below the granted directories.
//!
//! What was refused is remembered, so that the failure it may lead to can name the missing grant.

use std::env;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::super::calls;
use super::super::instance::{formatted, same, Fault, Limits};
use super::super::memory::Memory;
use super::{Args, MANIFESTS, BADF, INVAL, IO, NOSYS, N_VECTORS_MAX};

const ACCES: u64 = 2;
const ISDIR: u64 = 31;
const NOENT: u64 = 44;
const NOTDIR: u64 = 54;

const CHARACTER_DEVICE: u8 = 2;
const DIRECTORY: u8 = 3;
const REGULAR_FILE: u8 = 4;
const SYMBOLIC_LINK: u8 = 7;

/// The first descriptor that is no standard stream: the current directory.
const FIRST: u32 = 3;
const N_DENIED_MAX: usize = 8;

enum File {
    Closed,
    /// A directory and the name under which the guest finds it, if any; its entries once listed.
    Directory {
        path: PathBuf,
        name: String,
        entries: Option<Vec<(String, u8)>>,
    },
    Regular {
        bytes: Vec<u8>,
        pos: u64,
        stat: Stat,
    },
}

/// What a file is, its size, and when it was read, changed and made, in nanoseconds since 1970.
#[derive(Clone, Copy)]
struct Stat {
    kind: u8,
    len: u64,
    times: [u64; 3],
}

pub struct Files {
    grants: &'static [&'static str],
    /// The granted directories, without links; made on first use, as is `files`.
    roots: Vec<PathBuf>,
    /// By descriptor, from `FIRST` on.
    files: Vec<File>,
    /// Whether `MANIFESTS` is granted.
    manifests: bool,
    files_max: u32,
    file_bytes_max: u32,
    /// What was refused since the expansion started, for users.
    pub denied: Vec<String>,
    /// Every file or directory that was read.
    pub reads: Vec<PathBuf>,
}

impl Files {
    pub fn new(grants: &'static [&'static str], limits: &Limits) -> Files {
        Files {
            grants: grants,
            roots: Vec::new(),
            files: Vec::new(),
            manifests: false,
            files_max: limits.files_max,
            file_bytes_max: limits.memory_bytes_max,
            denied: Vec::new(),
            reads: Vec::new(),
        }
    }

    /// An expansion begins.
    pub fn begin(&mut self) {
        self.denied.clear();
    }

    /// What to do about the refusals, if there were any.
    pub fn help(&self, name: &str) -> Option<String> {
        if self.denied.is_empty() {
            return None;
        }
        Some(formatted(format_args!(
            "{} may not use `{}`: pack it with `--grant read=DIR` to let it read below DIR",
            name,
            self.denied.join("`, `")
        )))
    }

    pub fn call(&mut self, call: u32, a: &Args, memory: &mut Memory) -> Result<u64, Fault> {
        match calls::number(call) {
            calls::FD_ADVISE => Ok(0),
            calls::FD_CLOSE => match self.file(a.word(0)) {
                Some(file) => {
                    *file = File::Closed;
                    Ok(0)
                }
                None => Ok(BADF),
            },
            calls::FD_FDSTAT_GET => self.fd_fdstat_get(a, memory),
            calls::FD_FILESTAT_GET => self.fd_filestat_get(a, memory),
            calls::FD_PREAD => self.fd_read(a, memory, Some(a.long(3))),
            calls::FD_PRESTAT_GET => self.fd_prestat(a, memory, false),
            calls::FD_PRESTAT_DIR_NAME => self.fd_prestat(a, memory, true),
            calls::FD_READ => self.fd_read(a, memory, None),
            calls::FD_READDIR => self.fd_readdir(a, memory),
            calls::FD_SEEK => self.fd_seek(a, memory),
            calls::FD_TELL => match self.file(a.word(0)) {
                Some(&mut File::Regular { pos, .. }) => {
                    memory.write_u64(a.word(1), pos)?;
                    Ok(0)
                }
                _ => Ok(BADF),
            },
            calls::PATH_FILESTAT_GET => self.path_filestat_get(a, memory),
            calls::PATH_OPEN => self.path_open(a, memory),
            calls::PATH_READLINK => self.path_readlink(a, memory),
            calls::PATH_CREATE_DIRECTORY
            | calls::PATH_REMOVE_DIRECTORY
            | calls::PATH_UNLINK_FILE => {
                let path = string(memory, a.word(1), a.word(2))?;
                Ok(self.deny(a.word(0), &path))
            }
            _ => Ok(NOSYS),
        }
    }

    /// Opens the current directory and the granted ones.
    fn open_first(&mut self) {
        if !self.files.is_empty() {
            return;
        }
        self.files.push(File::Directory {
            path: PathBuf::new(),
            name: ".".to_string(),
            entries: None,
        });
        for grant in self.grants {
            if same(grant.as_bytes(), MANIFESTS.as_bytes()) {
                self.manifests = true;
                continue;
            }
            let path = match expand(grant) {
                Some(path) => path,
                None => continue,
            };
            if let (Ok(root), Some(name)) = (path.canonicalize(), path.to_str()) {
                let name = name.to_string();
                self.roots.push(root);
                self.files.push(File::Directory { path: path, name: name, entries: None });
            }
        }
    }

    /// The path that `path` below descriptor `fd` means, without links, if it may be read.
    fn resolve(&mut self, fd: u32, path: &str) -> Result<PathBuf, u64> {
        self.open_first();
        let base = match self.file(fd) {
            Some(&mut File::Directory { ref path, .. }) => path.clone(),
            Some(_) => return Err(NOTDIR),
            None => return Err(BADF),
        };
        let mut wanted = match env::current_dir() {
            Ok(dir) => dir.join(&base).join(path),
            Err(_) => base.join(path),
        };
        if fd == FIRST {
            // The C library passes absolute paths outside the granted directories in this form too.
            let absolute = Path::new("/").join(path);
            if !wanted.exists() && (absolute.exists() || self.is_below_root(&absolute)) {
                wanted = absolute;
            }
        }
        if !self.is_below_root(&wanted) {
            return Err(ACCES);
        }
        match wanted.canonicalize() {
            Ok(path) => Ok(path),
            Err(error) => Err(errno(&error)),
        }
    }

    /// Whether `path`, or what of it exists, lies below a granted directory. Links are followed first.
    fn is_below_root(&self, path: &Path) -> bool {
        let mut existing = lexical(path);
        if self.is_manifest_above(&existing) {
            return true;
        }
        loop {
            if let Ok(real) = existing.canonicalize() {
                for root in &self.roots {
                    if real.starts_with(root) {
                        return true;
                    }
                }
                return false;
            }
            // A link to nowhere could lead anywhere.
            if existing.symlink_metadata().is_ok() || !existing.pop() {
                return false;
            }
        }
    }

    /// Whether `path` is the place of a manifest above the crate's; a link there does not count.
    fn is_manifest_above(&self, path: &Path) -> bool {
        if !self.manifests || !path.ends_with("Cargo.toml") {
            return false;
        }
        let (mut dir, above) = match (env::var_os("CARGO_MANIFEST_DIR"), path.parent()) {
            (Some(dir), Some(above)) => (PathBuf::from(dir), above),
            _ => return false,
        };
        if let Ok(real) = dir.canonicalize() {
            dir = real;
        }
        match (above.canonicalize(), path.symlink_metadata()) {
            (Ok(above), Ok(meta)) => meta.is_file() && dir.starts_with(above),
            (Ok(above), Err(_)) => dir.starts_with(above),
            _ => false,
        }
    }

    /// Whether a granted directory lies below `path`: it is known to be a directory, then.
    fn is_above_root(&self, fd: u32, path: &str) -> bool {
        let path = Path::new("/").join(path);
        for file in &self.files {
            if let File::Directory { path: ref root, .. } = *file {
                if fd == FIRST && root.is_absolute() && root.starts_with(&path) {
                    return true;
                }
            }
        }
        false
    }

    /// Remembers a refusal.
    fn deny(&mut self, fd: u32, path: &str) -> u64 {
        let shown = match self.file(fd) {
            Some(&mut File::Directory { path: ref base, .. }) if fd != FIRST => base.join(path),
            _ => {
                let absolute = Path::new("/").join(path);
                if absolute.exists() {
                    absolute
                } else {
                    PathBuf::from(path)
                }
            }
        };
        let shown = shown.to_string_lossy().into_owned();
        for known in &self.denied {
            if *known == shown {
                return ACCES;
            }
        }
        if self.denied.len() < N_DENIED_MAX {
            self.denied.push(shown);
        }
        ACCES
    }

    fn file(&mut self, fd: u32) -> Option<&mut File> {
        self.open_first();
        match self.files.get_mut(fd.wrapping_sub(FIRST) as usize) {
            None | Some(&mut File::Closed) => None,
            open => open,
        }
    }

    fn open(&mut self, file: File) -> u32 {
        for i in 0..self.files.len() {
            if let File::Closed = self.files[i] {
                self.files[i] = file;
                return i as u32 + FIRST;
            }
        }
        self.files.push(file);
        self.files.len() as u32 - 1 + FIRST
    }

    fn path_open(&mut self, a: &Args, memory: &mut Memory) -> Result<u64, Fault> {
        const CREATE_EXCLUSIVE_TRUNCATE: u32 = 1 | 4 | 8;
        const WRITE: u64 = 1 << 6;
        let fd = a.word(0);
        let path = string(memory, a.word(2), a.word(3))?;
        if a.word(4) & CREATE_EXCLUSIVE_TRUNCATE != 0 || a.long(5) & WRITE != 0 {
            return Ok(self.deny(fd, &path));
        }
        let real = match self.resolve(fd, &path) {
            Ok(real) => real,
            Err(ACCES) => return Ok(self.deny(fd, &path)),
            Err(error) => return Ok(error),
        };
        let mut n_open = 0;
        for file in &self.files {
            if let File::Closed = *file {
                continue;
            }
            n_open += 1;
        }
        if n_open >= self.files_max as usize {
            return Err(Fault::Limit("the macro has more files open than its limit `files`"));
        }
        let file = if real.is_dir() {
            File::Directory { path: real.clone(), name: String::new(), entries: None }
        } else if a.word(4) & 2 != 0 {
            return Ok(NOTDIR);
        } else {
            let mut stat = stat(&real).unwrap_or_else(|_| unknown(REGULAR_FILE));
            if stat.len > self.file_bytes_max as u64 {
                return Err(Fault::Limit("the macro reads a file larger than its limit `memory`"));
            }
            match fs::read(&real) {
                Ok(bytes) => {
                    stat.len = bytes.len() as u64;
                    File::Regular { bytes: bytes, pos: 0, stat: stat }
                }
                Err(error) => return Ok(errno(&error)),
            }
        };
        self.reads.push(real);
        let fd = self.open(file);
        memory.write_u32(a.word(8), fd)?;
        Ok(0)
    }

    fn path_filestat_get(&mut self, a: &Args, memory: &mut Memory) -> Result<u64, Fault> {
        let fd = a.word(0);
        let path = string(memory, a.word(2), a.word(3))?;
        let stat = match self.resolve(fd, &path) {
            Ok(real) => match stat(&real) {
                Ok(stat) => stat,
                Err(error) => return Ok(errno(&error)),
            },
            Err(ACCES) if self.is_above_root(fd, &path) => unknown(DIRECTORY),
            Err(ACCES) => return Ok(self.deny(fd, &path)),
            Err(error) => return Ok(error),
        };
        filestat(memory, a.word(4), &stat)
    }

    /// The path without links, if it may be read; of an empty one, that of the current directory.
    pub fn real_path(&mut self, path: &str) -> Option<String> {
        let real = if path.is_empty() {
            env::current_dir().ok()?
        } else {
            self.resolve(FIRST, path).ok()?
        };
        real.into_os_string().into_string().ok()
    }

    fn path_readlink(&mut self, a: &Args, memory: &mut Memory) -> Result<u64, Fault> {
        let path = string(memory, a.word(1), a.word(2))?;
        // The paths of open directories have no links left, as far as macros can tell.
        match self.resolve(a.word(0), &path) {
            Ok(_) => Ok(INVAL),
            Err(ACCES) if self.is_above_root(a.word(0), &path) => Ok(INVAL),
            Err(ACCES) => Ok(self.deny(a.word(0), &path)),
            Err(error) => Ok(error),
        }
    }

    fn fd_read(&mut self, a: &Args, memory: &mut Memory, at: Option<u64>) -> Result<u64, Fault> {
        let (iovs, n_iovs) = (a.word(1), a.word(2));
        let result = a.word(if at.is_some() { 4 } else { 3 });
        if n_iovs > N_VECTORS_MAX {
            return Ok(INVAL);
        }
        if a.word(0) == 0 {
            memory.write_u32(result, 0)?;
            return Ok(0);
        }
        let (bytes, pos) = match self.file(a.word(0)) {
            Some(&mut File::Regular { ref bytes, ref mut pos, .. }) => (bytes, pos),
            Some(_) => return Ok(ISDIR),
            None => return Ok(BADF),
        };
        let mut from = at.unwrap_or(*pos).min(bytes.len() as u64) as usize;
        let start = from;
        for i in 0..n_iovs {
            let to = memory.read_u32(iovs.wrapping_add(i * 8))?;
            let len = memory.read_u32(iovs.wrapping_add(i * 8 + 4))? as usize;
            let end = from + len.min(bytes.len() - from);
            memory.write(to, &bytes[from..end])?;
            from = end;
        }
        if at.is_none() {
            *pos = from as u64;
        }
        memory.write_u32(result, (from - start) as u32)?;
        Ok(0)
    }

    fn fd_seek(&mut self, a: &Args, memory: &mut Memory) -> Result<u64, Fault> {
        let (len, pos) = match self.file(a.word(0)) {
            Some(&mut File::Regular { ref bytes, ref mut pos, .. }) => (bytes.len() as u64, pos),
            Some(_) => return Ok(ISDIR),
            None => return Ok(BADF),
        };
        let base = match a.word(2) {
            0 => 0,
            1 => *pos,
            2 => len,
            _ => return Ok(INVAL),
        };
        let to = base.wrapping_add(a.long(1));
        if to > i64::MAX as u64 {
            return Ok(INVAL);
        }
        *pos = to;
        memory.write_u64(a.word(3), to)?;
        Ok(0)
    }

    fn fd_fdstat_get(&mut self, a: &Args, memory: &mut Memory) -> Result<u64, Fault> {
        let kind = match self.file(a.word(0)) {
            _ if a.word(0) < FIRST => CHARACTER_DEVICE,
            Some(&mut File::Regular { .. }) => REGULAR_FILE,
            Some(_) => DIRECTORY,
            None => return Ok(BADF),
        };
        let at = a.word(1);
        memory.write_u64(at, kind as u64)?;
        memory.write_u64(at.wrapping_add(8), u64::MAX)?;
        memory.write_u64(at.wrapping_add(16), u64::MAX)?;
        Ok(0)
    }

    fn fd_filestat_get(&mut self, a: &Args, memory: &mut Memory) -> Result<u64, Fault> {
        let stat = match self.file(a.word(0)) {
            _ if a.word(0) < FIRST => unknown(CHARACTER_DEVICE),
            Some(&mut File::Regular { stat, .. }) => stat,
            Some(&mut File::Directory { ref path, .. }) => {
                stat(path).unwrap_or_else(|_| unknown(DIRECTORY))
            }
            _ => return Ok(BADF),
        };
        filestat(memory, a.word(1), &stat)
    }

    fn fd_prestat(&mut self, a: &Args, memory: &mut Memory, copy: bool) -> Result<u64, Fault> {
        let name = match self.file(a.word(0)) {
            Some(&mut File::Directory { ref name, .. }) if !name.is_empty() => name,
            _ => return Ok(BADF),
        };
        if copy {
            let len = name.len().min(a.word(2) as usize);
            memory.write(a.word(1), &name.as_bytes()[..len])?;
        } else {
            memory.write_u32(a.word(1), 0)?;
            memory.write_u32(a.word(1).wrapping_add(4), name.len() as u32)?;
        }
        Ok(0)
    }

    /// Entries are sorted: the result of a macro must not depend on the file system.
    fn fd_readdir(&mut self, a: &Args, memory: &mut Memory) -> Result<u64, Fault> {
        let dir = match self.file(a.word(0)) {
            Some(&mut File::Directory { ref path, ref mut entries, .. }) => (path, entries),
            Some(_) => return Ok(NOTDIR),
            None => return Ok(BADF),
        };
        if a.long(3) == 0 {
            match list(dir.0) {
                Ok(listed) => *dir.1 = Some(listed),
                Err(error) => return Ok(errno(&error)),
            }
        }
        let entries = match *dir.1 {
            Some(ref entries) => entries,
            None => return Ok(INVAL),
        };
        let mut out = Vec::new();
        let room = a.word(2) as usize;
        let mut i = a.long(3) as usize;
        while i < entries.len() && out.len() < room {
            let (ref name, kind) = entries[i];
            i += 1;
            out.extend_from_slice(&(i as u64).to_le_bytes());
            out.extend_from_slice(&(i as u64).to_le_bytes());
            out.extend_from_slice(&(name.len() as u32).to_le_bytes());
            out.extend_from_slice(&[kind, 0, 0, 0]);
            out.extend_from_slice(name.as_bytes());
        }
        out.truncate(room);
        memory.write(a.word(1), &out)?;
        memory.write_u32(a.word(4), out.len() as u32)?;
        Ok(0)
    }
}

/// The directory that a grant means now.
fn expand(grant: &str) -> Option<PathBuf> {
    let bytes = grant.as_bytes();
    if bytes.is_empty() || bytes[0] != b'$' {
        return Some(PathBuf::from(grant));
    }
    let mut end = 1;
    while end < bytes.len() && bytes[end] != b'/' {
        end += 1;
    }
    let dir = PathBuf::from(env::var_os(&grant[1..end])?);
    Some(if end + 1 < bytes.len() { dir.join(&grant[end + 1..]) } else { dir })
}

/// The path without `.` and `..`.
fn lexical(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                // What `..` means depends on links before it.
                if let Ok(real) = out.canonicalize() {
                    out = real;
                }
                out.pop();
            }
            part => out.push(part.as_os_str()),
        }
    }
    out
}

fn list(path: &Path) -> io::Result<Vec<(String, u8)>> {
    let mut entries: Vec<(String, u8)> = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let kind = if kind.is_dir() {
            DIRECTORY
        } else if kind.is_symlink() {
            SYMBOLIC_LINK
        } else {
            REGULAR_FILE
        };
        if let Ok(name) = entry.file_name().into_string() {
            let mut at = entries.len();
            while at > 0 && name < entries[at - 1].0 {
                at -= 1;
            }
            entries.insert(at, (name, kind));
        }
    }
    Ok(entries)
}

fn stat(path: &Path) -> io::Result<Stat> {
    let data = fs::metadata(path)?;
    Ok(Stat {
        kind: if data.is_dir() { DIRECTORY } else { REGULAR_FILE },
        len: data.len(),
        times: [nanos(data.accessed()), nanos(data.modified()), nanos(data.created())],
    })
}

/// Of what has no more to tell.
fn unknown(kind: u8) -> Stat {
    Stat { kind: kind, len: 0, times: [0; 3] }
}

fn nanos(time: io::Result<SystemTime>) -> u64 {
    match time {
        Ok(time) => time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64),
        Err(_) => 0,
    }
}

fn filestat(memory: &mut Memory, at: u32, stat: &Stat) -> Result<u64, Fault> {
    let [read, changed, made] = stat.times;
    let fields = [0, 0, stat.kind as u64, 1, stat.len, read, changed, made];
    for i in 0..fields.len() {
        memory.write_u64(at.wrapping_add(i as u32 * 8), fields[i])?;
    }
    Ok(0)
}

fn string(memory: &Memory, at: u32, len: u32) -> Result<String, Fault> {
    Ok(String::from_utf8_lossy(memory.read(at, len)?).into_owned())
}

fn errno(error: &io::Error) -> u64 {
    match error.kind() {
        io::ErrorKind::NotFound => NOENT,
        io::ErrorKind::PermissionDenied => ACCES,
        // The kind for it is newer than the oldest compiler.
        _ if cfg!(unix) && error.raw_os_error() == Some(20) => NOTDIR,
        _ => IO,
    }
}
