//! The environment: the variables that are granted.

use std::env;

use super::super::calls;
use super::super::instance::{formatted, owned, same, Fault};
use super::super::memory::Memory;
use super::Args;

/// As many names are kept.
const N_NAMES_MAX: usize = 64;

pub struct Environ {
    grants: &'static [&'static str],
    /// `NAME=VALUE`, sorted; made on first use.
    entries: Option<Vec<String>>,
    /// What the macro asked for since the expansion started, is set, and is not granted.
    pub denied: Vec<String>,
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

    /// The macro asks for a variable. Those of std's own (`RUST_BACKTRACE`) decide nothing.
    pub fn asked(&mut self, name: &str) {
        #[cfg(not(proc_macro))]
        add(&mut self.asked, name);
        let is_std = name.len() > 5 && same(&name.as_bytes()[..5], b"RUST_");
        if !is_std && !is_granted(self.grants, name) && env::var_os(name).is_some() {
            add(&mut self.denied, name);
        }
    }

    /// What to do about the refusals, if there were any.
    pub fn help(&self, name: &str) -> Option<String> {
        if self.denied.is_empty() {
            return None;
        }
        Some(formatted(format_args!(
            "{} may not use the environment variable `{}`: pack it with `--grant env={}`",
            name,
            self.denied[0],
            self.denied[0]
        )))
    }

    pub fn call(&mut self, call: u32, a: &Args, memory: &mut Memory) -> Result<u64, Fault> {
        if call == calls::ENVIRON_GET as u32 {
            self.environ_get(a, memory)
        } else {
            self.environ_sizes_get(a, memory)
        }
    }

    fn entries(&mut self) -> &[String] {
        if self.entries.is_none() {
            let mut all: Vec<String> = Vec::new();
            for (name, value) in env::vars_os() {
                if let (Some(name), Some(value)) = (name.to_str(), value.to_str()) {
                    if is_granted(self.grants, name) {
                        let entry = formatted(format_args!("{}={}", name, value));
                        // Not `sort`: every consumer would compile it.
                        let mut at = all.len();
                        while at > 0 && entry < all[at - 1] {
                            at -= 1;
                        }
                        all.insert(at, entry);
                    }
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
            memory.write(at, entry.as_bytes())?;
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

/// Adds a name that is not there yet.
fn add(names: &mut Vec<String>, name: &str) {
    for known in names.iter() {
        if same(known.as_bytes(), name.as_bytes()) {
            return;
        }
    }
    if names.len() < N_NAMES_MAX {
        names.push(owned(name));
    }
}

fn is_granted(names: &[&str], name: &str) -> bool {
    for granted in names {
        let bytes = granted.as_bytes();
        let n = bytes.len();
        if n > 0 && bytes[n - 1] == b'*' {
            if name.len() >= n - 1 && name.as_bytes()[..n - 1] == bytes[..n - 1] {
                return true;
            }
        } else if name == *granted {
            return true;
        }
    }
    false
}
