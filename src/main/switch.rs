//! `cargo precast on` and `off`.

use crate::console::Console;
use clap::Args;
use precast::error::{Class, Context, Error, Result};
use precast::project::{self, switch, Missing, Plan, Request};
use precast::store::Store;
use serde_json::json;
use std::ffi::OsString;

#[derive(Args, Debug)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// `--manifest-path DIR/Cargo.toml`, as for cargo
    #[arg(value_name = "ARGUMENTS", trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) arguments: Vec<OsString>,
}

pub(crate) fn on(options: &Options, console: &Console) -> Result<()> {
    let (request, console) = request(options, console)?;
    let store = Store::open(None)?;
    switch::on(&request, &store)?;
    let plan = Plan::for_all(&request, &store)?;
    project::finish(&plan, &store)?;
    console.clear();
    project::summary(&plan.macros).iter().for_each(|line| console.summary(line));
    if std::env::var_os("RUSTC_WRAPPER").is_some() {
        console.note(
            "RUSTC_WRAPPER is set and comes before cargo's configuration: where it is, cargo runs \
             without precast",
        );
    }
    let is_later = plan.missing == Missing::Later;
    console.result(&json!({ "on": true, "macros": plan.macros, "later": is_later }), || {
        "Every cargo command in this workspace now uses the shims, until `cargo precast off`.\n"
            .to_owned()
    });
    Ok(())
}

pub(crate) fn off(options: &Options, console: &Console) -> Result<()> {
    let (request, console) = request(options, console)?;
    let was_on = switch::off(&request, &Store::open(None)?)?;
    console.result(&json!({ "on": false, "was_on": was_on }), || match was_on {
        true => "Cargo builds the macros from source again.\n".to_owned(),
        false => "It was not on.\n".to_owned(),
    });
    Ok(())
}

/// What is asked of cargo, and how to speak to the user.
fn request(options: &Options, console: &Console) -> Result<(Request, Console)> {
    let mut arguments = options.arguments.clone();
    let mut flag = |name: &str| crate::build::flag(&mut arguments, name);
    let console = console.with(flag("--json"), flag("-q") | flag("--quiet"));
    let mut rest = arguments.iter();
    while let Some(word) = rest.next() {
        let text = word.to_string_lossy();
        match text.split('=').next() {
            Some("--manifest-path") if text.contains('=') => {}
            Some("--manifest-path") => drop(rest.next()),
            Some("--only" | "--except") => {
                let message = format!("{text} holds for one command");
                return Err(Error::new(Class::Usage, message).help(
                    "write `only` or `except` into [workspace.metadata.precast] of Cargo.toml",
                ));
            }
            _ => {
                let error = Error::new(Class::Usage, format!("unexpected argument {text}"));
                return Err(error.help("`cargo precast help on` shows what there is"));
            }
        }
    }
    let directory = std::env::current_dir().context("the current directory is gone")?;
    let mut request = Request::workspace(&arguments, &directory);
    request.toolchain = crate::arguments::toolchain();
    Ok((request, console))
}
