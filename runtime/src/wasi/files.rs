//! The files: those below the granted directories, read-only but for what `writes` permits.
//!
//! What does not exist is answered as natively. What exists and may not be used is remembered, so that the
//! user can be told of it.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::super::calls;
use super::super::fault::{Fault, Limits};
use super::super::text::{holds, owned, same};
use super::super::memory::Memory;
use super::refusal::{self, add, bytes};
use super::{Args, Grants, Refused};
use super::{ACCES, BADF, INVAL, IO, MANIFESTS, NOSYS, N_VECTORS_MAX, SOURCE, WORKSPACE};

part! {
    writes {
        mod writes;
    }
    {
        impl Files {
            fn write(&mut self, _: u32, _: &Args, _: &mut Memory) -> Result<Option<u64>, Fault> {
                Ok(None)
            }
        }
    }
}

part! {
    own {
        mod own;
        use self::own::published;
    }
    {
        fn published(_: Option<(&str, &str)>, _: &Path, _: &mut Vec<u8>) -> bool {
            true
        }

        impl Files {
            fn open_own(&mut self) {}

            fn manifest(&self, _: &Path) -> Option<PathBuf> {
                None
            }

            fn real_of(&mut self, path: &str) -> Result<PathBuf, u64> {
                self.resolve(FIRST, path.as_bytes(), true)
            }
        }
    }
}

const EXIST: u64 = 20;
const ISDIR: u64 = 31;
const NOENT: u64 = 44;
const NOTDIR: u64 = 54;

const CHARACTER_DEVICE: u8 = 2;
const DIRECTORY: u8 = 3;
const REGULAR_FILE: u8 = 4;
const SYMBOLIC_LINK: u8 = 7;

/// The first descriptor that is no standard stream: the current directory.
const FIRST: u32 = 3;

/// Flags of `path_open`, and the right that asks for a file to be written.
const CREATE: u32 = 1;
const MUST_BE_DIRECTORY: u32 = 2;
const EXCLUSIVE: u32 = 4;
const TRUNCATE: u32 = 8;
const WRITE: u64 = 1 << 6;

enum File {
    Closed,
    /// A directory and the name under which the guest finds it, if any; its entries once listed.
    Directory {
        path: PathBuf,
        name: String,
        entries: Option<Vec<(Vec<u8>, u8)>>,
    },
    Regular {
        bytes: Vec<u8>,
        pos: u64,
        stat: Stat,
    },
    /// One that may be written.
    Open(fs::File),
}

/// What a file is, its size, and when it was read, changed and made, in nanoseconds since 1970.
#[derive(Clone, Copy)]
struct Stat {
    kind: u8,
    len: u64,
    times: [u64; 3],
}

pub struct Files {
    grants: &'static Grants,
    /// The granted directories, without links; made on first use, as is all that follows.
    roots: Vec<PathBuf>,
    /// Those that may be written; they need not exist.
    writable: Vec<PathBuf>,
    /// The root of the workspace, or else the directory in which the compiler runs.
    workspace: PathBuf,
    /// By descriptor, from `FIRST` on.
    files: Vec<File>,
    /// The crate's own directory, where `MANIFESTS` is granted.
    manifests: Option<PathBuf>,
    files_max: u32,
    file_bytes_max: u32,
    /// What was refused since the expansion started.
    denied: Vec<Refused>,
    /// Every file or directory that was read.
    pub reads: Vec<PathBuf>,
    /// Whether the expansion is to be remembered.
    is_traced: bool,
    /// Paths that the expansion has asked for, and what was there.
    seen: Vec<(PathBuf, Vec<u8>)>,
    /// It has done what is not in `seen`.
    untold: bool,
    /// Descriptors of the granted directories.
    n_first: usize,
}

impl Files {
    pub fn new(grants: &'static Grants, limits: &Limits) -> Files {
        Files {
            grants: grants,
            roots: Vec::new(),
            writable: Vec::new(),
            workspace: PathBuf::new(),
            files: Vec::new(),
            manifests: None,
            files_max: limits.files_max,
            file_bytes_max: limits.memory_bytes_max,
            denied: Vec::new(),
            reads: Vec::new(),
            is_traced: false,
            seen: Vec::new(),
            untold: false,
            n_first: 0,
        }
    }

    /// An expansion begins.
    pub fn begin(&mut self) {
        self.denied.clear();
        self.seen.clear();
        self.untold = self.n_open() != self.n_first;
    }

    pub fn trace(&mut self) {
        self.is_traced = true;
    }

    pub fn is_traced(&self) -> bool {
        self.is_traced
    }

    fn n_open(&self) -> usize {
        let mut n = 0;
        for file in &self.files {
            match *file {
                File::Closed => (),
                _ => n += 1,
            }
        }
        n
    }

    /// Whether `seen` is all that the expansion depends on, and still so: what it read in between was that.
    pub fn is_told(&mut self) -> bool {
        if self.untold || !self.denied.is_empty() || self.n_open() != self.n_first {
            return false;
        }
        for &(ref path, ref before) in &self.seen {
            if path.to_str().is_none() || self.state(path) != *before {
                return false;
            }
        }
        true
    }

    /// The path with this number, or what was there; what is there now, of a path.
    pub fn seen(&mut self, question: &str) -> Option<Vec<u8>> {
        let (what, rest) = question.split_at(1);
        if what.as_bytes()[0] == 2 {
            let path = Path::new(rest).to_path_buf();
            self.open_first();
            let state = self.state(&path);
            self.reads.push(path);
            return Some(state);
        }
        let i: usize = rest.parse().ok()?;
        let &(ref path, ref state) = self.seen.get(i)?;
        Some(if what.as_bytes()[0] == 1 { state.clone() } else { bytes(path.as_os_str()) })
    }

    /// Notes what is at a path before the macro hears it.
    fn see(&mut self, path: &Path) {
        if !self.is_traced || self.untold {
            return;
        }
        for &(ref known, _) in &self.seen {
            if known == path {
                return;
            }
        }
        // Of a link a macro may ask other things than of what it leads to.
        if fs::read_link(path).is_ok() {
            self.untold = true;
            return;
        }
        let state = self.state(path);
        self.seen.push((path.to_path_buf(), state));
    }

    /// All that a macro can learn of a path, but for when it was last read.
    fn state(&self, path: &Path) -> Vec<u8> {
        let mut state = Vec::new();
        let real = match path.canonicalize() {
            Ok(real) => real,
            Err(error) => {
                state.extend_from_slice(&errno(&error).to_le_bytes());
                return state;
            }
        };
        if !self.is_readable(&real) {
            state.push(self.is_above_root(&real) as u8);
            return state;
        }
        state.extend_from_slice(&bytes(real.as_os_str()));
        if let Ok(stat) = stat(&real, true) {
            state.extend_from_slice(&[0, stat.kind]);
            for number in &[stat.len, stat.times[1], stat.times[2]] {
                state.extend_from_slice(&number.to_le_bytes());
            }
        }
        if real.is_dir() {
            for (name, kind) in list(self.grants.own, &real).unwrap_or_default() {
                state.extend_from_slice(&name);
                state.extend_from_slice(&[0, kind]);
            }
        } else if let Ok(content) = fs::read(&real) {
            state.extend_from_slice(&content);
        }
        state
    }

    pub fn refused(&self) -> &[Refused] {
        &self.denied
    }

    pub fn call(&mut self, call: u32, a: &Args, memory: &mut Memory) -> Result<u64, Fault> {
        if let Some(done) = self.write(call, a, memory)? {
            self.untold = true;
            return Ok(done);
        }
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
            calls::FD_WRITE => Ok(BADF),
            calls::PATH_FILESTAT_GET => self.path_filestat_get(a, memory),
            calls::PATH_OPEN => self.path_open(a, memory),
            calls::PATH_READLINK => self.path_readlink(a, memory),
            calls::PATH_CREATE_DIRECTORY => {
                self.change(a.word(0), a.word(1), a.word(2), true, memory)
            }
            calls::PATH_REMOVE_DIRECTORY | calls::PATH_UNLINK_FILE | calls::PATH_RENAME => {
                self.change(a.word(0), a.word(1), a.word(2), false, memory)
            }
            calls::PATH_FILESTAT_SET_TIMES | calls::PATH_LINK => {
                self.change(a.word(0), a.word(2), a.word(3), false, memory)
            }
            calls::PATH_SYMLINK => self.change(a.word(2), a.word(3), a.word(4), true, memory),
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
    fn open_root(&mut self, path: &Path, name: &str) {
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
    fn expand(&self, grant: &str) -> Option<PathBuf> {
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
    fn wanted(&mut self, fd: u32, path: &[u8]) -> Result<PathBuf, u64> {
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
    fn resolve(&mut self, fd: u32, path: &[u8], follow: bool) -> Result<PathBuf, u64> {
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

    fn is_readable(&self, real: &Path) -> bool {
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
    fn is_above_root(&self, path: &Path) -> bool {
        for root in &self.roots {
            if root.starts_with(path) {
                return true;
            }
        }
        false
    }

    /// There is no such file here; but there may be where the macro was compiled.
    fn missing(&mut self, fd: u32, path: &[u8]) -> u64 {
        if fd == FIRST && path.starts_with(b"precast/") {
            let path = Path::new("/").join(refusal::path(path));
            add(&mut self.denied, 1, &shown(&path), "");
            return ACCES;
        }
        NOENT
    }

    /// Remembers a refusal: 1 to read, 2 to write.
    fn deny(&mut self, kind: u8, path: &Path) -> u64 {
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
    fn named(&self, kind: u8, path: &Path) -> String {
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

    fn file(&mut self, fd: u32) -> Option<&mut File> {
        self.open_first();
        match self.files.get_mut(fd.wrapping_sub(FIRST) as usize) {
            None | Some(&mut File::Closed) => None,
            open => open,
        }
    }

    /// Another descriptor.
    fn open(&mut self, file: File) -> Result<u32, Fault> {
        let (mut n_open, mut free) = (0, None);
        for i in 0..self.files.len() {
            match self.files[i] {
                File::Closed => free = Some(i),
                _ => n_open += 1,
            }
        }
        if n_open >= self.files_max as usize {
            return Err(Fault::Limit("the macro has more files open than its limit `files`"));
        }
        if let Some(i) = free {
            self.files[i] = file;
            return Ok(i as u32 + FIRST);
        }
        self.files.push(file);
        Ok(self.files.len() as u32 - 1 + FIRST)
    }

    fn path_open(&mut self, a: &Args, memory: &mut Memory) -> Result<u64, Fault> {
        let (fd, flags) = (a.word(0), a.word(4));
        let path = memory.read(a.word(2), a.word(3))?.to_vec();
        if flags & (CREATE | EXCLUSIVE | TRUNCATE) != 0 || a.long(5) & WRITE != 0 {
            let is_new = flags & (CREATE | EXCLUSIVE) == CREATE | EXCLUSIVE;
            return self.refuse(fd, &path, flags & CREATE != 0, is_new);
        }
        let real = match self.resolve(fd, &path, true) {
            Ok(real) => real,
            Err(ACCES) if self.is_directory_above(fd, &path) => {
                let wanted = self.wanted(fd, &path).unwrap_or_default();
                return Ok(self.deny(1, &wanted.canonicalize().unwrap_or(wanted)));
            }
            Err(error) => return Ok(error),
        };
        let file = if real.is_dir() {
            File::Directory { path: real.clone(), name: String::new(), entries: None }
        } else if flags & MUST_BE_DIRECTORY != 0 {
            return Ok(NOTDIR);
        } else {
            let mut stat = stat(&real, true).unwrap_or_else(|_| unknown(REGULAR_FILE));
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
        let fd = self.open(file)?;
        self.reads.push(real);
        memory.write_u32(a.word(8), fd)?;
        Ok(0)
    }

    /// A change that is not granted: an error that it would give natively, or else a refusal.
    fn change(
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

    fn refuse(&mut self, fd: u32, path: &[u8], creates: bool, is_new: bool) -> Result<u64, Fault> {
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

    fn path_filestat_get(&mut self, a: &Args, memory: &mut Memory) -> Result<u64, Fault> {
        let (fd, follow) = (a.word(0), a.word(1) & 1 != 0);
        let path = memory.read(a.word(2), a.word(3))?.to_vec();
        let stat = match self.resolve(fd, &path, follow) {
            Ok(real) => match stat(&real, follow) {
                Ok(stat) => stat,
                Err(error) => return Ok(errno(&error)),
            },
            Err(ACCES) if self.is_directory_above(fd, &path) => unknown(DIRECTORY),
            Err(error) => return Ok(error),
        };
        filestat(memory, a.word(4), &stat)
    }

    fn is_directory_above(&mut self, fd: u32, path: &[u8]) -> bool {
        match self.wanted(fd, path) {
            Ok(wanted) => match real(&wanted, true) {
                Ok(real) => self.is_above_root(&real),
                Err(_) => false,
            },
            Err(_) => false,
        }
    }

    /// The path without links, if it may be read; of an empty one, that of the current directory.
    pub fn real_path(&mut self, path: &str) -> Option<String> {
        let real =
            if path.is_empty() { env::current_dir().ok()? } else { self.real_of(path).ok()? };
        real.into_os_string().into_string().ok()
    }

    fn path_readlink(&mut self, a: &Args, memory: &mut Memory) -> Result<u64, Fault> {
        let path = memory.read(a.word(1), a.word(2))?.to_vec();
        let target = match self.resolve(a.word(0), &path, false) {
            Ok(real) => match fs::read_link(real) {
                Ok(target) => bytes(target.as_os_str()),
                Err(error) => return Ok(errno(&error)),
            },
            // It is known to be a directory.
            Err(ACCES) if self.is_directory_above(a.word(0), &path) => return Ok(INVAL),
            Err(error) => return Ok(error),
        };
        let len = target.len().min(a.word(4) as usize);
        memory.write(a.word(3), &target[..len])?;
        memory.write_u32(a.word(5), len as u32)?;
        Ok(0)
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
                stat(path, true).unwrap_or_else(|_| unknown(DIRECTORY))
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
        let own = self.grants.own;
        let dir = match self.file(a.word(0)) {
            Some(&mut File::Directory { ref path, ref mut entries, .. }) => (path, entries),
            Some(_) => return Ok(NOTDIR),
            None => return Ok(BADF),
        };
        if a.long(3) == 0 {
            match list(own, dir.0) {
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
            out.extend_from_slice(name);
        }
        out.truncate(room);
        memory.write(a.word(1), &out)?;
        memory.write_u32(a.word(4), out.len() as u32)?;
        Ok(0)
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

/// The path without links, of which the last part is followed or not.
fn real(path: &Path, follow: bool) -> io::Result<PathBuf> {
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) if !follow => Ok(parent.canonicalize()?.join(name)),
        _ => path.canonicalize(),
    }
}

/// The same of a path whose end need not exist.
fn settled(path: PathBuf) -> PathBuf {
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Ok(real), _, _) => real,
        (Err(_), Some(parent), Some(name)) => settled(parent.to_path_buf()).join(name),
        _ => path,
    }
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Without a separator at the end.
fn extend(path: &mut PathBuf, rest: &Path) {
    if rest.parent().is_some() {
        path.push(rest);
    } else if path.parent().is_none() {
        path.push(".");
    }
}

fn is_in_directory(path: &Path) -> bool {
    path.parent().map_or(false, exists)
}

fn list(own: Option<(&str, &str)>, path: &Path) -> io::Result<Vec<(Vec<u8>, u8)>> {
    let mut entries: Vec<(Vec<u8>, u8)> = Vec::new();
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
        let mut name = bytes(&entry.file_name());
        if !published(own, path, &mut name) {
            continue;
        }
        let mut at = entries.len();
        while at > 0 && name < entries[at - 1].0 {
            at -= 1;
        }
        entries.insert(at, (name, kind));
    }
    Ok(entries)
}

fn stat(path: &Path, follow: bool) -> io::Result<Stat> {
    Ok(stat_of(&if follow { path.metadata()? } else { path.symlink_metadata()? }))
}

fn stat_of(data: &fs::Metadata) -> Stat {
    Stat {
        kind: if data.is_dir() {
            DIRECTORY
        } else if data.file_type().is_symlink() {
            SYMBOLIC_LINK
        } else {
            REGULAR_FILE
        },
        len: data.len(),
        times: [nanos(data.accessed()), nanos(data.modified()), nanos(data.created())],
    }
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

/// Numbers of the system, and WASI's for the same.
#[cfg(unix)]
const NUMBERS: [(i32, u64); 12] = [
    (1, 63),
    (17, 20),
    (20, NOTDIR),
    (21, ISDIR),
    (22, INVAL),
    (24, 33),
    (27, 22),
    (28, 51),
    (30, 69),
    (if cfg!(target_os = "linux") { 36 } else { 63 }, 37),
    (if cfg!(target_os = "linux") { 39 } else { 66 }, 55),
    (if cfg!(target_os = "linux") { 40 } else { 62 }, 32),
];
#[cfg(not(unix))]
const NUMBERS: [(i32, u64); 5] = [(80, 20), (145, 55), (183, 20), (206, 37), (267, NOTDIR)];

fn errno(error: &io::Error) -> u64 {
    for (system, wasi) in &NUMBERS {
        if error.raw_os_error() == Some(*system) {
            return *wasi;
        }
    }
    match error.kind() {
        io::ErrorKind::NotFound => NOENT,
        io::ErrorKind::PermissionDenied => ACCES,
        _ => IO,
    }
}
