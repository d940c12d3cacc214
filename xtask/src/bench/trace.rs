//! Reads what rustc's `-Zself-profile` writes: how long activities of a name took in all.

use crate::run::Result;
use std::path::Path;

/// The file's version, which has 64-bit ids.
const VERSION: u64 = 9;
const HEADER_BYTES: usize = 8;
const EVENT_BYTES: usize = 32;
/// Id of the string at the beginning of the strings.
const FIRST_STRING: u64 = 100_000_003;
const EVENTS: u8 = 0;
const STRINGS: u8 = 1;

pub struct Trace {
    events: Vec<u8>,
    strings: Vec<u8>,
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")).into()
}

impl Trace {
    /// Reads the one trace in `folder`.
    pub fn read(folder: &Path) -> Result<Trace> {
        let entries = std::fs::read_dir(folder)
            .map_err(|e| format!("cannot read {}: {e}", folder.display()))?;
        let is_trace =
            |path: &std::path::PathBuf| path.extension().is_some_and(|e| e == "mm_profdata");
        let path = entries
            .flatten()
            .map(|entry| entry.path())
            .find(is_trace)
            .ok_or("rustc wrote no profile")?;
        let bytes =
            std::fs::read(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
        let known = bytes.len() >= HEADER_BYTES && &bytes[..4] == b"MMPD";
        if !known || word(&bytes, 4) != VERSION {
            return Err("this rustc writes profiles in another format".into());
        }
        let mut trace = Trace { events: Vec::new(), strings: Vec::new() };
        let mut at = HEADER_BYTES;
        while at + 5 <= bytes.len() {
            let (tag, len) = (bytes[at], word(&bytes, at + 1) as usize);
            let page = bytes.get(at + 5..at + 5 + len).ok_or("the profile is cut off")?;
            match tag {
                EVENTS => trace.events.extend_from_slice(page),
                STRINGS => trace.strings.extend_from_slice(page),
                _ => {}
            }
            at += 5 + len;
        }
        Ok(trace)
    }

    /// Seconds in activities called `name`, and their number.
    pub fn activity(&self, name: &str) -> (f64, usize) {
        let text = [name.as_bytes(), &[0xff]].concat();
        let found = self.strings.windows(text.len()).position(|window| window == text);
        let Some(place) = found else { return (0.0, 0) };
        let id = FIRST_STRING + place as u64;
        let events = self.events.get(HEADER_BYTES..).unwrap_or_default().chunks_exact(EVENT_BYTES);
        let times =
            events.filter(|event| word(event, 8) | word(event, 12) << 32 == id).map(|event| {
                let upper = word(event, 28);
                let start = word(event, 20) | (upper & 0xffff_0000) << 16;
                let end = word(event, 24) | (upper & 0xffff) << 32;
                (end - start) as f64 / 1e9
            });
        times.fold((0.0, 0), |(sum, n), time| (sum + time, n + 1))
    }
}
