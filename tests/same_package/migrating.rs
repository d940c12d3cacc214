//! Two packages become one; the old name stays.

use super::fixture::{cargo, copy, directory, edit, fails, ok, precast, put};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const LIBRARY: &str = "\
[package]
name = \"shapes\"
version = \"1.2.0\"
edition = \"2021\"
license = \"MIT\"
description = \"Shapes\"
include = [\"/src\"]

[features]
default = [\"derive\"]
derive = [\"dep:shapes-derive\"]
loud = [\"shapes-derive?/loud\"]

# Stays.
[dependencies]
shapes-derive = { version = \"1\", path = \"../shapes-derive\", optional = true }
";

const MACROS: &str = "\
[package]
name = \"shapes-derive\"
version = \"1.0.3\"
edition = \"2021\"
license = \"MIT\"
description = \"Derives\"

[features]
default = [\"usual\"]
usual = []
loud = []
extra = []

[lib]
proc-macro = true

[dependencies]
helper = { path = \"../helper\", version = \"1\" }

[dev-dependencies]
shapes = { path = \"../shapes\" }
helper = { path = \"../helper\" }
";

const DERIVE: &str = "\
#![doc = include_str!(\"../README.md\")]
use proc_macro::TokenStream;
mod text;

/// ```
/// #[derive(shapes_derive::Shape)]
/// struct S;
/// assert_eq!(S::NAME, \"S usual\");
/// ```
#[proc_macro_derive(Shape)]
pub fn shape(item: TokenStream) -> TokenStream {
    let words: Vec<String> = item.into_iter().map(|token| token.to_string()).collect();
    text::body(&words[1 + words.iter().position(|word| word == \"struct\").unwrap()]).parse().unwrap()
}

#[cfg(feature = \"extra\")]
#[proc_macro]
pub fn extra(_: TokenStream) -> TokenStream {
    \"::shapes_derive::nothing!()\".parse().unwrap()
}

#[proc_macro]
pub fn nothing(_: TokenStream) -> TokenStream {
    TokenStream::new()
}
";

const TEXT: &str = "\
pub fn body(name: &str) -> String {
    let usual = if cfg!(feature = \"usual\") { \" usual\" } else { \"\" };
    let loud = if cfg!(feature = \"loud\") { \" loud\" } else { \"\" };
    format!(\"impl {name} {{ pub const NAME: &'static str = \\\"{}{usual}{loud}\\\"; }}\", helper::same(name))
}

#[test]
fn of_the_text() {
    assert!(body(\"A\").contains(\"A\") && helper::same(\"a\") == \"a\");
}
";

const SHAPES: &str = "\
//! Shapes.
//! ```
//! #[derive(shapes::Shape)]
//! struct S;
//! ```
#[cfg(feature = \"derive\")]
pub use shapes_derive::Shape;
#[cfg(all(test, feature = \"derive\"))]
mod tests {
    #[derive(shapes_derive::Shape)]
    struct Own;
    #[test]
    fn own() { assert!(Own::NAME.starts_with(\"Own usual\")); }
}
";

const TEST: &str = "\
use shapes_derive::Shape;
#[derive(Shape)]
struct T;
#[test]
fn derived() {
    assert!(T::NAME.starts_with(\"T usual\"));
    shapes_derive::nothing!();
    assert_eq!(helper::same(\"x\"), \"x\");
    let fixture = std::fs::read_to_string(\"tests/ui/good.rs\").unwrap();
    assert!(fixture.contains(\"fn main\"));
}
";

/// Two packages that are not in one workspace, in a repository of their own.
fn pair(name: &str) -> (PathBuf, PathBuf) {
    let place = directory(name);
    let files = [
        ("shapes/Cargo.toml", format!("{LIBRARY}\n[workspace]\n")),
        ("shapes/src/lib.rs", SHAPES.into()),
        ("shapes/tests/own.rs", TEST.replace("derived", "in_the_library").replace("helper::same(\"x\")", "\"x\"").replace("tests/ui", "tests/own")),
        ("shapes/tests/own/good.rs", "fn main() {}\n".into()),
        ("shapes-derive/Cargo.toml", format!("{MACROS}\n[workspace]\n")),
        ("shapes-derive/README.md", "The derives.\n".into()),
        ("shapes-derive/src/lib.rs", DERIVE.into()),
        ("shapes-derive/src/text.rs", TEXT.into()),
        ("shapes-derive/tests/derive.rs", TEST.into()),
        ("shapes-derive/tests/ui/good.rs", "#[derive(shapes_derive::Shape)]\nstruct S;\nfn main() {}\n".into()),
        ("shapes-derive/tests/ui/bad.rs", "shapes_derive::nothing!(\"\n".into()),
        ("helper/Cargo.toml", "[package]\nname = \"helper\"\nversion = \"1.0.0\"\nedition = \"2021\"\n[workspace]\n".into()),
        ("helper/src/lib.rs", "pub fn same(text: &str) -> &str { text }\n".into()),
        ("user/Cargo.toml", "[package]\nname = \"user\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n[dependencies]\n\
            shapes-derive = { path = \"../shapes-derive\", features = [\"extra\"] }\n".into()),
        ("user/src/main.rs", "use shapes_derive::*;\n#[derive(Shape)]\nstruct U;\nnothing!();\nfn main() { println!(\"{}\", U::NAME); }\n".into()),
        (".gitignore", "target\nCargo.lock\n".into()),
    ];
    for (path, text) in &files {
        put(&place, &[(path, text)]);
    }
    for arguments in [
        &["init", "-q"][..],
        &["add", "-A"],
        &["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a"],
    ] {
        ok(Command::new("git").current_dir(&place).args(arguments));
    }
    (place.join("shapes"), place.join("shapes-derive"))
}

const INIT: [&str; 4] = ["init", "--proc-macro", "--from", "../shapes-derive"];

/// All files but what builds leave.
fn files(place: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let kept = directory("kept").join(place.file_name().unwrap());
    copy(place, &kept);
    let mut found = BTreeMap::new();
    let mut open = vec![kept.clone()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => open.push(path),
                false => drop(found.insert(
                    path.strip_prefix(&kept).unwrap().to_owned(),
                    fs::read(&path).unwrap(),
                )),
            }
        }
    }
    found.retain(|path, _| !path.starts_with(".git"));
    found
}

#[test]
fn two_packages_become_one() {
    let (library, macros) = pair("two");
    let user = library.join("../user");
    assert_eq!(ok(&mut cargo(&user, &["run"])).0, "U usual\n");
    let (out, err) = ok(&mut precast(&library, &INIT));
    assert!(out.contains("removed") && err.contains("raise the versions"), "{out}\n{err}");
    // Cargo alone: tests of both, features, the old name.
    let (out, _) = ok(&mut cargo(&library, &["test"]));
    for name in ["own", "in_the_library", "derived"] {
        assert!(out.contains(&format!("{name} ... ok")), "{name}: {out}");
    }
    ok(&mut cargo(&library, &["test", "--no-default-features", "--lib"]));
    assert_eq!(ok(&mut cargo(&user, &["run"])).0, "U usual\n");
    assert_eq!(
        ok(&mut cargo(&user, &["run", "--features", "shapes-derive/loud"])).0,
        "U usual loud\n"
    );
    ok(&mut cargo(&macros, &["test"]));
    let (out, _) = ok(&mut precast(&library, &["test", "--from-source", "--features", "extra"]));
    for name in ["derived", "text::of_the_text", "src/proc-macro/lib.rs - "] {
        assert!(out.contains(name), "{name}: {out}");
    }
    let text = |path: &str| fs::read_to_string(library.join(path)).unwrap();
    let manifest = text("Cargo.toml");
    for part in [
        "derive = []\nloud = []\n",
        "# Stays.\n",
        "include = [\"/src\", \"/proc-macro\", \"/build.rs\"]",
        "required-features = [\"derive\"]",
        "helper = { path = \"../helper\", version = \"1\" }",
        "extra = []",
    ] {
        assert!(manifest.contains(part), "{part}: {manifest}");
    }
    assert!(!manifest.contains("shapes-derive ="), "{manifest}");
    assert!(text("tests/ui/good.rs").contains("#[derive(shapes::__proc_macro::Shape)]"));
    assert!(text("proc-macro/text.rs").contains("cfg!(all())"));
    assert!(text("proc-macro/lib.rs").contains("include_str!(\"README.md\")"));
    assert!(library.join("proc-macro/README.md").is_file() && !macros.join("tests").exists());
    // What is packed is what is there.
    ok(precast(&library, &["check", "--proc-macro"]).env("CI", "1"));
}

#[test]
fn nothing_is_half_done() {
    let (library, macros) = pair("half");
    let before = (files(&library), files(&macros));
    let check = |arguments: &[&str], message: &str| {
        let (_, err) = fails(&mut precast(&library, arguments));
        assert!(err.contains(message), "{message}: {err}");
        assert!(before == (files(&library), files(&macros)), "{message}");
    };
    let (out, err) = ok(&mut precast(&library, &[&INIT[..], &["--dry-run"]].concat()));
    assert!(
        out.contains("Nothing was written") && err.contains("raise the versions"),
        "{out}\n{err}"
    );
    assert!(before == (files(&library), files(&macros)));
    check(&["init", "--proc-macro", "--from", "."], "the library's own package");
    check(&["init", "--proc-macro", "--from", "../nowhere"], "there is no package in ../nowhere");
    check(
        &["init", "--proc-macro", "--from", "../user"],
        "user is no package of procedural macros",
    );
    check(&["init", "--from", "../user"], "--proc-macro");
    let with = |file: &Path, from: &str, to: &str, message: &str| {
        let text = fs::read_to_string(file).unwrap();
        edit(file, from, to);
        let before = (files(&library), files(&macros));
        let (_, err) = fails(&mut precast(&library, &[&INIT[..], &["--allow-dirty"]].concat()));
        assert!(err.contains(message), "{message}: {err}");
        assert!(before == (files(&library), files(&macros)), "{message}");
        fs::write(file, text).unwrap();
    };
    let manifest = macros.join("Cargo.toml");
    with(&manifest, "2021", "2018", "one package has one");
    let root = "[lib]\npath = \"README.md\"\nproc-macro = true";
    with(&manifest, "[lib]\nproc-macro = true", root, "has its source in no folder of its own");
    with(
        &manifest,
        "[dependencies]",
        "[dependencies]\nshapes = { path = \"../shapes\" }",
        "shapes-derive depends on shapes",
    );
    with(
        &macros.join("src/text.rs"),
        "let loud",
        "let quiet",
        "cannot be packed; nothing was changed",
    );
    with(&macros.join("src/text.rs"), "let loud", "let \"loud", "text.rs");
    put(&macros, &[("build.rs", "fn main() {}\n")]);
    let (_, err) = fails(&mut precast(&library, &INIT));
    assert!(err.contains("has a build script"), "{err}");
    fs::remove_file(macros.join("build.rs")).unwrap();
    put(&macros, &[("src/new.rs", "")]);
    let (_, err) = fails(&mut precast(&library, &INIT));
    assert!(
        err.contains("not committed: shapes-derive/src/new.rs") && err.contains("--allow-dirty"),
        "{err}"
    );
    fs::remove_file(macros.join("src/new.rs")).unwrap();
    fs::rename(library.join("../.git"), library.join("../.was-git")).unwrap();
    put(&library, &[("proc-macro/x", "")]);
    let (_, err) = fails(&mut precast(&library, &INIT));
    assert!(err.contains("has macros already"), "{err}");
}

/// Two packages of the registry, unmodified.
#[test]
fn published_pair() {
    let place = directory("published");
    let asking = "[package]\nname = \"asking\"\nversion = \"0.0.0\"\n[lib]\npath = \"lib.rs\"\n[dependencies]\nforeign-types = \"=0.5.0\"\n\
        foreign-types-macros = \"=0.2.4\"\n[workspace]\n";
    put(&place, &[("asking/Cargo.toml", asking), ("asking/lib.rs", "")]);
    let vendor = ["vendor", "--quiet", ".."];
    ok(cargo(&place.join("asking"), &vendor).env_remove("CARGO_NET_OFFLINE"));
    let root = "[workspace]\nmembers = [\"foreign-types\", \"foreign-types-macros\"]\nresolver = \"2\"\n[patch.crates-io]\n\
        foreign-types-macros = { path = \"foreign-types-macros\" }\n";
    put(&place, &[("Cargo.toml", root)]);
    let library = place.join("foreign-types");
    for package in [&library, &place.join("foreign-types-macros")] {
        fs::remove_file(package.join(".cargo-checksum.json")).unwrap();
    }
    let passed = |command: &mut Command| {
        let (out, _) = ok(command);
        let names = out.lines().filter_map(|line| line.strip_suffix(" ... ok"));
        names.map(|name| name.split(" (line").next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let before = passed(&mut cargo(&library, &["test"]));
    assert!(before.len() > 2, "{before:?}");
    let mut init = precast(
        &library,
        &["init", "--proc-macro", "--from", "../foreign-types-macros", "--allow-no-vcs"],
    );
    ok(init.env_remove("CARGO_NET_OFFLINE"));
    assert_eq!(passed(&mut cargo(&library, &["test"])), before);
    let manifest = fs::read_to_string(library.join("Cargo.toml")).unwrap();
    assert!(manifest.contains("[package.metadata.precast.proc-macro.dependencies]"), "{manifest}");
    ok(&mut cargo(&place, &["build", "--workspace"]));
}
