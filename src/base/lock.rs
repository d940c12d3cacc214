//! Locks on files, held by this process.

use fs4::FileExt;
use std::fs::File;
use std::io;

/// A locked file; unlocked when dropped. Closing it is not enough: a child that is being started has the
/// file, too, until its own program runs.
#[derive(Debug)]
pub struct Lock(File);

impl Lock {
    /// None if somebody else has locked it.
    pub fn now(file: File) -> Option<Lock> {
        FileExt::try_lock(&file).ok()?;
        Some(Lock(file))
    }

    /// As others may at the same time; `wait` is called before it waits for who has it alone.
    pub fn shared(file: File, wait: impl FnOnce()) -> io::Result<Lock> {
        if FileExt::try_lock_shared(&file).is_err() {
            wait();
            FileExt::lock_shared(&file)?;
        }
        Ok(Lock(file))
    }

    /// For this process alone; `wait` is called before it waits for others.
    pub fn alone(file: File, wait: impl FnOnce()) -> io::Result<Lock> {
        if FileExt::try_lock(&file).is_err() {
            wait();
            FileExt::lock(&file)?;
        }
        Ok(Lock(file))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = FileExt::unlock(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::Lock;
    use crate::base::scratch::Scratch;
    use std::fs::File;

    #[test]
    fn a_copy_of_the_file_does_not_keep_the_lock() {
        let scratch = Scratch::new().unwrap();
        let path = scratch.path().join("lock");
        let file = File::create(&path).unwrap();
        // As a child has it that was started meanwhile.
        let _copy = file.try_clone().unwrap();
        let lock = Lock::now(file).unwrap();
        assert!(Lock::now(File::open(&path).unwrap()).is_none());
        drop(lock);
        assert!(Lock::now(File::open(&path).unwrap()).is_some());
    }
}
