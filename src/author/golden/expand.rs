//! One file, expanded by the compiler: as code, with what was told and which records were left.

use crate::base::cargo;
use crate::base::error::{Class, Error, Result};
use crate::expand::format;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The package that is tested.
pub(super) struct Package {
    pub(super) crate_name: String,
    pub(super) edition: String,
    /// Enabled, as cargo has enabled them.
    pub(super) features: Vec<String>,
}

/// The compiler with the macros of one library.
pub(super) struct Compiler<'a> {
    pub(super) package: &'a Package,
    pub(super) library: PathBuf,
    pub(super) scratch: &'a Path,
}

/// How the dep-info line of a record begins.
const RECORD: &str = "# env-dep:precast.record.";

impl Compiler<'_> {
    /// The expansion, what was told, and the records.
    pub(super) fn expand(&self, directory: &Path, file: &Path) -> Result<[String; 3]> {
        let (expanded, told) = self.ask(directory, file, &["-Zunpretty=expanded"])?;
        let text = code(&expanded)?;
        let dep_info = self.scratch.join("file.d");
        let emit = format!("--emit=dep-info={}", dep_info.display());
        self.ask(directory, file, &[&emit])?;
        let records = std::fs::read_to_string(&dep_info).unwrap_or_default();
        // One that the compiler did not write again is not that of the next file.
        let _ = std::fs::remove_file(&dep_info);
        let mut records: Vec<String> = records.lines().filter_map(record).collect();
        records.sort();
        Ok([text, told, records.concat()])
    }

    /// Standard output, and what was told.
    fn ask(&self, directory: &Path, file: &Path, options: &[&str]) -> Result<(String, String)> {
        let mut command = cargo::compiler(directory);
        command.args(["--edition", &self.package.edition, "--error-format", "json"]);
        command.args(["--crate-type", "lib", "--crate-name", "test"]);
        let library = self.library.display();
        command.arg("--extern").arg(format!("{}={library}", self.package.crate_name));
        command.args(options).arg(file).env("RUSTC_BOOTSTRAP", "1");
        // What a macro asks cargo's variables for is the package.
        command.env("CARGO_MANIFEST_DIR", directory).env("CARGO_PKG_NAME", "test");
        let output = cargo::run(command, |_| {})?;
        let mut told = String::new();
        for line in output.stderr.lines() {
            match serde_json::from_str::<Value>(line) {
                Ok(message) => told += of_macro(&message),
                Err(_) => told += &format!("{line}\n"),
            }
        }
        Ok((output.stdout, told))
    }
}

/// A message as users see it, unless the compiler tells it of the code itself: types of other crates are not
/// there.
fn of_macro(message: &Value) -> &str {
    let text = message["rendered"].as_str().unwrap_or_default();
    let is_end = text.starts_with("error: aborting") || message["level"] == "failure-note";
    match message["code"].is_null() && !is_end {
        true => text,
        false => "",
    }
}

/// Without what the compiler puts into every crate.
fn code(expanded: &str) -> Result<String> {
    let ours = |line: &&str| {
        *line != "#![feature(prelude_import)]"
            && *line != "#[macro_use]"
            && *line != "extern crate std;"
            && *line != "#[prelude_import]"
            && !line.starts_with("use std::prelude::rust_")
            && !line.starts_with("use ::std::prelude::rust_")
    };
    let text: String = expanded.lines().filter(ours).map(|line| line.to_owned() + "\n").collect();
    let stream = text.parse().map_err(|error| {
        let message = format!("the compiler's expansion cannot be read: {error}");
        Error::new(Class::Other, message)
    })?;
    Ok(format(stream))
}

/// A record as a line: key, path and data, as they are encoded.
fn record(line: &str) -> Option<String> {
    let fields: Vec<&str> = line.strip_prefix(RECORD)?.split('|').collect();
    let [_, _, key, data, _, path, line, ..] = fields[..] else { return None };
    Some(format!("{line:>4} {path} {key}: {data}\n"))
}
