//! `cargo xtask consumer`: an application whose macro crates are replaced by shims, on every
//! compiler that is here, and one shim in every other way in which people use a macro crate.

mod old;
mod shim;

use crate::run::{capture, cargo_precast, clear, command, read, root, run, scratch, write, Result};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The macro crates which the application's dependencies bring.
const MACROS: &[&str] =
    &["clap_derive", "serde_derive", "thiserror-impl", "tokio-macros", "tracing-attributes"];

/// What no build with shims may contain.
const UNWANTED: &[&str] = &["syn", "quote", "proc-macro2", "unicode-ident"];

/// A shim without dependencies between its macros and any library.
const SMALL: &str = "paste";

type Step = (&'static str, fn(&Workshop) -> Result);

const STEPS: &[Step] = &[
    ("application", application),
    ("lock", lock),
    ("source", from_source),
    ("plain", shim::plain),
    ("tools", shim::tools),
    ("old", old::old),
];

/// The binary, the packed shims and the scratch copy of the application.
struct Workshop {
    shims: PathBuf,
    app: PathBuf,
    native_lock: String,
}

pub fn consumer(only: &[&str]) -> Result {
    if let Some(unknown) = only.iter().find(|name| STEPS.iter().all(|(step, _)| step != *name)) {
        let names: Vec<&str> = STEPS.iter().map(|(name, _)| *name).collect();
        return Err(format!("no step is called `{unknown}`; there are: {}", names.join(", ")));
    }
    let workshop = prepare()?;
    for (name, step) in STEPS.iter().filter(|(name, _)| only.is_empty() || only.contains(name)) {
        step(&workshop).map_err(|e| format!("{name}: {e}"))?;
        println!("consumer: {name} passed");
    }
    Ok(())
}

fn prepare() -> Result<Workshop> {
    let fixture = root().join("fixtures/consumer");
    let native_lock = read(&fixture.join("Cargo.lock"))?;
    let shims = scratch("consumer").join("packed");
    let versions: Vec<(&str, String)> = MACROS
        .iter()
        .map(|name| Ok((*name, version(&native_lock, name)?)))
        .collect::<Result<_>>()?;
    let mut pack = command(cargo_precast()?);
    pack.args(["precast", "pack", "--quiet", "-o"]).arg(&shims).arg(SMALL);
    pack.args(versions.iter().map(|(name, version)| format!("{name}@{version}")));
    run(&mut pack)?;
    let app = scratch("consumer").join("app");
    clear(&app)?;
    copy(&fixture, &app)?;
    let mut manifest = read(&fixture.join("Cargo.toml"))? + "\n[patch.crates-io]\n";
    for (name, version) in &versions {
        let path = shims.join(format!("{name}-{version}"));
        writeln!(manifest, "{name} = {{ path = '{}' }}", path.display())
            .expect("a string takes all");
    }
    write(&app.join("Cargo.toml"), &manifest)?;
    Ok(Workshop { shims, app, native_lock })
}

fn copy(from: &Path, to: &Path) -> Result {
    let failed = |e: std::io::Error| format!("cannot copy {}: {e}", from.display());
    std::fs::create_dir_all(to).map_err(failed)?;
    for entry in std::fs::read_dir(from).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let target = to.join(path.file_name().expect("an entry has a name"));
        if path.is_dir() {
            copy(&path, &target)?;
        } else {
            std::fs::copy(&path, &target).map_err(failed)?;
        }
    }
    Ok(())
}

/// The version of a package in a lock file that has only one of it.
fn version(lock: &str, name: &str) -> Result<String> {
    let entry = lock.split("[[package]]").find(|e| e.contains(&format!("name = \"{name}\"\n")));
    let version = entry.and_then(|entry| entry.split("version = \"").nth(1)?.split('"').next());
    version.map(str::to_owned).ok_or_else(|| format!("the lock file has no {name}"))
}

/// A compiler with its cargo.
struct Toolchain {
    name: String,
    cargo: PathBuf,
    rustc: PathBuf,
}

impl Toolchain {
    fn cargo(&self, folder: &Path) -> Command {
        let mut cargo = command(&self.cargo);
        cargo.current_dir(folder).env("RUSTC", &self.rustc).env_remove("RUSTUP_TOOLCHAIN");
        cargo.env("RUSTDOC", self.rustc.with_file_name("rustdoc"));
        cargo.env("CARGO_TARGET_DIR", scratch("consumer").join(&self.name));
        cargo
    }
}

/// The active toolchain, rustup's nightly, and a distribution's compiler, as far as they are here.
fn toolchains() -> Result<Vec<Toolchain>> {
    let active = capture(command("rustc").args(["--print", "sysroot"]))?;
    let active = PathBuf::from(String::from_utf8_lossy(&active.stdout).trim());
    let nightly = capture(command("rustc").args(["+nightly", "--print", "sysroot"])).ok();
    let nightly = nightly.map(|o| PathBuf::from(String::from_utf8_lossy(&o.stdout).trim()));
    let places = [("active", Some(active)), ("nightly", nightly), ("system", Some("/usr".into()))];
    let mut found: Vec<Toolchain> = Vec::new();
    for (name, folder) in places.into_iter().filter_map(|(name, f)| Some((name, f?))) {
        let (cargo, rustc) = (folder.join("bin/cargo"), folder.join("bin/rustc"));
        let known = found.iter().any(|toolchain| toolchain.rustc == rustc);
        if cargo.is_file() && rustc.is_file() && !known {
            found.push(Toolchain { name: name.to_owned(), cargo, rustc });
        }
    }
    Ok(found)
}

/// Builds, runs and tests the application in debug and release.
fn application(workshop: &Workshop) -> Result {
    for toolchain in toolchains()? {
        for profile in ["dev", "release"] {
            let built = build(&toolchain, &workshop.app, profile)?;
            let unwanted: Vec<&str> =
                UNWANTED.iter().copied().filter(|name| built.packages.contains(*name)).collect();
            if !unwanted.is_empty() {
                return Err(format!("{} builds {}", toolchain.name, unwanted.join(", ")));
            }
            check_output(&built.program)?;
            let mut test = toolchain.cargo(&workshop.app);
            capture(test.args(["test", "--quiet", "--locked", "--profile", profile]))?;
            eprintln!("{} {profile}: {} packages", toolchain.name, built.packages.len());
        }
    }
    Ok(())
}

struct Built {
    packages: BTreeSet<String>,
    program: PathBuf,
}

fn build(toolchain: &Toolchain, app: &Path, profile: &str) -> Result<Built> {
    let mut cargo = toolchain.cargo(app);
    cargo.args(["build", "--quiet", "--message-format=json", "--profile", profile]);
    let output = capture(&mut cargo)?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut built = Built { packages: BTreeSet::new(), program: PathBuf::new() };
    for line in text.lines() {
        let message: Value = serde_json::from_str(line).map_err(|e| e.to_string())?;
        if let Some(program) = message["executable"].as_str() {
            built.program = program.into();
        }
        if message["reason"] == "compiler-message" {
            return Err(format!("a warning: {}", message["message"]["rendered"]));
        }
        // `registry+…#name@1.2.3`, or `path+…/name#1.2.3`
        let id = message["package_id"].as_str().unwrap_or_default();
        let (path, tail) = id.rsplit_once('#').unwrap_or((id, ""));
        let name = tail.split_once('@').map_or(path.rsplit('/').next(), |(name, _)| Some(name));
        built.packages.extend(name.map(str::to_owned));
    }
    Ok(built)
}

fn check_output(program: &Path) -> Result {
    let list = r#"{"version":"1","tasks":[{"title":"a","größe":3}]}"#;
    let found = capture(command(program).args(["--list", list, "find", "a"]))?;
    let text = String::from_utf8_lossy(&found.stdout).into_owned();
    if text == "{\"title\":\"a\",\"priority\":\"normal\",\"größe\":3}\n" {
        return Ok(());
    }
    Err(format!("the application printed {text}"))
}

/// The lock file differs from the native one only in where the replaced packages come from.
fn lock(workshop: &Workshop) -> Result {
    let ours = read(&workshop.app.join("Cargo.lock"))?;
    let same = |text: &str| {
        let kept =
            |entry: &&str| !MACROS.iter().any(|m| entry.contains(&format!("name = \"{m}\"\n")));
        let of_macros = |line: &&str| !line.starts_with("source") && !line.starts_with("checksum");
        let (others, macros): (Vec<&str>, Vec<&str>) = text.split("\n[[package]]").partition(kept);
        let macros = macros.iter().flat_map(|entry| entry.lines().filter(of_macros));
        (others.join("\n"), macros.collect::<Vec<_>>().join("\n"))
    };
    if same(&ours) == same(&workshop.native_lock) {
        return Ok(());
    }
    Err("Cargo.lock has other packages or dependencies than natively".to_owned())
}

/// One switch at the top of the build, and the originals are compiled, with the same lock file.
fn from_source(workshop: &Workshop) -> Result {
    let before = read(&workshop.app.join("Cargo.lock"))?;
    let active = toolchains()?.remove(0);
    let source = Toolchain { name: "source".to_owned(), ..active };
    let mut cargo = source.cargo(&workshop.app);
    cargo.args(["test", "--quiet", "--locked"]).env("RUSTFLAGS", "--cfg precast_from_source");
    capture(&mut cargo)?;
    if read(&workshop.app.join("Cargo.lock"))? != before {
        return Err("building from source changed Cargo.lock".to_owned());
    }
    let built = source.cargo(&workshop.app);
    let folder = built.get_envs().find(|(name, _)| *name == "CARGO_TARGET_DIR");
    let deps = PathBuf::from(folder.and_then(|(_, v)| v).expect("it was set")).join("debug/deps");
    let entries = std::fs::read_dir(&deps).map_err(|e| format!("{}: {e}", deps.display()))?;
    let has_syn = |e: std::io::Result<std::fs::DirEntry>| {
        e.is_ok_and(|e| e.file_name().to_string_lossy().starts_with("libsyn-"))
    };
    match entries.into_iter().any(has_syn) {
        true => Ok(()),
        false => Err("the originals were not built".to_owned()),
    }
}
