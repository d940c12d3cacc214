//! Entries with other versions of dependencies: used where the user says so, and told.

use super::fixture::{self, directory, ok, put, registry_library, registry_macro};
use super::prepared::{consumer, copy, packer, prepared};
use precast::base::files::sha256;
use std::fs;
use std::path::{Path, PathBuf};

/// A project with one macro, whose dependency has two versions; `Cargo.lock` names this one.
fn project(base: &Path, name: &str, version: &str) -> PathBuf {
    let work = base.join(name);
    let manifest = "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
        [dependencies]\nuser = \"1\"\n[workspace]\n";
    let config = format!(
        "[source.crates-io]\nreplace-with = \"mirror\"\n[source.mirror]\ndirectory = \"{}\"\n",
        base.join("registry").display()
    );
    let main = "fn main() {\n    println!(\"{}\", user::user!());\n}\n";
    put(&work, &[("Cargo.toml", manifest), ("src/main.rs", main), (".cargo/config.toml", &config)]);
    ok(fixture::cargo(&work, fixture::home()).args(["generate-lockfile", "--quiet"]));
    // Cargo takes the newest, and of a folder it takes no other.
    let lock = fs::read_to_string(work.join("Cargo.lock")).unwrap();
    let checksum = if version == "1.0.0" { "checksum = \"68656c" } else { "checksum = \"78656c" };
    let lock = lock.replace("version = \"1.0.1\"", &format!("version = \"{version}\""));
    fs::write(work.join("Cargo.lock"), lock.replace("checksum = \"78656c", checksum)).unwrap();
    work
}

fn registry(base: &Path) {
    let registry = base.join("registry");
    registry_library(&registry, "helper", "", "pub const SAID: &str = \"helped\";\n");
    let (old, new) = (registry.join("helper-1.0.0"), registry.join("helper-1.0.1"));
    copy(&old, &new);
    for (file, from, to) in [
        ("Cargo.toml", "version = \"1.0.0\"", "version = \"1.0.1\""),
        (".cargo-checksum.json", "\"package\":\"6", "\"package\":\"7"),
    ] {
        let text = fs::read_to_string(new.join(file)).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(new.join(file), text.replace(from, to)).unwrap();
    }
    registry_macro(&registry, "user", "1.0.0", "[dependencies]\nhelper = \"1\"\n");
    let code = "use proc_macro::TokenStream;\n#[proc_macro]\npub fn user(_: TokenStream) -> TokenStream {\n\
        let world = if std::mem::size_of::<usize>() == 4 { \"wasm\" } else { \"native\" };\n\
        format!(\"\\\"{} {world}\\\"\", helper::SAID).parse().unwrap()\n}\n";
    put(&registry.join("user-1.0.0"), &[("src/lib.rs", code)]);
    // Without a list of files, anybody may have changed them, and nothing else is like them.
    for package in ["helper-1.0.0", "helper-1.0.1", "user-1.0.0"] {
        let place = registry.join(package);
        let hash = sha256(&fs::read(place.join("src/lib.rs")).unwrap());
        let text = fs::read_to_string(place.join(".cargo-checksum.json")).unwrap();
        let listed = format!("\"files\":{{\"src/lib.rs\":\"{hash}\"}}");
        let text = text.replace("\"files\":{}", &listed);
        put(&place, &[(".cargo-checksum.json", &text)]);
    }
}

#[test]
fn other_versions_of_dependencies() {
    let base = directory("shared-similar");
    registry(&base);
    let (old, new) = (project(&base, "old", "1.0.0"), project(&base, "new", "1.0.1"));
    let (full, shared) = (base.join("full"), base.join("shared"));
    for kind in ["sysroot", "guest"] {
        copy(&prepared().full.join(kind), &full.join(kind));
    }
    assert_eq!(ok(&mut packer(&old, &full, &["run", "--quiet", "--locked"])).0, "helped wasm\n");
    let url = format!("file://{}", shared.display());
    let mut push = packer(&old, &full, &["store", "push", "--all"]);
    push.env("PRECAST_STORE_URL", &url).env("PRECAST_STORE_MODE", "write");
    ok(push.env("PRECAST_SIGNING_KEY", &prepared().key));

    let run = |versions: &str, store: &Path, url: &str| {
        let config = base.join(format!("config-{versions}"));
        let text = format!("[store]\nversions = \"{versions}\"\n");
        put(&config, &[("precast/config.toml", &text)]);
        let _ = fs::remove_dir_all(new.join("target"));
        let mut command = consumer(&new, &["run", "--locked"]);
        command.env("PRECAST_STORE_URL", url).env("PRECAST_CACHE_DIR", store);
        ok(command.env("XDG_CONFIG_HOME", &config))
    };
    let told = "1 macro package precompiled (1 with other versions of their dependencies)";
    let empty = base.join("empty");
    let (out, err) = run("locked", &empty, &url);
    assert_eq!(out, "helped native\n", "{err}");
    let (out, err) = run("compatible", &empty, &url);
    assert_eq!((out.as_str(), err.contains(told)), ("helped wasm\n", true), "{err}");
    // Of the user's own store the same holds, and a plan that is kept remembers it.
    assert_eq!(run("locked", &full, "").0, "helped native\n");
    for _ in 0..2 {
        let (out, err) = run("compatible", &full, "");
        assert_eq!((out.as_str(), err.contains(told)), ("helped wasm\n", true), "{err}");
    }
    // What the macro's manifest does not permit is not used.
    let manifest = base.join("registry/user-1.0.0/Cargo.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("helper = \"1\"", "helper = \"1.0.1\"")).unwrap();
    fs::remove_dir_all(full.join("plan")).unwrap();
    let (out, err) = run("compatible", &full, "");
    assert_eq!(out, "helped native\n", "{err}");
}
