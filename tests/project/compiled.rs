//! Shims that were compiled before are not compiled again, whatever project wants them, and nothing
//! but the same compilation is answered so.

use super::fixture::{cargo, home, ok, precast, registry_macro, workspace};
use super::store::cold;
use precast::cache::entries::Cache;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const KIND: &str = "compiled";

/// Behind a library's end, where no loader looks.
const MARK: &[u8] = b"kept by the store";

/// The workspace of the fixture with one macro, so that little is packed, and a store of its own.
struct Project {
    work: PathBuf,
    store: PathBuf,
}

impl Project {
    fn new(name: &str) -> Project {
        let work = workspace(name);
        let app = work.join("app/Cargo.toml");
        let manifest = "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
            [dependencies]\ntiny = { version = \"2\" }\n";
        fs::write(app, manifest).unwrap();
        fs::write(work.join("app/src/main.rs"), "fn main() { println!(\"{}\", tiny::tiny!()) }\n")
            .unwrap();
        Project { work, store: cold(&format!("{name}-store")) }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = precast(&self.work, args);
        command.env("PRECAST_CACHE_DIR", &self.store);
        command
    }

    /// A clean build; the libraries that it made of shims.
    fn libraries(&self, args: &[&str]) -> Vec<Vec<u8>> {
        let target = self.work.join("target/debug");
        let _ = fs::remove_dir_all(&target);
        let (out, err) = ok(&mut self.command(args));
        assert!(args[0] != "run" || out.contains("tiny 2.0.0 wasm"), "{out}{err}");
        self.written(std::env::consts::DLL_SUFFIX)
    }

    /// The files that were written for the shim, with this end of their name.
    fn written(&self, end: &str) -> Vec<Vec<u8>> {
        let deps = fs::read_dir(self.work.join("target/debug/deps")).unwrap();
        let is_shims = |file: &PathBuf| {
            let name = file.file_name().unwrap().to_string_lossy();
            name.contains("tiny-") && name.ends_with(end)
        };
        let files = deps.map(|file| file.unwrap().path()).filter(is_shims);
        files.map(|file| fs::read(file).unwrap()).collect()
    }

    fn cache(&self) -> Cache {
        Cache::open(Some(&self.store)).unwrap()
    }

    fn keys(&self) -> Vec<String> {
        self.cache().keys(KIND)
    }

    /// Changes the kept library in a way that does not matter but can be seen.
    fn mark(&self) {
        let key = self.keys().pop().unwrap();
        let mut files = self.cache().read(KIND, &key).unwrap();
        let is_library = |path: &str| path.ends_with(std::env::consts::DLL_SUFFIX);
        let library = files.iter_mut().find(|(path, _)| is_library(path));
        library.unwrap().1.extend(MARK);
        let put = |entry: &Path| {
            for (path, body) in &files {
                fs::create_dir_all(entry.join(path).parent().unwrap()).unwrap();
                fs::write(entry.join(path), body).unwrap();
            }
            Ok(())
        };
        self.cache().put(KIND, &key, put).unwrap();
    }
}

fn is_marked(libraries: &[Vec<u8>]) -> bool {
    assert_eq!(libraries.len(), 1);
    libraries[0].ends_with(MARK)
}

#[test]
fn a_shim_is_compiled_once() {
    let project = Project::new("compiled");
    let first = project.libraries(&["run"]);
    assert_eq!(project.keys().len(), 1);
    assert!(project.libraries(&["run"]) == first);
    project.mark();
    assert!(is_marked(&project.libraries(&["run"])));
    assert!(is_marked(&project.libraries(&["check"])), "check wants the same library");

    // Another project, elsewhere, has no part in it but the store.
    let other = Project { work: Project::new("compiled too").work, store: project.store.clone() };
    assert!(is_marked(&other.libraries(&["run"])));
    let list = String::from_utf8(other.written(".d").remove(0)).unwrap();
    let own = other.work.to_string_lossy().replace(' ', "\\ ");
    assert!(list.contains(&own) && !list.contains("{precast"), "{list}");
    let (_, err) = ok(&mut other.command(&["run"]));
    assert!(!err.contains("Compiling"), "{err}");

    // Whatever decides the output is another entry.
    let mut portable = project.command(&["run"]);
    let (out, _) = ok(portable.env("RUSTFLAGS", "--cfg precast_portable"));
    assert!(out.contains("tiny 2.0.0 wasm"), "{out}");
    assert_eq!(project.keys().len(), 2);
    let (out, _) = ok(project.command(&["run"]).env("RUSTFLAGS", "--cfg precast_from_source"));
    assert!(out.contains("tiny 2.0.0 native"), "{out}");
}

#[test]
fn damage_is_compiled_again() {
    let project = Project::new("compiled-damage");
    let first = project.libraries(&["run"]);
    let entry = project.store.join(KIND).join(&project.keys()[0]);
    for file in fs::read_dir(entry.join("out")).unwrap() {
        let file = file.unwrap().path();
        let mut bytes = fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&file, bytes).unwrap();
        assert!(project.libraries(&["run"]) == first, "{}", file.display());
        assert!(project.cache().read(KIND, &project.keys()[0]).is_some(), "it is repaired");
    }
    // A list that is whole, but of another kind.
    let key = project.keys().pop().unwrap();
    let put = |entry: &Path| {
        fs::write(entry.join("artifacts.json"), "[{}]").unwrap();
        Ok(())
    };
    project.cache().put(KIND, &key, put).unwrap();
    assert!(project.libraries(&["run"]) == first);
    // What is kept goes with the rest.
    ok(&mut project.command(&["store", "gc", "--limit", "0"]));
    assert!(project.keys().is_empty());
    assert!(project.libraries(&["run"]) == first);
}

#[test]
fn another_source_is_compiled_anew() {
    let project = Project::new("compiled-source");
    project.libraries(&["run"]);
    project.mark();
    registry_macro(&project.work.join("../registry"), "tiny", "2.0.0", "[dependencies]\n");
    let file = project.work.join("../registry/tiny-2.0.0/.cargo-checksum.json");
    let text = fs::read_to_string(&file).unwrap();
    // The registry has published nothing new; only another checksum tells of other files.
    fs::write(
        &file,
        text.replacen("\"package\":\"", "\"package\":\"f", 1).replacen("0\"}", "\"}", 1),
    )
    .unwrap();
    fs::remove_file(project.work.join("Cargo.lock")).ok();
    assert!(!is_marked(&project.libraries(&["run"])));
}

#[test]
fn a_wrapper_of_the_users_stays() {
    let project = Project::new("compiled-wrapper");
    let wrapper = project.work.join("wrapper");
    let notes = project.work.join("notes");
    let script = format!("#!/bin/sh\necho \"$3\" >> '{}'\nexec \"$@\"\n", notes.display());
    fs::write(&wrapper, script).unwrap();
    fs::set_permissions(&wrapper, PermissionsExt::from_mode(0o755)).unwrap();
    let noted = || fs::read_to_string(&notes).unwrap_or_default();

    // It sees what the compiler itself is asked for, and no shim.
    let (out, _) = ok(project.command(&["run"]).env("RUSTC_WRAPPER", &wrapper));
    assert!(out.contains("tiny 2.0.0 wasm"), "{out}");
    assert!(noted().contains("app\n") && !noted().contains("tiny\n"), "{}", noted());
    fs::remove_file(&notes).unwrap();
    let config = project.work.join(".cargo/config.toml");
    let text = fs::read_to_string(&config).unwrap();
    assert!(text.contains("[build]\n"), "{text}");
    fs::write(
        &config,
        text.replace("[build]\n", &format!("[build]\nrustc-wrapper = {wrapper:?}\n")),
    )
    .unwrap();
    project.libraries(&["run"]);
    assert!(noted().contains("app\n"), "{}", noted());
    // The same with `on`, whose line stands in the place of the user's.
    ok(&mut project.command(&["on"]));
    assert!(!fs::read_to_string(&config)
        .unwrap()
        .contains(&format!("rustc-wrapper = {wrapper:?}")));
    fs::remove_file(&notes).unwrap();
    let _ = fs::remove_dir_all(project.work.join("target/debug"));
    let mut run = cargo(&project.work, home());
    let (out, _) = ok(run.env("PRECAST_CACHE_DIR", &project.store).arg("run"));
    assert!(out.contains("tiny 2.0.0 wasm") && noted().contains("app\n"), "{out}{}", noted());
    let later = "[alias]\nlater = \"check\"\n";
    fs::write(&config, fs::read_to_string(&config).unwrap() + later).unwrap();
    ok(&mut project.command(&["off"]));
    let text = fs::read_to_string(&config).unwrap();
    assert!(text.contains(&format!("rustc-wrapper = {wrapper:?}")), "{text}");
    assert!(!text.contains("PRECAST") && text.contains("later"), "{text}");
}
