//! Validates a document by docs/manifest.schema.json.

use serde_json::Value;
use std::path::Path;

/// What the validator says, if anything.
pub fn errors(document: &Value) -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/manifest.schema.json");
    let schema: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut compiler = boon::Compiler::new();
    compiler.add_resource("manifest.json", schema).unwrap();
    let mut schemas = boon::Schemas::new();
    let index = compiler.compile("manifest.json", &mut schemas).unwrap();
    let result = schemas.validate(document, index);
    result.err().map(|error| error.to_string())
}
