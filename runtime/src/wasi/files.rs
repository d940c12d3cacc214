//! The files: those below the granted directories, read-only but for what `writes` permits.
//!
//! What does not exist is answered as natively. What exists and may not be used is remembered, so that the
//! user can get a report of it.

mod granted;
mod native;
mod reads;

use std::fs;
use std::path::{Path, PathBuf};

use super::super::calls;
use super::super::fault::{Fault, Limits};
use super::super::memory::Memory;
use super::refusal::bytes;
use super::{Args, Grants, Refused, BADF, NOSYS};

use self::native::{errno, stat};
use self::reads::list;

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
}

fn filestat(memory: &mut Memory, at: u32, stat: &Stat) -> Result<u64, Fault> {
    let [read, changed, made] = stat.times;
    let fields = [0, 0, stat.kind as u64, 1, stat.len, read, changed, made];
    for i in 0..fields.len() {
        memory.write_u64(at.wrapping_add(i as u32 * 8), fields[i])?;
    }
    Ok(0)
}
