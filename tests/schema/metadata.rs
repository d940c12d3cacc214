//! Validates what `cargo precast metadata` prints by docs/metadata.schema.json.

use serde_json::{json, Value};
use std::path::Path;

/// What the validator says, if anything. Programs accept fields that the schema has not; here they are errors, so that
/// each is written down.
pub fn errors(document: &Value) -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metadata.schema.json");
    let mut schema: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    close(&mut schema);
    let mut compiler = boon::Compiler::new();
    compiler.add_resource("metadata.json", schema).unwrap();
    let mut schemas = boon::Schemas::new();
    let index = compiler.compile("metadata.json", &mut schemas).unwrap();
    let result = schemas.validate(document, index);
    result.err().map(|error| error.to_string())
}

fn close(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.values_mut().for_each(close);
            if fields.get("properties").is_some_and(|all| all.is_object()) {
                fields.insert("additionalProperties".into(), json!(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}
