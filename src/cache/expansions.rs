//! The folder in which shims remember expansions (docs/expansions.md), kept small. By themselves they remember
//! nothing.

use crate::base::files;
use std::collections::BTreeMap;
use std::fs::{DirEntry, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Names the folder; where it is set and empty, nothing is remembered.
pub const VARIABLE: &str = "PRECAST_EXPANSIONS";

/// Below the directory of a profile, beside cargo's `deps`.
const FOLDER: &str = "precast-expansions";

/// All files below the folder together, and one of them. What is above goes, the oldest first.
const ALL_BYTES_MAX: u64 = 512 << 20;
const FILE_BYTES_MAX: u64 = 64 << 20;
/// As often all of them are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(600);
/// In the folder: when that was done last.
const LAST: &str = "last";

/// In the folder of a crate: how long each file was after the compiler that began it, a line for each.
const LENGTHS: &str = "lengths";
/// A file holds what edits have made useless, and compilers read it whole. When it is twice as long as at first, and by
/// so much, it begins anew.
const GROWTH_MIN: u64 = 256 << 10;

/// That of one crate, for a compiler reads all that is remembered there. `profile` is the directory of cargo's
/// profile. None if it cannot be made, or the user has said where: then `VARIABLE` is not to be set.
pub fn folder(profile: &Path, crate_name: &str) -> Option<PathBuf> {
    if std::env::var_os(VARIABLE).is_some() {
        return None;
    }
    // Macros run in the compiler's directory, which need not be ours.
    let all = std::path::absolute(profile).ok()?.join(FOLDER);
    let own = all.join(crate_name);
    std::fs::create_dir_all(&own).ok()?;
    begin_anew(&own, GROWTH_MIN);
    let last = all.join(LAST);
    let looked_at = last.metadata().and_then(|metadata| metadata.modified());
    if !looked_at.is_ok_and(|time| time.elapsed().is_ok_and(|age| age < LOOK_EVERY)) {
        // Each compiler would look at the files of all crates.
        let _ = File::create(last);
        shorten(&all, ALL_BYTES_MAX, FILE_BYTES_MAX);
    }
    Some(own)
}

fn entries(folder: &Path) -> impl Iterator<Item = DirEntry> {
    std::fs::read_dir(folder).into_iter().flatten().flatten()
}

/// Removes the files of a crate that have grown too much since they were begun.
fn begin_anew(own: &Path, growth_min: u64) {
    let path = own.join(LENGTHS);
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let line = |line: &str| {
        let (bytes, name) = line.split_once(' ')?;
        Some((name.to_owned(), bytes.parse().ok()?))
    };
    let known: BTreeMap<String, u64> = text.lines().filter_map(line).collect();
    let mut first = BTreeMap::new();
    for entry in entries(own) {
        let (Ok(name), Ok(metadata)) = (entry.file_name().into_string(), entry.metadata()) else {
            continue;
        };
        if !metadata.is_file() || name == LENGTHS {
            continue;
        }
        let bytes = metadata.len();
        match known.get(&name) {
            // Who has it open goes on writing to what nobody will read.
            Some(first) if bytes > 2 * first && bytes > first + growth_min => {
                let _ = std::fs::remove_file(entry.path());
            }
            before => {
                first.insert(name, before.copied().unwrap_or(bytes));
            }
        }
    }
    if first != known {
        let lines: String = first.iter().map(|(name, bytes)| format!("{bytes} {name}\n")).collect();
        // If it cannot be written, they begin anew later.
        let _ = files::put(&path, lines.as_bytes());
    }
}

/// The directory of the profile that this one lies in, by cargo's names for those beside it.
pub fn profile(out: &Path) -> Option<&Path> {
    let known = ["deps", "examples", "build"];
    let is_known =
        |path: &&Path| path.file_name().is_some_and(|name| known.iter().any(|k| name == *k));
    out.ancestors().take(4).find(is_known).and_then(Path::parent)
}

/// Removes what was written longest ago.
fn shorten(folder: &Path, all_bytes_max: u64, file_bytes_max: u64) {
    let mut files: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
    for entry in entries(folder).flat_map(|own| entries(&own.path())) {
        let Ok(metadata) = entry.metadata() else { continue };
        if let (true, Ok(written)) = (metadata.is_file(), metadata.modified()) {
            files.push((written, metadata.len(), entry.path()));
        }
    }
    files.sort();
    let mut bytes: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
    for (_, own, path) in &files {
        if bytes > all_bytes_max || *own > file_bytes_max {
            // Who has it open goes on writing to what nobody will read.
            let _ = std::fs::remove_file(path);
            bytes -= own;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beside_the_rest_of_a_profile() {
        let check = |out: &str, expected: &str| {
            assert_eq!(profile(Path::new(out)), Some(Path::new(expected)))
        };
        check("/p/target/debug/deps", "/p/target/debug");
        check("/p/target/debug/examples", "/p/target/debug");
        check("/p/target/debug/build/a-0123", "/p/target/debug");
        check("/p/target/debug/build/a/0123/out", "/p/target/debug");
        assert_eq!(profile(Path::new("/elsewhere")), None);
    }

    #[test]
    fn what_has_doubled_begins_anew() {
        let own = tempfile::tempdir().unwrap();
        let file = own.path().join("file");
        let grow = |bytes: usize| {
            std::fs::write(&file, vec![0; bytes]).unwrap();
            begin_anew(own.path(), 100);
            file.exists()
        };
        // The first length counts, however long it took to get there.
        assert!(grow(90) && grow(180) && grow(189));
        assert!(!grow(191));
        assert!(grow(400) && grow(800) && !grow(801));
        // A line that is none is passed over, and one of a file that is gone is dropped.
        std::fs::write(own.path().join(LENGTHS), "x file\n7 gone\n").unwrap();
        assert!(grow(50));
        assert_eq!(std::fs::read_to_string(own.path().join(LENGTHS)).unwrap(), "50 file\n");
    }

    #[test]
    fn the_oldest_go_first() {
        let folder = tempfile::tempdir().unwrap();
        let start = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
        for (age, name, bytes) in
            [(3, "old", 10), (2, "large", 50), (1, "newer", 20), (0, "new", 20)]
        {
            let own = folder.path().join(["a", "b"][age as usize % 2]);
            std::fs::create_dir_all(&own).unwrap();
            let path = own.join(name);
            std::fs::write(&path, vec![0; bytes]).unwrap();
            let file = std::fs::File::options().append(true).open(path).unwrap();
            file.set_modified(start - std::time::Duration::from_secs(age)).unwrap();
        }
        let left = || {
            let entries = ["a", "b"].map(|own| std::fs::read_dir(folder.path().join(own)).unwrap());
            let entries = entries.into_iter().flatten();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        shorten(folder.path(), 100, 49);
        assert_eq!(left(), ["new", "newer", "old"]);
        shorten(folder.path(), 45, 49);
        assert_eq!(left(), ["new", "newer"]);
        shorten(folder.path(), 40, 49);
        assert_eq!(left(), ["new", "newer"]);
    }
}
