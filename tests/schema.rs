//! docs/manifest.schema.json is what the manifests are, checked by a validator of JSON schemas; what
//! is made of a manifest for other programs has their form.

#[allow(dead_code)]
#[path = "cli/tiny.rs"]
mod tiny;
#[path = "schema/validate.rs"]
mod validate;

use precast::inspect::{provenance, sbom};
use precast::manifest::{self, Limits, Manifest};
use serde_json::{json, Value};
use validate::errors;

fn value(manifest: &Manifest) -> Value {
    serde_json::from_slice(&manifest::write(manifest)).unwrap()
}

/// A manifest with every optional part.
fn full() -> Manifest {
    let mut manifest = tiny::tiny().manifest;
    manifest.toolchain.commit = Some("0a1b".into());
    manifest.limits = Limits { fuel: Some(7), files: Some(0), ..Limits::default() };
    manifest.profile = vec!["tiny!();".into()];
    manifest.macros[0].helpers = vec!["help".into()];
    manifest.linked[0].checksum = Some("ab".repeat(32));
    manifest.sets = vec![manifest::Set {
        features: Vec::new(),
        macros: manifest.macros.clone(),
        linked: manifest.linked.clone(),
    }];
    manifest
}

#[test]
fn manifests_fit() {
    assert_eq!(errors(&value(&tiny::tiny().manifest)), None);
    assert_eq!(errors(&value(&full())), None);
}

/// Whatever the reader refuses, the schema does, too.
#[test]
fn other_documents_do_not() {
    let good = value(&full());
    let changes: [(&str, Value); 12] = [
        ("/schema", json!(2)),
        ("/abi", json!(0)),
        ("/more", json!(1)),
        ("/package/name", json!("a/../b")),
        ("/package/version", json!("new")),
        ("/package/crate_name", json!("a-b")),
        ("/package/source/kind", json!("git")),
        ("/macros/0/function", json!("tiny() {} fn evil")),
        ("/macros/0/kind", json!("other")),
        ("/limits/fuel", json!(1_000_000_001)),
        ("/sha256/module.wasm", json!("00")),
        ("/linked/0/more", json!(1)),
    ];
    for (path, to) in changes {
        let mut changed = good.clone();
        let (parent, key) = path.rsplit_once('/').unwrap();
        changed.pointer_mut(parent).unwrap()[key] = to;
        assert!(errors(&changed).is_some(), "{path} was accepted");
        let bytes = serde_json::to_vec_pretty(&changed).unwrap();
        let reader = manifest::read(&[&bytes[..], b"\n"].concat());
        assert!(reader.is_err() || path == "/sha256/module.wasm", "{path} was read");
    }
    for key in good.as_object().unwrap().keys() {
        if !["limits", "sets", "profile"].contains(&key.as_str()) {
            let mut changed = good.clone();
            changed.as_object_mut().unwrap().remove(key);
            assert!(errors(&changed).is_some(), "without {key}");
        }
    }
}

#[test]
fn a_bill_of_materials() {
    let document = sbom::of(&full());
    assert_eq!(document["bomFormat"], "CycloneDX");
    let components = document["components"].as_array().unwrap();
    let names: Vec<&str> = components.iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["tiny", "std"]);
    assert_eq!(components[0]["purl"], "pkg:cargo/tiny@1.0.0");
    assert_eq!(components[0]["hashes"][0]["content"], "ab".repeat(32));
    assert_eq!(components[0]["licenses"][0]["expression"], "MIT");
    assert_eq!(document["dependencies"][0]["dependsOn"].as_array().unwrap().len(), 2);
}

#[test]
fn a_statement_of_provenance() {
    let manifest = full();
    let document = provenance::of(&manifest);
    assert_eq!(document["_type"], "https://in-toto.io/Statement/v1");
    let module = &manifest.sha256["module.wasm"];
    assert_eq!(
        document["subject"][0],
        json!({ "name": "module.wasm", "digest": { "sha256": module } })
    );
    let definition = &document["predicate"]["buildDefinition"];
    let inputs = definition["resolvedDependencies"].as_array().unwrap();
    assert_eq!(inputs[1]["digest"]["sha256"], manifest.sha256["Cargo.lock"]);
    assert_eq!(inputs[3]["annotations"]["license"], "MIT");
    assert_eq!(definition["internalParameters"]["toolchain"]["rustc"], "1.96.0");
}
