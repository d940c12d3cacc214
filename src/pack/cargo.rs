//! Runs cargo: with the user's configuration for sources, registries and the network, but without
//! any setting that would change what is built.

use crate::error::{Class, Error, Result};
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
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
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
    let mut folders: Vec<PathBuf> =
        directory.ancestors().map(|folder| folder.join(".cargo")).collect();
    folders.extend(home());
    let files = folders.iter().flat_map(|folder| ["config.toml", "config"].map(|n| folder.join(n)));
    files.filter(|file| file.is_file()).collect()
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
    let mut child = command.spawn().map_err(|error| {
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
    let status = child
        .wait()
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

/// What cargo wrote as an error, with help where the network or the lock file is the cause.
pub fn failure(what: &str, stderr: &str) -> Error {
    let stderr = stderr.trim();
    let shown: Vec<&str> = stderr
        .lines()
        .skip_while(|line| !line.starts_with("error"))
        .take(LINES_SHOWN_MAX)
        .collect();
    let shown = if shown.is_empty() { stderr.to_owned() } else { shown.join("\n") };
    let error = Error::new(Class::Package, format!("{what}:\n{shown}"));
    let mentions = |words: &[&str]| words.iter().any(|word| stderr.contains(word));
    if let Some(name) = broken_crate(stderr) {
        return error.help(format!(
            "`{name}` must compile for wasm32-wasip1: there are no sockets, threads, processes and \
             C libraries"
        ));
    }
    if mentions(&["--offline", "offline mode"]) {
        return error.help("it is not in cargo's local cache: allow the network once");
    }
    if mentions(&[
        "Could not resolve host",
        "failed to download",
        "spurious network",
        "Couldn't connect",
    ]) {
        return error.help("check the network and cargo's configuration of registries");
    }
    error
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
