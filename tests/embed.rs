//! Shims compile: without cargo and with it, in every edition, precompiled and from source.

#[path = "cli/tiny.rs"]
mod tiny;

use precast::artifact::manifest::{Macro, Manifest, Set};
use precast::artifact::{self, Artifact, Module, Tree};
use precast::base::error::Class;
use precast::embed;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The tiny artifact with other sources.
fn with_sources(files: &[(&str, &str)]) -> Artifact {
    let Artifact { manifest, wasm, image, lockfile, mut source, licenses, .. } = tiny::tiny();
    source.extend(files.iter().map(|(path, text)| (path.to_string(), text.as_bytes().to_vec())));
    Artifact::new(manifest, wasm, image, lockfile, source, licenses).unwrap()
}

fn text<'a>(files: &'a Tree, path: &str) -> &'a str {
    std::str::from_utf8(&files[path]).unwrap()
}

/// Writes the shim to a directory of the test's own.
fn write(artifact: &Artifact, test: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("embed").join(test);
    let _ = fs::remove_dir_all(&dir);
    embed::write_dir(&embed::embed(artifact).unwrap(), &dir).unwrap();
    dir
}

/// Nobody fails because another has written the same shim meanwhile.
#[test]
fn writers_at_once() {
    let files = embed::embed(&tiny::tiny()).unwrap();
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("embed/at-once/shim");
    for _ in 0..20 {
        let _ = fs::remove_dir_all(&dir);
        std::thread::scope(|scope| {
            let writer = || embed::write_dir(&files, &dir).unwrap();
            let writers: Vec<_> = (0..4).map(|_| scope.spawn(writer)).collect();
            writers.into_iter().for_each(|writer| writer.join().unwrap());
        });
        let left = fs::read_dir(dir.parent().unwrap()).unwrap().count();
        assert_eq!(left, 1, "nothing but the shim is left");
    }
}

fn rustc(shim: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new("rustc");
    command.current_dir(shim).args(["--crate-type", "proc-macro", "--crate-name", "tiny"]);
    command.args(["--emit", "metadata", "--out-dir", "."]).args(arguments).arg("src/lib.rs");
    command.output().unwrap()
}

fn cargo(shim: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new("cargo");
    command.current_dir(shim).args(arguments).arg("--offline").env("RUSTFLAGS", "-Dwarnings");
    command.env("CARGO_TARGET_DIR", shim.parent().unwrap().join("target"));
    command.output().unwrap()
}

#[track_caller]
fn quiet(output: &Output) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !text.contains("warning"), "{text}");
}

/// A root with everything that must move, and what must not.
const ROOT: &str = "\u{feff}#!/usr/bin/env run
//! Documented, with a \"quote\".
#![doc = include_str!(\"../README.md\")]
#![allow(dead_code)] /*! And a block. */
#![allow(
    unused // for a reason
)] #![doc = include_str!(\"../../secret.txt\")]
#![allow(unused_mut // for another
)]
#![cfg_attr(any(), feature(nothing))]
#![crate_type = \"proc-macro\"]

extern crate proc_macro;

mod inner;

#[proc_macro]
pub fn tiny(_input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    assert_eq!(line!(), 19);
    inner::made()
}
";
const INNER: &str =
    "#![allow(unused)]\npub fn made() -> proc_macro::TokenStream { Default::default() }\n";
const BARE: &str =
    "[package]\nname = \"tiny\"\nversion = \"1.0.0\"\nedition = \"2018\"\ndescription = \"x\"\n\
     license = \"MIT\"\nrepository = \"https://example.org\"\n[lib]\nproc-macro = true\n";

fn moved() -> Artifact {
    with_sources(&[
        ("src/lib.rs", ROOT),
        ("src/inner.rs", INNER),
        ("README.md", "# Read me\n"),
        ("Cargo.toml", BARE),
        ("examples/nested/Cargo.toml", BARE),
        ("Cargo.toml_", "odd"),
    ])
}

#[test]
fn compiles_in_every_edition_without_cargo() {
    let shim = write(&moved(), "editions");
    for edition in ["2015", "2018", "2021", "2024"] {
        let lints = ["-Dwarnings", "-Wrust-2018-idioms", "-Wunused"];
        let cfgs = ["precast", "precast_portable", "precast_from_source", "precast_track"];
        for cfg in cfgs.map(|cfg| format!("--cfg={cfg}")) {
            quiet(&rustc(&shim, &[&["--edition", edition, cfg.as_str()], &lints[..]].concat()));
        }
    }
}

#[test]
fn cargo_has_nothing_to_say() {
    let shim = write(&moved(), "tiny-1.0.0");
    // The test's directory is below our own workspace.
    let workspace = "[workspace]\nmembers = [\"tiny-1.0.0\"]\n";
    fs::write(shim.parent().unwrap().join("Cargo.toml"), workspace).unwrap();
    quiet(&cargo(&shim, &["build"]));
    quiet(&cargo(&shim, &["doc", "--no-deps"]));
    let output = cargo(&shim, &["package", "--allow-dirty"]);
    quiet(&output);
    let package = shim.parent().unwrap().join("target/package/tiny-1.0.0.crate");
    let verdict = precast::verify::verify(&package).unwrap();
    for check in verdict.checks {
        assert_eq!(check.differences, Vec::<String>::new(), "{}", check.what);
    }
}

#[test]
fn a_root_is_taken_apart() {
    let files = embed::embed(&moved()).unwrap();
    let root = text(&files, "source/src/lib.precast.rs");
    assert!(!root.contains("#!") && root.contains("mod inner;"), "{root}");
    let line = |text: &str, what: &str| text.lines().position(|line| line.contains(what));
    assert_eq!(line(root, "assert_eq"), line(ROOT, "assert_eq"));
    let library = text(&files, "src/lib.rs");
    for moved in [
        "//! Documented, with a \"quote\".\n",
        "#![doc = include_str!(\"../source/README.md\")]\n",
        "/*! And a block. */\n",
        "#![cfg_attr(precast_from_source, allow(dead_code))]\n",
        "#![cfg_attr(precast_from_source, cfg_attr(any(), feature(nothing)))]\n",
        "#![cfg_attr(precast_from_source, allow(unused_mut // for another\n",
        "include!(\"../source/src/lib.precast.rs\");",
    ] {
        assert!(library.contains(moved), "no {moved} in {library}");
    }
    assert!(!library.contains("crate_type") && !library.contains("secret"), "{library}");
    assert_eq!(text(&files, "source/src/lib.rs"), ROOT, "the original stays as it is");
}

#[test]
fn nested_manifests_are_kept_under_another_name() {
    let artifact = moved();
    let files = embed::embed(&artifact).unwrap();
    let names: Vec<&String> = files.keys().filter(|path| path.contains("Cargo.toml")).collect();
    let expected = [
        "Cargo.toml",
        "source/Cargo.toml_",
        "source/Cargo.toml__",
        "source/examples/nested/Cargo.toml_",
    ];
    assert_eq!(names, expected);
    assert_eq!(embed::extract(&files).unwrap(), artifact);
}

#[test]
fn dependencies_are_kept_from_being_built() {
    let manifest = r#"
        [package]
        name = "tiny"
        version = "1.0.0"
        edition = "2024"
        rust-version = "1.56"
        build = "build.rs"
        members = ["x"]
        resolver = "2"
        readme = "docs/start.md"
        license-file = "LICENSE" # here

        [package.metadata.docs.rs]
        all-features = true

        [lib]
        proc-macro = true

        [[bin]]
        name = "tool"

        [features]
        default = ["std"]
        std = []
        extra = ["dep:optional", "near/std", "far?/std"]

        [dependencies]
        plain = "1.2"
        optional = { version = "2", optional = true, default-features = false }
        implicit = { version = "3", optional = true }
        near = { path = "../near", version = "0.1" }
        far = { git = "https://example.org/far" }

        [dependencies.table]
        version = "4"

        [dev-dependencies]
        trybuild = "1"

        [build-dependencies]
        autocfg = "1"

        [target.'cfg(windows)'.dependencies]
        winapi = "0.3"

        [target.x86_64-pc-windows-msvc.dependencies]
        other = "1"

        [profile.release]
        debug = true

        [lints.rust]
        unsafe_code = "forbid"
    "#;
    let files = [("Cargo.toml", manifest), ("docs/start.md", ""), ("LICENSE", "")];
    let files = embed::embed(&with_sources(&files)).unwrap();
    let found = text(&files, "Cargo.toml");
    let module = found.lines().find(|line| line.starts_with("module = ")).unwrap();
    let expected = format!(
        r#"# @generated by precast 0.1.0 from tiny 1.0.0.
# The original manifest is source/Cargo.toml_; `cargo precast verify` compares the rest.

[package]
name = "tiny"
version = "1.0.0"
edition = "2024"
rust-version = "1.85"
readme = "source/docs/start.md"
license-file = "source/LICENSE"
include = ["/src", "/precast", "/source"]

[package.metadata.docs.rs]
all-features = true

[package.metadata.precast]
version = "0.1.0"
manifest = "precast/manifest.json"
{module}
env = ["CARGO_*"]
read = ["$CARGO_MANIFEST_DIR"]

[lib]
name = "tiny"
path = "src/lib.rs"
proc-macro = true
test = false
doctest = false
bench = false

[features]
default = ["std"]
std = []
extra = ["dep:optional", "near/std"]

[build-dependencies]
autocfg = "1"

[target."cfg(precast_from_source)".dependencies]
plain = "1.2"
optional = {{ version = "2", optional = true, default-features = false }}
implicit = {{ version = "3", optional = true }}
near = "0.1"
table = "4"
other = "1"

[target."cfg(all(precast_from_source, windows))".dependencies]
winapi = "0.3"
"#
    );
    assert_eq!(found, expected);
    let library = text(&files, "src/lib.rs");
    for feature in ["extra", "implicit", "std"] {
        assert!(library.contains(&format!("#[cfg(all(feature = \"{feature}\", not(")), "{library}");
    }
    assert!(library.contains("its dependency `far` was a directory"), "{library}");
}

#[test]
fn a_feature_that_was_not_packed_is_a_compile_error() {
    let shim = write(&tiny::tiny(), "features");
    let feature = ["--edition", "2021", "--cfg", "feature=\"more\""];
    let output = rustc(&shim, &feature);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("without its feature `more`"), "{text}");
    quiet(&rustc(&shim, &[&feature[..], &["--cfg", "precast_from_source"]].concat()));
}

/// The tiny artifact, packed with three feature sets.
fn with_sets() -> Artifact {
    let tiny = tiny::tiny();
    let manifest = "[package]\nname = \"tiny\"\nversion = \"1.0.0\"\nedition = \"2018\"\n\
                    [lib]\nproc-macro = true\n\
                    [features]\ndefault = []\nmore = []\nless = []\nnone = []\n";
    let set = |features: &[&str]| {
        let features = features.iter().map(|name| name.to_string()).collect();
        let module = Module { wasm: tiny.wasm.clone(), image: tiny.image.clone() };
        let Manifest { macros, linked, .. } = tiny.manifest.clone();
        (Set { features, macros, linked }, module)
    };
    let artifact = with_sources(&[("Cargo.toml", manifest)]);
    artifact.with_sets(vec![set(&["less"]), set(&["less", "more"])]).unwrap()
}

#[test]
fn the_shim_takes_the_set_of_the_enabled_features() {
    let artifact = with_sets();
    let bytes = artifact::write(&artifact).unwrap();
    assert_eq!(artifact::read(&bytes).unwrap(), artifact);
    let files = embed::embed(&artifact).unwrap();
    assert_eq!(embed::extract(&files).unwrap(), artifact);
    let shim = write(&artifact, "sets");
    let library = text(&files, "src/lib.rs");
    // Each image in turn is missing: whoever needs it does not compile, and nobody else.
    let cases = [
        ("image.bin", vec![]),
        ("sets/2/image.bin", vec!["less"]),
        ("sets/3/image.bin", vec!["less", "more"]),
        ("sets/3/image.bin", vec!["more"]),
    ];
    for (image, features) in &cases {
        let flags = features.iter().flat_map(|name| ["--cfg".into(), format!("feature={name:?}")]);
        let flags: Vec<String> =
            ["--edition".into(), "2021".into()].into_iter().chain(flags).collect();
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        quiet(&rustc(&shim, &flags));
        let needed = shim.join("precast").join(image);
        fs::rename(&needed, shim.join("away")).unwrap();
        let output = rustc(&shim, &flags);
        fs::rename(shim.join("away"), &needed).unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains(image), "{features:?}: {error}");
    }
    let output = rustc(&shim, &["--edition", "2021", "--cfg", "feature=\"none\""]);
    let error = String::from_utf8_lossy(&output.stderr);
    for part in
        ["without its feature `none`", "`default`; `less`; `less,more`", "--feature-set none"]
    {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert_eq!(library.matches("static MODULE").count(), 3);
}

#[test]
fn sets_that_contain_neither_each_other() {
    let tiny = tiny::tiny();
    let manifest = "[package]\nname = \"tiny\"\nversion = \"1.0.0\"\n[lib]\nproc-macro = true\n\
                    [features]\na = []\nb = []\n";
    let mut artifact = with_sources(&[("Cargo.toml", manifest)]);
    artifact.manifest.features = vec!["a".into()];
    let other = Set {
        features: vec!["b".into()],
        macros: vec![Macro {
            name: "other".into(),
            function: "other".into(),
            ..tiny.manifest.macros[0].clone()
        }],
        linked: Vec::new(),
    };
    let module = Module { wasm: tiny.wasm.clone(), image: tiny.image.clone() };
    let shim = write(&artifact.with_sets(vec![(other, module)]).unwrap(), "apart");
    let both = ["--edition", "2021", "--cfg", "feature=\"a\"", "--cfg", "feature=\"b\""];
    let error = rustc(&shim, &both);
    let error = String::from_utf8_lossy(&error.stderr);
    assert!(error.contains("not precompiled with these features together"), "{error}");
    quiet(&rustc(&shim, &["--edition", "2021", "--cfg", "feature=\"b\""]));
    quiet(&rustc(&shim, &["--edition", "2021"]));
}

#[test]
fn what_a_build_script_writes_is_named() {
    let root = "const A: &str = include_str!(concat!(env!(\"OUT_DIR\"), \"/a\"));\n";
    let shim =
        write(&with_sources(&[("src/lib.rs", root), ("build.rs", "fn main() {}")]), "script");
    let output = rustc(&shim, &["--cfg", "precast_from_source"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("it includes what its build script writes"), "{text}");
}

/// Documentation that only documentation builds have is no code.
#[test]
fn what_a_build_script_documents_is_no_matter() {
    let root = "#[cfg_attr(docs, doc = include_str!(concat!(env!(\"OUT_DIR\"), \"/a.md\")))]\n\
                #[proc_macro]\npub fn tiny(_: proc_macro::TokenStream) -> proc_macro::TokenStream {\n\
                proc_macro::TokenStream::new()\n}\nextern crate proc_macro;\n";
    let shim =
        write(&with_sources(&[("src/lib.rs", root), ("build.rs", "fn main() {}")]), "documents");
    let output = rustc(&shim, &["--cfg", "precast_from_source"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A crate may have macros of names that the shim's root itself uses.
#[test]
fn macros_of_the_languages_names() {
    let root = "extern crate proc_macro;\nuse proc_macro::TokenStream;\n\
                #[proc_macro]\npub fn include(_: TokenStream) -> TokenStream { TokenStream::new() }\n\
                #[proc_macro]\npub fn include_bytes(input: TokenStream) -> TokenStream { input }\n";
    for edition in ["2015", "2021"] {
        let manifest = format!(
            "[package]\nname = \"tiny\"\nversion = \"1.0.0\"\nedition = \"{edition}\"\n\
             [lib]\nproc-macro = true\n"
        );
        let mut artifact = with_sources(&[("src/lib.rs", root), ("Cargo.toml", &manifest)]);
        let tiny = artifact.manifest.macros[0].clone();
        artifact.manifest.macros = ["include", "include_bytes"]
            .map(|name| Macro { name: name.into(), function: name.into(), ..tiny.clone() })
            .to_vec();
        let shim = write(&artifact, &format!("names{edition}"));
        for more in [&[][..], &["--cfg", "precast_from_source"]] {
            let arguments = [&["--edition", edition], more].concat();
            quiet(&rustc(&shim, &arguments));
        }
    }
}

#[test]
fn what_users_are_told_of_a_macro() {
    let mut artifact = moved();
    let attributes = [
        "/// Plain.",
        "#[doc = \" two\\n lines\"]",
        "#[doc = \"/ no comment\"]",
        "#[doc(hidden)]",
        "#[doc = include_str!(\"../README.md\")]",
        "#[doc = include_str!(\"../../secret.txt\")]",
        "#[doc = concat!(\"a\", env!(\"HOME\"))]",
        "#[deprecated(note = \"use other\")]",
    ];
    artifact.manifest.macros[0].attributes = attributes.map(String::from).to_vec();
    let files = embed::embed(&artifact).unwrap();
    let expected = "/// Plain.
/// two
/// lines
#[doc = \"/ no comment\"]
#[doc(hidden)]
#[doc = include_str!(\"../source/README.md\")]
#[deprecated(note = \"use other\")]
#[cfg(not(precast_from_source))]
#[proc_macro]
pub fn tiny(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    MODULE.bang(\"tiny\", input)
}
";
    let library = text(&files, "src/lib.rs");
    assert!(library.contains(expected), "{library}");
    for attribute in ["#[no_mangle]", "#[cfg_attr(all(), no_mangle)]", "#[doc = \"\"] fn evil() {}"]
    {
        artifact.manifest.macros[0].attributes = vec![attribute.into()];
        let error = embed::embed(&artifact).unwrap_err();
        assert!(error.to_string().contains(attribute), "{error}");
    }
}

#[test]
fn sources_that_cannot_be_embedded_are_named() {
    for (path, body, expected) in [
        ("Cargo.toml", "[package", "cannot read Cargo.toml"),
        ("Cargo.toml", "[lib]\nproc-macro = true", "has no [package]"),
        (
            "Cargo.toml",
            "[package]\nname = \"a\"\nversion.workspace = true",
            "inherited from a workspace",
        ),
        (
            "Cargo.toml",
            "[package]\nname = \"a\"\n[dependencies]\nb.workspace = true",
            "inherited from a workspace",
        ),
        (
            "Cargo.toml",
            "[package]\nname = \"a\"\n[lib]\npath = \"gone.rs\"",
            "root file gone.rs is not among",
        ),
        ("src/lib.rs", "fn f( {", "cannot read src/lib.rs"),
        ("src/lib.precast.rs", "", "two files of the shim have the path"),
    ] {
        let error = embed::embed(&with_sources(&[(path, body)])).unwrap_err();
        assert_eq!(error.class(), Class::Package);
        assert!(error.to_string().contains(expected), "`{error}` does not say `{expected}`");
    }
}
