//! Whole projects: the real cargo on a graph with several registries, a repository, packages in
//! directories, two versions of one macro and a renamed one.

#[path = "project/authors.rs"]
mod authors;
#[path = "project/commands.rs"]
mod commands;
#[cfg(unix)]
#[path = "project/compiled.rs"]
mod compiled;
#[path = "project/editor.rs"]
mod editor;
#[path = "project/fixture.rs"]
mod fixture;
#[path = "project/fuzz.rs"]
mod fuzz;
#[cfg(unix)]
#[path = "project/known.rs"]
mod known;
#[path = "project/lazy.rs"]
mod lazy;
#[path = "project/metadata.rs"]
mod metadata;
#[path = "project/reads.rs"]
mod reads;
#[path = "project/refuse.rs"]
mod refuse;
#[path = "project/report.rs"]
mod report;
#[path = "schema/metadata.rs"]
mod schema;
#[path = "project/store.rs"]
mod store;
#[path = "project/switch.rs"]
mod switch;
#[path = "project/vendor.rs"]
mod vendor;

use fixture::{cargo, directory, files, forget, home, ok, precast, put, texts, workspace, NATIVE};
use std::fs;
use std::path::Path;

/// What the program prints if all macros are precompiled that are not in directories, but one that
/// cannot be.
fn packed() -> String {
    let from_source = ["broken", "nearby", "member"];
    let line = |line: &str| match from_source.iter().any(|name| line.starts_with(name)) {
        true => format!("{line}\n"),
        false => line.replace("native", "wasm") + "\n",
    };
    NATIVE.lines().map(line).collect()
}

#[test]
fn the_commands_of_cargo() {
    let work = workspace("commands");
    let before = files(&work);
    let (native, _) = ok(cargo(&work, home()).args(["run", "--quiet", "--locked"]));
    assert_eq!(native, NATIVE);
    // What cargo has built is not built again.
    let (out, err) = ok(&mut precast(&work, &["run", "--locked"]));
    assert_eq!(out, NATIVE);
    assert!(!err.contains("Compiling"), "{err}");
    forget(&work);

    let (out, err) = ok(&mut precast(&work, &["run", "--locked"]));
    assert_eq!(out, packed(), "{err}");
    assert!(err.contains("4 macro packages precompiled"), "{err}");
    assert!(err.contains("broken 1.0.0 is built from source: "), "{err}");
    assert!(err.contains("something else in another profile of cargo"), "{err}");
    // Everything is in the store, and nothing is built again.
    let (out, err) = ok(&mut precast(&work, &["run", "--locked"]));
    assert_eq!(out, packed());
    assert!(!err.contains("packed now") && !err.contains("Compiling"), "{err}");

    let output = precast(&work, &["run", "--quiet", "--", "7"]).output().unwrap();
    assert_eq!(output.status.code(), Some(7));
    assert!(!texts(&output, false).1.contains("Precast"));
    let output = precast(&work, &["test", "fails"]).env("FAIL", "1").output().unwrap();
    assert_eq!(output.status.code(), Some(101));
    let (out, _) = ok(&mut precast(&work, &["test", "succeeds"]));
    assert!(out.contains("1 passed"), "{out}");
    ok(&mut precast(&work, &["c", "--all-targets"]));
    // Cargo's own errors have cargo's exit codes.
    for (wrong, code) in [("--no-such-option", 1), ("-pnope", 101)] {
        let command = ["build", wrong];
        let native = cargo(&work, home()).args(command).output().unwrap();
        let found = precast(&work, &command).output().unwrap();
        assert_eq!((native.status.code(), found.status.code()), (Some(code), Some(code)));
        assert!(texts(&found, false).1.ends_with(&texts(&native, false).1));
    }

    // From elsewhere, to elsewhere.
    let elsewhere = directory("commands-elsewhere");
    let manifest = work.join("Cargo.toml");
    put(
        &elsewhere,
        &[(".cargo/config.toml", &fs::read_to_string(work.join(".cargo/config.toml")).unwrap())],
    );
    let options = ["--manifest-path", manifest.to_str().unwrap(), "--target-dir", "there"];
    let (out, _) = ok(precast(&elsewhere, &["run", "--quiet"]).args(options));
    assert_eq!(out, packed());
    assert!(elsewhere.join("there/debug").is_dir());
    assert!(before == files(&work), "the project's files have changed");
}

#[test]
fn a_choice() {
    let work = workspace("choice");
    let (out, err) = ok(&mut precast(&work, &["run", "--only", "tiny"]));
    assert_eq!(out.lines().filter(|line| line.contains("wasm")).count(), 2, "{out}\n{err}");
    assert!(err.contains("remote 0.3.0 is built from source: `only` does not name it"), "{err}");
    // Another choice takes back what an earlier one has precompiled, not what it has built from source.
    let (out, _) = ok(&mut precast(&work, &["run", "--except=tiny,member"]));
    assert_eq!(out.lines().filter(|line| line.contains("wasm")).count(), 0, "{out}");
    forget(&work);
    let (out, _) = ok(&mut precast(&work, &["run", "--except=tiny,member"]));
    assert_eq!(out.lines().filter(|line| line.contains("wasm")).count(), 2, "{out}");
    forget(&work);
    let (out, _) = ok(&mut precast(&work, &["run", "--members", "--except=tiny,member"]));
    assert_eq!(out.lines().filter(|line| line.contains("wasm")).count(), 3, "{out}");
    let manifest = work.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    let more = "\n[workspace.metadata.precast]\nexcept = [\"tiny\"]\n";
    fs::write(&manifest, text + more).unwrap();
    forget(&work);
    let (out, _) = ok(&mut precast(&work, &["run"]));
    assert_eq!(out.lines().filter(|line| line.contains("wasm")).count(), 2, "{out}");
    // What the policy does not permit is built from source.
    let policy = "[policy]\nunlisted = \"deny\"\n[policy.packages]\nforeign = {}\n\
        nearby = { sha256 = [\"00\"] }\n";
    fs::write(work.join("precast.toml"), policy).unwrap();
    let (out, err) = ok(&mut precast(&work, &["run", "--members"]));
    assert_eq!(out.lines().filter(|line| line.contains("wasm")).count(), 1, "{out}");
    assert!(err.contains("remote 0.3.0 is built from source: the policy does not permit"), "{err}");
    assert!(
        err.contains("nearby 0.1.0 is built from source: by the policy: its manifest"),
        "{err}"
    );
    let output = precast(&work, &["build", "--only", "tinny"]).output().unwrap();
    let (_, err) = texts(&output, false);
    assert!(err.contains("no macro package of this workspace is called tinny"), "{err}");
    assert_eq!(output.status.code(), Some(2));
}

/// A macro of the workspace is packed again when it, or what it uses, changes.
#[test]
fn a_changed_member() {
    let work = workspace("changed");
    let only = ["run", "--members", "--only", "member"];
    let (out, _) = ok(&mut precast(&work, &only));
    assert!(out.contains("member 0.1.0 wasm\n"), "{out}");
    let source = work.join("member/src/lib.rs");
    let text = fs::read_to_string(&source).unwrap().replace("{world}", "changed {world}");
    fs::write(&source, text).unwrap();
    let (out, err) = ok(&mut precast(&work, &only));
    assert!(out.contains("member 0.1.0 changed wasm\n"), "{out}");
    assert!(err.contains("Compiling member"), "{err}");
    // Without, it is the compiler's, as natively, and nothing is said of it.
    let (out, err) = ok(&mut precast(&work, &["run"]));
    assert!(out.contains("member 0.1.0 changed native\n"), "{out}");
    assert!(!err.contains("member 0.1.0 is"), "{err}");
}

#[test]
fn on_and_off() {
    let work = workspace("switch");
    let before = files(&work);
    let config_before = fs::read_to_string(work.join(".cargo/config.toml")).unwrap();
    forget(&work);
    // What `on` finds missing is packed after it.
    let (_, err) = ok(&mut precast(&work, &["on"]));
    assert!(err.contains("macro packages precompiled"), "{err}");
    ok(&mut precast(&work, &["status", "--wait"]));
    let config = fs::read_to_string(work.join(".cargo/config.toml")).unwrap();
    for kept in ["# The user's own words.", "jobs = 2", "[registries.other]"] {
        assert!(config.contains(kept), "{config}");
    }
    let (out, _) = ok(cargo(&work, home()).args(["run", "--quiet", "--locked"]));
    assert_eq!(out, packed());
    let (out, _) = ok(cargo(&work, home()).args(["test", "--quiet", "--locked", "--workspace"]));
    assert!(out.contains("2 passed"), "{out}");
    // Twice is as once; other commands know of it.
    ok(&mut precast(&work, &["on"]));
    let (_, err) = ok(&mut precast(&work, &["build"]));
    assert!(!err.contains("Compiling"), "{err}");
    assert_eq!(fs::read_to_string(work.join(".cargo/config.toml")).unwrap(), config);

    let (out, _) = ok(&mut precast(&work, &["off"]));
    assert_eq!(out, "Cargo builds the macros from source again.\n");
    assert!(before == files(&work), "{:?}", fs::read_to_string(work.join(".cargo/config.toml")));
    let (out, _) = ok(&mut precast(&work, &["off"]));
    assert_eq!(out, "It was not on.\n");
    // Where the configuration is elsewhere, no folder is left.
    put(&work.join(".."), &[(".cargo/config.toml", &config_before)]);
    fs::remove_dir_all(work.join(".cargo")).unwrap();
    ok(&mut precast(&work, &["on"]));
    assert!(work.join(".cargo/config.toml").is_file());
    ok(&mut precast(&work, &["off"]));
    assert!(!work.join(".cargo").exists());
    let output = precast(Path::new("/"), &["on"]).output().unwrap();
    assert!(texts(&output, false).1.contains("--manifest-path"));
}

#[test]
fn resolvers() {
    let work = workspace("resolvers");
    let manifest = work.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    // A host dependency with another feature, and a development one: unified with resolver 1 alone.
    let app = work.join("app/Cargo.toml");
    let more = "\n[build-dependencies]\ntiny = { version = \"1\", features = [\"loud\"] }\n";
    fs::write(&app, fs::read_to_string(&app).unwrap() + more).unwrap();
    fs::write(work.join("app/build.rs"), "fn main() {}\n").unwrap();
    for resolver in ["1", "2", "3"] {
        let changed = text.replace("resolver = \"2\"", &format!("resolver = \"{resolver}\""));
        fs::write(&manifest, changed).unwrap();
        let (native, _) = ok(cargo(&work, home()).args(["run", "--quiet"]));
        forget(&work);
        let (out, err) = ok(&mut precast(&work, &["run", "--locked"]));
        let broken = |text: &str| text.replace(" wasm", " native");
        assert_eq!(broken(&out), native, "resolver {resolver}\n{err}");
        assert!(err.contains("4 macro packages precompiled"), "{err}");
    }
}

#[test]
fn a_vendor_folder() {
    let work = workspace("vendored");
    let lock = fs::read(work.join("Cargo.lock")).unwrap();
    let (config, err) = ok(&mut precast(&work, &["vendor", "third-party"]));
    assert!(err.contains("4 macro packages precompiled"), "{err}");
    assert!(err.contains("broken 1.0.0 is built from source"), "{err}");
    let listing = files(&work.join("third-party"));
    // Equal bytes, also where there is a folder already.
    let (out, err) = ok(&mut precast(&work, &["vendor", "third-party", "-q"]));
    assert_eq!((out.as_str(), err.as_str()), (config.as_str(), ""));
    assert!(listing == files(&work.join("third-party")));
    let (out, err) = ok(&mut precast(&work, &["vendor", "--json", "third-party"]));
    let told: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((told["config"].as_str(), err.as_str()), (Some(config.as_str()), ""));
    // What is not understood writes nothing.
    for wrong in [["--unknown", "third-party"], ["third-party", "another"]] {
        let output = precast(&work, &["vendor"]).args(wrong).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(!work.join("vendor").exists() && !work.join("another").exists());
    }
    // It verifies as a whole.
    ok(&mut precast(&work, &["verify", "third-party"]));
    let registries = "\n[registries.other]\nindex = \"https://other.invalid/index\"\n";
    fs::write(work.join(".cargo/config.toml"), config + registries).unwrap();
    // Nothing but the folder is needed any more.
    for gone in ["registry", "other", "repository"] {
        fs::rename(work.join("..").join(gone), work.join("..").join(format!("{gone}-gone")))
            .unwrap();
    }
    let empty = directory("vendored-home");
    let locked = ["run", "--quiet", "--locked", "--offline"];
    let (out, _) = ok(cargo(&work, &empty).args(locked));
    assert_eq!(out, packed());
    let everything = ["test", "--quiet", "--workspace", "--locked", "--offline"];
    assert!(ok(cargo(&work, &empty).args(everything)).0.contains("2 passed"));
    assert!(fs::read(work.join("Cargo.lock")).unwrap() == lock);
    assert!(work.join("third-party/tiny-elsewhere-1.0.0/src/lib.rs").is_file());

    // A changed shim is noticed.
    let shims = fs::read_dir(work.join("third-party")).unwrap().flatten();
    let shims = shims.filter(|entry| entry.file_name().to_string_lossy().starts_with("tiny-1"));
    let mut images = shims.map(|entry| entry.path().join("precast/image.bin"));
    let image = images.find(|path| path.is_file()).unwrap();
    fs::write(&image, "").unwrap();
    fs::remove_dir_all(work.join("target")).unwrap();
    let (_, err) = texts(&cargo(&work, &empty).args(locked).output().unwrap(), false);
    assert!(err.contains("image.bin` has changed"), "{err}");

    let (_, err) = texts(&precast(&work, &["vendor", "app"]).output().unwrap(), false);
    assert!(err.contains("app is not a folder of vendored packages"), "{err}");
    let (_, err) = texts(&precast(&work, &["vendor"]).output().unwrap(), false);
    assert!(err.contains("is a shim already"), "{err}");
}
