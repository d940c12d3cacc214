//! The same package, packed in two places which have as little in common as one machine allows:
//! directory, user, home, caches, environment, clock, time zone, language, umask, jobs.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A workspace, for the macro to have a dependency without a registry. The macro's bytes would
/// show paths (`file!`, panics), the order of hashed maps, and what its build script sees.
const FILES: &[(&str, &str)] = &[
    ("Cargo.toml", "[workspace]\nmembers = [\"first\", \"near\"]\nresolver = \"2\"\n"),
    (
        "first/Cargo.toml",
        "[package]\nname = \"first\"\nversion = \"0.1.0\"\nedition = \"2021\"\nlicense = \"MIT\"\n\
         build = \"build.rs\"\n[lib]\nproc-macro = true\n\
         [dependencies]\nnear = { path = \"../near\", version = \"0.1\" }\n",
    ),
    (
        "first/build.rs",
        "fn main() {\n    let out = std::env::var(\"OUT_DIR\").unwrap();\n    \
         std::fs::write(out + \"/made.rs\", \"pub fn made() -> &'static str { file!() }\").unwrap();\n}\n",
    ),
    (
        "first/src/lib.rs",
        "use proc_macro::TokenStream;\ninclude!(concat!(env!(\"OUT_DIR\"), \"/made.rs\"));\n\
         #[proc_macro]\npub fn first(input: TokenStream) -> TokenStream {\n    \
         let text = format!(\"{:?}\", (file!(), made(), near::place(), input.to_string()));\n    \
         format!(\"{text:?}\").parse().expect(\"a literal\")\n}\n",
    ),
    (
        "near/Cargo.toml",
        "[package]\nname = \"near\"\nversion = \"0.1.0\"\nedition = \"2018\"\nlicense = \"MIT\"\n",
    ),
    (
        "near/src/lib.rs",
        "pub fn place() -> (&'static str, Option<i32>) {\n    \
         let map: std::collections::HashMap<i32, i32> = (0..9).map(|i| (i, i)).collect();\n    \
         (std::panic::Location::caller().file(), map.get(&3).copied())\n}\n",
    ),
];

/// Adds five years to every clock of the program.
const CLOCK: &str = r#"
use std::arch::asm;
#[no_mangle]
pub unsafe extern "C" fn clock_gettime(clock: i32, time: *mut [i64; 2]) -> i32 {
    let result: i64;
    asm!("syscall", inlateout("rax") 228i64 => result, in("rdi") clock as i64, in("rsi") time,
        out("rcx") _, out("r11") _);
    if result == 0 && clock == 0 { (*time)[0] += 5 * 366 * 86400; }
    result as i32
}
"#;

/// An unprivileged user's number; 65534 is `nobody`.
const USER: u32 = 65534;

fn write(folder: &Path) {
    for (path, text) in FILES {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn give_away(path: &Path) {
    chown(path, Some(USER), Some(USER)).unwrap();
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| give_away(&entry.unwrap().path()));
    }
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

/// The program in the second place, with everything changed that this machine can change.
fn elsewhere(place: &Path, program: &Path) -> Command {
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output().unwrap();
    let sysroot = String::from_utf8(sysroot.stdout).unwrap();
    // SAFETY: geteuid takes nothing and cannot fail.
    let is_root = unsafe { libc_geteuid() } == 0;
    let mut words: Vec<String> = Vec::new();
    let user = format!("--reuid={USER} --regid={USER} --clear-groups");
    if is_root && may_link(Path::new(sysroot.trim_end()), &user) {
        // Another user, who may read the compiler wherever root has it.
        words.push("setpriv".into());
        words.extend(user.split(' ').map(str::to_owned));
        words.extend(
            ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"].map(Into::into),
        );
    }
    words.extend(["sh", "-c", "umask 077; exec \"$@\"", "sh"].map(String::from));
    words.push(program.to_str().unwrap().to_owned());
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).current_dir(place).env_clear();
    let path = format!("{}/bin:/usr/bin:/bin", sysroot.trim_end());
    for (name, value) in [
        ("PATH", path.as_str()),
        ("TZ", "Pacific/Kiritimati"),
        ("LANG", "tr_TR.UTF-8"),
        ("LC_ALL", "tr_TR.UTF-8"),
        ("SOURCE_DATE_EPOCH", "1"),
        ("CARGO_BUILD_JOBS", "1"),
        ("USER", "somebody"),
        ("RUST_MIN_STACK", "33554432"),
    ] {
        command.env(name, value);
    }
    for (name, folder) in [("HOME", "home"), ("CARGO_HOME", "home/cargo")] {
        fs::create_dir_all(place.join(folder)).unwrap();
        command.env(name, place.join(folder));
    }
    command.env("PRECAST_CACHE_DIR", place.join("cache"));
    command
}

/// Whether another user finds the linker of the compiler that packs: gcc asks for the real user's
/// rights, so it must not lie in root's own folder.
fn may_link(sysroot: &Path, user: &str) -> bool {
    let mut test = Command::new("setpriv");
    test.args(user.split(' ')).arg("test").arg("-r").arg(sysroot.join("bin/rustc"));
    let packs = sysroot.join("lib/rustlib/wasm32-wasip1").is_dir();
    !packs || test.status().is_ok_and(|status| status.success())
}

extern "C" {
    #[link_name = "geteuid"]
    fn libc_geteuid() -> u32;
}

/// The library for `LD_PRELOAD`; it splits its value at spaces.
fn clock(folder: &Path) -> Option<PathBuf> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return None;
    }
    let (source, library) = (folder.join("clock.rs"), folder.join("libclock.so"));
    fs::write(&source, CLOCK).unwrap();
    let mut rustc = Command::new("rustc");
    rustc.args(["--crate-type", "cdylib", "-Cpanic=abort", "-O", "-o"]).args([&library, &source]);
    assert!(rustc.status().unwrap().success());
    let year = |command: &mut Command| {
        let output = command.arg("+%Y").output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse::<i32>().unwrap()
    };
    let shifted = year(Command::new("date").env("LD_PRELOAD", &library));
    assert!(shifted >= year(&mut Command::new("date")) + 5, "the clock is not shifted");
    Some(library)
}

/// `PRECAST_TEST_SYSROOT=1` also builds the standard library anew in the second place.
#[test]
#[cfg(unix)]
fn another_place_gives_the_same_bytes() {
    let folder = super::temporary("places");
    let _ = fs::remove_dir_all(&folder);
    let (one, other) = (folder.join("one"), folder.join("far/away/the other one"));
    write(&one);
    write(&other);
    let pack = ["pack", "./first", "-o", "out", "--offline", "--json"];
    let output = super::precast(&one).args(pack).output().unwrap();
    assert!(output.status.success(), "{output:?}");

    let program = other.join("precast");
    fs::copy(env!("CARGO_BIN_EXE_cargo-precast"), &program).unwrap();
    let sysroot = super::temporary("pack-cache").join("sysroot");
    fs::create_dir_all(other.join("cache")).unwrap();
    fs::create_dir_all(other.join("home/cargo")).unwrap();
    if std::env::var_os("PRECAST_TEST_SYSROOT").is_some() {
        let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from);
        let cargo = cargo.unwrap_or_else(|| std::env::home_dir().unwrap().join(".cargo"));
        copy(&cargo.join("registry"), &other.join("home/cargo"));
    } else if sysroot.is_dir() {
        copy(&sysroot, &other.join("cache"));
    }
    let mut command = elsewhere(&other, &program);
    if let Some(library) = clock(&folder) {
        command.env("LD_PRELOAD", library);
    }
    // SAFETY: as above.
    if unsafe { libc_geteuid() } == 0 {
        give_away(&other);
    }
    let output = command.args(pack).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let bytes = |place: &Path| fs::read(place.join("out/first-0.1.0.precast")).unwrap();
    assert!(bytes(&one) == bytes(&other), "the artifacts differ");
}
