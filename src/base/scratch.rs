//! Temporary directories that are gone when the program ends, also when it is interrupted.
//!
//! Everything that is written in several steps is written into one of these and then renamed, so
//! that nobody ever sees half of it.

use crate::base::children;
use crate::base::error::{Context, Result};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

static ALIVE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// A new empty directory, removed when this is dropped.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// A directory beside `target`, so that a rename to `target` stays on one file system.
    pub fn beside(target: &Path) -> Result<Scratch> {
        let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty());
        Scratch::inside(parent.unwrap_or(Path::new(".")))
    }

    /// A directory in `parent`, which is made if it is missing.
    pub fn inside(parent: &Path) -> Result<Scratch> {
        std::fs::create_dir_all(parent).at("create", parent)?;
        let mut alive = ALIVE.lock().unwrap_or_else(PoisonError::into_inner);
        let made = tempfile::Builder::new().prefix(".precast-").tempdir_in(parent);
        let path = made.at("create a directory in", parent)?.keep();
        alive.insert(path.clone());
        Ok(Scratch(path))
    }

    /// A directory in the system's place for temporary files.
    pub fn new() -> Result<Scratch> {
        Scratch::inside(&std::env::temp_dir())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let mut alive = ALIVE.lock().unwrap_or_else(PoisonError::into_inner);
        // What cannot be removed now is only litter; the command's own result counts.
        let _ = std::fs::remove_dir_all(&self.0);
        alive.remove(&self.0);
    }
}

/// Writes a file in one step.
pub fn replace(file: &Path, bytes: &[u8]) -> Result<()> {
    write(file, bytes, |_| Ok(()))
}

/// The same for a file that its owner alone may read.
pub fn replace_secret(file: &Path, bytes: &[u8]) -> Result<()> {
    write(file, bytes, |new| {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(new, std::fs::Permissions::from_mode(0o600))
                .at("protect", new)?;
        }
        let _ = new;
        Ok(())
    })
}

/// The same for a file that can be run.
pub fn replace_program(file: &Path, bytes: &[u8]) -> Result<()> {
    write(file, bytes, |new| {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(new, std::fs::Permissions::from_mode(0o755))
                .at("mark", new)?;
        }
        let _ = new;
        Ok(())
    })
}

fn write(file: &Path, bytes: &[u8], finish: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    // A device or a pipe takes what is written; in its place there would be a file afterwards.
    if file.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return std::fs::write(file, bytes).at("write", file);
    }
    let scratch = Scratch::beside(file)?;
    let new = scratch.path().join("new");
    std::fs::write(&new, bytes).at("write", &new)?;
    finish(&new)?;
    std::fs::rename(&new, file).at("create", file)
}

/// Removes a folder, if it is there, in one step: nobody sees half of it. The rest of it is a temporary
/// directory beside `beside`.
pub fn remove(folder: &Path, beside: &Path, what: &'static str) -> Result<()> {
    let scratch = Scratch::beside(beside)?;
    match std::fs::rename(folder, scratch.path().join("old")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).at(what, folder),
        _ => Ok(()),
    }
}

/// An interrupt ends the program only after this. No directory of ours can be made or dropped meanwhile.
pub fn undisturbed<T>(work: impl FnOnce() -> T) -> T {
    let _alive = ALIVE.lock().unwrap_or_else(PoisonError::into_inner);
    work()
}

/// Ends what works for us, and removes every directory that is still alive. For the interrupt handler: the program must end
/// right after, and no new directory can be made in between.
pub fn remove_all_and_exit(code: i32) -> ! {
    children::end_all();
    let alive = ALIVE.lock().unwrap_or_else(PoisonError::into_inner);
    for path in alive.iter() {
        // A child that is still writing can make the first attempt fail.
        for _ in 0..50 {
            if std::fs::remove_dir_all(path).is_ok() || !path.exists() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
    std::process::exit(code)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::FileTypeExt;

    #[test]
    fn what_is_no_file_stays_what_it_is() {
        let place = tempfile::tempdir().unwrap();
        let pipe = place.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let reader = {
            let pipe = pipe.clone();
            std::thread::spawn(move || std::fs::read_to_string(pipe).unwrap())
        };
        super::replace(&pipe, b"text").unwrap();
        assert_eq!(reader.join().unwrap(), "text");
        assert!(pipe.metadata().unwrap().file_type().is_fifo());
    }
}
