//! Under precast: the macros are built from source, and every target knows them.

use super::fixture::{cargo, copy, directory, edit, fails, lone, ok, package, precast, put};
use std::fs;
use std::path::Path;

#[test]
fn every_target_knows_the_macros() {
    let place = lone("targets");
    let (out, err) = ok(&mut precast(&place, &["test"]));
    for line in [
        "test unit ... ok",
        "test integration ... ok",
        "src/lib.rs - (line 2) ... ok",
        "test unit_of_the_macros ... ok",
        "proc-macro/lib.rs - ",
    ] {
        assert!(out.contains(line), "{line}: {out}\n{err}");
    }
    assert_eq!(ok(&mut precast(&place, &["run"])).0, "1.0.0 native 42\n");
    let (out, _) = ok(&mut precast(&place, &["run", "--example", "example", "--features", "loud"]));
    assert_eq!(out, "1.0.0 native loud 42\n");
    assert!(ok(&mut precast(&place, &["bench"])).0.contains("benched"));
    ok(&mut precast(&place, &["build", "--all-targets", "--release"]));
    let (_, err) = ok(&mut precast(&place, &["clippy", "--all-targets"]));
    assert!(err.contains("own-proc-macro") && !err.contains("warning"), "{err}");
    // The macros are the host's whatever the rest is for.
    ok(&mut precast(&place, &["check", "--lib", "--target", "wasm32-wasip1"]));
    // Where the RFC has the library, and where cargo has all others.
    let library =
        format!("{}proc_macro{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    assert!(place.join("target/proc-macro").join(&library).is_file());
    let list = fs::read_to_string(place.join("target/proc-macro/libproc_macro.d")).unwrap();
    assert!(list.contains("lib.rs"), "{list}");
    let deps = fs::read_dir(place.join("target/debug/deps")).unwrap().flatten();
    let is_library =
        |name: String| name.contains("proc_macro-") && name.ends_with(std::env::consts::DLL_SUFFIX);
    assert!(deps.map(|entry| entry.file_name().to_string_lossy().into_owned()).any(is_library));
    // Cargo alone says what is missing.
    let (_, err) = fails(&mut super::fixture::cargo(&place, &["build", "--lib"]));
    assert!(err.contains("proc_macro"), "{err}");
}

#[test]
fn target_alone() {
    let place = lone("alone");
    let (_, err) = ok(&mut precast(&place, &["build", "--proc-macro"]));
    assert!(err.contains("own-proc-macro") && !place.join("target/debug").exists(), "{err}");
    let (out, _) = ok(&mut precast(&place, &["test", "--proc-macro", "--", "--nocapture"]));
    assert!(out.contains("unit_of_the_macros") && !out.contains("test unit ..."), "{out}");
    ok(&mut precast(&place, &["bench", "--proc-macro", "--no-run"]));
    let (_, err) = fails(&mut precast(&place, &["run", "--proc-macro"]));
    assert!(err.contains("`run` has no option `--proc-macro`"), "{err}");
    let (_, err) = fails(&mut precast(&place, &["build", "--proc-macro", "-p", "other"]));
    assert!(err.contains("no package that is chosen has macros"), "{err}");
    assert!(!ok(&mut precast(&place, &["bench"])).0.contains("unit_of_the_macros"));
    let table =
        "[package.metadata.precast.proc-macro]\ntest = false\ndoctest = false\nbench = true\n";
    edit(&place.join("Cargo.toml"), "[workspace]", &format!("{table}[workspace]"));
    let (out, _) = ok(&mut precast(&place, &["test"]));
    assert!(!out.contains("unit_of_the_macros") && !out.contains("proc-macro/lib.rs - "), "{out}");
    let (out, _) = ok(&mut precast(&place, &["bench"]));
    assert!(out.contains("test unit_of_the_macros ... ignored"), "{out}");
}

#[test]
fn an_edit_rebuilds_what_it_must() {
    let place = lone("edit");
    let run = |expected: &str| {
        let (out, err) = ok(&mut precast(&place, &["run"]));
        assert_eq!(out, expected, "{err}");
        err
    };
    run("1.0.0 native 42\n");
    assert!(!run("1.0.0 native 42\n").contains("Compiling"));
    let library = fs::read_dir(place.join("target/proc-macro")).unwrap().flatten();
    let library = library
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|end| end != "d"))
        .unwrap();
    let written = || library.metadata().unwrap().modified().unwrap();
    let before = written();
    edit(&place.join("src/main.rs"), "println!(\"{} {}\"", "println!(\"{}, {}\"");
    run("1.0.0 native, 42\n");
    assert_eq!(written(), before);
    edit(&place.join("proc-macro/lib.rs"), "NUMBER: u32 = 42", "NUMBER: u32 = 43");
    run("1.0.0 native, 43\n");
    assert!(written() > before);
}

#[test]
fn macros_that_do_not_compile() {
    let place = lone("broken");
    edit(&place.join("proc-macro/lib.rs"), "    item\n", "    items\n");
    let (_, err) = fails(&mut precast(&place, &["build"]));
    assert!(
        err.contains("cannot find value `items`") && err.contains("proc-macro/lib.rs:"),
        "{err}"
    );
    assert!(err.contains("the macros of own do not compile"), "{err}");
    // A program reads the error as that of a compiler.
    let (out, _) = fails(&mut precast(&place, &["check", "--message-format=json"]));
    assert!(out.contains("compiler-message") && out.contains("cannot find value `items`"), "{out}");
    edit(&place.join("proc-macro/lib.rs"), "    items\n", "    item\n");
    ok(&mut precast(&place, &["build"]));
}

const SCRIPT: &str = "\
fn main() {
    println!(\"cargo:rustc-env=SAID=by the script\");
    println!(\"cargo:rustc-link-lib=no_such_library_anywhere\");
    println!(\"cargo:rustc-link-arg-proc-macro=-Wl,-soname,marked_by_the_script\");
    std::fs::write(std::env::var(\"OUT_DIR\").unwrap() + \"/written\", \"in its folder\").unwrap();
}
";

/// The variables of the RFC.
const VARIABLES: [&str; 19] = [
    "CARGO",
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_PATH",
    "CARGO_PKG_VERSION",
    "CARGO_PKG_VERSION_MAJOR",
    "CARGO_PKG_VERSION_MINOR",
    "CARGO_PKG_VERSION_PATCH",
    "CARGO_PKG_VERSION_PRE",
    "CARGO_PKG_AUTHORS",
    "CARGO_PKG_NAME",
    "CARGO_PKG_DESCRIPTION",
    "CARGO_PKG_HOMEPAGE",
    "CARGO_PKG_REPOSITORY",
    "CARGO_PKG_LICENSE",
    "CARGO_PKG_LICENSE_FILE",
    "CARGO_PKG_RUST_VERSION",
    "CARGO_PKG_README",
    "OUT_DIR",
    "CARGO_PRIMARY_PACKAGE",
];

#[test]
fn surroundings_of_the_macros() {
    let place = directory("surroundings");
    let list: String =
        VARIABLES.iter().map(|name| format!("({name:?}, option_env!({name:?})), ")).collect();
    let macros = format!(
        "use proc_macro::TokenStream;\n#[proc_macro]\npub fn heard(_: TokenStream) -> TokenStream {{\n\
         let all: &[(&str, Option<&str>)] = &[{list} (\"SAID\", option_env!(\"SAID\")),\n\
         (\"written\", Some(include_str!(concat!(env!(\"OUT_DIR\"), \"/written\"))))];\n\
         assert!(cfg!(proc_macro));\n\
         let text: String = all.iter().map(|(name, value)| format!(\"{{name}}={{value:?}}\\n\")).collect();\n\
         format!(\"{{text:?}}\").parse().unwrap()\n}}\n"
    );
    let manifest = "[package]\nname = \"own\"\nversion = \"1.2.3-rc.1\"\nedition = \"2021\"\nauthors = [\"A\"]\n\
        description = \"D\"\nhomepage = \"https://h.example\"\nrepository = \"https://r.example\"\nlicense-file = \"TERMS\"\n\
        rust-version = \"1.70\"\nreadme = \"README.md\"\n[workspace]\n";
    let files = [
        ("Cargo.toml", manifest),
        ("README.md", "r"),
        ("TERMS", "t"),
        ("build.rs", SCRIPT),
        ("proc-macro/lib.rs", &macros),
        ("src/lib.rs", "pub const HEARD: &str = proc_macro::heard!();\n"),
        ("examples/say.rs", "fn main() { print!(\"{}\", proc_macro::heard!()); }"),
    ];
    put(&place, &files);
    // Nothing links to what is no library of the system, but the macros would have to.
    ok(&mut precast(&place, &["check", "--all-targets"]));
    let (_, err) = ok(&mut precast(&place, &["check", "--lib"]));
    assert!(!err.contains("error"), "{err}");
    let library = place.join("target/proc-macro/libproc_macro.so");
    if cfg!(target_os = "linux") {
        let bytes = fs::read(library).unwrap();
        let has = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
        assert!(has("marked_by_the_script") && !has("no_such_library_anywhere"));
        let directory = place.to_str().unwrap();
        for text in [
            directory,
            "1.2.3-rc.1",
            "by the script",
            "in its folder",
            "https://h.example",
            "TERMS",
            "README.md",
        ] {
            assert!(has(text), "{text}");
        }
    }
    // All but what the package has not are heard.
    put(&place, &[("src/lib.rs", "pub const HEARD: &str = proc_macro::heard!();\nconst _: () = assert!(HEARD.len() == 0);\n")]);
    edit(&place.join("src/lib.rs"), "assert!(HEARD.len() == 0)", "panic!(\"{}\", HEARD)");
    let (_, err) = fails(&mut precast(&place, &["check", "--lib"]));
    for name in VARIABLES {
        assert!(err.contains(&format!("{name}=Some(")), "{name}: {err}");
    }
    assert!(err.contains("CARGO_PKG_NAME=Some(\"own\")"), "{err}");
}

#[test]
fn documentation_has_the_macros() {
    let place = lone("documentation");
    ok(&mut precast(&place, &["doc"]));
    let doc = place.join("target/doc");
    let page = fs::read_to_string(doc.join("own.proc_macro/proc_macro/index.html")).unwrap();
    assert!(page.contains("Where it runs") && doc.join("own/index.html").is_file());
    assert!(fs::read_to_string(doc.join("own.proc_macro/index.html"))
        .unwrap()
        .contains("proc_macro/index.html"));
    fs::remove_dir_all(&doc).unwrap();
    let table = "[package.metadata.precast.proc-macro]\ndoc = false\nname = \"own_macros\"\n";
    edit(&place.join("Cargo.toml"), "[workspace]", &format!("{table}[workspace]"));
    for file in ["src/lib.rs", "src/main.rs"] {
        edit(&place.join(file), "proc_macro::", "own_macros::");
    }
    ok(&mut precast(&place, &["doc", "--lib"]));
    ok(&mut precast(&place, &["doc"]));
    assert!(!doc.join("own_macros").exists());
    ok(&mut precast(&place, &["doc", "--proc-macro"]));
    assert!(doc.join("own_macros/own_macros/macro.world.html").is_file());
}

#[test]
fn packages_that_depend_on_each_other() {
    let place = directory("workspace");
    package(&place.join("own"));
    let manifest = "[package]\nname = \"user\"\nversion = \"2.0.0\"\nedition = \"2021\"\n[dependencies]\nown = { path = \"../own\" }\n";
    let user = "pub use own::Number;\npub use proc_macro::number_of;\n#[derive(own::Number)]\npub struct A;\n\
                pub const N: u32 = number_of!(A);\n";
    let macros = "use proc_macro::TokenStream;\n#[proc_macro]\npub fn number_of(name: TokenStream) -> TokenStream {\n\
                  format!(\"{name}::NUMBER\").parse().unwrap()\n}\n";
    let last = "#[derive(user::Number)]\nstruct B;\n#[test]\nfn both() { assert_eq!((user::N, user::number_of!(B)), (42, 42)); \
                assert_eq!(own::WORLD, \"1.0.0 native\"); }\n";
    put(
        &place,
        &[
            (
                "Cargo.toml",
                "[workspace]\nmembers = [\"own\", \"user\", \"last\"]\nresolver = \"2\"\n",
            ),
            ("user/Cargo.toml", manifest),
            ("user/proc-macro/lib.rs", macros),
            ("user/src/lib.rs", user),
            (
                "last/Cargo.toml",
                &manifest
                    .replace("\"user\"", "\"last\"")
                    .replace("[dependencies]", "[dependencies]\nuser = { path = \"../user\" }"),
            ),
            ("last/src/lib.rs", last),
        ],
    );
    let (out, _) = ok(&mut precast(&place, &["test", "--workspace", "--exclude", "own"]));
    assert!(out.contains("test both ... ok"), "{out}");
    ok(&mut precast(&place, &["doc", "--workspace"]));
    assert!(place.join("target/doc/user.proc_macro/index.html").is_file());
    // Each has its own name.
    let (_, err) = ok(&mut precast(&place.join("user"), &["check", "--proc-macro"]));
    assert!(err.contains("user-proc-macro") && !err.contains("own-proc-macro"), "{err}");
    // Cargo alone, from what both have packed.
    for package in ["own", "user"] {
        put(&place.join(package), &[("build.rs", super::fixture::SCRIPT)]);
    }
    ok(&mut precast(&place, &["pack", "--proc-macro", "own", "user"]));
    edit(&place.join("last/src/lib.rs"), "1.0.0 native", "1.0.0 wasm");
    let (out, _) = ok(&mut cargo(&place, &["test", "-p", "last"]));
    assert!(out.contains("test both ... ok"), "{out}");
    // Only what the libraries re-export is seen: this is the compiler's own crate.
    put(&place, &[("last/src/lib.rs", "pub const N: &str = proc_macro::world!();\n")]);
    for check in
        [cargo(&place, &["check", "-p", "last"]), precast(&place, &["check", "-p", "last"])]
    {
        let (_, err) = fails(&mut { check });
        assert!(err.contains("error[E0433]") && err.contains("`proc_macro`"), "{err}");
    }
}

#[test]
fn example_of_the_rfc() {
    let place = directory("rfc");
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/my-amazing-library"), &place);
    let (out, _) = ok(&mut precast(&place, &["test", "--features", "my_feature"]));
    for line in [
        "macros_are_there ... ok",
        "gated ... ok",
        "src/lib.rs - (line 3) ... ok",
        "is_a_macro_crate ... ok",
    ] {
        assert!(out.contains(line), "{line}: {out}");
    }
    ok(&mut precast(&place, &["build", "--proc-macro"]));
}

#[test]
fn switched_on() {
    let place = lone("switched");
    ok(&mut precast(&place, &["on"]));
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pack-cache");
    let mut run = super::fixture::cargo(&place, &["run"]);
    assert_eq!(ok(run.env("PRECAST_CACHE_DIR", &cache)).0, "1.0.0 native 42\n");
    let mut doc = super::fixture::cargo(&place, &["doc", "--lib"]);
    ok(doc.env("PRECAST_CACHE_DIR", &cache));
    ok(&mut precast(&place, &["off"]));
    fails(&mut super::fixture::cargo(&place, &["build", "--lib"]));
}
