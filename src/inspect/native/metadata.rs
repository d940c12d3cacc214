//! The beginning of rustc's metadata: `rust`, three zeros, a version; the root's position; the
//! compiler's text; at the root the crate's header.

pub(in crate::inspect) const MAGIC: &[u8] = b"rust\0\0\0";

/// Ends every text.
const SENTINEL: u8 = 0xc1;

pub(in crate::inspect) struct Header {
    pub rustc: String,
    pub triple: Option<String>,
    pub name: Option<String>,
    pub is_macro_crate: Option<bool>,
}

pub(in crate::inspect) fn read(bytes: &[u8]) -> Option<Header> {
    let after = bytes.strip_prefix(MAGIC)?.get(1..)?;
    let root = u64::from_le_bytes(after.get(..8)?.try_into().ok()?) as usize;
    let rustc = text(after.get(8..)?)?.0.to_owned();
    if !rustc.starts_with("rustc ") {
        return None;
    }
    let found = bytes.get(root..).and_then(|root| header(root, bytes));
    let (triple, name, is_macro_crate) = match found {
        Some((triple, name, is_macro)) => (Some(triple), name, Some(is_macro)),
        None => (None, None, None),
    };
    Some(Header { rustc, triple, name, is_macro_crate })
}

/// Triple, a hash of sixteen bytes, name, whether it is a macro crate.
fn header(root: &[u8], all: &[u8]) -> Option<(String, Option<String>, bool)> {
    // The triple of a known target, not a file.
    let (triple, rest) = text(root.strip_prefix(&[0])?)?;
    let (tag, rest) = rest.get(16..)?.split_first()?;
    let (name, rest) = match tag {
        0 => text(rest).map(|(name, rest)| (Some(name), rest))?,
        // Written out elsewhere.
        1 => number(rest).map(|(at, rest)| (all.get(at..).and_then(text).map(|t| t.0), rest))?,
        // One of the names that the compiler itself has a list of.
        2 => number(rest).map(|(_, rest)| (None, rest))?,
        _ => return None,
    };
    let is_name = |text: &str| text.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c));
    let flag = *rest.first().filter(|flag| **flag < 2)?;
    let fits = triple.contains('-') && is_name(triple) && name.is_none_or(is_name);
    fits.then(|| (triple.to_owned(), name.map(str::to_owned), flag == 1))
}

/// A number in groups of seven bits, the lowest first, and what follows.
fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let len = bytes.iter().take(4).position(|byte| *byte < 0x80)? + 1;
    let bits = |(at, byte): (usize, &u8)| usize::from(byte & 0x7f) << (7 * at);
    Some((bytes[..len].iter().enumerate().map(bits).sum(), &bytes[len..]))
}

/// A text with its length before it, and what follows.
fn text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (len, bytes) = number(bytes)?;
    let found = std::str::from_utf8(bytes.get(..len)?).ok()?;
    let rest = &bytes[len..];
    Some((found, rest.strip_prefix(&[SENTINEL]).unwrap_or(rest)))
}
