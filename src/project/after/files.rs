//! Files that functions write after a build: below one directory, each in one step, nothing else.

use crate::base::error::{Class, Context, Error, Result};
use crate::base::files as trees;
use crate::base::scratch;
use crate::project::lock;
use crate::project::plan::Plan;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

/// More is an error: a directory of results, not a disk full.
const BYTES_MAX: usize = 64 << 20;
const N_FILES_MAX: usize = 10_000;

/// The file that has the names of what was written into a directory, one a line. It stays with the directory, also
/// in a repository.
const LIST: &str = ".precast-written";
/// The file that names the workspace, beside the list.
const OWNER: &str = ".precast-workspace";

/// Where a package may write.
pub(super) struct Place {
    folder: PathBuf,
    /// What the folder must not lead out of.
    root: PathBuf,
    /// The workspace, where its target directory may be that of others as well.
    owner: Option<PathBuf>,
}

#[derive(Default)]
pub(super) struct Changes {
    pub(super) written: Vec<PathBuf>,
    pub(super) removed: Vec<PathBuf>,
}

/// `target/precast/out/PACKAGE`, or what `[workspace.metadata.precast.out]` says. Of a package with several versions
/// in the build, the greatest has that; others have `PACKAGE-VERSION`, and are `PACKAGE@VERSION` there.
pub(super) fn place(
    plan: &Plan,
    (package, version): (&str, &str),
    is_newest: bool,
) -> Result<Place> {
    let own = own(plan);
    let (folder, key) = match is_newest {
        true => (package.to_owned(), package.to_owned()),
        false => (format!("{package}-{version}"), format!("{package}@{version}")),
    };
    let Some(granted) = plan.out(&key) else {
        let owner = Some(plan.root.clone());
        return Ok(Place { folder: own.join("out").join(folder), root: own, owner });
    };
    let message = format!("workspace.metadata.precast.out.{key}");
    let path = granted
        .as_str()
        .ok_or_else(|| Error::new(Class::Usage, format!("{message} is no text")))?;
    check(path).class(Class::Usage, message)?;
    Ok(Place { folder: plan.root.join(path), root: plan.root.clone(), owner: None })
}

/// A path that leads down, with `/`.
fn check(path: &str) -> Result<()> {
    let is_plain = |part: Component| matches!(part, Component::Normal(_));
    let parts: Vec<Component> = Path::new(path).components().collect();
    let is_down = !parts.is_empty() && parts.into_iter().all(is_plain);
    // What one system takes for a part of a name is a separator or a drive on another.
    let is_same = !path.contains(['\\', ':', '\0']) && !path.ends_with('/') && !path.contains("//");
    let is_same = is_same && !path.contains("/./") && !path.ends_with("/.");
    // The list has a name in each line: a line break within one would be the name of a file of others.
    let is_same = is_same
        && !path.contains(char::is_control)
        && ![LIST, OWNER].iter().any(|own| path.eq_ignore_ascii_case(own));
    match is_down && is_same {
        true => Ok(()),
        false => Err(Error::new(Class::Macro, format!("`{path}` is no path below a directory"))),
    }
}

/// Directories of packages that have left the workspace, with the names of the packages. With one target directory for
/// several workspaces, those of others are left alone.
pub(super) fn left(plan: &Plan) -> Result<Vec<(String, Place)>> {
    let names = lock::packages(plan.project().lockfile)?.into_keys();
    let known: BTreeSet<String> = names
        .flat_map(|(name, version)| {
            [format!("{name}-{version}"), format!("{name}@{version}"), name]
        })
        .collect();
    let own = own(plan);
    let listed = std::fs::read_dir(own.join("out")).into_iter().flatten().flatten();
    let default = listed.map(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        (name, Place { folder: entry.path(), root: own.clone(), owner: Some(plan.root.clone()) })
    });
    let granted = plan.outs().filter_map(|(key, path)| {
        let path = path.as_str().filter(|path| check(path).is_ok())?;
        // What two may write has one list.
        let is_own = plan.outs().filter(|(_, other)| other.as_str() == Some(path)).count() == 1;
        let (folder, root) = (plan.root.join(path), plan.root.clone());
        is_own.then(|| (key.clone(), Place { folder, root, owner: None }))
    });
    let is_left = |(name, place): &(String, Place)| !known.contains(name) && place.has_written();
    Ok(default.chain(granted).filter(is_left).collect())
}

impl Place {
    /// Whether it has files of this workspace.
    pub(super) fn has_written(&self) -> bool {
        let is_owner = |owner: &PathBuf| {
            let found = std::fs::read_to_string(self.folder.join(OWNER));
            found.is_ok_and(|text| Path::new(&text) == owner)
        };
        self.folder.join(LIST).is_file() && self.owner.as_ref().is_none_or(is_owner)
    }
}

fn own(plan: &Plan) -> PathBuf {
    let target = plan.targets().first().cloned().unwrap_or_else(|| plan.root.join("target"));
    target.join("precast")
}

/// Writes the files that are new or changed, and removes those that a build before has written and this one did not.
/// All is checked before anything is written.
pub(super) fn write(place: &Place, files: &BTreeMap<String, Vec<u8>>) -> Result<Changes> {
    bounds(files)?;
    let before = list(place);
    let mut changed = Vec::new();
    for (path, body) in files {
        let file = place.folder.join(path);
        inside(place, &file)?;
        room(place, path, files, &before)?;
        match std::fs::read(&file) {
            Ok(found) if found == *body => {}
            _ => changed.push((file, body)),
        }
    }
    let gone: Vec<&String> = before.iter().filter(|path| !files.contains_key(*path)).collect();
    let mut changes = Changes::default();
    // First what will have been written: should this end here, the next build still knows.
    let all: BTreeSet<&String> = before.iter().chain(files.keys()).collect();
    if !changed.is_empty() || !gone.is_empty() {
        keep(place, all)?;
    }
    // A directory may take the place of a file, and a file that of a directory.
    for path in gone {
        let file = place.folder.join(path);
        if check(path).is_ok() && inside(place, &file).is_ok() && file.is_file() {
            std::fs::remove_file(&file).at("remove", &file)?;
            prune(place, &file);
            changes.removed.push(file);
        }
    }
    for (file, body) in changed {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).at("create", folder)?;
        }
        scratch::replace(&file, body)?;
        changes.written.push(file);
    }
    if files.is_empty() {
        let list = place.folder.join(LIST);
        let _ = std::fs::remove_file(place.folder.join(OWNER));
        if std::fs::remove_file(&list).is_ok() {
            prune(place, &list);
            let _ = std::fs::remove_dir(&place.folder);
        }
    } else if !(changes.written.is_empty() && changes.removed.is_empty()) {
        keep(place, files.keys().collect())?;
    }
    Ok(changes)
}

/// No more than may be written, and each path one file of its own.
fn bounds(files: &BTreeMap<String, Vec<u8>>) -> Result<()> {
    let bytes: usize = files.values().map(Vec::len).sum();
    if bytes > BYTES_MAX || files.len() > N_FILES_MAX {
        let message = format!(
            "wants to write {} files of {bytes} bytes, and may write {N_FILES_MAX} of {BYTES_MAX}",
            files.len()
        );
        return Err(Error::new(Class::Macro, message));
    }
    let mut spelt: BTreeMap<String, &String> = BTreeMap::new();
    for path in files.keys() {
        check(path).context("wants to write")?;
        let one = |other: &str, how: &str| {
            let message = format!("wants to write `{other}` and `{path}`: {how}");
            Err(Error::new(Class::Macro, message))
        };
        if let Some(other) = spelt.insert(path.to_lowercase(), path) {
            return one(other, "these are one file where letter case does not count");
        }
        let above = Path::new(path).ancestors().skip(1).filter_map(Path::to_str);
        if let Some(other) = above.into_iter().find(|other| files.contains_key(*other)) {
            return one(other, "the first would be a file and a directory");
        }
    }
    Ok(())
}

/// Nothing that others have made stands where the file is to be, nor where its directories are to be.
fn room(
    place: &Place,
    path: &str,
    files: &BTreeMap<String, Vec<u8>>,
    before: &BTreeSet<String>,
) -> Result<()> {
    let others = |what: &Path| {
        let message = format!("wants to write {}, which others have written", what.display());
        Err(Error::new(Class::Macro, message).help("move that file away, or remove it"))
    };
    for above in Path::new(path).ancestors().skip(1).filter_map(Path::to_str) {
        let at = place.folder.join(above);
        if at.is_file() && !before.contains(above) {
            return others(&at);
        }
    }
    let file = place.folder.join(path);
    if file.is_dir() {
        for inner in trees::read_published(&file)?.into_keys() {
            let own = format!("{path}/{inner}");
            if !before.contains(&own) || files.contains_key(&own) {
                return others(&file.join(inner));
            }
        }
    } else if file.exists() && !before.contains(path) {
        let is_same = std::fs::read(&file).is_ok_and(|found| found == files[path]);
        if !is_same {
            return others(&file);
        }
    }
    Ok(())
}

/// No link leads out of what was granted.
fn inside(place: &Place, file: &Path) -> Result<()> {
    let out = |at: &Path| {
        let message = format!("wants to write through the link {}", at.display());
        Err(Error::new(Class::Macro, message).help("only directories of the workspace are written"))
    };
    for at in file.ancestors().take_while(|at| *at != place.root) {
        if at.is_symlink() {
            return out(at);
        }
    }
    Ok(())
}

fn list(place: &Place) -> BTreeSet<String> {
    let text = std::fs::read_to_string(place.folder.join(LIST)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn keep(place: &Place, paths: BTreeSet<&String>) -> Result<()> {
    let text: String = paths.into_iter().map(|path| format!("{path}\n")).collect();
    std::fs::create_dir_all(&place.folder).at("create", &place.folder)?;
    if let Some(owner) = &place.owner {
        scratch::replace(&place.folder.join(OWNER), owner.to_string_lossy().as_bytes())?;
    }
    scratch::replace(&place.folder.join(LIST), text.as_bytes())
}

/// Removes folders that are empty now, up to the granted one.
fn prune(place: &Place, file: &Path) {
    let folders = file.ancestors().skip(1).take_while(|folder| *folder != place.folder);
    for folder in folders {
        if std::fs::remove_dir(folder).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for path in ["a.ts", "a/b.ts", ".hidden", "a b"] {
            assert!(check(path).is_ok(), "{path}");
        }
        for path in
            ["", "/a", "../a", "a/../b", "./a", "a//b", "a/", "c:a", "a\\b", "a\0", "a/./b", LIST]
        {
            assert!(check(path).is_err(), "{path}");
        }
        for path in ["a/.", "a\nb", "a\r", "\u{85}", ".Precast-Written"] {
            assert!(check(path).is_err(), "{path:?}");
        }
    }

    fn made(files: &[&str]) -> BTreeMap<String, Vec<u8>> {
        files.iter().map(|path| ((*path).to_owned(), path.as_bytes().to_vec())).collect()
    }

    #[test]
    fn files_and_directories() {
        let scratch = scratch::Scratch::new().unwrap();
        let root = scratch.path().to_owned();
        let owner = Some(root.clone());
        let place = Place { folder: root.join("out"), root, owner };
        let there = |place: &Place| -> Vec<String> {
            let files = trees::read_published(&place.folder).unwrap_or_default();
            files.into_keys().filter(|path| path != LIST && path != OWNER).collect()
        };
        // Each takes the place of the other.
        for files in [&["a", "b"][..], &["a/b/c", "b"], &["a", "b/c"], &["a/b"]] {
            write(&place, &made(files)).unwrap();
            assert_eq!(there(&place), files);
        }
        // Whatever is refused is refused before anything is written.
        std::fs::write(place.folder.join("theirs"), "").unwrap();
        std::fs::create_dir(place.folder.join("folder")).unwrap();
        std::fs::write(place.folder.join("folder/theirs"), "").unwrap();
        for (files, expected) in [
            (&["0", "a", "a/b"][..], "`a` and `a/b`: the first would be a file and a directory"),
            (&["0", "x", "X"], "`X` and `x`: these are one file where letter case does not count"),
            (&["0", "theirs"], "theirs, which others have written"),
            (&["0", "theirs/a"], "theirs, which others have written"),
            (&["0", "folder"], "theirs, which others have written"),
        ] {
            let error = write(&place, &made(files)).err().unwrap().to_string();
            assert!(error.contains(expected), "{error}");
            assert_eq!(there(&place), ["a/b", "folder/theirs", "theirs"]);
        }
        // Beside what others have, and nothing of its own any more.
        write(&place, &made(&["folder/own"])).unwrap();
        write(&place, &made(&[])).unwrap();
        assert_eq!(there(&place), ["folder/theirs", "theirs"]);
        assert!(!place.folder.join(LIST).exists() && !place.folder.join(OWNER).exists());
        // Another workspace's.
        write(&place, &made(&["x"])).unwrap();
        assert!(place.has_written());
        assert!(!Place { owner: Some("/elsewhere".into()), ..place }.has_written());
    }
}
