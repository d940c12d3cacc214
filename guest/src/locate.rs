//! Answers `cargo locate-project` without cargo. proc-macro-crate runs it to find the manifest from which a package
//! inherits its dependencies.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const MANIFEST: &str = "Cargo.toml";

/// What cargo would print, if the command is one that asks it for a project.
pub fn answer(command: &Command) -> Option<Vec<u8>> {
    if command.get_program() != env::var_os("CARGO")? {
        return None;
    }
    let mut args = command.get_args().map(|arg| arg.to_str());
    if args.next()?? != "locate-project" {
        return None;
    }
    let (mut whole, mut plain, mut manifest) = (false, false, None);
    while let Some(arg) = args.next() {
        let (name, value) = match arg?.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (arg?, None),
        };
        match (name, value) {
            ("--workspace", None) => whole = true,
            ("--message-format", value) => {
                plain = match value.or(args.next().flatten())? {
                    "plain" => true,
                    "json" => false,
                    _ => return None,
                }
            }
            ("--manifest-path", value) => {
                manifest = Some(PathBuf::from(value.or(args.next().flatten())?));
            }
            _ => return None,
        }
    }
    let found = match manifest {
        Some(manifest) => Some(manifest),
        None => nearest(command),
    };
    let found = match found {
        Some(manifest) if whole => root(&manifest),
        found => found,
    };
    // Cargo prints an error instead, and nothing else.
    let Some(found) = found else { return Some(Vec::new()) };
    let found = found.to_str()?;
    let line = match plain {
        true => format!("{found}\n"),
        false => {
            format!("{{\"root\":\"{}\"}}\n", found.replace('\\', "\\\\").replace('"', "\\\""))
        }
    };
    Some(line.into_bytes())
}

/// The manifest of the package in whose directory the command runs.
fn nearest(command: &Command) -> Option<PathBuf> {
    let here = env::current_dir().ok()?;
    let directory = command.get_current_dir().map_or_else(|| here.clone(), |dir| here.join(dir));
    let mut manifests = directory.ancestors().map(|directory| directory.join(MANIFEST));
    manifests.find(|manifest| manifest.is_file())
}

/// The manifest of the package's workspace: that which it names, or the nearest above that is of one, or
/// its own.
fn root(manifest: &Path) -> Option<PathBuf> {
    let directory = manifest.parent()?;
    match read(manifest)? {
        Said::Workspace => return Some(manifest.to_owned()),
        Said::Member(root) => return directory.join(root).join(MANIFEST).canonicalize().ok(),
        Said::Nothing => {}
    }
    let above = directory.ancestors().skip(1).map(|directory| directory.join(MANIFEST));
    let mut roots = above.filter(|other| matches!(read(other), Some(Said::Workspace)));
    Some(roots.next().unwrap_or_else(|| manifest.to_owned()))
}

/// What a manifest says of workspaces.
enum Said {
    Nothing,
    /// It has one.
    Workspace,
    /// `package.workspace`
    Member(String),
}

/// None if it cannot be read.
fn read(manifest: &Path) -> Option<Said> {
    let text = fs::read_to_string(manifest).ok()?;
    let mut table = String::new();
    let mut said = Said::Nothing;
    for line in text.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            table = header.split(']').next().unwrap_or_default().trim().to_owned();
            if table == "workspace" || table.starts_with("workspace.") {
                return Some(Said::Workspace);
            }
            continue;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        let key = key.trim();
        let full = if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") };
        if table.is_empty() && (key == "workspace" || key.starts_with("workspace.")) {
            return Some(Said::Workspace);
        }
        if full == "package.workspace" {
            let value = value.trim().trim_start_matches(['"', '\'']);
            let root = value.split(['"', '\'']).next().unwrap_or_default();
            said = Said::Member(root.to_owned());
        }
    }
    Some(said)
}
