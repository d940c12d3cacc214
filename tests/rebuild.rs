//! `verify --rebuild`: sources give the module again, anywhere; where they do not, it says why.
//! Real compilers, small packages; the cache is that of tests/pack.rs.

#[cfg(unix)]
#[path = "rebuild/elsewhere.rs"]
mod elsewhere;
#[cfg(unix)]
#[path = "rebuild/place.rs"]
mod place;
#[path = "schema/validate.rs"]
mod validate;

use precast::artifact::{self, Artifact};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

const CARGO: &str = "[package]\nname = \"grow\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
    license = \"MIT\"\n[lib]\nproc-macro = true\n[features]\ndefault = [\"more\"]\nmore = []\n\
    [workspace]\n";
const ROOT: &str = "use proc_macro::TokenStream;\n\n#[proc_macro]\n\
    pub fn grow(input: TokenStream) -> TokenStream {\n\
    \x20   let factor = if cfg!(feature = \"more\") { 3 } else { 2 };\n\
    \x20   format!(\"({input}) * {factor}\").parse().unwrap()\n}\n";

fn temporary(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

fn precast(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-precast"));
    command.current_dir(directory).env("PRECAST_CACHE_DIR", temporary("pack-cache"));
    // What `cargo test` sets must not be what makes it work.
    for name in ["CARGO", "RUSTC", "RUSTFLAGS", "CARGO_TARGET_DIR", "RUSTUP_TOOLCHAIN"] {
        command.env_remove(name);
    }
    command.arg("--json");
    command
}

/// The packed package, from the first test that asks.
fn packed() -> (&'static Path, Artifact) {
    static PACKED: OnceLock<PathBuf> = OnceLock::new();
    let directory = PACKED.get_or_init(|| {
        let directory = temporary("rebuild");
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(directory.join("grow/src")).unwrap();
        fs::write(directory.join("grow/Cargo.toml"), CARGO).unwrap();
        fs::write(directory.join("grow/src/lib.rs"), ROOT).unwrap();
        // What decides the functions' order is recorded as well.
        fs::write(directory.join("uses.rs"), "grow!(1 + 2);\n").unwrap();
        let mut pack = precast(&directory);
        pack.args(["pack", "./grow", "-o", "out", "--profile", "uses.rs"]);
        let output = pack.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        directory
    });
    let bytes = fs::read(directory.join("out/grow-0.1.0.precast")).unwrap();
    (directory, artifact::read(&bytes).unwrap())
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

/// Rebuilds a forged artifact; every line that the command prints of a difference.
fn differences(name: &str, change: impl FnOnce(&mut Artifact)) -> Vec<String> {
    let (directory, mut artifact) = packed();
    change(&mut artifact);
    let Artifact { manifest, wasm, image, lockfile, source, licenses, .. } = artifact;
    let forged = Artifact::new(manifest, wasm, image, lockfile, source, licenses).unwrap();
    let file = directory.join(format!("{name}.precast"));
    fs::write(&file, artifact::write(&forged).unwrap()).unwrap();
    let output = precast(directory).args(["verify", "--rebuild"]).arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    // The verdict comes first, then the error.
    let mut documents = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>();
    let verdict = documents.next().unwrap().unwrap();
    let checks = verdict["checks"].as_array().unwrap_or_else(|| panic!("{verdict}"));
    let lines = checks.iter().flat_map(|check| check["differences"].as_array().unwrap());
    lines.map(|line| line.as_str().unwrap().to_owned()).collect()
}

/// Rebuilds what a path names; how many verdicts there are, all of them good.
#[track_caller]
fn rebuilds(path: &str) -> usize {
    let output = precast(packed().0).args(["verify", "--rebuild", path]).output().unwrap();
    let value = json(&output);
    assert!(output.status.success(), "{value}");
    let verdicts = value["verdicts"].as_array().cloned().unwrap_or_else(|| vec![value]);
    for verdict in &verdicts {
        let checks = verdict["checks"].as_array().unwrap();
        let rebuilt = checks.iter().any(|c| c["what"] == "the sources compile to the module");
        assert!(rebuilt, "{checks:?}");
    }
    verdicts.len()
}

#[test]
fn sources_give_the_module() {
    assert_eq!(rebuilds("out/grow-0.1.0.precast"), 1);
    assert_eq!(rebuilds("out/grow-0.1.0"), 1);
    assert_eq!(rebuilds("out"), 2);
}

/// The shim as cargo packages it for a registry.
#[test]
fn a_crate_file_gives_the_module() {
    let (directory, _) = packed();
    let folder = directory.join("packaging");
    fs::create_dir_all(&folder).unwrap();
    let shim = folder.join("grow-0.1.0");
    let _ = fs::remove_dir_all(&shim);
    copied(&directory.join("out/grow-0.1.0"), &shim);
    fs::write(folder.join("Cargo.toml"), "[workspace]\nmembers = [\"grow-0.1.0\"]\n").unwrap();
    let mut cargo = Command::new("cargo");
    cargo.current_dir(&shim).args(["package", "--quiet", "--no-verify", "--allow-dirty"]);
    let output = cargo.env_remove("CARGO_TARGET_DIR").arg("--offline").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(rebuilds("packaging/target/package/grow-0.1.0.crate"), 1);
}

/// A vendor folder, or `precast on`, replaces the registry by the shims themselves: what cargo's
/// configuration says around them counts for nothing.
#[test]
fn the_projects_configuration_does_not_count() {
    let (directory, _) = packed();
    let project = directory.join("project");
    copied(&directory.join("out/grow-0.1.0"), &project.join("shim"));
    fs::create_dir_all(project.join(".cargo")).unwrap();
    fs::write(project.join(".cargo/config.toml"), "no configuration").unwrap();
    let refused = Command::new("cargo").current_dir(&project).arg("tree").output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("config.toml"), "{refused:?}");
    let output = precast(&project).args(["verify", "--rebuild", "shim"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_shim_is_not_packed() {
    let (directory, _) = packed();
    let folder = directory.join("again");
    copied(&directory.join("out/grow-0.1.0"), &folder.join("shim"));
    fs::write(folder.join("Cargo.toml"), "[workspace]\nmembers = [\"shim\"]\n").unwrap();
    let output = precast(&folder).args(["pack", "./shim"]).output().unwrap();
    assert_eq!(json(&output)["error"]["message"], "grow 0.1.0 is a shim already");
}

/// As `cargo vendor` lays it out, among packages that are no shims.
#[test]
fn a_vendor_folder_gives_the_modules() {
    let (directory, _) = packed();
    let folder = directory.join("vendored");
    let _ = fs::remove_dir_all(&folder);
    copied(&directory.join("out/grow-0.1.0"), &folder.join("grow-0.1.0"));
    copied(&directory.join("grow"), &folder.join("plain-1.0.0"));
    for package in ["grow-0.1.0", "plain-1.0.0"] {
        let sums = "{\"files\":{},\"package\":null}";
        fs::write(folder.join(package).join(".cargo-checksum.json"), sums).unwrap();
    }
    assert_eq!(rebuilds("vendored"), 1);
}

fn copied(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
        match path.is_dir() {
            true => copied(&path, &to.join(name)),
            false => fs::copy(&path, to.join(name)).map(drop).unwrap(),
        }
    }
}

#[test]
fn the_manifest_fits_its_schema() {
    let manifest = precast::artifact::manifest::write(&packed().1.manifest);
    assert_eq!(validate::errors(&serde_json::from_slice(&manifest).unwrap()), None);
}

#[test]
fn changed_sources_are_found() {
    let lines = differences("sources", |artifact| {
        let root = ROOT.replace("* {factor}", "+ {factor}").into_bytes();
        artifact.source.insert("src/lib.rs".into(), root);
    });
    assert!(lines[0].starts_with("first difference: section data, at its byte "), "{lines:?}");
    assert!(lines[1].contains("compiled from other sources"), "{lines:?}");
    let lines = differences("code", |artifact| {
        let root = ROOT.replace("format!", "input.is_empty(); format!").replace("3", "5");
        artifact.source.insert("src/lib.rs".into(), root.into_bytes());
    });
    assert!(lines[0].starts_with("first difference: function "), "{lines:?}");
}

#[test]
fn other_features_are_found() {
    let lines = differences("features", |artifact| artifact.manifest.features.clear());
    assert!(lines[0].starts_with("first difference: function "), "{lines:?}");
    assert!(lines[1].contains("it was compiled with its default features"), "{lines:?}");
}

#[test]
fn another_toolchain_is_the_cause() {
    let sources = |artifact: &mut Artifact| {
        let root = ROOT.replace("* {factor}", "+ {factor}").into_bytes();
        artifact.source.insert("src/lib.rs".into(), root);
    };
    let lines = differences("recipe", |artifact| {
        sources(artifact);
        artifact.manifest.toolchain.recipe = "ffff".into();
    });
    assert!(lines[1].starts_with("likely cause: another precast: ffff then, "), "{lines:?}");
    let lines = differences("linker", |artifact| {
        sources(artifact);
        artifact.manifest.toolchain.linker = "LLD 3".into();
    });
    assert!(lines[1].starts_with("likely cause: another linker: LLD 3 then, "), "{lines:?}");
    let lines = differences("llvm", |artifact| {
        sources(artifact);
        artifact.manifest.toolchain.llvm = Some("3.4".into());
    });
    assert!(lines[1].starts_with("likely cause: another LLVM in rustc: 3.4 then, "), "{lines:?}");
}

/// A compiler of the same version which was built from another commit; it is either named as the
/// cause, or known not to be here.
#[test]
fn another_rustc_is_named() {
    let commit = Some("0a1b".to_owned());
    if packed().1.manifest.toolchain.commit.is_some() {
        let [class, message, _] =
            error("commit", |artifact| artifact.manifest.toolchain.commit = commit);
        assert_eq!(class, "toolchain");
        assert!(message.contains("(0a1b)"), "{message}");
    } else {
        let lines = differences("commit", |artifact| {
            let root = ROOT.replace("* {factor}", "+ {factor}").into_bytes();
            artifact.source.insert("src/lib.rs".into(), root);
            artifact.manifest.toolchain.commit = commit;
        });
        assert_eq!(lines[1], "likely cause: another rustc: 0a1b then, unknown now");
    }
}

#[test]
fn a_changed_dependency_or_lock_file_is_a_cause() {
    let lines = differences("module", |artifact| {
        // Nothing that is recorded differs, and no features give this module.
        let other = [0, 8, 5].into_iter().chain(*b"other\0\0").collect::<Vec<u8>>();
        artifact.wasm.extend(other);
    });
    assert!(lines.iter().any(|line| line.contains("section custom other")), "{lines:?}");
    let cause = "the module was compiled from other sources, or from a changed dependency";
    assert!(lines.iter().any(|line| line.ends_with(cause)), "{lines:?}");
}

#[test]
fn forged_facts_are_found() {
    let lines = differences("facts", |artifact| {
        artifact.manifest.macros[0].attributes.push("#[deprecated]".into());
        artifact.licenses.insert("grow-0.1.0/LICENSE".into(), b"none".to_vec());
    });
    let expected = [
        "`macros` in the manifest is not what the sources give",
        "grow-0.1.0/LICENSE does not belong there",
    ];
    assert_eq!(lines, expected);
}

/// The error's class, message and help.
fn error(name: &str, change: impl FnOnce(&mut Artifact)) -> [String; 3] {
    let (directory, mut artifact) = packed();
    change(&mut artifact);
    artifact.manifest.sha256 = artifact.hashes().unwrap();
    let file = directory.join(format!("{name}.precast"));
    fs::write(&file, artifact::write(&artifact).unwrap()).unwrap();
    let output = precast(directory).args(["verify", "--rebuild"]).arg(&file).output().unwrap();
    let error = json(&output)["error"].clone();
    ["class", "message", "help"].map(|key| error[key].as_str().unwrap_or_default().to_owned())
}

#[test]
fn a_toolchain_that_is_not_here_is_named() {
    let [class, message, help] = error("old", |artifact| {
        artifact.manifest.toolchain.rustc = "1.86.0".into();
        artifact.manifest.toolchain.std = "toolchain".into();
    });
    assert_eq!(class, "toolchain");
    assert!(message.contains("compiled with rustc 1.86.0"), "{message}");
    assert!(help.contains("rustup toolchain install 1.86.0 --target wasm32-wasip1"), "{help}");
}

#[test]
fn what_cannot_be_rebuilt_is_named() {
    let [class, message, _] = error("lock", |artifact| {
        artifact.lockfile = b"version = 4\n".to_vec();
    });
    assert_eq!((class.as_str(), message.contains("does not fit the sources")), ("verify", true));
    let [class, message, _] = error("local", |artifact| {
        let mut linked = artifact.manifest.linked.first().cloned().unwrap_or_else(|| {
            precast::artifact::manifest::Linked {
                name: String::new(),
                version: "1.0.0".into(),
                checksum: None,
                license: None,
                features: Vec::new(),
            }
        });
        linked.name = "near".into();
        linked.checksum = None;
        artifact.manifest.linked.push(linked);
    });
    assert_eq!(class, "verify");
    assert!(message.contains("near 1.0.0 came from a directory"), "{message}");
}
