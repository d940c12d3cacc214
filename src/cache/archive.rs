//! The store's artifacts as one file, for a CI cache or a machine without a network.
//!
//! A zstd frame of a `tar` archive with `ID/key.json` and `ID/NAME-VERSION.precast`, in the order of
//! the names: equal artifacts are equal bytes.

use crate::artifact::{self, tree, Tree};
use crate::base::error::{Class, Context, Error, Result};
use crate::cache::entry::{self, Entry, Held, KEY_FILE};
use crate::cache::{Item, Key, Store};
use std::collections::BTreeSet;

/// Artifacts compress badly; more effort only takes time.
const ZSTD_LEVEL: i32 = 6;

const BYTES_MAX: u64 = 8 << 30;

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    pub n_new: usize,
    pub n_known: usize,
}

impl Store {
    /// The archive of these artifacts; damaged ones are left out, and those of which only a part is here.
    pub fn export(&self, items: &[Item]) -> Result<Vec<u8>> {
        let mut tree = Tree::new();
        for item in items {
            let Some(Entry { key, held: Held::Whole(bytes), .. }) = self.entry(&item.id) else {
                continue;
            };
            tree.insert(format!("{}/{KEY_FILE}", item.id), key.write());
            tree.insert(format!("{}/{}", item.id, entry::file(&key)), bytes);
        }
        tree::compress_at(ZSTD_LEVEL, &tree::write(&tree)?)
    }

    /// Takes in what an archive contains, after checking all of it.
    pub fn import(&self, archive: &[u8]) -> Result<Carried> {
        let tree = tree::read(&tree::decompress(archive, BYTES_MAX)?)?;
        let ids: BTreeSet<&str> = tree.keys().filter_map(|path| path.split('/').next()).collect();
        let mut found = Vec::new();
        for id in ids {
            found.push(carried(&tree, id).context(format!("entry {id}"))?);
        }
        let mut carried = Carried::default();
        for (key, artifact) in found {
            let _lock = self.lock(&key, &|_: &str| {})?;
            if self.get(&key).is_some() {
                carried.n_known += 1;
                continue;
            }
            self.put(&key, artifact)?;
            carried.n_new += 1;
        }
        Ok(carried)
    }
}

fn carried<'a>(tree: &'a Tree, id: &str) -> Result<(Key, &'a [u8])> {
    let prefix = format!("{id}/");
    let files: Vec<(&str, &Vec<u8>)> =
        tree.iter().filter_map(|(path, body)| Some((path.strip_prefix(&prefix)?, body))).collect();
    let odd = || Error::new(Class::Verify, "not an artifact with its key");
    let [a, b] = files[..] else { return Err(odd()) };
    let (key, artifact) = if a.0 == KEY_FILE { (a, b) } else { (b, a) };
    let key = Key::read(key.1)?;
    if key.id() != id || artifact.0 != entry::file(&key) {
        return Err(odd());
    }
    entry::check(&key, &artifact::read(artifact.1)?.manifest)?;
    Ok((key, artifact.1))
}
