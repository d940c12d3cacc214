//! `cargo precast pack`.

use crate::console::Console;
use clap::Args;
use precast::error::{Class, Error, Result};
use std::path::PathBuf;

/// Compile macro crates to sandboxed modules: an artifact and a shim crate of each
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// A package's directory, or `name` or `name@version` of the registry
    #[arg(value_name = "SPEC", required = true)]
    pub(crate) specs: Vec<String>,

    /// Where to write NAME-VERSION.precast and NAME-VERSION/
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    pub(crate) out: PathBuf,

    /// Features to enable, separated by commas
    #[arg(long, short = 'F', value_name = "FEATURES", value_delimiter = ',')]
    pub(crate) features: Vec<String>,

    /// Leave the default features out
    #[arg(long)]
    pub(crate) no_default_features: bool,

    /// Enable all features
    #[arg(long)]
    pub(crate) all_features: bool,
}

pub(crate) fn run(options: &Options, _console: &Console) -> Result<()> {
    Err(Error::new(Class::Other, format!("cannot pack {} yet", options.specs.join(", "))))
}
