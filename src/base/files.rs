//! A tree of files in memory, and hashes of its content.

use super::error::{Context, Result};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;

/// Files by path; the separator is `/`.
pub type Tree = BTreeMap<String, Vec<u8>>;

/// In each package of a directory source: the checksum of the package, and those of its files.
pub const DIRECTORY_SOURCE: &str = ".cargo-checksum.json";

/// Lower-case hexadecimal SHA-256.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hex of the SHA-256 of the parts, each with its length.
pub fn hash_of<P: AsRef<[u8]>>(parts: &[P]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        let part = part.as_ref();
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hex(&hasher.finalize())
}

/// The same of files: their paths, and what is in them.
pub fn hash_of_files(files: &Tree) -> String {
    let parts = files.iter().flat_map(|(path, body)| [path.as_bytes(), body.as_slice()]);
    hash_of(&parts.collect::<Vec<_>>())
}

/// All files of a package's directory, without build products and hidden folders.
pub fn read(package: &Path) -> Result<Tree> {
    walk(package, |name, is_top| name.starts_with('.') || is_top && name == "target")
}

/// All files of a package that was published.
pub fn read_published(package: &Path) -> Result<Tree> {
    walk(package, |_, _| false)
}

/// Arguments that give the compiler a name with `/` for each source file of a folder.
pub fn remapped(folder: &Path, to: &str) -> Option<Vec<String>> {
    let files = read_published(folder).ok()?.into_keys().filter(|path| path.ends_with(".rs"));
    let argument = |path: String| {
        let inside: std::path::PathBuf = path.split('/').collect();
        format!("--remap-path-prefix={}={to}/{path}", folder.join(inside).display())
    };
    Some(files.map(argument).collect())
}

/// All files but those in the folders that `is_left` names, which also gets whether it is at the top level.
fn walk(package: &Path, is_left: impl Fn(&str, bool) -> bool) -> Result<Tree> {
    let mut files = Tree::new();
    let mut folders = vec![package.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).at("read", &folder)? {
            let path = entry.at("read", &folder)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                if !is_left(&name, folder == package) {
                    folders.push(path);
                }
            } else if path.is_file() {
                files.insert(relative(package, &path), std::fs::read(&path).at("read", &path)?);
            }
        }
    }
    Ok(files)
}

fn relative(base: &Path, path: &Path) -> String {
    let inside = path.strip_prefix(base).expect("the walk stays inside its base");
    let parts: Vec<_> =
        inside.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    parts.join("/")
}

pub fn put(path: &Path, body: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).at("create", folder)?;
    }
    std::fs::write(path, body).at("write", path)
}

/// Two lower-case digits a byte.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
