//! Only with `--cfg precast_track`: the consumer is compiled again when a file that a macro has read
//! changes.
//!
//! A stable compiler knows of no such file, native or not. It does know those that `include_bytes!`
//! names, so an unnamed constant of one is put behind the item. It shows in the expansion, which is
//! then no longer that of the original; hence the cfg.

use std::path::PathBuf;
use std::str::FromStr;

use super::api::TokenStream;
use super::{Failure, Output};

/// Where something else than items may stand, nothing can be added.
pub fn track(
    result: Result<Output, Failure>,
    is_item: bool,
    reads: &[PathBuf],
) -> Result<Output, Failure> {
    let mut output = result?;
    for path in reads {
        if let (true, true, Some(path)) = (is_item, path.is_file(), path.to_str()) {
            let text = format!("const _: &[u8] = include_bytes!({:?});", path);
            if let Ok(tokens) = TokenStream::from_str(&text) {
                output.stream.extend(Some(tokens));
            }
        }
    }
    Ok(output)
}
