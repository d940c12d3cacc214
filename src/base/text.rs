//! Small helpers for texts that people read.

/// `1 package`, `2 packages`.
pub fn counted(n: usize, noun: &str) -> String {
    let ending = if n == 1 { "" } else { "s" };
    format!("{n} {noun}{ending}")
}
