//! Which file a program's name means, and what the program says of itself, kept while that file is
//! the same: starting a compiler to hear its version costs as much as reading a whole workspace.

use crate::base::cargo;
use crate::base::error::{Class, Error, Result};
use crate::base::files::hash_of;
use crate::cache::entries::Cache;
use crate::cache::kinds;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::UNIX_EPOCH;

/// Stands for the program's file, as for cargo itself: its path, its size and when it was written.
pub fn mark(file: &Path) -> Option<String> {
    let metadata = file.metadata().ok()?;
    let written = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_nanos();
    Some(format!("{}|{}|{written}", file.display(), metadata.len()))
}

/// The file that runs if a program is started by this name: past rustup's proxy, if the
/// environment says which toolchain that would choose. None for any other proxy.
pub fn file(program: &Path) -> Option<PathBuf> {
    let named = format!("{}{}", program.display(), std::env::consts::EXE_SUFFIX);
    let file = match program.components().count() {
        1 => std::env::split_paths(&std::env::var_os("PATH")?)
            .map(|folder| folder.join(&named))
            .find(|file| file.is_file())?,
        _ => program.to_owned(),
    };
    if !is_proxy(&file) {
        return file.is_file().then_some(file);
    }
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let home = PathBuf::from(variable("RUSTUP_HOME")?);
    let toolchain = home.join("toolchains").join(variable("RUSTUP_TOOLCHAIN")?);
    let file = toolchain.join("bin").join(file.file_name()?);
    file.is_file().then_some(file)
}

/// Rustup's proxies are links to it of either kind, or copies.
fn is_proxy(file: &Path) -> bool {
    let rustup = file.with_file_name(format!("rustup{}", std::env::consts::EXE_SUFFIX));
    let bytes = |file: &Path| file.metadata().map(|metadata| metadata.len()).ok();
    bytes(&rustup).is_some_and(|bytes_of_it| bytes(file) == Some(bytes_of_it))
}

/// Standard output of `program arguments`. The answer is kept if `lasts` says that it can change
/// with the program's file only.
pub fn answer(
    program: &Path,
    arguments: &[&str],
    cache: &Cache,
    lasts: impl Fn(&str) -> bool,
) -> Result<String> {
    let ask = || capture(Command::new(program).args(arguments));
    let Some(mark) = mark(program) else { return ask() };
    let key = &hash_of(&[&[mark.as_str()], arguments].concat())[..32];
    if let Some(text) = cache.kept(kinds::PROGRAM, key) {
        return Ok(text);
    }
    let text = ask()?;
    if lasts(&text) {
        cache.keep(kinds::PROGRAM, key, &text);
    }
    Ok(text)
}

/// Standard output of a command that must succeed.
pub fn capture(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut own = Command::new(command.get_program());
    own.args(command.get_args());
    if let Some(directory) = command.get_current_dir() {
        own.current_dir(directory);
    }
    let output = cargo::run(own, |_| {})?;
    if output.success {
        return Ok(output.stdout);
    }
    Err(Error::new(Class::Toolchain, format!("{name} failed: {}", output.stderr.trim())))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn answers_last_as_long_as_the_file() {
        let place = tempfile::tempdir().unwrap();
        let cache = Cache::open(Some(&place.path().join("cache"))).unwrap();
        let tool = place.path().join("tool");
        let write = |code: &str| {
            std::fs::write(&tool, format!("#!/bin/sh\necho >> \"$0.asked\"\n{code}\n")).unwrap();
            std::fs::set_permissions(&tool, PermissionsExt::from_mode(0o755)).unwrap();
        };
        let n_asked = || std::fs::read_to_string(place.path().join("tool.asked")).unwrap().len();
        let ask = |lasts| answer(&tool, &["--say"], &cache, |_| lasts).unwrap();
        write("echo one $1");
        assert_eq!((ask(false), n_asked()), ("one --say\n".into(), 1));
        assert_eq!((ask(true), n_asked()), ("one --say\n".into(), 2));
        assert_eq!((ask(true), n_asked()), ("one --say\n".into(), 2));
        write("echo three $1");
        assert_eq!((ask(true), n_asked()), ("three --say\n".into(), 3));
        write("exit 1");
        assert!(answer(&tool, &["--say"], &cache, |_| true).is_err());
        assert!(answer(&place.path().join("none"), &[], &cache, |_| true).is_err());
    }

    #[test]
    fn proxies() {
        let place = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| std::fs::write(place.path().join(name), text).unwrap();
        put("rustup", "the proxy");
        put("cargo", "the proxy");
        put("rustc", "a compiler");
        assert!(is_proxy(&place.path().join("cargo")));
        assert!(!is_proxy(&place.path().join("rustc")));
        assert_eq!(file(&place.path().join("rustc")), Some(place.path().join("rustc")));
        assert_eq!(file(&place.path().join("none")), None);
    }
}
