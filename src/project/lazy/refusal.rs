//! A crate that does not compile because a packed macro was refused something: the next build of the
//! workspace has that macro from source, unless the workspace has granted it meanwhile.

use super::invocation::Invocation;
use super::record;
use crate::base::error::{Class, Error, Result};
use crate::cache::Locked;
use crate::cache::Store;
use crate::project::plan::Plan;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

/// What stands behind a package's name and version where its macro was refused something.
const MARK: &str = ", which is precompiled, ";

/// The shims among the libraries that a crate uses.
pub fn shims(invocation: &Invocation) -> Vec<Locked> {
    let records = invocation.externs.iter().filter_map(|(_, file)| record::of(file));
    records.filter(|record| record.shim.is_some()).map(|record| record.package).collect()
}

/// Runs the compiler, and hears what it says of the shims. Its exit code is ours.
pub fn listen(words: &[OsString], shims: &[Locked], plan: &Plan, store: &Store) -> Result<i32> {
    let failed = |error: std::io::Error| {
        Error::new(Class::Toolchain, format!("cannot run {}: {error}", words[0].display()))
    };
    let mut command = Command::new(&words[0]);
    let mut child = command.args(&words[1..]).stderr(Stdio::piped()).spawn().map_err(failed)?;
    let mut refused = Vec::new();
    let mut said = BufReader::new(child.stderr.take().expect("it was piped"));
    let mut line = Vec::new();
    while said.read_until(b'\n', &mut line).map_err(failed)? > 0 {
        // Nothing can be done for who does not read it.
        let _ = std::io::stderr().write_all(&line);
        let text = String::from_utf8_lossy(&line);
        for shim in shims {
            refused.extend(reason(&text, shim).map(|reason| (shim, reason)));
        }
        line.clear();
    }
    let code = child.wait().map_err(failed)?.code().unwrap_or(1);
    if code != 0 {
        for (shim, reason) in refused {
            plan.refuse(shim, &reason, store);
        }
    }
    Ok(code)
}

/// What the package was refused, if the text says so.
fn reason(text: &str, package: &Locked) -> Option<String> {
    let label = format!("{} {}{MARK}", package.name, package.version);
    let (_, rest) = text.split_once(&label)?;
    // The text may be within one of JSON.
    let end = rest.find("\\n").or_else(|| rest.find('\n')).unwrap_or(rest.len());
    Some(format!("it {}", &rest[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused() {
        let package = Locked {
            name: "m".into(),
            version: "1.0.0".into(),
            source: None,
            checksum: None,
            directory: "/m".into(),
            features: Default::default(),
        };
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(reason(text, &package).as_deref(), expected);
        };
        let said = "m 1.0.0, which is precompiled, may not read `/a`";
        check(said, Some("it may not read `/a`"));
        check(&format!("{{\"message\":\"\\n{said}\\nto grant\"}}"), Some("it may not read `/a`"));
        check("n 1.0.0, which is precompiled, may not read `/a`", None);
    }
}
