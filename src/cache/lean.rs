//! An artifact in two parts: what a build needs of it, and the rest, which is fetched when somebody asks.
//!
//! The lean part has the manifest, the modules with their images, and those of the sources that a shim's own
//! files name; the rest has the lock file, all sources and the licences. Both are zstd frames of `tar` archives. The
//! manifest's hashes say of either whether it is whole; what of the sources is in the lean part is known by the
//! hash of that archive alone, which whoever shares it signs.

use crate::artifact::manifest;
use crate::artifact::{self, tree, Artifact, Tree};
use crate::base::error::{Class, Context, Error, Result};
use crate::base::files::sha256;
use crate::embed;

const BYTES_MAX: u64 = 256 << 20;

const MANIFEST: &str = "manifest.json";
const MODULE: &str = "module.wasm";
const IMAGE: &str = "image.bin";
const LOCKFILE: &str = "Cargo.lock";
const SETS: &str = "sets/";
const SOURCE: &str = "source/";
const LICENSES: &str = "licenses/";

/// The lean part of an artifact.
pub(crate) struct Lean {
    /// Its frame.
    pub(crate) bytes: Vec<u8>,
    /// Without all that is in the rest.
    pub(crate) artifact: Artifact,
    pub(crate) digests: Digests,
}

/// SHA-256 of what decides on the lean part: its archive, whatever has compressed it, and the manifest's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Digests {
    pub(crate) manifest: String,
    pub(crate) archive: String,
}

/// Takes an artifact apart.
pub(crate) fn split(artifact: &Artifact) -> Result<(Vec<u8>, Vec<u8>)> {
    let mut lean = Tree::from([
        (MANIFEST.into(), manifest::write(&artifact.manifest)),
        (MODULE.into(), artifact.wasm.clone()),
        (IMAGE.into(), artifact.image.clone()),
    ]);
    lean.extend(below(SETS, artifact.sets_tree()));
    lean.extend(below(SOURCE, embed::named(artifact)?));
    let mut rest = Tree::from([(LOCKFILE.into(), artifact.lockfile.clone())]);
    rest.extend(below(SOURCE, artifact.source.clone()));
    rest.extend(below(LICENSES, artifact.licenses.clone()));
    let pack = |tree: &Tree| tree::compress(&tree::write(tree)?);
    Ok((pack(&lean)?, pack(&rest)?))
}

impl Lean {
    /// Reads a lean part, and checks what the manifest says of it.
    pub(crate) fn read(bytes: Vec<u8>) -> Result<Lean> {
        let archive = tree::decompress(&bytes, BYTES_MAX)?;
        let mut tree = tree::read(&archive)?;
        let text = take(&mut tree, MANIFEST)?;
        let manifest = manifest::read(&text).context(MANIFEST)?;
        let (wasm, image) = (take(&mut tree, MODULE)?, take(&mut tree, IMAGE)?);
        let sets = artifact::read_sets(&above(SETS, &tree))?;
        let source = above(SOURCE, &tree);
        if sets.len() != manifest.sets.len() || tree.len() != 2 * sets.len() + source.len() {
            return Err(odd("its files are not those of the manifest"));
        }
        let artifact = Artifact {
            manifest,
            wasm,
            image,
            lockfile: Vec::new(),
            source,
            licenses: Tree::new(),
            sets,
        };
        let digests = Digests { manifest: sha256(&text), archive: sha256(&archive) };
        let lean = Lean { bytes, artifact, digests };
        let damaged = lean.artifact.damaged()?;
        let ours = [MODULE, IMAGE, artifact::SETS_HASH];
        match damaged.into_iter().find(|part| ours.contains(&part.as_str())) {
            Some(part) => {
                Err(odd(&format!("{part} does not have the SHA-256 that its manifest records")))
            }
            None => Ok(lean),
        }
    }

    /// The whole artifact again, every part of it checked.
    pub(crate) fn with_rest(self, rest: &[u8]) -> Result<Artifact> {
        let mut tree = tree::read(&tree::decompress(rest, BYTES_MAX)?)?;
        let lockfile = take(&mut tree, LOCKFILE)?;
        let (source, licenses) = (above(SOURCE, &tree), above(LICENSES, &tree));
        let artifact = Artifact { lockfile, source, licenses, ..self.artifact };
        match artifact.damaged()?.first() {
            Some(part) => {
                Err(odd(&format!("{part} does not have the SHA-256 that its manifest records")))
            }
            None => Ok(artifact),
        }
    }
}

fn below(prefix: &'static str, tree: Tree) -> impl Iterator<Item = (String, Vec<u8>)> {
    tree.into_iter().map(move |(path, body)| (format!("{prefix}{path}"), body))
}

fn above(prefix: &str, tree: &Tree) -> Tree {
    let inside = |(path, body): (&String, &Vec<u8>)| {
        Some((path.strip_prefix(prefix)?.to_owned(), body.clone()))
    };
    tree.iter().filter_map(inside).collect()
}

fn take(tree: &mut Tree, name: &str) -> Result<Vec<u8>> {
    tree.remove(name).ok_or_else(|| odd(&format!("it has no {name}")))
}

fn odd(what: &str) -> Error {
    Error::new(Class::Verify, format!("not a part of an artifact: {what}"))
}
