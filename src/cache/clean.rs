//! Keeps the store below its size: the entries that were used least lately go first.

use crate::base::error::{Class, Error, Result};
use crate::cache::entries::{Cache, Entry};
use crate::cache::{kinds, Store};
use std::time::{Duration, SystemTime};

/// Sets the size that the store may have: bytes, or a number with `K`, `M` or `G`.
pub const LIMIT_VARIABLE: &str = "PRECAST_CACHE_LIMIT";

const LIMIT: u64 = 10 << 30;

/// A temporary directory of this age belongs to nobody any more.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    pub n_removed: usize,
    pub bytes_removed: u64,
    pub bytes_left: u64,
}

impl Store {
    /// Of everything that is kept.
    pub fn bytes(&self) -> u64 {
        let kinds = kinds::ALL.iter().flat_map(|kind| self.cache().entries(kind));
        kinds.map(|entry| entry.bytes).sum()
    }

    /// Removes what was used least lately until the rest takes at most `bytes_max`.
    pub fn clean(&self, bytes_max: u64) -> Result<Cleaned> {
        let cache = self.cache();
        let mut cleaned = Cleaned::default();
        let mut entries: Vec<Entry> =
            kinds::ALL.iter().flat_map(|kind| cache.entries(kind)).collect();
        let is_abandoned = |entry: &Entry| {
            let age = SystemTime::now().duration_since(entry.used).unwrap_or_default();
            entry.is_scratch() && age > ABANDONED
        };
        for entry in entries.iter().filter(|entry| is_abandoned(entry)) {
            cache.remove(&entry.kind, &entry.key)?;
            cleaned.n_removed += 1;
            cleaned.bytes_removed += entry.bytes;
        }
        entries.retain(|entry| !entry.is_scratch());
        entries.sort_by(|a, b| (a.used, &a.key).cmp(&(b.used, &b.key)));
        cleaned.bytes_left = entries.iter().map(|entry| entry.bytes).sum();
        let mut is_building = false;
        for entry in &entries {
            if cleaned.bytes_left <= bytes_max {
                break;
            }
            if remove_unused(cache, entry, &mut is_building)? {
                cleaned.n_removed += 1;
                cleaned.bytes_removed += entry.bytes;
                cleaned.bytes_left -= entry.bytes;
            }
        }
        Ok(cleaned)
    }
}

/// Removes the entry unless somebody works on or with it. Whoever is seen building keeps all that
/// builds read: asking again for each entry would take longer than the build.
fn remove_unused(cache: &Cache, entry: &Entry, is_building: &mut bool) -> Result<bool> {
    let Some(_lock) = cache.try_lock(&entry.kind, &entry.key) else { return Ok(false) };
    let mut builds = Vec::new();
    if kinds::READ_BY_BUILDS.contains(&entry.kind.as_str()) {
        for build in cache.keys(kinds::BUILD) {
            let lock = if *is_building { None } else { cache.try_lock("build", &build) };
            *is_building = lock.is_none();
            let Some(lock) = lock else { return Ok(false) };
            builds.push(lock);
        }
    }
    cache.remove(&entry.kind, &entry.key)?;
    Ok(true)
}

/// The limit to use: the one given, or of the environment, or ours.
pub fn limit(given: Option<&str>) -> Result<u64> {
    let variable = std::env::var(LIMIT_VARIABLE).ok().filter(|text| !text.is_empty());
    match given.map(str::to_owned).or(variable) {
        None => Ok(LIMIT),
        Some(text) => bytes(&text).ok_or_else(|| {
            let error = Error::new(Class::Usage, format!("`{text}` is not a size"));
            error.help("write bytes, or a number with K, M or G: 500M")
        }),
    }
}

fn bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" | "B" => 0,
        "K" | "KB" => 10,
        "M" | "MB" => 20,
        "G" | "GB" => 30,
        _ => return None,
    };
    digits
        .parse::<u64>()
        .ok()?
        .checked_shl(shift)
        .filter(|bytes| bytes >> shift != 0 || digits == "0")
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes() {
        assert_eq!(bytes("0"), Some(0));
        assert_eq!(bytes("12"), Some(12));
        assert_eq!(bytes("2k"), Some(2048));
        assert_eq!(bytes("3G"), Some(3 << 30));
        assert_eq!(bytes("3T"), None);
        assert_eq!(bytes("G"), None);
    }
}
