//! Variables in the environment of a crate's compiler: those that cargo and a build script set for this crate
//! alone, and ours.

use std::path::PathBuf;

/// The variable that only we set: what we wrote is of no use to a cargo that runs without us.
pub const LAZY: &str = "PRECAST_LAZY";

/// Its value where the user has no wrapper.
pub const ON: &str = "1";

/// Names rustdoc, where that is not found by its name.
pub const RUSTDOC: &str = "PRECAST_RUSTDOC";

/// Files for what a build script said, beside its `out`, in older and newer layouts of a target directory.
const SAID: [&str; 2] = ["output", "run/stdout"];

/// Variables of cargo's for the crate that is compiled; all others are the same for every crate.
const OWN: [&str; 6] = [
    "CARGO_PKG_",
    "CARGO_MANIFEST_",
    "CARGO_CRATE_NAME",
    "CARGO_BIN_",
    "CARGO_PRIMARY_PACKAGE",
    "OUT_DIR",
];

pub fn is_own(name: &str) -> bool {
    OWN.iter().any(|start| name.starts_with(start))
}

/// Names of variables that the build script has set for this crate.
pub fn variables() -> Vec<String> {
    values("rustc-env=", |value| Some(value.split_once('=')?.0.to_owned()))
}

/// What the build script has the linker of the package's macros told. Cargo knows no such key, and takes it
/// for one of the script's own.
pub fn link_args() -> Vec<String> {
    values("rustc-link-arg-proc-macro=", |value| Some(value.to_owned()))
}

/// The values of one of the script's keys.
fn values(key: &str, value: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let Some(out) = std::env::var_os("OUT_DIR").map(PathBuf::from) else { return Vec::new() };
    let Some(place) = out.parent() else { return Vec::new() };
    let said = SAID.iter().find_map(|name| std::fs::read_to_string(place.join(name)).ok());
    let of_line = |line: &str| {
        let line = line.strip_prefix("cargo:")?;
        value(line.strip_prefix(':').unwrap_or(line).strip_prefix(key)?)
    };
    said.iter().flat_map(|said| said.lines()).filter_map(of_line).collect()
}
