//! What a PATH of the command line names: an artifact's file, a shim's directory or its `.crate`.

use crate::artifact::manifest::Capabilities;
use crate::artifact::{self, check_path, Artifact, Tree};
use crate::base::error::{Class, Context, Error, Result};
use crate::embed;
use std::fs;
use std::io::Read;
use std::path::Path;

/// No file may be larger, and no `.crate` may unpack to more.
const BYTES_MAX: u64 = 512 << 20;

/// Where a shim has its manifest.
pub(crate) const MANIFEST: &str = "precast/manifest.json";

pub enum Input {
    Artifact(Box<Artifact>),
    /// All files of a shim, by path, but those in `target/` and `.git/`.
    Shim(Tree),
}

/// Reads the file or directory.
pub fn read(path: &Path) -> Result<Input> {
    if path.is_dir() {
        if !path.join(MANIFEST).is_file() {
            return Err(unknown(path));
        }
        let mut files = Tree::new();
        walk(path, "", &mut files)?;
        return Ok(Input::Shim(files));
    }
    let size =
        fs::metadata(path).class(Class::Usage, format!("cannot read {}", path.display()))?.len();
    if size > BYTES_MAX {
        return Err(unknown(path));
    }
    let bytes = fs::read(path).at("read", path)?;
    let context = |error: Error| {
        error
            .context(path.display().to_string())
            .help("the file is damaged or forged: get it again")
    };
    match bytes.starts_with(&[0x1f, 0x8b]) {
        true => Ok(Input::Shim(unpack(&bytes).map_err(context)?)),
        false => Ok(Input::Artifact(Box::new(artifact::read(&bytes).map_err(context)?))),
    }
}

/// The artifact, also of a shim.
pub fn artifact(path: &Path) -> Result<Artifact> {
    Ok(granted(path)?.0)
}

/// The same, with what the consumer has granted a shim beside its manifest.
pub fn granted(path: &Path) -> Result<(Artifact, Capabilities)> {
    match read(path)? {
        Input::Artifact(artifact) => Ok((*artifact, Capabilities::default())),
        Input::Shim(files) => {
            let context = |error: Error| error.context(path.display().to_string());
            let artifact = embed::extract(&files).map_err(context)?;
            Ok((artifact, embed::granted(&files).map_err(context)?))
        }
    }
}

fn walk(dir: &Path, prefix: &str, files: &mut Tree) -> Result<()> {
    for entry in fs::read_dir(dir).at("read", dir)? {
        let entry = entry.at("read", dir)?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type().at("read", &entry.path())?;
        if kind.is_dir() {
            if path != "target" && path != ".git" {
                walk(&entry.path(), &format!("{path}/"), files)?;
            }
        } else if entry.path().is_dir() {
            let message = format!("{} is a link to a directory", entry.path().display());
            return Err(Error::new(Class::Verify, message).help("a shim has none: write it again"));
        } else {
            files.insert(path, fs::read(entry.path()).at("read", &entry.path())?);
        }
    }
    Ok(())
}

/// The files of a `.crate`, without the directory that all of them are in.
fn unpack(bytes: &[u8]) -> Result<Tree> {
    let mut tar = Vec::new();
    let mut decoder = flate2::read::GzDecoder::new(bytes).take(BYTES_MAX + 1);
    decoder.read_to_end(&mut tar).class(Class::Verify, "not a .crate file")?;
    if tar.len() as u64 > BYTES_MAX {
        return Err(Error::new(Class::Verify, format!("unpacks to more than {BYTES_MAX} bytes")));
    }
    let mut files = Tree::new();
    for entry in tar::Archive::new(tar.as_slice()).entries().context("not a .crate file")? {
        let mut entry = entry.class(Class::Verify, "not a .crate file")?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        check_path(&path)?;
        let Some((_, inner)) = path.split_once('/') else { continue };
        let mut body = Vec::new();
        entry.read_to_end(&mut body).class(Class::Verify, format!("cannot unpack {path}"))?;
        if entry.header().entry_type() != tar::EntryType::Regular || files.contains_key(inner) {
            return Err(Error::new(
                Class::Verify,
                format!("{path} is there twice, or is no plain file"),
            ));
        }
        files.insert(inner.to_string(), body);
    }
    Ok(files)
}

pub(crate) fn unknown(path: &Path) -> Error {
    let message = format!("{} is neither an artifact nor a shim", path.display());
    let help = match path.join("Cargo.toml").is_file() {
        true => {
            "this is a package's source: `cargo precast pack DIR` makes both of a macro package"
        }
        false => "give a .precast file, or a directory with precast/manifest.json in it",
    };
    Error::new(Class::Usage, message).help(help)
}
