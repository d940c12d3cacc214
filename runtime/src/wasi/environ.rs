//! The environment: the variables that are granted.

use std::env;
use std::mem::ManuallyDrop;

use super::super::calls;
use super::super::fault::Fault;
use super::super::text::{owned, same};
use super::super::memory::Memory;
use super::refusal::{add, bytes};
use super::{Args, Refused};

/// As many names are kept.
#[cfg(not(proc_macro))]
const N_NAMES_MAX: usize = 64;

/// Std decides on a backtrace by them, and on nothing else.
const BACKTRACE: [&str; 2] = ["RUST_BACKTRACE", "RUST_LIB_BACKTRACE"];

pub struct Environ {
    grants: &'static [&'static str],
    /// `NAME=VALUE`, each with a NUL behind it, sorted; made on first use.
    entries: Vec<u8>,
    n_entries: u32,
    /// All that the macro asked for.
    #[cfg(not(proc_macro))]
    pub asked: Vec<String>,
}

impl Environ {
    pub fn new(grants: &'static [&'static str]) -> Environ {
        Environ {
            grants: grants,
            entries: Vec::new(),
            n_entries: 0,
            #[cfg(not(proc_macro))]
            asked: Vec::new(),
        }
    }

    /// The macro asks for a variable, or with an empty name for all of them.
    pub fn asked(&mut self, name: &str, refused: &mut Vec<Refused>) {
        #[cfg(not(proc_macro))]
        self.note(name);
        if is_granted(self.grants, name.as_bytes()) {
            return;
        }
        if name.is_empty() {
            add(refused, 0, "*", "*");
        } else if !is_granted(&BACKTRACE, name.as_bytes()) {
            if let Some(_) = env::var_os(name) {
                add(refused, 0, name, name);
            }
        }
    }

    #[cfg(not(proc_macro))]
    fn note(&mut self, name: &str) {
        if !name.is_empty()
            && self.asked.len() < N_NAMES_MAX
            && !self.asked.iter().any(|known| known == name)
        {
            self.asked.push(owned(name));
        }
    }

    /// The first call gives the table's length, the second writes it: strings behind one another, each with its
    /// address in the table.
    pub fn call(&mut self, call: u32, a: &Args, memory: &mut Memory) -> Result<u64, Fault> {
        if self.n_entries == 0 {
            self.read();
        }
        let (table, at) = (a.word(0), a.word(1));
        if call != calls::ENVIRON_GET as u32 {
            tri!(memory.write_u32(table, self.n_entries));
            tri!(memory.write_u32(at, self.entries.len() as u32));
            return Ok(0);
        }
        tri!(memory.write(at, &self.entries));
        let (mut i, mut n) = (0, 0);
        while n < self.n_entries {
            tri!(memory.write_u32(table.wrapping_add(n * 4), at.wrapping_add(i as u32)));
            i = self.end(i) + 1;
            n += 1;
        }
        Ok(0)
    }

    /// Where the entry ends that begins there.
    fn end(&self, start: usize) -> usize {
        let mut end = start;
        while self.entries[end] != 0 {
            end += 1;
        }
        end
    }

    fn read(&mut self) {
        // What drops those that are left would be compiled as well, and there are none.
        let mut all = ManuallyDrop::new(env::vars_os());
        while let Some((name, value)) = all.next() {
            let mut entry = bytes(&name);
            if is_granted(self.grants, &entry) {
                entry.push(b'=');
                entry.extend_from_slice(&bytes(&value));
                // Not `sort`: every consumer would compile it.
                let mut at = 0;
                while at < self.entries.len() {
                    let end = self.end(at);
                    if entry[..] < self.entries[at..end] {
                        break;
                    }
                    at = end + 1;
                }
                entry.push(0);
                entry.extend_from_slice(&self.entries[at..self.entries.len()]);
                // SAFETY: so many are there.
                unsafe { self.entries.set_len(at) };
                self.entries.extend_from_slice(&entry);
                self.n_entries += 1;
            }
        }
    }
}

fn is_granted(names: &[&str], name: &[u8]) -> bool {
    let mut i = 0;
    while i < names.len() {
        let bytes = names[i].as_bytes();
        let mut n = bytes.len();
        if n > 0 && bytes[n - 1] == b'*' && n <= name.len() + 1 {
            n -= 1;
            if same(&name[..n], &bytes[..n]) {
                return true;
            }
        } else if same(name, bytes) {
            return true;
        }
        i += 1;
    }
    false
}
