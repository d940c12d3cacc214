//! Makes a package compile for wasm without changing what it means: a manifest whose library is a
//! `cdylib`, and copies of packages whose sources need [`rewrite`](super::rewrite).

use crate::base::error::{Class, Context, Error, Result};
use crate::base::files;
use crate::pack::source::resolve::Package;
use crate::pack::source::rewrite::{rewrite, Declared, Rewritten};
use std::path::{Path, PathBuf};
use toml_edit::{value, Array, DocumentMut, Item, Table};

/// Tables of a manifest that have no part in building the library.
const DROPPED: [&str; 12] = [
    "dev-dependencies",
    "dev_dependencies",
    "bin",
    "test",
    "example",
    "bench",
    "profile",
    "badges",
    "lints",
    "workspace",
    "replace",
    "cargo-features",
];

/// The manifest to build with. `text` is a normalized manifest: nothing inherited.
pub fn manifest(text: &str) -> Result<String> {
    let mut document: DocumentMut =
        text.parse().class(Class::Package, "cannot read the package's Cargo.toml")?;
    for name in DROPPED {
        document.remove(name);
    }
    if let Some(targets) = document.get_mut("target").and_then(Item::as_table_like_mut) {
        for (_, target) in targets.iter_mut() {
            if let Some(target) = target.as_table_like_mut() {
                target.remove("dev-dependencies");
                target.remove("dev_dependencies");
            }
        }
    }
    let package = document["package"]
        .as_table_mut()
        .ok_or_else(|| Error::new(Class::Package, "the package's Cargo.toml has no [package]"))?;
    for name in ["workspace", "resolver", "default-run", "metadata", "publish"] {
        package.remove(name);
    }
    for name in ["autobins", "autoexamples", "autotests", "autobenches"] {
        package[name] = value(false);
    }
    let lib = document.entry("lib").or_insert_with(|| Item::Table(Table::new()));
    let lib = lib
        .as_table_like_mut()
        .ok_or_else(|| Error::new(Class::Package, "[lib] in Cargo.toml is not a table"))?;
    for name in ["proc-macro", "proc_macro", "crate_type", "plugin"] {
        lib.remove(name);
    }
    lib.insert("crate-type", value(Array::from_iter(["cdylib"])));
    let mut workspace = Table::new();
    workspace["resolver"] = value("2");
    document.insert("workspace", Item::Table(workspace));
    Ok(document.to_string())
}

/// Writes the package's files into `directory`, but for the manifest.
pub fn write_files(package: &Package, directory: &Path) -> Result<()> {
    for (path, body) in &package.files {
        if path != "Cargo.toml" && path != "Cargo.lock" && !path.starts_with(".cargo/") {
            files::put(&directory.join(path), body)?;
        }
    }
    Ok(())
}

/// Writes the package into `directory`, with the manifest to build with.
pub fn write(package: &Package, directory: &Path) -> Result<()> {
    write_files(package, directory)?;
    files::put(&directory.join("Cargo.toml"), manifest(&package.manifest)?.as_bytes())?;
    if let Some(lockfile) = &package.lockfile {
        files::put(&directory.join("Cargo.lock"), lockfile.as_bytes())?;
    }
    Ok(())
}

/// What is done to a package's sources.
pub struct Copy {
    /// The rewritten copy, if any file needed it.
    pub folder: Option<PathBuf>,
    /// A file names both `RandomState` and the hasher that one makes: they must fit.
    pub has_plain_hasher: bool,
}

/// If sources of the package need it, a rewritten copy of the whole package inside `copies`.
/// The copy's name is its content, so that an existing one is the right one.
pub fn rewritten_copy(
    package: &Path,
    copies: &Path,
    rewrite: fn(&str) -> Option<Rewritten>,
) -> Result<Copy> {
    let mut files = files::read(package)?;
    let (mut n_rewritten, mut has_plain_hasher) = (0, false);
    for (path, body) in &mut files {
        if !path.ends_with(".rs") {
            continue;
        }
        let Ok(text) = std::str::from_utf8(body) else { continue };
        has_plain_hasher |= text.contains("RandomState") && text.contains("DefaultHasher");
        if let Some(rewritten) = rewrite(text) {
            *body = rewritten.text.into_bytes();
            n_rewritten += 1;
        }
    }
    if n_rewritten == 0 {
        return Ok(Copy { folder: None, has_plain_hasher });
    }
    let parts: Vec<&[u8]> =
        files.iter().flat_map(|(path, body)| [path.as_bytes(), body.as_slice()]).collect();
    let copy = copies.join(&files::hash_of(&parts)[..16]);
    if !copy.is_dir() {
        std::fs::create_dir_all(copies).at("create", copies)?;
        let scratch = tempfile::tempdir_in(copies).at("create a directory in", copies)?;
        for (path, body) in &files {
            files::put(&scratch.path().join(path), body)?;
        }
        // Another process may have been faster: its copy is the same.
        if std::fs::rename(scratch.path(), &copy).is_err() && !copy.is_dir() {
            return Err(Error::new(Class::Other, format!("cannot create {}", copy.display())));
        }
    }
    Ok(Copy { folder: Some(copy), has_plain_hasher })
}

/// The macro functions that the package's sources declare.
pub fn declared(package: &Package) -> Vec<Declared> {
    let mut declared = Vec::new();
    for (path, body) in &package.files {
        let text = std::str::from_utf8(body).ok().filter(|_| path.ends_with(".rs"));
        declared.extend(text.and_then(rewrite).into_iter().flat_map(|file| file.declared));
    }
    declared
}

#[cfg(test)]
mod tests {
    use super::manifest;

    #[test]
    fn staged_manifest() {
        let staged = manifest(
            "[package]\nname = \"a\"\nversion = \"1.0.0\"\ndefault-run = \"x\"\n\n\
             [lib]\nproc-macro = true\npath = \"lib.rs\"\n\n\
             [[bin]]\nname = \"x\"\npath = \"x.rs\"\n\n\
             [dependencies]\nsyn = \"2\"\n\n[dev-dependencies]\ntrybuild = \"1\"\n\n\
             [target.'cfg(unix)'.dev-dependencies]\nlibc = \"0.2\"\n\n[profile.release]\nlto = false\n",
        );
        let expected = "[package]\nname = \"a\"\nversion = \"1.0.0\"\nautobins = false\n\
                        autoexamples = false\nautotests = false\nautobenches = false\n\n\
                        [lib]\npath = \"lib.rs\"\ncrate-type = [\"cdylib\"]\n\n\
                        [dependencies]\nsyn = \"2\"\n\n[workspace]\nresolver = \"2\"\n";
        assert_eq!(staged.unwrap(), expected);
    }
}
