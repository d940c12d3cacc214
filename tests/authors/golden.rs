//! Golden tests for authors, and what `expand` shows of an expansion.

use super::*;
use serde_json::{json, Value};
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

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
            "wrong" => Diagnostic::error(&item, "wrong").help("a way out").emit(),
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
    let (out, err) = texts(&output, false);
    assert_eq!(output.status.code(), Some(3), "{err}");
    assert!(out.contains("the macros make something else than tests/expand/marks.stderr"), "{out}");
    assert!(out.contains("+warning: told\n"), "{out}");
    let (out, err) = texts(&run(&["--bless"]), true);
    assert_eq!(out, "tests/expand/marks.rs ... blessed\n", "{err}");
    let read = |file: &str| fs::read_to_string(work.join("tests/expand").join(file)).unwrap();
    assert!(read("marks.expanded.rs").starts_with("pub struct A;\nimpl missing::B for A {}\n"));
    assert_eq!(
        read("marks.records"),
        "   3 test kept: 1\n   6 test::inner::slow executable:bench: fast\n"
    );
    assert!(read("marks.stderr").contains(" --> tests/expand/marks.rs:2:1\n"));
    let (out, err) = texts(&run(&[]), true);
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
    let kept = json!({ "key": "kept", "item": null, "data": "1", "macro": "mark@0.1.0" });
    assert_eq!(all[2]["records"], json!([kept]));

    let fingerprint = ["expand", artifact, "none.rs", "--bang", "__precast_fingerprint"];
    put(&work, &[("none.rs", "")]);
    assert_eq!(ok(precast(&work, &fingerprint)).0.trim(), "7u64");

    // A whole crate: with the names of its files.
    put(&work, &[("whole.rs", "\n#[mark::mark(told)]\nstruct A;\n")]);
    let whole = ["expand", "--crate", "whole.rs", "--extern", &format!("mark={artifact}")];
    let (out, err) = ok(precast(&work, &whole));
    assert_eq!(out, "\n\nstruct A;\n");
    assert!(err.contains("warning: told\n --> whole.rs:3:1\n"), "{err}");

    // The same over JSON-RPC.
    let memory = directory("expand-memory");
    let expanded = |name: &str, arguments: &str, input: &str| -> Value {
        let params = json!({ "path": artifact, "kind": "attribute", "name": name,
            "arguments": arguments, "input": input });
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "expand", "params": params });
        let mut server = precast(&work, &["serve", "--jobs", "1"]);
        server.env("PRECAST_EXPANSIONS", &memory);
        let mut server =
            server.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        writeln!(server.stdin.take().unwrap(), "{request}").unwrap();
        let output = server.wait_with_output().unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        answer["result"].clone()
    };
    let at = |line: u32, from: u32, to: u32| {
        json!({ "text": "input", "start": { "line": line, "column": from },
            "end": { "line": line, "column": to } })
    };
    let told = expanded("mark", "told", "\nstruct A;");
    let warning = json!({ "level": "warning", "message": "told", "at": at(2, 1, 10) });
    assert_eq!(told["diagnostics"], json!([warning]));
    assert_eq!((&told["expansion"], &told["records"]), (&json!("struct A;\n"), &json!([])));
    let help = json!({ "level": "help", "message": "a way out", "at": null });
    let wrong =
        json!({ "level": "error", "message": "wrong", "at": at(1, 1, 10), "children": [help] });
    assert_eq!(expanded("mark", "wrong", "struct A;")["diagnostics"], json!([wrong]));
    let record =
        json!({ "key": "executable:bench", "item": "f", "data": "1", "macro": "mark@0.1.0" });
    assert_eq!(expanded("bench", "1", "fn f() {}")["records"], json!([record]));
    let same = expanded("mark", "same", "struct A;");
    assert_eq!(same, expanded("mark", "same", "struct A;"));
    // What the servers have remembered has the fingerprint in its name.
    let names = fs::read_dir(&memory).unwrap().map(|entry| entry.unwrap().file_name());
    let names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    let [name] = &names[..] else { panic!("{names:?}") };
    assert!(name.starts_with("mark-0.1.0-") && name.ends_with("-7u64"), "{name}");
    assert!(fs::metadata(memory.join(name)).unwrap().len() > 0);
}

/// Whoever writes a macro sees what each change makes of a use.
#[test]
fn what_is_watched() {
    let work = package("watch", "");
    ok(precast(&work, &["pack", ".", "--offline", "-o", "target/packed"]));
    put(&work, &[("uses.rs", "#[mark(same)] struct A;\n")]);
    let artifact = "target/packed/mark-0.1.0.precast";
    let mut watching = precast(&work, &["expand", artifact, "uses.rs", "--watch"]);
    let mut watching = watching.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "struct A;"));
    put(&work, &[("uses.rs", "#[mark(same)] struct Changed {")]);
    put(&work, &[("uses.rs", "#[mark(same)] struct Changed;\n")]);
    assert!(lines.any(|line| line == "struct Changed;"));
    put(&work, &[("src/lib.rs", &MACROS.replace("\"gone\" =>", "\"same\" =>"))]);
    ok(precast(&work, &["pack", ".", "--offline", "-o", "target/packed"]));
    // Nothing is left of the item.
    let head = "// #[mark] in line 1";
    assert!(lines.any(|line| line == head));
    watching.kill().unwrap();
    watching.wait().unwrap();
}
