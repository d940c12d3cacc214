//! Every check and test, in the order in which they fail fastest. Each step says how long it took.

use crate::run::{capture, cargo, clear, command, root, run, scratch, Result};
use crate::setup;
use crate::{actions, bench, book, consumer, corpus, suites};
use std::path::{Path, PathBuf};
use std::time::Instant;

type Step = (&'static str, fn() -> Result);

const STEPS: &[Step] = &[
    ("format", format),
    ("workflows", actions::if_possible),
    ("book", book::if_possible),
    ("lints", lints),
    ("tests", tests),
    ("another folder", elsewhere),
    ("portable tier", portable),
    ("suites", || suites::suites(&["--only", "thiserror"])),
    ("corpus", || corpus::corpus(&["--sample"])),
    ("refusal", || corpus::corpus(&["--sample", "--from-source"])),
    ("consumer", || consumer::consumer(&[])),
    ("oracle", oracle),
    ("package", package),
    ("build cost", || bench::bench(&["build", "--runs", "3"])),
];

/// Runs all steps, or only those named.
pub fn test(only: &[&str]) -> Result {
    if let Some(unknown) = only.iter().find(|name| STEPS.iter().all(|(step, _)| step != *name)) {
        let names: Vec<&str> = STEPS.iter().map(|(name, _)| *name).collect();
        return Err(format!("no step is called `{unknown}`; there are: {}", names.join(", ")));
    }
    setup::setup()?;
    let mut done = 0;
    for (name, step) in STEPS.iter().filter(|(name, _)| only.is_empty() || only.contains(name)) {
        let start = Instant::now();
        eprintln!("== {name}");
        step().map_err(|e| format!("{name}: {e}"))?;
        eprintln!("== {name}: passed in {:.0} s", start.elapsed().as_secs_f64());
        done += 1;
    }
    println!("{done} passed, 0 failed");
    Ok(())
}

fn format() -> Result {
    run(cargo().args(["fmt", "--all", "--check"]))?;
    run(command("rustfmt").args(["--check", "--edition", "2021", "guest/src/lib.rs"]))
}

fn lints() -> Result {
    run(cargo().args(["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

fn tests() -> Result {
    run(cargo().args(["test", "--quiet", "--workspace"]))
}

/// Dependencies are compiled there already: another folder of ours has the same files again.
fn share_what_is_built(folder: &Path) -> Result {
    let built = root().join("target/debug");
    let to = folder.join("target");
    std::fs::create_dir_all(&to).map_err(|e| format!("{}: {e}", to.display()))?;
    if !built.is_dir() || !cfg!(unix) {
        return Ok(());
    }
    // Links where the file system can have them, else copies.
    let copy = |how: &str| run(command("cp").arg(how).arg(&built).arg(&to));
    copy("-al").or_else(|_| copy("-a"))
}

/// The tests that look into files with paths in them, in a checkout that is called `precast` and has
/// a space above it.
fn elsewhere() -> Result {
    let base = std::env::temp_dir().join(format!("precast-{}", std::process::id()));
    let folder = base.join("another place").join("precast");
    let listed = capture(command("git").args(["ls-files", "-z"]))?;
    for path in String::from_utf8_lossy(&listed.stdout).split_terminator('\0') {
        let (from, to) = (root().join(path), folder.join(path));
        let parent = to.parent().expect("a file has a folder");
        std::fs::create_dir_all(parent).map_err(|e| format!("{}: {e}", parent.display()))?;
        std::fs::copy(&from, &to).map_err(|e| format!("{}: {e}", from.display()))?;
    }
    share_what_is_built(&folder)?;
    let test = |words: &str| {
        let mut test = cargo();
        test.current_dir(&folder).args(["test", "--quiet", "--package", "precast"]);
        run(test.args(words.split(' ')))
    };
    let result = test("--test cli --test embed --test built --test loading")
        .and_then(|()| test("--test pack machine::"))
        .and_then(|()| test("--test project -- switch:: refuse:: a_vendor_folder"));
    clear(&base)?;
    result
}

/// The spec tests and the engine's own once more, on the tier that is not this machine's.
fn portable() -> Result {
    let mut test = cargo();
    test.env("RUSTFLAGS", "--cfg precast_portable").args([
        "test",
        "--quiet",
        "--package",
        "precast",
    ]);
    test.args(["--test", "spec", "--test", "engine", "--test", "hostile", "--target-dir"]);
    run(test.arg(scratch("portable")))
}

/// The engine beside wasmtime: a package of its own, for wasmtime takes minutes to build.
fn oracle() -> Result {
    let package = ["--manifest-path", "oracle/Cargo.toml"];
    run(cargo().arg("fmt").args(package).arg("--check"))?;
    let target = scratch("oracle");
    run(cargo().arg("test").args(package).args(["--quiet", "--target-dir"]).arg(target))
}

/// The program as published: packaged, verified, installed from its own `.crate` (unoptimised, to save minutes), and put to use.
/// It is unpacked outside the repository, whose workspace would claim it otherwise.
fn package() -> Result {
    run(cargo().args(["package", "--quiet", "--allow-dirty", "--package", "precast"]))?;
    let folder = std::env::temp_dir().join(format!("precast-published-{}", std::process::id()));
    let result = use_published(&folder);
    clear(&folder)?;
    result
}

fn use_published(folder: &Path) -> Result {
    let installed = folder.join("installed");
    let mut install = cargo();
    install.args(["install", "--debug", "--quiet", "--locked", "--path"]).arg(unpack(folder)?);
    install.arg("--root").arg(&installed).arg("--target-dir").arg(root().join("target"));
    run(&mut install)?;
    let mut pack = command(installed.join("bin/cargo-precast"));
    let out = folder.join("packed");
    run(pack.args(["precast", "pack", "paste", "--quiet", "-o"]).arg(&out))?;
    let shims = std::fs::read_dir(&out).map_err(|e| format!("nothing was packed: {e}"))?;
    for entry in shims.flatten() {
        let mut verify = command(installed.join("bin/cargo-precast"));
        run(verify.args(["precast", "verify", "--quiet"]).arg(entry.path()))?;
    }
    Ok(())
}

/// Unpacks the `.crate` file into `folder`; returns the package's own folder.
fn unpack(folder: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(folder)
        .map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
    let output = capture(cargo().args(["pkgid", "--package", "precast"]))?;
    let id = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let version = id.rsplit(['#', '@']).next().expect("a split has a part").to_owned();
    let file = root().join(format!("target/package/precast-{version}.crate"));
    run(command("tar").args(["-xzf"]).arg(&file).arg("-C").arg(folder))?;
    Ok(folder.join(format!("precast-{version}")))
}
