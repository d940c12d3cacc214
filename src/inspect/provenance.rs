//! The manifest as an in-toto statement with SLSA's provenance as its predicate: who built what, of
//! which inputs. It says nothing that the manifest does not; signing it is the publisher's affair.

use crate::error::Result;
use crate::input;
use crate::manifest::{Manifest, Source};
use serde_json::{json, Value};
use std::path::Path;

pub fn document(path: &Path) -> Result<Value> {
    Ok(of(&input::artifact(path)?.manifest))
}

pub fn of(manifest: &Manifest) -> Value {
    let package = &manifest.package;
    let digest = |sha256: &str| json!({ "sha256": sha256 });
    let subject = |name: &str| {
        let sha256 = manifest.sha256.get(name)?;
        Some(json!({ "name": name, "digest": digest(sha256) }))
    };
    let subjects: Vec<Value> =
        ["module.wasm", "image.bin", "sets.tar"].iter().filter_map(|name| subject(name)).collect();
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subjects,
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": format!("precast pack, manifest schema {}", manifest.schema),
                "externalParameters": {
                    "package": format!("{}@{}", package.name, package.version),
                    "features": manifest.feature_sets().collect::<Vec<_>>(),
                    "capabilities": manifest.capabilities,
                    "limits": manifest.limits,
                    "profile": manifest.profile,
                },
                "internalParameters": {
                    "toolchain": manifest.toolchain,
                    "abi": manifest.abi,
                    "image": manifest.image,
                },
                "resolvedDependencies": dependencies(manifest),
            },
            "runDetails": {
                "builder": {
                    "id": format!("pkg:cargo/precast@{}", manifest.precast),
                    "version": { "recipe": manifest.toolchain.recipe },
                },
            },
        },
    })
}

/// The source, the lock file, and every linked package with its licence.
fn dependencies(manifest: &Manifest) -> Vec<Value> {
    let package = &manifest.package;
    let (Source::Registry { checksum } | Source::Path { checksum }) = &package.source;
    let mut all = vec![
        json!({
            "uri": format!("pkg:cargo/{}@{}", package.name, package.version),
            "digest": { "sha256": checksum },
        }),
        json!({ "name": "Cargo.lock", "digest": { "sha256": manifest.sha256["Cargo.lock"] } }),
        json!({ "name": "source.tar", "digest": { "sha256": manifest.sha256["source.tar"] } }),
    ];
    for linked in &manifest.linked {
        let mut value = json!({ "uri": format!("pkg:cargo/{}@{}", linked.name, linked.version) });
        if let Some(checksum) = &linked.checksum {
            value["digest"] = json!({ "sha256": checksum });
        }
        if let Some(license) = &linked.license {
            value["annotations"] = json!({ "license": license });
        }
        all.push(value);
    }
    all
}
