//! Modules of any origin: what they declare, what is checked of them, what becomes of them.

use precast::artifact::manifest::{decls, Macro, Source};
use precast::artifact::stamp::{self, Edit};
use precast::artifact::{self, Artifact};
use precast::base::error::Class;
use precast::expand::{expand, Call};
use precast::pack::{pack_module, ModuleOptions};
use std::fs;
use std::path::{Path, PathBuf};

/// A module in C, by docs/token-abi.md alone: fixtures/foreign.
fn in_c() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/foreign/macros-c.wasm");
    fs::read(path).unwrap()
}

fn one(text: &str) -> Macro {
    stamp::declaration(text).unwrap()
}

fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("foreign").join(test);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn pack(wasm: &[u8], folder: &Path) -> precast::Result<PathBuf> {
    let file = folder.join("module.wasm");
    fs::write(&file, wasm).unwrap();
    let options =
        ModuleOptions { name: "in-c".into(), version: "1.0.0".into(), ..Default::default() };
    Ok(pack_module(&file, &options, folder)?.artifact)
}

fn packed(wasm: &[u8], folder: &Path) -> Artifact {
    artifact::read(&fs::read(pack(wasm, folder).unwrap()).unwrap()).unwrap()
}

#[test]
fn declarations_are_edited() {
    let wasm = in_c();
    let stamp = stamp::read(&wasm).unwrap();
    let text =
        "derive:Answer:derive_answer:answer\nattr:named:named\nbang:sum:sum\nbang:crash:crash\n";
    assert_eq!((decls(&stamp.macros).as_str(), stamp.is_sealed), (text, true));
    let plain = stamp::write(&wasm, &[]).unwrap();
    assert!(stamp::read(&plain).unwrap().macros.is_empty());
    assert_eq!(stamp::write(&plain, &stamp.macros).unwrap(), wasm, "all else stays as it is");
    assert!(!stamp::read(&plain).unwrap().is_sealed);

    let edit = |wasm: &[u8], edits: &[Edit]| stamp::edit(wasm, edits, false);
    let add = |text: &str| Edit::Add(one(text));
    let (wasm, _) = edit(&plain, &[add("bang:sum:sum"), add("attr:sum:named")]).unwrap();
    let replaced = Edit::Replace(one("bang:sum:crash"));
    let (wasm, macros) = edit(&wasm, &[replaced, Edit::Remove("attr:sum".into())]).unwrap();
    assert_eq!(decls(&macros), "bang:sum:crash\n");
    assert_eq!(stamp::read(&wasm).unwrap().macros, macros);
    let (wasm, _) = edit(&wasm, &[Edit::Remove("sum".into())]).unwrap();
    assert_eq!(wasm, plain);
}

#[test]
fn declarations_are_checked() {
    let wasm = in_c();
    let check = |edit: Edit, message: &str, help: &str| {
        let error = stamp::edit(&wasm, &[edit], false).unwrap_err();
        assert_eq!(error.to_string(), message);
        assert!(error.help_text().unwrap_or_default().contains(help), "{error:?}");
    };
    let add = |text: &str| Edit::Add(one(text));
    check(add("bang:sum:crash"), "the module declares bang `sum` already", "--replace");
    check(Edit::Replace(one("attr:sum:sum")), "the module declares no attr `sum`", "--add");
    check(Edit::Remove("none".into()), "the module declares no macro `none`", "bang:sum");
    check(add("attr:sum:sum"), "two macros have the function `sum`", "one of its own");
    check(
        add("bang:x:none"),
        "the macro `x`: the module exports no function `none`",
        "it exports _initialize, crash, derive_answer",
    );
    check(
        add("bang:x:precast_buffer"),
        "the macro `x`: the function `precast_buffer` has the type (i32) -> (i32), not () -> i32",
        "docs/token-abi.md",
    );
    for text in
        ["", "sum", "bang:sum", "bang:a b:sum", "derive:A:a:", "other:a:b", "bang:a:b\nbang:c:d"]
    {
        assert_eq!(stamp::declaration(text).unwrap_err().class(), Class::Usage, "{text}");
    }
}

/// The manifest says that there is no source, and what was packed works as any other.
#[test]
fn a_macro_in_c() {
    let folder = folder("in-c");
    let artifact = packed(&in_c(), &folder);
    let manifest = &artifact.manifest;
    let checksum = precast::base::files::sha256(&in_c());
    assert_eq!(manifest.package.source, Source::Module { checksum });
    assert!(manifest.toolchain.is_unknown());
    let path = folder.join("in-c-1.0.0.precast");
    let derived = Call::Derive { name: "Answer", item: "#[answer(7)] struct S;" };
    assert!(expand(&path, &derived).unwrap().text.contains("ANSWER: i32 = 7"));
    let named = Call::Attribute { name: "named", args: "g", item: "fn f() {}" };
    assert_eq!(expand(&path, &named).unwrap().text, "fn g() {}\n");
    let sum = |tokens| Call::Bang { name: "sum", tokens };
    assert_eq!(expand(&path, &sum("1 2")).unwrap().text, "(1 + 2)\n");
    let error = expand(&path, &sum("")).unwrap_err();
    assert_eq!(error.to_string(), "`sum` panicked: nothing to sum: write sum!(1 2)");
    for path in [path, folder.join("in-c-1.0.0")] {
        let verdict = precast::verify::verify(&path).unwrap();
        assert_eq!(verdict.n_differences(), 0, "{:?}", verdict.checks);
    }
    // Only what the macros reach is kept, and no other section.
    let custom = [".rustc_proc_macro_decls", "precast", "precast.heat", "precast.names"];
    for payload in wasmparser::Parser::new(0).parse_all(&artifact.wasm) {
        if let wasmparser::Payload::CustomSection(section) = payload.unwrap() {
            assert!(custom.contains(&section.name()), "{}", section.name());
        }
    }
}

/// The same in AssemblyScript.
#[test]
fn a_macro_in_assemblyscript() {
    let folder = folder("in-ts");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/foreign/macros-ts.wasm");
    let path = pack(&fs::read(path).unwrap(), &folder).unwrap();
    let derived = Call::Derive { name: "Named", item: "pub enum Some { A }" };
    let expected = "impl Some {\n    pub const NAME: &str = \"Some\";\n}\n";
    assert_eq!(expand(&path, &derived).unwrap().text, expected);
    let reversed = Call::Bang { name: "reversed", tokens: "1 - (2 3)" };
    assert_eq!(expand(&path, &reversed).unwrap().text, "(2 3) - 1\n");
    let failed = Call::Derive { name: "Named", item: "fn f() {}" };
    let error = expand(&path, &failed).unwrap_err().to_string();
    assert_eq!(error, "`Named` panicked: Named is for types");
}

/// Every module is one that was written by hand, and breaks one rule.
#[test]
fn nothing_is_believed() {
    const MODULE: &str = r#"(module
        (import "precast" "panic" (func (param i32 i32)))
        (memory (export "memory") 1)
        (func (export "precast_start") (result i32) i32.const 1)
        (func (export "precast_buffer") (param i32) (result i32) i32.const 0)
        (func (export "tiny") (result i32) i32.const 0)
        (@custom ".rustc_proc_macro_decls" "bang:tiny:tiny\n"))"#;
    let folder = folder("rules");
    let check = |old: &str, new: &str, message: &str| {
        let text = MODULE.replacen(old, new, 1);
        assert!(old.is_empty() || text != MODULE, "no {old}");
        let result = pack(&wat::parse_str(&text).unwrap(), &folder);
        match (result, message) {
            (Ok(_), "") => {}
            (Err(error), message) if !message.is_empty() => {
                assert!(error.to_string().contains(message), "`{error}` does not say `{message}`");
                assert!(error.to_string().starts_with("cannot pack "), "{error}");
            }
            (result, _) => panic!("{new}: {result:?}"),
        }
    };
    check("", "", "");
    check("\"panic\"", "\"none\"", "imports what no host provides: precast.none");
    check("(param i32 i32)", "(param i32)", "imports what no host provides: precast.panic");
    check("(func (param i32 i32))", "(global i32)", "imports precast.panic, not a function");
    check("(export \"memory\") 1", "1", "the module exports no memory `memory`");
    check("(memory (export", "(memory (export \"m\") 1) (memory (export", "not valid wasm");
    check("(memory (export \"memory\") 1)", "(func (export \"memory\"))", "0 memories");
    check("(export \"precast_start\")", "", "the module exports no `precast_start`");
    check("i32.const 1)", "i32.const 2)", "it speaks version 2 of the token ABI");
    check("i32.const 1)", "unreachable)", "the module does not start");
    check("i32.const 1)", "(loop br 0) unreachable)", "fuel");
    check("(param i32) (result i32)", "(result i32)", "`precast_buffer` has the type");
    check("bang:tiny:tiny", "bang:tiny:other", "exports no function `other`");
    check("bang:tiny:tiny", "bang tiny tiny", "line 1 declares no macro");
    check("bang:tiny:tiny\\n", "bang:tiny:tiny", "a line does not end as lines do");
    check("(@custom", "(func) (start 4) (@custom", "the module has a start function");
    check(".rustc_proc_macro_decls", "other", "the module declares no macros");
}

/// What was stamped is told from what was damaged since.
#[test]
fn damaged_modules() {
    let folder = folder("damaged");
    let good = in_c();
    let canonical = packed(&good, &folder).wasm;
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |n: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % n as u64) as usize
    };
    let mut n_errors = 0;
    for round in 0..500 {
        let mut wasm = good.clone();
        let at = random(wasm.len());
        match round % 5 {
            0 => wasm[at] ^= 1 << random(8),
            1 => wasm.truncate(at),
            2 => drop(wasm.remove(at)),
            3 => wasm.insert(at, random(256) as u8),
            _ => {
                let end = (at + 1 + random(64)).min(wasm.len());
                wasm[at..end].iter_mut().for_each(|byte| *byte = random(256) as u8);
            }
        }
        if wasm == good {
            continue;
        }
        match stamp::read(&wasm) {
            Err(error) => {
                assert_eq!(error.class(), Class::Verify, "{error}");
                assert!(stamp::edit(&wasm, &[], false).is_err());
                n_errors += 1;
            }
            // The seal itself was hit, and is none any more: all that counts is as it was.
            Ok(stamp) => {
                assert!(!stamp.is_sealed, "round {round}");
                assert_eq!(packed(&wasm, &folder).wasm, canonical, "round {round}");
            }
        }
    }
    assert!(n_errors > 480, "{n_errors}");
}

/// A change that was wanted is sealed by whoever wanted it.
#[test]
fn changed_modules() {
    let mut wasm = in_c();
    let at = wasm.windows(14).position(|bytes| bytes == b"nothing to sum").unwrap();
    wasm[at] = b'N';
    let error = stamp::read(&wasm).unwrap_err();
    assert!(error.to_string().contains("changed after it was stamped: its hash is another one"));
    assert!(error.help_text().unwrap().contains("--reseal"));
    let (wasm, macros) = stamp::edit(&wasm, &[], true).unwrap();
    assert_eq!(stamp::read(&wasm).unwrap().macros, macros);
    let mut longer = wasm.clone();
    longer.extend([0, 2, 1, b'x']);
    let error = stamp::read(&longer).unwrap_err().to_string();
    assert!(error.contains("something stands behind its seal"), "{error}");
}
