//! The compiler or rustdoc that cargo would have started, run as if we were not there.

use crate::base::error::Result;
use crate::project::script::{LAZY, ON};
use std::ffi::OsString;
use std::path::Path;

/// A wrapper of the user's, which runs between us and the compiler.
pub fn inner_wrapper() -> Option<OsString> {
    std::env::var_os(LAZY).filter(|value| value != ON)
}

/// Runs the compiler as if we were not there.
pub fn become_compiler(words: &[OsString]) -> i32 {
    let Some((program, args)) = words.split_first() else {
        eprintln!("error: precast: no compiler to run");
        return 1;
    };
    let mut command = std::process::Command::new(program);
    command.args(args);
    #[cfg(unix)]
    let failed = std::os::unix::process::CommandExt::exec(&mut command);
    #[cfg(not(unix))]
    let failed = match command.status() {
        Ok(status) => return status.code().unwrap_or(1),
        Err(error) => error,
    };
    eprintln!("error: precast: cannot run {}: {failed}", Path::new(program).display());
    1
}

/// The exit code, after an error was told.
pub fn said(result: Result<i32>) -> i32 {
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: precast: {error}");
            if let Some(help) = error.help_text() {
                eprintln!("help: {help}");
            }
            1
        }
    }
}
