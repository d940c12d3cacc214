//! A project, a key, and a shared store that was filled with the project's macros: made once for all tests.

use super::fixture::{self, directory, ok, precast, put, registry_macro};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What the program prints where all macros are precompiled.
pub const PACKED: &str = "first 1.0.0 wasm\nsecond 1.0.0 wasm\nthird 1.0.0 unset wasm\n";
pub const NATIVE: &str = "first 1.0.0 native\nsecond 1.0.0 native\nthird 1.0.0 unset native\n";
pub const N_MACROS: usize = 3;

pub struct Prepared {
    /// The private key with which the shared store is signed.
    pub key: PathBuf,
    /// The user's store of the machine that packed.
    pub full: PathBuf,
    /// The folder of the shared store.
    pub shared: PathBuf,
}

impl Prepared {
    pub fn public(&self) -> PathBuf {
        public(&self.key)
    }

    pub fn url(&self) -> String {
        format!("file://{}", self.shared.display())
    }
}

pub fn public(key: &Path) -> PathBuf {
    key.with_extension("pub")
}

/// A project whose macros are in a registry; the third one reads a variable when it is compiled.
pub fn project(base: &Path) -> PathBuf {
    let registry = base.join("registry");
    for name in ["first", "second"] {
        registry_macro(&registry, name, "1.0.0", "");
    }
    registry_macro(&registry, "third", "1.0.0", "");
    let code = "use proc_macro::TokenStream;\n#[proc_macro]\npub fn third(_: TokenStream) -> TokenStream {\n\
        let world = if std::mem::size_of::<usize>() == 4 { \"wasm\" } else { \"native\" };\n\
        let set = option_env!(\"SHARED_TEST\").unwrap_or(\"unset\");\n\
        format!(\"\\\"third 1.0.0 {set} {world}\\\"\").parse().unwrap()\n}\n";
    put(&registry.join("third-1.0.0"), &[("src/lib.rs", code)]);
    let work = base.join("work");
    let manifest = "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
        [dependencies]\nfirst = \"1\"\nsecond = \"1\"\nthird = \"1\"\n[workspace]\n";
    let main = "fn main() {\n    println!(\"{}\\n{}\\n{}\", first::first!(), second::second!(), third::third!());\n}\n";
    let config = format!(
        "[source.crates-io]\nreplace-with = \"mirror\"\n[source.mirror]\ndirectory = \"{}\"\n",
        registry.display()
    );
    put(&work, &[("Cargo.toml", manifest), ("src/main.rs", main), (".cargo/config.toml", &config)]);
    ok(fixture::cargo(&work, fixture::home()).args(["generate-lockfile", "--quiet"]));
    work
}

/// Another place with the same project, for a test of its own.
pub fn work(name: &str) -> PathBuf {
    project(&directory(name))
}

/// Precast on the machine that packs.
pub fn packer(work: &Path, store: &Path, args: &[&str]) -> Command {
    let mut command = precast(work, args);
    command.env("PRECAST_CACHE_DIR", store);
    quiet(&mut command);
    command
}

/// Precast on a machine that cannot pack, and has nothing but what shared stores give it.
pub fn consumer(work: &Path, args: &[&str]) -> Command {
    let mut command = packer(work, &work.join("../store"), args);
    command.env("PRECAST_RUSTC", "no-such-compiler").env("PRECAST_MISSING", "source");
    command.env("PRECAST_TRUSTED_KEYS", prepared().public());
    command
}

/// Nothing of the user's decides.
fn quiet(command: &mut Command) {
    for name in ["PRECAST_STORE_URL", "PRECAST_STORE_MODE", "PRECAST_SIGNING_KEY", "SHARED_TEST"] {
        command.env_remove(name);
    }
    let nowhere = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no-configuration");
    command
        .env("XDG_CONFIG_HOME", &nowhere)
        .env("HOME", &nowhere)
        .env("PRECAST_STORE_DEADLINE", "20");
}

/// Warnings of precast's own.
pub fn warnings(err: &str) -> Vec<&str> {
    err.lines()
        .filter(|line| line.starts_with("warning: ") && line.contains("shared store"))
        .collect()
}

pub fn prepared() -> &'static Prepared {
    static PREPARED: OnceLock<Prepared> = OnceLock::new();
    PREPARED.get_or_init(|| {
        let base = directory("shared-prepared");
        let work = project(&base);
        let full = base.join("full");
        copy(&fixture::store().join("sysroot"), &full.join("sysroot"));
        let (out, err) = ok(&mut packer(&work, &full, &["run", "--quiet", "--locked"]));
        assert_eq!(out, PACKED, "{err}");
        let key = base.join("key");
        ok(&mut packer(&work, &full, &["store", "keygen", key.to_str().unwrap()]));
        let shared = base.join("shared");
        let prepared = Prepared { key, full, shared };
        let (out, err) = push(&work, &prepared, &prepared.url(), &prepared.key);
        assert_eq!(out, "3 new artifacts, 0 signed as well, 0 known before\n", "{err}");
        prepared
    })
}

/// Pushes all macros of the project into another shared store.
pub fn push(work: &Path, prepared: &Prepared, url: &str, key: &Path) -> (String, String) {
    ok(pusher(work, prepared, url).env("PRECAST_SIGNING_KEY", key))
}

pub fn pusher(work: &Path, prepared: &Prepared, url: &str) -> Command {
    let mut command = packer(work, &prepared.full, &["store", "push", "--all"]);
    command.env("PRECAST_STORE_URL", url).env("PRECAST_STORE_MODE", "write");
    command
}

/// A key of its own.
pub fn keygen(base: &Path, name: &str) -> PathBuf {
    let key = base.join(name);
    ok(&mut packer(base, base, &["store", "keygen", key.to_str().unwrap()]));
    key
}

pub fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).into_iter().flatten().flatten() {
        fs::create_dir_all(to).unwrap();
        let path = entry.path();
        match path.is_dir() {
            true => copy(&path, &to.join(path.file_name().unwrap())),
            false => drop(fs::copy(&path, to.join(path.file_name().unwrap())).unwrap()),
        }
    }
}

/// All files of a kind in a shared store's folder, by name.
pub fn objects(shared: &Path, end: &str) -> Vec<PathBuf> {
    let files = fixture::files(shared).into_iter().map(|(path, _)| path);
    files.filter(|path| path.extension().is_some_and(|found| found == end)).collect()
}
