//! Each limit that a macro exceeds is a compile error at its call site which names the limit; the
//! package may lower it, the consumer may raise it.

#[allow(dead_code)]
#[path = "cli/tiny.rs"]
mod tiny;

use precast::artifact::manifest::{Limits, Macro};
use precast::artifact::Artifact;
use precast::embed;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Every macro needs between one and two times what it may use; the result is a row of semicolons.
const MODULE: &str = r#"(module
    (import "wasi_snapshot_preview1" "path_open" (func $open
        (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 512) ".")
    (func (export "precast_start") (result i32) i32.const 1)
    (func (export "precast_buffer") (param i32) (result i32) i32.const 1024)
    (func $output (param $n i32) (result i32) (local $at i32)
        (i32.store (i32.const 8192) (i32.const 12288))
        (i32.store (i32.const 8196) (local.get $n))
        (i32.store (i32.const 8200) (i32.load (i32.const 1028)))
        (local.set $at (i32.const 12288))
        (loop $next
            (i32.store (local.get $at) (i32.const 0x3b02))
            (i32.store offset=8 (local.get $at) (i32.shl (i32.load (i32.const 1028)) (i32.const 2)))
            (local.set $at (i32.add (local.get $at) (i32.const 16)))
            (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (i32.const 8192))
    (func (export "fuel") (result i32) (local $i i32)
        (loop $again
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $i) (i32.const 2000))))
        (call $output (i32.const 1)))
    (func $deeper (param i32)
        (if (local.get 0) (then (call $deeper (i32.sub (local.get 0) (i32.const 1))))))
    (func (export "depth") (result i32)
        (call $deeper (i32.const 200))
        (call $output (i32.const 1)))
    (func (export "memory_") (result i32)
        (drop (memory.grow (i32.const 20)))
        (call $output (i32.const 1)))
    (func (export "tokens") (result i32) (call $output (i32.const 200)))
    (func (export "files") (result i32) (local $i i32)
        (loop $again
            (if (call $open (i32.const 3) (i32.const 0) (i32.const 512) (i32.const 1) (i32.const 0)
                    (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 600))
                (then unreachable))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $i) (i32.const 10))))
        (call $output (i32.const 1))))"#;

const MACROS: [&str; 5] = ["fuel", "depth", "memory_", "tokens", "files"];

fn artifact(limits: Limits) -> Artifact {
    let Artifact { mut manifest, wasm, image, lockfile, source, licenses, .. } =
        tiny::with_module(MODULE);
    let first = manifest.macros.remove(0);
    manifest.macros = MACROS
        .map(|name| Macro { name: name.into(), function: name.into(), ..first.clone() })
        .to_vec();
    manifest.limits = limits;
    Artifact::new(manifest, wasm, image, lockfile, source, licenses).unwrap()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("limits")
}

/// What is compiled for one tier is below a folder of the cfg's name.
fn rustc(cfg: &str) -> Command {
    let mut rustc = Command::new("rustc");
    rustc.current_dir(folder()).env("CARGO_MANIFEST_DIR", folder()).env_remove("PRECAST_LIMITS");
    rustc.args(["--edition", "2021", "--cfg", cfg, "-L", cfg, "--out-dir", cfg]);
    rustc
}

/// The shim compiled for one tier, and a consumer of each macro.
fn shim(cfg: &'static str) {
    static WRITTEN: OnceLock<()> = OnceLock::new();
    WRITTEN.get_or_init(|| {
        let _ = fs::remove_dir_all(folder());
        let limits = Limits {
            memory: Some(1 << 20),
            fuel: Some(1500),
            depth: Some(150),
            tokens: Some(150),
            files: Some(8),
        };
        let files = embed::embed(&artifact(limits)).unwrap();
        embed::write_dir(&files, &folder().join("shim")).unwrap();
        for name in MACROS {
            let text = format!("fn main() {{\n    tiny::{name}! {{}}\n}}\n");
            fs::write(folder().join(format!("{name}.rs")), text).unwrap();
        }
    });
    let mut rustc = rustc(cfg);
    rustc.args(["--crate-type", "proc-macro", "--crate-name", "tiny", "shim/src/lib.rs"]);
    let output = rustc.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Expands one macro; what rustc says.
fn expand(cfg: &str, name: &str, factor: Option<&str>) -> (bool, String) {
    let mut rustc = rustc(cfg);
    rustc.args(["--emit", "metadata", "--extern", "tiny"]).arg(format!("{name}.rs"));
    rustc.envs(factor.map(|factor| ("PRECAST_LIMITS", factor)));
    let output = rustc.output().unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

fn check(cfg: &'static str) {
    shim(cfg);
    for name in MACROS {
        let (done, text) = expand(cfg, name, None);
        let limit = format!("its limit `{}`", name.trim_end_matches('_'));
        assert!(!done && text.contains(&limit), "{name}: {text}");
        assert!(text.contains("error: tiny 1.0.0: the macro"), "{text}");
        assert!(text.contains("; PRECAST_LIMITS=2 in the environment doubles it"), "{text}");
        assert!(text.contains(&format!("--> {name}.rs:2:5")), "{name}: {text}");
        let (done, text) = expand(cfg, name, Some("2"));
        assert!(done, "{name} with twice the limits: {text}");
    }
    for factor in ["0", "-1", "much"] {
        let (done, text) = expand(cfg, "fuel", Some(factor));
        assert!(!done && text.contains("PRECAST_LIMITS is no whole number above 0"), "{text}");
    }
}

#[test]
fn each_limit_is_an_error_at_the_call_site() {
    check("any_tier");
    check("precast_portable");
}

#[test]
fn an_artifact_cannot_raise_a_limit() {
    let mut raised = artifact(Limits::default());
    raised.manifest.limits.fuel = Some(1_000_000_001);
    let error = raised.manifest.check().unwrap_err().to_string();
    assert!(error.contains("the limit `fuel` is above 1000000000"), "{error}");
}
