//! A manifest as text: one encoding, which is read back byte for byte.

use super::statement::Statement;
use super::{Capabilities, Manifest, SCHEMA};
use crate::base::error::{Class, Context, Error, Result};
use crate::base::files::sha256;
use crate::runtime::calls;
use serde_json::Value;

/// The hash that a policy names.
pub fn identity(manifest: &Manifest) -> String {
    sha256(&write(manifest))
}

/// The one encoding of a manifest.
pub fn write(manifest: &Manifest) -> Vec<u8> {
    let statement = Statement::of(manifest);
    let mut bytes =
        serde_json::to_vec_pretty(&statement).expect("a statement has only string keys");
    bytes.push(b'\n');
    bytes
}

/// Capabilities as a file of their own.
pub(crate) fn text_of(capabilities: &Capabilities) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(capabilities).expect("only lists of texts");
    bytes.push(b'\n');
    bytes
}

/// Reads what [`write`] makes; another schema or any other spelling is an error.
pub fn read(bytes: &[u8]) -> Result<Manifest> {
    let value: Value = serde_json::from_slice(bytes).class(Class::Verify, "not a manifest")?;
    // Schema 1 was no statement.
    let place = ["/predicate/buildDefinition/internalParameters/schema", "/schema"];
    let schema = place.iter().find_map(|place| value.pointer(place)?.as_u64());
    let schema = schema.ok_or_else(|| Error::new(Class::Verify, "not a manifest: no schema"))?;
    check_version("manifest schema", schema, SCHEMA)?;
    let statement: Statement =
        serde_json::from_slice(bytes).class(Class::Verify, "not a manifest")?;
    let manifest = statement.manifest()?;
    check_version("token ABI", manifest.abi.into(), calls::ABI)?;
    manifest.check()?;
    if write(&manifest) != bytes {
        return Err(Error::new(Class::Verify, "the manifest is not in its canonical encoding"));
    }
    Ok(manifest)
}

fn check_version(what: &str, found: u64, known: u32) -> Result<()> {
    let known = u64::from(known);
    if found == known {
        return Ok(());
    }
    let message = format!("{what} {found} is unknown; this precast knows {known}");
    let help = if found > known { "install a newer precast" } else { "pack the crate again" };
    Err(Error::new(Class::Verify, message).help(help))
}
