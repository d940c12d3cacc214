//! The smallest artifact that every check accepts: one bang macro, written in wat.

use precast::artifact::manifest::{Capabilities, Kind, Linked, Macro, Manifest, Package};
use precast::artifact::manifest::{Source, Toolchain, SCHEMA};
use precast::artifact::{Artifact, Tree};
use precast::lower;
use precast::runtime::{calls, image};

pub const MODULE: &str = r#"(module
    (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
    (memory (export "memory") 1)
    (func (export "precast_start") (result i32) i32.const 1)
    (func (export "precast_buffer") (param i32) (result i32) i32.const 0)
    (func (export "tiny") (result i32) i32.const 0)
    (@custom ".rustc_proc_macro_decls" "bang:tiny:tiny\n"))"#;

const CARGO: &str = "[package]
name = \"tiny\"
version = \"1.0.0\"
edition = \"2021\"
license = \"MIT\"
description = \"The smallest macro\"
repository = \"https://example.org/tiny\"

[lib]
proc-macro = true

[features]
default = []
more = []

[dependencies]
quote = \"1\"
";

const LOCK: &str = "version = 4\n\n[[package]]\nname = \"tiny\"\nversion = \"1.0.0\"\n";

const ROOT: &str = "//! A tiny macro.
#![forbid(unsafe_code)]

extern crate proc_macro;

/// Expands to nothing.
#[proc_macro]
pub fn tiny(_input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    proc_macro::TokenStream::new()
}
";

fn manifest() -> Manifest {
    Manifest {
        schema: SCHEMA,
        precast: "0.1.0".into(),
        package: Package {
            name: "tiny".into(),
            version: "1.0.0".into(),
            crate_name: "tiny".into(),
            source: Source::Path { checksum: String::new() },
        },
        macros: vec![Macro {
            kind: Kind::Bang,
            name: "tiny".into(),
            function: "tiny".into(),
            helpers: Vec::new(),
            attributes: vec!["#[doc = \" Expands to nothing.\"]".into()],
        }],
        features: vec!["default".into()],
        toolchain: Toolchain {
            rustc: "1.96.0".into(),
            commit: None,
            llvm: None,
            std: "toolchain".into(),
            linker: "LLD 22.1.2".into(),
            recipe: "0123456789abcdef".into(),
            target: "wasm32-wasip1".into(),
            flags: vec!["-Copt-level=3".into()],
        },
        capabilities: Capabilities {
            write: Vec::new(),
            env: vec!["CARGO_*".into()],
            read: vec!["$CARGO_MANIFEST_DIR".into()],
        },
        limits: Default::default(),
        abi: calls::ABI,
        image: image::VERSION,
        sha256: Default::default(),
        linked: vec![Linked {
            name: "tiny".into(),
            version: "1.0.0".into(),
            checksum: None,
            license: Some("MIT".into()),
            features: Vec::new(),
        }],
        sets: Vec::new(),
        profile: Vec::new(),
        environment: Default::default(),
    }
}

pub fn wasm(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

/// An artifact around a module; its image is that of `MODULE` where it cannot be lowered itself.
pub fn with_module(text: &str) -> Artifact {
    let file = |path: &str, text: &str| (path.to_string(), text.as_bytes().to_vec());
    let source = Tree::from([file("Cargo.toml", CARGO), file("src/lib.rs", ROOT)]);
    let licenses = [("tiny-1.0.0/LICENSE", "yours\n"), ("std-1.96.0/NOTICE", "everybody's\n")];
    let licenses = licenses.into_iter().map(|(path, text)| file(path, text)).collect();
    let image = lower::lower(&wasm(text)).unwrap_or_else(|_| lower::lower(&wasm(MODULE)).unwrap());
    let image = lower::compress(&image).unwrap();
    Artifact::new(manifest(), wasm(text), image, LOCK.as_bytes().to_vec(), source, licenses)
        .unwrap()
}

pub fn tiny() -> Artifact {
    with_module(MODULE)
}
