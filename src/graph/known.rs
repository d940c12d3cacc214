//! What `cargo tree` said, kept for the next build of the same graph.

use super::Request;
use crate::pack::cargo;
use crate::pack::program::{file, mark};
use crate::pack::stage::hash_of;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use toml_edit::{DocumentMut, Item};

/// Kind of the cache's entries.
pub const KIND: &str = "tree";

/// Parts of names of variables that cargo and rustc read.
const VARIABLES: [&str; 2] = ["CARGO", "RUST"];

/// A hash of all that decides the answer: the command and where it runs, what cargo says of the
/// packages, the workspace's manifest, cargo's configuration and environment, and the programs. None if
/// something else may decide it.
pub fn key(request: &Request, tree: &Command, metadata: &str, root: &Path) -> Option<String> {
    let is_plain = request.toolchain.is_none() && !request.is_configured();
    let own = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let program = |name: &OsStr| mark(&file(Path::new(name))?);
    let mut parts = vec![program(&own)?, program(&rustc)?, metadata.to_owned()];
    parts.push(format!(
        "{:?} in {}",
        tree.get_args().collect::<Vec<_>>(),
        request.directory.display()
    ));
    // The resolver's version is nowhere else.
    parts.push(std::fs::read_to_string(root.join("Cargo.toml")).ok()?);
    parts.extend(
        cargo::configuration(&request.directory)
            .into_iter()
            .map(text)
            .collect::<Option<Vec<_>>>()?,
    );
    let mut variables: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    let is_read = |name: &OsStr| VARIABLES.iter().any(|part| name.to_string_lossy().contains(part));
    variables.retain(|(name, _)| is_read(name));
    variables.sort_unstable();
    parts.push(format!("{variables:?}"));
    is_plain.then(|| hash_of(&parts)[..32].to_owned())
}

/// A file of cargo's configuration with its path; none if it leads to more than is in it.
fn text(file: PathBuf) -> Option<String> {
    let text = std::fs::read_to_string(&file).ok()?;
    let document: DocumentMut = text.parse().ok()?;
    let build = document.get("build").and_then(Item::as_table_like);
    let leads_on = document.contains_key("include")
        || build.is_some_and(|build| build.iter().any(|(key, _)| key.starts_with("rustc")));
    (!leads_on).then(|| format!("{}\n{text}", file.display()))
}
