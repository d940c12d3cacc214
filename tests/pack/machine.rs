//! Machines with other compilers and other programs on their path.

use super::*;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{symlink, PermissionsExt};
use std::process::Stdio;

/// A compiler with a sysroot of our making: `host` links the real host's files.
fn compiler(directory: &Path, target: Option<&Path>) -> PathBuf {
    let _ = fs::remove_dir_all(directory);
    let of = |args: &[&str]| {
        let output = Command::new("rustc").args(args).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let real = PathBuf::from(of(&["--print", "sysroot"]));
    let libraries = directory.join("lib/rustlib");
    fs::create_dir_all(&libraries).unwrap();
    fs::create_dir_all(directory.join("bin")).unwrap();
    let host = of(&["-vV"]);
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    symlink(real.join("lib/rustlib").join(host), libraries.join(host)).unwrap();
    let mut rustc = real.join("bin/rustc");
    if let Some(target) = target {
        // The one that built the target's library.
        symlink(target, libraries.join("wasm32-wasip1")).unwrap();
        rustc = PathBuf::from("/usr/bin/rustc");
    }
    let script = directory.join("bin/rustc");
    let text = format!(
        "#!/bin/sh\nexec '{}' --sysroot '{}' \"$@\"\n",
        rustc.display(),
        directory.display()
    );
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    script
}

#[test]
fn no_toolchain() {
    let directory = directory("no-toolchain/package");
    put(&directory, PLAIN);
    let rustc = compiler(&directory.with_file_name("toolchain"), None);
    let mut command = command(&directory, cache(), &[".", "--json"]);
    let found = error(command.env("PRECAST_RUSTC", rustc).output().unwrap());
    check_error(found, "toolchain", &["no compiler for wasm32-wasip1", "rustup target add"]);
}

/// The active toolchain has no target, as a nightly one mostly; another of rustup's has it.
#[test]
fn another_installed_toolchain() {
    let output = Command::new("rustc").args(["--print", "sysroot"]).output().unwrap();
    let real = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim());
    if !real.join("lib/rustlib/wasm32-wasip1").is_dir() {
        return;
    }
    let directory = directory("another-toolchain/package");
    put(&directory, PLAIN);
    let active = compiler(&directory.with_file_name("active"), None);
    let home = directory.with_file_name("home");
    fs::create_dir_all(home.join("toolchains")).unwrap();
    symlink(&real, home.join("toolchains/stable-host")).unwrap();
    let mut command = command(&directory, cache(), &[".", "--json"]);
    // Rustup's own cargo would look for its toolchains there.
    command.env("RUSTC", active).env("RUSTUP_HOME", &home).env("CARGO", real.join("bin/cargo"));
    let value = ok(command.output().unwrap());
    assert_eq!(names(&value), ["bang same same "]);
}

/// A toolchain which has the target, as rustup installs it.
#[test]
fn toolchain_with_the_target() {
    let cache = cache();
    let built = fs::read_dir(cache.join("sysroot")).into_iter().flatten();
    let mut built = built.map(|entry| entry.unwrap().path().join("lib/rustlib/wasm32-wasip1"));
    // Nothing was built where the machine's own toolchain has the target: then every other
    // test has used it.
    let Some(built) = built.find(|path| path.is_dir()) else { return };
    let directory = directory("with-target/package");
    put(&directory, PLAIN);
    let rustc = compiler(&directory.with_file_name("toolchain"), Some(&built));
    let mut command = command(&directory, cache, &[".", "--json"]);
    let value = ok(command.env("PRECAST_RUSTC", rustc).output().unwrap());
    assert_eq!(names(&value), ["bang same same "]);
}

#[test]
fn an_interrupt_leaves_nothing() {
    let directory = directory("interrupt");
    put(&directory, PLAIN);
    // A compilation that does not end by itself.
    put(&directory, &[("build.rs", "fn main() { loop { std::thread::park(); } }")]);
    let mut child = command(&directory, cache(), &["."])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.starts_with("compiling plain")));
    let group = format!("-{}", child.id());
    // A machine may have no such program, but each shell has the command.
    let mut shell = Command::new("sh");
    assert!(shell.args(["-c", "kill -s INT -- \"$0\"", &group]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!directory.join("out").exists(), "nothing was written");
}

/// Who ends precast alone ends cargo, too: nobody has to wait for what it would build.
#[test]
fn a_signal_ends_cargo() {
    let directory = directory("terminated");
    put(&directory, PLAIN);
    // Once it has ended by itself, a module made with it is kept; another run has another one.
    let endless = format!(
        "fn main() {{ std::thread::sleep(std::time::Duration::from_secs(100)); }} // {}",
        std::process::id()
    );
    put(&directory, &[("build.rs", &endless)]);
    let mut first = command(&directory, cache(), &["."]);
    let mut child = first.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.by_ref().map_while(Result::ok).any(|line| line.starts_with("compiling plain")));
    std::thread::sleep(std::time::Duration::from_secs(2));
    let kill = format!("kill -s TERM {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let start = std::time::Instant::now();
    put(&directory, &[("build.rs", "fn main() {}")]);
    ok(command(&directory, cache(), &[".", "--json"]).output().unwrap());
    assert!(start.elapsed().as_secs() < 80, "it waited for the first one's cargo");
}

use std::os::unix::process::CommandExt;
