//! The environment: the variables that are granted.

use std::env;

use super::super::calls;
use super::super::instance::{owned, Fault};
use super::super::memory::Memory;
use super::refusal::{add, bytes};
use super::{Args, Refused};

/// As many names are kept.
#[cfg(not(proc_macro))]
const N_NAMES_MAX: usize = 64;

pub struct Environ {
    grants: &'static [&'static str],
    /// `NAME=VALUE`, sorted; made on first use.
    entries: Option<Vec<Vec<u8>>>,
    /// What the macro asked for since the expansion started, is set, and is not granted.
    denied: Vec<Refused>,
    /// All that it asked for.
    #[cfg(not(proc_macro))]
    pub asked: Vec<String>,
}

impl Environ {
    pub fn new(grants: &'static [&'static str]) -> Environ {
        Environ {
            grants: grants,
            entries: None,
            denied: Vec::new(),
            #[cfg(not(proc_macro))]
            asked: Vec::new(),
        }
    }

    pub fn begin(&mut self) {
        self.denied.clear();
    }

    /// The macro asks for a variable, or with an empty name for all of them. Those by which std decides on
    /// a backtrace decide nothing else.
    pub fn asked(&mut self, name: &str) {
        if name.is_empty() {
            if !is_granted(self.grants, b"") {
                add(&mut self.denied, 0, owned("*"), owned("*"));
            }
            return;
        }
        #[cfg(not(proc_macro))]
        self.note(name);
        let is_std = name.ends_with("_BACKTRACE") && name.starts_with("RUST_");
        if !is_std && !is_granted(self.grants, name.as_bytes()) && env::var_os(name).is_some() {
            add(&mut self.denied, 0, owned(name), owned(name));
        }
    }

    #[cfg(not(proc_macro))]
    fn note(&mut self, name: &str) {
        if self.asked.len() < N_NAMES_MAX && !self.asked.iter().any(|known| known == name) {
            self.asked.push(owned(name));
        }
    }

    pub fn refused(&self) -> &[Refused] {
        &self.denied
    }

    pub fn call(&mut self, call: u32, a: &Args, memory: &mut Memory) -> Result<u64, Fault> {
        if call == calls::ENVIRON_GET as u32 {
            self.environ_get(a, memory)
        } else {
            self.environ_sizes_get(a, memory)
        }
    }

    fn entries(&mut self) -> &[Vec<u8>] {
        if self.entries.is_none() {
            let mut all: Vec<Vec<u8>> = Vec::new();
            for (name, value) in env::vars_os() {
                let mut entry = bytes(&name);
                if is_granted(self.grants, &entry) {
                    entry.push(b'=');
                    entry.extend_from_slice(&bytes(&value));
                    // Not `sort`: every consumer would compile it.
                    let mut at = all.len();
                    while at > 0 && entry < all[at - 1] {
                        at -= 1;
                    }
                    all.insert(at, entry);
                }
            }
            self.entries = Some(all);
        }
        match self.entries {
            Some(ref all) => all,
            None => &[],
        }
    }

    /// Strings behind one another, each with its address in a table.
    fn environ_get(&mut self, a: &Args, memory: &mut Memory) -> Result<u64, Fault> {
        let (mut table, mut at) = (a.word(0), a.word(1));
        for entry in self.entries() {
            memory.write_u32(table, at)?;
            memory.write(at, entry)?;
            memory.write(at.wrapping_add(entry.len() as u32), &[0])?;
            table = table.wrapping_add(4);
            at = at.wrapping_add(entry.len() as u32 + 1);
        }
        Ok(0)
    }

    fn environ_sizes_get(&mut self, a: &Args, memory: &mut Memory) -> Result<u64, Fault> {
        let mut bytes = 0;
        let environ = self.entries();
        for entry in environ {
            bytes += entry.len() as u32 + 1;
        }
        memory.write_u32(a.word(0), environ.len() as u32)?;
        memory.write_u32(a.word(1), bytes)?;
        Ok(0)
    }
}

fn is_granted(names: &[&str], name: &[u8]) -> bool {
    for granted in names {
        let bytes = granted.as_bytes();
        let n = bytes.len();
        if n > 0 && bytes[n - 1] == b'*' {
            if name.starts_with(&bytes[..n - 1]) {
                return true;
            }
        } else if name == bytes {
            return true;
        }
    }
    false
}
