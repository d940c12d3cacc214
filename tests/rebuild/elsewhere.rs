//! A second place to pack in, which has as little in common with the first as one machine allows:
//! directory, user, home, caches, environment, clock, time zone, language, umask, cores and jobs.
//!
//! Shared by tests/rebuild.rs and `cargo xtask corpus --rebuild`; whatever fails here ends both.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;

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

/// The place, with a copy of the program in it.
pub struct Elsewhere {
    place: PathBuf,
    /// The compiler that cargo finds there: rustup's own programs need their owner's home.
    sysroot: PathBuf,
    clock: Option<PathBuf>,
}

impl Elsewhere {
    pub fn new(place: &Path, program: &Path) -> Elsewhere {
        for folder in ["home/cargo", "cache"] {
            fs::create_dir_all(place.join(folder)).expect("the place can be written");
        }
        fs::copy(program, place.join("precast")).expect("the program can be copied");
        let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output();
        let sysroot = String::from_utf8(sysroot.expect("there is a rustc").stdout);
        let sysroot = sysroot.expect("its path is text").trim_end().into();
        Elsewhere { place: place.to_owned(), sysroot, clock: clock(place) }
    }

    /// precast's own cache there.
    pub fn cache(&self) -> PathBuf {
        self.place.join("cache")
    }

    /// What cargo has downloaded here, for the other clock makes every certificate invalid.
    pub fn copy_registry(&self) {
        let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from);
        let home = || std::env::home_dir().expect("there is a home").join(".cargo");
        let (from, to) = (cargo.unwrap_or_else(home), self.place.join("home/cargo/registry"));
        for folder in ["index", "cache"] {
            complete(&from.join("registry").join(folder), &to.join(folder));
        }
    }

    /// The program with everything changed that this machine can change; gives the place away.
    pub fn command(&self) -> Command {
        let mut words: Vec<String> = Vec::new();
        if cfg!(target_os = "linux") {
            words.extend(["taskset", "-c", "0"].map(Into::into));
        }
        // SAFETY: geteuid takes nothing and cannot fail.
        if unsafe { libc_geteuid() } == 0 {
            give_away(&self.place);
            let user = format!("--reuid={USER} --regid={USER} --clear-groups");
            if self.may_link(&user) {
                // Another user, who may read the compiler wherever root has it.
                words.push("setpriv".into());
                words.extend(user.split(' ').map(str::to_owned));
                words.extend(
                    ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
                        .map(Into::into),
                );
            }
        }
        words.extend(["sh", "-c", "umask 077; exec \"$@\"", "sh"].map(String::from));
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg(self.place.join("precast"));
        command.current_dir(&self.place).env_clear();
        let path = format!("{}/bin:/usr/bin:/bin", self.sysroot.display());
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
        command.env("HOME", self.place.join("home"));
        command.env("CARGO_HOME", self.place.join("home/cargo"));
        command.env("PRECAST_CACHE_DIR", self.cache());
        command.envs(self.clock.as_ref().map(|library| ("LD_PRELOAD", library)));
        command
    }

    /// Whether another user finds the linker of the compiler that packs: gcc asks for the real
    /// user's rights, so it must not lie in root's own folder.
    fn may_link(&self, user: &str) -> bool {
        let mut test = Command::new("setpriv");
        test.args(user.split(' ')).arg("test").arg("-r").arg(self.sysroot.join("bin/rustc"));
        let packs = self.sysroot.join("lib/rustlib/wasm32-wasip1").is_dir();
        !packs || test.status().is_ok_and(|status| status.success())
    }
}

/// Copies what is new, or of another size.
fn complete(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the place can be written");
    for entry in fs::read_dir(from).expect("the folder can be read") {
        let entry = entry.expect("the folder can be read");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        let len = |path: &Path| fs::metadata(path).map(|found| found.len()).ok();
        if from.is_dir() {
            complete(&from, &to);
        } else if len(&from) != len(&to) {
            fs::copy(&from, &to).expect("the place can be written");
        }
    }
}

fn give_away(path: &Path) {
    chown(path, Some(USER), Some(USER)).expect("root may give files away");
    if path.is_dir() {
        let inside = fs::read_dir(path).expect("the folder can be read");
        inside.for_each(|entry| give_away(&entry.expect("the folder can be read").path()));
    }
}

extern "C" {
    #[link_name = "geteuid"]
    fn libc_geteuid() -> u32;
}

/// The library for `LD_PRELOAD`. That splits its value at spaces, so it lies above the place.
fn clock(place: &Path) -> Option<PathBuf> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return None;
    }
    let above = place.ancestors().find(|path| !path.to_string_lossy().contains(' '));
    let folder = above.expect("a path begins without a space");
    let (source, library) = (folder.join("clock.rs"), folder.join("libclock.so"));
    fs::write(&source, CLOCK).expect("the folder can be written");
    let mut rustc = Command::new("rustc");
    rustc.args(["--crate-type", "cdylib", "-Cpanic=abort", "-O", "-o"]).args([&library, &source]);
    assert!(rustc.status().is_ok_and(|status| status.success()), "the clock does not compile");
    let year = |command: &mut Command| {
        let output = command.arg("+%Y").output().expect("there is a date");
        String::from_utf8_lossy(&output.stdout).trim().parse::<i32>().expect("a year is a number")
    };
    let shifted = year(Command::new("date").env("LD_PRELOAD", &library));
    assert!(shifted >= year(&mut Command::new("date")) + 5, "the clock is not shifted");
    Some(library)
}
