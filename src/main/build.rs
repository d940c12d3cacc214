//! `cargo precast build`, `check`, `test`, `run`, `bench`, `clippy` and `doc`: cargo's own commands
//! with the macros precompiled.

use crate::console::Console;
use clap::Args;
use precast::error::{Context, Result};
use precast::graph::{take, Request};
use precast::overlay::{self, compiled, Choice};
use precast::store::Store;
use std::ffi::OsString;
use std::process::ExitCode;

/// The commands that are passed on, and the short names of some.
pub(crate) const COMMANDS: [&str; 12] =
    ["build", "b", "check", "c", "test", "t", "run", "r", "bench", "clippy", "doc", "d"];

#[derive(Args, Debug)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// Cargo's own arguments; `--only NAMES` and `--except NAMES` choose the macro packages
    #[arg(value_name = "ARGUMENTS", trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) arguments: Vec<OsString>,
}

/// Cargo's exit code.
pub(crate) fn run(command: &str, options: &Options, console: &Console) -> Result<ExitCode> {
    let mut arguments = options.arguments.clone();
    if command == "check" && crate::policy::flag(&mut arguments, "--policy") {
        crate::policy::run(arguments, console)?;
        return Ok(ExitCode::SUCCESS);
    }
    let (choice, arguments) = choice(&arguments);
    let directory = std::env::current_dir().context("the current directory is gone")?;
    let mut request = Request::of(command, &arguments, &directory);
    request.toolchain = crate::arguments::toolchain();
    let store = Store::open(None)?;
    let overlay = overlay::prepare(&request, &choice, &store, &|text: &str| console.step(text))?;
    console.clear();
    let is_quiet = arguments
        .iter()
        .take_while(|word| *word != "--")
        .any(|word| word == "-q" || word == "--quiet");
    if !is_quiet {
        match overlay.config {
            Some(_) => {
                overlay::summary(&overlay.macros).iter().for_each(|line| console.summary(line))
            }
            None => console.summary("the overlay of `cargo precast on` is used"),
        }
    }
    let mut cargo = request.cargo();
    cargo.arg(command);
    if let Some(config) = &overlay.config {
        cargo.arg("--config").arg(config);
        let place = config.parent().expect("the configuration lies in the overlay");
        if let Some(wrapper) = compiled::wrapper(place, &request)? {
            let wrapper = toml_edit::value(wrapper.to_string_lossy().into_owned());
            cargo.arg("--config").arg(format!("build.rustc-wrapper={wrapper}"));
        }
    }
    cargo.args(&arguments);
    // A program that runs for long must not keep others from building, nor from it what is sent to
    // this process: as natively, it takes its place.
    if command == "run" {
        drop(overlay.lock);
        return crate::console::replace(cargo);
    }
    let n_compiled = store.n_compiled();
    let code = crate::console::pass(cargo)?;
    drop(overlay.lock);
    if store.n_compiled() > n_compiled {
        store.clean(precast::store::limit(None)?)?;
    }
    Ok(code)
}

/// `--only` and `--except` out of the arguments.
pub(crate) fn choice(arguments: &[OsString]) -> (Choice, Vec<OsString>) {
    let list = |values: Vec<String>| -> Vec<String> {
        values.iter().flat_map(|value| value.split(',')).map(str::to_owned).collect()
    };
    let (only, left) = take(arguments, "--only");
    let (except, left) = take(&left, "--except");
    (Choice { only: list(only), except: list(except) }, left)
}
