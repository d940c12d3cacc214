//! A macro author's release: the shim, in the place of the package that it was packed from.

use crate::base::cargo;
use crate::base::error::{Class, Context, Error, Result};
use crate::base::report::Report;
use crate::base::scratch::Scratch;
use crate::pack::{self, Outcome, PackOptions};
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
    /// Whether it went up.
    pub is_sent: bool,
}

/// Packs one package, makes the `.crate` of its shim, builds that as cargo does before publishing,
/// and, unless `is_dry`, publishes it with `cargo publish` and the given arguments.
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
    Ok(Published { outcome, files, crate_bytes, is_sent: !is_dry })
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
