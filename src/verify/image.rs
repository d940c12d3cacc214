//! Compares an embedded image with a fresh lowering of the module.
//!
//! What counts is what the runtime decodes: another version of the compressor gives other bytes of
//! the same image.

use crate::artifact::Artifact;
use crate::lower::{self, decode};
use crate::runtime::image::{head, VERSION};

/// The differences, and what is worth knowing beside them.
pub(super) fn compare(artifact: &Artifact) -> (Vec<String>, Vec<String>) {
    let raw = match lower::lower(&artifact.wasm) {
        Ok(raw) => raw,
        Err(error) => return (vec![format!("the module cannot be lowered: {error}")], Vec::new()),
    };
    if artifact.manifest.image != VERSION {
        let found = artifact.manifest.image;
        let note = format!(
            "image.bin has version {found}: it is not used, but made again in version {VERSION}"
        );
        return (Vec::new(), vec![note]);
    }
    let chunks = match decode(&artifact.image) {
        Ok(chunks) => chunks,
        Err(what) => return (vec![format!("image.bin does not decode: {what}")], Vec::new()),
    };
    let found = chunks.concat();
    if let Some(difference) = difference(&raw, &found) {
        return (
            vec![format!("image.bin differs from a fresh lowering, {difference}")],
            Vec::new(),
        );
    }
    let fresh = match lower::compress(&raw) {
        Ok(fresh) => fresh,
        Err(error) => {
            return (vec![format!("the image cannot be compressed: {error}")], Vec::new())
        }
    };
    let sizes = |chunks: &[Vec<u8>]| chunks.iter().map(Vec::len).collect::<Vec<_>>();
    if !decode(&fresh).is_ok_and(|fresh| sizes(&fresh) == sizes(&chunks)) {
        return (vec!["image.bin is cut into other chunks than a fresh one".into()], Vec::new());
    }
    let note = "equal when decoded; it was compressed by another version of zstd";
    let notes = if fresh == artifact.image { Vec::new() } else { vec![note.into()] };
    (Vec::new(), notes)
}

/// The first difference of two raw images, by the part of the image and the function it is in.
fn difference(fresh: &[u8], found: &[u8]) -> Option<String> {
    let equal = fresh.iter().zip(found).take_while(|(fresh, found)| fresh == found).count();
    if equal == fresh.len() && equal == found.len() {
        return None;
    }
    let word = |index: usize| {
        let bytes = fresh.get(index * 4..index * 4 + 4).map(|bytes| bytes.try_into());
        u32::from_le_bytes(bytes.and_then(|bytes| bytes.ok()).unwrap_or_default()) as usize
    };
    let data = word(head::HEAD_BYTES);
    let code = data + word(head::DATA_BYTES);
    Some(match equal {
        at if at < data => format!("first at byte {at} of its head"),
        at if at < code => format!("first at byte {} of its data", at - data),
        at => format!("first in instruction {} of its code", (at - code) / 8),
    })
}
