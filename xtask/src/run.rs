//! Starting other programs: one place for folders, environment, captured output and CPU time.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

pub type Result<T = ()> = std::result::Result<T, String>;

/// The repository's root.
pub fn root() -> PathBuf {
    let manifest = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it for `cargo xtask`");
    Path::new(&manifest).parent().expect("xtask lies in the root").to_path_buf()
}

/// A scratch folder of a task, `target/NAME` of this repository.
pub fn scratch(name: &str) -> PathBuf {
    root().join("target").join(name)
}

/// A command that starts in the root without what `cargo xtask` put into the environment.
pub fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy().into_owned();
        let from_cargo = text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_");
        if from_cargo || text == "LD_LIBRARY_PATH" || text == "CARGO" {
            command.env_remove(name);
        }
    }
    command
}

/// The cargo that runs us, or the one on the path.
pub fn cargo() -> Command {
    command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs with the terminal attached; an unsuccessful exit is an error that names the command.
pub fn run(command: &mut Command) -> Result {
    let shown = show(command);
    eprintln!("$ {shown}");
    let status = command.status().map_err(|e| format!("cannot start `{shown}`: {e}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("`{shown}` failed: {status}"))
    }
}

/// Runs silently; on failure its whole output is part of the error.
pub fn capture(command: &mut Command) -> Result<Output> {
    let shown = show(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("cannot start `{shown}`: {e}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("`{shown}` failed: {}\n{text}", output.status))
}

/// Runs silently; returns the CPU seconds, user + system, of the process and all it waited for.
pub fn cpu_seconds(command: &mut Command) -> Result<f64> {
    Ok(cost(command)?.0.cpu)
}

/// Seconds of a command.
#[derive(Clone, Copy)]
pub struct Cost {
    /// User and system, of the process and all it waited for: not of what it left running.
    pub cpu: f64,
    pub wall: f64,
}

/// Runs silently; what it took, and what it wrote.
pub fn cost(command: &mut Command) -> Result<(Cost, Output)> {
    let (before, start) = (children_cpu(), Instant::now());
    let output = capture(command)?;
    let wall = start.elapsed().as_secs_f64();
    Ok((Cost { cpu: children_cpu() - before, wall }, output))
}

/// What a process took.
pub struct Usage {
    /// The most memory that it had at once.
    pub peak_bytes: u64,
}

/// Runs silently, whatever the outcome; what it wrote and what it took.
pub fn usage(command: &mut Command) -> Result<(Output, Usage)> {
    let shown = show(command);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = child.map_err(|e| format!("cannot start `{shown}`: {e}"))?;
    let mut stderr = Vec::new();
    let pipe = child.stderr.as_mut().expect("it was asked for");
    std::io::Read::read_to_end(pipe, &mut stderr).map_err(|e| format!("`{shown}`: {e}"))?;
    let (status, usage) =
        wait(child.id()).ok_or_else(|| format!("`{shown}` cannot be waited for"))?;
    Ok((Output { status, stdout: Vec::new(), stderr }, usage))
}

/// Waits for a child of ours that nobody else waits for.
fn wait(id: u32) -> Option<(std::process::ExitStatus, Usage)> {
    let (mut status, id) = (0, libc::pid_t::try_from(id).ok()?);
    // SAFETY: wait4 only writes what it is given, for which all zeroes is a value.
    let (found, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        (libc::wait4(id, &mut status, 0, &mut usage), usage)
    };
    // Linux counts in units of 1024 bytes, macOS in bytes.
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    let peak_bytes = u64::try_from(usage.ru_maxrss).ok()? * unit;
    let status = std::os::unix::process::ExitStatusExt::from_raw(status);
    (found == id).then_some((status, Usage { peak_bytes }))
}

fn children_cpu() -> f64 {
    // SAFETY: getrusage only writes the struct it is given, for which all zeroes is a value.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage);
        usage
    };
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|w| w.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// Builds the release binary and returns its path; `PRECAST_PROGRAM` names one that is there.
pub fn cargo_precast() -> Result<PathBuf> {
    if let Some(program) = std::env::var_os("PRECAST_PROGRAM") {
        return Ok(program.into());
    }
    run(cargo().args(["build", "--release", "--quiet", "--package", "precast"]))?;
    Ok(root().join("target/release").join(format!("cargo-precast{}", std::env::consts::EXE_SUFFIX)))
}

/// `cargo precast`, as users start it: by cargo, which finds the program on the path.
pub fn precast(mut cargo: Command, program: &Path) -> Result<Command> {
    let folder = program.parent().map(Path::to_owned).unwrap_or_default();
    let others = std::env::var_os("PATH").unwrap_or_default();
    let path = std::iter::once(folder).chain(std::env::split_paths(&others));
    cargo.env("PATH", std::env::join_paths(path).map_err(|e| e.to_string())?).arg("precast");
    Ok(cargo)
}

/// How many macro packages `cargo precast` says it has precompiled.
pub fn precompiled(output: &Output) -> Option<usize> {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix("Precast "))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Writes a file and the folders above it.
pub fn write(path: &Path, text: &str) -> Result {
    let parent = path.parent().expect("a file has a folder");
    std::fs::create_dir_all(parent)
        .map_err(|e| format!("cannot make {}: {e}", parent.display()))?;
    std::fs::write(path, text).map_err(|e| format!("cannot write {}: {e}", path.display()))
}

pub fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()))
}

/// Unpacks the Debian packages that lie in `downloads` below `to`.
pub fn unpack_packages(downloads: &Path, to: &Path) -> Result {
    let entries = std::fs::read_dir(downloads)
        .map_err(|e| format!("cannot read {}: {e}", downloads.display()))?;
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    for package in files.filter(|path| path.extension().is_some_and(|e| e == "deb")) {
        capture(command("dpkg").arg("-x").arg(&package).arg(to))?;
    }
    Ok(())
}

/// Empties a folder, which need not exist.
pub fn clear(path: &Path) -> Result {
    match std::fs::remove_dir_all(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("cannot remove {}: {e}", path.display()))
        }
        _ => Ok(()),
    }
}
