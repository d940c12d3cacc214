//! The compiler that runs: which file it is, its version, and how it ends.

use super::arguments::Arguments;
use crate::base::error::{Class, Context, Error, Result};
use crate::cache::program::capture;
use crate::cache::Cache;
use crate::pack::compiler::toolchain;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// Names the compiler to run. `RUSTC` cannot: there cargo names us.
const VARIABLE: &str = "PRECAST_REAL_RUSTC";

pub struct Compiler {
    program: OsString,
    toolchain: Option<OsString>,
}

/// What macros are compiled for, and with.
pub struct Host {
    /// Stands for the compiler in keys.
    pub identity: String,
    /// `--sysroot`, where it is not the compiler's own.
    pub sysroot: Option<OsString>,
    /// `linker=…`
    pub linker: Vec<String>,
}

impl Compiler {
    pub fn find(arguments: &Arguments) -> Result<Compiler> {
        let named = || std::env::var_os(VARIABLE).filter(|value| !value.is_empty());
        let program = match arguments.program.clone().or_else(named) {
            Some(program) => program,
            None => on_path()?.into(),
        };
        Ok(Compiler { program, toolchain: arguments.toolchain.clone() })
    }

    /// A command of the compiler's, of the toolchain that was chosen.
    pub fn command(&self, words: &[OsString]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(self.toolchain.iter().filter(|_| !starts_with_plus(words))).args(words);
        command
    }

    /// Runs the compiler in our place, where the system can do that.
    pub fn become_it(&self, words: &[OsString]) -> Result<i32> {
        #[cfg(unix)]
        {
            let failed = std::os::unix::process::CommandExt::exec(&mut self.command(words));
            if failed.raw_os_error() != Some(TOO_LONG) {
                return Err(self.unstarted(&failed));
            }
        }
        self.run(words)
    }

    /// Runs the compiler to its end: its exit code. What ended it by a signal ends us.
    pub fn run(&self, words: &[OsString]) -> Result<i32> {
        Ok(self.wait(words, false)?.0)
    }

    /// The same with what it writes to standard output, if that is asked for.
    pub fn wait(&self, words: &[OsString], captures: bool) -> Result<(i32, Vec<u8>)> {
        let start = |words: &[OsString]| {
            let mut command = self.command(words);
            if captures {
                command.stdout(Stdio::piped());
            }
            command.spawn()
        };
        let file;
        let child = match start(words) {
            Err(error) if error.raw_os_error() == Some(TOO_LONG) => {
                file = argument_file(words)?;
                let mut short: Vec<OsString> =
                    words[..usize::from(starts_with_plus(words))].to_vec();
                let mut word = OsString::from("@");
                word.push(file.path());
                short.push(word);
                start(&short)
            }
            other => other,
        };
        let mut child = child.map_err(|error| self.unstarted(&error))?;
        signals::watch(child.id());
        let mut written = Vec::new();
        if let Some(mut stdout) = child.stdout.take() {
            std::io::Read::read_to_end(&mut stdout, &mut written)
                .context("cannot read what the compiler writes")?;
        }
        let status = child.wait().context("the compiler is lost");
        signals::watch(0);
        Ok((code(status?), written))
    }

    /// What macros are compiled with: by this compiler, for the system that it runs on.
    pub fn host(&self, arguments: &Arguments, cache: &Cache) -> Result<Host> {
        let ask = |what: &[&str]| {
            let words: Vec<OsString> = what.iter().map(OsString::from).collect();
            capture(&mut self.command(&words))
        };
        let own = ask(&["--print", "sysroot"])?;
        let own = PathBuf::from(own.trim_end());
        let rustc = own.join("bin").join(format!("rustc{}", std::env::consts::EXE_SUFFIX));
        // A compiler that was asked before is not started for the answer.
        let identity = match toolchain::described(&rustc, cache) {
            Some(identity) => identity,
            None => ask(&["-vV"])?,
        };
        let host = toolchain::field(&identity, "host").unwrap_or_default();
        let given = arguments.sysroot.as_ref().filter(|given| has_library(given.as_ref(), &host));
        if given.is_none() && !has_library(&own, &host) {
            return Err(without_library(&host, &own, arguments.sysroot.as_deref()));
        }
        let is_for_host = arguments.target.as_ref().is_none_or(|target| *target == host);
        let linker = if is_for_host { arguments.linker.clone() } else { Vec::new() };
        Ok(Host { identity, sysroot: given.cloned(), linker })
    }

    fn unstarted(&self, error: &std::io::Error) -> Error {
        let program = self.program.to_string_lossy();
        let error = Error::new(Class::Toolchain, format!("cannot run {program}: {error}"));
        error.help(format!("name the compiler with {VARIABLE}"))
    }
}

/// `E2BIG`, and `ERROR_FILENAME_EXCED_RANGE` of Windows.
const TOO_LONG: i32 = if cfg!(windows) { 206 } else { 7 };

/// The first compiler on the path that we are not ourselves.
fn on_path() -> Result<PathBuf> {
    let name = format!("rustc{}", std::env::consts::EXE_SUFFIX);
    let own = std::env::current_exe().and_then(|own| own.canonicalize()).ok();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_other = |file: &PathBuf| file.is_file() && file.canonicalize().ok() != own;
    let found = std::env::split_paths(&path).map(|folder| folder.join(&name)).find(is_other);
    found.ok_or_else(|| {
        let error = Error::new(Class::Toolchain, "there is no `rustc` in the directories of PATH");
        error.help(format!("name the compiler with {VARIABLE}"))
    })
}

fn starts_with_plus(words: &[OsString]) -> bool {
    words.first().is_some_and(|word| word.to_string_lossy().starts_with('+'))
}

/// All words but that of the toolchain, one a line.
fn argument_file(words: &[OsString]) -> Result<tempfile::NamedTempFile> {
    use std::io::Write;
    let words = words[usize::from(starts_with_plus(words))..].iter();
    let lines: String = words.map(|word| word.to_string_lossy().into_owned() + "\n").collect();
    let made = tempfile::Builder::new().prefix("precast-arguments-").tempfile();
    let mut file = made.context("cannot write the compiler's arguments")?;
    file.write_all(lines.as_bytes()).context("cannot write the compiler's arguments")?;
    Ok(file)
}

/// Whether macros can be compiled with the libraries there.
fn has_library(sysroot: &Path, host: &str) -> bool {
    let folder = sysroot.join("lib/rustlib").join(host).join("lib");
    std::fs::read_dir(folder).is_ok_and(|entries| {
        entries.flatten().any(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with("libproc_macro-") && name.ends_with(".rlib")
        })
    })
}

fn without_library(host: &str, own: &Path, given: Option<&OsStr>) -> Error {
    let given = given.map_or(String::new(), |given| format!("{} nor ", given.to_string_lossy()));
    let not = if given.is_empty() { "not in" } else { "neither in" };
    let message = format!(
        "the compiler has no library `proc_macro` for {host}, which every macro needs: it is {not} \
         {given}{}",
        own.display()
    );
    Error::new(Class::Toolchain, message).help(format!(
        "install the compiler's standard library for {host} (`rustup target add {host}`), or name \
         another compiler with {VARIABLE}"
    ))
}

/// The exit code; whoever was ended by a signal ends us the same way.
fn code(status: ExitStatus) -> i32 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        signals::end_by(signal);
        return 128 + signal;
    }
    status.code().unwrap_or(1)
}

/// Passes an interrupt on to the compiler, if it runs; it then decides when we end.
pub fn pass_on() -> bool {
    signals::pass_on()
}

#[cfg(unix)]
mod signals {
    use std::sync::atomic::{AtomicU32, Ordering};

    static CHILD: AtomicU32 = AtomicU32::new(0);
    const SIGTERM: i32 = 15;
    const SIG_DFL: usize = 0;

    // Of the C library that the standard library links to.
    extern "C" {
        fn kill(process: i32, signal: i32) -> i32;
        fn raise(signal: i32) -> i32;
        fn signal(signal: i32, handler: usize) -> usize;
    }

    pub fn watch(child: u32) {
        CHILD.store(child, Ordering::SeqCst);
    }

    pub fn pass_on() -> bool {
        let child = CHILD.load(Ordering::SeqCst) as i32;
        // SAFETY: it is a number of a process that we have started and not waited for.
        child != 0 && unsafe { kill(child, SIGTERM) } == 0
    }

    pub fn end_by(number: i32) {
        // SAFETY: neither call has anything to do with memory.
        unsafe {
            signal(number, SIG_DFL);
            raise(number);
        }
    }
}

#[cfg(not(unix))]
mod signals {
    pub fn watch(_child: u32) {}

    /// There the system tells all programs of a console.
    pub fn pass_on() -> bool {
        true
    }
}
