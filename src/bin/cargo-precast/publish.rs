//! `cargo precast publish`.

use crate::console::Console;
use crate::features::FeatureOptions;
use clap::Args;
use precast::artifact::manifest::Capabilities;
use precast::author::golden::FOLDER;
use precast::author::publish::{self, CRATE_BYTES_MAX};
use precast::author::same_package;
use precast::base::error::Result;
use precast::base::text::counted;
use precast::pack::PackOptions;
use precast::project::same_package::Target;
use serde_json::json;
use std::ffi::OsString;
use std::path::Path;

/// Publish the shim of a macro package in the place of the package itself
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The package's directory
    #[arg(value_name = "DIR", default_value = ".")]
    directory: String,

    /// Only show what would go up
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    features: FeatureOptions,

    /// Arguments of `cargo publish`, such as `--registry NAME`
    #[arg(value_name = "ARGUMENTS", last = true)]
    arguments: Vec<OsString>,
}

pub(crate) fn run(options: &Options, console: &Console) -> Result<()> {
    let directory = Path::new(&options.directory);
    if let Some(target) = own_macros(directory)? {
        console.step("packaging");
        same_package::publish(&target, options.dry_run, &options.arguments)?;
        let value = json!({ "name": target.package, "published": !options.dry_run });
        console.result(&value, || {
            let what = if options.dry_run { "nothing was published" } else { "published" };
            format!("{}: its macros are packed and fresh; {what}\n", target.package)
        });
        return Ok(());
    }
    let pack = PackOptions {
        specs: vec![match options.directory.contains(['/', '\\', '.']) {
            true => options.directory.clone(),
            false => format!("./{}", options.directory),
        }],
        features: options.features.chosen(),
        grants: Capabilities::default(),
        ..PackOptions::default()
    };
    let step = |text: &str| console.step(text);
    let published = publish::publish(&pack, options.dry_run, &options.arguments, &step)?;
    let package = &published.outcome.manifest.package;
    let value = json!({
        "name": package.name,
        "version": package.version,
        "sha256": published.outcome.sha256,
        "crate_bytes": published.crate_bytes,
        "crate_bytes_max": CRATE_BYTES_MAX,
        "files": published.files,
        "checks": published.checks,
        "tests": published.tests,
        "published": published.is_sent,
    });
    console.result(&value, || {
        let mut out = String::new();
        for (name, bytes) in &published.files {
            out += &format!("  {:>9.1} kB  {name}\n", *bytes as f64 / 1000.0);
        }
        out += &format!(
            "{} {}: {} files, {:.2} of {} MB packaged; {}, {}; {}\n",
            package.name,
            package.version,
            published.files.len(),
            published.crate_bytes as f64 / (1 << 20) as f64,
            CRATE_BYTES_MAX >> 20,
            counted(published.checks.len(), "check"),
            counted(published.tests.len(), "golden test"),
            if published.is_sent { "published" } else { "nothing was published" }
        );
        out
    });
    if published.tests.is_empty() {
        console.news(&format!(
            "{FOLDER} has no tests of expansions: the packaged shim was built, and not used"
        ));
    }
    Ok(())
}

/// The macros that a package has beside its library.
fn own_macros(directory: &Path) -> Result<Option<Target>> {
    match (directory.join("Cargo.toml").is_file(), directory.canonicalize()) {
        (true, Ok(directory)) => Target::of(&directory),
        _ => Ok(None),
    }
}
