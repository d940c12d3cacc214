//! Remembered expansions (docs/expansions.md): a file of them, which the guest reads, uses and adds to. Here it is
//! only opened, and written to.

use super::fault::Fault;
use super::host::Session;
use super::instance::Instance;
use super::sys::Growing;
use super::text::joined;
use super::{export, setting};

/// Where the expansions of a module are kept.
pub struct Kept {
    /// The file's name: it says which module it is, with which grants and limits.
    pub file: &'static str,
    /// Where in the module's memory its variables begin.
    pub variables: u32,
}

pub struct Expansions {
    file: Growing,
    /// The guest's export; 0 if nothing is remembered.
    recall: u32,
    /// Whether the macro was not run.
    pub is_remembered: bool,
}

impl Expansions {
    pub const NONE: Expansions =
        Expansions { file: Growing::NONE, recall: 0, is_remembered: false };

    /// Opens the file in the directory that `PRECAST_EXPANSIONS` names. If that cannot be done, nothing is
    /// remembered.
    pub fn open(
        &mut self,
        kept: &Kept,
        fingerprint: &str,
        instance: &mut Instance,
        session: &mut Session,
    ) -> Result<(), Fault> {
        let folder = setting("PRECAST_EXPANSIONS");
        if folder.is_empty() || kept.variables == 0 {
            return Ok(());
        }
        let memory = tri!(export(instance, "precast_memory"));
        let recall = tri!(export(instance, "precast_recall"));
        let bytes = self.file.open(&joined(&[&folder, "/", kept.file, fingerprint, "\0"]));
        if self.file.is_open() {
            let args = [bytes as u64, kept.variables as u64];
            let at = tri!(instance.call(memory, &args, session)) as u32;
            if at != 0 && self.file.read(tri!(instance.memory().range(at, bytes as u32))) {
                self.recall = recall;
                session.wasi.files.trace();
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
        let at = tri!(instance.call(self.recall, &[0, output as u64], session)) as u32;
        if at != 0 {
            let memory = instance.memory();
            let bytes = tri!(memory.read_u32(at));
            self.file.append(tri!(memory.read(at, bytes)));
        }
        Ok(())
    }
}
