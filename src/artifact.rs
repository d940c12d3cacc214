//! The artifact: one `.precast` file, a deterministic `ar` archive (docs/artifact.md).
//!
//! Equal artifacts are equal bytes. Reading accepts exactly what writing makes: every other byte
//! string is an error that names the member and the offset. Nothing here touches the machine.

pub(crate) mod tree;

use crate::error::{Class, Context, Error, Result};
use crate::manifest::{self, Manifest, Source};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{Cursor, Read};

pub use tree::{check_path, Tree};

/// The members, in the order of the file. `digest` covers every byte before it.
const MEMBERS: [&str; 7] = [
    "manifest.json",
    "module.wasm",
    "image.bin",
    "Cargo.lock",
    "source.tar.zst",
    "licenses.tar.zst",
    "digest",
];

/// Bytes of the file's magic and of each member's header in an `ar` archive.
const MAGIC_BYTES: usize = 8;
const HEADER_BYTES: usize = 60;

/// No member may be larger, packed or unpacked: a module has megabytes at most.
const MEMBER_BYTES_MAX: u64 = 256 << 20;

/// Everything `embed` needs and `verify` checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    pub manifest: Manifest,
    /// The canonical wasm module.
    pub wasm: Vec<u8>,
    /// The module's image in embedded (compressed) form.
    pub image: Vec<u8>,
    /// The `Cargo.lock` which the module was built with.
    pub lockfile: Vec<u8>,
    /// The package's files as published, by path with `/`; `Cargo.toml` is the normalized one.
    pub source: Tree,
    /// Licence files of what was linked in, as `NAME-VERSION/FILE`.
    pub licenses: Tree,
}

impl Artifact {
    /// Puts an artifact together: fills in the manifest's hashes, and the checksum of a path source.
    pub fn new(
        mut manifest: Manifest,
        wasm: Vec<u8>,
        image: Vec<u8>,
        lockfile: Vec<u8>,
        source: Tree,
        licenses: Tree,
    ) -> Result<Self> {
        manifest.check()?;
        manifest.sha256.clear();
        let mut artifact = Artifact { manifest, wasm, image, lockfile, source, licenses };
        let hashes = artifact.hashes()?;
        if let Source::Path { checksum } = &mut artifact.manifest.package.source {
            checksum.clone_from(&hashes["source.tar"]);
        }
        artifact.manifest.sha256 = hashes;
        Ok(artifact)
    }

    /// SHA-256 of every part, as the manifest records them. The two trees are hashed as `tar`
    /// archives before compression, so that the hash does not depend on the compressor's version.
    pub fn hashes(&self) -> Result<BTreeMap<String, String>> {
        Ok(BTreeMap::from([
            ("module.wasm".into(), sha256(&self.wasm)),
            ("image.bin".into(), sha256(&self.image)),
            ("Cargo.lock".into(), sha256(&self.lockfile)),
            ("source.tar".into(), sha256(&tree::write(&self.source)?)),
            ("licenses.tar".into(), sha256(&tree::write(&self.licenses)?)),
        ]))
    }

    /// The parts whose hash is not the one that the manifest records, sorted.
    pub fn damaged(&self) -> Result<Vec<String>> {
        let (found, recorded) = (self.hashes()?, &self.manifest.sha256);
        let names = found.keys().chain(recorded.keys().filter(|name| !found.contains_key(*name)));
        Ok(names.filter(|name| found.get(*name) != recorded.get(*name)).cloned().collect())
    }
}

/// Writes the artifact's file. Two calls with equal artifacts give equal bytes.
pub fn write(artifact: &Artifact) -> Result<Vec<u8>> {
    let damaged = artifact.damaged()?;
    if !damaged.is_empty() {
        let message = format!("the manifest's hash of {} is out of date", damaged.join(", "));
        return Err(Error::new(Class::Other, message));
    }
    let mut bodies = vec![
        manifest::write(&artifact.manifest),
        artifact.wasm.clone(),
        artifact.image.clone(),
        artifact.lockfile.clone(),
        tree::compress(&tree::write(&artifact.source)?)?,
        tree::compress(&tree::write(&artifact.licenses)?)?,
    ];
    let digest = sha256(&archive(&bodies)?) + "\n";
    bodies.push(digest.into_bytes());
    let bytes = archive(&bodies)?;
    debug_assert!(read(&bytes).is_ok_and(|read| read == *artifact));
    Ok(bytes)
}

/// Reads an artifact and checks every byte of it.
pub fn read(bytes: &[u8]) -> Result<Artifact> {
    let bodies = members(bytes)?;
    let canonical = archive(&bodies)?;
    if let Some(offset) = first_difference(bytes, &canonical) {
        let what = if offset >= canonical.len() {
            "bytes after the last member"
        } else {
            "not the canonical encoding"
        };
        return Err(damaged(&bodies, offset, what));
    }
    check_digest(bytes, &bodies)?;
    let mut rest = bodies.into_iter();
    let mut next = || rest.next().expect("members() returns one body for each of MEMBERS");
    let manifest = manifest::read(&next()).context("member manifest.json")?;
    let (wasm, image, lockfile) = (next(), next(), next());
    let source = unpack(&next()).context("member source.tar.zst")?;
    let licenses = unpack(&next()).context("member licenses.tar.zst")?;
    let artifact = Artifact { manifest, wasm, image, lockfile, source, licenses };
    if let Some(part) = artifact.damaged()?.first() {
        return Err(verify(format!("{part} does not have the SHA-256 that manifest.json records")));
    }
    Ok(artifact)
}

/// Lower-case hexadecimal SHA-256.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unpack(body: &[u8]) -> Result<Tree> {
    tree::read(&tree::decompress(body, MEMBER_BYTES_MAX)?)
}

/// An `ar` archive of the first members, one for each body: no time, no owner, no padding but ar's.
fn archive(bodies: &[Vec<u8>]) -> Result<Vec<u8>> {
    let mut builder = ar::Builder::new(Vec::new());
    for (name, body) in MEMBERS.iter().zip(bodies) {
        let mut header = ar::Header::new(name.as_bytes().to_vec(), body.len() as u64);
        header.set_mode(0o100_644);
        builder.append(&header, body.as_slice()).context(format!("cannot archive {name}"))?;
    }
    builder.into_inner().context("cannot finish the archive")
}

/// The bodies of all members; their names must be [`MEMBERS`] in that order.
fn members(bytes: &[u8]) -> Result<Vec<Vec<u8>>> {
    if !bytes.starts_with(b"!<arch>\n") {
        let error = verify("not a precast artifact: it does not begin with an ar archive's magic");
        return Err(error.help("`cargo precast pack NAME` makes NAME-VERSION.precast"));
    }
    let mut archive = ar::Archive::new(Cursor::new(bytes));
    let mut bodies = Vec::new();
    let mut offset = MAGIC_BYTES;
    for expected in MEMBERS {
        let here = format!("member {expected}, header at byte {offset}");
        let mut entry = match archive.next_entry() {
            None => return Err(verify(format!("{here}: missing, the file ends before it"))),
            Some(entry) => entry.class(Class::Verify, &here)?,
        };
        let (name, size) = (entry.header().identifier().to_vec(), entry.header().size());
        if name != expected.as_bytes() {
            let found = name.escape_ascii();
            return Err(verify(format!("{here}: missing or out of order, `{found}` is there")));
        }
        let left = (bytes.len() - offset).saturating_sub(HEADER_BYTES) as u64;
        if size > MEMBER_BYTES_MAX.min(left) {
            return Err(verify(format!("{here}: truncated, {size} bytes announced, {left} left")));
        }
        let mut body = Vec::new();
        entry.read_to_end(&mut body).class(Class::Verify, &here)?;
        offset += HEADER_BYTES + body.len() + body.len() % 2;
        bodies.push(body);
    }
    Ok(bodies)
}

/// The last member is the hash of all before it. Where it differs, the manifest's own hashes may
/// still tell which member is damaged.
fn check_digest(bytes: &[u8], bodies: &[Vec<u8>]) -> Result<()> {
    let start = offset_of(bodies, MEMBERS.len() - 1);
    let digest = sha256(&bytes[..start]) + "\n";
    if bodies[MEMBERS.len() - 1] == digest.as_bytes() {
        return Ok(());
    }
    let manifest: Option<Manifest> = serde_json::from_slice(&bodies[0]).ok();
    let wrong = MEMBERS.iter().zip(bodies).position(|(name, body)| {
        let recorded = manifest.as_ref().and_then(|manifest| manifest.sha256.get(*name));
        recorded.is_some_and(|recorded| *recorded != sha256(body))
    });
    match wrong {
        Some(index) => Err(damaged(bodies, offset_of(bodies, index), "does not have its SHA-256")),
        None => Err(verify(format!(
            "damaged: the digest at byte {start} is not that of the bytes before it"
        ))),
    }
}

fn damaged(bodies: &[Vec<u8>], offset: usize, what: &str) -> Error {
    let index = (0..bodies.len()).rev().find(|index| offset_of(bodies, *index) <= offset);
    let member = MEMBERS[index.unwrap_or(0)];
    verify(format!("member {member}, byte {offset}: {what}"))
}

/// Where the header of a member begins.
fn offset_of(bodies: &[Vec<u8>], index: usize) -> usize {
    let size = |body: &Vec<u8>| HEADER_BYTES + body.len() + body.len() % 2;
    MAGIC_BYTES + bodies[..index].iter().map(size).sum::<usize>()
}

fn first_difference(a: &[u8], b: &[u8]) -> Option<usize> {
    let common = a.iter().zip(b).position(|(a, b)| a != b);
    common.or_else(|| (a.len() != b.len()).then(|| a.len().min(b.len())))
}

fn verify(message: impl Into<String>) -> Error {
    Error::new(Class::Verify, message)
}
