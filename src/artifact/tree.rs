//! A tree of files as one deterministic `tar` archive, and its compression.
//!
//! Only plain files with relative paths exist here: no directory, link, owner, mode or time.

use crate::base::error::{Class, Context, Error, Result};
use crate::base::files::Tree;
use proc_macro2::{TokenStream, TokenTree};
use std::io::Read;

const ZSTD_LEVEL: i32 = 19;

pub(crate) fn write(tree: &Tree) -> Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, body) in tree {
        check_path(path)?;
        let mut header = tar::Header::new_gnu();
        header.set_size(body.len() as u64);
        header.set_mode(0o644);
        builder
            .append_data(&mut header, path, body.as_slice())
            .context(format!("cannot archive {path}"))?;
    }
    builder.into_inner().context("cannot finish the tar archive")
}

/// Reads what [`write`] makes and nothing else.
pub(crate) fn read(bytes: &[u8]) -> Result<Tree> {
    let mut tree = Tree::new();
    let mut archive = tar::Archive::new(bytes);
    for entry in archive.entries().class(Class::Verify, "not a tar archive")? {
        let mut entry = entry.class(Class::Verify, "damaged tar archive")?;
        let offset = entry.raw_header_position();
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        check_path(&path).context(format!("tar byte {offset}"))?;
        if entry.header().entry_type() != tar::EntryType::Regular {
            let message = format!("tar byte {offset}: {path} is not a plain file");
            return Err(Error::new(Class::Verify, message));
        }
        let mut body = Vec::new();
        entry
            .read_to_end(&mut body)
            .class(Class::Verify, format!("damaged tar archive at {path}"))?;
        if tree.insert(path.clone(), body).is_some() {
            return Err(Error::new(
                Class::Verify,
                format!("tar byte {offset}: {path} is there twice"),
            ));
        }
    }
    if write(&tree)? != bytes {
        return Err(Error::new(Class::Verify, "the tar archive is not in its canonical encoding"));
    }
    Ok(tree)
}

/// Refuses every path that could leave its directory on some system.
pub fn check_path(path: &str) -> Result<()> {
    let bad = |part: &str| matches!(part, "" | "." | "..");
    let odd =
        |c: char| c.is_control() || matches!(c, '\\' | ':' | '<' | '>' | '"' | '|' | '?' | '*');
    if path.split('/').any(bad) || path.contains(odd) || path.contains('\u{fffd}') {
        let message = format!("`{}` is not a plain relative path", path.escape_debug());
        return Err(Error::new(Class::Verify, message));
    }
    Ok(())
}

pub(crate) fn compress(bytes: &[u8]) -> Result<Vec<u8>> {
    compress_at(ZSTD_LEVEL, bytes)
}

pub(crate) fn compress_at(level: i32, bytes: &[u8]) -> Result<Vec<u8>> {
    zstd::bulk::compress(bytes, level).context("zstd cannot compress")
}

/// Decompresses one zstd frame of at most `bytes_max`.
pub(crate) fn decompress(bytes: &[u8], bytes_max: u64) -> Result<Vec<u8>> {
    let decoder = zstd::Decoder::with_buffer(bytes).class(Class::Verify, "not a zstd frame")?;
    let mut out = Vec::new();
    let mut limited = decoder.single_frame().take(bytes_max + 1);
    limited.read_to_end(&mut out).class(Class::Verify, "damaged zstd frame")?;
    if out.len() as u64 > bytes_max {
        return Err(Error::new(Class::Verify, format!("unpacks to more than {bytes_max} bytes")));
    }
    let rest = limited.into_inner().finish();
    if !rest.is_empty() {
        return Err(Error::new(
            Class::Verify,
            format!("{} bytes after the zstd frame", rest.len()),
        ));
    }
    Ok(out)
}

/// Whether code of the crate includes what is in the directory that only a build script has. What
/// stands there for some `cfg` only is documentation: attributes include no code.
pub(crate) fn includes_out_dir(files: &Tree) -> bool {
    let code = files.iter().filter(|(path, _)| path.ends_with(".rs") && path.starts_with("src/"));
    code.filter_map(|(_, text)| std::str::from_utf8(text).ok())
        .filter(|text| text.contains("env!(\"OUT_DIR\")"))
        .any(|text| text.parse().map_or(true, names_out_dir))
}

/// `env!("OUT_DIR")`, outside of `#[cfg_attr(…)]`.
fn names_out_dir(tokens: TokenStream) -> bool {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let word = |at: Option<usize>| at.map_or(String::new(), |at| tokens[at].to_string());
    tokens.iter().enumerate().any(|(at, token)| {
        let TokenTree::Group(group) = token else { return false };
        let inside = group.stream();
        let first = inside.clone().into_iter().next().map_or(String::new(), |t| t.to_string());
        let (before, bang) = (word(at.checked_sub(2)), word(at.checked_sub(1)));
        if first == "\"OUT_DIR\"" {
            return bang == "!" && before.ends_with("env");
        }
        first != "cfg_attr" && names_out_dir(inside)
    })
}
