//! What macros read, and what they are refused.

use super::fixture::{
    cargo, depend, forget, home, ok, precast, put, registry_library, registry_macro, texts,
    workspace,
};
use std::fs;

const READER: &str = "use proc_macro::TokenStream;\n#[proc_macro]\n\
    pub fn reader(_: TokenStream) -> TokenStream {\n\
    let place = std::env::var(\"CARGO_MANIFEST_DIR\").unwrap();\n\
    let words = std::fs::read_to_string(format!(\"{place}/src/deep/words.txt\")).unwrap();\n\
    let world = if std::mem::size_of::<usize>() == 4 { \"wasm\" } else { \"native\" };\n\
    format!(\"\\\"{} {world}\\\"\", words.trim()).parse().unwrap()\n}\n";

/// A macro may read the files of the package that it is used in, and that is a dependency.
#[test]
fn files_of_dependencies() {
    let work = workspace("files");
    let registry = work.join("../registry");
    registry_macro(&registry, "reader", "1.0.0", "");
    put(&registry, &[("reader-1.0.0/src/lib.rs", READER)]);
    let code = "pub fn words() -> &'static str { reader::reader!() }\n";
    registry_library(&registry, "words", "[dependencies]\nreader = \"1\"\n", code);
    put(&registry, &[("words-1.0.0/src/deep/words.txt", "as said\n")]);
    depend(&work, "words = \"1\"\n");
    put(&work, &[("app/src/main.rs", "fn main() { println!(\"{}\", words::words()); }\n")]);
    let (out, err) = ok(&mut precast(&work, &["run"]));
    assert_eq!(out, "as said wasm\n", "{err}");
    // The files that others have are untouched.
    let (out, _) = ok(cargo(&work, home()).args(["run", "--quiet", "--locked"]));
    assert_eq!(out, "as said native\n");
}

/// A macro that is refused what it needs fails once; then it is built from source, until the workspace
/// grants it.
#[test]
fn a_refusal_is_remembered() {
    let work = workspace("refused");
    let registry = work.join("../registry");
    registry_macro(&registry, "reader", "1.0.0", "");
    let code = READER.replace("/src/deep/words.txt", "/../../outside.txt");
    put(&registry, &[("reader-1.0.0/src/lib.rs", &code)]);
    put(&work.join(".."), &[("outside.txt", "as said\n")]);
    depend(&work, "reader = \"1\"\n");
    put(&work, &[("app/src/main.rs", "fn main() { println!(\"{}\", reader::reader!()); }\n")]);
    // What an earlier run has remembered would be known to the store of all tests.
    let store = super::store::cold("refused-store");
    let run = || {
        let mut run = precast(&work, &["run", "--only", "reader"]);
        run.env("PRECAST_CACHE_DIR", &store);
        run
    };
    let (_, err) = texts(&run().output().unwrap(), false);
    assert!(err.contains("reader 1.0.0, which is precompiled, may not read"), "{err}");
    let granted = proposed(&err).expect(&err);
    let (out, err) = ok(&mut run());
    assert_eq!(out, "as said native\n");
    assert!(err.contains("reader 1.0.0 is built from source: it may not read"), "{err}");
    let manifest = work.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text + &granted).unwrap();
    forget(&work);
    let (out, err) = ok(&mut run());
    assert_eq!(out, "as said wasm\n", "{err}");
}

/// The lines that a refusal proposes for the workspace's manifest.
fn proposed(err: &str) -> Option<String> {
    let (_, rest) = err.split_once("[workspace.metadata.precast.grants.")?;
    let lines = rest.lines().map(|line| line.trim_start_matches([' ', '=', '|']));
    let lines: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
    Some(format!("\n[workspace.metadata.precast.grants.{}\n", lines.join("\n")))
}
