//! Packages that `new` and `init` write.

use super::fixture::{cargo, directory, fails, ok, precast, put};
use std::fs;

#[test]
fn new_package_works() {
    let base = directory("new");
    // Cargo adds what is new to the workspace around it, which is not to be this one.
    put(&base, &[("Cargo.toml", "[workspace]\nresolver = \"2\"\n")]);
    let (out, err) = ok(&mut precast(
        &base,
        &["new", "--proc-macro", "fresh", "--vcs", "none", "--quiet", "--lib"],
    ));
    assert!(out.contains("proc-macro/lib.rs") && out.contains("build.rs"), "{out}\n{err}");
    fs::remove_file(base.join("Cargo.toml")).unwrap();
    let place = base.join("fresh");
    let (out, _) = ok(&mut cargo(&place, &["test"]));
    for name in ["derive", "attribute", "function_like"] {
        assert!(out.contains(&format!("test {name} ... ok")), "{out}");
    }
    let (out, err) = ok(&mut precast(&place, &["test"]));
    assert!(out.contains("numbers_are_added ... ok"), "{out}");
    assert_eq!(out.matches("src/proc-macro/lib.rs - ").count(), 3, "{out}\n{err}");
    assert!(!err.contains("warning"), "{err}");
    let (_, err) = ok(&mut precast(&place, &["clippy", "--all-targets"]));
    assert!(!err.contains("warning"), "{err}");
    let (_, err) = fails(&mut precast(&base, &["new", "--proc-macro", "fresh"]));
    assert!(err.contains("cargo cannot make the package"), "{err}");
    let (_, err) = fails(&mut precast(&base, &["new", "--proc-macro"]));
    assert!(err.contains("a new package has one path"), "{err}");
}

#[test]
fn init_keeps_what_is_there() {
    let place = directory("init");
    let manifest = "# By hand.\n[package]\nname = \"a\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n[workspace]\n";
    let script = "fn main() { println!(\"cargo:rustc-cfg=mine\"); }\n";
    put(
        &place,
        &[("Cargo.toml", manifest), ("src/lib.rs", "pub fn f() {}\n"), ("build.rs", script)],
    );
    let (out, err) = ok(&mut precast(&place, &["init", "--proc-macro"]));
    assert!(out.contains("kept") && err.contains("proc_macro::build()"), "{out}\n{err}");
    assert_eq!(fs::read_to_string(place.join("build.rs")).unwrap(), script);
    let text = fs::read_to_string(place.join("Cargo.toml")).unwrap();
    assert!(
        text.starts_with("# By hand.\n[package]\nname = \"a\"") && text.contains("[workspace]"),
        "{text}"
    );
    let (out, _) = ok(&mut precast(&place, &["test"]));
    assert!(out.contains("test derive ... ok"), "{out}");
    // A second time nothing changes.
    let (out, _) = ok(&mut precast(&place, &["init", "--proc-macro"]));
    assert!(!out.contains("written") && !out.contains("extended"), "{out}");
    // What cannot be packed leaves nothing behind.
    let place = directory("init-broken");
    let manifest =
        manifest.replace("[workspace]", "[features]\nbroken = [\"none-such\"]\n[workspace]");
    put(&place, &[("Cargo.toml", &manifest), ("src/lib.rs", "")]);
    fails(&mut precast(&place, &["init", "--proc-macro"]));
    let mut left: Vec<_> =
        fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["Cargo.toml", "src"]);
    assert_eq!(fs::read_to_string(place.join("Cargo.toml")).unwrap(), manifest);
    let (_, err) = fails(&mut precast(&place.join("src"), &["init", "--proc-macro"]));
    assert!(err.contains("Cargo.toml"), "{err}");
}
