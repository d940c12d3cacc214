//! The artifact: one `.precast` file, a deterministic `ar` archive (docs/artifact.md).
//!
//! Equal artifacts are equal bytes. Reading accepts exactly what writing makes: every other byte
//! string is an error that names the member and the offset. Nothing here touches the machine.

pub mod manifest;
pub(crate) mod module;
#[doc(hidden)]
pub mod names;
#[doc(hidden)]
pub mod stamp;
pub(crate) mod tree;

use crate::base::error::{Class, Context, Error, Result};
use crate::base::files::sha256;
use manifest::{Manifest, Set, Source};
#[doc(hidden)]
pub use module::variables;
use std::collections::BTreeMap;
use std::io::{Cursor, Read};

pub use crate::base::files::Tree;
#[doc(hidden)]
pub use tree::check_path;
pub(crate) use tree::includes_out_dir;

/// The members, in the order of the file. `digest` covers every byte before it; `sets.tar.zst` is
/// there where there is more than one feature set.
const MEMBERS: [&str; 8] = [
    "manifest.json",
    "module.wasm",
    "image.bin",
    "Cargo.lock",
    "source.tar.zst",
    "licenses.tar.zst",
    SETS,
    "digest",
];
const SETS: &str = "sets.tar.zst";

/// The name of the further feature sets' hash in the manifest.
pub(crate) const SETS_HASH: &str = "sets.tar";

/// Name and body.
type Member = (&'static str, Vec<u8>);

/// Bytes of the file's magic and of each member's header in an `ar` archive.
const MAGIC_BYTES: usize = 8;
const HEADER_BYTES: usize = 60;

/// No member may be larger, packed or unpacked: a module has megabytes at most.
const MEMBER_BYTES_MAX: u64 = 256 << 20;

/// Everything `embed` needs and `verify` checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// What the artifact says of itself.
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
    /// The modules of the manifest's `sets`, in their order.
    pub sets: Vec<Module>,
}

/// The module of one more feature set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Canonical wasm.
    pub wasm: Vec<u8>,
    /// The module lowered and compressed.
    pub image: Vec<u8>,
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
        manifest.sets.clear();
        let mut artifact =
            Artifact { manifest, wasm, image, lockfile, source, licenses, sets: Vec::new() };
        artifact.seal()?;
        Ok(artifact)
    }

    /// The same with more feature sets.
    pub fn with_sets(mut self, sets: Vec<(Set, Module)>) -> Result<Self> {
        (self.manifest.sets, self.sets) = sets.into_iter().unzip();
        self.manifest.check()?;
        self.seal()?;
        Ok(self)
    }

    /// Each feature set as an artifact of its own, but for the hashes.
    pub fn each_set(&self) -> impl Iterator<Item = Artifact> + '_ {
        let first = Artifact { sets: Vec::new(), ..self.clone() };
        let more = self.manifest.sets.iter().zip(&self.sets).map(|(set, module)| {
            let mut artifact = Artifact { sets: Vec::new(), ..self.clone() };
            let Set { features, macros, linked } = set.clone();
            let manifest = &mut artifact.manifest;
            (manifest.features, manifest.macros, manifest.linked) = (features, macros, linked);
            artifact.wasm.clone_from(&module.wasm);
            artifact.image.clone_from(&module.image);
            artifact
        });
        let single = |mut artifact: Artifact| {
            artifact.manifest.sets.clear();
            artifact
        };
        std::iter::once(first).chain(more).map(single)
    }

    /// The same with other images, of this version: that of the first set, then those of the others.
    pub fn with_images(mut self, version: u32, images: Vec<Vec<u8>>) -> Result<Self> {
        let mut images = images.into_iter();
        self.image = images.next().unwrap_or_default();
        for (set, image) in self.sets.iter_mut().zip(images) {
            set.image = image;
        }
        let manifest = &mut self.manifest;
        manifest.image = version;
        manifest.sha256.insert("image.bin".into(), sha256(&self.image));
        if !self.sets.is_empty() {
            let sets = sha256(&tree::write(&self.sets_tree())?);
            self.manifest.sha256.insert(SETS_HASH.into(), sets);
        }
        Ok(self)
    }

    /// Fills in the manifest's hashes, and the checksum of a path source.
    fn seal(&mut self) -> Result<()> {
        let artifact = self;
        artifact.manifest.sha256.clear();
        let hashes = artifact.hashes()?;
        if let Source::Path { checksum } = &mut artifact.manifest.package.source {
            checksum.clone_from(&hashes["source.tar"]);
        }
        artifact.manifest.sha256 = hashes;
        Ok(())
    }

    /// SHA-256 of every part, as the manifest records them. The two trees are hashed as `tar`
    /// archives before compression, so that the hash does not depend on the compressor's version.
    pub fn hashes(&self) -> Result<BTreeMap<String, String>> {
        let mut hashes = BTreeMap::from([
            ("module.wasm".into(), sha256(&self.wasm)),
            ("image.bin".into(), sha256(&self.image)),
            ("Cargo.lock".into(), sha256(&self.lockfile)),
            ("source.tar".into(), sha256(&tree::write(&self.source)?)),
            ("licenses.tar".into(), sha256(&tree::write(&self.licenses)?)),
        ]);
        if !self.sets.is_empty() {
            hashes.insert(SETS_HASH.into(), sha256(&tree::write(&self.sets_tree())?));
        }
        Ok(hashes)
    }

    /// The modules of more feature sets as files; the first set is number 1.
    pub fn sets_tree(&self) -> Tree {
        let files = self.sets.iter().enumerate().flat_map(|(index, module)| {
            let path = |name: &str| format!("{}/{name}", index + 2);
            [(path("module.wasm"), module.wasm.clone()), (path("image.bin"), module.image.clone())]
        });
        files.collect()
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
    let mut members = vec![
        ("manifest.json", manifest::write(&artifact.manifest)),
        ("module.wasm", artifact.wasm.clone()),
        ("image.bin", artifact.image.clone()),
        ("Cargo.lock", artifact.lockfile.clone()),
        ("source.tar.zst", tree::compress(&tree::write(&artifact.source)?)?),
        ("licenses.tar.zst", tree::compress(&tree::write(&artifact.licenses)?)?),
    ];
    if !artifact.sets.is_empty() {
        members.push((SETS, tree::compress(&tree::write(&artifact.sets_tree())?)?));
    }
    let digest = sha256(&archive(&members)?) + "\n";
    members.push(("digest", digest.into_bytes()));
    let bytes = archive(&members)?;
    debug_assert!(read(&bytes).is_ok_and(|read| read == *artifact));
    Ok(bytes)
}

/// Reads an artifact and checks every byte of it.
pub fn read(bytes: &[u8]) -> Result<Artifact> {
    let members = members(bytes)?;
    let canonical = archive(&members)?;
    if let Some(offset) = first_difference(bytes, &canonical) {
        let what = if offset >= canonical.len() {
            "bytes after the last member"
        } else {
            "not the canonical encoding"
        };
        return Err(damaged(&members, offset, what));
    }
    check_digest(bytes, &members)?;
    let mut rest = members.into_iter().map(|(_, body)| body);
    let mut next = || rest.next().expect("members() returns all");
    let manifest = manifest::read(&next()).context("member manifest.json")?;
    let (wasm, image, lockfile) = (next(), next(), next());
    let source = unpack(&next()).context("member source.tar.zst")?;
    let licenses = unpack(&next()).context("member licenses.tar.zst")?;
    let sets = match rest.len() {
        1 => Vec::new(),
        _ => read_sets(
            &unpack(&rest.next().expect("there are two")).context("member sets.tar.zst")?,
        )?,
    };
    if sets.len() != manifest.sets.len() {
        return Err(verify("the manifest names other feature sets than sets.tar.zst has"));
    }
    let artifact = Artifact { manifest, wasm, image, lockfile, source, licenses, sets };
    if let Some(part) = artifact.damaged()?.first() {
        return Err(verify(format!("{part} does not have the SHA-256 that manifest.json records")));
    }
    Ok(artifact)
}

/// The text of an artifact's manifest; nothing else of it is read or checked.
pub(crate) fn manifest_text(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut archive = ar::Archive::new(Cursor::new(bytes));
    let entry = archive.next_entry().ok_or_else(|| verify("there is no manifest"))?;
    let mut text = Vec::new();
    let mut entry = entry.class(Class::Verify, "cannot read the manifest")?;
    entry.read_to_end(&mut text).class(Class::Verify, "cannot read the manifest")?;
    match entry.header().identifier() == MEMBERS[0].as_bytes() {
        true => Ok(text),
        false => Err(verify("there is no manifest")),
    }
}

/// The modules in `sets.tar.zst` or below `precast/sets/`; nothing else may be there.
#[doc(hidden)]
pub fn read_sets(files: &Tree) -> Result<Vec<Module>> {
    let mut sets = Vec::new();
    let file = |number: usize, name: &str| files.get(&format!("{number}/{name}")).cloned();
    while let (Some(wasm), Some(image)) =
        (file(sets.len() + 2, "module.wasm"), file(sets.len() + 2, "image.bin"))
    {
        sets.push(Module { wasm, image });
    }
    match files.len() == 2 * sets.len() {
        true => Ok(sets),
        false => Err(verify("the feature sets are not numbered from 2 on, each with two files")),
    }
}

fn unpack(body: &[u8]) -> Result<Tree> {
    tree::read(&tree::decompress(body, MEMBER_BYTES_MAX)?)
}

/// An `ar` archive of members: no time, no owner, no padding but ar's.
fn archive(members: &[Member]) -> Result<Vec<u8>> {
    let mut builder = ar::Builder::new(Vec::new());
    for (name, body) in members {
        let mut header = ar::Header::new(name.as_bytes().to_vec(), body.len() as u64);
        header.set_mode(0o100_644);
        builder.append(&header, body.as_slice()).context(format!("cannot archive {name}"))?;
    }
    builder.into_inner().context("cannot finish the archive")
}

/// All members; their names must be [`MEMBERS`] in that order.
fn members(bytes: &[u8]) -> Result<Vec<Member>> {
    if !bytes.starts_with(b"!<arch>\n") {
        let error = verify("not a precast artifact: it does not begin with an ar archive's magic");
        return Err(error.help("`cargo precast pack NAME` makes NAME-VERSION.precast"));
    }
    let mut archive = ar::Archive::new(Cursor::new(bytes));
    let mut members: Vec<Member> = Vec::new();
    let mut offset = MAGIC_BYTES;
    let mut names = MEMBERS.into_iter();
    while let Some(mut expected) = names.next() {
        // The one before the digest may be left out.
        let shown = if expected == SETS { "digest" } else { expected };
        let here = format!("member {shown}, header at byte {offset}");
        let mut entry = match archive.next_entry() {
            None => return Err(verify(format!("{here}: missing, the file ends before it"))),
            Some(entry) => entry.class(Class::Verify, &here)?,
        };
        let (name, size) = (entry.header().identifier().to_vec(), entry.header().size());
        if expected == SETS && name != SETS.as_bytes() {
            expected = names.next().expect("the digest comes after the sets");
        }
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
        members.push((expected, body));
    }
    Ok(members)
}

/// The last member is the hash of all before it. Where it differs, the manifest's own hashes may
/// still tell which member is damaged.
fn check_digest(bytes: &[u8], members: &[Member]) -> Result<()> {
    let last = members.len() - 1;
    let start = offset_of(members, last);
    let digest = sha256(&bytes[..start]) + "\n";
    if members[last].1 == digest.as_bytes() {
        return Ok(());
    }
    let manifest = manifest::read(&members[0].1).ok();
    let wrong = members.iter().position(|(name, body)| {
        let recorded = manifest.as_ref().and_then(|manifest| manifest.sha256.get(*name));
        recorded.is_some_and(|recorded| *recorded != sha256(body))
    });
    match wrong {
        Some(index) => {
            Err(damaged(members, offset_of(members, index), "does not have its SHA-256"))
        }
        None => Err(verify(format!(
            "damaged: the digest at byte {start} is not that of the bytes before it"
        ))),
    }
}

fn damaged(members: &[Member], offset: usize, what: &str) -> Error {
    let index = (0..members.len()).rev().find(|index| offset_of(members, *index) <= offset);
    let member = members[index.unwrap_or(0)].0;
    verify(format!("member {member}, byte {offset}: {what}"))
}

/// Where the header of a member begins.
fn offset_of(members: &[Member], index: usize) -> usize {
    let size = |(_, body): &Member| HEADER_BYTES + body.len() + body.len() % 2;
    MAGIC_BYTES + members[..index].iter().map(size).sum::<usize>()
}

fn first_difference(a: &[u8], b: &[u8]) -> Option<usize> {
    if a == b {
        return None;
    }
    let common = a.iter().zip(b).position(|(a, b)| a != b);
    common.or_else(|| (a.len() != b.len()).then(|| a.len().min(b.len())))
}

fn verify(message: impl Into<String>) -> Error {
    Error::new(Class::Verify, message)
}
