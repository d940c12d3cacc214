//! `cargo precast publish`.

use crate::console::Console;
use clap::Args;
use precast::artifact::manifest::Capabilities;
use precast::author::publish::{self, CRATE_BYTES_MAX};
use precast::base::error::Result;
use precast::pack::{Features, PackOptions};
use serde_json::json;
use std::ffi::OsString;

/// Publish the shim of a macro package in the place of the package itself
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The package's directory
    #[arg(value_name = "DIR", default_value = ".")]
    directory: String,

    /// Only show what would go up
    #[arg(long)]
    dry_run: bool,

    /// Features to enable, separated by commas
    #[arg(long, short = 'F', value_name = "FEATURES", value_delimiter = ',')]
    features: Vec<String>,

    /// Enable all features: users may enable any of them
    #[arg(long)]
    all_features: bool,

    /// Leave the default features out
    #[arg(long)]
    no_default_features: bool,

    /// Arguments of `cargo publish`, such as `--registry NAME`
    #[arg(value_name = "ARGUMENTS", last = true)]
    arguments: Vec<OsString>,
}

pub(crate) fn run(options: &Options, console: &Console) -> Result<()> {
    let pack = PackOptions {
        specs: vec![match options.directory.contains(['/', '\\', '.']) {
            true => options.directory.clone(),
            false => format!("./{}", options.directory),
        }],
        features: Features {
            names: options.features.clone(),
            no_default: options.no_default_features,
            all: options.all_features,
            ..Features::default()
        },
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
        "published": published.is_sent,
    });
    console.result(&value, || {
        let mut out = String::new();
        for (name, bytes) in &published.files {
            out += &format!("  {:>9.1} kB  {name}\n", *bytes as f64 / 1000.0);
        }
        out += &format!(
            "{} {}: {} files, {:.2} of {} MB packaged; {}\n",
            package.name,
            package.version,
            published.files.len(),
            published.crate_bytes as f64 / (1 << 20) as f64,
            CRATE_BYTES_MAX >> 20,
            if published.is_sent { "published" } else { "nothing was published" }
        );
        out
    });
    Ok(())
}
