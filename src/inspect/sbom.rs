//! The bill of materials: what is linked into a module, as CycloneDX 1.5 in JSON.
//!
//! Written here and not by a library, for it is one short document and the schema's own libraries
//! bring an XML writer along. No time and no random serial number: equal artifacts, equal documents.

use crate::error::Result;
use crate::input;
use crate::manifest::{Linked, Manifest, Source};
use serde_json::{json, Value};
use std::path::Path;

pub fn document(path: &Path) -> Result<Value> {
    Ok(of(&input::artifact(path)?.manifest))
}

pub fn of(manifest: &Manifest) -> Value {
    let package = &manifest.package;
    let (Source::Registry { checksum } | Source::Path { checksum }) = &package.source;
    let own = Linked {
        name: package.name.clone(),
        version: package.version.clone(),
        checksum: Some(checksum.clone()),
        license: None,
    };
    let toolchain = &manifest.toolchain;
    let mut components: Vec<Value> = manifest.linked.iter().map(component).collect();
    components.push(json!({
        "type": "library",
        "bom-ref": format!("std-{}", toolchain.rustc),
        "name": "std",
        "version": toolchain.rustc,
        "licenses": [{ "expression": "MIT OR Apache-2.0" }],
    }));
    let depends: Vec<&Value> = components.iter().map(|component| &component["bom-ref"]).collect();
    let tools = [
        ("precast", manifest.precast.as_str()),
        ("rustc", toolchain.rustc.as_str()),
        ("linker", toolchain.linker.as_str()),
    ];
    let tools = tools
        .map(|(name, version)| json!({ "type": "application", "name": name, "version": version }));
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": component(&own), "tools": { "components": tools } },
        "components": components,
        "dependencies": [{ "ref": reference(&own), "dependsOn": depends }],
    })
}

fn reference(linked: &Linked) -> String {
    format!("pkg:cargo/{}@{}", linked.name, linked.version)
}

fn component(linked: &Linked) -> Value {
    let mut component = json!({
        "type": "library",
        "bom-ref": reference(linked),
        "name": linked.name,
        "version": linked.version,
        "purl": reference(linked),
    });
    if let Some(checksum) = &linked.checksum {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
    }
    if let Some(license) = &linked.license {
        // Cargo once took `/` for `OR`.
        let expression = license.replace(" / ", " OR ").replace('/', " OR ");
        component["licenses"] = json!([{ "expression": expression }]);
    }
    component
}
