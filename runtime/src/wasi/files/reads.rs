//! What is read: descriptors, files whole, directories in order.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::super::super::fault::Fault;
use super::super::super::memory::Memory;
use super::super::refusal::bytes;
use super::super::{Args, ACCES, BADF, INVAL, N_VECTORS_MAX};
use super::native::{errno, stat, unknown};
use super::{filestat, published, File, Files, CHARACTER_DEVICE, DIRECTORY, FIRST, ISDIR};
use super::{CREATE, EXCLUSIVE, MUST_BE_DIRECTORY, NOTDIR, REGULAR_FILE, SYMBOLIC_LINK};
use super::{TRUNCATE, WRITE};

impl Files {
    pub(super) fn path_open(&mut self, a: &Args, memory: &mut Memory) -> Result<u64, Fault> {
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

    pub(super) fn path_filestat_get(&mut self, a: &Args, memory: &mut Memory) -> Result<u64, Fault> {
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

    pub(super) fn path_readlink(&mut self, a: &Args, memory: &mut Memory) -> Result<u64, Fault> {
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

    pub(super) fn fd_read(&mut self, a: &Args, memory: &mut Memory, at: Option<u64>) -> Result<u64, Fault> {
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

    pub(super) fn fd_seek(&mut self, a: &Args, memory: &mut Memory) -> Result<u64, Fault> {
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

    pub(super) fn fd_fdstat_get(&mut self, a: &Args, memory: &mut Memory) -> Result<u64, Fault> {
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

    pub(super) fn fd_filestat_get(&mut self, a: &Args, memory: &mut Memory) -> Result<u64, Fault> {
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

    pub(super) fn fd_prestat(&mut self, a: &Args, memory: &mut Memory, copy: bool) -> Result<u64, Fault> {
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
    pub(super) fn fd_readdir(&mut self, a: &Args, memory: &mut Memory) -> Result<u64, Fault> {
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

pub(super) fn list(own: Option<(&str, &str)>, path: &Path) -> io::Result<Vec<(Vec<u8>, u8)>> {
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
