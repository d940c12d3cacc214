//! What `on` must leave as it was, and for which commands it is on.

use super::fixture::{cargo, directory, files, home, ok, precast, put, texts, workspace};
use std::fs;

/// The configuration comes back byte for byte, also what an editor of TOML writes in another way.
#[test]
fn as_it_was() {
    let work = workspace("switch-bytes");
    let file = work.join(".cargo/config.toml");
    let usual = fs::read_to_string(&file).unwrap();
    let odd = ["", "[alias]\n[patch]\n", "paths = []\n# no end of line"];
    for text in odd.map(|more| format!("{more}\n{usual}")) {
        fs::write(&file, text.replace('\n', "\r\n")).unwrap();
        let before = files(&work);
        ok(&mut precast(&work, &["on"]));
        ok(&mut precast(&work, &["on"]));
        assert!(before != files(&work));
        ok(&mut precast(&work, &["off"]));
        assert!(before == files(&work), "{:?}", fs::read_to_string(&file));
    }
    // What was written meanwhile stays.
    ok(&mut precast(&work, &["on"]));
    let more = "\n[alias]\nlater = \"check\"\n";
    fs::write(&file, fs::read_to_string(&file).unwrap() + more).unwrap();
    ok(&mut precast(&work, &["off"]));
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("later") && !names_us(&text), "{text}");
    // All in one line.
    let mut document: toml_edit::DocumentMut = usual.parse().unwrap();
    let source = document["source"].clone().into_value().unwrap();
    document["source"] = toml_edit::value(source);
    fs::write(&file, document.to_string()).unwrap();
    ok(&mut precast(&work, &["on"]));
    fs::write(&file, fs::read_to_string(&file).unwrap() + more).unwrap();
    ok(&mut precast(&work, &["off"]));
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("later") && !names_us(&text), "{text}");
    assert!(text.contains("\"mirror\""), "{text}");
    // A file under the older name, which is the one that cargo reads if both are there.
    fs::remove_file(&file).unwrap();
    put(&work, &[(".cargo/config", &usual)]);
    let before = files(&work);
    ok(&mut precast(&work, &["on"]));
    ok(&mut precast(&work, &["status", "--wait"]));
    let (out, _) = ok(cargo(&work, home()).args(["run", "--quiet", "--locked"]));
    assert!(out.contains("tiny 1.0.0 wasm"), "{out}");
    ok(&mut precast(&work, &["off"]));
    assert!(before == files(&work));
}

/// Whether something of ours is left in the text. The checkout's own folder may have any name.
fn names_us(text: &str) -> bool {
    text.replace(env!("CARGO_MANIFEST_DIR"), "").contains("precast")
}

/// Cargo reads no configuration of a project that it is not started in.
#[test]
fn from_elsewhere() {
    let work = workspace("switch-elsewhere");
    let elsewhere = directory("switch-elsewhere-from");
    let config = fs::read_to_string(work.join(".cargo/config.toml")).unwrap();
    put(&elsewhere, &[(".cargo/config.toml", &config)]);
    ok(&mut precast(&work, &["on"]));
    let manifest = work.join("Cargo.toml");
    let run = ["run", "--manifest-path", manifest.to_str().unwrap()];
    let (out, err) = ok(&mut precast(&elsewhere, &run));
    assert!(out.contains("tiny 1.0.0 wasm"), "{out}");
    assert!(err.contains("4 macro packages precompiled"), "{err}");
}

/// What the workspace says of missing macros holds also where cargo runs by itself.
#[test]
fn missing_macros() {
    let work = workspace("switch-missing");
    let cold = super::store::cold("switch-missing-store");
    let manifest = work.join("Cargo.toml");
    let usual = fs::read_to_string(&manifest).unwrap();
    let with = |command: &mut std::process::Command| {
        command.env("PRECAST_CACHE_DIR", &cold).env_remove("PRECAST_MISSING").env_remove("CI");
        command.output().unwrap()
    };
    let say = |missing: &str| {
        let text = format!("{usual}[workspace.metadata.precast]\nmissing = \"{missing}\"\n");
        fs::write(&manifest, text).unwrap();
    };
    say("fail");
    texts(&with(&mut precast(&work, &["on"])), true);
    let build = || with(cargo(&work, home()).args(["run", "--quiet", "--locked"]));
    let (_, err) = texts(&build(), false);
    assert!(err.contains("no store has") && err.contains("--missing pack"), "{err}");
    say("source");
    let (out, _) = texts(&build(), true);
    assert!(out.contains("tiny 1.0.0 native"), "{out}");
    let (out, _) = texts(&with(&mut precast(&work, &["status"])), true);
    assert_eq!(out, "Nothing is left to pack.\n");
}
