//! Compares an embedded image with a fresh lowering of the module.
//!
//! What counts is what the runtime decodes: another version of the compressor gives other bytes of
//! the same image.

use crate::artifact::Artifact;
use crate::lower;
use crate::runtime::engine::Engine;
use crate::runtime::image::{
    head, CHUNK_WORDS, EMBEDDED_WORDS, HEAD_BYTES_MAX, MAGIC_EMBEDDED, VERSION,
};
use crate::runtime::inflate::inflate;

/// No chunk may be larger; the head is the largest that the runtime takes.
const CHUNK_BYTES_MAX: usize = HEAD_BYTES_MAX as usize * 4;

/// The differences, and what is worth knowing beside them.
pub(super) fn compare(artifact: &Artifact) -> (Vec<String>, Vec<String>) {
    let raw = match lower::lower(&artifact.wasm) {
        Ok(raw) => raw,
        Err(error) => return (vec![format!("the module cannot be lowered: {error}")], Vec::new()),
    };
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

/// The raw bytes of every chunk. Stricter than the runtime: each byte of the container is used.
fn decode(embedded: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let word = |index: usize| -> Result<usize, String> {
        let bytes = embedded.get(index * 4..index * 4 + 4).ok_or("it is cut off")?;
        Ok(u32::from_le_bytes(bytes.try_into().expect("four bytes")) as usize)
    };
    let n_chunks = word(3)?;
    let mut at = n_chunks
        .checked_mul(CHUNK_WORDS)
        .and_then(|words| (words + EMBEDDED_WORDS).checked_mul(4))
        .filter(|end| *end <= embedded.len())
        .ok_or("it is cut off")?;
    let head = [word(0)?, word(1)?, word(2)?, word(5)?];
    if head != [MAGIC_EMBEDDED as usize, VERSION as usize, embedded.len(), 0]
        || word(4)? != Engine::checksum(&embedded[EMBEDDED_WORDS * 4..at]) as usize
    {
        return Err("its header is not that of an image".into());
    }
    let mut chunks = Vec::new();
    for chunk in 0..n_chunks {
        let record = EMBEDDED_WORDS + chunk * CHUNK_WORDS;
        let (raw, method) = (word(record)?, word(record + 2)?);
        let packed = embedded.get(at..at + word(record + 1)?).ok_or("a chunk is cut off")?;
        at += packed.len();
        if word(record + 3)? != Engine::checksum(packed) as usize {
            return Err(format!("chunk {chunk} has a wrong checksum"));
        }
        let mut out = vec![0; Some(raw).filter(|raw| *raw <= CHUNK_BYTES_MAX).ok_or("too large")?];
        match method {
            0 if raw == packed.len() => out.copy_from_slice(packed),
            1 if inflate(packed, &mut out) => {}
            _ => return Err(format!("chunk {chunk} is not what its record says")),
        }
        chunks.push(out);
    }
    if at != embedded.len() {
        return Err("there are bytes after the last chunk".into());
    }
    Ok(chunks)
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
