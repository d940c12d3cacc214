//! Artifact and manifest from any bytes: an error, or what is written back as it was, and a shim
//! whose source is Rust.
#![no_main]

#[allow(dead_code)]
#[path = "../../tests/cli/tiny.rs"]
mod tiny;

use libfuzzer_sys::fuzz_target;
use precast::artifact::manifest;
use precast::artifact::{self, Artifact};
use precast::base::files;
use precast::embed;
use std::sync::OnceLock;

fuzz_target!(|data: &[u8]| {
    let Some((kind, bytes)) = data.split_first() else { return };
    match kind % 3 {
        0 => whole(bytes),
        1 => described(bytes),
        _ => forged(bytes),
    }
});

fn tiny() -> &'static Artifact {
    static TINY: OnceLock<Artifact> = OnceLock::new();
    TINY.get_or_init(tiny::tiny)
}

fn whole(bytes: &[u8]) {
    if let Ok(read) = artifact::read(bytes) {
        let again = artifact::write(&read).expect("what was read can be written");
        assert_eq!(artifact::read(&again).expect("what was written can be read"), read);
        shim(&read);
    }
}

fn described(bytes: &[u8]) {
    if let Ok(found) = manifest::read(bytes) {
        assert_eq!(manifest::write(&found), bytes, "two spellings of one manifest");
        shim(&Artifact { manifest: found, ..tiny().clone() });
    }
}

/// A right digest around any archive of sources.
fn forged(source: &[u8]) {
    let mut members: Vec<(&str, Vec<u8>)> = vec![
        ("manifest.json", manifest::write(&tiny().manifest)),
        ("module.wasm", tiny().wasm.clone()),
        ("image.bin", tiny().image.clone()),
        ("Cargo.lock", tiny().lockfile.clone()),
        ("source.tar.zst", zstd::bulk::compress(source, 1).expect("zstd takes all bytes")),
        ("licenses.tar.zst", zstd::bulk::compress(&[0; 1024], 1).expect("zstd takes all bytes")),
    ];
    let digest = files::sha256(&archive(&members)) + "\n";
    members.push(("digest", digest.into_bytes()));
    whole(&archive(&members));
}

fn archive(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut builder = ar::Builder::new(Vec::new());
    for (name, body) in members {
        let mut header = ar::Header::new(name.as_bytes().to_vec(), body.len() as u64);
        header.set_mode(0o100_644);
        builder.append(&header, body.as_slice()).expect("memory takes all");
    }
    builder.into_inner().expect("memory takes all")
}

/// Whatever the manifest says, the shim's root is Rust with the items of a shim and no others.
fn shim(artifact: &Artifact) {
    // Hashes that a forged manifest leaves out are an error of `artifact::read`.
    if artifact.damaged().is_ok_and(|damaged| !damaged.is_empty()) {
        return;
    }
    let Ok(files) = embed::embed(artifact) else { return };
    let root = std::str::from_utf8(&files["src/lib.rs"]).expect("the root is text");
    let root = syn::parse_file(root).unwrap_or_else(|error| panic!("{error}\n{root}"));
    for item in &root.items {
        let known = match item {
            syn::Item::ExternCrate(item) => item.ident == "proc_macro",
            syn::Item::Mod(item) => item.ident == "precast",
            syn::Item::Static(item) => item.ident == "MODULE",
            syn::Item::Fn(item) => is_macro(item, artifact),
            syn::Item::Macro(item) => {
                let name = item.mac.path.segments.last().expect("a path").ident.to_string();
                ["compile_error", "include", "macro_rules"].contains(&name.as_str())
            }
            _ => false,
        };
        assert!(known, "an item that no shim has: {}", quote::quote!(#item));
    }
}

fn is_macro(item: &syn::ItemFn, artifact: &Artifact) -> bool {
    artifact.manifest.macros.iter().any(|known| item.sig.ident == known.function)
}
