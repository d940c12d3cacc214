//! The command line: every file in `tests/cli/` with a `$ command` and what it prints.
//!
//! `TRYCMD=overwrite cargo test --test cli` writes what is printed now into the files.

#[path = "cli/tiny.rs"]
mod tiny;

use precast::{artifact, embed};
use std::fs;
use std::path::Path;

/// The directory in which all commands run, with one artifact or shim for each kind of damage.
fn prepare(dir: &Path) {
    let _ = fs::remove_dir_all(dir);
    fs::create_dir_all(dir).unwrap();
    let bytes = artifact::write(&tiny::tiny()).unwrap();
    fs::write(dir.join("tiny.precast"), &bytes).unwrap();
    fs::write(dir.join("cut.precast"), &bytes[..bytes.len() - 100]).unwrap();
    let mut flipped = bytes.clone();
    let at = flipped.windows(4).position(|window| window == b"\0asm").unwrap();
    flipped[at + 20] ^= 1;
    fs::write(dir.join("flipped.precast"), flipped).unwrap();

    let module = tiny::MODULE.replace("proc_exit\" (func (param i32))", "sock_open\" (func)");
    let module = module.replace("export \"tiny\"", "export \"other\"");
    let forged = artifact::write(&tiny::with_module(&module)).unwrap();
    fs::write(dir.join("forged.precast"), forged).unwrap();

    let mut other = tiny::with_module(&module);
    other.wasm = tiny::wasm(tiny::MODULE);
    other.image[12] ^= 1;
    other.manifest.sha256 = other.hashes().unwrap();
    fs::write(dir.join("image.precast"), artifact::write(&other).unwrap()).unwrap();
    other.wasm[9] = 0x7f;
    other.manifest.sha256 = other.hashes().unwrap();
    other.manifest.precast = "9.9.9".into();
    fs::write(dir.join("invalid.precast"), artifact::write(&other).unwrap()).unwrap();

    // Custom sections that do not say one thing.
    let table = "(@custom \".rustc_proc_macro_decls\" \"bang:tiny:tiny\\n\")";
    let another = "(@custom \".rustc_proc_macro_decls\" \"bang:other:tiny\\n\")";
    let doubled = tiny::MODULE.replace(table, &format!("{table} {another}"));
    let malformed = tiny::MODULE.replace(table, &table.replace("bang:tiny", "bang tiny"));
    for (name, module) in [("tiny", tiny::MODULE), ("doubled", &doubled), ("malformed", &malformed)]
    {
        fs::write(dir.join(format!("{name}.wasm")), tiny::wasm(module)).unwrap();
        let artifact = artifact::write(&tiny::with_module(module)).unwrap();
        fs::write(dir.join(format!("{name}-sections.precast")), artifact).unwrap();
    }
    let mut licenses = tiny::tiny();
    let linked = |name: &str, checksum: &str| precast::artifact::manifest::Linked {
        name: name.into(),
        version: "1.0.0".into(),
        checksum: Some(checksum.repeat(64)),
        license: Some("MIT".into()),
        features: Vec::new(),
    };
    licenses.manifest.linked.extend([linked("quote", "a"), linked("unlocked", "b")]);
    let entry = "\n[[package]]\nname = \"quote\"\nversion = \"1.0.0\"\nchecksum = ";
    licenses.lockfile.extend(format!("{entry}\"{}\"\n", "a".repeat(64)).bytes());
    licenses.licenses.remove("std-1.96.0/NOTICE");
    licenses.licenses.insert("unlocked-1.0.1/LICENSE".into(), b"another\n".to_vec());
    licenses.manifest.sha256 = licenses.hashes().unwrap();
    fs::write(dir.join("licenses.precast"), artifact::write(&licenses).unwrap()).unwrap();
    // A package's source, with a link to a directory in it.
    fs::create_dir_all(dir.join("source/src")).unwrap();
    fs::write(dir.join("source/Cargo.toml"), "[package]\nname = \"source\"\n").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("src", dir.join("source/linked")).unwrap();

    let body = "(func (export \"tiny\") (result i32) i32.const 0)";
    let import = "(memory (export \"memory\") 1)";
    let text = "(data (i32.const 4096) \"no `S` today\")";
    let module = tiny::MODULE.replace(body, &body.replace("i32.const 0", "unreachable"));
    fs::write(dir.join("trap.precast"), artifact::write(&tiny::with_module(&module)).unwrap())
        .unwrap();
    let panic = "(import \"precast\" \"panic\" (func $panic (param i32 i32)))";
    let call = "(call $panic (i32.const 4096) (i32.const 12)) unreachable";
    let module =
        tiny::MODULE.replace(body, &format!("{text} {}", body.replace("i32.const 0", call)));
    let module = module.replace(import, &format!("{panic} {import}"));
    fs::write(dir.join("panic.precast"), artifact::write(&tiny::with_module(&module)).unwrap())
        .unwrap();

    let files = embed::embed(&tiny::tiny()).unwrap();
    embed::write_dir(&files, &dir.join("tiny-1.0.0")).unwrap();
    let changed = dir.join("changed-1.0.0");
    embed::write_dir(&files, &changed).unwrap();
    fs::write(changed.join("build.rs"), "fn main() {}\n").unwrap();
    fs::write(changed.join("Cargo.lock"), "version = 4\n").unwrap();
    fs::remove_file(changed.join("source/src/lib.precast.rs")).unwrap();
    let root = fs::read_to_string(changed.join("src/lib.rs")).unwrap();
    fs::write(changed.join("src/lib.rs"), root.replace("\"CARGO_*\"", "\"*\"")).unwrap();
    fs::write(dir.join("item.rs"), "struct S;\n").unwrap();
    fs::write(dir.join("broken.rs"), "struct S {\n").unwrap();
    fs::create_dir_all(dir.join("taken/tiny-1.0.0")).unwrap();
    fs::write(dir.join("taken/tiny-1.0.0/thesis.txt"), "years of work").unwrap();
}

#[test]
fn cli() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli");
    prepare(&dir);
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli");
    std::env::set_current_dir(&dir).unwrap();
    trycmd::TestCases::new()
        .env("NO_COLOR", "1")
        .env("COLUMNS", "100")
        .case(cases.join("*.trycmd"))
        .run();
}
