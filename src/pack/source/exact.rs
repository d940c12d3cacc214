//! Writes a manifest whose dependencies are those of a lock file, each with its exact version and
//! source. What the lock file does not name is not needed, and cargo may not even know of it: such
//! an optional dependency goes, with what features say of it.

use crate::base::error::{Class, Context, Result};
use crate::pack::source::lock::{Id, Lock};
use std::collections::BTreeSet;
use std::path::PathBuf;
use toml_edit::{value, Array, DocumentMut, InlineTable, Item, TableLike, Value};

const DEPENDENCIES: [&str; 3] = ["dependencies", "build-dependencies", "build_dependencies"];

/// Keys that say where a dependency comes from.
const PLACE: [&str; 8] =
    ["version", "path", "git", "branch", "tag", "rev", "registry", "registry-index"];

/// The manifest, and the packages that it names. `root` is the package in the lock file; `directory`
/// tells where a package without a source lies.
pub fn exact(
    manifest: &str,
    root: &Id,
    lock: &Lock,
    directory: &dyn Fn(&Id) -> Option<PathBuf>,
) -> Result<(String, Vec<Id>)> {
    let mut document: DocumentMut =
        manifest.parse().class(Class::Package, "cannot read Cargo.toml")?;
    let mut direct = Vec::new();
    let (mut kept, mut gone) = (BTreeSet::new(), BTreeSet::new());
    let mut each = |table: &mut dyn TableLike| {
        for kind in DEPENDENCIES {
            let Some(table) = table.get_mut(kind).and_then(Item::as_table_like_mut) else {
                continue;
            };
            let keys: Vec<String> = table.iter().map(|(key, _)| key.to_owned()).collect();
            for key in keys {
                let item = table.get_mut(&key).expect("the key was read from it");
                let id = chosen(&key, item, lock.dependencies(root));
                match id.filter(|id| point(&key, item, id, directory)) {
                    Some(id) => {
                        direct.push(id.clone());
                        kept.insert(key);
                    }
                    None => {
                        table.remove(&key);
                        gone.insert(key);
                    }
                }
            }
        }
    };
    each(document.as_table_mut());
    if let Some(targets) = document.get_mut("target").and_then(Item::as_table_like_mut) {
        for (_, target) in targets.iter_mut() {
            target.as_table_like_mut().into_iter().for_each(&mut each);
        }
    }
    gone.retain(|key| !kept.contains(key));
    forget(&mut document, &gone);
    Ok((document.to_string(), direct))
}

/// The package that a dependency means.
fn chosen<'a>(key: &str, item: &Item, used: &'a [Id]) -> Option<&'a Id> {
    let text = |name: &str| item.get(name).and_then(Item::as_str);
    let name = text("package").unwrap_or(key);
    let mut same: Vec<&Id> = used.iter().filter(|id| id.name == name).collect();
    if same.len() > 1 {
        let requirement = item.as_str().or_else(|| text("version"));
        let requirement = requirement.and_then(|text| semver::VersionReq::parse(text).ok());
        let fits = |id: &&Id| match (&requirement, semver::Version::parse(&id.version)) {
            (Some(requirement), Ok(version)) => requirement.matches(&version),
            _ => true,
        };
        same.retain(fits);
    }
    let is_elsewhere = text("git").is_some() || text("path").is_some();
    let preferred = same.iter().find(|id| id.registry().is_none() == is_elsewhere);
    preferred.or(same.first()).copied()
}

/// Makes the dependency mean this package alone. False if nobody knows where it is.
fn point(key: &str, item: &mut Item, id: &Id, directory: &dyn Fn(&Id) -> Option<PathBuf>) -> bool {
    let path = item.get("path").and_then(Item::as_str).map(PathBuf::from);
    let Some(place) = place(id, directory(id).or(path)) else { return false };
    if item.as_table_like().is_none() {
        *item = value(InlineTable::new());
    }
    let table = item.as_table_like_mut().expect("it was made one");
    PLACE.iter().for_each(|key| drop(table.remove(key)));
    for (key, text) in place {
        table.insert(key, value(text));
    }
    if key != id.name {
        table.insert("package", value(id.name.clone()));
    }
    true
}

/// How a manifest says where a package comes from. None for a directory that nobody knows.
fn place(id: &Id, directory: Option<PathBuf>) -> Option<Vec<(&'static str, String)>> {
    if id.source.is_none() {
        return Some(vec![("path", directory?.to_string_lossy().into_owned())]);
    }
    if let Some(address) = id.git() {
        let (address, query) = address.split_once('?').unwrap_or((address, ""));
        let mut place = vec![("git", address.to_owned())];
        for (key, text) in query.split('&').filter_map(|part| part.split_once('=')) {
            let key = ["branch", "tag", "rev"].into_iter().find(|known| *known == key);
            place.extend(key.map(|key| (key, decoded(text))));
        }
        return Some(place);
    }
    let version = id.version.split('+').next().unwrap_or(&id.version);
    let mut place = vec![("version", format!("={version}"))];
    let registry = id.registry().filter(|registry| *registry != "crates-io");
    place.extend(registry.map(|registry| ("registry-index", registry.to_owned())));
    Some(place)
}

/// Without the `%2F` of newer lock files.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digits: Vec<u8> = match byte {
            b'%' => rest.clone().take(2).collect(),
            _ => Vec::new(),
        };
        let code =
            std::str::from_utf8(&digits).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match code {
            Some(code) if digits.len() == 2 => {
                bytes.push(code);
                rest.nth(1);
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Removes from the features what concerns dependencies that are gone.
fn forget(document: &mut DocumentMut, gone: &BTreeSet<String>) {
    let Some(features) = document.get_mut("features").and_then(Item::as_table_like_mut) else {
        return;
    };
    let names: BTreeSet<String> = features.iter().map(|(name, _)| name.to_owned()).collect();
    let concerns = |text: &str| match (text.strip_prefix("dep:"), text.split_once('/')) {
        (Some(key), _) => gone.contains(key),
        (None, Some((key, _))) => gone.contains(key.trim_end_matches('?')),
        (None, None) => gone.contains(text) && !names.contains(text),
    };
    for (_, item) in features.iter_mut() {
        if let Some(list) = item.as_array_mut() {
            list.retain(|text| !text.as_str().is_some_and(concerns));
        }
    }
}

/// Empties the features that are not enabled, and drops optional dependencies that only these had. Cargo resolves a
/// workspace's members with all of theirs, and what those enable may need packages that nobody has downloaded; since
/// edition 2024 it takes no optional dependency that no feature has.
pub fn only(document: &mut DocumentMut, with_default: bool, names: &[String]) {
    let Some(features) = document.get_mut("features").and_then(Item::as_table_like_mut) else {
        return;
    };
    let mut enabled: BTreeSet<String> = BTreeSet::new();
    let mut open: Vec<String> = names.to_vec();
    open.extend(with_default.then(|| "default".to_owned()));
    while let Some(name) = open.pop() {
        let list = features.get(&name).and_then(Item::as_array);
        let others = list.into_iter().flatten().filter_map(|text| text.as_str());
        if enabled.insert(name.clone()) {
            open.extend(others.map(str::to_owned));
        }
    }
    let (mut had, mut kept) = (BTreeSet::new(), BTreeSet::new());
    for (name, item) in features.iter_mut() {
        let texts = item.as_array().into_iter().flatten().filter_map(Value::as_str);
        if enabled.contains(name.get()) {
            kept.extend(texts.filter_map(named).map(str::to_owned));
            continue;
        }
        had.extend(texts.filter_map(|text| text.strip_prefix("dep:")).map(str::to_owned));
        *item = value(Array::new());
    }
    let gone: BTreeSet<String> =
        had.difference(&kept).filter(|key| !enabled.contains(*key)).cloned().collect();
    let mut tables: Vec<&mut dyn TableLike> = vec![];
    let (mut own, mut of_targets) = (None, None);
    for (key, item) in document.iter_mut() {
        match key.get() {
            "dependencies" => own = item.as_table_like_mut(),
            "target" => of_targets = item.as_table_like_mut(),
            _ => {}
        }
    }
    tables.extend(own);
    for (_, target) in of_targets.into_iter().flat_map(|targets| targets.iter_mut()) {
        tables.extend(target.get_mut("dependencies").and_then(Item::as_table_like_mut));
    }
    for table in tables {
        for key in &gone {
            let is_optional =
                |item: &Item| item.get("optional").and_then(Item::as_bool) == Some(true);
            if table.get(key).is_some_and(is_optional) {
                table.remove(key);
            }
        }
    }
    forget(document, &gone);
}

/// The dependency that a feature's text enables: `dep:NAME` or `NAME/FEATURE`, but not `NAME?/FEATURE`.
fn named(text: &str) -> Option<&str> {
    let name = text.strip_prefix("dep:").or_else(|| text.split_once('/').map(|(name, _)| name));
    name.filter(|name| !name.ends_with('?'))
}

/// A dependency with exactly these features.
pub fn dependency(id: &Id, directory: Option<PathBuf>, features: &[String]) -> Option<InlineTable> {
    let mut table = InlineTable::new();
    table.insert("package", id.name.clone().into());
    for (key, text) in place(id, directory)? {
        table.insert(key, text.into());
    }
    table.insert("default-features", false.into());
    table.insert("features", Value::Array(Array::from_iter(features)));
    Some(table)
}

/// What stands in a `[patch]` for the package.
pub fn patch(id: &Id, directory: Option<PathBuf>) -> Option<InlineTable> {
    let mut table = dependency(id, directory, &[])?;
    table.remove("default-features");
    table.remove("features");
    Some(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "version = 4\n\n\
        [[package]]\nname = \"m\"\nversion = \"1.0.0\"\ndependencies = [\n \"beside\",\n \"g\",\n \
        \"syn 1.0.9\",\n \"syn 2.0.1\",\n \"other\",\n]\n\n\
        [[package]]\nname = \"beside\"\nversion = \"0.1.0\"\n\n\
        [[package]]\nname = \"g\"\nversion = \"0.1.0\"\n\
        source = \"git+https://x.y/g?branch=a%2Fb#0123\"\n\n\
        [[package]]\nname = \"other\"\nversion = \"1.2.3+4\"\nsource = \"sparse+https://x.y/i/\"\n\n\
        [[package]]\nname = \"syn\"\nversion = \"1.0.9\"\n\
        source = \"registry+https://github.com/rust-lang/crates.io-index\"\n\n\
        [[package]]\nname = \"syn\"\nversion = \"2.0.1\"\n\
        source = \"registry+https://github.com/rust-lang/crates.io-index\"\n";

    #[test]
    fn features_that_nobody_enables_ask_for_nothing() {
        let text = "[features]\ndefault = [\"std\"]\nstd = []\nmore = [\"std\", \"syn/full\"]\n\
            config = [\"other/config\"]\n";
        let check = |with_default, names: &[&str], expected: &str| {
            let mut document: DocumentMut = text.parse().unwrap();
            let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
            only(&mut document, with_default, &names);
            assert_eq!(document.to_string(), format!("[features]\n{expected}"));
        };
        let rest = "std = []\nmore = []\nconfig = []\n";
        check(false, &[], &format!("default = []\n{rest}"));
        check(true, &[], &format!("default = [\"std\"]\n{rest}"));
        check(
            false,
            &["more"],
            "default = []\nstd = []\nmore = [\"std\", \"syn/full\"]\nconfig = []\n",
        );
    }

    #[test]
    fn optional_dependencies_that_no_feature_has() {
        let manifest = "[dependencies]\na = { version = \"1\", optional = true }\n\
            b = { version = \"1\", optional = true }\nc = \"1\"\n\n\
            [target.'cfg(unix)'.dependencies]\nd = { version = \"1\", optional = true }\n\n\
            [features]\non = [\"dep:b\", \"a?/x\"]\noff = [\"dep:a\", \"dep:d\", \"c/x\"]\n";
        let mut document: DocumentMut = manifest.parse().unwrap();
        only(&mut document, true, &["on".to_owned()]);
        let expected = "[dependencies]\nb = { version = \"1\", optional = true }\nc = \"1\"\n\n\
            [target.'cfg(unix)'.dependencies]\n\n[features]\non = [\"dep:b\"]\noff = []\n";
        assert_eq!(document.to_string(), expected);
    }

    #[test]
    fn dependencies_are_those_of_the_lock_file() {
        let manifest = "[dependencies]\nsyn = \"2\"\nbeside = { path = \"/old\" }\n\
            old = { package = \"syn\", version = \"1\", features = [\"full\"] }\n\
            doc = { version = \"1\", optional = true }\n\n\
            [target.'cfg(unix)'.build-dependencies]\ng = { path = \"../g\" }\nother = \"1\"\n\n\
            [features]\ndoc2 = [\"dep:doc\", \"old/full\", \"doc?/x\"]\nall = [\"doc\", \"doc2\"]\n";
        let lock = Lock::parse(LOCK).unwrap();
        let root = lock.find("m", "1.0.0", None).unwrap();
        let here = |id: &Id| (id.name == "beside").then(|| "/here".into());
        let (text, direct) = exact(manifest, root, &lock, &here).unwrap();
        let expected = "[dependencies]\nsyn = { version = \"=2.0.1\" }\nbeside = { path = \"/here\" }\n\
            old = { package = \"syn\", features = [\"full\"] , version = \"=1.0.9\" }\n\n\
            [target.'cfg(unix)'.build-dependencies]\ng = { git = \"https://x.y/g\", branch = \"a/b\" }\n\
            other = { version = \"=1.2.3\", registry-index = \"sparse+https://x.y/i/\" }\n\n\
            [features]\ndoc2 = [ \"old/full\"]\nall = [ \"doc2\"]\n";
        assert_eq!(text, expected);
        assert_eq!(direct.len(), 5);
    }
}
