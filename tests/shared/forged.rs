//! Objects that are not what a trusted key has signed for that very key: none is used.

use super::fixture::directory;
use super::prepared::{copy, objects, prepared, push, work};
use precast::cache::remote::Asked;
use precast::cache::settings::{Mode, Settings, Versions};
use precast::cache::{Environment, Key, Store};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn settings(shared: &Path, key: &Path) -> Settings {
    Settings {
        urls: vec![format!("file://{}", shared.display())],
        mode: Mode::Read,
        deadline: Duration::from_secs(60),
        trusted: vec![key.to_str().unwrap().to_owned()],
        revocations: None,
        versions: Versions::Locked,
        file: None,
    }
}

/// A shared store with one object under the name of another one's key.
struct Place {
    shared: PathBuf,
    store: PathBuf,
    n_tried: usize,
}

impl Place {
    /// How many entries a machine takes over if this is there.
    fn used(&mut self, object: &Path, bytes: &[u8], key: &Key) -> usize {
        let name = object.strip_prefix(&prepared().shared).unwrap();
        let file = self.shared.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, bytes).unwrap();
        let _ = fs::remove_dir_all(&self.store);
        let store = settings(&self.shared, &prepared().public());
        let store = Store::open_with(Some(&self.store), store).unwrap();
        let asked = key.with(Environment::new());
        let value = |name: &str| key.environment.get(name).cloned().flatten();
        let fetched =
            store.fetch(&[Asked { key: asked, signatures: 1, value: &value, similar: None }]);
        fs::remove_file(file).unwrap();
        self.n_tried += 1;
        assert_eq!(store.list().len(), fetched.ids.len());
        fetched.ids.len()
    }
}

/// The envelope, and what follows it.
fn parts(bytes: &[u8]) -> (Value, &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap();
    (serde_json::from_slice(&bytes[..end]).unwrap(), &bytes[end + 1..])
}

fn whole(envelope: &Value, rest: &[u8]) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(envelope).unwrap();
    bytes.push(b'\n');
    bytes.extend(rest);
    bytes
}

/// Whether two objects have one signature and one archive.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let at = |bytes: &[u8]| bytes.iter().position(|byte| *byte == b'\n');
    let (Some(a), Some(b)) = (at(one), at(other)) else { return false };
    let archive = |bytes: &[u8]| zstd::decode_all(bytes).ok();
    let (first, second) = (archive(&one[a + 1..]), archive(&other[b + 1..]));
    one[..a] == other[..b] && first.is_some() && first == second
}

#[test]
fn none_of_500_is_used() {
    let base = directory("shared-forged");
    let prepared = prepared();
    let full = Store::open(Some(&prepared.full)).unwrap();
    let keys: Vec<Key> = full.list().into_iter().filter_map(|item| item.key).collect();
    let object = |key: &Key| {
        let end = format!("{}.lean", key.id());
        objects(&prepared.shared, "lean").into_iter().find(|path| path.ends_with(&end)).unwrap()
    };
    let found: Vec<(Key, PathBuf, Vec<u8>)> = keys
        .into_iter()
        .filter(|key| key.environment.is_empty())
        .map(|key| (key.clone(), object(&key), fs::read(object(&key)).unwrap()))
        .collect();
    assert_eq!(found.len(), 2);
    let mut place = Place { shared: base.join("shared"), store: base.join("store"), n_tried: 0 };
    // As they are, they are used: else nothing below says anything.
    for (key, path, bytes) in &found {
        assert_eq!(place.used(path, bytes, key), 1);
    }
    place.n_tried = 0;
    let mut n_used = 0;

    // Tampered with, anywhere, and cut off.
    let mut state = 1u64;
    for n in 0..400 {
        let (key, path, bytes) = &found[n % found.len()];
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = (state >> 20) as usize % bytes.len();
        let mut changed = bytes.clone();
        match n % 8 {
            0 => changed.truncate(at),
            1 => drop(changed.remove(at)),
            2 => changed.push(0),
            _ => changed[at] ^= 1 << (state >> 60 & 7),
        }
        // Of a compressed archive the hash is signed, not of the bytes that it was compressed to: some of their
        // bits mean nothing.
        if !is_same(&changed, bytes) {
            n_used += place.used(path, &changed, key);
        }
    }

    // Signed by a key that nobody trusts; then said to be signed by one that somebody does.
    let stranger = super::prepared::keygen(&base, "stranger");
    let strange = base.join("strange");
    let url = format!("file://{}", strange.display());
    push(&work("shared-forged-work"), prepared, &url, &stranger);
    let trusted = parts(&found[0].2).0["signatures"][0]["keyid"].clone();
    for (key, path, bytes) in &found {
        let by_stranger =
            fs::read(strange.join(path.strip_prefix(&prepared.shared).unwrap())).unwrap();
        n_used += place.used(path, &by_stranger, key);
        let (mut envelope, rest) = parts(&by_stranger);
        envelope["signatures"][0]["keyid"] = trusted.clone();
        n_used += place.used(path, &whole(&envelope, rest), key);
        // Not signed at all, or as something else.
        let (envelope, rest) = parts(bytes);
        let change = |change: fn(&mut Value)| {
            let mut changed = envelope.clone();
            change(&mut changed);
            whole(&changed, rest)
        };
        for forged in [
            change(|envelope| envelope["signatures"] = Value::Array(Vec::new())),
            change(|envelope| envelope["payloadType"] = "application/json".into()),
            change(|envelope| envelope["payload"] = "e30=".into()),
            change(|envelope| envelope["signatures"][0]["sig"] = "AAAA".into()),
            change(|envelope| drop(envelope.as_object_mut().unwrap().remove("signatures"))),
        ] {
            n_used += place.used(path, &forged, key);
        }
    }

    // Swapped, replayed under other keys, mixed.
    let mut n = 0;
    while place.n_tried < 500 {
        let (key, path, bytes) = &found[n % 2];
        let (_, _, other) = &found[(n + 1) % 2];
        let other_key = match n / 2 % 6 {
            0 => key.clone(),
            1 => Key { version: format!("1.0.{n}"), ..key.clone() },
            2 => Key { checksum: format!("{n:064}"), ..key.clone() },
            3 => Key { features: [format!("feature-{n}")].into(), ..key.clone() },
            4 => Key { dependencies: [format!("syn {n}.0.0 00 full")].into(), ..key.clone() },
            _ => Key { host: format!("another-{n}"), ..key.clone() },
        };
        let forged = match n / 2 % 6 {
            0 if n % 4 < 2 => other.clone(),
            0 => whole(&parts(bytes).0, parts(other).1),
            _ => bytes.clone(),
        };
        let name = path.to_string_lossy().replace(&key.id(), &other_key.id());
        let name = name.replace(&format!("/{}/", key.version), &format!("/{}/", other_key.version));
        n_used += place.used(Path::new(&name), &forged, &other_key);
        n += 1;
    }
    assert_eq!((place.n_tried, n_used), (500, 0));
    copy(&prepared.shared, &place.shared);
}
