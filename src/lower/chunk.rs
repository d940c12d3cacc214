//! Compresses the raw image to its embedded form: chunks that are decoded when they are needed.

use crate::base::error::{Class, Context, Error, Result};
use crate::runtime::image::{
    head, CHUNK_BYTES, CHUNK_WORDS, CONST_WORDS, EMBEDDED_WORDS, FUNC_WORDS, GLOBAL_WORDS,
    HEAD_BYTES_MAX, MAGIC, MAGIC_EMBEDDED, VERSION,
};
use crate::runtime::kernel::{checksum, inflate};

/// The highest level of zstd that needs no long-range options.
const LEVEL: i32 = 19;

/// No chunk may be larger; the head is the largest that the runtime takes.
const CHUNK_BYTES_MAX: usize = HEAD_BYTES_MAX as usize * 4;

fn word(image: &[u8], index: usize) -> Option<usize> {
    let bytes = image.get(index * 4..index * 4 + 4)?;
    Some(u32::from_le_bytes(bytes.try_into().expect("four bytes")) as usize)
}

/// The raw image's ends of chunks: head, data, then code cut at functions.
fn cuts(image: &[u8]) -> Option<Vec<usize>> {
    if word(image, head::MAGIC)? != MAGIC as usize
        || word(image, head::VERSION)? != VERSION as usize
    {
        return None;
    }
    let code = word(image, head::HEAD_BYTES)? + word(image, head::DATA_BYTES)?;
    let mut cuts = vec![word(image, head::HEAD_BYTES)?, code];
    let mut from = code;
    let values =
        word(image, head::CONSTS)? * CONST_WORDS + word(image, head::GLOBALS)? * GLOBAL_WORDS;
    for func in 0..word(image, head::FUNCS)? {
        let at = code + word(image, head::WORDS + values + func * FUNC_WORDS)? * 8;
        if at >= from + CHUNK_BYTES as usize {
            cuts.push(at);
            from = at;
        }
    }
    if image.len() > from {
        cuts.push(image.len());
    }
    let whole = image.len() == code + word(image, head::CODE_INSNS)? * 8;
    (whole && cuts.is_sorted() && cuts.last() == Some(&image.len())).then_some(cuts)
}

/// One zstd frame, as `inflate` reads them: no checksum, no dictionary.
fn frame(raw: &[u8]) -> Result<Vec<u8>> {
    zstd::bulk::compress(raw, LEVEL).context("cannot compress the image")
}

/// Raw image to its embedded form; a pure function.
pub fn compress(image: &[u8]) -> Result<Vec<u8>> {
    contain(image, frame)
}

/// The embedded form with every chunk as it is: for a module that is run here and now.
pub fn store(image: &[u8]) -> Result<Vec<u8>> {
    contain(image, |raw| Ok(raw.to_vec()))
}

fn contain(image: &[u8], pack: fn(&[u8]) -> Result<Vec<u8>>) -> Result<Vec<u8>> {
    let cuts = cuts(image).ok_or_else(|| Error::new(Class::Verify, "this is not a raw image"))?;
    let mut directory = Vec::new();
    let mut packed = Vec::new();
    let mut from = 0;
    for to in cuts.iter().copied() {
        let raw = &image[from..to];
        from = to;
        let chunk = pack(raw)?;
        // A chunk that does not shrink is stored.
        let (method, bytes) = if chunk.len() < raw.len() { (1, &chunk[..]) } else { (0, raw) };
        directory.extend([raw.len() as u32, bytes.len() as u32, method, checksum(bytes)]);
        packed.extend_from_slice(bytes);
    }
    let directory: Vec<u8> = directory.iter().flat_map(|word: &u32| word.to_le_bytes()).collect();
    let len = EMBEDDED_WORDS * 4 + directory.len() + packed.len();
    let header = [MAGIC_EMBEDDED, VERSION, len as u32, cuts.len() as u32, checksum(&directory), 0];
    let mut out: Vec<u8> = header.iter().flat_map(|word| word.to_le_bytes()).collect();
    out.extend(directory);
    out.extend(packed);
    Ok(out)
}

/// The raw bytes of every chunk. Stricter than the runtime: each byte of the container is used.
pub fn decode(embedded: &[u8]) -> std::result::Result<Vec<Vec<u8>>, String> {
    let word = |index: usize| -> std::result::Result<usize, String> {
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
        || word(4)? != checksum(&embedded[EMBEDDED_WORDS * 4..at]) as usize
    {
        return Err("its header is not that of an image".into());
    }
    let mut chunks = Vec::new();
    for chunk in 0..n_chunks {
        let record = EMBEDDED_WORDS + chunk * CHUNK_WORDS;
        let (raw, method) = (word(record)?, word(record + 2)?);
        let packed = embedded.get(at..at + word(record + 1)?).ok_or("a chunk is cut off")?;
        at += packed.len();
        if word(record + 3)? != checksum(packed) as usize {
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
