//! One `.crate`, and those who depend on it with cargo alone.

use super::fixture::{cargo, directory, edit, ok, packed, precast, put};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Puts the package, as cargo would publish it, into a directory source.
fn publish(place: &Path, registry: &Path, version: &str) {
    ok(&mut cargo(place, &["package", "--allow-dirty", "--no-verify"]));
    let file = place.join(format!("target/package/own-{version}.crate"));
    fs::create_dir_all(registry).unwrap();
    let status = Command::new("tar").arg("-xzf").arg(&file).arg("-C").arg(registry).status();
    assert!(status.unwrap().success());
    let digits: String = version.bytes().map(|byte| format!("{byte:02x}")).collect();
    let checksum = format!("{{\"files\":{{}},\"package\":\"{digits:0<64}\"}}");
    put(&registry.join(format!("own-{version}")), &[(".cargo-checksum.json", &checksum)]);
}

/// A registry with two versions of the package, and a program that needs both.
fn consumer(name: &str) -> PathBuf {
    let base = directory(name);
    let registry = base.join("registry");
    let place = packed(&format!("{name}-author"));
    ok(&mut cargo(&place, &["package", "--allow-dirty"]));
    publish(&place, &registry, "1.0.0");
    edit(&place.join("Cargo.toml"), "\"1.0.0\"", "\"2.0.0\"");
    ok(&mut precast(&place, &["pack", "--proc-macro"]));
    publish(&place, &registry, "2.0.0");
    let config = format!(
        "[source.crates-io]\nreplace-with = \"mirror\"\n[source.mirror]\ndirectory = {:?}\n",
        registry.to_str().unwrap()
    );
    let manifest = "[package]\nname = \"user\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n[dependencies]\n\
        own = \"1\"\nnewer = { package = \"own\", version = \"2\", features = [\"loud\"] }\n";
    let library = "//! ```\n//! assert_eq!(newer::world!(), \"2.0.0 wasm loud\");\n//! ```\n\
        pub use own::Number;\n#[derive(newer::Number)]\npub struct A;\n";
    let program = "#[derive(user::Number)]\nstruct B;\n#[own::same]\nfn main() {\n\
        println!(\"{} {} {} {}\", own::world!(), newer::world!(), own::WORLD, user::A::NUMBER + B::NUMBER);\n}\n\
        #[test]\nfn own_test() {}\n";
    let work = base.join("work");
    put(
        &work,
        &[
            (".cargo/config.toml", &config),
            ("Cargo.toml", manifest),
            ("src/lib.rs", library),
            ("src/main.rs", program),
        ],
    );
    work
}

const SAID: &str = "1.0.0 wasm 2.0.0 wasm loud 1.0.0 wasm 84\n";

#[test]
fn consumers_need_nothing_but_cargo() {
    let work = consumer("consumer");
    let (out, err) = ok(&mut cargo(&work, &["run"]));
    assert_eq!(out, SAID, "{err}");
    assert!(!err.contains("warning"), "{err}");
    let lock = fs::read_to_string(work.join("Cargo.lock")).unwrap();
    assert_eq!(lock.matches("[[package]]").count(), 3, "{lock}");
    let (out, _) = ok(&mut cargo(&work, &["test"]));
    assert!(
        out.contains("own_test ... ok") && out.contains("src/lib.rs - (line 1) ... ok"),
        "{out}"
    );
    ok(&mut cargo(&work, &["clippy", "--all-targets"]));
    // For a platform of its own, macros are still the host's.
    let host = ok(Command::new("rustc").arg("-vV")).0;
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned();
    assert_eq!(ok(&mut cargo(&work, &["run", "--target", &host])).0, SAID);
    // And for another one, which has no macros of its own.
    let (_, err) = ok(&mut cargo(&work, &["check", "--target", "wasm32-wasip1"]));
    assert!(err.contains("Checking user"), "{err}");
    let root = work.join("installed");
    ok(&mut cargo(&work, &["install", "--path", ".", "--root", root.to_str().unwrap()]));
    assert_eq!(ok(&mut Command::new(root.join("bin/user"))).0, SAID);
    // The documentation of all packages, and as docs.rs makes it: rustdoc for one, with a cfg.
    ok(&mut cargo(&work, &["doc"]));
    assert!(work.join("target/doc/own/macro.world.html").is_file());
    ok(cargo(&work, &["rustdoc", "--lib"]).env("RUSTDOCFLAGS", "--cfg docsrs").env("DOCS_RS", "1"));
    ok(&mut cargo(&work, &["doc", "--no-deps", "--target", &host]));
    // They can refuse what is precompiled, and take it again.
    let flags = "--cfg precast_from_source";
    let (out, err) = ok(cargo(&work, &["run"]).env("RUSTFLAGS", flags));
    assert_eq!(out, SAID.replace("wasm", "native"), "{err}");
    assert_eq!(ok(&mut cargo(&work, &["run"])).0, SAID);
}

#[test]
fn macros_behind_a_feature() {
    let place = super::fixture::lone("required");
    let table = "[package.metadata.precast.proc-macro]\nrequired-features = [\"loud\"]\n";
    edit(&place.join("Cargo.toml"), "[workspace]", &format!("{table}[workspace]"));
    put(
        &place,
        &[
            ("build.rs", super::fixture::SCRIPT),
            (
                "src/lib.rs",
                "#[cfg(feature = \"loud\")]\npub const W: &str = proc_macro::world!();\n",
            ),
        ],
    );
    for folder in ["src/main.rs", "examples/example.rs", "tests/integration.rs", "benches/bench.rs"]
    {
        put(&place, &[(folder, "fn main() {}\n")]);
    }
    ok(&mut precast(&place, &["pack", "--proc-macro"]));
    let library = |features: &[&str]| {
        ok(&mut cargo(&place, &[&["build"], features].concat()));
        let deps = fs::read_dir(place.join("target/debug/deps")).unwrap().flatten();
        deps.filter(|entry| entry.file_name().to_string_lossy().contains("proc_macro-")).count()
    };
    assert_eq!((library(&[]), library(&["--features", "loud"])), (0, 1));
    ok(&mut precast(&place, &["build"]));
    ok(&mut precast(&place, &["test", "--features", "loud"]));
}
