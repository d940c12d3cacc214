//! The same package, packed here and in a place that has nothing in common with it but the machine.

use super::elsewhere::Elsewhere;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A workspace, for the macro to have a dependency without a registry. The macro's bytes would
/// show paths (`file!`, panics), the order of hashed maps, and what its build script sees.
const FILES: &[(&str, &str)] = &[
    ("Cargo.toml", "[workspace]\nmembers = [\"first\", \"near\"]\nresolver = \"2\"\n"),
    (
        "first/Cargo.toml",
        "[package]\nname = \"first\"\nversion = \"0.1.0\"\nedition = \"2021\"\nlicense = \"MIT\"\n\
         build = \"build.rs\"\n[lib]\nproc-macro = true\n\
         [dependencies]\nnear = { path = \"../near\", version = \"0.1\" }\n",
    ),
    (
        "first/build.rs",
        "fn main() {\n    let out = std::env::var(\"OUT_DIR\").unwrap();\n    \
         std::fs::write(out + \"/made.rs\", \"pub fn made() -> &'static str { file!() }\").unwrap();\n}\n",
    ),
    (
        "first/src/lib.rs",
        "use proc_macro::TokenStream;\ninclude!(concat!(env!(\"OUT_DIR\"), \"/made.rs\"));\n\
         #[proc_macro]\npub fn first(input: TokenStream) -> TokenStream {\n    \
         let text = format!(\"{:?}\", (file!(), made(), near::place(), input.to_string()));\n    \
         format!(\"{text:?}\").parse().expect(\"a literal\")\n}\n",
    ),
    (
        "near/Cargo.toml",
        "[package]\nname = \"near\"\nversion = \"0.1.0\"\nedition = \"2018\"\nlicense = \"MIT\"\n",
    ),
    (
        "near/src/lib.rs",
        "pub fn place() -> (&'static str, Option<i32>) {\n    \
         let map: std::collections::HashMap<i32, i32> = (0..9).map(|i| (i, i)).collect();\n    \
         (std::panic::Location::caller().file(), map.get(&3).copied())\n}\n",
    ),
];

fn write(folder: &Path) {
    for (path, text) in FILES {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(status.is_ok_and(|status| status.success()), "cannot copy {}", from.display());
}

/// `PRECAST_TEST_SYSROOT=1` also builds the standard library anew in the second place.
#[test]
fn another_place_gives_the_same_bytes() {
    let folder = super::temporary("places");
    let _ = fs::remove_dir_all(&folder);
    let (one, other) = (folder.join("one"), folder.join("far/away/the other one"));
    write(&one);
    write(&other);
    let pack = ["pack", "./first", "-o", "out", "--offline", "--json"];
    let output = super::precast(&one).args(pack).output().unwrap();
    assert!(output.status.success(), "{output:?}");

    let elsewhere = Elsewhere::new(&other, Path::new(env!("CARGO_BIN_EXE_cargo-precast")));
    let sysroot = super::temporary("pack-cache").join("sysroot");
    if std::env::var_os("PRECAST_TEST_SYSROOT").is_some() {
        elsewhere.copy_registry();
    } else if sysroot.is_dir() {
        copy(&sysroot, &elsewhere.cache());
    }
    let output = elsewhere.command().args(pack).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let bytes = |place: &Path| fs::read(place.join("out/first-0.1.0.precast")).unwrap();
    assert!(bytes(&one) == bytes(&other), "the artifacts differ");
}
