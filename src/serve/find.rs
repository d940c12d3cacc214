//! From a compiled macro library to the artifact that its shim was made of.
//!
//! The library is read, never loaded. Beside it lie what cargo's wrapper has noted (`project::lazy`) or the
//! compiler's list of files; either leads to the shim. Whether that is the right one, the library itself says:
//! it has the module's image in it.

use crate::artifact::manifest::Capabilities;
use crate::artifact::Artifact;
use crate::base::error::{Class, Context, Error, Result};
use crate::cache::{kinds, Store};
use crate::embed::input;
use crate::project::lazy::record;
use std::path::{Path, PathBuf};

/// Where a shim has the images of its feature sets.
const IMAGE: &str = "precast/image.bin";
const SETS: &str = "precast/sets/";

/// The macros behind a path.
pub struct Found {
    /// Of one feature set.
    pub artifact: Artifact,
    /// What the workspace grants them besides.
    pub granted: Capabilities,
    /// The directory of the package's own files.
    pub own: PathBuf,
}

/// A shim that may be the library's.
struct Shim {
    folder: PathBuf,
    /// The directory of the package whose place it takes.
    package: PathBuf,
}

/// A library, or what `cargo precast expand` takes.
pub fn find(path: &Path) -> Result<Found> {
    let is_library = path.extension().is_some_and(|end| end == std::env::consts::DLL_EXTENSION);
    match is_library && path.is_file() {
        true => of_library(path),
        false => {
            let (artifact, granted) = input::granted(path)?;
            Ok(Found { artifact, granted, own: path.to_owned() })
        }
    }
}

fn of_library(path: &Path) -> Result<Found> {
    let bytes = std::fs::read(path).at("read", path)?;
    for shim in [noted(path), listed(path)].into_iter().flatten() {
        let Ok((artifact, granted)) = input::granted(&shim.folder) else { continue };
        let set = artifact.each_set().find(|set| contains(&bytes, &set.image));
        if let Some(artifact) = set {
            return Ok(Found { artifact, granted, own: shim.package });
        }
    }
    Err(unknown(path))
}

fn unknown(path: &Path) -> Error {
    let package = record::of(path).map(|record| record.package);
    let name = match &package {
        Some(package) => format!("{} {}", package.name, package.version),
        None => path.display().to_string(),
    };
    let message = format!("{name} is not precompiled, and no native macro code is run here");
    Error::new(Class::Usage, message).help(
        "`cargo precast on` in its workspace precompiles what can be; `cargo precast status` shows what is \
         still to be packed",
    )
}

/// What the wrapper has noted: a shim in the store.
fn noted(path: &Path) -> Option<Shim> {
    let record = record::of(path)?;
    let folder = Store::open(None).ok()?.cache().path(kinds::SHIM, &record.shim?);
    Some(Shim { folder, package: record.package.directory })
}

/// What the compiler has listed: the files of a shim that is a package in the graph.
fn listed(path: &Path) -> Option<Shim> {
    let stem = path.file_stem()?.to_str()?;
    let stem = stem.strip_prefix(std::env::consts::DLL_PREFIX)?;
    let text = std::fs::read_to_string(path.with_file_name(format!("{stem}.d"))).ok()?;
    // Cargo runs the compiler for a member of the workspace in its root.
    let root = record::target_of(path)?.parent()?.to_owned();
    let image = words(&text).into_iter().find(|file| {
        let file = file.replace('\\', "/");
        file.ends_with(IMAGE) || file.contains(SETS) && file.ends_with("/image.bin")
    })?;
    let image = root.join(image);
    let folder = image.ancestors().find(|folder| folder.join(input::MANIFEST).is_file())?;
    Some(Shim { folder: folder.to_owned(), package: folder.to_owned() })
}

/// The files in a list of the compiler's; a blank in a name has a backslash before it.
fn words(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let files = lines.filter_map(|line| line.split_once(": ")).flat_map(|(_, files)| {
        let mut files: Vec<String> = files.split(' ').map(str::to_owned).collect();
        let mut at = 0;
        while at + 1 < files.len() {
            match files[at].ends_with('\\') {
                true => {
                    files[at].pop();
                    let next = files.remove(at + 1);
                    files[at] += &format!(" {next}");
                }
                false => at += 1,
            }
        }
        files
    });
    files.collect()
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    !part.is_empty() && bytes.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_in_names() {
        let text = "/t/a.d: src/lib.rs /my\\ own\\ files/precast/image.bin\n\nsrc/lib.rs:\n# env-dep:A=b: c\n";
        assert_eq!(words(text), ["src/lib.rs", "/my own files/precast/image.bin"]);
    }
}
