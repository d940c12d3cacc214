//! Validates a bill of materials by CycloneDX's own schema, which is published under Apache-2.0; the
//! files in cyclonedx/ are as cyclonedx-python-lib distributes them.

use serde_json::Value;
use std::path::Path;

/// What the validator says, if anything.
pub fn errors(document: &Value) -> Option<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schema/cyclonedx");
    let mut compiler = boon::Compiler::new();
    // By the addresses under which they name each other.
    for (address, name) in
        [("bom-1.5", "bom-1.5"), ("spdx.SNAPSHOT", "spdx"), ("jsf-0.82.SNAPSHOT", "jsf-0.82")]
    {
        let file = folder.join(format!("{name}.SNAPSHOT.schema.json"));
        let schema: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let address = format!("http://cyclonedx.org/schema/{address}.schema.json");
        compiler.add_resource(&address, schema).unwrap();
    }
    let mut schemas = boon::Schemas::new();
    let root = "http://cyclonedx.org/schema/bom-1.5.schema.json";
    let index = compiler.compile(root, &mut schemas).unwrap_or_else(|error| panic!("{error:#}"));
    let result = schemas.validate(document, index);
    result.err().map(|error| error.to_string())
}
