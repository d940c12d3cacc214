//! rust-analyzer itself, in packages with macros of their own.

use super::fixture::{directory, edit, lone, ok, package, packed, precast, put};
use std::path::Path;
use std::process::Command;

/// What rust-analyzer finds wrong in a workspace.
fn diagnostics(place: &Path) -> String {
    let mut analyzer = Command::new("rust-analyzer");
    let output = analyzer.args(["diagnostics", "."]).current_dir(place).output();
    let output = output.unwrap_or_else(|error| {
        panic!("cannot start rust-analyzer: {error}; `rustup component add rust-analyzer`")
    });
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.split(['\r', '\n']).filter(|line| line.contains("Error ")).collect::<Vec<_>>();
    assert!(text.contains("diagnostic scan complete"), "{text}");
    lines.join("\n")
}

#[test]
fn analyzer_knows_the_macros() {
    for place in [lone("analyzer"), packed("analyzer-packed")] {
        ok(&mut precast(&place, &["metadata", "--rust-project"]));
        assert_eq!(diagnostics(&place), "");
    }
    // It expands them: what they write is there, and what they do not write is not.
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("same-package/analyzer");
    edit(&place.join("src/lib.rs"), "{ inner::Inner::NUMBER }", "{ inner::Inner::nothing() }");
    let found = diagnostics(&place);
    assert!(found.contains("no such associated item") && found.lines().count() == 1, "{found}");
}

#[test]
fn analyzer_knows_all_packages_of_a_workspace() {
    let place = directory("analyzer-workspace");
    package(&place.join("own"));
    let manifest = "[package]\nname = \"user\"\nversion = \"2.0.0\"\nedition = \"2021\"\n[dependencies]\nown = { path = \"../own\" }\n\
        [proc-macro-dependencies]\nhelper = { path = \"../helper\" }\n";
    let macros = "#[proc_macro]\npub fn two(_: proc_macro::TokenStream) -> proc_macro::TokenStream { helper::TWO.parse().unwrap() }\n";
    put(
        &place,
        &[
            ("Cargo.toml", "[workspace]\nmembers = [\"own\", \"user\", \"helper\"]\nresolver = \"2\"\n"),
            ("user/Cargo.toml", manifest),
            ("user/proc-macro/lib.rs", macros),
            ("user/src/lib.rs", "#[derive(own::Number)]\npub struct A;\npub const N: u32 = proc_macro::two!() + A::NUMBER;\n"),
            ("helper/Cargo.toml", "[package]\nname = \"helper\"\nversion = \"1.0.0\"\nedition = \"2021\"\n"),
            ("helper/src/lib.rs", "pub const TWO: &str = \"2\";\n"),
        ],
    );
    ok(&mut precast(&place.join("user"), &["metadata", "--rust-project"]));
    assert_eq!(diagnostics(&place), "");
}
