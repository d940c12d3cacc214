//! The licence texts of exactly what is linked in: each package in the version that the lock file
//! has, and the standard library.

use super::Check;
use crate::artifact::Artifact;
use crate::base::error::{Class, Context, Result};
use std::collections::BTreeSet;
use toml_edit::DocumentMut;

pub(super) fn check(artifact: &Artifact) -> Result<Check> {
    let manifest = &artifact.manifest;
    let linked = manifest.linked.iter().chain(manifest.sets.iter().flat_map(|set| &set.linked));
    let locked = locked(&artifact.lockfile)?;
    let (mut differences, mut notes) = (BTreeSet::new(), BTreeSet::new());
    let own = format!("{}-{}", manifest.package.name, manifest.package.version);
    let std = format!("std-{}", manifest.toolchain.rustc);
    // Of a module that was built elsewhere nobody knows what is linked in.
    let is_known = !manifest.package.source.is_module();
    let mut expected = BTreeSet::from([own, std.clone()]);
    let folders: BTreeSet<&str> =
        artifact.licenses.keys().filter_map(|path| Some(path.split_once('/')?.0)).collect();
    for package in linked {
        let label = format!("{}-{}", package.name, package.version);
        let entry = (package.name.clone(), package.version.clone());
        let checksum = locked.iter().find(|(named, _)| *named == entry).map(|(_, sum)| sum);
        if checksum != Some(&package.checksum) && !is_own(artifact, &entry) {
            differences.insert(format!("{label} is not that of the lock file"));
        }
        if !folders.contains(label.as_str()) {
            let license = package.license.as_deref().unwrap_or("licence unknown");
            notes.insert(format!("{label} was published without a licence text ({license})"));
        }
        expected.insert(label);
    }
    if is_known && !folders.contains(std.as_str()) {
        differences.insert(format!("the notice of {std} is missing"));
    }
    let extra = folders.iter().filter(|folder| !expected.contains(**folder));
    differences
        .extend(extra.map(|folder| format!("{folder} has a licence text and is not linked")));
    Ok(Check {
        what: "the licence texts are of the linked versions",
        differences: differences.into_iter().collect(),
        notes: notes.into_iter().collect(),
    })
}

/// The package itself has no checksum in its own lock file.
fn is_own(artifact: &Artifact, (name, version): &(String, String)) -> bool {
    let package = &artifact.manifest.package;
    (&package.name, &package.version) == (name, version)
}

type Locked = Vec<((String, String), Option<String>)>;

fn locked(lockfile: &[u8]) -> Result<Locked> {
    let text = String::from_utf8_lossy(lockfile);
    let document: DocumentMut = text.parse().class(Class::Verify, "cannot read Cargo.lock")?;
    let packages = document.get("package").and_then(|packages| packages.as_array_of_tables());
    let entry = |package: &toml_edit::Table| {
        let text = |key: &str| Some(package.get(key)?.as_str()?.to_owned());
        Some(((text("name")?, text("version")?), text("checksum")))
    };
    Ok(packages.into_iter().flatten().filter_map(entry).collect())
}
