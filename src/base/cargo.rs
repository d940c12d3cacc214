//! Runs cargo: with the user's configuration for sources, registries and the network, but without
//! any setting that would change what is built.

use crate::base::children;
use crate::base::error::{Class, Error, Result};
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Variables of the user's environment that must not reach a build.
const REMOVED: [&str; 11] = [
    "CARGO_BUILD_BUILD_DIR",
    "CARGO_BUILD_RUSTC",
    "CARGO_BUILD_RUSTDOC",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_INCREMENTAL",
    "CARGO_MANIFEST_DIR",
    "CARGO_TARGET_DIR",
    "RUSTC_BOOTSTRAP",
    "RUSTFLAGS",
    "__CARGO_DEFAULT_LIB_METADATA",
];
const REMOVED_PREFIXES: [&str; 3] = ["CARGO_PROFILE_", "CARGO_TARGET_WASM32_", "CARGO_UNSTABLE_"];

/// A cargo command that runs in `directory`, where its configuration is looked for.
pub fn command(directory: &Path) -> Command {
    command_of(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")), directory)
}

/// The same of this cargo.
pub fn command_of(program: OsString, directory: &Path) -> Command {
    let mut cargo = Command::new(program);
    cargo.current_dir(directory);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if is_removed(&text) {
            cargo.env_remove(&name);
        }
    }
    cargo
        .env("CARGO_TERM_COLOR", "never")
        .env("CARGO_TERM_PROGRESS_WHEN", "never")
        // The newest versions, as without a lock file of one's own; not those of an old rustc.
        .env("CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS", "allow")
        // Empty, they win over a wrapper in the configuration.
        .env("RUSTC_WRAPPER", "")
        .env("RUSTC_WORKSPACE_WRAPPER", "")
        // Set, though empty, it wins over every other place for flags.
        .env("CARGO_ENCODED_RUSTFLAGS", "");
    cargo
}

/// The compiler that cargo would use in `directory`, without the user's own settings.
pub fn compiler(directory: &Path) -> Command {
    let mut rustc =
        Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc")));
    rustc.current_dir(directory).env_remove("RUSTFLAGS").env_remove("RUSTC_BOOTSTRAP");
    rustc
}

/// Whether a variable of the user's environment reaches no build.
pub fn is_removed(name: &str) -> bool {
    REMOVED.contains(&name) || REMOVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Cargo's home directory, below which it keeps sources.
pub fn home() -> Option<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")))
}

/// The files of cargo's configuration in and above a directory, nearest first, then the user's.
pub fn configuration(directory: &Path) -> Vec<PathBuf> {
    let files = configuration_places(directory).into_iter();
    files.filter(|file| file.is_file()).collect()
}

/// Where such files would be.
pub fn configuration_places(directory: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        directory.ancestors().map(|folder| folder.join(".cargo")).collect();
    folders.extend(home());
    folders.iter().flat_map(|folder| ["config.toml", "config"].map(|n| folder.join(n))).collect()
}

/// What a finished cargo command said.
pub struct Output {
    pub stdout: String,
    pub stderr: String,
    pub success: bool,
}

/// Runs to the end, passing each line of standard output to `line`.
pub fn run(mut command: Command, mut line: impl FnMut(&str)) -> Result<Output> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = children::spawn(&mut command).map_err(|error| {
        let error = Error::new(Class::Toolchain, format!("cannot run {name}: {error}"));
        error.help("install Rust, for example with rustup, so that `cargo` is on the PATH")
    })?;
    let mut stderr = child.stderr.take().expect("stderr was piped");
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read until an error is what there is to show.
        let _ = stderr.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    });
    let mut stdout = String::new();
    let lines = BufReader::new(child.stdout.take().expect("stdout was piped")).lines();
    for text in lines.map_while(std::result::Result::ok) {
        line(&text);
        stdout.push_str(&text);
        stdout.push('\n');
    }
    let status = child.wait();
    children::ended(&child);
    let status = status
        .map_err(|error| Error::new(Class::Other, format!("cannot wait for {name}: {error}")))?;
    let stderr = reader.join().expect("the reader does not panic");
    if killed(&status) {
        return Err(Error::new(Class::Interrupted, format!("{name} was interrupted")));
    }
    Ok(Output { stdout, stderr, success: status.success() })
}

#[cfg(unix)]
fn killed(status: &std::process::ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    const INTERRUPT: i32 = 2;
    const TERMINATE: i32 = 15;
    matches!(status.signal(), Some(INTERRUPT | TERMINATE))
}

#[cfg(not(unix))]
fn killed(_status: &std::process::ExitStatus) -> bool {
    false
}

/// What cargo wrote as an error, with its cause and help where that is not the package itself.
pub fn failure(what: &str, stderr: &str) -> Error {
    failure_by(what, stderr, trouble(stderr))
}

/// The same where the cause is known.
pub fn failure_by(what: &str, stderr: &str, trouble: Option<Trouble>) -> Error {
    let stderr = stderr.trim();
    let shown: Vec<&str> = stderr
        .lines()
        .skip_while(|line| !line.starts_with("error"))
        .take(LINES_SHOWN_MAX)
        .collect();
    let shown = if shown.is_empty() { stderr.to_owned() } else { shown.join("\n") };
    if let Some(trouble) = trouble {
        let message = format!("{what}: {}:\n{shown}", trouble.cause);
        return Error::new(trouble.class, message).help(trouble.help);
    }
    let error = Error::new(Class::Package, format!("{what}:\n{shown}"));
    match broken_crate(stderr) {
        Some(name) => error.help(format!(
            "`{name}` must compile for wasm32-wasip1: there are no sockets, threads, processes and \
             C libraries"
        )),
        None => error,
    }
}

/// Trouble of the machine, which says nothing of the package that was compiled.
pub struct Trouble {
    pub class: Class,
    pub cause: String,
    help: &'static str,
}

pub fn no_space() -> Trouble {
    Trouble {
        class: Class::Other,
        cause: "the disk is full".into(),
        help: "free some space, or set PRECAST_CACHE_DIR to a directory on another disk",
    }
}

/// What cargo, the compiler or the linker complained of, if the machine is the cause.
pub fn trouble(stderr: &str) -> Option<Trouble> {
    let mentions = |words: &[&str]| words.iter().any(|word| stderr.contains(word));
    let other =
        |cause: &str, help| Some(Trouble { class: Class::Other, cause: cause.to_owned(), help });
    if mentions(&[
        "No space left on device",
        "os error 28)",
        "Disk quota exceeded",
        "os error 112)",
    ]) {
        return Some(no_space());
    }
    if mentions(&["Read-only file system", "Permission denied (os error 13)"]) {
        return other(
            "a file cannot be written",
            "set PRECAST_CACHE_DIR to a directory that can be written",
        );
    }
    if mentions(&[
        "memory allocation of ",
        "out of memory",
        "Cannot allocate memory",
        "Out of memory",
    ]) {
        return other("memory is short", "free some memory and try again");
    }
    if let Some((signal, name)) = ended_by(stderr) {
        return other(
            &format!("a compiler was ended by signal {signal} ({name})"),
            "try again; the system ends processes when memory is short, or the disk full (SIGBUS)",
        );
    }
    if mentions(&["could not execute process", "Too many open files", "os error 11)"])
        && !mentions(&["--- stderr"])
    {
        return other("a program could not be started", "try again with less running");
    }
    if is_offline(stderr) {
        return other(
            "something is not in cargo's local cache",
            "it is not in cargo's local cache: allow the network once",
        );
    }
    if mentions(&NETWORK) {
        return other(
            "the network failed",
            "check the network and cargo's configuration of registries",
        );
    }
    if mentions(&["target may not be installed", "can't find crate for `core`"]) {
        return Some(Trouble {
            class: Class::Toolchain,
            cause: "the compiler lacks its standard library for wasm32-wasip1".into(),
            help:
                "run `rustup target add wasm32-wasip1`, or name another compiler with PRECAST_RUSTC",
        });
    }
    None
}

/// Cargo needs what it has not downloaded, and was not allowed to.
pub fn is_offline(stderr: &str) -> bool {
    ["--offline", "offline mode"].iter().any(|word| stderr.contains(word))
}

/// How cargo says that it could not download.
const NETWORK: [&str; 7] = [
    "Could not resolve host",
    "Couldn't connect",
    "Could not connect",
    "failed to download",
    "spurious network",
    "Timeout was reached",
    "network failure",
];

/// Signals by which others end a process: not its own faults.
const ENDED: [(u32, &str); 6] =
    [(1, "SIGHUP"), (2, "SIGINT"), (7, "SIGBUS"), (9, "SIGKILL"), (15, "SIGTERM"), (24, "SIGXCPU")];

/// The signal that ended a compiler or linker from outside: `signal: 9`, or, as other compilers
/// write, `terminated with signal 9`.
fn ended_by(stderr: &str) -> Option<(u32, &'static str)> {
    let rests = ["signal: ", "terminated with signal "].map(|word| stderr.split(word).skip(1));
    rests.into_iter().flatten().find_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: u32 = rest[..end].parse().ok()?;
        ENDED.into_iter().find(|(signal, _)| *signal == number)
    })
}

/// The crate that the compiler refused.
fn broken_crate(stderr: &str) -> Option<&str> {
    let start = "could not compile `";
    let rest = &stderr[stderr.find(start)? + start.len()..];
    rest.split('`').next()
}

const LINES_SHOWN_MAX: usize = 60;

/// Runs a compiler for whoever wants nothing but its result.
pub fn compile(command: Command, what: &str) -> Result<()> {
    let output = run(command, |_| {})?;
    match output.success {
        true => Ok(()),
        false => Err(failure(what, &output.stderr)),
    }
}

#[cfg(test)]
mod tests {
    use super::{failure, Class};

    /// As cargo and rustc wrote them.
    #[test]
    fn trouble_of_the_machine_is_not_the_packages() {
        let check = |stderr: &str, class: Class, part: &str| {
            let error = failure("the package does not compile for wasm", stderr);
            assert_eq!(error.class(), class, "{error}");
            assert!(error.to_string().contains(part), "{error}");
        };
        check(
            "error: could not compile `syn` (lib)\n\nCaused by:\n  process didn't exit \
             successfully: `rustc --crate-name syn` (signal: 9, SIGKILL: kill)\n",
            Class::Other,
            "a compiler was ended by signal 9 (SIGKILL)",
        );
        check(
            "error: linking with `rust-lld` failed: signal: 15 (SIGTERM)\n  |\n\n\
             error: could not compile `m` (lib) due to 1 previous error\n",
            Class::Other,
            "signal 15 (SIGTERM)",
        );
        check(
            "error: linking with `cc` failed: exit status: 1\n  = note: collect2: fatal error: ld \
             terminated with signal 7 [Bus error]\n",
            Class::Other,
            "signal 7 (SIGBUS)",
        );
        check(
            "error: failed to write `/c/libsyn.rmeta`: No space left on device (os error 28)\n\n\
             error: could not compile `syn` (lib) due to 1 previous error\n",
            Class::Other,
            "the disk is full",
        );
        check(
            "error: could not compile `quote` (lib)\n\nCaused by:\n  could not execute process \
             `rustc` (never executed)\n\nCaused by:\n  Resource temporarily unavailable (os error 11)\n",
            Class::Other,
            "a program could not be started",
        );
        check(
            "error: failed to download from `https://x.y/a.crate`\n\nCaused by:\n  [6] Could not \
             resolve host: x.y\n",
            Class::Other,
            "the network failed",
        );
        check(
            "error[E0463]: can't find crate for `core`\n  = note: the `wasm32-wasip1` target may \
             not be installed\nerror: could not compile `quote` (lib) due to 1 previous error\n",
            Class::Toolchain,
            "lacks its standard library",
        );
        // A crash of the compiler comes again; sockets are missing for ever.
        check(
            "error: could not compile `m` (lib) (signal: 11, SIGSEGV)\n",
            Class::Package,
            "SIGSEGV",
        );
        check(
            "error[E0433]: failed to resolve: could not find `unix` in `os`\n\
             error: could not compile `m` (lib) due to 1 previous error\n",
            Class::Package,
            "could not find `unix`",
        );
    }
}
