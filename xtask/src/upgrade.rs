//! `cargo xtask upgrade`: this precast and a next one, which has another version, another recipe and another version of
//! the image. Each uses what the other has packed, from a shared store and on a machine that cannot pack.

use crate::run::{
    capture, cargo, cargo_precast, clear, command, precast, read, root, scratch, write, Result,
};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is raised in the next one: file, text, and the text in its place.
const RAISED: [(&str, &str, &str); 4] = [
    ("Cargo.toml", "version = \"0.1.0\"", "version = \"0.2.0\""),
    ("runtime/src/image.rs", "pub const VERSION: u32 = 1;", "pub const VERSION: u32 = 2;"),
    ("src/pack/collect.rs", "//! Puts together", "//! By another recipe.\n//! Puts together"),
    ("src/embed/library.rs", "//! The shim", "//! By another recipe.\n//! The shim"),
];

/// The text that a compiler wrote of the runtime's kernel has the image's version in it: both run without it.
const PORTABLE: &str = "--cfg precast_portable";

const MANIFEST: &str =
    "[package]\nname = \"upgrade\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[workspace]\n\
    [dependencies]\npaste = \"=1.0.15\"\nindoc = \"=2.0.6\"\n";

const MAIN: &str = "use paste::paste;\n\nfn main() {\n    paste! { let [<a b>] = 1; }\n    \
    println!(\"{} {ab}\", indoc::indoc!(\"\n        one\n          two\n    \"));\n}\n";

pub fn upgrade() -> Result {
    let folder = scratch("upgrade");
    let (this, next) = (cargo_precast()?, next(&folder)?);
    let (work, key) = (folder.join("work"), folder.join("key"));
    for made in ["work", "stores", "shared", "key", "key.pub"] {
        clear(&folder.join(made))
            .or_else(|_| std::fs::remove_file(folder.join(made)).map_err(|e| e.to_string()))?;
    }
    write(&work.join("Cargo.toml"), MANIFEST)?;
    write(&work.join("src/main.rs"), MAIN)?;
    capture(command(&this).current_dir(&work).args(["store", "keygen"]).arg(&key))?;
    let mut native = cargo();
    let native = capture(native.current_dir(&work).args(["run", "--quiet"]))?.stdout;
    let programs = [("this", &this), ("next", &next)];
    for (packer, user) in [(programs[0], programs[1]), (programs[1], programs[0])] {
        let place = Place { folder: &folder, work: &work, packer: packer.0 };
        capture(place.run(packer, packer.0)?.env("PRECAST_MISSING", "pack"))?;
        capture(&mut place.run_words(packer, packer.0, &["store", "push", "--all"])?)?;
        for (what, store) in [("the same user's store", packer.0), ("a shared store", "empty")] {
            let mut build = place.run(user, store)?;
            build.env("PRECAST_MISSING", "fail").env("PRECAST_RUSTC", "no-such-compiler");
            let output = capture(&mut build)?;
            if output.stdout != native {
                return Err(format!("{} gives another output", user.0));
            }
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            if !said.contains("2 macro packages precompiled") {
                return Err(format!(
                    "{} has not used what {} has packed:\n{said}",
                    user.0, packer.0
                ));
            }
            println!("{} uses what {} has packed: {what}", user.0, packer.0);
        }
    }
    Ok(())
}

/// A copy of this repository with everything raised, built.
fn next(folder: &Path) -> Result<PathBuf> {
    let copy = folder.join("source");
    clear(&copy)?;
    let listed = capture(command("git").args(["ls-files", "-z", "--cached"]))?.stdout;
    for name in String::from_utf8_lossy(&listed).split('\0').filter(|name| !name.is_empty()) {
        let (from, to) = (root().join(name), copy.join(name));
        let parent = to.parent().expect("a file has a folder");
        std::fs::create_dir_all(parent).map_err(|e| e.to_string())?;
        std::fs::copy(&from, &to).map_err(|e| format!("cannot copy {name}: {e}"))?;
    }
    for (name, old, new) in RAISED {
        let file = copy.join(name);
        let text = read(&file)?;
        if !text.contains(old) {
            return Err(format!("{name} has no `{old}`"));
        }
        write(&file, &text.replacen(old, new, 1))?;
    }
    let target = folder.join("target");
    let mut build = cargo();
    build.current_dir(&copy).args(["build", "--package", "precast", "--target-dir"]).arg(&target);
    capture(build.env("RUSTFLAGS", PORTABLE))?;
    Ok(target.join(format!("debug/cargo-precast{}", std::env::consts::EXE_SUFFIX)))
}

/// Where one packs, and others use it.
struct Place<'a> {
    folder: &'a Path,
    work: &'a Path,
    packer: &'a str,
}

impl Place<'_> {
    fn run(&self, program: (&str, &PathBuf), store: &str) -> Result<Command> {
        clear(&self.work.join("target"))?;
        self.run_words(program, store, &["run"])
    }

    /// A command of a precast with this store of its user's.
    fn run_words(
        &self,
        (name, program): (&str, &PathBuf),
        store: &str,
        words: &[&str],
    ) -> Result<Command> {
        let mut cargo = cargo();
        cargo.current_dir(self.work);
        let mut command = precast(cargo, program)?;
        let stores = self.folder.join("stores").join(self.packer);
        // Each has a copy of the packer's: what the one adds, the other does not find.
        let own = if store == self.packer && name != self.packer {
            let own = stores.join(format!("{store}-of-{name}"));
            capture(crate::run::command("cp").arg("-r").arg(stores.join(store)).arg(&own))?;
            own
        } else {
            stores.join(store)
        };
        let shared = self.folder.join("shared").join(self.packer);
        command.args(words).env("PRECAST_CACHE_DIR", own).env("RUSTFLAGS", PORTABLE);
        command.env("PRECAST_STORE_URL", format!("file://{}", shared.display()));
        command.env("PRECAST_STORE_MODE", "write").env("PRECAST_STORE_DEADLINE", "60");
        command.env("PRECAST_SIGNING_KEY", self.folder.join("key"));
        command.env("PRECAST_TRUSTED_KEYS", self.folder.join("key.pub"));
        Ok(command)
    }
}
