//! Changes of many files, which are made together or not at all.

use crate::base::error::{Context, Result};
use crate::base::scratch::{self, Scratch};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// New contents by path; none where a file goes.
#[derive(Default)]
pub struct Change(BTreeMap<PathBuf, Option<Vec<u8>>>);

impl Change {
    pub fn write(&mut self, path: PathBuf, body: impl Into<Vec<u8>>) {
        self.0.insert(path, Some(body.into()));
    }

    /// A file that is written, too, stays.
    pub fn remove(&mut self, path: PathBuf) {
        self.0.entry(path).or_insert(None);
    }

    pub fn written(&self) -> impl Iterator<Item = (&Path, &[u8])> {
        self.0.iter().filter_map(|(path, body)| Some((path.as_path(), body.as_deref()?)))
    }

    pub fn removed(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().filter(|(_, body)| body.is_none()).map(|(path, _)| path.as_path())
    }

    /// Makes the changes. After an error everything is as it was.
    pub fn apply(&self, beside: &Path) -> Result<()> {
        let scratch = Scratch::beside(beside)?;
        let mut ready = Vec::new();
        for (at, (path, body)) in self.0.iter().enumerate() {
            let new = scratch.path().join(format!("new-{at}"));
            if let Some(body) = body {
                std::fs::write(&new, body).at("write", &new)?;
                if let Ok(found) = path.metadata() {
                    std::fs::set_permissions(&new, found.permissions()).at("mark", &new)?;
                }
            }
            let old = scratch.path().join(format!("old-{at}"));
            ready.push(Step { path, new: body.is_some().then_some(new), old });
        }
        scratch::undisturbed(|| {
            for (at, step) in ready.iter().enumerate() {
                if let Err(error) = step.take() {
                    ready[..=at].iter().rev().for_each(Step::undo);
                    return Err(error);
                }
            }
            // What is left of folders is empty.
            self.removed().for_each(remove_empty);
            Ok(())
        })
    }
}

struct Step<'a> {
    path: &'a Path,
    new: Option<PathBuf>,
    old: PathBuf,
}

impl Step<'_> {
    fn take(&self) -> Result<()> {
        if self.path.symlink_metadata().is_ok() {
            std::fs::rename(self.path, &self.old).at("replace", self.path)?;
        }
        if let Some(new) = &self.new {
            let folder = self.path.parent().unwrap_or(Path::new("."));
            std::fs::create_dir_all(folder).at("create", folder)?;
            std::fs::rename(new, self.path).at("create", self.path)?;
        }
        Ok(())
    }

    fn undo(&self) {
        if self.old.symlink_metadata().is_ok() {
            // The rename that took the file away has worked; the error that is told is the first.
            let _ = std::fs::rename(&self.old, self.path);
        } else if self.new.as_ref().is_some_and(|new| !new.exists()) {
            let _ = std::fs::remove_file(self.path);
            remove_empty(self.path);
        }
    }
}

/// The folders of a file that is gone, as far as they are empty.
fn remove_empty(file: &Path) {
    file.ancestors().skip(1).take_while(|folder| std::fs::remove_dir(folder).is_ok()).count();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_or_nothing() {
        let place = tempfile::tempdir().unwrap();
        let file = |name: &str| place.path().join(name);
        std::fs::create_dir(file("d")).unwrap();
        for name in ["a", "b", "d/c"] {
            std::fs::write(file(name), name).unwrap();
        }
        let mut change = Change::default();
        change.write(file("a"), "new");
        change.write(file("new/n"), "new");
        change.remove(file("d/c"));
        // A file stands where a folder would have to be.
        change.write(file("z/x"), "new");
        std::fs::write(file("z"), "z").unwrap();
        assert!(change.apply(&file("b")).is_err());
        let text = |name: &str| std::fs::read_to_string(file(name)).ok();
        assert_eq!((text("a"), text("d/c")), (Some("a".into()), Some("d/c".into())));
        assert!(!file("new").exists());
        std::fs::remove_file(file("z")).unwrap();
        change.apply(&file("b")).unwrap();
        assert_eq!(
            (text("a"), text("new/n"), text("z/x")),
            (Some("new".into()), Some("new".into()), Some("new".into()))
        );
        assert!(!file("d").exists() && text("b").is_some());
        let hidden = std::fs::read_dir(place.path()).unwrap().flatten();
        assert!(!hidden
            .map(|entry| entry.file_name())
            .any(|name| name.to_string_lossy().starts_with('.')));
    }
}
