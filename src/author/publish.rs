//! A macro author's release: the shim, in the place of the package that it was packed from.

use super::golden::{self, Difference};
use crate::base::cargo;
use crate::base::error::{Class, Context, Error, Result};
use crate::base::report::Report;
use crate::base::scratch::Scratch;
use crate::pack::{self, Outcome, PackOptions};
use crate::verify;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What the registry takes at most.
pub const CRATE_BYTES_MAX: u64 = 10 << 20;

/// What would be, or was, published.
pub struct Published {
    pub outcome: Outcome,
    /// Files of the package with their sizes.
    pub files: Vec<(String, u64)>,
    /// Of the compressed `.crate` file.
    pub crate_bytes: u64,
    /// Checks that the file has passed, and tests of its expansions.
    pub checks: Vec<String>,
    pub tests: Vec<String>,
    /// Whether it went up.
    pub is_sent: bool,
}

/// Packs one package, makes the `.crate` of its shim, unpacks and builds that as cargo does before publishing,
/// compares what is in it and how it expands, and, unless `is_dry`, publishes it with `cargo publish` and the given arguments.
pub fn publish(
    options: &PackOptions,
    is_dry: bool,
    arguments: &[OsString],
    report: &dyn Report,
) -> Result<Published> {
    // Outside of any workspace, of which the shim would not be a member.
    let scratch = Scratch::new()?;
    let options = PackOptions { out: scratch.path().join("shim"), ..options.clone() };
    let outcome = pack::pack(&options, report)?.into_iter().next();
    let outcome = outcome.ok_or_else(|| Error::new(Class::Usage, "there is nothing to pack"))?;
    report.step("packaging the shim");
    let target = scratch.path().join("target");
    let mut package = cargo::command(&outcome.shim);
    package.args(["package", "--allow-dirty", "--quiet"]).arg("--target-dir").arg(&target);
    let output = cargo::run(package, |_| {})?;
    if !output.success {
        return Err(cargo::failure("cargo cannot package the shim", &output.stderr));
    }
    let about = &outcome.manifest.package;
    let file = target.join("package").join(format!("{}-{}.crate", about.name, about.version));
    let crate_bytes = file.metadata().at("read", &file)?.len();
    let files = listed(&outcome.shim)?;
    if crate_bytes > CRATE_BYTES_MAX {
        let message = format!(
            "the package has {:.1} MB, and the registry takes {} MB",
            crate_bytes as f64 / (1 << 20) as f64,
            CRATE_BYTES_MAX >> 20
        );
        return Err(Error::new(Class::Package, message).help(
            "leave large files out of the original with `include` or `exclude` in its Cargo.toml",
        ));
    }
    let checks = checked(&file)?;
    let tests = tested(&options, &file.with_extension(""), report)?;
    if !is_dry {
        report.step("publishing");
        let mut publish = cargo::command(&outcome.shim);
        publish.args(["publish", "--allow-dirty", "--no-verify"]).args(arguments);
        publish.arg("--target-dir").arg(&target);
        let output = cargo::run(publish, |_| {})?;
        if !output.success {
            return Err(cargo::failure("cargo cannot publish the shim", &output.stderr));
        }
    }
    Ok(Published { outcome, files, crate_bytes, checks, tests, is_sent: !is_dry })
}

/// What goes up is what was packed, to the byte.
fn checked(file: &Path) -> Result<Vec<String>> {
    let verdict = verify::verify(file)?;
    let mut differences = verdict.checks.iter().flat_map(|check| &check.differences);
    if let Some(first) = differences.next() {
        let message = format!("the packaged shim is not what was packed: {first}");
        return Err(Error::new(Class::Verify, message).help(
            "nothing was published; does the package's `include` leave a file of the shim out?",
        ));
    }
    Ok(verdict.checks.iter().map(|check| check.what.to_owned()).collect())
}

/// Expands the package's golden tests with the shim as cargo has unpacked it, and with the macros from source.
fn tested(options: &PackOptions, unpacked: &Path, report: &dyn Report) -> Result<Vec<String>> {
    let Some(directory) = options.specs.first().map(PathBuf::from) else { return Ok(Vec::new()) };
    if !golden::has_tests(&directory) {
        return Ok(Vec::new());
    }
    let options = golden::Options {
        directory,
        features: options.features.clone(),
        bless: false,
        only: Vec::new(),
        offline: options.offline,
        shim: Some(unpacked.to_owned()),
    };
    let tested = golden::run(&options, report)?;
    if let Some(failed) = tested.iter().find(|tested| !tested.differences.is_empty()) {
        let Difference { file, side, diff } = &failed.differences[0];
        let made = match *side {
            "source" => "the macros compiled from source make",
            "packed" => "the packaged shim makes",
            _ => "the macros make",
        };
        let message = format!("{made} something else than {file}:\n{}", diff.trim_end());
        return Err(Error::new(Class::Verify, message)
            .help("nothing was published; `cargo precast test-macro` shows all differences"));
    }
    Ok(tested.into_iter().map(|tested| tested.file).collect())
}

fn listed(shim: &Path) -> Result<Vec<(String, u64)>> {
    let mut command = cargo::command(shim);
    command.args(["package", "--list", "--allow-dirty", "--quiet"]);
    let output = cargo::run(command, |_| {})?;
    if !output.success {
        return Err(cargo::failure("cargo cannot list the shim's files", &output.stderr));
    }
    let size = |name: &str| {
        // Cargo writes some files itself, which are not here.
        let path: PathBuf = shim.join(name);
        (name.to_owned(), path.metadata().map_or(0, |metadata| metadata.len()))
    };
    Ok(output.stdout.lines().map(size).collect())
}
