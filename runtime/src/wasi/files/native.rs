//! File metadata and errors of the system, translated to WASI's numbers.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::super::{ACCES, INVAL, IO};
use super::{Stat, DIRECTORY, ISDIR, NOENT, NOTDIR, REGULAR_FILE, SYMBOLIC_LINK};

/// The path without links, of which the last part is followed or not.
pub(super) fn real(path: &Path, follow: bool) -> io::Result<PathBuf> {
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) if !follow => Ok(parent.canonicalize()?.join(name)),
        _ => path.canonicalize(),
    }
}

/// The same of a path whose end need not exist.
pub(super) fn settled(path: PathBuf) -> PathBuf {
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Ok(real), _, _) => real,
        (Err(_), Some(parent), Some(name)) => settled(parent.to_path_buf()).join(name),
        _ => path,
    }
}

pub(super) fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

pub(super) fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Without a separator at the end.
pub(super) fn extend(path: &mut PathBuf, rest: &Path) {
    if rest.parent().is_some() {
        path.push(rest);
    } else if path.parent().is_none() {
        path.push(".");
    }
}

pub(super) fn is_in_directory(path: &Path) -> bool {
    path.parent().map_or(false, exists)
}

pub(super) fn stat(path: &Path, follow: bool) -> io::Result<Stat> {
    Ok(stat_of(&if follow { path.metadata()? } else { path.symlink_metadata()? }))
}

pub(super) fn stat_of(data: &fs::Metadata) -> Stat {
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
pub(super) fn unknown(kind: u8) -> Stat {
    Stat { kind: kind, len: 0, times: [0; 3] }
}

fn nanos(time: io::Result<SystemTime>) -> u64 {
    match time {
        Ok(time) => time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64),
        Err(_) => 0,
    }
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

pub(super) fn errno(error: &io::Error) -> u64 {
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
