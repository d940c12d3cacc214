//! Which features a native build enables in what a macro is made of.
//!
//! Natively a macro is built for this machine, with the macros that it uses, and cargo unifies the features of
//! everything that both use. For wasm it keeps the two apart, and features below `cfg(unix)` are none of wasm's.
//! So cargo is asked what it would do natively. A project's build tells this by itself.

use crate::base::cargo;
use crate::base::error::Result;
use crate::pack::compiler::toolchain::Toolchain;
use crate::pack::source::lock::{Id, Lock};
use std::path::{Path, PathBuf};

/// A package with its features; the directory of one that has no source.
#[derive(Debug, PartialEq, Eq)]
pub struct Unified {
    pub id: Id,
    pub directory: Option<PathBuf>,
    pub features: Vec<String>,
}

/// What separates the parts of a line.
const SEPARATOR: char = '|';

/// Where to ask.
pub struct Asked<'a> {
    pub toolchain: &'a Toolchain,
    /// Where cargo's configuration is looked for.
    pub directory: &'a Path,
    /// The workspace.
    pub staged: &'a Path,
    /// Its member whose build dependencies are meant.
    pub member: &'a str,
    pub offline: bool,
}

/// The packages of the lock file that the member's build dependencies are made of. Without a network cargo may not
/// know those that this machine alone needs: then nobody builds the macro natively here, and the list is empty.
pub fn unified(asked: &Asked, lock: &Lock) -> Result<Vec<Unified>> {
    for offline in [true, asked.offline] {
        let mut tree = match &asked.toolchain.cargo {
            Some(program) => cargo::command_of(program.into(), asked.directory),
            None => cargo::command(asked.directory),
        };
        tree.env("RUSTC", &asked.toolchain.rustc);
        tree.args(["tree", "--quiet", "--edges", "normal,build", "--prefix", "none"]);
        tree.arg("--format").arg(format!("{{p}}{SEPARATOR}{{f}}"));
        tree.args(["--package", asked.member, "--target", &asked.toolchain.host]);
        tree.arg("--manifest-path").arg(asked.staged.join("Cargo.toml"));
        if offline {
            tree.arg("--offline");
        }
        let output = cargo::run(tree, |_| {})?;
        if output.success {
            return Ok(output.stdout.lines().filter_map(|line| read(line, lock)).collect());
        }
        // What else is wrong, the build says.
        if asked.offline || !cargo::is_offline(&output.stderr) {
            break;
        }
    }
    Ok(Vec::new())
}

/// `NAME vVERSION (proc-macro) (PLACE)|FEATURE,FEATURE (*)`; a place only where there is no registry.
fn read(line: &str, lock: &Lock) -> Option<Unified> {
    let (package, features) = line.split_once(SEPARATOR)?;
    let (name, rest) = package.split_once(" v")?;
    let (version, places) = rest.split_once(' ').unwrap_or((rest, ""));
    let mut ids = lock.ids().filter(|id| id.name == name && id.version == version);
    // One of two with the same name and version is not told apart.
    let id = ids.next().filter(|_| ids.next().is_none())?.clone();
    let place = places.strip_prefix("(proc-macro)").unwrap_or(places).trim();
    let place = place.strip_prefix('(').and_then(|place| place.strip_suffix(')'));
    let directory = place.filter(|_| id.source.is_none()).map(PathBuf::from);
    let features = features.strip_suffix(" (*)").unwrap_or(features);
    let features = features.split(',').filter(|feature| !feature.is_empty());
    Some(Unified { id, directory, features: features.map(str::to_owned).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_tree() {
        let lock = "[[package]]\nname = \"a\"\nversion = \"1.0.0+x\"\nsource = \"registry+r\"\n\
                    [[package]]\nname = \"here\"\nversion = \"0.1.0\"\n";
        let lock = Lock::parse(lock).unwrap();
        let check = |line: &str, expected: Option<(&str, Option<&str>, &[&str])>| {
            let found = read(line, &lock);
            let found = found.as_ref().map(|found| {
                let features: Vec<&str> = found.features.iter().map(String::as_str).collect();
                (found.id.name.as_str(), found.directory.as_deref(), features)
            });
            let expected = expected
                .map(|(name, place, features)| (name, place.map(Path::new), features.to_vec()));
            assert_eq!(found, expected);
        };
        check("a v1.0.0+x|default,std", Some(("a", None, &["default", "std"])));
        check("a v1.0.0+x (proc-macro)| (*)", Some(("a", None, &[])));
        check("here v0.1.0 (/w/my here)|full (*)", Some(("here", Some("/w/my here"), &["full"])));
        check("here v0.1.0 (proc-macro) (/h)|", Some(("here", Some("/h"), &[])));
        check("precast-pins v0.0.0 (/s)|", None);
        check("[build-dependencies]", None);
    }
}
