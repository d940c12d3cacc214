//! The bill of materials: what is linked into a module, as CycloneDX 1.5 in JSON.
//!
//! Written here and not by a library, for it is one short document and the schema's own libraries
//! bring an XML writer along. No time and no random serial number: equal artifacts, equal documents.

use crate::artifact::manifest::{purl, Base, Linked, Manifest, Source};
use crate::base::error::Result;
use crate::embed::input;
use serde_json::{json, Value};
use std::collections::BTreeMap;
use std::path::Path;

pub fn document(path: &Path) -> Result<Value> {
    Ok(of(&input::artifact(path)?.manifest))
}

pub fn of(manifest: &Manifest) -> Value {
    let package = &manifest.package;
    let (Source::Registry { checksum } | Source::Path { checksum } | Source::Module { checksum }) =
        &package.source;
    let is_own = |l: &&Linked| l.name == package.name && l.version == package.version;
    let license = manifest.linked.iter().find(is_own).and_then(|own| own.license.clone());
    let (name, version) = (package.name.clone(), package.version.clone());
    let own =
        Linked { name, version, checksum: Some(checksum.clone()), license, features: Vec::new() };
    // Each once, whichever feature sets it is linked into.
    let more = manifest.sets.iter().flat_map(|set| &set.linked);
    let linked = manifest.linked.iter().chain(more).filter(|linked| !is_own(linked));
    let linked: BTreeMap<String, Value> =
        linked.map(|linked| (reference(linked), component(linked))).collect();
    let mut components: Vec<Value> = linked.into_values().collect();
    components.extend(manifest.base().into_iter().map(base));
    let depends: Vec<&Value> = components.iter().map(|component| &component["bom-ref"]).collect();
    let toolchain = &manifest.toolchain;
    let mut tools = vec![("precast", manifest.precast.as_str())];
    if !toolchain.is_unknown() {
        tools.push(("rustc", &toolchain.rustc));
        tools.push(("linker", &toolchain.linker));
    }
    let tool = |(name, version)| json!({ "type": "application", "name": name, "version": version });
    let tools: Vec<Value> = tools.into_iter().map(tool).collect();
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": component(&own), "tools": { "components": tools } },
        "components": components,
        "dependencies": [{ "ref": reference(&own), "dependsOn": depends }],
    })
}

fn base(base: Base) -> Value {
    let mut component = json!({
        "type": "library",
        "bom-ref": base.uri,
        "name": base.name,
        "purl": base.uri,
        "licenses": [{ "expression": base.license }],
    });
    if let Some(version) = base.version {
        component["version"] = version.into();
    }
    if let Some(sha256) = base.sha256 {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": sha256 }]);
    }
    component
}

fn reference(linked: &Linked) -> String {
    purl(&linked.name, &linked.version)
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
