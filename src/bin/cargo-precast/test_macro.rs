//! `cargo precast test-macro`.

use crate::console::Console;
use crate::features::FeatureOptions;
use crate::watch;
use clap::Args;
use precast::author::golden::{self, Options as Golden, Tested, FOLDER};
use precast::base::error::{Class, Error, Result};
use precast::base::files;
use serde_json::json;
use std::path::PathBuf;

/// Test the macros of a package: expand tests/expand/*.rs natively and packed, and compare with the
/// files beside them
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Only files whose names contain one of these
    #[arg(value_name = "NAME")]
    only: Vec<String>,

    /// The macro package's directory
    #[arg(long, value_name = "DIR", default_value = ".")]
    directory: PathBuf,

    /// Write the files beside the tests: NAME.expanded.rs, NAME.stderr, NAME.records
    #[arg(long)]
    bless: bool,

    /// Test again whenever a file of the package changes
    #[arg(long)]
    watch: bool,

    #[command(flatten)]
    features: FeatureOptions,

    /// Use only what cargo has downloaded before
    #[arg(long)]
    offline: bool,
}

pub(crate) fn run(options: &Options, console: &Console) -> Result<()> {
    let golden = Golden {
        directory: options.directory.clone(),
        features: options.features.chosen(),
        bless: options.bless,
        only: options.only.clone(),
        offline: options.offline,
        shim: None,
    };
    loop {
        let seen = files::read(&options.directory)?;
        let done = once(&golden, console);
        if !options.watch {
            return done;
        }
        if let Err(error) = done {
            console.error(&error);
        }
        // Blessed files are no change of the author's.
        let after = files::read(&options.directory)?;
        let seen = if options.bless { after } else { seen };
        watch::until_changed(&seen, || files::read(&options.directory))?;
    }
}

fn once(golden: &Golden, console: &Console) -> Result<()> {
    let step = |text: &str| console.step(text);
    let tested = golden::run(golden, &step)?;
    console.result(&json!({ "tests": tested }), || tested.iter().map(shown).collect());
    let n = tested.iter().filter(|tested| !tested.differences.is_empty()).count();
    match n {
        0 => Ok(()),
        n => Err(Error::new(
            Class::Verify,
            format!("{n} of {} tests in {FOLDER} failed", tested.len()),
        )
        .help("if the macros are right and the files beside the tests are not, add `--bless`")),
    }
}

fn shown(tested: &Tested) -> String {
    let word = match (tested.differences.is_empty(), tested.blessed.is_empty()) {
        (false, _) => "FAILED",
        (true, false) => "blessed",
        (true, true) => "ok",
    };
    let mut text = format!("{} ... {word}\n", tested.file);
    for difference in &tested.differences {
        let made = match difference.side {
            "source" => "the macros compiled from source make",
            "packed" => "the packed macros make",
            _ => "the macros make",
        };
        text += &format!("{made} something else than {}:\n{}", difference.file, difference.diff);
    }
    text
}
