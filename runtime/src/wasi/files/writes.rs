//! What may be written: the granted directories below the target directory. Links are followed first, and
//! what lies elsewhere is left to the refusals of `files`.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use super::super::super::calls;
use super::super::super::fault::Fault;
use super::super::super::memory::Memory;
use super::super::{Args, BADF, INVAL, N_VECTORS_MAX};
use super::native::{errno, exists, real, stat_of};
use super::{filestat, File, Files};
use super::{CREATE, EXCLUSIVE, REGULAR_FILE, TRUNCATE, WRITE};

const READ: u64 = 1 << 1;
const APPEND: u64 = 1;

/// The error's number, or 0.
fn done(result: io::Result<()>) -> Result<Option<u64>, Fault> {
    Ok(Some(match result {
        Ok(()) => 0,
        Err(error) => errno(&error),
    }))
}

impl Files {
    /// A call on a file that may be written, or on its path; none if it is not one.
    pub fn write(
        &mut self,
        call: u32,
        a: &Args,
        memory: &mut Memory,
    ) -> Result<Option<u64>, Fault> {
        match calls::number(call) {
            calls::PATH_OPEN => return self.open_to_write(a, memory),
            calls::PATH_CREATE_DIRECTORY => {
                return match self.place(a.word(0), a.word(1), a.word(2), true, memory)? {
                    Some(path) => done(fs::create_dir(path)),
                    None => Ok(None),
                };
            }
            calls::PATH_REMOVE_DIRECTORY => {
                return match self.place(a.word(0), a.word(1), a.word(2), false, memory)? {
                    Some(path) => done(fs::remove_dir(path)),
                    None => Ok(None),
                };
            }
            calls::PATH_UNLINK_FILE => {
                return match self.place(a.word(0), a.word(1), a.word(2), false, memory)? {
                    Some(path) => done(fs::remove_file(path)),
                    None => Ok(None),
                };
            }
            calls::PATH_RENAME => {
                let from = self.place(a.word(0), a.word(1), a.word(2), false, memory)?;
                let to = self.place(a.word(3), a.word(4), a.word(5), false, memory)?;
                return match (from, to) {
                    (Some(from), Some(to)) => done(fs::rename(from, to)),
                    _ => Ok(None),
                };
            }
            _ => {}
        }
        let at_fd = call >= calls::FD_ADVISE as u32 && call <= calls::FD_WRITE as u32;
        if !at_fd || a.word(0) < super::FIRST {
            return Ok(None);
        }
        match self.file(a.word(0)) {
            Some(&mut File::Open(ref mut file)) => on_file(file, call, a, memory),
            _ => Ok(None),
        }
    }

    fn open_to_write(&mut self, a: &Args, memory: &mut Memory) -> Result<Option<u64>, Fault> {
        let flags = a.word(4);
        let writes = a.long(5) & WRITE != 0;
        if !writes && flags & (CREATE | EXCLUSIVE | TRUNCATE) == 0 {
            return Ok(None);
        }
        let path = match self.place(a.word(0), a.word(2), a.word(3), false, memory)? {
            Some(path) => path,
            None => return Ok(None),
        };
        let mut options = OpenOptions::new();
        options.read(a.long(5) & READ != 0);
        options.write(writes).truncate(flags & TRUNCATE != 0);
        options.append(a.long(7) & APPEND != 0);
        options.create(flags & CREATE != 0);
        options.create_new(flags & (CREATE | EXCLUSIVE) == CREATE | EXCLUSIVE);
        match options.open(path) {
            Ok(file) => {
                let fd = self.open(File::Open(file))?;
                memory.write_u32(a.word(8), fd)?;
                Ok(Some(0))
            }
            Err(error) => Ok(Some(errno(&error))),
        }
    }

    /// Where something may be written: the path without links. A directory may also lead to what may.
    fn place(
        &mut self,
        fd: u32,
        at: u32,
        len: u32,
        is_directory: bool,
        memory: &Memory,
    ) -> Result<Option<PathBuf>, Fault> {
        self.open_first();
        let wanted = match self.wanted(fd, memory.read(at, len)?) {
            Ok(wanted) => wanted,
            Err(_) => return Ok(None),
        };
        // A link that leads nowhere could lead anywhere.
        let found = match real(&wanted, exists(&wanted)) {
            Ok(found) => found,
            Err(_) => return Ok(None),
        };
        for root in &self.writable {
            if found.starts_with(root) || is_directory && root.starts_with(&found) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

fn on_file(
    file: &mut fs::File,
    call: u32,
    a: &Args,
    memory: &mut Memory,
) -> Result<Option<u64>, Fault> {
    match calls::number(call) {
        calls::FD_WRITE | calls::FD_PWRITE => transfer(file, call, a, memory, true),
        calls::FD_READ | calls::FD_PREAD => transfer(file, call, a, memory, false),
        calls::FD_SEEK => {
            let to = match a.word(2) {
                0 => SeekFrom::Start(a.long(1)),
                1 => SeekFrom::Current(a.long(1) as i64),
                2 => SeekFrom::End(a.long(1) as i64),
                _ => return Ok(Some(INVAL)),
            };
            match file.seek(to) {
                Ok(pos) => {
                    memory.write_u64(a.word(3), pos)?;
                    Ok(Some(0))
                }
                Err(error) => Ok(Some(errno(&error))),
            }
        }
        calls::FD_TELL => match file.stream_position() {
            Ok(pos) => {
                memory.write_u64(a.word(1), pos)?;
                Ok(Some(0))
            }
            Err(error) => Ok(Some(errno(&error))),
        },
        calls::FD_FILESTAT_GET => match file.metadata() {
            Ok(data) => Ok(Some(filestat(memory, a.word(1), &stat_of(&data))?)),
            Err(error) => Ok(Some(errno(&error))),
        },
        calls::FD_FILESTAT_SET_SIZE => done(file.set_len(a.long(1))),
        calls::FD_SYNC | calls::FD_DATASYNC => done(file.sync_all()),
        calls::FD_FDSTAT_GET => {
            memory.write_u64(a.word(1), REGULAR_FILE as u64)?;
            memory.write_u64(a.word(1).wrapping_add(8), u64::MAX)?;
            memory.write_u64(a.word(1).wrapping_add(16), u64::MAX)?;
            Ok(Some(0))
        }
        // What closes it is the same for all files.
        calls::FD_CLOSE | calls::FD_ADVISE => Ok(None),
        _ => Ok(Some(BADF)),
    }
}

/// Reads or writes, at a position of the call's own or at that of the file.
fn transfer(
    file: &mut fs::File,
    call: u32,
    a: &Args,
    memory: &mut Memory,
    writes: bool,
) -> Result<Option<u64>, Fault> {
    let is_at = call == calls::FD_PREAD as u32 || call == calls::FD_PWRITE as u32;
    let (vectors, n) = (a.word(1), a.word(2));
    if n > N_VECTORS_MAX {
        return Ok(Some(INVAL));
    }
    let mut before = 0;
    if is_at {
        before = file.stream_position().unwrap_or(0);
        if let Err(error) = file.seek(SeekFrom::Start(a.long(3))) {
            return Ok(Some(errno(&error)));
        }
    }
    let mut total = 0u32;
    let mut number = 0;
    for i in 0..n {
        let at = memory.read_u32(vectors.wrapping_add(i * 8))?;
        let len = memory.read_u32(vectors.wrapping_add(i * 8 + 4))?;
        let result = if writes {
            file.write(memory.read(at, len)?)
        } else {
            // Into a copy: the length is checked before anything is reserved.
            let mut bytes = memory.read(at, len)?.to_vec();
            let result = file.read(&mut bytes);
            if let Ok(n) = result {
                memory.write(at, &bytes[..n])?;
            }
            result
        };
        match result {
            Ok(n) => {
                total = total.wrapping_add(n as u32);
                if n < len as usize {
                    break;
                }
            }
            Err(error) => {
                number = if total == 0 { errno(&error) } else { 0 };
                break;
            }
        }
    }
    if is_at {
        let _ = file.seek(SeekFrom::Start(before));
    }
    if number == 0 {
        memory.write_u32(a.word(if is_at { 4 } else { 3 }), total)?;
    }
    Ok(Some(number))
}
