//! A folder of a test's own, with macros in every form.

use precast::artifact::stamp;
use precast::pack::{pack_module, ModuleOptions};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub struct Place {
    folder: PathBuf,
    pub cache: PathBuf,
}

impl Place {
    /// With `macros.wasm`, `macros.precast` and `macros-1.0.0/`.
    pub fn new(test: &str) -> Place {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("front").join(test);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let place = Place { cache: folder.with_file_name("cache"), folder };
        fs::copy(module(), place.path("macros.wasm")).unwrap();
        place.pack("macros", "1.0.0", &["Answer", "named", "sum", "crash"]);
        place
    }

    /// The same with a cache that no other test uses.
    pub fn alone(test: &str) -> Place {
        let place = Place::new(test);
        Place { cache: place.path("cache"), ..place }
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    pub fn write(&self, file: &str, text: &str) {
        fs::write(self.path(file), text).unwrap();
    }

    pub fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap()
    }

    /// A program that the shell runs.
    #[cfg(unix)]
    pub fn script(&self, file: &str, text: &str) {
        self.write(file, &format!("#!/bin/sh\n{text}"));
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(self.path(file), mode).unwrap();
    }

    /// Packs these macros of the module as `NAME.precast` and `NAME-VERSION/`.
    pub fn pack(&self, name: &str, version: &str, macros: &[&str]) {
        let wasm = fs::read(module()).unwrap();
        let mut declared = stamp::read(&wasm).unwrap().macros;
        declared.retain(|item| macros.contains(&item.name.as_str()));
        let file = self.path("stamped.wasm");
        fs::write(&file, stamp::write(&wasm, &declared).unwrap()).unwrap();
        let options = ModuleOptions {
            name: name.into(),
            version: version.into(),
            license: Some("MIT".into()),
            ..ModuleOptions::default()
        };
        let outcome = pack_module(&file, &options, &self.folder).unwrap();
        fs::rename(outcome.artifact, self.path(&format!("{name}.precast"))).unwrap();
        fs::remove_file(file).unwrap();
    }

    /// Our compiler, in this folder.
    pub fn rustc(&self, words: &[&str]) -> Command {
        let mut rustc = Command::new(program());
        rustc.current_dir(&self.folder).args(words).env("PRECAST_CACHE_DIR", &self.cache);
        for name in ["RUSTC", "RUSTFLAGS", "PRECAST_REAL_RUSTC"] {
            rustc.env_remove(name);
        }
        rustc
    }

    /// The compiled macros in the cache.
    pub fn libraries(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.cache.join("compiled")).unwrap().flatten();
        let folders = entries.map(|entry| entry.path().join("out")).filter(|path| path.is_dir());
        let files = folders.flat_map(|folder| fs::read_dir(folder).unwrap().flatten());
        files.map(|file| file.path()).collect()
    }
}

fn module() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/foreign/macros-c.wasm")
}

pub fn program() -> &'static str {
    env!("CARGO_BIN_EXE_precast-rustc")
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub fn both(output: &Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}
