//! Golden tests for authors, and what `expand` shows of an expansion.

use super::*;
use serde_json::Value;

const MACROS: &str = r#"
use precast_macro::{aux, Diagnostic};
use proc_macro::TokenStream;

#[proc_macro_attribute]
pub fn mark(arguments: TokenStream, item: TokenStream) -> TokenStream {
    precast_macro::expand!(items => {
        match arguments.to_string().as_str() {
            "gone" => return TokenStream::new(),
            "told" => Diagnostic::warning(&item, "told").emit(),
            "kept" => aux::emit("kept", "1"),
            "side" if std::mem::size_of::<usize>() == 4 => return TokenStream::new(),
            _ => {}
        }
        item
    })
}

precast_macro::executable_attribute!(bench);
precast_macro::fingerprint!(fingerprint);

fn fingerprint() -> u64 {
    7
}
"#;

fn package(name: &str, test: &str) -> PathBuf {
    let work = directory(name);
    let manifest = macro_manifest("mark") + "[workspace]\n";
    put(
        &work,
        &[("Cargo.toml", &manifest), ("src/lib.rs", MACROS), ("tests/expand/marks.rs", test)],
    );
    work
}

#[test]
fn tests_of_expansions() {
    let test =
        "#[mark::mark(told)]\npub struct A;\n#[mark::mark(kept)]\nimpl missing::B for A {}\n\
                mod inner {\n    #[mark::bench(fast)]\n    fn slow() {}\n}\n";
    let work = package("golden", test);
    let run = |arguments: &[&str]| {
        let words = [&["test-macro", "--offline", "--quiet"], arguments].concat();
        precast(&work, &words).output().unwrap()
    };
    let output = run(&[]);
    let (out, err) = texts(&output);
    assert_eq!(output.status.code(), Some(3), "{err}");
    assert!(out.contains("the macros make something else than tests/expand/marks.stderr"), "{out}");
    assert!(out.contains("+warning: told\n"), "{out}");
    let (out, err) = texts(&run(&["--bless"]));
    assert_eq!(out, "tests/expand/marks.rs ... blessed\n", "{err}");
    let read = |file: &str| fs::read_to_string(work.join("tests/expand").join(file)).unwrap();
    assert!(read("marks.expanded.rs").starts_with("pub struct A;\nimpl missing::B for A {}\n"));
    assert_eq!(
        read("marks.records"),
        "   3 test kept: 1\n   6 test::inner::slow executable:bench: fast\n"
    );
    assert!(read("marks.stderr").contains(" --> tests/expand/marks.rs:2:1\n"));
    let (out, err) = texts(&run(&[]));
    assert_eq!(out, "tests/expand/marks.rs ... ok\n", "{err}");
    // A macro that sees where it runs.
    put(&work, &[("tests/expand/marks.rs", "#[mark::mark(side)]\npub struct A;\n")]);
    run(&["--bless"]);
    let output = run(&["--json"]);
    assert_eq!(output.status.code(), Some(3));
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    let difference = &value["tests"][0]["differences"][0];
    assert_eq!(difference["side"], "packed");
    assert!(difference["diff"].as_str().unwrap().contains("-pub struct A;\n"));
}

#[test]
fn what_an_expansion_changes() {
    let uses = "#[mark(told)] struct A;\n\n#[mark(gone)]\nstruct B;\n#[mark(kept)] struct C;\n";
    let work = package("expand", "");
    ok(precast(&work, &["pack", ".", "--offline", "-o", "target/packed"]));
    put(&work, &[("uses.rs", uses)]);
    let artifact = "target/packed/mark-0.1.0.precast";
    let (out, _) = ok(precast(&work, &["expand", artifact, "uses.rs", "--diff", "--json"]));
    let value: Value = serde_json::from_str(&out).unwrap();
    let all = value["expansions"].as_array().unwrap();
    let verdicts: Vec<&str> =
        all.iter().map(|one| one["change"]["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["unchanged", "removed", "extended"]);
    assert_eq!(all[1]["line"], 4);
    assert_eq!(all[0]["diagnostics"][0]["level"], "warning");
    assert_eq!(all[0]["diagnostics"][0]["spans"][0]["column_start"], 15);
    let (out, err) = ok(precast(&work, &["expand", artifact, "uses.rs", "--tokens"]));
    let head = "// #[mark] in line 1\nident   struct ";
    assert!(out.starts_with(head) && out.contains(" 1:15-1:21\n"), "{out}");
    assert!(out.contains("ident   const ") && out.contains(" call site\n"), "{out}");
    assert!(err.contains("warning: told"), "{err}");
}
