//! Gives compilers a folder in which shims remember expansions.

use super::invocation::Invocation;
use crate::cache::expansions::{folder, profile, VARIABLE};

/// For the compiler that this process becomes, or starts. If there is none, every macro runs.
pub fn open(invocation: &Invocation) {
    if invocation.externs.is_empty() {
        return;
    }
    let out = &invocation.out;
    if let Some(folder) = folder(profile(out).unwrap_or(out), &invocation.crate_name) {
        std::env::set_var(VARIABLE, folder);
    }
}
