//! The target's table in the manifest, and what is wrong in one.

use super::fixture::{cargo, directory, fails, ok, put, MANIFEST};
use precast::project::same_package::{nested, Target};
use std::path::PathBuf;

fn with(name: &str, manifest: &str, files: &[&str]) -> PathBuf {
    let place = directory(&format!("target-{name}"));
    put(&place, &[("Cargo.toml", &format!("{MANIFEST}{manifest}")), ("src/lib.rs", "")]);
    files.iter().for_each(|file| put(&place, &[(file, "")]));
    place
}

fn found(name: &str, manifest: &str, files: &[&str]) -> Option<Target> {
    Target::of(&with(name, manifest, files)).unwrap()
}

#[test]
fn folders_and_defaults() {
    for folder in ["proc-macro", "proc_macro", "procmacro"] {
        let target = found("folder", "", &[&format!("{folder}/lib.rs")]).unwrap();
        assert_eq!((target.name.as_str(), target.folder()), ("proc_macro", folder));
        assert_eq!(target.documented(), "own.proc_macro");
        assert!(target.test && target.doctest && !target.bench && target.doc);
    }
    assert!(found("none", "", &[]).is_none());
    // A package of its own is none of the other's targets.
    assert!(found("nested", "", &["proc-macro/lib.rs", "proc-macro/Cargo.toml"]).is_none());
    let off = "[package.metadata]\n";
    let place = with("off", off, &["proc-macro/lib.rs"]);
    let text = format!("{}autoprocmacro = false\n", MANIFEST.split("\n[features]").next().unwrap());
    put(&place, &[("Cargo.toml", &text)]);
    assert!(Target::of(&place).unwrap().is_none());
    assert!(found(
        "library",
        "[lib]\nproc-macro = true\npath = \"proc-macro/lib.rs\"\n",
        &["proc-macro/lib.rs"]
    )
    .is_none());
}

#[test]
fn tables() {
    let all = "name = \"mine\"\npath = \"macros/root.rs\"\ntest = false\ndoctest = false\nbench = true\ndoc = false\nproc-macro = true\n";
    for place in ["[proc-macro]", "[package.metadata.precast.proc-macro]"] {
        let target = found("all", &format!("{place}\n{all}"), &["macros/root.rs"]).unwrap();
        assert_eq!((target.name.as_str(), target.path.as_str()), ("mine", "macros/root.rs"));
        assert!(!target.test && !target.doctest && target.bench && !target.doc);
        assert_eq!(target.documented(), "mine");
    }
    let own = "[package.metadata.precast.proc-macro]\nrequired-features = [\"loud\"]\nfeature-sets = [[\"loud\"]]\n\
               [package.metadata.precast.proc-macro.dependencies]\nquote = \"1\"\n";
    let target = found("own", own, &["proc-macro/lib.rs"]).unwrap();
    assert!(target.is_enabled(&["loud".into()]) && !target.is_enabled(&[]));
    assert!(target.dependencies.unwrap().contains_key("quote"));
    let asked = found("asked", "[proc-macro-dependencies]\nsyn = \"3\"\n", &["proc-macro/lib.rs"]);
    assert!(asked.unwrap().dependencies.unwrap().contains_key("syn"));
}

#[test]
fn what_is_wrong() {
    let check = |manifest: &str, files: &[&str], message: &str| {
        let error = Target::of(&with("wrong", manifest, files)).unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    };
    let lib = &["proc-macro/lib.rs"][..];
    check(
        "",
        &["proc-macro/lib.rs", "procmacro/lib.rs"],
        "both proc-macro/lib.rs and procmacro/lib.rs",
    );
    check("[proc-macro]\nedition = \"2021\"\n", lib, "[proc-macro] has no key `edition`");
    check(
        "[proc-macro]\ndependencies = {}\n",
        lib,
        "[proc-macro] of RFC 3826 has no key `dependencies`",
    );
    check("[proc-macro]\nproc-macro = false\n", lib, "`proc-macro.proc-macro` cannot be changed");
    check("[proc-macro]\ntest = 1\n", lib, "`proc-macro.test` is no boolean");
    check("[proc-macro]\nname = \"a-b\"\n", lib, "`a-b`, which no crate can have");
    check(
        "[proc-macro]\nname = \"own\"\n",
        lib,
        "the macros' crate and the library are both `own`",
    );
    check("[proc-macro]\nname = \"core\"\n", lib, "`core`, which every crate needs");
    for path in ["../a/lib.rs", "a/../../lib.rs", "/a/lib.rs", "lib.rs"] {
        let table = format!("[proc-macro]\npath = \"{path}\"\n");
        check(&table, lib, &format!("`proc-macro.path` is `{path}`"));
    }
    let required = "[package.metadata.precast.proc-macro]\nrequired-features = [\"laud\"]\n";
    check(required, lib, "has `laud`, which is no feature of the package");
    check("[proc-macro]\npath = \"macros/lib.rs\"\n", lib, "there is no macros/lib.rs");
    check("[proc-macro]\npath = \"src/lib.rs\"\n", lib, "is the library's own");
    check("[proc-macro]\n", &[], "[proc-macro] is there, but no proc-macro/lib.rs");
    check(
        "[proc-macro]\n[package.metadata.precast.proc-macro]\n",
        lib,
        "both [proc-macro] and [package.metadata",
    );
    check(
        "[dependencies]\nproc-macro = \"1\"\n",
        lib,
        "the dependency `proc-macro` are both `proc_macro`",
    );
    check(
        "[target.'cfg(unix)'.dev-dependencies]\nproc_macro = \"1\"\n",
        lib,
        "the dependency `proc_macro`",
    );
    let optional = "[proc-macro-dependencies]\nsyn = { version = \"3\", optional = true }\n";
    check(optional, lib, "`proc-macro-dependencies.syn` is optional");
}

#[test]
fn feature_sets() {
    let check = |features: &str, macros: &str, expected: &[&[&str]]| {
        let place = with("sets", "", &[]);
        let manifest = MANIFEST.replace("loud = []", features);
        put(&place, &[("Cargo.toml", &manifest), ("proc-macro/lib.rs", macros)]);
        let target = Target::of(&place).unwrap().unwrap();
        assert_eq!(nested::feature_sets(&target).unwrap(), expected);
    };
    check("loud = []", "", &[&[]]);
    check("loud = []", "#[cfg(feature = \"loud\")] fn f() {}", &[&[], &["loud"]]);
    // What one feature enables is never without it.
    let asked = "cfg!(all(feature = \"a\", feature = \"b\"))";
    check("a = []\nb = [\"a\"]", asked, &[&[], &["a"], &["a", "b"]]);
    let many = "default = [\"b\"]\na = []\nb = [\"a\"]\nc = []\nd = []";
    let asked = "cfg!(any(feature = \"a\", feature = \"b\", feature = \"c\", feature = \"d\"))";
    check(many, asked, &[&[], &["a", "b"], &["a", "b", "c", "d"]]);
}

/// What the table of features says that cargo forbids.
#[test]
fn what_cargo_forbids() {
    let place = with("forbidden", "[proc-macro]\n[workspace]\n", &["proc-macro/lib.rs"]);
    let manifest = std::fs::read_to_string(place.join("Cargo.toml")).unwrap();
    let manifest = manifest.replace("[package]", "[package]\nautoprocmacro = false");
    put(&place, &[("Cargo.toml", &manifest)]);
    let (_, err) = ok(&mut cargo(&place, &["check"]));
    for key in ["proc-macro", "package.autoprocmacro"] {
        assert!(err.contains(&format!("unused manifest key: {key}")), "{err}");
    }
    let (_, err) = fails(&mut cargo(&place, &["build", "--proc-macro"]));
    assert!(err.contains("unexpected argument '--proc-macro'"), "{err}");
    let script = "fn main() { println!(\"cargo::rustc-link-arg-proc-macro=-x\"); }\n";
    put(&place, &[("build.rs", script)]);
    let (_, err) = fails(&mut cargo(&place, &["check"]));
    assert!(err.contains("rustc-link-arg-proc-macro"), "{err}");
}
