//! Remembered expansions (docs/expansions.md): a file of them, which the guest reads, uses and adds to. Here it is
//! only opened, and written to.

use std::env;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use super::host::Session;
use super::instance::{joined, owned, Fault, Instance};

/// A larger file is not used.
const BYTES_MAX: u64 = 256 << 20;

/// Where the expansions of a module are kept.
pub struct Kept {
    /// The file's name: it says which module it is, with which grants and limits.
    pub file: &'static str,
    /// Where in the module's memory its variables begin.
    pub variables: u32,
}

pub struct Expansions {
    file: Option<File>,
    /// The guest's exports.
    recall: u32,
    remember: u32,
    /// Whether the expansion was not run.
    pub is_remembered: bool,
}

impl Expansions {
    pub fn none() -> Expansions {
        Expansions { file: None, recall: 0, remember: 0, is_remembered: false }
    }

    /// Opens the file in the directory that `PRECAST_EXPANSIONS` names. If that cannot be done, nothing is
    /// remembered.
    pub fn open(
        &mut self,
        kept: &Kept,
        instance: &mut Instance,
        session: &mut Session,
    ) -> Result<(), Fault> {
        let folder = match env::var_os("PRECAST_EXPANSIONS") {
            Some(folder) if !folder.is_empty() && !kept.file.is_empty() => folder,
            _ => return Ok(()),
        };
        let memory = match instance.export("precast_memory") {
            Some(memory) => memory,
            None => return Ok(()),
        };
        if let (Some(recall), Some(remember)) =
            (instance.export("precast_recall"), instance.export("precast_remember"))
        {
            self.recall = recall;
            self.remember = remember;
        }
        // For each crate that is compiled, one of its own.
        let mut name = owned(kept.file);
        if let Ok(of) = env::var("CARGO_CRATE_NAME") {
            name = joined(&[&of, ".", kept.file]);
        }
        let path = Path::new(&folder).join(name);
        let mut file = match OpenOptions::new().read(true).append(true).create(true).open(path) {
            Ok(file) => file,
            Err(_) => return Ok(()),
        };
        let mut stored = Vec::new();
        match file.read_to_end(&mut stored) {
            Ok(_) if stored.len() as u64 <= BYTES_MAX => (),
            _ => return Ok(()),
        }
        let args = [stored.len() as u64, kept.variables as u64];
        let at = tri!(instance.call(memory, &args, session)) as u32;
        if at != 0 && self.recall != 0 {
            tri!(instance.memory().write(at, &stored));
            self.file = Some(file);
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
        if let None = self.file {
            return Ok(0);
        }
        session.wasi.asked = false;
        let at = tri!(instance.call(self.recall, &[func as u64], session)) as u32;
        self.is_remembered = at != 0;
        Ok(at)
    }

    /// Adds the expansion that has given this output, unless it did what nobody can remember.
    pub fn add(
        &mut self,
        at: u32,
        instance: &mut Instance,
        session: &mut Session,
    ) -> Result<(), Fault> {
        let file = match self.file {
            Some(ref mut file) => file,
            None => return Ok(()),
        };
        if self.is_remembered || session.wasi.asked || session.tokens.has_error {
            return Ok(());
        }
        let at = tri!(instance.call(self.remember, &[at as u64], session)) as u32;
        if at != 0 {
            let memory = instance.memory();
            let bytes = tri!(memory.read_u32(at));
            // One write: what is not written completely is not used.
            let _ = file.write(tri!(memory.read(at, bytes)));
        }
        Ok(())
    }
}
