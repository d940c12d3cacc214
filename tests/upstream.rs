//! rustc's own macros in wasm (docs/upstream.md): what `inspect` says of one, and what the compilers here do
//! with the flag today. When that changes, this test says so.

use precast::inspect::{self, Found};
use std::path::Path;
use std::process::{Command, Output};

/// A compiler with its unstable options.
fn rustc(toolchain: Option<&str>, arguments: &[&str]) -> Output {
    let mut rustc = Command::new("rustc");
    rustc.args(toolchain).args(arguments).env("RUSTC_BOOTSTRAP", "1");
    rustc.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The active compiler, and the nightly one where it is installed.
fn compilers() -> Vec<Option<&'static str>> {
    let nightly = rustc(Some("+nightly"), &["-V"]);
    let has_nightly = nightly.status.success() && text(&nightly.stdout).contains("nightly");
    [None].into_iter().chain(has_nightly.then_some(Some("+nightly"))).collect()
}

#[test]
fn what_the_flag_does_today() {
    for toolchain in compilers() {
        let help = rustc(toolchain, &["-Zhelp"]);
        assert!(help.status.success());
        let asked = ["--print=wasm-proc-macro-tuple", "-Zunstable-options"];
        let answer = rustc(toolchain, &asked);
        if text(&help.stdout).contains("wasm-proc-macros") {
            // There is a flag, and no macro is loaded by it.
            assert_eq!(
                text(&answer.stdout),
                "wasm32-wasip2\n",
                "docs/upstream.md names another target"
            );
            let module =
                Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/foreign/macros-c.wasm");
            let module = format!("--extern=m={}", module.display());
            let user = Path::new(env!("CARGO_TARGET_TMPDIR")).join("user.rs");
            std::fs::write(&user, "pub const THREE: i32 = m::sum!(1 2);\n").unwrap();
            let user = user.display().to_string();
            let known = ["--edition=2021", "--crate-type=lib", "--emit=metadata"];
            let out = format!("--out-dir={}", env!("CARGO_TARGET_TMPDIR"));
            let words = [&known[..], &["-Zwasm-proc-macros", &module, &user, &out]].concat();
            let loaded = rustc(toolchain, &words);
            assert!(
                !loaded.status.success(),
                "rustc loads modules: docs/upstream.md says it does not"
            );
        } else {
            let refused = rustc(toolchain, &["-Zwasm-proc-macros", "--print=sysroot"]);
            assert!(text(&refused.stderr).contains("unknown unstable option"), "{refused:?}");
            assert!(!answer.status.success());
        }
    }
}

/// A module with the metadata that rustc puts into a macro's library.
#[test]
fn inspect_knows_them() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("upstream");
    std::fs::create_dir_all(&folder).unwrap();
    let source = folder.join("some.rs");
    let code =
        "extern crate proc_macro;\n#[proc_macro]\npub fn some(t: proc_macro::TokenStream) -> \
        proc_macro::TokenStream { t }\n";
    std::fs::write(&source, code).unwrap();
    let mut compiler = Command::new("rustc");
    compiler.current_dir(&folder).args(["--crate-type=proc-macro", "--emit=metadata", "some.rs"]);
    assert!(compiler.status().unwrap().success());
    let metadata = std::fs::read(folder.join("libsome.rmeta")).unwrap();
    let mut section = metadata[..8].to_vec();
    section.extend((metadata.len() as u64).to_le_bytes());
    section.extend(&metadata);
    let mut module = wasm_encoder::Module::new();
    let custom = wasm_encoder::CustomSection { name: ".rustc".into(), data: (&section).into() };
    module.section(&custom);
    let file = folder.join("some.wasm");
    std::fs::write(&file, module.finish()).unwrap();

    let version = text(&rustc(None, &["-V"]).stdout).trim().to_owned();
    let read = |active: &str| match inspect::any(&file, Some(active)).unwrap() {
        found @ Found::Wasm(_) => (found.to_string(), serde_json::to_value(&found).unwrap()),
        _ => panic!("it is wasm"),
    };
    let (shown, value) = read(&version);
    assert_eq!(value["upstream"]["rustc"], version.as_str());
    assert_eq!(value["upstream"]["form"], "module");
    assert_eq!(value["upstream"]["is_of_another"], false);
    assert!(shown.contains("that rustc alone: docs/upstream.md"), "{shown}");
    let (shown, value) = read("rustc 1.0.0");
    assert_eq!(value["upstream"]["is_of_another"], true);
    assert!(shown.contains("not the active one"), "{shown}");

    // A component holds its module inside.
    let mut component = wasm_encoder::Component::new();
    component.section(&custom);
    std::fs::write(&file, component.finish()).unwrap();
    let (shown, value) = read(&version);
    assert_eq!(value["upstream"]["form"], "component");
    assert!(shown.contains("it is a component, not a module"), "{shown}");
    // One of ours is none of theirs.
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/foreign/macros-c.wasm");
    let value = serde_json::to_value(inspect::any(&ours, None).unwrap()).unwrap();
    assert!(value.get("upstream").is_none());
}
