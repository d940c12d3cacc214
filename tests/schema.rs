//! docs/manifest.schema.json is what the manifests are, checked by a validator of JSON schemas; what
//! is made of a manifest for other programs has their form.

#[path = "schema/cyclonedx.rs"]
mod cyclonedx;
#[allow(dead_code)]
#[path = "cli/tiny.rs"]
mod tiny;
#[path = "schema/validate.rs"]
mod validate;

use precast::artifact::manifest::{self, Limits, Manifest, Source};
use precast::inspect::sbom;
use serde_json::{json, Value};
use std::collections::BTreeSet;
use validate::errors;

fn value(manifest: &Manifest) -> Value {
    serde_json::from_slice(&manifest::write(manifest)).unwrap()
}

/// A manifest with every optional part.
fn full() -> Manifest {
    let mut manifest = tiny::tiny().manifest;
    manifest.toolchain.commit = Some("0a1b".into());
    manifest.toolchain.llvm = Some("22.1.2".into());
    manifest.limits = Limits { fuel: Some(7), files: Some(0), ..Limits::default() };
    manifest.environment =
        [("ONE".into(), Some("1".into())), ("TWO".into(), None)].into_iter().collect();
    manifest.profile = vec!["tiny!();".into()];
    manifest.macros[0].helpers = vec!["help".into()];
    manifest.linked[0].checksum = Some("ab".repeat(32));
    manifest.sets = vec![manifest::Set {
        features: Vec::new(),
        macros: manifest.macros.clone(),
        linked: manifest.linked.clone(),
    }];
    manifest.sha256.insert("sets.tar".into(), "ef".repeat(32));
    manifest
}

#[test]
fn manifests_fit() {
    assert_eq!(errors(&value(&tiny::tiny().manifest)), None);
    assert_eq!(errors(&value(&full())), None);
}

#[test]
fn every_part_is_read_again() {
    for manifest in [tiny::tiny().manifest, full()] {
        assert_eq!(manifest::read(&manifest::write(&manifest)).unwrap(), manifest);
    }
    let mut published = full();
    published.package.version = "1.0.0+later".into();
    published.package.source = Source::Registry { checksum: "cd".repeat(32) };
    published.linked[0].license = None;
    let value = value(&published);
    assert_eq!(errors(&value), None);
    let uri = &value["predicate"]["buildDefinition"]["resolvedDependencies"][0]["uri"];
    assert_eq!(uri, "pkg:cargo/tiny@1.0.0%2Blater");
    assert_eq!(manifest::read(&manifest::write(&published)).unwrap(), published);
}

/// A module that was built elsewhere has no source, and nothing is known of its toolchain.
#[test]
fn modules_of_others() {
    let mut manifest = full();
    manifest.package.source = Source::Module { checksum: "cd".repeat(32) };
    assert!(manifest::read(&manifest::write(&manifest)).is_err(), "with a toolchain");
    manifest.toolchain = Default::default();
    assert_eq!(manifest::read(&manifest::write(&manifest)).unwrap(), manifest);
    let good = value(&manifest);
    assert_eq!(errors(&good), None);
    let definition = "/predicate/buildDefinition";
    assert_eq!(good.pointer(&format!("{definition}/internalParameters/toolchain")), None);
    let given = &good.pointer(&format!("{definition}/resolvedDependencies/0")).unwrap();
    assert_eq!(**given, json!({ "name": "module", "digest": { "sha256": "cd".repeat(32) } }));
    // Whoever leaves that out has to tell the toolchain.
    let mut other = good.clone();
    let dependencies = other.pointer_mut(&format!("{definition}/resolvedDependencies")).unwrap();
    dependencies.as_array_mut().unwrap().remove(0);
    assert!(errors(&other).is_some());
    assert_eq!(cyclonedx::errors(&sbom::of(&manifest)), None);
    manifest.package.source = Source::Path { checksum: "00".into() };
    assert!(manifest::read(&manifest::write(&manifest)).is_err(), "without a toolchain");
}

/// Whatever the reader refuses, the schema does, too.
#[test]
fn other_documents_do_not() {
    let good = value(&full());
    let [definition, made] = ["/predicate/buildDefinition", "/subject/0/annotations"];
    let changes: [(String, Value); 18] = [
        ("/_type".into(), json!("https://in-toto.io/Statement/v2")),
        ("/predicateType".into(), json!("other")),
        ("/more".into(), json!(1)),
        ("/subject/0/name".into(), json!("other.wasm")),
        ("/subject/0/digest/sha512".into(), json!("00")),
        ("/subject/0/digest/sha256".into(), json!("00")),
        (format!("{made}/macros/0/function"), json!("tiny() {} fn evil")),
        (format!("{made}/macros/0/kind"), json!("other")),
        (format!("{made}/crate_name"), json!("a-b")),
        (format!("{definition}/buildType"), json!("other")),
        (format!("{definition}/internalParameters/schema"), json!(1)),
        (format!("{definition}/internalParameters/abi"), json!(0)),
        (format!("{definition}/externalParameters/package/name"), json!("a/../b")),
        (format!("{definition}/externalParameters/package/version"), json!("new")),
        (format!("{definition}/externalParameters/limits/fuel"), json!(1_000_000_001)),
        (format!("{definition}/resolvedDependencies/2/uri"), json!("git:tiny")),
        (format!("{definition}/resolvedDependencies/2/more"), json!(1)),
        ("/predicate/runDetails/builder/id".into(), json!("pkg:cargo/other@0.1.0")),
    ];
    for (path, to) in changes {
        let mut changed = good.clone();
        let (parent, key) = path.rsplit_once('/').unwrap();
        match changed.pointer_mut(parent).unwrap_or_else(|| panic!("there is no {path}")) {
            Value::Array(items) => items[key.parse::<usize>().unwrap()] = to,
            parent => parent[key] = to,
        }
        assert!(errors(&changed).is_some(), "{path} was accepted");
        // The hashes themselves are compared with the parts.
        let same = path.ends_with("digest/sha256");
        assert!(manifest::read(&spelled(&good, &changed)).is_err() != same, "{path} was read");
    }
}

/// The manifest's text with the one value that differs.
fn spelled(good: &Value, changed: &Value) -> Vec<u8> {
    let text = String::from_utf8(manifest::write(&full())).unwrap();
    let lines = |value: &Value| {
        let text = serde_json::to_string_pretty(value).unwrap();
        text.lines().map(|line| line.trim().trim_end_matches(',').to_owned()).collect::<Vec<_>>()
    };
    let (good, changed) = (lines(good), lines(changed));
    let at = good.iter().zip(&changed).position(|(a, b)| a != b).unwrap();
    let (old, new) = (&good[at], &changed[at]);
    let new = if good.len() == changed.len() { new.clone() } else { format!("{new},{old}") };
    assert!(text.contains(old.as_str()), "{old} is not in {text}");
    text.replacen(old.as_str(), &new, 1).into_bytes()
}

#[test]
fn nothing_can_be_left_out() {
    let good = value(&full());
    let mut paths = Vec::new();
    keys(&good, String::new(), &mut paths);
    let optional = ["limits", "fuel", "files", "sets", "profile", "helpers", "attributes"];
    let optional = [&optional[..], &["environment", "ONE", "TWO"]].concat();
    let optional =
        [&optional[..], &["commit", "llvm", "digest", "annotations", "license", "set"]].concat();
    for path in paths {
        let (parent, key) = path.rsplit_once('/').unwrap();
        // What is optional of a package is not of a part.
        if optional.contains(&key) && !path.starts_with("/subject") {
            continue;
        }
        if ["helpers", "attributes"].contains(&key) {
            continue;
        }
        let mut changed = good.clone();
        changed.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key);
        assert!(errors(&changed).is_some(), "without {path}");
    }
}

/// Where every key of every object is.
fn keys(value: &Value, at: String, paths: &mut Vec<String>) {
    for (key, value) in value.as_object().into_iter().flatten() {
        paths.push(format!("{at}/{key}"));
        keys(value, format!("{at}/{key}"), paths);
    }
    for (index, value) in value.as_array().into_iter().flatten().enumerate() {
        keys(value, format!("{at}/{index}"), paths);
    }
}

#[test]
fn a_bill_of_materials() {
    let mut manifest = full();
    let quote = |version: &str| manifest::Linked {
        name: "quote".into(),
        version: version.into(),
        checksum: Some("cd".repeat(32)),
        license: Some("MIT/Apache-2.0".into()),
        features: vec!["proc-macro".into()],
    };
    manifest.linked.push(quote("1.0.1"));
    manifest.sets[0].linked = vec![quote("1.0.1"), quote("2.0.0")];
    let document = sbom::of(&manifest);
    assert_eq!(cyclonedx::errors(&document), None);
    let own = &document["metadata"]["component"];
    assert_eq!(own["purl"], "pkg:cargo/tiny@1.0.0");
    assert_eq!(own["licenses"][0]["expression"], "MIT");
    // Each package once, of all feature sets, and what is linked into every module.
    let components = document["components"].as_array().unwrap();
    let names: Vec<&str> = components.iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["quote", "quote", "proc_macro", "std", "wasi-libc"]);
    assert_eq!(components[0]["purl"], "pkg:cargo/quote@1.0.1");
    assert_eq!(components[0]["hashes"][0]["content"], "cd".repeat(32));
    assert_eq!(components[0]["licenses"][0]["expression"], "MIT OR Apache-2.0");
    let references: BTreeSet<&str> =
        components.iter().chain([own]).map(|c| c["bom-ref"].as_str().unwrap()).collect();
    assert_eq!(references.len(), 6, "two components have one reference");
    assert_eq!(document["dependencies"][0]["dependsOn"].as_array().unwrap().len(), 5);
}

/// A schema that takes anything would show nothing.
#[test]
fn other_bills_are_none() {
    let good = sbom::of(&full());
    for (path, to) in [
        ("/bomFormat", json!("Other")),
        ("/components/0/type", json!("macro")),
        ("/components/0/more", json!(1)),
        ("/metadata/component/hashes/0/content", json!("00")),
        ("/metadata/component/licenses/0", json!({ "expression": 1 })),
    ] {
        let mut changed = good.clone();
        let (parent, key) = path.rsplit_once('/').unwrap();
        let parent = changed.pointer_mut(parent).unwrap();
        match parent.as_array_mut() {
            Some(items) => items[key.parse::<usize>().unwrap()] = to,
            None => parent[key] = to,
        }
        assert!(cyclonedx::errors(&changed).is_some(), "{path} was accepted");
    }
}

/// As tools that look for advisories read it.
#[test]
fn the_lock_file_of_a_shim_is_one() {
    let files = precast::embed::embed(&tiny::tiny()).unwrap();
    let text = std::str::from_utf8(&files["precast/Cargo.lock"]).unwrap();
    let lock: cargo_lock::Lockfile = text.parse().unwrap();
    let packages: Vec<String> =
        lock.packages.iter().map(|p| format!("{} {}", p.name, p.version)).collect();
    assert_eq!(packages, ["tiny 1.0.0"]);
}

/// What a reader of such statements looks for, where it looks for it.
#[test]
fn a_statement_of_provenance() {
    let manifest = full();
    let document = value(&manifest);
    assert_eq!(document["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(document["predicateType"], "https://slsa.dev/provenance/v1");
    let subject = document["subject"].as_array().unwrap();
    let names: Vec<&Value> = subject.iter().map(|made| &made["name"]).collect();
    assert_eq!(names, ["module.wasm", "image.bin", "sets.tar"]);
    for made in subject {
        let name = made["name"].as_str().unwrap();
        assert_eq!(made["digest"], json!({ "sha256": manifest.sha256[name] }));
    }
    let definition = &document["predicate"]["buildDefinition"];
    let inputs = definition["resolvedDependencies"].as_array().unwrap();
    assert_eq!(inputs[1]["digest"]["sha256"], manifest.sha256["Cargo.lock"]);
    assert_eq!(inputs[2]["uri"], "pkg:cargo/tiny@1.0.0");
    assert_eq!(inputs[2]["annotations"]["license"], "MIT");
    assert_eq!(inputs[3]["annotations"]["set"], 2);
    let internal = &definition["internalParameters"];
    assert_eq!(internal["toolchain"]["rustc"], "1.96.0");
    assert_eq!(internal["toolchain"]["flags"][0], "-Copt-level=3");
    assert_eq!((&internal["abi"], &internal["image"]), (&json!(1), &json!(1)));
    assert_eq!(definition["externalParameters"]["capabilities"]["env"], json!(["CARGO_*"]));
}
