//! Cargo's three options that choose features of one package.

use clap::Args;
use precast::pack::Features;

#[derive(Args, Debug)]
pub(crate) struct FeatureOptions {
    /// Features to enable, separated by commas
    #[arg(long, short = 'F', value_name = "FEATURES", value_delimiter = ',')]
    features: Vec<String>,

    /// Enable all features: users may enable any of them
    #[arg(long)]
    all_features: bool,

    /// Leave the default features out
    #[arg(long)]
    no_default_features: bool,
}

impl FeatureOptions {
    pub(crate) fn chosen(&self) -> Features {
        Features {
            names: self.features.clone(),
            no_default: self.no_default_features,
            all: self.all_features,
            ..Features::default()
        }
    }
}
