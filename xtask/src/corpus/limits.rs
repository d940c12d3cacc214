//! How near the corpus comes to the runtime's limits: with a part of each it must still pass.

use super::Shims;
use crate::run::{read, write, Result};

const DEFAULT: &str = "precast::Limits::DEFAULT";
const FIELDS: [&str; 5] = ["memory_bytes_max", "fuel", "depth_max", "tokens_max", "files_max"];

/// Rewrites the packed shims: each limit is divided.
pub fn divide(shims: &Shims, by: &str) -> Result {
    let by: u32 = by.parse().ok().filter(|by| *by > 0).ok_or("--limits takes a number")?;
    let fields = FIELDS.map(|field| format!("{field}: {DEFAULT}.{field} / {by}"));
    let lowered = format!("precast::Limits {{ {} }}", fields.join(", "));
    for shim in shims.values().filter_map(|shim| shim.as_ref().ok()) {
        let file = shim.join("src/lib.rs");
        let text = read(&file)?;
        if !text.contains(DEFAULT) {
            return Err(format!("{} has limits of its own", file.display()));
        }
        write(&file, &text.replace(DEFAULT, &lowered))?;
    }
    Ok(())
}
