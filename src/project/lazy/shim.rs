//! Compiles a shim with the arguments that cargo gave for the macro.

use super::invocation::Invocation;
use super::kept;
use super::record::Command;
use crate::base::error::Result;
use crate::base::files;
use crate::cache::{Environment, Store};
use std::path::Path;

/// The directory of the package that is compiled, as cargo says it.
pub const OWN_DIRECTORY: &str = "CARGO_MANIFEST_DIR";

/// How a shim begins to say where the files of its package are.
const OWN_FILES: &str = "const OWN:";

/// Compiles the shim in a folder. Variables are as the macro was packed with them, whatever the build script of the
/// original sets.
pub fn compile(
    invocation: &Invocation,
    command: Option<&Command>,
    store: &Store,
    (folder, label): (&Path, &str),
    inputs: &[String],
    environment: &Environment,
) -> Result<i32> {
    let root = folder.join("src/lib.rs");
    let mut args = Vec::new();
    let mut words = invocation.args.iter().enumerate();
    while let Some((at, word)) = words.next() {
        match word.as_str() {
            _ if at == invocation.root => args.push(root.to_string_lossy().into_owned()),
            // What the original's sources would be compiled with.
            "--extern" => {
                let value = words.next().map(|(_, value)| value.clone()).unwrap_or_default();
                if !value.contains('=') {
                    args.extend([word.clone(), value]);
                }
            }
            "-C" if words.clone().next().is_some_and(|(_, v)| v.starts_with("incremental=")) => {
                words.next();
            }
            _ => args.push(word.clone()),
        }
    }
    if !args.iter().any(|arg| arg.starts_with("--cap-lints")) {
        args.extend(["--cap-lints".into(), "allow".into()]);
    }
    let mut inputs = inputs.to_vec();
    if inputs.is_empty() {
        // A shim that somebody has vendored.
        inputs.push(files::hash_of_files(&files::read(folder)?));
    }
    // Where its macros read files of the original, the library has its place.
    if std::fs::read_to_string(&root).is_ok_and(|text| text.contains(OWN_FILES)) {
        inputs.extend(match command {
            Some(command) => command.variables.get(OWN_DIRECTORY).cloned(),
            None => std::env::var(OWN_DIRECTORY).ok(),
        });
    }
    let job = kept::Job {
        invocation,
        command,
        args,
        inputs,
        label: label.to_owned(),
        sources: Some(folder),
        environment,
        allowed: |name| name == OWN_DIRECTORY,
    };
    job.run(store.cache(), || Ok(()))
}
