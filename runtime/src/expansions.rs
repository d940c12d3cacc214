//! Remembered expansions (docs/expansions.md): a file of them, which the guest reads, uses and adds to. Here it is
//! only opened, and written to.

use std::env;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::mem::{self, ManuallyDrop};

use super::host::Session;
use super::instance::{joined, Fault, Instance};

/// Where the expansions of a module are kept.
pub struct Kept {
    /// The file's name: it says which module it is, with which grants and limits.
    pub file: &'static str,
    /// Where in the module's memory its variables begin.
    pub variables: u32,
}

pub struct Expansions {
    /// What drops a file or an error would be a third of this to compile: in a shim one stays open.
    file: ManuallyDrop<Option<File>>,
    /// The guest's export; 0 if nothing is remembered.
    recall: u32,
    /// Whether the macro was not run.
    pub is_remembered: bool,
}

impl Expansions {
    pub const NONE: Expansions =
        Expansions { file: ManuallyDrop::new(None), recall: 0, is_remembered: false };

    /// Opens the file in the directory that `PRECAST_EXPANSIONS` names. If that cannot be done, nothing is
    /// remembered.
    pub fn open(
        &mut self,
        kept: &Kept,
        fingerprint: &str,
        instance: &mut Instance,
        session: &mut Session,
    ) -> Result<(), Fault> {
        let (memory, recall) =
            match (instance.export("precast_memory"), instance.export("precast_recall")) {
                (Some(memory), Some(recall)) => (memory, recall),
                _ => return Ok(()),
            };
        let path = match env::var_os("PRECAST_EXPANSIONS") {
            Some(ref folder) => match folder.to_str() {
                Some(folder) if !folder.is_empty() => {
                    joined(&[folder, "/", kept.file, fingerprint])
                }
                _ => return Ok(()),
            },
            None => return Ok(()),
        };
        let mut stored = Vec::new();
        match OpenOptions::new().read(true).append(true).create(true).open(path) {
            Ok(file) => self.file = ManuallyDrop::new(Some(file)),
            Err(error) => mem::forget(error),
        }
        if let Some(ref mut file) = *self.file {
            let read = file.read_to_end(&mut stored);
            let is_read = if let Ok(_) = read { true } else { false };
            mem::forget(read);
            if is_read {
                let args = [stored.len() as u64, kept.variables as u64];
                let at = tri!(instance.call(memory, &args, session)) as u32;
                if at != 0 {
                    tri!(instance.memory().write(at, &stored));
                    self.recall = recall;
                    session.wasi.files.trace();
                }
            }
        }
        Ok(())
    }

    /// Where the output is, if it is remembered; else 0.
    pub fn recall(
        &mut self,
        func: u32,
        instance: &mut Instance,
        session: &mut Session,
    ) -> Result<u32, Fault> {
        self.is_remembered = false;
        if self.recall == 0 {
            return Ok(0);
        }
        session.wasi.asked = false;
        let at = tri!(instance.call(self.recall, &[func as u64, 0], session)) as u32;
        self.is_remembered = at != 0;
        Ok(at)
    }

    /// Adds the expansion that has given this output, unless it did what nobody can remember.
    pub fn add(
        &mut self,
        output: u32,
        instance: &mut Instance,
        session: &mut Session,
    ) -> Result<(), Fault> {
        let wasi = &mut session.wasi;
        if self.recall == 0 || self.is_remembered || wasi.asked || session.tokens.has_error {
            return Ok(());
        }
        if !wasi.files.is_told() {
            return Ok(());
        }
        if let Some(ref mut file) = *self.file {
            let at = tri!(instance.call(self.recall, &[0, output as u64], session)) as u32;
            if at != 0 {
                let memory = instance.memory();
                let bytes = tri!(memory.read_u32(at));
                // One write: what is not written whole is not used.
                mem::forget(file.write(tri!(memory.read(at, bytes))));
            }
        }
        Ok(())
    }
}

#[cfg(not(proc_macro))]
impl Drop for Expansions {
    fn drop(&mut self) {
        // SAFETY: it is not used again.
        unsafe { ManuallyDrop::drop(&mut self.file) };
    }
}
