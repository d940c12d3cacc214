//! `cargo precast on` and `off`.

use crate::build::choice;
use crate::console::Console;
use clap::Args;
use precast::error::{Context, Result};
use precast::graph::Request;
use precast::overlay;
use precast::store::Store;
use serde_json::json;
use std::ffi::OsString;

#[derive(Args, Debug)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// `--manifest-path`, features and the like, as for cargo; `--only` and `--except NAMES`
    #[arg(value_name = "ARGUMENTS", trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) arguments: Vec<OsString>,
}

pub(crate) fn on(options: &Options, console: &Console) -> Result<()> {
    let (choice, request) = request(options)?;
    let store = Store::open(None)?;
    let overlay = overlay::on(&request, &choice, &store, &|text: &str| console.step(text))?;
    console.clear();
    overlay::summary(&overlay.macros).iter().for_each(|line| console.summary(line));
    console.result(&json!({ "on": true, "macros": overlay.macros }), || {
        "Every cargo command in this workspace now uses the shims, until `cargo precast off`.\n\
         After a change of Cargo.lock, run `cargo precast on` again.\n"
            .to_owned()
    });
    Ok(())
}

pub(crate) fn off(options: &Options, console: &Console) -> Result<()> {
    let was_on = overlay::off(&request(options)?.1)?;
    console.result(&json!({ "on": false, "was_on": was_on }), || match was_on {
        true => "Cargo builds the macros from source again.\n".to_owned(),
        false => "The overlay was not on.\n".to_owned(),
    });
    Ok(())
}

fn request(options: &Options) -> Result<(overlay::Choice, Request)> {
    let (choice, arguments) = choice(&options.arguments);
    let directory = std::env::current_dir().context("the current directory is gone")?;
    let mut request = Request::workspace(&arguments, &directory);
    request.toolchain = crate::arguments::toolchain();
    Ok((choice, request))
}
